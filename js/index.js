// The library, apart from what differs between Node and a browser. index.node.js and index.web.js are its entries.

import { reasonOf, toldOf } from './base/cancel.js';
import { loadingCancelled, NibbleError, withoutEnd } from './base/errors.js';
import { checkCallbacks, checkSignal, optionsOf, readEngineOptions, readStore, readStoredAs } from './base/options.js';
import { Engine, unloaded } from './client/engine.js';
import { startModelStore } from './client/model-store.js';
import { lendAccess } from './download/access.js';
import { createHubCalls } from './hub/calls.js';
import { Client } from './protocol/client.js';
import { describeSource, refuseTwoIds } from './sources/descriptor.js';

export { NibbleError } from './base/errors.js';

import { rising } from './base/progress.js';
import { checkWorker } from './base/release.js';

/** @typedef {import('./base/engine-options.js').EngineOptions} EngineOptions */
/** @typedef {import('./base/completion-options.js').CompletionOptions} CompletionOptions */
/** @typedef {import('./base/completion-options.js').TextOptions} TextOptions */

// How long an interrupted import may take to keep what it has.
const KEEP_MILLISECONDS = 10_000;
// How long a worker with nothing to keep may take to end its threads.
const END_MILLISECONDS = 1000;

/** @typedef {import('./base/public-types.js').EngineInfo} EngineInfo */
/** @typedef {Pick<EngineOptions, 'wasmUrl' | 'wasmBinary'>} WasmOptions */

