// The worker of the warm-start benchmark: reads a stored model's chunks and drops them: as whole buffers, the plain way
// to read a Blob, or by streams into one small buffer each, the fastest that was found.
import { openIndexedDb } from '../../js/store/indexeddb.js';
import { openOpfs } from '../../js/store/opfs.js';

/** @typedef {import('../../js/models/manifest.js').Manifest} Manifest */

// As the library has it, so that both sides ask for as much at once.
const IN_FLIGHT = 2;

/** @param {Blob} blob */
async function drain(blob) {
  const reader = blob.stream().getReader({ mode: 'byob' });
  let buffer = new ArrayBuffer(1 << 20);
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read(new Uint8Array(buffer));
    if (done) return bytes;
    bytes += value.length;
    buffer = value.buffer;
  }
}

/**
 * `way`: as whole buffers, or by streams.
 * @typedef {{ kind: 'indexeddb' | 'opfs', id: string, way: 'whole' | 'stream' }} ReadCall
 */

const readers = {
  /** @param {ReadCall} call */
  async indexeddb({ id, way }) {
    /** @type {IDBDatabase} */
    const database = await new Promise((resolve, reject) => {
      const request = indexedDB.open('nibble');
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    /** @param {number} index */
    const read = async (index) => {
      /** @type {Blob | ArrayBuffer} */
      const chunk = await new Promise((resolve, reject) => {
        const request = database.transaction('chunks').objectStore('chunks').get([id, index]);
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      if (chunk instanceof Blob && way === 'stream') return drain(chunk);
      return (chunk instanceof Blob ? await chunk.arrayBuffer() : chunk).byteLength;
    };
    return { read, close: () => database.close() };
  },

  /** @param {ReadCall} call @param {Manifest} manifest */
  async opfs({ id }, { chunks }) {
    const backend = await openOpfs();
    /** @type {Uint8Array[]} */
    const scratch = [];
    /** @param {number} index */
    const read = async (index) => {
      const buffer = scratch.pop() ?? new Uint8Array(chunks[0].bytes);
      const { bytes } = chunks[index];
      await backend.readChunk(id, index, 0, buffer.subarray(0, bytes));
      scratch.push(buffer);
      return bytes;
    };
    return { read, close: () => backend.close() };
  },
};

/** @param {ReadCall} call */
async function recordOf({ kind, id }) {
  const backend = await (kind === 'opfs' ? openOpfs() : openIndexedDb());
  const record = await backend.get(id);
  await backend.close();
  return /** @type {Manifest} */ (record);
}

/** @param {ReadCall} call @returns {Promise<{ milliseconds: number, bytes: number }>} */
async function readAndDrop(call) {
  const record = await recordOf(call);
  const { read, close } = await readers[call.kind](call, record);
  const start = performance.now();
  let next = 0;
  let bytes = 0;
  const reader = async () => {
    while (next < record.chunks.length) bytes += await read(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, reader));
  const milliseconds = performance.now() - start;
  await close();
  return { milliseconds, bytes };
}

self.onmessage = async ({ data }) => self.postMessage(await readAndDrop(data));
