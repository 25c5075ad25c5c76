// Command-line options: declared once for each command, parsed by node:util, checked, and printed as help.
import { parseArgs } from 'node:util';

/** A command that was used wrongly: exit code 2. */
export class UsageError extends Error {
  code = 'USAGE';
}

/**
 * @typedef {object} Option
 * @property {'text' | 'integer' | 'number' | 'integers' | 'flag'} kind
 * @property {string} [short]
 * @property {string} [value] what stands for the value in the help
 * @property {string} help
 * @property {any} [default]
 * @property {number} [least] for numbers
 * @property {string[]} [choices] for texts
 * @property {boolean} [multiple] may be given several times; the value is a list
 * @property {boolean} [required]
 */

/** Options of every command. */
export const COMMON = {
  json: { kind: 'flag', help: 'print JSON' },
  help: { kind: 'flag', short: 'h', help: 'show this help' },
};

/** Options of every command that loads a model. */
export const ENGINE = {
  model: {
    kind: 'text',
    short: 'm',
    value: 'FILE',
    help: 'GGUF file, or its URL; the small model of the package if none is given',
  },
  threads: {
    kind: 'integer',
    short: 't',
    value: 'N',
    least: 1,
    help: 'threads; as many as the machine has, at most 8',
  },
  context: {
    kind: 'integer',
    short: 'c',
    value: 'N',
    least: 0,
    help: 'tokens of context; 0: as the model was trained; at most 4096 if not given',
  },
  batch: { kind: 'integer', short: 'b', value: 'N', least: 1, help: 'tokens of a prompt that are computed at once' },
  kernels: { kind: 'text', value: 'NAME', help: 'the kernel set to use, instead of the fastest measured' },
  exact: { kind: 'flag', help: 'float activations and an F32 KV cache on the reference kernels: slow, for comparing' },
};

/** Options of the commands that write text. */
export const SAMPLING = {
  'max-tokens': { kind: 'integer', short: 'n', value: 'N', least: 0, help: 'stop after so many tokens' },
  temperature: { kind: 'number', value: 'X', least: 0, help: '0: always the likeliest token; 0.8' },
  'top-k': { kind: 'integer', value: 'N', least: 0, help: 'only the N likeliest tokens; 0: all; 40' },
  'top-p': {
    kind: 'number',
    value: 'X',
    least: 0,
    help: 'only the likeliest tokens that reach this probability together; 0.95',
  },
  'min-p': {
    kind: 'number',
    value: 'X',
    least: 0,
    help: 'only tokens at least this likely, relative to the likeliest; 0.05',
  },
  'repetition-penalty': {
    kind: 'number',
    value: 'X',
    least: 0,
    help: 'divide the logits of tokens already there; 1: off',
  },
  'presence-penalty': { kind: 'number', value: 'X', help: 'subtract from the logits of tokens already there; 0: off' },
  'frequency-penalty': { kind: 'number', value: 'X', help: 'the same for each time they were there; 0: off' },
  'penalty-window': {
    kind: 'integer',
    value: 'N',
    least: 0,
    help: 'how many of the last tokens count as there; 0: all; 64',
  },
  seed: {
    kind: 'integer',
    short: 's',
    value: 'N',
    least: 0,
    help: 'the same seed gives the same text; random if not given',
  },
  stop: { kind: 'text', value: 'TEXT', multiple: true, help: 'end when this text comes; may be given several times' },
  'ignore-eos': { kind: 'flag', help: 'never end by itself' },
};

function readNumber(name, text, { kind, least }) {
  const value = /^\s*$/.test(text) ? Number.NaN : Number(text);
  const fits = kind === 'number' ? Number.isFinite(value) : Number.isSafeInteger(value);
  if (fits && (least === undefined || value >= least)) return value;
  const range = least === undefined ? '' : ` from ${least} up`;
  throw new UsageError(`--${name} is "${text}"; expected a ${kind === 'number' ? 'number' : 'whole number'}${range}.`);
}

function readValue(name, text, option) {
  if (option.kind === 'flag') return text;
  if (option.kind === 'integers') {
    return text.split(',').map((part) => readNumber(name, part, { kind: 'integer', least: option.least ?? 0 }));
  }
  if (option.kind !== 'text') return readNumber(name, text, option);
  if (option.choices && !option.choices.includes(text)) {
    throw new UsageError(`--${name} is "${text}"; expected one of ${option.choices.join(', ')}.`);
  }
  return text;
}

/**
 * @param {{ options: Record<string, Option>, positionals?: string }} command
 * @param {string[]} args
 * @returns {{ values: Record<string, any>, positionals: string[] }} options by their long names; undefined where not given
 */
export function parse(command, args) {
  const declared = Object.entries(command.options);
  const config = Object.fromEntries(
    declared.map(([name, { kind, short, multiple = false }]) => [
      name,
      { type: kind === 'flag' ? 'boolean' : 'string', multiple, ...(short && { short }) },
    ]),
  );
  let parsed;
  try {
    parsed = parseArgs({ args, options: config, allowPositionals: command.positionals !== undefined });
  } catch (error) {
    throw new UsageError(error.message.split('\n')[0].replace(/\.?$/, '.'));
  }
  const values = {};
  for (const [name, option] of declared) {
    const given = parsed.values[name];
    if (given === undefined) values[name] = option.default;
    else if (option.multiple) values[name] = given.map((text) => readValue(name, text, option));
    else values[name] = readValue(name, given, option);
    if (values[name] === undefined && option.required && !parsed.values.help) {
      throw new UsageError(`--${name} is needed.`);
    }
  }
  return { values, positionals: parsed.positionals };
}

const WIDTH = 78;

/** Text in lines of at most `width` characters. */
function wrap(text, width) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

/** A command's help page. */
export function help({ name, summary, usage, options, examples = [] }) {
  const rows = Object.entries(options).map(([long, { short, value, help: text }]) => {
    const left = `  ${short ? `-${short}, ` : '    '}--${long}${value ? ` ${value}` : ''}`;
    return [left, text];
  });
  const column = Math.max(...rows.map(([left]) => left.length)) + 2;
  const lines = rows.flatMap(([left, text]) =>
    wrap(text, WIDTH + 12 - column).map((line, index) => (index === 0 ? left : '').padEnd(column) + line),
  );
  const shown = examples.length === 0 ? [] : ['', 'Examples:', ...examples.map((example) => `  ${example}`)];
  return [`nibble ${name}: ${summary}`, '', `Usage: nibble ${name} ${usage}`, '', ...lines, ...shown, ''].join('\n');
}
