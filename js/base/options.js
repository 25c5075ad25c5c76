// Checks what callers pass, on both sides of the worker border: every option is named, typed and ranged here once.
// Each reader returns a new object with all options in it, or throws INVALID_ARGUMENT with a sentence.
import { NibbleError } from './errors.js';
import { exactCopy } from './exact-json.js';

export const MAX_THREADS = 64;
export const MAX_BATCH = 1024;
const MAX_TILE_STREAMS = 64;

/** An option with a wrong value. `details` has the parts of the sentence, for callers that call their options otherwise. */
export function invalid(option, value, expected) {
  const details = { option, found: describe(value), expected };
  const message = `The option ${option} is ${details.found}; expected ${expected}.`;
  return new NibbleError('INVALID_ARGUMENT', message, { details });
}

/** The options of a call as an object: an empty one where none are given. */
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

/** Throws where something is given as a signal that is none. */
export function checkSignal(signal) {
  if (signal === undefined || signal === null) return;
  const known = typeof signal.aborted === 'boolean' && typeof signal.addEventListener === 'function';
  if (!known) throw invalid('signal', signal, 'an AbortSignal');
}

function describe(value) {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (typeof value !== 'object' || value === null) return String(value).slice(0, 60);
  try {
    return JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each)).slice(0, 60);
  } catch {
    return String(value);
  }
}

const number = (low, high, fallback) => (name, value) => {
  if (value === undefined || value === null) return fallback;
  if (typeof value === 'number' && value >= low && value <= high) return value;
  throw invalid(name, value, `a number from ${low} to ${high}`);
};

const integer = (low, high, fallback) => (name, value) => {
  if (value === undefined || value === null) return fallback;
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw invalid(name, value, `a whole number from ${low} to ${high}`);
};

const boolean = (fallback) => (name, value) => {
  if (value === undefined || value === null) return fallback;
  if (typeof value === 'boolean') return value;
  throw invalid(name, value, 'true or false');
};

const string = (name, value) => {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(name, value, 'a text that is not empty');
};

const oneOf = (choices, fallback) => (name, value) => {
  if (value === undefined || value === null) return fallback;
  if (choices.includes(value)) return value;
  throw invalid(name, value, `one of ${choices.join(', ')}`);
};

const strings = (name, value) => {
  const list = value === undefined || value === null ? [] : typeof value === 'string' ? [value] : value;
  if (!Array.isArray(list)) throw invalid(name, value, 'a text or a list of texts, none of them empty');
  for (const item of list) {
    if (typeof item !== 'string' || item === '') throw invalid(name, item, 'a text that is not empty');
    if (/\p{Surrogate}/u.test(item)) throw invalid(name, item, 'a text of whole characters: half of one never comes');
  }
  return list;
};

const seed = (name, value) => {
  if (value === undefined || value === null) return null;
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(name, value, 'a whole number from 0 to 2^53 - 1');
};

const isTokenId = (value) => Number.isInteger(value) && value >= 0 && value <= 0x7fffffff;

/** A number, or the one that a text is; keys of objects are texts. */
const numberIn = (value) =>
  typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;

function logitBias(name, value) {
  if (value === undefined || value === null) return [];
  const expected = 'token ids with biases, such as { 15: -5, 27: -Infinity }';
  const isRecord = typeof value === 'object' && Object.prototype.toString.call(value) === '[object Object]';
  if (!isRecord && !(value instanceof Map) && !Array.isArray(value)) throw invalid(name, value, expected);
  const entries = isRecord ? Object.entries(value) : [...value];
  return entries.map((entry) => {
    const [token, bias] = Array.isArray(entry) ? entry.map(numberIn) : [];
    if (isTokenId(token) && bias < Infinity) return [token, bias];
    throw invalid(name, entry, expected);
  });
}

/** Token ids as a plain array. */
export function readTokens(name, value) {
  const tokens = Array.isArray(value) ? value : ArrayBuffer.isView(value) ? Array.from(value) : null;
  if (tokens === null) throw invalid(name, value, 'a list of token ids');
  for (const token of tokens) {
    if (!isTokenId(token)) throw invalid(name, token, 'token ids, from 0 up');
  }
  return tokens;
}

