// What the command line gives a chat template, and what it says of one, by the commands themselves.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { createEngine, describeModel } from '../../js/index.node.js';
import { present } from '../present.js';
import { scriptedModel, TYPES } from '../scripted-model.js';
import { temporaryFolder } from '../small-model.js';
import { untyped } from '../untyped.js';

const CLI = fileURLToPath(new URL('../../js/cli.js', import.meta.url));
const TEMPLATE =
  "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No.') }}{% endif %}{{ m.content }}{% endfor %}" +
  "{% for t in tools or [] %}{{ t.name }}{{ t.most }}{% endfor %}{{ 'x' * n if n is defined }}{{ id }}";

const folder = temporaryFolder();
const model = join(folder, 'model.gguf');
// They stand in the place of letters that merges make.
const special = [1, 2, 3].map((number) => ({ text: `<|${number}|>`, type: TYPES.control }));
writeFileSync(model, scriptedModel({ script: () => ({ 97: 20 }), special, template: TEMPLATE }));
const tools = join(folder, 'tools.json');
writeFileSync(tools, JSON.stringify([{ name: 'seven' }]));

/**
 * @param {string} file
 * @param {string} command
 * @param {...string} args
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 */
const nibbleOf = (file, command, ...args) =>
  new Promise((resolve) => {
    const all = [CLI, command, ...args, '-m', file, '-t', '1', ...(command === 'info' ? [] : ['-n', '2'])];
    execFile(process.execPath, all, { timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: untyped(error?.code ?? 0), stdout, stderr }),
    );
  });

/** @param {string} command @param {...string} args */
const nibble = (command, ...args) => nibbleOf(model, command, ...args);

/** @param {...string} args */
const promptTokens = async (...args) =>
  JSON.parse((await nibble('run', '-p', 'Hi', '--json', ...args)).stdout).promptTokens;

test('tools and variables reach the template', async () => {
  const plain = await promptTokens();
  assert.equal(await promptTokens('--tools', tools), plain + 'seven'.length);
  const marked = join(folder, 'marked.json');
  writeFileSync(marked, '\ufeff[{"name": "seven"}]');
  assert.equal(await promptTokens('--tools', marked), plain + 'seven'.length, 'with a mark of the byte order');
  assert.equal(await promptTokens('--variable', 'n=3', '--variable', 'other=a text'), plain + 3);
  // With all their digits, however they are read.
  const digits = '1132456789012345678901';
  assert.equal(await promptTokens('--variable', `id=${digits}`), plain + digits.length);
  const exact = join(folder, 'exact.json');
  writeFileSync(exact, `[{"name": "seven", "most": ${digits}}]`);
  assert.equal(await promptTokens('--tools', exact), plain + 'seven'.length + digits.length);
});

test('what cannot be read of them is an error of use', async () => {
  const wrong = join(folder, 'wrong.json');
  writeFileSync(wrong, '{"name": "seven"}');
  for (const args of [['--tools', wrong], ['--tools', join(folder, 'none')], ['--variable', 'n'], ['--no-parse']]) {
    const { code, stderr } = await nibble('run', '-p', 'Hi', ...args);
    assert.equal(code, 2, stderr);
    assert.match(stderr, new RegExp(args[0]));
  }
});

test('a file of tools that is no JSON is told so, and where', async () => {
  for (const [text, found] of untyped([
    ['[\n  {"name": "seven",}\n]', /it is no JSON: in line 2, column 20 stands "}"/],
    ['[{"name": "seven"', /it is no JSON: it ends too early, in line 1, column 18/],
    [' ', /: it is empty;/],
    [`[${'9'.repeat(5000)}]`, /more than 4300 digits/],
  ])) {
    const file = join(folder, 'no.json');
    writeFileSync(file, text);
    const { code, stderr } = await nibble('run', '-p', 'Hi', '--tools', file);
    assert.equal(code, 2, stderr);
    assert.match(stderr, found);
  }
  const { stderr } = await nibble('run', '-p', 'Hi', '--tools', join(folder, 'none'));
  assert.match(stderr, /could not be read: .*no such file|could not be read: there is/);
});

test('what is odd is said once, and where it matters', async () => {
  const moved = /takes no system message/g;
  assert.doesNotMatch((await nibble('run', '-p', 'Hi')).stderr, moved);
  const { stderr, stdout } = await nibble('run', '-p', 'Hi', '--system', 'Be brief.');
  assert.equal(stderr.match(moved)?.length, 1);
  assert.equal(stdout, 'aa\n');
  // Of the vocabulary, whatever is asked.
  assert.match(stderr, /merges make a piece that the vocabulary lacks/);
});

