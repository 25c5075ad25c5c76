// How one option is read: each reader takes its name and what was given, and returns the value, or throws INVALID_ARGUMENT
// with a sentence. options.js says which options there are.
import { hasPassword, NibbleError } from './errors.js';
import { exactCopy } from './exact-json.js';

/**
 * What reads one option: its value, or what stands for it where it is undefined or null.
 * @template Value
 * @typedef {(name: string, value: unknown) => Value} Reader
 */

/** @param {unknown} value @returns {value is number} */
const isWhole = (value) => Number.isInteger(value);

/**
 * An option with a wrong value. `details` has the parts of the sentence, for callers that call their options otherwise.
 * @param {string} option
 * @param {unknown} value
 * @param {string} expected
 */
export function invalid(option, value, expected) {
  const details = { option, found: describe(value), expected };
  const message = `The option ${option} is ${details.found}; expected ${expected}.`;
  return new NibbleError('INVALID_ARGUMENT', message, { details });
}

/**
 * The options of a call as an object: an empty one where none are given.
 * @template {object} Options
 * @overload
 * @param {Options | undefined} options
 * @returns {Options}
 */
/**
 * @overload
 * @param {unknown} options
 * @returns {Record<string, unknown>}
 */
/** @param {unknown} options */
export function optionsOf(options) {
  if (options === undefined) return {};
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return options;
  const details = { option: 'options', found: describe(options), expected: 'an object with options' };
  const message = `The options are ${details.found}; expected ${details.expected}.`;
  throw new NibbleError('INVALID_ARGUMENT', message, { details });
}

/** Throws where something is given as a callback that is none. @param {Record<string, unknown>} callbacks by their options' names */
export function checkCallbacks(callbacks) {
  for (const [name, callback] of Object.entries(callbacks)) {
    if (!['function', 'undefined'].includes(typeof callback)) throw invalid(name, callback, 'a function');
  }
}

/** Throws where something is given as a signal that is none. @param {any} signal */
export function checkSignal(signal) {
  if (signal === undefined || signal === null) return;
  const { aborted, addEventListener, removeEventListener } = signal;
  const listens = [addEventListener, removeEventListener].every((method) => typeof method === 'function');
  if (typeof aborted !== 'boolean' || !listens) throw invalid('signal', signal, 'an AbortSignal');
}

/**
 * No fetch() takes an address with a user name or a password in it, and it would be kept and shown.
 * @param {string} option
 * @param {unknown} text
 * @throws {NibbleError} INVALID_ARGUMENT, which shows nothing of it
 */
export function refusePassword(option, text) {
  if (typeof text !== 'string' || !hasPassword(text)) return;
  const found = 'an address with a user name or a password in it';
  const expected = "one without; pass these by the option headers, as { Authorization: 'Basic …' }";
  const message = `The option ${option} is ${found}; expected ${expected}.`;
  throw new NibbleError('INVALID_ARGUMENT', message, { details: { option, found, expected } });
}

/** @param {unknown} value */
function describe(value) {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (typeof value !== 'object' || value === null) return String(value).slice(0, 60);
  try {
    return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each)).slice(0, 60);
  } catch {
    // In a circle, or of a kind that cannot be written; without a prototype it is no text either.
    return Array.isArray(value) ? 'an array' : 'an object';
  }
}

/**
 * @template {number | null} Fallback
 * @param {number} low
 * @param {number} high
 * @param {Fallback} fallback
 * @returns {Reader<number | Fallback>}
 */
export const number = (low, high, fallback) => (name, value) => {
  if (value === undefined || value === null) return fallback;
  if (typeof value === 'number' && value >= low && value <= high) return value;
  throw invalid(name, value, `a number from ${low} to ${high}`);
};

/**
 * @template {number | null} Fallback
 * @param {number} low
 * @param {number} high
 * @param {Fallback} fallback
 * @returns {Reader<number | Fallback>}
 */
export const integer = (low, high, fallback) => (name, value) => {
  if (value === undefined || value === null) return fallback;
  if (isWhole(value) && value >= low && value <= high) return value;
  throw invalid(name, value, `a whole number from ${low} to ${high}`);
};

/** @template {boolean | undefined} Fallback @param {Fallback} fallback @returns {Reader<boolean | Fallback>} */
export const boolean = (fallback) => (name, value) => {
  if (value === undefined || value === null) return fallback;
  if (typeof value === 'boolean') return value;
  throw invalid(name, value, 'true or false');
};

/** @type {Reader<string | null>} */
export const string = (name, value) => {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(name, value, 'a text that is not empty');
};

/**
 * @template {string} Choice
 * @template {Choice | null} Fallback
 * @param {readonly Choice[]} choices
 * @param {Fallback} fallback
 * @returns {Reader<Choice | Fallback>}
 */
export const oneOf = (choices, fallback) => (name, value) => {
  if (value === undefined || value === null) return fallback;
  const chosen = choices.find((choice) => choice === value);
  if (chosen !== undefined) return chosen;
  throw invalid(name, value, `one of ${choices.join(', ')}`);
};

/** @type {Reader<string[]>} */
export const strings = (name, value) => {
  const list = value === undefined || value === null ? [] : typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list)) throw invalid(name, value, 'a text or a list of texts, none of them empty');
  for (const item of list) {
    if (typeof item !== 'string' || item === '') throw invalid(name, item, 'a text that is not empty');
    if (/\p{Surrogate}/u.test(item)) throw invalid(name, item, 'a text of whole characters: half of one never comes');
  }
  return list;
};

