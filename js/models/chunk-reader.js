// Reads chunks of stored models into the heap, in workers of its own: they go on while the engine's worker compiles,
// measures, builds a tokenizer or computes. First touching a heap's pages costs more than reading into them, so two of
// them halve that too.
//
//   engine's worker                     reading workers (reader-host.js), each with its own connection to the store
//   read(id, 0, ...) ---- id, places --->  chunk 0 -> shared heap
//   read(id, 1, ...) ---- id, places ------------------------------->  chunk 1 -> shared heap
//                    <--- done, or the error whole ---
//
// Where memory is not shared, or a worker is refused or dies, the engine's worker reads by itself. So it does in Node,
// whose files are read by threads of the system anyway: workers brought nothing there.

import { codeOf, NibbleError } from '../base/errors.js';
import { Client } from '../protocol/client.js';
import { READS_IN_FLIGHT } from '../store/backends.js';
import { piecesOf } from '../store/bytes.js';

const WORKERS = 2;
// Enough that no reading worker waits for one that is busy with other things to ask for more.
const READS_AHEAD = 8;

const closed = () => new NibbleError('STORE_UNAVAILABLE', 'The reader is closed. Open another one.');

/**
 * @param {{ backend: import('../store/backends.js').Backend, store: import('../store/backends.js').StoreChoice,
 *   runtime: import('../core/runtime.js').Runtime | Promise<import('../core/runtime.js').Runtime>,
 *   platform: import('../worker/engine-host.js').Platform }} from an Opening of open-stored.js; `store`: what `backend` was opened by, as
 *   readStore() in base/options.js gives it; the backend stays the caller's; the runtime may still be starting
 * @param {{ workers?: number, keepOpen?: boolean }} [options] workers: how many are worth their start, at most: 0 for
 *   what one read brings; keepOpen: chunks are read again and again (Backend.keepOpen)
 * @returns {Reader} at once: its workers start meanwhile
 */
export function openReader({ backend, store, runtime, platform }, { workers: most = WORKERS, keepOpen = false } = {}) {
  // What lies in memory lies in this worker's.
  const start = backend.kind === 'memory' ? undefined : platform.startReader;
  /** @type {Client[]} */
  const workers = [];
  try {
    while (start !== undefined && workers.length < Math.min(most, WORKERS)) workers.push(new Client(start()));
  } catch {
    // A browser that refuses workers inside workers; with one of them it reads as well.
  }
  if (keepOpen) backend.keepOpen?.();
  return new Reader(backend, workers, { store, runtime, keepOpen });
}

/**
 * The same platform, and how many of the reading workers that it has started are alive.
 * @param {import('../worker/engine-host.js').Platform} platform
 * @returns {{ platform: import('../worker/engine-host.js').Platform, countReaders: () => number }}
 */
export function withReaderCount(platform) {
  const { startReader } = platform;
  if (startReader === undefined) return { platform, countReaders: () => 0 };
  let alive = 0;
  const start = () => {
    const port = startReader();
    alive++;
    const terminate = () => {
      alive--;
      return port.terminate();
    };
    return { ...port, terminate };
  };
  return { platform: { ...platform, startReader: start }, countReaders: () => alive };
}

/** @typedef {{ client: Client, ready: Promise<unknown>, reads: number }} ReadingWorker `reads`: how many are under way */

export class Reader {
  #backend;
  #started;
  /** @type {WebAssembly.Memory | null} */
  #memory = null;
  #closed = false;
  /** @type {ReadingWorker[]} */
  #workers;

  /**
   * What openReader() makes.
   * @param {import('../store/backends.js').Backend} backend
   * @param {Client[]} clients
   * @param {Pick<Parameters<typeof openReader>[0], 'store' | 'runtime'> & { keepOpen: boolean }} from
   */
  constructor(backend, clients, { store, runtime, keepOpen }) {
    this.#backend = backend;
    this.#started = Promise.resolve(runtime).then(({ memory }) => {
      this.#memory = memory;
      return memory;
    });
    // Whoever reads finds out.
    this.#started.catch(() => {});
    this.#workers = clients.map((client) => {
      const ready = this.#started.then((memory) => client.call('readerOpen', { store, memory, keepOpen }));
      ready.catch(() => {});
      return { client, ready, reads: 0 };
    });
  }

  /** Resolves when its workers have started, or have not. @returns {Promise<any>} */
  get ready() {
    return Promise.allSettled(this.#workers.map(({ ready }) => ready));
  }

  /** How many reads to ask for at once; the reads themselves are fewer, which bounds the memory beside the heap. */
  get ahead() {
    return this.#workers.length > 0 ? READS_AHEAD : READS_IN_FLIGHT;
  }

  /**
   * As Backend.readChunk(). Reads are done in the order they were asked for, some side by side.
   * @param {string} id
   * @param {number} index
   * @param {number} offset
   * @param {Uint8Array | Uint8Array[]} target filled in the heap by a worker, elsewhere by the backend itself
   * @param {{ signal?: AbortSignal, state?: number | null }} [options] signal: CANCELLED for a read that has not begun;
   *   state: the address of api_checksum_size() bytes of the heap, for a worker that can take the checksum as it reads
   * @returns {Promise<{ checksum: string, milliseconds: number } | null>} the checksum, where one was taken; settles only
   *   when nothing is written to the target any more
   */
  async read(id, index, offset, target, { signal, state = null } = {}) {
    if (this.#closed) throw closed();
    const pieces = piecesOf(target);
    if (this.#memory === null) await this.#started;
    const worker = this.#pickWorker();
    if (worker === undefined || pieces.some(({ buffer }) => buffer !== this.#memory?.buffer)) {
      await this.#backend.readChunk(id, index, offset, target);
      return null;
    }
    /** @type {import('../protocol/calls.js').HeapPlace[]} */
    const places = pieces.map(({ byteOffset, length }) => [byteOffset, length]);
    worker.reads++;
    try {
      await worker.ready.catch((cause) => {
        throw new NibbleError('WORKER_FAILED', 'A reading worker has not started.', { cause });
      });
      return await worker.client.call('readerRead', { id, index, offset, places, state }, { signal });
    } catch (error) {
      if (codeOf(error) !== 'WORKER_FAILED' || this.#closed) throw error;
      this.#drop(worker);
      return this.read(id, index, offset, target, { signal, state });
    } finally {
      worker.reads--;
    }
  }

  /** Ends the workers. Reads under way fail. May be called twice. */
  async close() {
    this.#closed = true;
    await Promise.all(this.#workers.splice(0).map(({ client }) => client.close(closed())));
  }

  /** The worker with the fewest reads; undefined where there are none. */
  #pickWorker() {
    return this.#workers.reduce(
      (best, worker) => (worker.reads < (best?.reads ?? Infinity) ? worker : best),
      this.#workers.at(0),
    );
  }

  /** @param {ReadingWorker} worker */
  #drop(worker) {
    this.#workers = this.#workers.filter((other) => other !== worker);
    worker.client.close(closed());
  }
}