function messages(name, value) {
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

/** `extras`: names that are options too, but are read elsewhere. */
const readAll =
  (readers, extras = []) =>
  (given) => {
    const options = optionsOf(given);
    refuseUnknown(options, [...Object.keys(readers), ...extras]);
    return Object.fromEntries(Object.entries(readers).map(([name, read]) => [name, read(name, options[name])]));
  };

function refuseUnknown(options, known) {
  const option = Object.keys(options).find((name) => options[name] !== undefined && !known.includes(name));
  if (option === undefined) return;
  const nearest = nearestName(option, known);
  const instead = nearest === null ? `expected ${known.join(', ')}` : `did you mean ${nearest}?`;
  const message = `There is no option ${option.slice(0, 60)} here; ${instead.replace(/[^?]$/, '$&.')}`;
  throw new NibbleError('INVALID_ARGUMENT', message, { details: { unknown: option.slice(0, 60), nearest } });
}

/** The name that a misspelt one was probably meant to be; null where none is near. */
export function nearestName(given, known) {
  const distance = (name) => editDistance(given.toLowerCase(), name.toLowerCase());
  const [best] = known.map((name) => ({ name, edits: distance(name) })).sort((a, b) => a.edits - b.edits);
  return best !== undefined && best.edits <= Math.max(2, best.name.length / 3) ? best.name : null;
}

/** Levenshtein's distance; of a text far longer than any name only the beginning is looked at. */
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

const STORES = ['indexeddb', 'opfs', 'memory'];
const MOST_CHUNK_BYTES = 1 << 30;

/**
 * Where models are stored: a kind's name, { folder }, or { kind, chunkBytes } or { folder, chunkBytes }.
 * @returns {{ kind?: string, folder?: string, chunkBytes: number | null } | null}
 */
export function readStore(name, value) {
  if (value === undefined || value === null) return null;
  if (STORES.includes(value)) return { kind: value, chunkBytes: null };
  const { kind, folder, chunkBytes, ...rest } = typeof value === 'object' ? value : {};
  const place = typeof folder === 'string' && folder !== '' && kind === undefined ? { folder } : { kind };
  const known = place.folder !== undefined || (folder === undefined && STORES.includes(kind));
  if (!known || Object.keys(rest).length > 0)
    throw invalid(name, value, 'null, "indexeddb", "opfs", "memory" or { folder }');
  return { ...place, chunkBytes: integer(1, MOST_CHUNK_BYTES, null)('store.chunkBytes', chunkBytes) };
}

function sha256(name, value) {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value)) return value.toLowerCase();
  throw invalid(name, value, '64 hexadecimal digits');
}

export const readImportOptions = readAll({ name: string, sha256, keepPartial: boolean(true) });

const MAX_NAME = 200;

function readLabel(option, text) {
  const plain =
    typeof text === 'string' && text.trim() !== '' && text.length <= MAX_NAME && !/[\p{Cc}\p{Cs}]/u.test(text);
  if (!plain) throw invalid(option, text, `a text of 1 to ${MAX_NAME} characters on one line`);
  return text;
}

export const readStoredName = (name) => readLabel('name', name);

const ON_FULL = ['stop', 'drop-oldest'];

const CALLER_OPTIONS = ['model', 'store', 'hub', 'signal', 'onProgress', 'workerUrl', 'wasmUrl', 'wasmBinary'];
const START_OPTIONS = ['prompt', 'messages', 'tokens'];

const ENGINE_READERS = {
  threads: integer(1, MAX_THREADS, null),
  contextSize: integer(0, 1 << 24, null),
  batchSize: integer(0, MAX_BATCH, 0),
  exact: boolean(false),
  kvType: oneOf(['auto', 'f16', 'int8'], 'auto'),
  kernelSet: string,
  tileStreams: integer(0, MAX_TILE_STREAMS, 0),
  memoryBudget: integer(1, Number.MAX_SAFE_INTEGER, null),
  vocabularyOnly: boolean(false),
  early: boolean(false),
  onFull: oneOf(ON_FULL, 'stop'),
  keep: integer(0, 1 << 24, null),
  maxSaves: integer(1, 1 << 16, 20),
  maxSavedBytes: integer(1, Number.MAX_SAFE_INTEGER, 2 ** 30),
};

/** Options of createEngine() and describeModel(), without those that the caller's side uses up. `threads` null: the platform's default. */
export const readEngineOptions = readAll(ENGINE_READERS, CALLER_OPTIONS);

const SAMPLING_READERS = {
  maxTokens: integer(0, 1 << 24, null),
  temperature: number(0, 100, 0.8),
  topK: integer(0, 1 << 24, 40),
  topP: number(0, 1, 0.95),
  minP: number(0, 1, 0.05),
  repetitionPenalty: number(0.01, 100, 1),
  presencePenalty: number(-100, 100, 0),
  frequencyPenalty: number(-100, 100, 0),
  penaltyWindow: integer(0, 1 << 24, 64),
  logitBias,
  seed,
  stop: strings,
  ignoreEos: boolean(false),
  reusePrefix: boolean(true),
  onFull: oneOf(ON_FULL, null),
  keep: integer(0, 1 << 24, null),
};

/** The options of complete() that say how to go on, without what from. */
export const readSamplingOptions = readAll(SAMPLING_READERS);

