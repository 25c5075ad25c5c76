// The documents are true where a program can tell: links and names lead somewhere, commands exist, code runs.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { transform } from 'esbuild';
import { filesBelow, ROOT } from '../wasm/shell.js';
import { recordedRows } from './bench/recorded.js';
import {
  blocksOf,
  brokenLinks,
  commandsOf,
  filesIn,
  linksIn,
  missingFiles,
  readDocuments,
  stepsOf,
  wrongIn,
} from './documents.js';
import { splitGguf, splitNames } from './gguf-splitter.js';
import { serveHub } from './hub-server.js';
import { present } from './present.js';
import { temporaryFolder } from './small-model.js';
import { untyped } from './untyped.js';

/** @typedef {import('./hub-server.js').Hub} Hub */

const MODEL = join(ROOT, 'models/nibble-tiny.gguf');
const RUN_MILLISECONDS = 120_000;
// What is said of speed in sentences: 47.7 tokens, 1.45 times, 0.1 to 0.3 s.
const SPEED = /\d[\d.]*(?: to \d[\d.]*)? (?:tokens a second|tokens\/s|times the|times llama|s\b)/g;
const facts = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const documents = readDocuments();
/** @param {string} path */
const textOf = (path) => present(documents.find((document) => document.path === path)).text;

/** @param {string} path of a document */
const linksOf = (path) => linksIn({ path, text: textOf(path) });

/**
 * What a rule finds in any of the documents, with the document's name.
 * @param {(a: { path: string, text: string }) => string[]} rule
 */
const survey = (rule) =>
  documents.flatMap(({ path, text }) => rule({ path, text }).map((found) => `${path}: ${found}`));

const helps = new Map();
/** @param {string} name */
function helpOf(name) {
  if (!helps.has(name)) {
    const args = [join(ROOT, facts.bin.nibble), name, '--help'];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    helps.set(name, status === 0 ? stdout : null);
  }
  return helps.get(name);
}
const known = { scripts: Object.keys(facts.scripts).concat('test'), helpOf };

