// Command-line options: declared once for each command, parsed by node:util, checked, and printed as help.
import { parseArgs } from 'node:util';
import { nearestName } from '../base/options.js';
import { KERNEL_SETS } from '../core/simd.js';

/** A command that was used wrongly: exit code 2. */
export class UsageError extends Error {
  code = 'USAGE';
}

/**
 * @typedef {object} Option
 * @property {'text' | 'integer' | 'number' | 'bytes' | 'integers' | 'bias' | 'flag'} kind
 * @property {string} [short]
 * @property {string} [value] what stands for the value in the help
 * @property {string} help
 * @property {any} [default]
 * @property {number} [least] for numbers
 * @property {string[]} [choices] for texts
 * @property {boolean} [multiple] may be given several times; the value is a list
 * @property {boolean} [required]
 *
 * @typedef {Record<string, Option>} Options by their long names
 * @typedef {Record<string, any>} Values what was given for each option, by its kind; undefined where it was not given
 *
 * @typedef {object} Command
 * @property {string} usage
 * @property {string[]} examples
 * @property {Options} options
 * @property {string} [positionals] what words without an option are; undefined: there are none
 * @property {string} [bare] the option that somebody means who gives a word without one
 * @property {boolean} [ownInterrupts] what Ctrl-C does is its own matter
 * @property {(given: { values: Values, positionals: string[], terminal: Terminal }) => Promise<number | void>} run gives
 *   the exit code; 0 unless it does
 *
 * @typedef {import('./terminal.js').Terminal} Terminal
 */

/** Options of every command. @type {Options} */
export const COMMON = {
  json: { kind: 'flag', help: 'print JSON' },
  help: { kind: 'flag', short: 'h', help: 'show this help' },
};

/** Options of every command that may ask a server for a model. @type {Options} */
export const ACCESS = {
  header: {
    kind: 'text',
    value: "'NAME: VALUE'",
    multiple: true,
    help: "a header for the server of the model's address, and for nobody else, such as 'Authorization: Bearer …'; @FILE reads such lines from a file; may be given several times",
  },
};

/** Options of every command that loads a model. @type {Options} */
export const ENGINE = {
  model: {
    kind: 'text',
    short: 'm',
    value: 'FILE',
    help: 'GGUF file, its URL, a repository of Hugging Face as OWNER/NAME or OWNER/NAME:Q4_K_M (HF_TOKEN, HF_ENDPOINT), or the id or name of a model in --store; the small model of the package if none is given',
  },
  threads: {
    kind: 'integer',
    short: 't',
    value: 'N',
    least: 1,
    help: 'threads; as many as are fastest, measured, of those the machine has, at most 8',
  },
  context: {
    kind: 'integer',
    short: 'c',
    value: 'N',
    least: 0,
    help: 'tokens of context; 0: as the model was trained; at most 4096 if not given',
  },
  batch: { kind: 'integer', short: 'b', value: 'N', least: 1, help: 'tokens of a prompt that are computed at once' },
  kernels: {
    kind: 'text',
    value: 'NAME',
    help: `the kernel set to use, instead of the fastest measured: ${KERNEL_SETS.join(', ')}`,
  },
  'kv-type': {
    kind: 'text',
    value: 'TYPE',
    choices: ['auto', 'f16', 'int8'],
    help: 'what past keys and values are kept as: f16, int8 (little more than half the memory) or auto (f16)',
  },
  budget: {
    kind: 'bytes',
    value: 'SIZE',
    help: 'memory that the engine may take, such as 1G or 800M; weights that do not fit are read from --store for every token',
  },
  store: {
    kind: 'text',
    value: 'FOLDER',
    help: 'keep the model in this folder, in the form that is read fast, and take it from there the next time',
  },
  'tile-streams': {
    kind: 'integer',
    value: 'N',
    least: 0,
    help: 'tiles of weights that decode reads side by side: 1 or more, instead of the faster, measured',
  },
  exact: {
    kind: 'flag',
    help: 'float activations and an F32 KV cache (unless --kv-type is int8) on the reference kernels: slow, for comparing',
  },
  ...ACCESS,
};

