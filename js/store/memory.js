// The backend that forgets: for tests, and for pages that may not or should not keep anything.
import { fill, join, piecesOf, totalBytes } from './bytes.js';
import { checkReach, chunkMissing, storeFull, storeUnavailable } from './errors.js';
import { processLock } from './locks.js';
import { copyRecord } from './record.js';

/** @returns {Promise<import('./backends.js').Backend>} */
export const openMemory = async () => new MemoryBackend();

class MemoryBackend {
  kind = 'memory';
  lock = processLock();
  /** @type {Map<string, import('./record.js').Record>} */
  #records = new Map();
  /** @type {Map<string, Map<number, Uint8Array>>} */
  #chunks = new Map();
  #closed = false;

  async list() {
    this.#check();
    return [...this.#records.values()].map(copyRecord);
  }

  async get(id) {
    this.#check();
    const record = this.#records.get(id);
    return record === undefined ? null : copyRecord(record);
  }

  async put(record) {
    this.#check();
    this.#records.set(record.id, copyRecord(record));
  }

  async remove(id) {
    this.#check();
    this.#records.delete(id);
    this.#chunks.delete(id);
  }

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

  async appendChunk(id, index, offset, parts) {
    this.#check();
    const before = this.#chunks.get(id)?.get(index);
    checkReach(id, index, before?.length ?? null, offset);
    await this.writeChunk(id, index, [before.subarray(0, offset), ...parts]);
  }

  async readChunk(id, index, offset, target) {
    this.#check();
    const bytes = this.#chunks.get(id)?.get(index);
    if (bytes === undefined) throw chunkMissing(id, index, 'is missing');
    const pieces = piecesOf(target);
    const end = offset + totalBytes(pieces);
    if (end > bytes.length) throw chunkMissing(id, index, `ends at ${bytes.length} of ${end} bytes`);
    fill(pieces, bytes.subarray(offset, end));
  }

  async removeChunks(id, from) {
    this.#check();
    const chunks = this.#chunks.get(id) ?? new Map();
    for (const index of [...chunks.keys()]) if (index >= from) chunks.delete(index);
  }

  async estimate() {
    this.#check();
    const chunks = [...this.#chunks.values()].flatMap((ofModel) => [...ofModel.values()]);
    return { usage: totalBytes(chunks), quota: null };
  }

  async close() {
    this.#closed = true;
    this.#records.clear();
    this.#chunks.clear();
  }

  #check() {
    if (this.#closed) throw storeUnavailable('The store is closed. Open it again.');
  }
}
