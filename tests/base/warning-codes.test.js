// Every warning of the library reaches a person: on the page in each language, in the command line by its own sentence.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { chatWarnings, tellOddities } from '../../js/commands/model.js';
import { filesBelow } from '../../wasm/shell.js';
import en from '../../web/strings/en.js';
import zh from '../../web/strings/zh.js';

/** All that there are: one more has to be told too. */
const CODES = [
  ...['CHAT_TEMPLATE_FAILED', 'CHAT_TEMPLATE_MISSING', 'PREDICTION_BLOCKS_UNUSED', 'PRE_TOKENIZER_UNKNOWN'],
  ...['SYSTEM_MESSAGE_MOVED', 'TOOLS_IGNORED', 'VOCABULARY_ODD'],
];

test('the list of warnings is whole', () => {
  // A warning is made as an object with a code and a message; an error has its code for an argument.
  const files = filesBelow(['js/gguf', 'js/models', 'js/prompt', 'js/tokenizer', 'js/worker', 'js/generate'], (path) =>
    path.endsWith('.js'),
  );
  const found = files.flatMap((path) => {
    const code = readFileSync(path, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
    return [...code.matchAll(/\{\s*code: '([A-Z_]+)',\s*message\b/g)].map((match) => match[1]);
  });
  // That one is made of the error of a template that cannot be compiled.
  assert.deepEqual([...new Set([...found, 'CHAT_TEMPLATE_FAILED'])].sort(), CODES);
});

test('the page has words for each, in each of its languages', () => {
  const page = readFileSync(new URL('../../web/engine/warnings.js', import.meta.url), 'utf8');
  for (const code of [...CODES, 'THREADS_FEWER']) {
    assert.ok(page.includes(`'${code}'`), `the page passes ${code} over`);
    for (const strings of [en, zh])
      assert.match(String(/** @type {Record<string, unknown>} */ (strings)[`warning.${code}`]), /.{8}/, code);
  }
});

test('the command line says each once, and that there are fewer threads, or no copy in the store', () => {
  /** @type {string[]} */
  const said = [];
  const terminal = { note: (/** @type {string} */ text) => void said.push(text) };
  const warnings = CODES.map((code) => ({ code, message: `About ${code}.` }));
  const problem = { code: 'STORE_FULL', message: 'It is full.' };
  const threadProblem = { code: 'THREADS_FAILED', message: 'Refused.' };
  const engine = /** @type {any} */ ({ info: { warnings, threadProblem, storage: { problem } } });
  tellOddities(engine, terminal, { wantsStore: true });
  chatWarnings(engine, terminal)({ warnings });
  const expected = [
    ...CODES.map((code) => `About ${code}.`),
    'The model is not stored: It is full.',
    'Fewer threads compute than were wanted: Refused.',
  ];
  assert.deepEqual([...said].sort(), expected.sort());
});