describe('the documents', () => {
  test('are found, and links lead from README.md to each that people write', () => {
    assert.ok(documents.length >= 8);
    const reached = new Set(['README.md']);
    const isDocument = /** @param {string} path */ (path) => documents.some((document) => document.path === path);
    // A set is read on while it grows.
    for (const path of reached) for (const target of linksOf(path).filter(isDocument)) reached.add(target);
    // Tables that programs write, and the first page of the reference.
    const generated = ['models/FAMILIES.md', 'js/reference.md'];
    // A room's own lines, which house-rules.test.js compares with the table of rooms.
    /** @param {string} path */
    const isOfRoom = (path) => path !== 'js/commands/README.md' && /^(js|web)\/[\w-]+\/README\.md$/.test(path);
    const written = documents.map(({ path }) => path).filter((path) => !generated.includes(path) && !isOfRoom(path));
    assert.deepEqual(
      written.filter((path) => !reached.has(path)),
      [],
    );
  });

  test('link to what is there', () => {
    assert.deepEqual(survey(brokenLinks), []);
  });

  test('name files that are there', () => {
    assert.deepEqual(
      survey(({ text }) => missingFiles(text)),
      [],
    );
  });

  test('name commands, scripts and options that there are', () => {
    const all = documents.flatMap(({ text }) => commandsOf(text));
    assert.ok(all.length > 60, `${all.length} commands`);
    const wrong = survey(({ text }) =>
      commandsOf(text).flatMap((command) => {
        const problem = wrongIn(command, known);
        return problem === null ? [] : [`${command}: ${problem}`];
      }),
    );
    assert.deepEqual(wrong, []);
  });

  test('have code that parses', async () => {
    let count = 0;
    for (const { path, text } of documents) {
      for (const { language, code } of blocksOf(text).filter(({ language }) => ['js', 'ts'].includes(language))) {
        count++;
        await assert.doesNotReject(
          transform(code, { loader: untyped(language), format: 'esm', target: 'esnext' }),
          path,
        );
      }
    }
    assert.ok(count > 12, `${count} pieces of code`);
  });

  test('tell how many families there are, and codes of errors that the library has', () => {
    const rows = [...textOf('models/FAMILIES.md').matchAll(/^\| ([a-z][\w-]*) \| `/gm)].map(([, family]) => family);
    const count = new Set(rows).size;
    assert.match(textOf('README.md'), new RegExp(`\\b${count} families`));
    const sources = filesBelow(['js', 'src', 'wasm'], (path) => /\.[chj]s?$/.test(path));
    const source = sources.map((path) => readFileSync(path, 'utf8')).join('\n');
    const codesOf = /** @param {string} text */ (text) =>
      [...text.matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map(([, code]) => code);
    const unknown = documents
      .filter(({ path }) => /^js\/[A-Z]+\.md$/.test(path))
      .flatMap(({ path, text }) => codesOf(text).map((code) => ({ path, code })))
      .filter(({ code }) => !new RegExp(`\\b${code}\\b`).test(source));
    assert.deepEqual(unknown, []);
    assert.ok(codesOf(textOf('js/ERRORS.md')).length > 30);
  });

  test('do not grow beyond what is read: the README is one screen, each other that people write is three at most', () => {
    const most = /** @param {string} path */ (path) => (path === 'README.md' ? 80 : 150);
    const long = documents
      .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
      .filter(({ path, lines }) => path !== 'models/FAMILIES.md' && lines > most(path));
    assert.deepEqual(long, []);
  });

  test('that say how to add something are numbered steps, each with the files that it is about', () => {
    const steps = documents
      .filter(({ path }) => /\/ADD-[A-Z-]+\.md$/.test(path))
      .map(({ path, text }) => ({ path, steps: stepsOf(text) }));
    assert.ok(steps.length >= 5, `${steps.length} documents`);
    assert.deepEqual(
      steps.filter(({ steps }) => steps.length < 5).map(({ path }) => path),
      [],
    );
    const without = steps.flatMap(({ path, steps }) =>
      steps.filter((step) => filesIn(step).length === 0).map((step) => `${path}: ${step.split('\n', 1)[0]}`),
    );
    assert.deepEqual(without, []);
  });
});

describe('the speeds in the documents', () => {
  const FIGURES = 'tests/bench/README.md';
  const rows = recordedRows();
  const sections = new Map(
    textOf(FIGURES)
      .split(/^## /m)
      .map((section) => [section.split('\n', 1)[0], section]),
  );
  /** @param {string} text */
  const numbersOf = (text) => [...text.matchAll(/\d+(?:\.\d+)?(?:e-\d+)?/g)].map(([number]) => number);

  for (const [name, made] of Object.entries(rows)) {
    test(`follow from records/${name}.json`, () => {
      const section = [...sections.values()].find((text) => text.includes(`](records/${name}.json)`)) ?? '';
      assert.deepEqual(
        made.filter((row) => !section.includes(`${row}\n`)),
        [],
        'node tests/bench/recorded.js',
      );
    });
  }

  test('stand in the lab book where they have no record', () => {
    const recorded = new Set(Object.values(rows).flat());
    const log = new Set(numbersOf(readFileSync(join(ROOT, 'tests/bench/LOG.md'), 'utf8')));
    const measured = [...sections.values()]
      .flatMap((section) => section.split('\n').slice(1))
      // The first row of a table and its first column name things.
      .filter((line) => line.startsWith('| ') && !recorded.has(line))
      .map((line) =>
        line
          .split('|')
          .slice(2)
          .join('|')
          .replace(/wllama [\d.]+/g, ''),
      )
      .flatMap(numbersOf);
    assert.ok(measured.length > 80, `${measured.length} figures`);
    assert.deepEqual(
      measured.filter((number) => !log.has(number)),
      [],
    );
  });

  test('are the same in every document', () => {
    const figures = numbersOf(textOf(FIGURES)).map(Number);
    const claims = documents
      .filter(({ path, text }) => path !== FIGURES && text.includes(FIGURES) && /^(README|js\/[A-Z]+)\.md$/.test(path))
      .flatMap(({ path, text }) =>
        [...text.replace(/\s+/g, ' ').matchAll(SPEED)].flatMap(([claim]) =>
          numbersOf(claim).map((number) => ({ path, claim, number })),
        ),
      );
    assert.ok(claims.length > 10, `${claims.length} claims`);
    // A document may say less exactly what the table says.
    const wrong = claims.filter(({ number }) => {
      const digits = number.split('.')[1]?.length ?? 0;
      return !figures.some((figure) => figure.toFixed(digits) === number);
    });
    assert.deepEqual(wrong, []);
  });

  test('stand under headings that there are', () => {
    const named = survey(({ text }) =>
      [...text.matchAll(/`tests\/bench\/README\.md`, "([^"]+)"/g)].map(([, heading]) => heading),
    );
    assert.ok(named.length >= 4, `${named.length} headings`);
    assert.deepEqual(
      named.filter((found) => !sections.has(found.split(': ')[1])),
      [],
    );
  });
});

test('package.json says of each file whether importing it does anything by itself', () => {
  const { sideEffects } = facts;
  for (const path of sideEffects) assert.match(path, /^\.\//);
  const sources = filesBelow(['js'], (path) => path.endsWith('.js')).map(
    (path) => `./${relative(ROOT, path).split(sep).join('/')}`,
  );
  // What begins a worker or a program does: it listens, answers or sets the exit code as it is read.
  const begins = /^(parentPort\.|serve\(|self\.|process\.exitCode|if \(process\.argv)/m;
  const packed = sources.filter((path) => !/\.web\.js$|\/(bundle|declarations|worker\.node)\.js$/.test(path));
  const doing = packed.filter((path) => begins.test(readFileSync(join(ROOT, path), 'utf8')));
  const bundled = ['node', 'web'].map((platform) => `./build/${platform}/worker.js`);
  assert.deepEqual([...sideEffects].sort(), [...bundled, ...doing].sort());
});

/** What each piece of code says, by the document and the heading that it stands under. @type {Record<string, RegExp>} */
const SAID = {
  'js/README.md: Load a model': /^Nibble tiny: \d+ threads, [\w-]+, 512 tokens of context \[\]$/m,
  'js/README.md: Get an answer': /\p{L}.*\n.*\p{L}/u,
  'js/CHATS.md: Chat': /^\S.* \((stop|length)\)\n(.*\n)*.*\S.* \((stop|length)\)\n$/,
  'js/CHATS.md: Continue a text': / [1-9]\d* [1-9]\d*\n$/,
  'js/CHATS.md: Tools and template variables': /code: 'TOOLS_IGNORED'/,
  'js/SESSIONS.md: Several texts': /^0 ([1-9]\d*) \1 /,
  'js/SESSIONS.md: Saved sessions': /reusedTokens: [1-9](.*\n)+.*key: 'manual'/,
  'js/CHATS.md: A full context': /^dropped ([1-9]\d*) tokens, 2 messages\n\1 2 2\n$/,
  'js/MEMORY.md: A memory budget': /^false 4 0 [1-9]\d*\n$/m,
  'js/MEMORY.md: An early start': /\p{L}/u,
  'js/STORES.md: Storage': /state: 'complete',\n +chunks: 1,\n +damaged: \[\]/,
  'js/DOWNLOADS.md: Models of Hugging Face': /^tiny-Q4_0\.gguf Q4_0 524576 true \d/m,
  'js/DOWNLOADS.md: Servers that ask who you are': /^tiny-Q4_0\.gguf\nfalse\n$/,
  'js/DOWNLOADS.md: Models in parts': /^Nibble tiny\n$/,
  'js/MEMORY.md: Before loading': /^Nibble tiny Q4_0 512 /,
  'js/README.md: Errors': /^INVALID_ARGUMENT The context size is 100000; .*trainedContext: 512 \}\n$/,
};

describe('the code in the documents runs', () => {
  const execute = promisify(execFile);
  const home = temporaryFolder();
  /** @type {Hub} */
  let hub;

  before(async () => {
    mkdirSync(join(home, 'node_modules'));
    symlinkSync(ROOT, join(home, 'node_modules/nibble-llm'), 'dir');
    hub = await serveHub({ 'owner/name': { files: { 'tiny-Q4_0.gguf': readFileSync(MODEL) }, gated: 'auto' } });
  });
  after(() => hub.close());

  /**
   * Runs a piece of code as a program of a user's.
   * @param {{ kind: string, code: string }} options
   * @returns {Promise<string>} what it wrote
   */
  async function run({ kind, code }) {
    const folder = mkdtempSync(join(home, 'program-'));
    symlinkSync(join(ROOT, 'models'), join(folder, 'models'), 'dir');
    writeFileSync(join(folder, 'program.mjs'), code);
    if (kind === 'parts') {
      const parts = splitGguf(readFileSync(MODEL), 3);
      for (const [index, name] of splitNames('name', 3).entries()) writeFileSync(join(folder, name), parts[index]);
    }
    const env = { ...process.env, HF_ENDPOINT: hub.url, HF_TOKEN: 'hf_secret' };
    const options = { cwd: folder, env, timeout: RUN_MILLISECONDS };
    const { stdout, stderr } = await execute(process.execPath, ['program.mjs'], options);
    assert.equal(stderr, '');
    return stdout;
  }

  test("the README's ten lines answer", async () => {
    const [block, ...others] = blocksOf(textOf('README.md')).filter(({ language }) => language === 'js');
    assert.equal(others.length, 0);
    const lines = block.code.split('\n').filter((line) => line.trim() !== '');
    assert.ok(lines.length <= 10, `${lines.length} lines`);
    assert.match(await run(block), /^.*\p{L}.*\nstop, \d+ tokens\/s on \d+ threads\n$/u);
  });

  const recipes = documents
    .filter(({ path }) => path !== 'README.md')
    .flatMap(({ path, text }) => text.split(/^## /m).map((section) => ({ path, section })))
    .flatMap(({ path, section }) =>
      blocksOf(section).map((block) => ({ place: `${path}: ${section.split('\n', 1)[0]}`, ...block })),
    )
    .filter(({ language, kind }) => language === 'js' && kind !== 'browser');
  for (const { place, ...block } of recipes) {
    test(place, async () => {
      assert.ok(Object.hasOwn(SAID, place), 'what it says is not known here');
      assert.match(await run(block), SAID[place]);
    });
  }

  test('is all of the code whose words are known here, each piece under a heading of its own', () => {
    assert.deepEqual(recipes.map(({ place }) => place).sort(), Object.keys(SAID).sort());
  });
});

describe('what is wrong is found', () => {
  test('links and files', () => {
    /** @param {string} text */
    const links = (text) => brokenLinks({ path: 'js/README.md', text });
    assert.deepEqual(links('[a](index.js) [b](../README.md#ten-lines) [c](https://example.com/x) [d](#e)\n# E'), []);
    const bad = ['gone.js', '../README.md#gone', '#gone', 'README.md/x'];
    assert.deepEqual(links(bad.map((target) => `[a](${target})`).join(' ')), bad);
    assert.deepEqual(
      missingFiles('`js/cli.js`, `wasm/kernels_NAME.c`, `tests/*.test.js`, `cli.js`, `build/x.js`, `js/`'),
      [],
    );
    assert.deepEqual(
      missingFiles('`js/gone.js` and `node tests/gone.js --x`, `gone.py`\n```sh\nnode web/gone.js # x\n```'),
      ['js/gone.js', 'tests/gone.js', 'gone.py', 'web/gone.js'],
    );
  });

  test('commands', () => {
    const good = [
      'npm start',
      'npm run build',
      'node tests/run.js',
      'npx nibble chat x.gguf --json -c 5',
      'X=1 node web/serve.js',
    ];
    for (const command of good) assert.equal(wrongIn(command, known), null, command);
    const bad = [
      'npm run gone',
      'npm gone',
      'node tests/gone.js',
      'nibble gone',
      'npx nibble chat --gone',
      'nibble info -z',
    ];
    for (const command of bad) assert.notEqual(wrongIn(command, known), null, command);
  });
});
