// nibble tokenize: text to tokens.
import { readFile } from 'node:fs/promises';
import { reasonOf } from '../base/system-errors.js';
import { NibbleError } from '../index.node.js';
import { ACCESS, ENGINE, UsageError } from './arguments.js';
import { loadEngine } from './model.js';
import { columns } from './units.js';

/** @type {import('./arguments.js').Command} */
export default {
  bare: 'text',
  usage: '--text TEXT [OPTIONS]',
  examples: ['nibble tokenize --text "Hello there"', 'nibble tokenize -m model.gguf --file story.txt --json'],
  options: {
    text: { kind: 'text', value: 'TEXT', help: 'the text; - reads it from standard input' },
    file: { kind: 'text', short: 'f', value: 'FILE', help: 'a file with the text' },
    'no-special': { kind: 'flag', help: 'add no begin or end token' },
    'no-parse': { kind: 'flag', help: 'read the names of special tokens in the text as plain text' },
    model: ENGINE.model,
    store: ENGINE.store,
    ...ACCESS,
  },

  async run({ values, terminal }) {
    const text = await readText(values, terminal);
    const engine = await loadEngine(values, terminal, { vocabularyOnly: true });
    try {
      const options = { addSpecial: !values['no-special'], parseSpecial: !values['no-parse'] };
      const tokens = await engine.tokenize(text, options);
      const texts = await engine.detokenize(tokens, { each: true });
      if (values.json) terminal.json({ tokens, texts });
      else if (tokens.length > 0) {
        terminal.write(
          `${columns(
            tokens.map((token, index) => [String(token), JSON.stringify(texts[index])]),
            [0],
          )}\n`,
        );
      }
    } finally {
      await engine.unload();
    }
  },
};

/**
 * The text of --text or --file.
 * @param {import('./arguments.js').Values} values @param {import('./terminal.js').Terminal} terminal
 */
export async function readText({ text, file }, terminal) {
  if (text === undefined && file === undefined) throw new UsageError('One of --text and --file is needed.');
  if (text !== undefined && file !== undefined) throw new UsageError('Only one of --text and --file can be given.');
  if (text === '-') return terminal.readInput();
  return text ?? readTextFile(file);
}

/** @param {string} file */
export async function readTextFile(file) {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new NibbleError('FILE_UNREADABLE', `The file "${file}" could not be read: ${reasonOf(cause)}.`, { cause });
  }
}
