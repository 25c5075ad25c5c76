// What went wrong, in the reader's language: by the error's code, with the library's own sentence as the detail.

import { bytesOf, isOfFiles, nameOf } from './model-files.js';

const KNOWN = [
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
];

// Not all of a model fits into the memory that is set, and it is not stored, from where the rest would come.
const NOT_STREAMED = 'NOT_STREAMED';

/**
 * Why a model was not loaded.
 * @param {{ error: any, model: import('./engine-room.js').Model, options: { memoryBudget?: number } }} problem
 * @param {(key: string, values?: object) => string} t
 */
export function describeLoadProblem({ error, model, options: { memoryBudget } }, t) {
  if (isOfFiles(model) && bytesOf(model) === 0) {
    return { code: 'FILE_EMPTY', text: t('problem.empty', { name: nameOf(model) }), detail: '' };
  }
  const described = describeProblem(error, t);
  // Without a limit a model that cannot be stored runs from memory.
  const isOfStore = error.code === 'STORE_FULL' || error.details?.option === 'store';
  if (memoryBudget === undefined || !isOfStore) return described;
  return { code: NOT_STREAMED, text: t('problem.not-streamed'), detail: described.detail };
}

/** Whether another memory setting may help. @param {string} code as describeLoadProblem() gives it */
export const isOfMemory = (code) => ['OUT_OF_MEMORY', 'BUDGET_TOO_SMALL', NOT_STREAMED].includes(code);

/**
 * @param {{ code?: string, name?: string, message: string, details?: Record<string, any> }} error
 * @param {(key: string, values?: object) => string} t
 * @returns {{ code: string, text: string, detail: string }}
 */
export function describeProblem(error, t) {
  const code = error.code ?? error.name ?? 'UNKNOWN';
  const detail = String(error.message);
  if (error.name === 'QuotaExceededError') return { code, text: t('problem.STORE_FULL'), detail };
  // The library's sentence quotes the raw bytes, which are for its callers.
  if (code === 'GGUF_BAD_MAGIC') return { code, text: t('problem.GGUF_BAD_MAGIC'), detail: '' };
  // The library's sentence quotes the browser's, which tells no more.
  const { connection } = error.details ?? {};
  if (code === 'DOWNLOAD_FAILED' && connection !== undefined) {
    return { code, text: t(`problem.connection.${connection}`), detail: t(`problem.connection.${connection}.help`) };
  }
  if (KNOWN.includes(code)) return { code, text: t(`problem.${code}`), detail };
  if (/^(GGUF|MODEL|TOKENIZER)_/.test(String(code))) return { code, text: t('problem.file'), detail };
  return { code: String(code), text: t('problem.other'), detail };
}