/** Options of the commands that write text. @type {Options} */
export const SAMPLING = {
  'max-tokens': { kind: 'integer', short: 'n', value: 'N', least: 0, help: 'stop after so many tokens' },
  temperature: { kind: 'number', value: 'X', least: 0, help: '0: always the likeliest token; applied last; 0.8' },
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
    help: 'divide the logits of tokens already there, but for markers of turns; 1: off',
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
  'logit-bias': {
    kind: 'bias',
    value: 'ID=BIAS',
    multiple: true,
    help: 'add to the logit of a token; -inf forbids it; may be given several times',
  },
  'ignore-eos': { kind: 'flag', help: 'never end by itself' },
};

const INTEGER = /^\s*[+-]?\d+\s*$/;
const NUMBER = /^\s*[+-]?(\d+(?:\.\d*)?|\.\d+)(e[+-]?\d+)?\s*$/i;

/** @param {string} name @param {string} text @param {Option} option */
function readNumber(name, text, { kind, least }) {
  const value = (kind === 'number' ? NUMBER : INTEGER).test(text) ? Number(text) : Number.NaN;
  const fits = kind === 'number' ? Number.isFinite(value) : Number.isSafeInteger(value);
  if (fits && (least === undefined || value >= least)) return value;
  const range = least === undefined ? '' : ` from ${least} up`;
  throw new UsageError(`--${name} is "${text}"; expected a ${kind === 'number' ? 'number' : 'whole number'}${range}.`);
}

const SIZE = /^(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]?)(i?)b?$/i;

/**
 * Bytes: 800M and 800MB are 800 million, 800MiB is 800 times 1024 times 1024.
 * @param {string} name @param {string} text
 */
function readBytes(name, text) {
  const [, number, unit, binary] = SIZE.exec(text.trim()) ?? [];
  const bytes = Math.round(Number(number) * (binary ? 1024 : 1000) ** ' kmgt'.indexOf((unit || ' ').toLowerCase()));
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new UsageError(`--${name} is "${text}"; expected a size in bytes, such as 800M, 1.5G or 1GiB.`);
}

/** @param {string} name @param {string} text @param {Option} option */
function readIntegers(name, text, { least = 0 }) {
  const parts = text.split(',');
  const fits = (/** @type {string} */ part) =>
    INTEGER.test(part) && Number.isSafeInteger(Number(part)) && Number(part) >= least;
  if (parts.every(fits)) return parts.map(Number);
  throw new UsageError(`--${name} is "${text}"; expected whole numbers from ${least} up, with commas between them.`);
}

/** @param {string} name @param {string} text @returns {[id: number, bias: number]} */
function readBias(name, text) {
  const [, id, bias] = /^\s*(\d+)\s*=\s*(\S+)\s*$/.exec(text) ?? [];
  if (/^-inf(inity)?$/i.test(bias ?? '')) return [Number(id), -Infinity];
  if (NUMBER.test(bias ?? '') && Number.isFinite(Number(bias))) return [Number(id), Number(bias)];
  throw new UsageError(`--${name} is "${text}"; expected a token id and a number, such as 15=-5 or 27=-inf.`);
}

/** @param {string} name @param {string} text @param {Option} option */
function readValue(name, text, option) {
  if (option.kind === 'integers') return readIntegers(name, text, option);
  if (option.kind === 'bias') return readBias(name, text);
  if (option.kind === 'bytes') return readBytes(name, text);
  if (option.kind !== 'text') return readNumber(name, text, option);
  if (option.choices && !option.choices.includes(text)) {
    throw new UsageError(`--${name} is "${text}"; expected one of ${option.choices.join(', ')}.`);
  }
  return text;
}

/**
 * parseArgs() takes what begins with a dash for an option; a negative number after an option is its value.
 * @param {string[]} args @param {[name: string, option: Option][]} declared
 */
function joinNegatives(args, declared) {
  const takesValue = new Map();
  for (const [name, { kind, short }] of declared) {
    if (kind === 'flag') continue;
    takesValue.set(`--${name}`, name);
    if (short) takesValue.set(`-${short}`, name);
  }
  const joined = [];
  for (let index = 0; index < args.length; index++) {
    if (args[index] === '--') return [...joined, ...args.slice(index)];
    const name = takesValue.get(args[index]);
    const value = args[index + 1];
    if (name !== undefined && /^-(\.?\d|inf)/i.test(value ?? '')) {
      joined.push(`--${name}=${value}`);
      index++;
    } else joined.push(args[index]);
  }
  return joined;
}

