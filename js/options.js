// Checks what callers pass, on both sides of the worker border: every option is named, typed and ranged here once.
// Each reader returns a new object with all options in it, or throws INVALID_ARGUMENT with a sentence.
import { NibbleError } from './errors.js';

export const MAX_THREADS = 64;
export const MAX_BATCH = 1024;

function invalid(name, value, expected) {
  const found = typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value);
  return new NibbleError('INVALID_ARGUMENT', `The option ${name} is ${found}; expected ${expected}.`);
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

const strings = (name, value) => {
  const list = value === undefined || value === null ? [] : typeof value === 'string' ? [value] : value;
  if (Array.isArray(list) && list.every((item) => typeof item === 'string' && item !== '')) return list;
  throw invalid(name, value, 'a text or a list of texts, none of them empty');
};

const seed = (name, value) => {
  if (value === undefined || value === null) return null;
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid(name, value, 'a whole number from 0 to 2^53 - 1');
};

function logitBias(name, value) {
  if (value === undefined || value === null) return [];
  const entries = value instanceof Map ? [...value] : Array.isArray(value) ? value : Object.entries(value ?? {});
  return entries.map((entry) => {
    const [token, bias] = [Number(entry?.[0]), Number(entry?.[1])];
    if (Number.isInteger(token) && token >= 0 && !Number.isNaN(bias) && bias < Infinity) return [token, bias];
    throw invalid(name, JSON.stringify(entry), 'token ids with biases, such as { 15: -5, 27: -Infinity }');
  });
}

/** Token ids as a plain array. */
export function readTokens(name, value) {
  const tokens = Array.isArray(value) ? value : ArrayBuffer.isView(value) ? Array.from(value) : null;
  if (tokens === null) throw invalid(name, value, 'a list of token ids');
  for (const token of tokens) {
    if (!Number.isInteger(token) || token < 0 || token > 0x7fffffff) throw invalid(name, token, 'token ids, from 0 up');
  }
  return tokens;
}

function messages(name, value) {
  const valid =
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((message) => typeof message?.role === 'string' && message.content !== undefined);
  if (!valid) throw invalid(name, value, 'a list of messages, each with a role and a content');
  return value;
}

const readAll = (readers) => (options) => {
  if (options !== undefined && (options === null || typeof options !== 'object')) {
    throw invalid('list', options, 'an object with options');
  }
  return Object.fromEntries(Object.entries(readers).map(([name, read]) => [name, read(name, options?.[name])]));
};

/** Options of createEngine() and describeModel() that concern the core. `threads` null: the platform's default. */
export const readEngineOptions = readAll({
  threads: integer(1, MAX_THREADS, null),
  contextSize: integer(0, 1 << 24, null),
  batchSize: integer(0, MAX_BATCH, 0),
  exact: boolean(false),
  kernelSet: string,
  vocabularyOnly: boolean(false),
});

const readSampling = readAll({
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
});

/** Options of complete(): one of prompt, messages and tokens, and how to go on from it. */
export function readCompletionOptions(options) {
  const read = readSampling(options);
  const given = ['prompt', 'messages', 'tokens'].filter((name) => options?.[name] !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none of them was' : `${given.join(' and ')} were`;
    throw new NibbleError('INVALID_ARGUMENT', `A completion takes one of prompt, messages and tokens; ${found} given.`);
  }
  const { prompt } = options;
  if (prompt !== undefined && typeof prompt !== 'string') throw invalid('prompt', prompt, 'a text');
  if (options.messages !== undefined) messages('messages', options.messages);
  const tokens = options.tokens === undefined ? undefined : readTokens('tokens', options.tokens);
  return { ...read, prompt, messages: options.messages, tokens };
}

export const readEvaluateOptions = readAll({ top: integer(0, 1 << 24, 20), reusePrefix: boolean(false) });

/** `from`: index of the first token that is scored; the tokens before it are only context. */
export const readScoreOptions = readAll({ from: integer(1, 1 << 24, 1) });

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

export const readMessages = (value) => messages('messages', value);

export function readText(name, value) {
  if (typeof value !== 'string') throw invalid(name, value, 'a text');
  return value;
}
