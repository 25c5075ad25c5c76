// What the command line gives a chat template, and what it says of one, by the commands themselves.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { scriptedModel, TYPES } from './scripted-model.js';
import { temporaryFolder } from './small-model.js';

const CLI = fileURLToPath(new URL('../js/cli.js', import.meta.url));
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

/** @returns {Promise<{ code: number, stdout: string, stderr: string }>} */
const nibble = (...args) =>
  new Promise((resolve) => {
    const all = [CLI, ...args, '-m', model, '-t', '1', '-n', '2'];
    execFile(process.execPath, all, { timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });

const promptTokens = async (...args) =>
  JSON.parse((await nibble('run', '-p', 'Hi', '--json', ...args)).stdout).promptTokens;

test('tools and variables reach the template', async () => {
  const plain = await promptTokens();
  assert.equal(await promptTokens('--tools', tools), plain + 'seven'.length);
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

test('what is odd is said once, and where it matters', async () => {
  const moved = /takes no system message/g;
  assert.doesNotMatch((await nibble('run', '-p', 'Hi')).stderr, moved);
  const { stderr, stdout } = await nibble('run', '-p', 'Hi', '--system', 'Be brief.');
  assert.equal(stderr.match(moved)?.length, 1);
  assert.equal(stdout, 'aa\n');
  // Of the vocabulary, whatever is asked.
  assert.match(stderr, /merges make a piece that the vocabulary lacks/);
});
