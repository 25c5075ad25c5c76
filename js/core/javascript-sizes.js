// What an engine's JavaScript takes beside the heap, in bytes. A browser tells a worker nothing of its own memory, so it
// is counted. tests/library/browser-memory.test.js holds it against what Chromium measures.
import { mergeBytes } from '../gguf/merge-table.js';
import { tableBytes } from '../gguf/text-table.js';

// The engine's worker without a vocabulary: the code, and what any worker has.
const ENGINE_BYTES = 2.4e6;
// Any further worker: a thread's, or one that reads.
const WORKER_BYTES = 1.9e6;
// Those that read from a store, at most: WORKERS in models/chunk-reader.js.
const READERS = 2;

// Of a token: its type.
const TOKEN_BYTES = 1;
// Of one that has a score, and no merges: that, once more in order, and its rank.
const SCORE_BYTES = 12;

/**
 * Of the engine's own worker.
 * @param {{ count: number, textBytes: number }} tokens how many texts, and their UTF-8
 * @param {{ count: number, textBytes: number }} merges
 */
export function javascriptBytes(tokens, merges) {
  const perToken = merges.count > 0 ? TOKEN_BYTES : TOKEN_BYTES + SCORE_BYTES;
  return ENGINE_BYTES + tableBytes(tokens) + mergeBytes(merges.count, tokens.count) + tokens.count * perToken;
}

/** Of the workers beside it, at most. @param {number} threads of the engine */
export const workersBytes = (threads) => (threads - 1 + READERS) * WORKER_BYTES;

/** Of workers that read from a store. @param {number} count of them */
export const readersBytes = (count) => count * WORKER_BYTES;