/** @param {{ kind: string, name?: string }[]} tokens @param {Options} options */
function refuseRepeated(tokens, options) {
  const seen = new Set();
  for (const { name } of tokens) {
    if (name === undefined || options[name].kind === 'flag' || options[name].multiple) continue;
    if (seen.has(name)) throw new UsageError(`--${name} was given more than once; it takes one value.`);
    seen.add(name);
  }
}

/** ", did you mean ...?" or nothing. @param {string} given @param {string[]} known @param {string} [before] the name */
export function didYouMean(given, known, before = '') {
  const nearest = nearestName(given, known);
  return nearest === null ? '' : ` Did you mean ${before}${nearest}?`;
}

/** A word in the way that a shell takes it. @param {string} word */
const quoted = (word) => (/^[\w./:@%+=-]+$/.test(word) ? word : `"${word.replace(/["\\$`]/g, '\\$&')}"`);

/**
 * What was given without an option, or with one that there is not; null for other errors of parseArgs().
 * @param {Declared} command @param {{ code?: string, message: string }} error
 */
function hintFor({ name = '', options, bare }, { code, message }) {
  const word = /'(.*?)'/s.exec(message)?.[1] ?? '';
  if (code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION') {
    const given = word.replace(/^-+/, '').split('=')[0];
    const hint = word.startsWith('--') ? didYouMean(given, Object.keys(options), '--') : '';
    return `There is no option ${word}.${hint}`;
  }
  if (code !== 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') return null;
  const shown = word.length > 60 ? `${word.slice(0, 60)}…` : word;
  const way = bare === undefined ? '' : ` Did you mean "nibble ${name} --${bare} ${quoted(shown)}"?`;
  return `${quoted(shown)} belongs to no option.${way}`;
}

/** @typedef {Pick<Command, 'options' | 'positionals' | 'bare'> & { name?: string }} Declared */

/**
 * @param {Declared} command
 * @param {string[]} args
 * @returns {{ values: Values, positionals: string[] }}
 */
export function parse(command, args) {
  const declared = Object.entries(command.options);
  /** @type {import('node:util').ParseArgsOptionsConfig} */
  const config = Object.fromEntries(
    declared.map(([name, { kind, short, multiple = false }]) => [
      name,
      { type: kind === 'flag' ? 'boolean' : 'string', multiple, ...(short && { short }) },
    ]),
  );
  let parsed;
  try {
    parsed = parseArgs({
      args: joinNegatives(args, declared),
      options: config,
      allowPositionals: command.positionals !== undefined,
      tokens: true,
    });
  } catch (thrown) {
    const error = /** @type {Error & { code?: string }} */ (thrown);
    const hint = hintFor(command, error);
    if (hint !== null) throw new UsageError(hint);
    const isValue = error.code === 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE';
    const message = isValue ? error.message.replaceAll('\n', ' ') : error.message.split('\n')[0];
    throw new UsageError(message.replace(/\.?$/, '.'));
  }
  refuseRepeated(parsed.tokens, command.options);
  /** @type {Values} */
  const values = {};
  for (const [name, option] of declared) {
    const given = parsed.values[name];
    if (given === undefined) values[name] = option.default;
    else if (Array.isArray(given)) values[name] = given.map((text) => readValue(name, String(text), option));
    else values[name] = typeof given === 'string' ? readValue(name, given, option) : given;
    if (values[name] === undefined && option.required && !parsed.values.help) {
      throw new UsageError(`--${name} is needed.`);
    }
  }
  return { values, positionals: parsed.positionals };
}

const WIDTH = 78;

/** Text in lines of at most `width` characters. @param {string} text @param {number} width */
function wrap(text, width) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

/** A command's help page. @param {Pick<Command, 'usage' | 'options' | 'examples'> & { name: string, summary: string }} command */
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
