// What the library does with addresses of Hugging Face's hub, apart from what differs between Node and a browser.

import { checkSignal, invalid, optionsOf } from '../base/options.js';
import { authorizationOf } from '../download/authorized-fetch.js';
import { readHub } from './address.js';
import { hubAddressOf, listFiles, resolveModel } from './repository.js';

// The engine addresses 32 bits of memory.
const MOST_BYTES = 4e9;

/**
 * Where the library's own files are; see EngineOptions.
 * @typedef {Pick<import('../index.js').EngineOptions, 'workerUrl' | 'wasmUrl' | 'wasmBinary'>} FileOptions
 */

/** @typedef {import('../index.js').EngineOptions['store']} Store */

/**
 * @param {import('../client/platform.js').Platform} platform
 * @param {(store: Store, options: FileOptions, asker: import('./repository.js').Asker) => Promise<import('../client/model-store.js').ModelStore>} openStore
 */
export function createHubCalls(platform, openStore) {
  /** @param {Partial<import('./repository.js').Asker['machine']>} [told] */
  const machineOf = ({ memory = Math.min(MOST_BYTES, platform.memory()), probe } = {}) => ({
    memory,
    probe,
  });

  /** @param {import('./address.js').HubOptions} [given] @returns {import('./repository.js').Asker} */
  const asker = (given) => ({ hub: readHub(given), machine: machineOf() });

  /** What is stored, to find in it what an address means. @param {Store} store @param {FileOptions} options */
  async function storedModels(store, options) {
    if (store === null) return [];
    // Where there is no store, loading says so.
    const models = await openStore(store, options, asker()).catch(() => null);
    try {
      return (await models?.list()) ?? [];
    } finally {
      await models?.close();
    }
  }

  return {
    asker,

    /** Who is told who asks. @param {{ hub?: import('./address.js').HubOptions }} options */
    authorization: ({ hub }) => authorizationOf(readHub(hub)),

    /**
     * The file that the model of createEngine()'s options means.
     * @param {import('../index.js').EngineOptions} options
     * @param {AbortSignal} [signal]
     * @returns {Promise<import('./repository.js').ResolvedModel> | import('./repository.js').ResolvedModel} at once for what is no address of the hub
     */
    fileOf({ model, ...options }, signal) {
      const { workerUrl, wasmUrl, wasmBinary, store = platform.defaultStore({ stored: '' }), memoryBudget } = options;
      const hub = readHub(options.hub);
      if (hubAddressOf(model, hub, platform.isPath) === null) return { model, sha256: null };
      // What does not fit is read from the store for every token.
      const machine = machineOf(memoryBudget ? { memory: Infinity } : {});
      const stored = () => storedModels(store, { workerUrl, wasmUrl, wasmBinary });
      return resolveModel(model, { hub, signal, machine, stored, isPath: platform.isPath });
    },

    /**
     * The GGUF files of a repository of Hugging Face's hub, and which of them is the one for this machine: Q4_K_M, or the
     * best that fits; one of fewer than 3 bits a weight only where nothing else does.
     * @param {string | URL} address one that readHubAddress() knows
     * @param {{ hub?: import('./address.js').HubOptions, memory?: number, probe?: import('../base/public-types.js').Probe, signal?: AbortSignal }} [options]
     *   memory: bytes that an engine may take; by default what this machine is likely to spare. probe: what probeSpeed()
     *   gave, so that speeds are told, and a type is chosen that is fast enough to talk to
     * @returns {Promise<import('./repository.js').Repository>}
     * @throws {NibbleError} HUB_NOT_FOUND, HUB_GATED, HUB_TOKEN_REFUSED, HUB_NO_MODEL (no GGUF file, or none of that type or
     *   name), HUB_AMBIGUOUS (several of that type), or as a download; CANCELLED
     */
    async listRepository(address, options) {
      const { hub: given, signal, memory, probe } = optionsOf(options);
      checkSignal(signal);
      const hub = readHub(given);
      const read = hubAddressOf(address, hub, () => false);
      if (read === null) throw invalid('address', address, "an address of Hugging Face's hub, such as owner/name");
      return listFiles(read, { hub, signal, machine: machineOf({ memory, probe }) });
    },
  };
}