/** @internal @param {import('./client/platform.js').Platform} platform */
export function createLibrary(platform) {
  /** @param {WasmOptions} options */
  const wasmOf = (options) => ({
    ...platform.wasm(options.wasmUrl ? String(options.wasmUrl) : undefined),
    binary: options.wasmBinary,
  });

  /**
   * @param {unknown} store
   * @param {WasmOptions & { workerUrl?: string | URL }} options
   * @param {() => Omit<import('./hub/repository.js').Asker, 'signal'>} asker
   */
  const openStore = (store, { workerUrl, ...options }, asker) =>
    startModelStore({
      startWorker: () => startWorker(platform, workerUrl),
      wasm: wasmOf(options),
      platform,
      store,
      asker,
    });

  const hub = createHubCalls(platform, openStore);

  /**
   * Starts a worker and makes one call that has a model in it.
   * @template {'load' | 'describe'} Name
   * @param {Name} method
   * @param {EngineOptions} options
   * @param {object} control
   * @param {AbortSignal} [control.signal]
   * @param {EngineOptions['onProgress']} [control.onProgress]
   * @param {(client: Client, info: EngineInfo) => void} [control.onOpen]
   * @param {() => boolean} [control.isEnding]
   */
  async function callWithModel(
    method,
    options,
    { signal, onProgress, onOpen = undefined, isEnding = () => false } = {},
  ) {
    const settings = readEngineOptions(options);
    const { id: storeId, sha256 } = readStoredAs({ id: options.id, sha256: options.sha256 });
    refuseTwoIds(options.model, storeId);
    checkCallbacks({ onProgress });
    checkSignal(signal);
    checkLoading(signal);
    const access = hub.access(options);
    let file = hub.fileOf(options, access, signal);
    if (file instanceof Promise) {
      file = await file.catch((error) => {
        throw toldOf(error, signal);
      });
    }
    checkLoading(signal);
    const source = describeSource(file.model, platform.locate);
    const lent = lendAccess(access);
    const { descriptor } = source;
    /** @type {Client | undefined} */
    let client;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    let patience = END_MILLISECONDS;
    try {
      const store = readStore('store', options.store === undefined ? platform.defaultStore(descriptor) : options.store);
      if (store !== null) patience = KEEP_MILLISECONDS;
      const stop = () => {
        // The worker stops by itself; one that hangs is ended.
        timer = setTimeout(() => client?.close(loadingCancelled()), patience);
      };
      client = new Client(startWorker(platform, options.workerUrl), checkWorker);
      signal?.addEventListener('abort', stop, { once: true });
      const tell = rising(onProgress);
      /** @param {import('./protocol/calls.js').LoadEvent} event */
      const onEvent = (event) =>
        event.opened ? onOpen?.(/** @type {Client} */ (client), event.opened) : tell?.(event);
      const known = { access: lent.params, storeId, sha256, toldSha256: file.sha256, addresses: file.addresses };
      const params = { source: descriptor, ...known, store, wasm: wasmOf(options), options: settings };
      try {
        const transfer = [...source.transfer, ...lent.transfer];
        const result = await client.call(method, params, { signal, onEvent, transfer });
        checkLoading(signal);
        return { client, result };
      } finally {
        signal?.removeEventListener('abort', stop);
      }
    } catch (error) {
      // Whatever the worker was at, also where what was wrong is a callback of the caller's: it keeps what has come and
      // gives back what it holds.
      // All calls are rejected with the same, be it what a callback threw; but a signal's reason is for who has given it.
      const reason = signal?.aborted && error === signal.reason ? loadingCancelled(error) : error;
      if (!isEnding()) await client?.end('unload', /** @type {NibbleError} */ (reason), patience);
      throw error;
    } finally {
      clearTimeout(timer);
      source.close();
      lent.close();
    }
  }

  return {
    /**
     * Loads a model into a worker of its own.
     * @param {EngineOptions} options
     * @returns {Promise<Engine>}
     */
    createEngine(options) {
      return new Promise((resolve, reject) => {
        const given = optionsOf(options);
        const { signal, onProgress } = given;
        /** @type {Engine | null} */
        let engine = null;
        /** @param {Client} client @param {EngineInfo} info */
        const onOpen = (client, info) => {
          engine = new Engine(client, info, loading);
          resolve(engine);
        };
        const isEnding = () => engine?.isUnloading ?? false;
        const loading = callWithModel('load', given, { signal, onProgress, onOpen, isEnding });
        loading.then(({ client, result }) => resolve(engine ?? new Engine(client, result, loading)), reject);
      });
    },

    /**
     * Tells what a model file is from its header, without loading the weights.
     * @param {EngineOptions['model']} model
     * @param {Omit<EngineOptions, 'model'>} [options] contextSize and threads are what `memory` is told for
     * @returns {Promise<import('./base/public-types.js').ModelDescription>} where this engine cannot run it, `model` and
     *   `memory` are null and there is a `problem`; where only contextSize is too large, or memoryBudget too small, `memory`
     *   alone is null
     */
    async describeModel(model, options) {
      const given = { ...optionsOf(options), model };
      const { client, result } = await callWithModel('describe', given, { signal: given.signal });
      await client.close(unloaded());
      return result;
    },

    /**
     * Opens a store of models: to import, list and delete them without loading them. It has a worker of its own.
     * @param {{ store?: EngineOptions['store'], hub?: EngineOptions['hub'], workerUrl?: string | URL, wasmUrl?: string | URL, wasmBinary?: ArrayBuffer | ArrayBufferView }} [options]
     *   store: in a browser IndexedDB unless given
     * @returns {Promise<import('./client/model-store.js').ModelStore>}
     */
    async openModelStore(options) {
      const { store = platform.defaultStore({ stored: '' }), hub: given, ...rest } = optionsOf(options);
      // What is wrong with the option is said at once; the environment may be another one by the next call.
      hub.asker(given);
      return openStore(store, rest, () => hub.asker(given));
    },

    readHubAddress: hub.readHubAddress,
    listRepository: hub.listRepository,

    /**
     * Measures what this machine makes of synthetic weights, in about a second and some 100 MB; estimateSpeed() tells
     * from it how fast a model will be.
     * @param {{ threads?: number, signal?: AbortSignal, workerUrl?: string | URL, wasmUrl?: string | URL, wasmBinary?: ArrayBuffer | ArrayBufferView }} [options]
     * @returns {Promise<import('./base/public-types.js').Probe>}
     */
    async probeSpeed(options) {
      const { threads, signal, workerUrl, ...rest } = optionsOf(options);
      const settings = readEngineOptions({ threads });
      checkSignal(signal);
      const cancelled = new NibbleError('CANCELLED', 'The probe was cancelled.');
      if (signal?.aborted) throw reasonOf(signal, cancelled);
      const client = new Client(startWorker(platform, workerUrl), checkWorker);
      /** @type {ReturnType<typeof setTimeout> | undefined} */
      let timer;
      const stop = () => {
        timer = setTimeout(() => client.close(cancelled), END_MILLISECONDS);
      };
      signal?.addEventListener('abort', stop, { once: true });
      try {
        return await client.call('probe', { wasm: wasmOf(rest), options: settings }, { signal });
      } catch (error) {
        throw toldOf(error, signal);
      } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', stop);
        await client.close(unloaded());
      }
    },
  };
}

/** Throws where loading is to stop. @param {AbortSignal} [signal] */
function checkLoading(signal) {
  if (signal?.aborted) throw reasonOf(signal, loadingCancelled());
}

/** @param {import('./client/platform.js').Platform} platform @param {string | URL} [workerUrl] */
function startWorker(platform, workerUrl) {
  try {
    return platform.startWorker(workerUrl);
  } catch (cause) {
    throw new NibbleError(
      'WORKER_FAILED',
      `The engine's worker could not be started: ${withoutEnd(/** @type {any} */ (cause).message)}.`,
      {
        cause,
      },
    );
  }
}
