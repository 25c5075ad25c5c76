// Stores a model as its bytes arrive: packs them, cuts the packed bytes into chunks, writes each with its checksum, and
// the record after each, so that what came before an interruption is kept. A chunk that fills slowly is appended to now
// and then, and what is there is never written again: a kill in the middle harms nothing that was there before. Where the
// store is slower than what comes, what comes is held back. With a model in the heap, the same bytes go into place there.
// At most two chunks are in JavaScript's memory: the one being written and the one being filled.

import { createSha256 } from '#sha256';
import { hashMismatch, NibbleError } from '../base/errors.js';
import { fromHex, toHex } from '../base/hex.js';
import { checksumOf } from '../core/packer.js';
import { cut } from '../store/bytes.js';
import { storedBytes } from './manifest.js';

// Where a tab is closed, what came in the last 5 s is lost, or 8 MiB if that is more. About half of either is on its way
// to here (download.js has as much); of the rest, some waits to be written, and some comes while that is written.
const SAVE_EVERY = { bytes: 1 << 20, milliseconds: 1500 };
const MOST_UNSAVED = { bytes: 2 << 20, milliseconds: 3000 };

/**
 * What goes on with the SHA-256 of an import.
 * @param {import('./manifest.js').Manifest['hash']} hash as far as it came
 * @returns {Promise<import('hash-wasm').IHasher | null>} null: its state is damaged, or another version of the package's
 */
async function openHasher(hash) {
  const hasher = await createSha256();
  if (!hash) return hasher.init();
  try {
    return hasher.load(fromHex(hash.state));
  } catch {
    return null;
  }
}

/** Whether an import can be gone on with, as far as its SHA-256 is concerned. @param {import('./manifest.js').Manifest} record */
export const canHashOn = async ({ sha256, hash }) => sha256 === null || (await openHasher(hash)) !== null;

export class ChunkWriter {
  #backend;
  #runtime;
  #packer;
  #record;
  #model;
  /** @type {Uint8Array[]} */
  #parts = [];
  #held = 0;
  // Of the chunk that is filled, as far as it is written.
  #heldWritten = 0;
  #isOver = false;
  #position = 0;
  #flushed = 0;
  #saveEvery;
  // When what is flushed was collected, and the same of what is in the store.
  #flushedAt = performance.now();
  #kept = 0;
  #keptAt = this.#flushedAt;
  #busy = false;
  /** @type {Promise<void>} */
  #writing = Promise.resolve();
  /** @type {import('hash-wasm').IHasher | null} */
  #hasher = null;
  #hashed = 0;
  /** The error that ended the storing, where the model in the heap goes on without. @type {unknown} null: none */
  problem;

  /**
   * @param {{ backend: import('../store/backends.js').Backend, runtime: import('../core/runtime.js').Runtime,
   *   packer: import('../core/packer.js').Packer, record: import('./manifest.js').Manifest,
   *   model: import('../core/runtime.js').Model | null, tail: Uint8Array | null, problem: Error | null,
   *   saveEvery?: { bytes: number, milliseconds: number } }} parts `record` is kept up to date here; `packer` stays the
   *   caller's; `tail`: the bytes of the last chunk, where an interruption left it short; with a `problem` nothing is
   *   stored; `saveEvery`: a chunk that is not full is written once as much has come and as much time has passed
   */
  constructor({ backend, runtime, packer, record, model, tail, problem, saveEvery = SAVE_EVERY }) {
    this.#backend = backend;
    this.#runtime = runtime;
    this.#packer = packer;
    this.#record = record;
    this.#model = model;
    this.problem = problem;
    this.#saveEvery = saveEvery;
    if (tail === null) return;
    this.#parts = [tail];
    this.#held = this.#heldWritten = tail.length;
  }

  get done() {
    return this.#packer.position === this.#record.packedBytes;
  }

  /** Whether the file is to be read on: for weights, or for its SHA-256. */
  get wantsMore() {
    return !this.done || this.#hasher !== null;
  }

