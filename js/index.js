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

/**
 * @typedef {string | URL | Blob | ArrayBuffer | ArrayBufferView | ReadableStream | Response | { stream: ReadableStream, size?: number, name?: string }} ModelFile
 *
 * @typedef {EngineSettings & import('./download/access.js').AccessOptions} EngineOptions
 *
 * @typedef {object} EngineSettings
 * @property {ModelFile | ModelFile[] | { stored: string }} model
 *   a GGUF file of a family that models/README.md names, with weights of any type: its URL (in Node also a path), a File or Blob, its
 *   bytes, a stream of them, or a Response that nobody has read; or the id of a stored one. Of Hugging Face's hub, any
 *   address means the file behind it, as readHubAddress() has them; 'owner/name' is one where no path is (write './' before
 *   one that is). One of a repository means what is stored of it, or else the file that listRepository() recommends. A model
 *   in parts ('name-00001-of-00003.gguf') is meant by any of them, where the others are beside it, or by a list of them all;
 *   MODEL_PARTS_MISSING and MODEL_PARTS_MIXED tell which are not there, or belong not together
 * @property {import('./hub/address.js').HubOptions} [hub] where Hugging Face's hub is, and an access token for it
 * @property {'indexeddb' | 'opfs' | 'memory' | { folder: string } | { kind: string, chunkBytes?: number } | null} [store]
 *   where the model is kept for the next time, and taken from where it is kept already; null: nowhere. By default, in a
 *   browser, IndexedDB for models from a URL. What became of it stands in `engine.info.storage`
 * @property {string} [id] what the model is stored under, in place of an id made of where it comes from: an address whose
 *   query is another one each time, such as a signature, or a stream, is then found again. Whatever `model` is then, what
 *   is stored under the id is taken
 * @property {string} [sha256] what the file's has to be: 64 hexadecimal digits. HASH_MISMATCH where it is another one, also
 *   of one that is stored already and was not compared; with `earlyStart`, `ready` tells
 * @property {number} [threads] by default as many as are fastest, measured once the weights are loaded
 *   (`engine.info.threadRates`), of those that the machine runs at once, at most 8; 1 where memory cannot be shared or
 *   threads do not start: `engine.info.threadProblem` then says why
 * @property {number} [contextSize] tokens that fit into one conversation; 0: as many as the model was trained for; by
 *   default that, but at most 4096. More are refused; `details.trainedContext` of the error tells how many that are
 * @property {number} [batchSize] tokens of a prompt that are computed at once
 * @property {boolean} [exact] float activations and an F32 KV cache on the reference kernels: slow, for comparing
 * @property {'auto' | 'f16' | 'int8'} [kvType] what keys and values of past tokens are kept as: 'int8' takes little more
 *   than half the memory of 'f16' and rounds more; 'auto', the default, is 'f16', in the exact mode F32. Which it is stands
 *   in `engine.info.kvType`, what it takes in `memory()` and, beforehand, in describeModel()
 * @property {number} [memoryBudget] bytes that the engine may take in all, with a full context: its heap, and what the
 *   JavaScript of its workers takes in a browser; not what is on its way from a server, 40 MiB at most. Where the weights do not
 *   fit, as many layers as do are kept in memory, and the others are read from `store` for every token, ahead of their
 *   use; so a store is needed, and best one that reads fast: in a browser 'opfs'. Prompts take one reading for many
 *   tokens. It counts the keys and values of one full context, which all sessions share: beyond it they fail with
 *   OUT_OF_MEMORY. By default contextSize is then what takes at most a quarter of the budget, but at least 512.
 *   BUDGET_TOO_SMALL says what would do; describeModel() tells beforehand, `engine.info.budget` afterwards, what stays and what is read
 * @property {string} [kernelSet] the kernels to use instead of the fastest measured
 * @property {number} [tileStreams] how decode reads the weights: 1, one tile behind the other; more, as many side by
 *   side as the kernel set has; 0, the default: measured once they are loaded (`engine.info.tileStreams`)
 * @property {'stop' | 'drop-oldest'} [onFull] what happens where the context is full: see SessionOptions in
 *   client/session.js; 'stop'. It and `keepTokens` hold for the engine's own session, and for others unless told otherwise
 * @property {number} [keepTokens] tokens of the head that stay, at most half of the context; of a chat only where no whole turns are left to go
 * @property {number} [maxSaves] how many saved sessions the store may hold, of all models; 20. Beyond it, those that were
 *   used longest ago are dropped
 * @property {number} [maxSavedBytes] and how many bytes they may take together; 1 GiB
 * @property {boolean} [vocabularyOnly] load no weights: the engine then only tokenizes, detokenizes and renders chats
 * @property {boolean} [earlyStart] createEngine() resolves as soon as the header and the vocabulary are there, and the weights
 *   go on arriving; false. A prompt that is given meanwhile is computed block by block, each as soon as it is in place;
 *   the text is the same. `engine.ready` tells when all is there. No effect where weights stream under a `memoryBudget`
 * @property {AbortSignal} [signal] stops the loading: createEngine() is rejected with its reason, or with CANCELLED where it has none
 *   of its own. With `earlyStart`, so is `engine.ready`, and calls that wait are with CANCELLED
 * @property {(progress: { phase: 'download' | 'load' | 'read' | 'repair' | 'wait' | 'retry' | 'prepare', loaded: number, total: number, fraction: number, bytesPerSecond: number, secondsLeft: number | null, restarted?: boolean, attempt?: number, holder?: import('./store/leases.js').Holder }) => void} [onProgress]
 *   fraction: how far the whole is, over all phases, from 0 to 1; it never goes back. loaded, total: bytes of the phase alone. read: from the store; restarted: an interrupted import began anew; repair: what is damaged there comes again from its source; wait: another tab or process is storing the model, in Node told by `holder`;
 *   retry: nothing comes, the server is asked again in `secondsLeft`, for the `attempt`-th time in a row. What it throws ends the loading, and createEngine() rejects with it
 * @property {string | URL} [workerUrl] where the worker's file is, if not beside the library
 * @property {string | URL} [wasmUrl] the folder of nibble-relaxed.wasm and nibble-simd128.wasm, in a browser relative to the
 *   page, in Node an address or a path relative to where the process runs; by default beside the library, where bundlers such as Vite bring them along
 * @property {ArrayBuffer | ArrayBufferView} [wasmBinary] the wasm itself, instead of wasmUrl
 */