/** @type {Reader<number | null>} */
export const seed = (name, value) => {
  if (value === undefined || value === null) return null;
  if (isWhole(value) && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(name, value, 'a whole number from 0 to 2^53 - 1');
};

/** @param {unknown} value @returns {value is number} */
const isTokenId = (value) => isWhole(value) && value >= 0 && value <= 0x7fffffff;

/** A number, or the one that a text is; keys of objects are texts. @param {unknown} value */
const numberIn = (value) =>
  typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;

/** @type {Reader<[token: number, bias: number][]>} */
export function logitBias(name, value) {
  if (value === undefined || value === null) return [];
  const expected = 'token ids with biases, such as { 15: -5, 27: -Infinity }';
  const isRecord = typeof value === 'object' && Object.prototype.toString.call(value) === '[object Object]';
  const isList = value instanceof Map || Array.isArray(value);
  if (!isRecord && !isList) throw invalid(name, value, expected);
  /** @type {unknown[]} */
  const entries = isList ? [...value] : Object.entries(value);
  return entries.map((entry) => {
    const [token, bias] = Array.isArray(entry) ? entry.map(numberIn) : [];
    if (isTokenId(token) && bias < Infinity) return [token, bias];
    throw invalid(name, entry, expected);
  });
}

/** Token ids as a plain array. @type {Reader<number[]>} */
export function readTokens(name, value) {
  /** @type {any[] | null} */
  const tokens = Array.isArray(value)
    ? value
    : ArrayBuffer.isView(value)
      ? Array.from(/** @type {any} */ (value))
      : null;
  if (tokens === null) throw invalid(name, value, 'a list of token ids');
  for (const token of tokens) {
    if (!isTokenId(token)) throw invalid(name, token, 'token ids, from 0 up');
  }
  return tokens;
}

/** @type {Reader<import('../prompt/messages.js').Message[]>} */
export function messages(name, value) {
  const valid =
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (message) =>
        typeof message?.role === 'string' && (message.content !== undefined || message.tool_calls !== undefined),
    );
  if (!valid) throw invalid(name, value, 'a list of messages, each with a role and a content');
  return value;
}

/**
 * @template {Record<string, Reader<any>>} Readers
 * @param {Readers} readers
 * @param {readonly string[]} [extras] names that are options too, but are read elsewhere
 * @returns {(given?: unknown) => { [Name in keyof Readers]: ReturnType<Readers[Name]> }}
 */
export const readAll =
  (readers, extras = []) =>
  (given) => {
    const options = optionsOf(given);
    refuseUnknown(options, [...Object.keys(readers), ...extras]);
    const read = Object.entries(readers).map(([name, reader]) => [name, reader(name, options[name])]);
    return Object.fromEntries(read);
  };

/** What options were called before, and are called. */
const RENAMED = Object.freeze({ early: 'earlyStart', keep: 'keepTokens' });

/** @param {Record<string, unknown>} options @param {readonly string[]} known */
function refuseUnknown(options, known) {
  const option = Object.keys(options).find((name) => options[name] !== undefined && !known.includes(name));
  if (option === undefined) return;
  const renamed = Object.hasOwn(RENAMED, option) ? RENAMED[/** @type {keyof typeof RENAMED} */ (option)] : null;
  if (renamed !== null && known.includes(renamed)) {
    const details = { unknown: option, nearest: renamed };
    throw new NibbleError('INVALID_ARGUMENT', `The option ${option} is called ${renamed}.`, { details });
  }
  const nearest = nearestName(option, known);
  const instead = nearest === null ? `expected ${known.join(', ')}` : `did you mean ${nearest}?`;
  const message = `There is no option ${option.slice(0, 60)} here; ${instead.replace(/[^?]$/, '$&.')}`;
  throw new NibbleError('INVALID_ARGUMENT', message, { details: { unknown: option.slice(0, 60), nearest } });
}

/**
 * The name that a misspelt one was probably meant to be; null where none is near.
 * @param {string} given
 * @param {readonly string[]} known
 */
export function nearestName(given, known) {
  /** @param {string} name */
  const distance = (name) => editDistance(given.toLowerCase(), name.toLowerCase());
  const [best] = known.map((name) => ({ name, edits: distance(name) })).sort((a, b) => a.edits - b.edits);
  return best !== undefined && best.edits <= Math.max(2, best.name.length / 3) ? best.name : null;
}

/** Levenshtein's distance; of a text far longer than any name only the beginning is looked at. @param {string} long @param {string} name */
function editDistance(long, name) {
  const given = long.slice(0, 60);
  let row = Array.from({ length: name.length + 1 }, (_, index) => index);
  for (let i = 1; i <= given.length; i++) {
    const next = [i];
    for (let j = 1; j <= name.length; j++) {
      const replaced = row[j - 1] + (given[i - 1] === name[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[name.length];
}

/**
 * What is JSON, bigints among it, as a copy of it.
 * @template Value
 * @param {string} expected
 * @param {(value: unknown) => value is Value} isIt
 * @returns {Reader<Value | null>}
 */
export const json = (expected, isIt) => (name, value) => {
  if (value === undefined || value === null) return null;
  let copy;
  try {
    copy = exactCopy(value);
  } catch {
    throw invalid(name, value, `${expected}, of what JSON can hold`);
  }
  if (isIt(copy)) return copy;
  throw invalid(name, value, expected);
};

/** @param {unknown} value @returns {value is Record<string, unknown>} */
export const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
/** @param {unknown} value @returns {value is Record<string, unknown>[]} */
export const areObjects = (value) => Array.isArray(value) && value.every(isObject);
