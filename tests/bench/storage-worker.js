// The worker of the storage benchmark: writes chunks by a backend of the library, and reads them into shared memory.
import { openIndexedDb } from '../../js/store/indexeddb.js';
import { openOpfs } from '../../js/store/opfs.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/store/backends.js').Backend} Backend */

const NAME = 'benchmark';
const ID = 'model';
const PAGE_BYTES = 65536;

/** @type {Record<string, () => Promise<Backend>>} */
const OPEN = {
  'indexeddb blob': () => openIndexedDb({ name: NAME, blobs: true }),
  'indexeddb buffer': () => openIndexedDb({ name: NAME, blobs: false }),
  opfs: () => openOpfs({ name: NAME }),
};

/** Bytes that do not compress. @param {number} length */
function noise(length) {
  const words = new Uint32Array(length / 4);
  let state = 2463534242;
  for (let place = 0; place < words.length; place++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[place] = state;
  }
  return new Uint8Array(words.buffer);
}

/** @type {Backend} */
let backend;
/** @type {Uint8Array<ArrayBuffer>} */
let heap;

export const store = {
  /** @param {{ store: string, bytes: number }} options */
  async open({ store: name, bytes }) {
    backend = await OPEN[name]();
    heap ??= new Uint8Array(
      new WebAssembly.Memory({ initial: bytes / PAGE_BYTES, maximum: bytes / PAGE_BYTES, shared: true }).buffer,
    );
  },

  /**
   * @param {{ chunkBytes: number, bytes: number }} options
   * @returns {Promise<number>} milliseconds, a strict record at the end included
   */
  async write({ chunkBytes, bytes }) {
    const chunk = noise(chunkBytes);
    const start = performance.now();
    for (let index = 0; index < bytes / chunkBytes; index++) await backend.writeChunk(ID, index, [chunk]);
    await backend.put({ id: ID });
    return performance.now() - start;
  },

  /**
   * Reads every `step`th chunk from `first` on.
   * @param {{ chunkBytes: number, bytes: number, first: number, step: number, inFlight: number }} options
   * @returns {Promise<{ start: number, end: number }>} times since 1970
   */
  async read({ chunkBytes, bytes, first, step, inFlight }) {
    const start = performance.timeOrigin + performance.now();
    let next = first;
    const reader = async () => {
      while (next < bytes / chunkBytes) {
        const index = next;
        next += step;
        await backend.readChunk(ID, index, 0, heap.subarray(index * chunkBytes, (index + 1) * chunkBytes));
      }
    };
    await Promise.all(Array.from({ length: inFlight }, reader));
    return { start, end: performance.timeOrigin + performance.now() };
  },

  /** @param {{ remove: boolean }} options */
  async close({ remove }) {
    if (remove) await backend.remove(ID);
    await backend.close();
  },
};

self.store = untyped(store);
