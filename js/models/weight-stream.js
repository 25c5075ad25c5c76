// Weights on their way from a store to a pass: a ring of slots in the heap, read ahead of use while the threads compute.
// The order of use is known, and the same in every pass, so reading goes on behind the end of one for the next, as far
// as there are slots. Which bytes are right was checked once, when the model was opened (read-streamed-weights.js): a
// checksum is of a whole chunk, and no chunk comes whole here.
import { codeOf, NibbleError, shortened } from '../base/errors.js';
import { createScheduler } from '../base/scheduler.js';
import { openStore } from '../store/backends.js';
import { openReader } from './chunk-reader.js';
import { readManifest } from './manifest.js';
import { withLock } from './open-stored.js';

/** @typedef {import('../store/backends.js').Backend} Backend */
/** @typedef {import('./manifest.js').Manifest} Manifest */
/** @typedef {import('../core/runtime.js').Model} Model */
/** @typedef {import('../core/runtime.js').Runtime} Runtime */

/** @param {string} id @param {unknown} [cause] */
const vanished = (id, cause) =>
  new NibbleError(
    'STORE_MISSING',
    `The stored model "${shortened(id)}" is gone or is another one now, and its weights are read from there while it runs. Load it again.`,
    { cause, details: { id } },
  );

/**
 * @param {{ store: import('../store/backends.js').StoreChoice, platform: import('../worker/engine-host.js').Platform, runtime: import('../core/runtime.js').Runtime,
 *   model: import('../core/runtime.js').Model, record: import('./manifest.js').Manifest, signal?: AbortSignal,
 *   onProgress: (progress: import('../base/public-types.js').Progress) => void }} parts `store`: as readStore() in base/options.js gives it; `record`: of the
 *   model whose weights were loaded; `signal` ends the wait for another who changes the model, of which `onProgress` is told
 * @returns {Promise<WeightStream>} nobody deletes the stored model until it is closed
 * @throws {NibbleError} CANCELLED, STORE_MISSING
 */
export async function openWeightStream({ store, platform, runtime, model, record, signal, onProgress }) {
  const backend = await openStore(store, platform);
  try {
    const release = await holdLock({ backend, id: record.id, signal, onProgress });
    try {
      const found = readManifest(await backend.get(record.id));
      if (JSON.stringify(found?.chunks) !== JSON.stringify(record.chunks)) throw vanished(record.id);
      const reader = openReader({ backend, store, runtime, platform }, { keepOpen: true });
      return new WeightStream({ backend, reader, release, runtime, ring: model.ring, record });
    } catch (error) {
      await release();
      throw error;
    }
  } catch (error) {
    await backend.close();
    throw error;
  }
}

/**
 * Takes a shared lock, and returns what gives it back, which is done when that resolves.
 * @param {Parameters<typeof withLock>[0]} opening
 * @returns {Promise<() => Promise<void>>}
 */
function holdLock(opening) {
  return new Promise((resolve, reject) => {
    const hold = () =>
      /** @type {Promise<void>} */ (
        new Promise((letGo) => {
          resolve(async () => {
            letGo();
            await held.catch(() => {});
          });
        })
      );
    const held = withLock(opening, { shared: true }, hold);
    held.catch(reject);
  });
}

/** @typedef {{ segment: number, slot: number, read: Promise<void> }} Filled */

export class WeightStream {
  #backend;
  #reader;
  #release;
  #runtime;
  #ring;
  #record;
  #segments;
  /** @type {number[]} */
  #free;
  /** @type {Filled[]} Slots that are full or being filled, in the order of use. */
  #queue = [];
  /** @type {Filled | null} */
  #taken = null;
  #next = 0;
  #closed = false;
  /** Lets messages in between two blocks, and reads go on. */
  scheduler = createScheduler();
  /** Bytes that were read since it was opened. */
  bytesRead = 0;
  /** Milliseconds that passes have waited for reads. */
  waitMilliseconds = 0;

  /**
   * @param {{ backend: Backend, reader: import('./chunk-reader.js').Reader, release: () => Promise<void>, runtime: Runtime,
   *   ring: Model['ring'], record: Manifest }} parts
   */
  constructor({ backend, reader, release, runtime, ring, record }) {
    this.#backend = backend;
    this.#reader = reader;
    this.#release = release;
    this.#runtime = runtime;
    this.#ring = ring;
    this.#record = record;
    this.#segments = ring.segments();
    this.#free = Array.from({ length: ring.slots }, (_, slot) => slot);
    this.#readAhead();
  }

