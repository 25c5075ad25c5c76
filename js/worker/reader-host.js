// A reading worker: the calls of protocol/messages.js that models/chunk-reader.js makes. It reads chunks of a store into another worker's heap.

import { checkCancelled } from '../base/cancel.js';
import { NibbleError } from '../base/errors.js';
import { HeapChecksum } from '../core/heap-checksum.js';
import { heapViews } from '../core/runtime.js';
import { openStore, READS_IN_FLIGHT } from '../store/backends.js';
import { totalBytes } from '../store/bytes.js';

/** @typedef {import('../protocol/calls.js').ReaderCalls} Calls */

export class ReaderHost {
  #platform;
  /** @type {import('../store/backends.js').Backend | null} */
  #backend = null;
  /** @type {WebAssembly.Memory | null} */
  #memory = null;
  /** @type {HeapChecksum | null} */
  #checksum = null;
  // Each read waits for the one that had its turn before: so many go on side by side.
  /** @type {Promise<any>[]} */
  #turns = Array.from({ length: READS_IN_FLIGHT }, () => Promise.resolve());
  #reads = 0;

  /** @param {import('./engine-host.js').Platform} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  /** @param {Calls['readerOpen']['params']} params */
  async readerOpen({ store, memory, keepOpen }) {
    const { checksumWasm } = this.#platform;
    this.#memory = memory;
    if (checksumWasm !== undefined)
      this.#checksum = new HeapChecksum(/** @type {Uint8Array<ArrayBuffer>} */ (checksumWasm), memory);
    const backend = await openStore(store, this.#platform);
    if (keepOpen) backend.keepOpen?.();
    this.#backend = backend;
    return null;
  }

  /**
   * Fills the places [address, length] of the heap, one after the other, from an offset in a chunk on. `state`: where to
   * take their checksum, null for no such thing; the result is that checksum, null where it could not be taken here.
   * @param {Calls['readerRead']['params']} params
   * @param {{ signal: AbortSignal }} control
   * @returns {Promise<Calls['readerRead']['result']>}
   */
  async readerRead({ id, index, offset, places, state = null }, { signal }) {
    const [backend, memory] = [this.#backend, this.#memory];
    if (backend === null || memory === null)
      throw new NibbleError('STORE_UNAVAILABLE', 'The store is not open. Open it first.');
    const turn = this.#reads++ % READS_IN_FLIGHT;
    const read = this.#turns[turn].then(() => {
      checkCancelled(signal);
      return this.#read(backend, heapViews(memory, places), { id, index, offset, state });
    });
    this.#turns[turn] = read.catch(() => {});
    return read;
  }

  /**
   * @param {import('../store/backends.js').Backend} backend
   * @param {Uint8Array[]} target
   * @param {{ id: string, index: number, offset: number, state: number | null }} from
   * @returns {Promise<Calls['readerRead']['result']>}
   */
  async #read(backend, target, { id, index, offset, state }) {
    const taken = state === null ? null : (this.#checksum?.begin(state) ?? null);
    await backend.readChunk(id, index, offset, target, taken?.update);
    const result = taken?.end() ?? null;
    // A backend that does not tell what it has filled.
    return result !== null && result.bytes === totalBytes(target) ? result : null;
  }
}
