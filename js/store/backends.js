// Where stored models lie. A backend is dumb: records and numbered chunks of bytes by a model's id, and it knows
// nothing of models. All backends keep the same promises (the typedef below), and pass the same tests.
import { NibbleError } from '../base/errors.js';
import { openIndexedDb } from './indexeddb.js';
import { openMemory } from './memory.js';
import { openOpfs } from './opfs.js';

// Both by tests/bench/storage.js: larger chunks and more reads gain little, and each read in IndexedDB copies its chunk.
/** The size of a chunk, in bytes, that reads fastest. */
export const CHUNK_BYTES = 64 << 20;
/** How many chunks to ask a backend for at once. */
export const READS_IN_FLIGHT = 2;

/** @typedef {import('./record.js').Record} Record */

/**
 * All methods fail with a NibbleError: STORE_UNAVAILABLE, STORE_FULL, STORE_BUSY, STORE_DAMAGED or STORE_VERSION, and
 * those below. An id is any text; an index is a whole number from -1.
 * @typedef {object} Backend
 * @property {'indexeddb' | 'opfs' | 'folder' | 'memory'} kind
 * @property {(what?: string) => Promise<Record[]>} list every record, in no order; what is no record is left out, but where
 *   it lies in a folder of its own, or its bytes are lost, something stands for it (unreadableRecord() and lostRecord() in
 *   record.js). `what` is looked for among them, for the sentence of an error: "the models"
 * @property {(id: string) => Promise<Record | null>} get
 * @property {(record: Record) => Promise<void>} put replaces the record of that id, whole or not at all; it is on the
 *   medium when this resolves. In IndexedDB chunks written before may still be on their way: who reads them checks them
 * @property {(id: string) => Promise<void>} remove the record first, then all chunks; does nothing where there are none
 * @property {(id: string, index: number, parts: Uint8Array[]) => Promise<void>} writeChunk replaces a chunk by the parts
 *   one after the other; they may lie in shared memory and are not kept. After a failure that chunk may be gone, all
 *   others are as they were
 * @property {(id: string, index: number, offset: number, parts: Uint8Array[]) => Promise<void>} appendChunk writes the parts
 *   from an offset on, behind bytes that were written before: these are never touched, whatever happens meanwhile; what
 *   was behind the offset goes. STORE_CHUNK_MISSING where the chunk is absent or ends before
 * @property {(id: string, index: number, offset: number, target: Uint8Array | Uint8Array[], onFilled?: (part: Uint8Array) => void) => Promise<void>} readChunk
 *   fills the target, which may lie in shared memory, from an offset on. One call with several targets is cheaper than
 *   several calls. STORE_CHUNK_MISSING where the chunk is absent or ends before the target is full. The two of browsers
 *   tell `onFilled` of each part of the target that has been filled, in order and some hundred kilobytes at a time
 * @property {() => void} [keepOpen] where opening a chunk costs much: from now on those that are read stay open until
 *   close(), for who reads them again and again. Meanwhile they can be neither written nor removed: hold the lock
 * @property {(id: string, from: number) => Promise<void>} removeChunks drops the chunks from an index on
 * @property {() => Promise<{ usage: number | null, quota: number | null }>} estimate bytes; null where nobody tells
 * @property {import('./locks.js').Lock} lock
 * @property {() => Promise<void>} close every later call fails with STORE_UNAVAILABLE
 */

/**
 * @param {'indexeddb' | 'opfs' | 'memory' | { folder: string }} kind OPFS opens in a worker only
 * @param {{ openFolder?: (path: string) => Promise<Backend> }} [platform] what a platform adds: a folder in Node
 * @returns {Promise<Backend>}
 * @throws {NibbleError} STORE_UNAVAILABLE where it is refused here, INVALID_ARGUMENT
 */
export async function openBackend(kind, { openFolder } = {}) {
  if (kind === 'indexeddb') return openIndexedDb();
  if (kind === 'opfs') return openOpfs();
  if (kind === 'memory') return openMemory();
  if (typeof kind?.folder === 'string' && kind.folder !== '') {
    if (openFolder) return openFolder(kind.folder);
    throw new NibbleError(
      'STORE_UNAVAILABLE',
      'A browser has no folders to store models in; use "indexeddb" or "opfs".',
    );
  }
  throw new NibbleError(
    'INVALID_ARGUMENT',
    `There is no store ${JSON.stringify(kind)}; expected "indexeddb", "opfs", "memory" or { folder }.`,
    { details: { option: 'store' } },
  );
}

/** The kind of a store as a caller names it. @param {any} store */
export const storeKind = (store) => (typeof store?.folder === 'string' ? 'folder' : (store?.kind ?? store));

/** @typedef {{ openFolder?: (path: string) => Promise<Backend> }} StorePlatform what a platform adds: a folder in Node */

/**
 * A store as readStore() in base/options.js gives it.
 * @typedef {{ kind: 'indexeddb' | 'opfs' | 'memory', folder?: undefined, chunkBytes: number | null } |
 *   { kind?: undefined, folder: string, chunkBytes: number | null }} StoreChoice
 */

/** @param {StoreChoice} store @param {StorePlatform} [platform] */
export const openStore = (store, platform) => openBackend(store.folder === undefined ? store.kind : store, platform);