  /** Bytes that a pass reads, rows of the embedding apart. */
  get bytesPerPass() {
    return this.#segments.flat().reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * The slot that holds a segment, until release(). Mostly it has been read by now.
   * @param {number} segment
   * @returns {Promise<number>}
   * @throws {NibbleError} STORE_... where it cannot be read; the next call tries again
   */
  async take(segment) {
    // What was read for a pass that ended early, or in another order.
    await this.#dropWhile((filled) => filled.segment !== segment);
    if (this.#queue.length === 0) this.#next = segment;
    this.#readAhead();
    const [first] = this.#queue;
    const start = performance.now();
    try {
      await first.read;
    } catch (error) {
      await this.#dropWhile(() => true);
      throw this.#explained(error);
    }
    this.waitMilliseconds += performance.now() - start;
    this.#queue.shift();
    this.#taken = first;
    return first.slot;
  }

  /** Gives the slot back that was taken; the next segment goes there. */
  release() {
    if (this.#taken === null) return;
    this.#free.push(this.#taken.slot);
    this.#taken = null;
    this.#readAhead();
  }

  /** Bytes a second that a pass would read if nothing were computed. */
  async measure() {
    // The first pass finds slots that were filled before it; the second is as all that follow.
    const pass = async () => {
      for (const segment of this.#segments.keys()) {
        await this.take(segment);
        this.release();
      }
    };
    await pass();
    const start = performance.now();
    await pass();
    return (this.bytesPerPass * 1000) / (performance.now() - start);
  }

  /** Fills places in the heap with packed bytes. @param {{ position: number, length: number, pointer: number }[]} rows */
  async readRows(rows) {
    const results = await Promise.allSettled(rows.map((row) => this.#read([row], row.pointer)));
    const failure = results.find((one) => one.status === 'rejected');
    if (failure !== undefined) throw this.#explained(failure.reason);
  }

  /** Ends when no read is under way any more. May be called twice. */
  async close() {
    if (this.#closed) return;
    this.#closed = true;
    this.release();
    await this.#dropWhile(() => true);
    this.scheduler.close();
    await this.#reader.close();
    // A lock may lie in the store itself.
    await this.#release();
    await this.#backend.close();
  }

  /** Starts to fill the slots that are free. */
  #readAhead() {
    while (this.#segments.length > 0 && !this.#closed) {
      const slot = this.#free.shift();
      if (slot === undefined) return;
      const segment = this.#next;
      this.#next = (segment + 1) % this.#segments.length;
      const read = this.#read(this.#segments[segment], this.#ring.slot(slot));
      // Whoever takes it finds out.
      read.catch(() => {});
      this.#queue.push({ segment, slot, read });
    }
  }

  /** Gives back the slots at the front of the queue. @param {(filled: Filled) => boolean} isDropped */
  async #dropWhile(isDropped) {
    for (let first = this.#queue[0]; first !== undefined && isDropped(first); first = this.#queue[0]) {
      this.#queue.shift();
      await first.read.catch(() => {});
      this.#free.push(first.slot);
    }
  }

  /** Reads packed ranges to a place in the heap, one behind the other. Settles when nothing is written any more. @param {{ position: number, length: number }[]} ranges @param {number} pointer */
  async #read(ranges, pointer) {
    const { id, chunkBytes } = this.#record;
    /** @type {Promise<unknown>[]} */
    const reads = [];
    let place = pointer;
    for (const { position, length } of ranges) {
      for (let at = position, end = position + length; at < end; ) {
        const index = Math.floor(at / chunkBytes);
        const count = Math.min(end, (index + 1) * chunkBytes) - at;
        reads.push(this.#reader.read(id, index, at - index * chunkBytes, this.#runtime.bytes(place, count)));
        this.bytesRead += count;
        at += count;
        place += count;
      }
    }
    const results = await Promise.allSettled(reads);
    const failure = results.find((one) => one.status === 'rejected');
    if (failure !== undefined) throw failure.reason;
  }

  /** @param {unknown} error */
  #explained(error) {
    return codeOf(error) === 'STORE_CHUNK_MISSING' ? vanished(this.#record.id, error) : error;
  }
}
