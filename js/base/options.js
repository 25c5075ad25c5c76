// Checks what callers pass, on both sides of the worker border: every option is named, typed and ranged here once.
// Each reader returns a new object with all options in it, or throws INVALID_ARGUMENT with a sentence.
import { NibbleError } from './errors.js';
import {
  areObjects,
  boolean,
  integer,
  invalid,
  isObject,
  json,
  logitBias,
  messages,
  number,
  oneOf,
  readAll,
  readTokens,
  refusePassword,
  seed,
  string,
  strings,
} from './readers.js';

export { checkCallbacks, checkSignal, invalid, nearestName, optionsOf, readTokens } from './readers.js';

export const MAX_THREADS = 64;
export const MAX_BATCH = 1024;
const MAX_TILE_STREAMS = 64;

/** @template Value @typedef {import('./readers.js').Reader<Value>} Reader */

/** @typedef {import('../store/backends.js').StoreChoice} StoreSettings where models are stored, as read */

/** @type {unknown[]} */
const STORES = ['indexeddb', 'opfs', 'memory'];
const MOST_CHUNK_BYTES = 1 << 30;

/**
 * Where models are stored: a kind's name, { folder }, or { kind, chunkBytes } or { folder, chunkBytes }.
 * @param {string} name
 * @param {any} value
 * @returns {StoreSettings | null}
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

/** @type {Reader<string | null>} */
function sha256(name, value) {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' && /^[0-9a-f]{64}$/i.test(value)) return value.toLowerCase();
  throw invalid(name, value, '64 hexadecimal digits');
}

const MAX_NAME = 200;

/** @type {Reader<string>} */
function readLabel(option, text) {
  refusePassword(option, text);
  const plain =
    typeof text === 'string' && text.trim() !== '' && text.length <= MAX_NAME && !/[\p{Cc}\p{Cs}]/u.test(text);
  if (!plain) throw invalid(option, text, `a text of 1 to ${MAX_NAME} characters on one line`);
  return text;
}

/** @type {Reader<string | null>} */
const label = (name, value) => (value === undefined || value === null ? null : readLabel(name, value));

/** What a model is stored under, in place of an id that is made of where it comes from. @type {Reader<string | null>} */
function storeId(name, value) {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' && MADE_ID.test(value))
    throw invalid(name, value, 'an id that begins with none of url:, file:, bytes: and session:');
  return readLabel(name, value);
}

// Saved sessions lie beside models, by ids of their own.
const MADE_ID = /^(url|file|bytes|session):/;

/** How a model is found in its store, and what its file has to be. */
const STORED = { id: storeId, sha256 };

export const readStoredAs = readAll(STORED);

export const readImportOptions = readAll({ name: label, ...STORED, keepPartial: boolean(true) });

/** What a stored model is called. @param {unknown} name */
export const readStoredName = (name) => readLabel('name', name);

/** @type {readonly ('stop' | 'drop-oldest')[]} */
const ON_FULL = ['stop', 'drop-oldest'];

const CALLER_OPTIONS = [
  ...Object.keys(STORED),
  ...['model', 'store', 'hub', 'headers', 'credentials', 'fetch', 'signal', 'onProgress'],
  ...['workerUrl', 'wasmUrl', 'wasmBinary'],
];
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
  earlyStart: boolean(false),
  onFull: oneOf(ON_FULL, 'stop'),
  keepTokens: integer(0, 1 << 24, null),
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
  keepTokens: integer(0, 1 << 24, null),
};

/** The options of complete() that say how to go on, without what from. */
export const readSamplingOptions = readAll(SAMPLING_READERS);

/** Those that have options of their own. */
const TAKEN_VARIABLES = ['messages', 'tools', 'add_generation_prompt'];

const TEXT_READERS = {
  parseSpecial: boolean(undefined),
  tools: json('a list of tools, each an object', areObjects),
  template: string,
  chatTemplate: string,
  templateVariables: variables,
  variables,
};

/** @type {Reader<Record<string, unknown> | null>} */
function variables(name, value) {
  const read = json('an object with template variables', isObject)(name, value);
  const taken = Object.keys(read ?? {}).find((key) => TAKEN_VARIABLES.includes(key));
  if (taken !== undefined)
    throw invalid(`${name}.${taken}`, read?.[taken], 'no such variable; it has an option of its own');
  return read;
}

