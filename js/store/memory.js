// The backend that forgets: for tests, and for pages that may not or should not keep anything.
import { fill, join, piecesOf, totalBytes } from './bytes.js';
import { checkReach, chunkMissing, storeFull, storeUnavailable } from './errors.js';
import { processLock } from './locks.js';
import { copyRecord } from './record.js';

/** @typedef {import('./backends.js').Backend} Backend */

/** @returns {Promise<Backend>} */
export const openMemory = async () => new MemoryBackend();

/** @implements {Backend} */
class MemoryBackend {
  /** @type {'memory'} */
  kind = 'memory';
  lock = processLock();
  /** @type {Map<string, import('./record.js').Record>} */
  #records = new Map();
  /** @type {Map<string, Map<number, Uint8Array>>} */
  #chunks = new Map();
  #closed = false;

  /** @type {Backend['list']} */
  async list() {
    this.#check();
    return [...this.#records.values()].map(copyRecord);
  }

  /** @type {Backend['get']} */
  async get(id) {
    this.#check();
    const record = this.#records.get(id);
    return record === undefined ? null : copyRecord(record);
  }

  /** @type {Backend['put']} */
  async put(record) {
    this.#check();
    this.#records.set(record.id, copyRecord(record));
  }

  /** @type {Backend['remove']} */
  async remove(id) {
    this.#check();
    this.#records.delete(id);
    this.#chunks.delete(id);
  }

  /** @type {Backend['writeChunk']} */
  async writeChunk(id, index, parts) {
    this.#check();
    let bytes;
    try {
      bytes = join(parts);
    } catch (error) {
      throw storeFull(`a chunk of ${totalBytes(parts)} bytes`, error);
    }
    const chunks = this.#chunks.get(id) ?? new Map();
    this.#chunks.set(id, chunks.set(index, bytes));
  }

  /** @type {Backend['appendChunk']} */
  async appendChunk(id, index, offset, parts) {
    this.#check();
    const before = this.#chunks.get(id)?.get(index);
    if (before === undefined) throw chunkMissing(id, index, 'is missing');
    checkReach(id, index, before.length, offset);
    await this.writeChunk(id, index, [before.subarray(0, offset), ...parts]);
  }

  /** @type {Backend['readChunk']} */
  async readChunk(id, index, offset, target) {
    this.#check();
    const bytes = this.#chunks.get(id)?.get(index);
    if (bytes === undefined) throw chunkMissing(id, index, 'is missing');
    const pieces = piecesOf(target);
    const end = offset + totalBytes(pieces);
    if (end > bytes.length) throw chunkMissing(id, index, `ends at ${bytes.length} of ${end} bytes`);
    fill(pieces, bytes.subarray(offset, end));
  }

  /** @type {Backend['removeChunks']} */
  async removeChunks(id, from) {
    this.#check();
    const chunks = this.#chunks.get(id) ?? new Map();
    for (const index of [...chunks.keys()]) if (index >= from) chunks.delete(index);
  }

  /** @type {Backend['estimate']} */
  async estimate() {
    this.#check();
    const chunks = [...this.#chunks.values()].flatMap((ofModel) => [...ofModel.values()]);
    return { usage: totalBytes(chunks), quota: null };
  }

  /** @type {Backend['close']} */
  async close() {
    this.#closed = true;
    this.#records.clear();
    this.#chunks.clear();
  }

  #check() {
    if (this.#closed) throw storeUnavailable('The store is closed. Open it again.');
  }
}
