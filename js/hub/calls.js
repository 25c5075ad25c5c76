// What the library does with addresses of Hugging Face's hub, apart from what differs between Node and a browser.

import { reasonOf, toldOf } from '../base/cancel.js';
import { checkSignal, invalid, optionsOf } from '../base/options.js';
import { hubAccess, readAccess } from '../download/access.js';
import { addressAt, hubOfEnvironment, readHub } from './address.js';
import { hubAddressOf, listFiles, resolveModel } from './repository.js';

/** @typedef {import('../base/call-options.js').ListOptions} ListOptions */

// The engine addresses 32 bits of memory.
const MOST_BYTES = 4e9;

/**
 * Where the library's own files are; see EngineOptions.
 * @typedef {Pick<import('../index.js').EngineOptions, 'workerUrl' | 'wasmUrl' | 'wasmBinary'>} FileOptions
 */

/** @typedef {import('../index.js').EngineOptions['store']} Store */

/**
 * @param {import('../client/platform.js').Platform} platform
 * @param {(store: Store, options: FileOptions, asker: () => import('./repository.js').Asker) => Promise<import('../client/model-store.js').ModelStore>} openStore
 */
export function createHubCalls(platform, openStore) {
  /** @param {Partial<import('./repository.js').Asker['machine']>} [told] */
  const machineOf = ({ memory = Math.min(MOST_BYTES, platform.memory()), probe } = {}) => ({
    memory,
    probe,
  });

  /**
   * The hub that a call means: without the option, the one of the environment, where the platform has such a thing.
   * @param {import('./address.js').HubOptions} [given]
   */
  const hubOf = (given) =>
    given === undefined || given === null ? hubOfEnvironment(platform.environment?.hub) : readHub(given);

  /**
   * How a call's files are asked for.
   * @param {import('../download/access.js').AccessOptions} options
   * @param {import('./address.js').Hub} hub
   */
  const accessOf = (options, hub) => readAccess(options, hubAccess(hub));

  /** @param {import('./address.js').HubOptions} [given] @returns {import('./repository.js').Asker} */
  const asker = (given) => {
    const hub = hubOf(given);
    const { fetch } = platform.environment ?? {};
    return { hub, access: accessOf({}, hub), fetch, machine: machineOf() };
  };

  /** What is stored, to find in it what an address means. @param {Store} store @param {FileOptions} options */
  async function storedModels(store, options) {
    if (store === null) return [];
    // Where there is no store, loading says so.
    const models = await openStore(store, options, asker).catch(() => null);
    try {
      return (await models?.list()) ?? [];
    } finally {
      await models?.close();
    }
  }

  return {
    asker,

    /** What an address of the hub names. @param {string} text @param {{ hub?: import('./address.js').HubOptions }} [options] */
    readHubAddress: (text, options) => addressAt(text, hubOf(optionsOf(options).hub)),

    /** How the model of createEngine()'s options is asked for. @param {import('../index.js').EngineOptions} options */
    access: (options) => accessOf(options, hubOf(options.hub)),

    /**
     * The file that the model of createEngine()'s options means.
     * @param {import('../index.js').EngineOptions} options
     * @param {import('../download/access.js').Access} access
     * @param {AbortSignal} [signal]
     * @returns {Promise<import('./repository.js').ResolvedModel> | import('./repository.js').ResolvedModel} at once for what is no address of the hub
     */
    fileOf({ model, ...options }, access, signal) {
      const { workerUrl, wasmUrl, wasmBinary, store = platform.defaultStore({ stored: '' }), memoryBudget } = options;
      const hub = hubOf(options.hub);
      if (hubAddressOf(model, hub, platform.isPath) === null) return { model, sha256: null };
      // What does not fit is read from the store for every token.
      const machine = machineOf(memoryBudget ? { memory: Infinity } : {});
      const stored = () => storedModels(store, { workerUrl, wasmUrl, wasmBinary });
      const { fetch } = platform.environment ?? {};
      return resolveModel(model, { hub, access, fetch, signal, machine, stored, isPath: platform.isPath });
    },

    /**
     * The GGUF files of a repository of Hugging Face's hub, and which of them is the one for this machine: Q4_K_M, or the
     * best that fits; one of fewer than 3 bits a weight only where nothing else does.
     * @param {string | URL} address one that readHubAddress() knows
     * @param {ListOptions} [options]
     * @returns {Promise<import('./repository.js').Repository>}
     * @throws {NibbleError} HUB_NOT_FOUND, HUB_GATED, HUB_TOKEN_REFUSED, HUB_NO_MODEL (no GGUF file, or none of that type or
     *   name), HUB_AMBIGUOUS (several of that type), or as a download; CANCELLED
     */
    async listRepository(address, options) {
      const { hub: given, signal, memory, probe, headers, credentials, fetch } = optionsOf(options);
      checkSignal(signal);
      const hub = hubOf(given);
      const access = accessOf({ headers, credentials, fetch }, hub);
      const read = hubAddressOf(address, hub, () => false);
      if (read === null) throw invalid('address', address, "an address of Hugging Face's hub, such as owner/name");
      if (signal?.aborted) throw reasonOf(signal);
      const asked = { hub, access, fetch: platform.environment?.fetch, signal };
      try {
        return await listFiles(read, { ...asked, machine: machineOf({ memory, probe }) });
      } catch (error) {
        throw toldOf(error, signal);
      }
    },
  };
}
