// What went wrong, in the reader's language: by the error's code, with the library's own sentence as the detail.

import { bytesOf, isOfFiles, nameOf } from './model-files.js';

const KNOWN = /** @type {const} */ ([
  ...['CONTEXT_FULL', 'ENGINE_CRASHED', 'WORKER_FAILED', 'WASM_UNAVAILABLE', 'OUT_OF_MEMORY', 'PLATFORM_UNSUPPORTED'],
  'RELEASE_MISMATCH',
  ...['MODEL_UNSUPPORTED', 'SOURCE_UNREADABLE', 'CHAT_TEMPLATE_FAILED', 'TOKENIZER_MISSING', 'NO_TOKEN_ALLOWED'],
  ...['MODEL_COMPUTES_NAN', 'MODEL_PARTS_MISSING', 'MODEL_PARTS_MIXED'],
  ...['BUDGET_TOO_SMALL', 'CONVERSATION_CHANGED', 'CONVERSATION_DELETED', 'CONVERSATION_UNREADABLE', 'GGUF_TRUNCATED'],
  ...[
    'DOWNLOAD_FAILED',
    'DOWNLOAD_NOT_A_MODEL',
    'DOWNLOAD_STALLED',
    'DOWNLOAD_OFFLINE',
    'DOWNLOAD_CHANGED',
    'HASH_MISMATCH',
  ],
  ...['HUB_NOT_FOUND', 'HUB_NO_MODEL', 'HUB_AMBIGUOUS', 'HUB_GATED', 'HUB_TOKEN_REFUSED'],
  ...[
    'STORE_UNAVAILABLE',
    'STORE_FULL',
    'STORE_BUSY',
    'STORE_DAMAGED',
    'STORE_VERSION',
    'STORE_CHUNK_MISSING',
    'STORE_MISSING',
  ],
  ...['ARCHIVE_BAD_JSON', 'ARCHIVE_UNKNOWN', 'ARCHIVE_VERSION', 'ARCHIVE_DAMAGED'],
]);

// How a server was not reached, as the library tells it.
const CONNECTIONS = /** @type {const} */ (['none', 'lost']);

/** Anything may be thrown; an error of ours has a code, and one of the library details. @typedef {{ code?: unknown, name?: unknown, message?: unknown, details?: Record<string, unknown> }} Thrown */

/** @param {unknown} error @returns {Thrown} what of it can be asked for */
const asThrown = (error) => (typeof error === 'object' && error !== null ? error : { message: error });

/** @param {unknown} error @returns {unknown} the code of an error that has one */
export const codeOf = (error) => asThrown(error).code;

/** @param {unknown} error @returns {Record<string, unknown>} what the library tells of an error beside its sentence; empty: nothing */
export const detailsOf = (error) => asThrown(error).details ?? {};

/** Whether the same may succeed when it is tried again. @param {unknown} error */
export const isRetriable = (error) => Boolean(detailsOf(error).retriable);

/** @template {string} Name @param {readonly Name[]} names @param {unknown} value @returns {value is Name} */
const isOneOf = (names, value) => names.some((name) => name === value);

// Not all of a model fits into the memory that is set, and it is not stored, from where the rest would come.
const NOT_STREAMED = 'NOT_STREAMED';

/**
 * Why a model was not loaded.
 * @param {import('./engine-room.js').LoadProblem} problem
 * @param {import('../ui/i18n.js').Translate} t
 */
export function describeLoadProblem({ error, model, options: { memoryBudget } }, t) {
  if (isOfFiles(model) && bytesOf(model) === 0) {
    return { code: 'FILE_EMPTY', text: t('problem.empty', { name: nameOf(model) }), detail: '' };
  }
  const described = describeProblem(error, t);
  // Without a limit a model that cannot be stored runs from memory.
  const isOfStore = codeOf(error) === 'STORE_FULL' || detailsOf(error).option === 'store';
  if (memoryBudget === undefined || !isOfStore) return described;
  return { code: NOT_STREAMED, text: t('problem.not-streamed'), detail: described.detail };
}

/** Whether another memory setting may help. @param {string} code as describeLoadProblem() gives it */
export const isOfMemory = (code) => ['OUT_OF_MEMORY', 'BUDGET_TOO_SMALL', NOT_STREAMED].includes(code);

/**
 * @param {unknown} error
 * @param {import('../ui/i18n.js').Translate} t
 * @returns {{ code: string, text: string, detail: string }}
 */
export function describeProblem(error, t) {
  const { code: given, name, message, details } = asThrown(error);
  const code = String(given ?? name ?? 'UNKNOWN');
  const detail = String(message);
  if (name === 'QuotaExceededError') return { code, text: t('problem.STORE_FULL'), detail };
  // The library's sentence quotes the raw bytes, which are for its callers.
  if (code === 'GGUF_BAD_MAGIC') return { code, text: t('problem.GGUF_BAD_MAGIC'), detail: '' };
  // The library's sentence quotes the browser's, which tells no more.
  const connection = details?.connection;
  if (code === 'DOWNLOAD_FAILED' && isOneOf(CONNECTIONS, connection)) {
    return { code, text: t(`problem.connection.${connection}`), detail: t(`problem.connection.${connection}.help`) };
  }
  if (isOneOf(KNOWN, code)) return { code, text: t(`problem.${code}`), detail };
  if (/^(GGUF|MODEL|TOKENIZER)_/.test(code)) return { code, text: t('problem.file'), detail };
  return { code, text: t('problem.other'), detail };
}

/**
 * @param {string} text what followed from it, in the reader's language
 * @param {unknown} error told behind that
 * @param {import('../ui/i18n.js').Translate} t
 */
export function describeOutcome(text, error, t) {
  const { code, text: detail } = describeProblem(error, t);
  return { code, text, detail };
}
