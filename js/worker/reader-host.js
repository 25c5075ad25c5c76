// A reading worker: the calls of protocol/messages.js that models/chunk-reader.js makes. It reads chunks of a store into another worker's heap.

import { checkCancelled } from '../base/cancel.js';
import { NibbleError } from '../base/errors.js';
import { HeapChecksum } from '../core/heap-checksum.js';
import { heapViews } from '../core/runtime.js';
import { openStore, READS_IN_FLIGHT } from '../store/backends.js';
import { totalBytes } from '../store/bytes.js';

export class ReaderHost {
  #platform;
  #backend = null;
  #memory = null;
  /** @type {HeapChecksum | null} */
  #checksum = null;
  // Each read waits for the one that had its turn before: so many go on side by side.
  #turns = Array.from({ length: READS_IN_FLIGHT }, () => Promise.resolve());
  #reads = 0;

  /** @param {import('./engine-host.js').Platform} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  async readerOpen({ store, memory, keepOpen }) {
    const { checksumWasm } = this.#platform;
    this.#memory = memory;
    if (checksumWasm !== undefined) this.#checksum = new HeapChecksum(checksumWasm, memory);
    const backend = await openStore(store, this.#platform);
    if (keepOpen) backend.keepOpen?.();
    this.#backend = backend;
    return null;
  }

  /**
   * Fills the places [address, length] of the heap, one after the other, from an offset in a chunk on. `state`: where to
   * take their checksum, null for no such thing; the result is that checksum, null where it could not be taken here.
   */
  async readerRead({ id, index, offset, places, state = null }, { signal }) {
    if (this.#backend === null) throw new NibbleError('STORE_UNAVAILABLE', 'The store is not open. Open it first.');
    const turn = this.#reads++ % READS_IN_FLIGHT;
    const read = this.#turns[turn].then(() => {
      checkCancelled(signal);
      return this.#read({ id, index, offset, places, state });
    });
    this.#turns[turn] = read.catch(() => {});
    return read;
  }

  async #read({ id, index, offset, places, state }) {
    const target = heapViews(this.#memory, places);
    const taken = state === null ? null : (this.#checksum?.begin(state) ?? null);
    await this.#backend.readChunk(id, index, offset, target, taken?.update);
    const result = taken?.end() ?? null;
    // A backend that does not tell what it has filled.
    return result?.bytes === totalBytes(target) ? result : null;
  }
}