/**
 * `variables` is a short name of templateVariables; of two templates one is meant.
 * @template {{ variables: Record<string, unknown> | null, templateVariables: Record<string, unknown> | null, template: string | null, chatTemplate: string | null }} Read
 * @param {Read} read
 */
function withVariables({ variables: short, templateVariables, ...read }) {
  if (read.template !== null && read.chatTemplate !== null)
    throw invalid('template', read.template, 'none beside a chatTemplate, which takes the place of those in the file');
  return { ...read, templateVariables: templateVariables ?? short };
}

const readRender = readAll({ ...TEXT_READERS, addGenerationPrompt: boolean(true), continueLast: boolean(false) });

/** Options of render(): what the template is given beside the messages. @param {any} list the messages @param {unknown} options */
export function readRenderOptions(list, options) {
  const read = withVariables(readRender(options));
  checkContinued(read, list);
  return read;
}

const readCompletion = readAll({ ...SAMPLING_READERS, ...TEXT_READERS, continueLast: boolean(false) }, START_OPTIONS);

/** Options of complete(): one of prompt, messages and tokens, and how to go on from it. @param {any} options */
export const readCompletionOptions = (options) => readStart('A completion', readCompletion, options);

const readCount = readAll(
  { ...TEXT_READERS, continueLast: boolean(false), addGenerationPrompt: boolean(true) },
  START_OPTIONS,
);

/** Options of countTokens(): one of prompt, messages and tokens. @param {any} options */
export const readCountOptions = (options) => readStart('countTokens()', readCount, options);

const readFit = readAll({ ...TEXT_READERS, continueLast: boolean(false), maxTokens: SAMPLING_READERS.maxTokens }, [
  'messages',
]);

/** Options of fitMessages(). @param {unknown} list @param {any} options */
export function readFitOptions(list, options) {
  const read = readStart('fitMessages()', readFit, { ...options, messages: list });
  // It takes nothing else.
  return /** @type {typeof read & { messages: NonNullable<(typeof read)['messages']> }} */ (read);
}

/** @param {{ continueLast: boolean }} read @param {any} list */
function checkContinued({ continueLast }, list) {
  if (!continueLast || endsWithText(list)) return;
  throw invalid('continueLast', true, 'false, unless the last of several messages is a text of the assistant');
}

/**
 * @template {Parameters<typeof withVariables>[0] & { continueLast: boolean }} Read
 * @param {string} what
 * @param {(options: unknown) => Read} reader
 * @param {any} options
 */
function readStart(what, reader, options = {}) {
  const read = withVariables(reader(options));
  const given = START_OPTIONS.filter((name) => options[name] !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none of them was' : `${given.join(' and ')} were`;
    throw new NibbleError('INVALID_ARGUMENT', `${what} takes one of prompt, messages and tokens; ${found} given.`);
  }
  /** @type {{ prompt?: unknown, messages?: any }} */
  const { prompt, messages: list } = options;
  if (prompt !== undefined && typeof prompt !== 'string') throw invalid('prompt', prompt, 'a text');
  const chat = list === undefined ? undefined : messages('messages', list);
  checkContinued(read, chat);
  const tokens = options.tokens === undefined ? undefined : readTokens('tokens', options.tokens);
  return { ...read, prompt, messages: chat, tokens };
}

/** @param {any} list */
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
export const readSessionOptions = readAll({ onFull: oneOf(ON_FULL, null), keepTokens: integer(0, 1 << 24, null) });

export const readPrefillOptions = readAll({ reusePrefix: boolean(true) });

/** How many tokens stay; nothing stands for it. @param {unknown} value */
export function readLength(value) {
  const length = integer(0, 1 << 24, null)('length', value);
  if (length === null) throw invalid('length', value, 'a whole number from 0 up');
  return length;
}

/** The number of an engine's own session, as it crosses the worker border. */
export const OWN_SESSION = 0;

/** The number of a session; without one the engine's own is meant. @param {unknown} value */
export const readSessionNumber = (value) =>
  integer(OWN_SESSION, Number.MAX_SAFE_INTEGER, OWN_SESSION)('session', value);

/** What a saved session is called. @param {unknown} key */
export const readSaveKey = (key) => readLabel('key', key);

/** The messages of a chat. @param {unknown} value */
export const readMessages = (value) => messages('messages', value);

/** @type {Reader<string>} */
export function readText(name, value) {
  if (typeof value !== 'string') throw invalid(name, value, 'a text');
  return value;
}