  /** Gets ready to go on behind what the record says is stored, and sets the packer there. */
  async begin() {
    const { sha256, hash } = this.#record;
    if (sha256 !== null) {
      this.#hasher = await openHasher(hash);
      // Whoever resumes an import has asked before; without it the file would go unchecked.
      if (this.#hasher === null)
        throw new NibbleError('STORE_DAMAGED', 'The SHA-256 of the import cannot be gone on with.');
      this.#hashed = hash?.position ?? 0;
    }
    this.#position = storedBytes(this.#record);
    this.#flushed = this.#kept = this.#position;
    this.#flushedAt = this.#keptAt = performance.now();
    this.#packer.seek(this.#position);
  }

  /** Takes the bytes of the file at `filePosition`. @param {Uint8Array} bytes @param {number} filePosition */
  async push(bytes, filePosition) {
    if (this.#hasher !== null && filePosition + bytes.length > this.#hashed) {
      this.#hasher.update(bytes.subarray(Math.max(0, this.#hashed - filePosition)));
      this.#hashed = filePosition + bytes.length;
    }
    const skipped = Math.max(0, this.#packer.filePosition - filePosition);
    if (this.done || skipped >= bytes.length) return;
    for (const made of this.#packer.push(bytes.subarray(skipped))) {
      const start = this.#packer.position - made.length;
      // A group of rows that the last time ended in is made whole again.
      if (this.#packer.position > this.#position) await this.#take(made.subarray(Math.max(0, this.#position - start)));
    }
  }

  /** @param {Uint8Array} bytes */
  async #take(bytes) {
    this.#model?.place(this.#position, bytes);
    this.#position += bytes.length;
    if (this.problem !== null) return;
    const { chunkBytes } = this.#record;
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done, done + chunkBytes - this.#held);
      this.#parts.push(part);
      this.#held += part.length;
      done += part.length;
      if (this.#held === chunkBytes) await this.#writeChunk(this.#position - bytes.length + done);
    }
    if (this.#isDue()) await this.#writeChunk(this.#position, false);
    if (this.#isBehind()) await this.#written();
  }

  /** Waits for what comes next; what has come is saved meanwhile, however long that takes. @template T @param {Promise<T>} next */
  async whileWaiting(next) {
    let begun = Promise.resolve();
    const save = () => {
      if (!this.#isDue()) return;
      begun = this.#writeChunk(this.#position, false);
      // It is waited for below; until then nobody listens.
      begun.catch(() => {});
    };
    const timer = setInterval(save, this.#saveEvery.milliseconds);
    try {
      return await next;
    } finally {
      clearInterval(timer);
      await begun;
    }
  }

  /** Never while a chunk is being written. */
  #isDue() {
    const { bytes, milliseconds } = this.#saveEvery;
    if (this.problem !== null || this.#busy || this.done || this.#position - this.#flushed < bytes) return false;
    return performance.now() - this.#flushedAt >= milliseconds;
  }

  /** Whether a kill now would cost more than it may, for want of what is being written. */
  #isBehind() {
    const { bytes, milliseconds } = MOST_UNSAVED;
    if (!this.#busy || this.#position - this.#kept < bytes) return false;
    return performance.now() - this.#keptAt >= milliseconds;
  }

  /** Writes what has been collected, in the background; waits for the chunk before it. It goes on filling unless `ends`. @param {number} end @param {boolean} [ends] */
  async #writeChunk(end, ends = true) {
    const chunk = { bytes: this.#held, checksum: checksumOf(this.#runtime, this.#parts) };
    const index = Math.ceil(end / this.#record.chunkBytes) - 1;
    const offset = this.#heldWritten;
    const parts = cut(this.#parts, offset, this.#held);
    const filePosition = this.#packer.filePosition;
    const hash = this.#hasher && { position: this.#hashed, state: toHex(this.#hasher.save()) };
    this.#heldWritten = ends ? 0 : this.#held;
    if (ends) {
      this.#parts = [];
      this.#held = 0;
    }
    const at = performance.now();
    this.#flushed = end;
    this.#flushedAt = at;
    await this.#written();
    if (this.problem !== null) return;
    this.#writing = this.#store(index, offset, parts, { chunk, filePosition, hash }).then(() => {
      this.#kept = end;
      this.#keptAt = at;
    });
    // It is waited for later; until then nobody listens.
    this.#writing.catch(() => {});
  }

  /**
   * @param {number} index
   * @param {number} offset
   * @param {Uint8Array[]} parts
   * @param {Pick<import('./manifest.js').Manifest, 'filePosition' | 'hash'> & { chunk: { bytes: number, checksum: string } }} record
   */
  async #store(index, offset, parts, { chunk, ...progress }) {
    const { id, chunks } = this.#record;
    const before = chunks.slice(0, index + 1);
    this.#busy = true;
    try {
      if (offset === 0) await this.#backend.writeChunk(id, index, parts);
      else await this.#backend.appendChunk(id, index, offset, parts);
      chunks[index] = chunk;
      Object.assign(this.#record, progress);
      await this.#backend.put(this.#record);
    } catch (error) {
      this.#record.chunks = before;
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  /**
   * Waits for the chunk being written. Where storing fails, a model in the heap goes on without, and makes room; otherwise
   * what was stored before stays, to go on with once there is room.
   */
  async #written() {
    try {
      await this.#writing;
    } catch (error) {
      this.#writing = Promise.resolve();
      this.#isOver = true;
      if (this.#model === null) throw error;
      await this.drop();
      this.problem = error;
      this.#parts = [];
      this.#held = 0;
    }
  }

  /** Everything has come: the last chunk, then the record that says so. @param {number} fileBytes */
  async finish(fileBytes) {
    this.#check();
    if (this.problem !== null) return;
    if (this.#held > 0) await this.#writeChunk(this.#position);
    await this.#written();
    if (this.problem !== null) return;
    Object.assign(this.#record, { state: 'complete', fileBytes, filePosition: fileBytes, hash: null });
    this.#writing = (async () => {
      await this.#backend.removeChunks(this.#record.id, this.#record.chunks.length);
      await this.#backend.put(this.#record);
    })();
    await this.#written();
  }

  #check() {
    const { sha256, name } = this.#record;
    const found = this.#hasher?.digest('hex') ?? sha256;
    this.#hasher = null;
    if (found === sha256 || found === null || sha256 === null) return;
    throw hashMismatch(`The file of "${name}"`, found, sha256);
  }

  /** Keeps what has come so far, up to the last byte that can be used, for another time. Never fails. */
  async keep() {
    try {
      if (this.problem === null && !this.#isOver && this.#position > this.#flushed)
        await this.#writeChunk(this.#position);
      await this.#writing;
    } catch {
      // What was stored before is kept.
    }
  }

  /** Removes what was stored of this model. Never fails. */
  async drop() {
    await this.#writing.catch(() => {});
    await this.#backend.remove(this.#record.id).catch(() => {});
  }
}