/** What is JSON, bigints among it, as a copy of it. */
const json = (expected, isIt) => (name, value) => {
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

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
/** Those that have options of their own. */
const TAKEN_VARIABLES = ['messages', 'tools', 'add_generation_prompt'];

const TEXT_READERS = {
  parseSpecial: boolean(null),
  tools: json('a list of tools, each an object', (value) => Array.isArray(value) && value.every(isObject)),
  template: string,
  templateVariables: variables,
  variables,
};

function variables(name, value) {
  const read = json('an object with template variables', isObject)(name, value);
  const taken = Object.keys(read ?? {}).find((key) => TAKEN_VARIABLES.includes(key));
  if (taken !== undefined)
    throw invalid(`${name}.${taken}`, read[taken], 'no such variable; it has an option of its own');
  return read;
}

/** `variables` is a short name of templateVariables. */
const withVariables = ({ variables: short, templateVariables, ...read }) => ({
  ...read,
  templateVariables: templateVariables ?? short,
});

const readRender = readAll({ ...TEXT_READERS, addGenerationPrompt: boolean(true), continueLast: boolean(false) });

/** Options of render(): what the template is given beside the messages. */
export function readRenderOptions(list, options) {
  const read = withVariables(readRender(options));
  checkContinued(read, list);
  return read;
}

const readCompletion = readAll({ ...SAMPLING_READERS, ...TEXT_READERS, continueLast: boolean(false) }, START_OPTIONS);

/** Options of complete(): one of prompt, messages and tokens, and how to go on from it. */
export const readCompletionOptions = (options) => readStart('A completion', readCompletion, options);

const readCount = readAll(
  { ...TEXT_READERS, continueLast: boolean(false), addGenerationPrompt: boolean(true) },
  START_OPTIONS,
);

/** Options of countTokens(): one of prompt, messages and tokens. */
export const readCountOptions = (options) => readStart('countTokens()', readCount, options);

const readFit = readAll({ ...TEXT_READERS, continueLast: boolean(false), maxTokens: SAMPLING_READERS.maxTokens }, [
  'messages',
]);

/** Options of fitMessages(). */
export const readFitOptions = (list, options) => readStart('fitMessages()', readFit, { ...options, messages: list });

function checkContinued({ continueLast }, list) {
  if (!continueLast || endsWithText(list)) return;
  throw invalid('continueLast', true, 'false, unless the last of several messages is a text of the assistant');
}

function readStart(what, reader, options = {}) {
  const read = withVariables(reader(options));
  const given = START_OPTIONS.filter((name) => options[name] !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none of them was' : `${given.join(' and ')} were`;
    throw new NibbleError('INVALID_ARGUMENT', `${what} takes one of prompt, messages and tokens; ${found} given.`);
  }
  const { prompt } = options;
  if (prompt !== undefined && typeof prompt !== 'string') throw invalid('prompt', prompt, 'a text');
  if (options.messages !== undefined) messages('messages', options.messages);
  checkContinued(read, options.messages);
  const tokens = options.tokens === undefined ? undefined : readTokens('tokens', options.tokens);
  return { ...read, prompt, messages: options.messages, tokens };
}

function endsWithText(list) {
  const last = list?.at(-1);
  return list?.length > 1 && last.role === 'assistant' && typeof last.content === 'string';
}

export const readEvaluateOptions = readAll({ top: integer(0, 1 << 24, 20), reusePrefix: boolean(true) });

/** `from`: index of the first token that is scored; the tokens before it are only context. */
export const readScoreOptions = readAll({ from: integer(1, 1 << 24, 1), reusePrefix: boolean(true) });

export const readTokenizeOptions = readAll({ addSpecial: boolean(true), parseSpecial: boolean(true) });

export const readDetokenizeOptions = readAll({ each: boolean(false) });

export const readBenchmarkOptions = readAll({
  promptTokens: integer(0, 1 << 24, 512),
  generatedTokens: integer(0, 1 << 24, 128),
  repetitions: integer(1, 10000, 5),
  depth: integer(0, 1 << 24, 0),
  warmUp: boolean(true),
  profile: boolean(false),
});

/** Options of a session; null: as the engine has it, or the session that is forked. */
export const readSessionOptions = readAll({ onFull: oneOf(ON_FULL, null), keep: integer(0, 1 << 24, null) });

export const readSyncOptions = readAll({ reusePrefix: boolean(true) });

/** How many tokens stay; nothing stands for it. */
export function readLength(value) {
  const length = integer(0, 1 << 24, null)('length', value);
  if (length === null) throw invalid('length', value, 'a whole number from 0 up');
  return length;
}

/** The number of a session, as it crosses the worker border; null: the engine's own. */
export const readSessionNumber = (value) => integer(1, Number.MAX_SAFE_INTEGER, null)('session', value);

/** What a saved session is called. */
export const readSaveKey = (key) => readLabel('key', key);

export const readMessages = (value) => messages('messages', value);

export function readText(name, value) {
  if (typeof value !== 'string') throw invalid(name, value, 'a text');
  return value;
}
