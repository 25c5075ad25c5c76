// A reading worker: the calls of protocol.js that reader.js makes. It reads chunks of a store into another worker's heap.
import { heapViews } from './engine.js';
import { NibbleError } from './errors.js';
import { checkCancelled } from './loader.js';
import { openStore } from './open-model.js';
import { READS_IN_FLIGHT } from './store-backends.js';

export class ReaderHost {
  #platform;
  #backend = null;
  #memory = null;
  // Each read waits for the one that had its turn before: so many go on side by side.
  #turns = Array.from({ length: READS_IN_FLIGHT }, () => Promise.resolve());
  #reads = 0;

  /** @param {import('./host.js').Platform} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  async readerOpen({ store, memory }) {
    this.#memory = memory;
    this.#backend = await openStore(store, this.#platform);
    return null;
  }

  /** Fills the places [address, length] of the heap, one after the other, from an offset in a chunk on. */
  async readerRead({ id, index, offset, places }, { signal }) {
    if (this.#backend === null) throw new NibbleError('STORE_UNAVAILABLE', 'The store is not open. Open it first.');
    const turn = this.#reads++ % READS_IN_FLIGHT;
    const read = this.#turns[turn].then(() => {
      checkCancelled(signal);
      return this.#backend.readChunk(id, index, offset, heapViews(this.#memory, places));
    });
    this.#turns[turn] = read.catch(() => {});
    await read;
    return null;
  }
}