const odd = join(folder, 'odd.gguf');
const KEY = 'tokenizer.chat_template';
/** @type {import('../gguf-writer.js').KeyValue[]} */
const more = [
  ['tokenizer.ggml.pre', 'string', 'no-such-split'],
  [`${KEY}s`, 'string[]', ['tool_use', 'twice']],
  [`${KEY}.tool_use`, 'string', '{{ messages[0].content }}{{ tools | length }} tools'],
  [`${KEY}.twice`, 'string', '{{ messages[0].content * 2 }}'],
];
writeFileSync(
  odd,
  scriptedModel({ script: () => ({ 97: 20 }), template: null, more: [...more, [KEY, 'string', '12345']] }),
);

test('a template is chosen by its name, and by tools', async () => {
  const engine = await createEngine({ model: odd, threads: 1 });
  try {
    const messages = [{ role: 'user', content: 'Hi' }];
    assert.deepEqual(engine.info.chatTemplates, ['default', 'tool_use', 'twice']);
    /** @param {object} options */
    const render = (options) => engine.render(messages, options);
    assert.equal(await render({}), '12345');
    assert.equal(await render({ tools: [{ name: 'a' }] }), 'Hi1 tools');
    assert.equal(await render({ tools: [{ name: 'a' }], template: 'default' }), '12345');
    assert.equal(await render({ template: 'twice' }), 'HiHi');
    const { promptTokens } = await engine.complete({ messages, template: 'twice', maxTokens: 1 }).result;
    assert.equal(promptTokens, await engine.countTokens({ messages, template: 'twice' }));
    for (const template of ['thrice', 5, '']) {
      await assert.rejects(render({ template }), { code: 'INVALID_ARGUMENT' }, `${template}`);
    }
    await assert.rejects(render({ template: 'thrice' }), /default, tool_use, twice/);
    await assert.rejects(render({ templateVariables: { messages: [] } }), { code: 'INVALID_ARGUMENT' });
  } finally {
    await engine.unload();
  }
  /** @param {...string} args */
  const run = (...args) => nibbleOf(odd, 'run', '-p', 'Hi', '--json', ...args);
  /** @type {number[]} */
  const counts = [];
  for (const args of [[], ['--tools', tools], ['--template', 'twice']])
    counts.push(JSON.parse((await run(...args)).stdout).promptTokens);
  assert.deepEqual(
    counts,
    ['12345', 'Hi1 tools', 'HiHi'].map(({ length }) => length + counts[0] - 5),
  );
  const { code, stderr } = await run('--template', 'thrice');
  assert.ok(code !== 0 && /this model has default, tool_use, twice/.test(stderr), stderr);
});

test("a template comes from a file, in place of the model's own", async () => {
  const file = join(temporaryFolder(), 'template.jinja');
  writeFileSync(file, '\ufeff{{ messages[0].content }}{{ extra }}!');
  const args = ['-p', 'Hi', '--json', '--template-file', file];
  const { stdout, stderr } = await nibbleOf(odd, 'run', ...args, '--variable', 'extra=123');
  const own = JSON.parse((await nibbleOf(odd, 'run', '-p', 'Hi', '--json')).stdout);
  assert.equal(JSON.parse(stdout).promptTokens, own.promptTokens - '12345'.length + 'Hi123!'.length, stderr);
  for (const [more, sentence] of /** @type {[string[], RegExp][]} */ ([
    [['--template', 'twice'], /one of them is meant/],
    [['--template-file', `${file}.gone`], /--template-file ".*" could not be read: there is no such file/],
  ])) {
    const wrong = await nibbleOf(
      odd,
      'run',
      '-p',
      'Hi',
      ...(more[0] === '--template' ? ['--template-file', file] : []),
      ...more,
    );
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, sentence);
  }
  const broken = join(temporaryFolder(), 'broken.jinja');
  writeFileSync(broken, '{% for %}');
  const failed = await nibbleOf(odd, 'run', '-p', 'Hi', '--template-file', broken);
  assert.match(failed.stderr, /CHAT_TEMPLATE_FAILED: The chat template that was given failed/);
});

test('an unknown way of splitting words is said by every command that looks at texts', async () => {
  for (const [command, ...args] of [['run', '-p', 'Hi'], ['info']]) {
    const { stdout, stderr } = await nibbleOf(odd, command, ...args);
    assert.match(stdout + stderr, /names "no-such-split"/, command);
  }
  const { warnings } = await describeModel(odd);
  assert.deepEqual(
    warnings.map(({ code }) => code),
    ['PRE_TOKENIZER_UNKNOWN'],
  );
});

test('a vocabulary that cannot be read is a problem of the model, as it keeps it from loading', async () => {
  const unknown = join(folder, 'unknown.gguf');
  const bytes = scriptedModel({ script: () => ({}), more: [['tokenizer.ggml.model', 'string', 'rwkv']] });
  writeFileSync(unknown, bytes);
  const { model: found, memory, problem } = await describeModel(unknown);
  assert.deepEqual([found, memory, present(problem).code], [null, null, 'TOKENIZER_UNSUPPORTED']);
  await assert.rejects(createEngine({ model: unknown, threads: 1 }), { code: 'TOKENIZER_UNSUPPORTED' });
});