/** @typedef {import('./prompt/messages.js').Message} Message */

/**
 * @typedef {object} TextOptions how texts become tokens
 * @property {boolean} [parseSpecial] whether control tokens that are written out in a text are ones. By default in a
 *   `prompt`, which is the caller's own program, and not in what `messages` and `tools` say: there they are text
 * @property {object[]} [tools] what the model may call: JSON schemas of functions, as the OpenAI API has them. They, and
 *   `tool_calls` of messages, whose arguments are objects or JSON, are for the chat template; where it knows no tools,
 *   `warnings` of the result say so. Arguments that are JSON keep their numbers and their order, an empty text stands for
 *   no arguments, and whole numbers may be bigints
 * @property {string} [template] the name of one of the file's chat templates, of those in `engine.info.chatTemplates`; by
 *   default 'tool_use' where tools are given and the file has it, and else 'default'
 * @property {Record<string, unknown>} [templateVariables] more variables of the chat template, such as
 *   { enable_thinking: false }; `variables` for short
 */

/**
 * @typedef {object} ChoiceOptions one of prompt, messages and tokens is needed
 * @property {string} [prompt] text to continue, as it is. Where it begins with the token that begins a text, as what
 *   render() gives may, no second one is put before it
 * @property {Message[]} [messages] a chat to answer, by the model's own chat template. A role is 'system', 'user',
 *   'assistant', 'tool' or one that the template names; any other is refused, as it may be misspelt, and so is content that
 *   is no text. Beside `tool_calls` content may be missing or null. Where the template takes no system message, its text
 *   goes in front of the first user message, and `warnings` of the result say so
 * @property {number[]} [tokens] token ids to continue
 * @property {number} [maxTokens] by default until the model ends its text or the context is full
 * @property {number} [temperature] 0: always the likeliest token; 0.8. As in llama.cpp, tokens are chosen in this order:
 *   logitBias, penalties, topK, topP, minP, and then the temperature, which sharpens or flattens the draw among what is
 *   left; how many are left does not depend on it
 * @property {number} [topK] only the k likeliest tokens; 0: all; 40
 * @property {number} [topP] only the likeliest tokens that reach this share of what topK leaves; 1: all; 0.95
 * @property {number} [minP] only tokens at least this likely, relative to the likeliest; 0: all; 0.05
 * @property {number} [repetitionPenalty] divides the logits of tokens that are there already (negative ones are multiplied);
 *   1: none. None of the penalties touches control tokens, those that end a text, and markers such as `<think>`: they
 *   stand in every chat, and answers would no longer end
 * @property {number} [presencePenalty] subtracted from them once; 0: none
 * @property {number} [frequencyPenalty] subtracted from them for each time they are there; 0: none
 * @property {number} [penaltyWindow] how many of the last tokens the penalties look at; 0: all, where llama.cpp's 0 means
 *   none and -1 all; 64
 * @property {Record<number, number> | Map<number, number>} [logitBias] added to a token's logit; -Infinity forbids it. Where
 *   all are forbidden, the completion fails with NO_TOKEN_ALLOWED; where the logits of all that are allowed are NaN, as a
 *   damaged model computes them, with MODEL_COMPUTES_NAN
 * @property {number} [seed] the same seed gives the same text; by default random, and told in the result
 * @property {string | string[]} [stop] text that ends the completion and is not part of it. It may be the text of a control
 *   token, or have such in it: `<|eot_id|>`
 * @property {boolean} [ignoreEos] never choose a token that ends the text
 * @property {AbortSignal} [signal] stops the completion, whose result then has finishReason 'cancelled' and what was written; given
 *   beforehand, nothing is computed
 * @property {boolean} [reusePrefix] keep what the prompt has in common with the last one, or share what another
 *   session of the engine has in common with it; true
 * @property {'stop' | 'drop-oldest'} [onFull] what happens where the context is full, in this call: see SessionOptions in
 *   client/session.js; by default as the session has it, and so with `keepTokens`
 * @property {number} [keepTokens] tokens of the head that stay, at most half of the context; of a chat only where no whole turns are left to go
 * @property {boolean} [continueLast] the last of the messages is an answer of the assistant's that was cut off: write on
 *   from its end; false
 * @property {(progress: import('./base/public-types.js').Prefill) => void} [onPrefill] told as the prompt is computed; what it
 *   throws ends the completion, whose result is rejected with it
 * @property {(dropped: { tokens: number, messages: number }) => void} [onDrop] told whenever tokens are dropped to make
 *   room, `messages` whole messages among them; with `messages`, first what of them does not fit
 */

/** @typedef {ChoiceOptions & TextOptions} CompletionOptions */

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
   * @param {Omit<import('./hub/repository.js').Asker, 'signal'>} asker
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
      return openStore(store, rest, hub.asker(given));
    },

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
