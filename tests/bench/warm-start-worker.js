// The worker of the warm-start benchmark: reads a stored model's chunks and drops them: as whole buffers, the plain way
// to read a Blob, or by streams into one small buffer each, the fastest that was found.
import { openIndexedDb } from '../../js/store/indexeddb.js';
import { openOpfs } from '../../js/store/opfs.js';

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

/** @type {any} */
const readers = {
  /** @param {any} id @param {{ way: string }} options */
  async indexeddb(id, { way }) {
    const database = await new Promise((resolve, reject) => {
      const request = indexedDB.open('nibble');
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    /** @param {number} index */
    const read = async (index) => {
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

  /** @param {any} id @param {{ record: any }} options */
  async opfs(id, { record: { chunks } }) {
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

/** @param {string | string | undefined} kind @param {any} id */
async function recordOf(kind, id) {
  const backend = await (kind === 'opfs' ? openOpfs() : openIndexedDb());
  const record = await backend.get(id);
  await backend.close();
  return record;
}

/**
 * @param {any} options
 * @returns {Promise<{ milliseconds: number, bytes: number }>}
 */
async function readAndDrop({ kind, id, way }) {
  /** @type {any} */
  const record = await recordOf(kind, id);
  const { read, close } = await readers[kind](id, { record, way });
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
