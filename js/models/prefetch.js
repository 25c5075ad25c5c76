// What opening a stored model takes from its store, got while the wasm starts: the store itself, the bytes of the header,
// and the workers that will read the weights. All of it is a guess, made before there is a lock and with nothing
// checked: whoever uses it checks it, and gets what is missing by itself.

import { openReader } from './chunk-reader.js';
import { HEADER, readManifest } from './manifest.js';
import { knownId } from './model-id.js';
import { knownAs } from './stored-id.js';

/** @typedef {import('./manifest.js').Manifest} Manifest */

/** @typedef {import('../core/runtime.js').Runtime} Runtime */

/**
 * What of a call is needed; as openModel() takes it.
 * @typedef {{ descriptor: import('../sources/descriptor.js').Descriptor, store: import('../store/backends.js').StoreChoice,
 *   storeId?: string | null, platform: import('../worker/engine-host.js').Platform, headerOnly: boolean }} Call
 */

export class Prefetch {
  /** @type {Promise<import('../store/backends.js').Backend>} */
  backend;
  /** @type {import('./chunk-reader.js').Reader | null} */
  #reader = null;
  #wantsReader;
  #header;

  /**
   * @param {Call} call
   * @param {Promise<import('../store/backends.js').Backend>} backend that of `call.store`; closed here
   * @param {Promise<import('../core/runtime.js').Runtime>} runtime
   */
  constructor(call, backend, runtime) {
    this.backend = backend;
    this.#wantsReader = !call.headerOnly;
    this.#header = this.#look(call, runtime);
    // Whoever opens the model finds out.
    for (const promise of [backend, runtime, this.#header]) promise.catch(() => {});
  }

  /** @param {Call} call @param {Promise<Runtime>} runtime */
  async #look({ descriptor, storeId, store, platform }, runtime) {
    const wanted = storeId ?? knownId(descriptor);
    if (wanted === null) return null;
    const backend = await this.backend;
    const id = await knownAs(backend, wanted);
    const record = readManifest(await backend.get(id));
    if (record?.state !== 'complete') return null;
    if (this.#wantsReader && record.chunks.length > 1) {
      this.#reader = openReader({ backend, store, runtime, platform });
    }
    const bytes = new Uint8Array(record.headerBytes);
    await backend.readChunk(id, HEADER, 0, bytes);
    return { bytes, checksum: record.headerChecksum };
  }

  /** The reader, once; it is the caller's then. Null where there is none. */
  takeReader() {
    const reader = this.#reader;
    this.#reader = null;
    this.#wantsReader = false;
    return reader;
  }

  /** What seem to be the bytes of a record's header, once; null where they are not here. @param {Manifest} record */
  async takeHeader({ headerBytes, headerChecksum }) {
    const header = await this.#header.catch(() => null);
    this.#header = Promise.resolve(null);
    return header !== null && header.checksum === headerChecksum && header.bytes.length === headerBytes
      ? header.bytes
      : null;
  }

  /** Closes what was not taken, and the store. */
  async close() {
    await this.#header.catch(() => {});
    await this.takeReader()?.close();
    await (await this.backend.catch(() => null))?.close();
  }
}
