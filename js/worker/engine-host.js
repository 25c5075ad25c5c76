// The engine as it lives in its worker: one model, its sessions (session-host.js), and the calls of protocol/messages.js that
// concern the model as a whole.

import { checkCancelled } from '../base/cancel.js';
import { codeOf, loadingCancelled, NibbleError } from '../base/errors.js';
import * as read from '../base/options.js';
import { createScheduler } from '../base/scheduler.js';
import { readersBytes } from '../core/javascript-sizes.js';
import { checkKernelSet } from '../core/simd.js';
import { withAccess } from '../download/access.js';
import { withRetries } from '../download/retry-progress.js';
import { benchmark } from '../measure/benchmark.js';
import { probe } from '../measure/probe.js';
import { withReaderCount } from '../models/chunk-reader.js';
import { describeHeader, identityOf, settleContext } from '../models/describe.js';
import { checkStreamable } from '../models/loader.js';
import { openModel } from '../models/open.js';
import { Prefetch } from '../models/prefetch.js';
import { tooLarge } from '../models/too-large.js';
import { openWeightStream } from '../models/weight-stream.js';
import { ModelText } from '../prompt/model-text.js';
import { SessionStore } from '../saves/store.js';
import { openStore } from '../store/backends.js';
import { chatPrompt, SessionHost } from './session-host.js';

/**
 * @typedef {object} Platform
 * @property {(build: { threads: number, early?: boolean, kernelSet?: string | null }, wasm: import('../protocol/calls.js').WasmPlace) => Promise<{ runtime: import('../core/runtime.js').Runtime, variant: string, threads: number, threadProblem?: { code: string, message: string } | null }>} startRuntime
 *   `threads`: how many it has, which may be fewer; `threadProblem`: why
 * @property {(path: string, position?: number) => Promise<import('../sources/source.js').Source>} [openPath]
 * @property {(path: string) => Promise<import('../store/backends.js').Backend>} [openFolder]
 * @property {import('../download/download.js').DownloadOptions} [download] other habits of downloads than the usual
 * @property {() => import('../protocol/client.js').WorkerPort} [startReader] one more worker, for models/chunk-reader.js; absent where it could
 *   not share this worker's memory
 * @property {() => number} [javascriptBytes] what the JavaScript of this worker takes; absent where nothing tells
 * @property {Uint8Array} [checksumWasm] the module of heap-checksum.js, for workers that read
 * @property {() => Promise<void>} [workersEnded] resolves when threads and readers that were told to end have done so
 * @property {number} threads how many threads to use where none are asked for
 * @property {number} maxThreads
 * @property {{ code: string, message: string } | null} [threadProblem] why there is one thread at most
 */

/** @typedef {import('../protocol/calls.js').EngineCalls} Calls */
/** @template [Event=any] @typedef {import('../protocol/calls.js').Control<Event>} Control */
/** @typedef {import('../base/public-types.js').EngineInfo} EngineInfo */
/** @typedef {import('../base/public-types.js').Progress} Progress */
/** @typedef {import('../base/public-types.js').Storage} Storage */
/** @typedef {import('../base/options.js').StoreSettings} StoreSettings */
/** @typedef {ReturnType<typeof read.readEngineOptions>} EngineSettings */
/** @typedef {{ threads: number, chooseThreads: boolean }} ThreadSettings */
/** @typedef {import('../core/header.js').Header} Header */
/** @typedef {import('../core/runtime.js').Model} Model */
/** @typedef {import('../core/runtime.js').Runtime} Runtime */
/** @typedef {import('../models/loader.js').OpenedModel} OpenedModel */
/** @typedef {import('../models/manifest.js').Manifest} Manifest */
/** @typedef {Awaited<ReturnType<Platform['startRuntime']>>} Started */

/**
 * A model that is asked for, and the wasm that it is asked of.
 * @typedef {Omit<import('../models/open.js').Call, 'runtime' | 'platform' | 'prefetch'> &
 *   { wasm: import('../protocol/calls.js').WasmPlace, build: Parameters<Platform['startRuntime']>[0] }} ModelCall
 */

export class EngineHost {
  #platform;
  #countReaders;
  /** @type {Runtime | null} */
  #runtime = null;
  /** @type {Model | null} */
  #model = null;
  /** @type {SessionHost | null} */
  #sessions = null;
  /** @type {ModelText | null} */
  #modelText = null;
  #scheduler = createScheduler();
  #javascriptBytes = 0;
  #hasWorkers = false;
  /** @type {Promise<EngineInfo> | null} */
  #loading = null;
  /** @type {unknown} What ended the loading; null: nothing did. */
  #failure = null;

  /** @param {Platform} platform */
  constructor(platform) {
    const counted = withReaderCount(platform);
    this.#platform = counted.platform;
    this.#countReaders = counted.countReaders;
  }

  /**
   * Loads the model; the result is the engine's info. On an error everything is given back. With the option `earlyStart`,
   * other calls run from when the header and the vocabulary are there: then an event { opened } has the info so far.
   * @param {Calls['load']['params']} params
   * @param {Control<Calls['load']['event']>} control
   */
  async load(params, { signal, onEvent, goOn, behindOthers }) {
    if (this.#runtime !== null) throw new NibbleError('INVALID_ARGUMENT', 'This worker has a model already.');
    this.#platform = withAccess(this.#platform, params.access);
    this.#failure = null;
    let isOpen = false;
    const onOpen = (/** @type {EngineInfo} */ opened) => {
      isOpen = true;
      onEvent({ opened });
      goOn();
    };
    try {
      this.#loading = this.#load(params, { signal, onProgress: onEvent, onOpen });
      return await this.#loading;
    } catch (cause) {
      // Other calls learn of it too, which nobody cancelled.
      const error = codeOf(cause) === 'CANCELLED' ? loadingCancelled(cause) : cause;
      this.#failure = error;
      // Calls that wait for weights end by the same error, and only then is anything given back.
      this.#model?.arrived.fail(error);
      await (isOpen ? behindOthers(() => this.#end()) : this.#end());
      throw error;
    }
  }

  /**
   * @param {Calls['load']['params']} params
   * @param {{ signal: AbortSignal, onProgress: (progress: Progress) => void, onOpen: (opened: EngineInfo) => void }} control
   */
  async #load(
    { source: descriptor, toldSha256, sha256, storeId, addresses, store = null, wasm, options: given },
    { signal, onProgress, onOpen },
  ) {
    const start = performance.now();
    const options = this.#settleThreads(read.readEngineOptions(given));
    checkKernelSet(options.kernelSet);
    const headerOnly = options.vocabularyOnly;
    const { earlyStart: early, kernelSet } = options;
    const build = headerOnly ? { threads: 1, kernelSet } : { threads: options.threads, early, kernelSet };
    const file = { descriptor, toldSha256, sha256, storeId, addresses };
    const call = { ...file, store, wasm, build, headerOnly, signal, onProgress };
    const opened = await this.#open(call);
    let loaded;
    try {
      loaded = await this.#takeIn(opened, options, { store, start, signal, onProgress, onOpen });
    } finally {
      await opened.close();
    }
    // Behind the loading, whose own hold on the store may exclude others.
    const { info, record } = loaded;
    if (this.#model?.streams)
      await this.#openStream(opened.runtime, this.#model, record, { store, signal, onProgress });
    return info;
  }

  /**
   * Takes in a model that is opened, its texts beside its weights: reads from a store go on in other workers while the
   * vocabulary is read in this one.
   * @param {OpenedModel & Started} opened
   * @param {EngineSettings & ThreadSettings} options
   * @param {{ store: StoreSettings | null, start: number, signal: AbortSignal, onProgress: (progress: Progress) => void,
   *   onOpen: (opened: EngineInfo) => void }} control
   * @returns {Promise<{ info: EngineInfo, record: Manifest | null }>} the record of a stored model
   */
  async #takeIn(opened, options, { store, start, signal, onProgress, onOpen }) {
    const { runtime, header, fileName, fileSize, storage, threads } = opened;
    const threadProblem = opened.threadProblem ?? this.#platform.threadProblem ?? null;
    const identity = identityOf(header, fileName, fileSize);
    const known = { ...identity, wasm: opened.variant, exact: options.exact, threadProblem };
    const settled = { ...options, threads };
    const model = options.vocabularyOnly ? null : createModel(runtime, header, settleContext(header, settled));
    this.#model = model;
    this.#javascriptBytes = header.javascriptBytes;
    if (model !== null) checkStreamable(model, store);
    const fraction = model === null ? 1 : 0;
    onProgress({ phase: 'prepare', loaded: 0, total: fileSize ?? 0, fraction, bytesPerSecond: 0, secondsLeft: null });
    /** @param {number | null} loadMilliseconds */
    const infoNow = (loadMilliseconds) =>
      // What there is no model for is absent.
      /** @type {EngineInfo} */ ({ ...known, ...modelInfo(model), ...this.#text().info, storage, loadMilliseconds });
    const loading = model === null ? null : opened.load(model);
    // Whoever waits for it finds out.
    loading?.catch(() => {});
    try {
      await this.#readText(header, model);
      checkCancelled(signal);
      if (options.earlyStart && model !== null && !model.streams) {
        this.#openSessions(model, options, store, storage);
        onOpen(infoNow(null));
      }
    } catch (error) {
      // No read may go on into a heap that is given back.
      await loading?.catch(() => {});
      throw error;
    }
    const record = await loading;
    // Sessions take memory that loading had until now.
    if (model !== null && this.#sessions === null) this.#openSessions(model, options, store, storage);
    // Behind a pass that has begun before, what it has held up is measured.
    await model?.arrived.idle();
    model?.finish();
    return { info: infoNow(performance.now() - start), record };
  }

  /** Reads the vocabulary and the templates, behind the reads that have begun: they go on in other workers. @param {Header} header @param {Model | null} model */
  async #readText(header, model) {
    await this.#scheduler.nextTask();
    model?.chooseKernels();
    await this.#scheduler.nextTask();
    this.#modelText = new ModelText(header);
    header.close();
  }

  /**
   * @param {Runtime} runtime
   * @param {Model} model
   * @param {Manifest | null} record
   * @param {{ store: StoreSettings | null, signal: AbortSignal, onProgress: (progress: Progress) => void }} from
   */
  async #openStream(runtime, model, record, { store, signal, onProgress }) {
    // Its weights were loaded, which is refused without a store.
    if (store === null || record === null) throw new TypeError('A model streams that is not stored.');
    const parts = { store, platform: this.#platform, runtime, model };
    model.weights = await openWeightStream({ ...parts, record, signal, onProgress });
  }

  /**
   * @param {Model} model
   * @param {EngineSettings} options
   * @param {StoreSettings | null} store
   * @param {Storage} storage
   */
  #openSessions(model, { onFull, keepTokens, maxSaves, maxSavedBytes }, store, { id }) {
    const limits = { maxSaves, maxSavedBytes };
    const saves = new SessionStore({ store, platform: this.#platform, model: id, limits });
    const parts = { model, modelText: this.#text(), scheduler: this.#scheduler, saves };
    this.#sessions = new SessionHost({ ...parts, onFull, keepTokens });
  }

  /** What describeModel() returns. @param {Calls['describe']['params']} params @param {Control<Calls['describe']['event']>} control */
  async describe({ source: descriptor, storeId, store = null, wasm, access, options: given }, { signal, onEvent }) {
    this.#platform = withAccess(this.#platform, access);
    const options = this.#settleThreads(read.readEngineOptions(given));
    const call = {
      descriptor,
      storeId,
      store,
      wasm,
      build: { threads: 1 },
      headerOnly: true,
      signal,
      onProgress: onEvent,
    };
    try {
      const opened = await this.#open(call);
      try {
        return describeHeader(opened.header, opened.fileName, opened.fileSize, options);
      } finally {
        await opened.close();
      }
    } finally {
      await this.unload();
    }
  }

  /** The calls that are made on a session; see SessionHost. */
  get sessions() {
    if (this.#sessions !== null) return this.#sessions;
    throw this.#absence();
  }

  /** @param {Calls['tokenize']['params']} params */
  tokenize({ text, options }) {
    return this.#text().vocabulary.encode(read.readText('text', text), read.readTokenizeOptions(options));
  }

  /** @param {Calls['countTokens']['params']} params */
  countTokens({ options: given }) {
    const { tokens, ...start } = read.readCountOptions(given);
    return tokens?.length ?? this.#text().readStart(start).tokens.length;
  }

  /** How many messages to leave out so that a chat fits. @param {Calls['fitMessages']['params']} params */
  fitMessages({ messages, options: given }) {
    const { maxTokens, ...chat } = read.readFitOptions(messages, given);
    const { contextSize } = this.#loaded().info;
    const prompt = chatPrompt(this.#text(), chat);
    const leftOut = prompt.fit({ contextSize, maxTokens, onTimeline: [] });
    return { leftOut, tokens: prompt.without(leftOut).length };
  }

  /** @param {Calls['detokenize']['params']} params */
  detokenize({ tokens: given, options }) {
    const tokens = read.readTokens('tokens', given);
    const { vocabulary } = this.#text();
    return read.readDetokenizeOptions(options).each
      ? tokens.map((token) => vocabulary.text(token))
      : vocabulary.decode(tokens);
  }

  /** @param {Calls['render']['params']} params */
  render({ messages, options }) {
    return this.#text().render(read.readMessages(messages), read.readRenderOptions(messages, options));
  }

  /** @param {Calls['benchmark']['params']} params @param {Pick<Control, 'signal'>} control */
  async benchmark({ options }, { signal }) {
    const model = this.#loaded();
    await model.arrived.until(Infinity, signal);
    const context = { model, timeline: this.sessions.ownTimeline, scheduler: this.#scheduler };
    return benchmark(context, read.readBenchmarkOptions(options), signal);
  }

  /** What probeSpeed() returns. @param {Calls['probe']['params']} params @param {Pick<Control, 'signal'>} control */
  async probe({ wasm, options: given }, { signal }) {
    if (this.#runtime !== null) throw new NibbleError('INVALID_ARGUMENT', 'This worker has a model already.');
    const { threads: wanted, chooseThreads } = this.#settleThreads(read.readEngineOptions(given));
    try {
      const { runtime, threads } = await this.#platform.startRuntime({ threads: wanted }, wasm);
      this.#runtime = runtime;
      this.#hasWorkers = threads > 1;
      return await probe(runtime, { threads, chooseThreads, scheduler: this.#scheduler, signal });
    } finally {
      await this.unload();
    }
  }

  memory() {
    if (this.#runtime === null || (this.#model ?? this.#modelText) === null) throw this.#absence();
    const heap = this.#model?.memory() ?? this.#runtime.usage(0);
    const counted = () => this.#javascriptBytes + readersBytes(this.#countReaders());
    const javascript = this.#platform.javascriptBytes?.() ?? counted();
    return { ...heap, javascript, total: heap.wasm + javascript };
  }

  /** Gives everything back; resolves when this worker may be ended. */
  async unload() {
    await this.#end();
    this.#failure = null;
    return null;
  }

  /** Ends threads and readers without a call into the wasm, which has crashed; resolves when this worker may be ended. */
  async abandon() {
    this.#runtime?.close();
    if (this.#hasWorkers) await this.#platform.workersEnded?.();
    return null;
  }

  async #end() {
    await this.#loading?.catch(() => {});
    this.#loading = null;
    const hadWorkers = this.#hasWorkers;
    await this.#model?.weights?.close();
    await this.#sessions?.close();
    this.#model?.close();
    this.#runtime?.close();
    this.#scheduler.close();
    this.#sessions = this.#model = this.#runtime = this.#modelText = null;
    this.#hasWorkers = false;
    if (hadWorkers) await this.#platform.workersEnded?.();
  }

  /** Starts the wasm and the store, and opens the model's header. @param {ModelCall} call @returns {Promise<OpenedModel & Started>} the caller closes it */
  async #open({ build: wanted, wasm, ...given }) {
    const call = withRetries({ ...given, platform: this.#platform });
    const starting = call.platform.startRuntime(wanted, wasm);
    const { store } = call;
    const prefetch = store === null ? null : this.#startPrefetch({ ...call, store }, starting);
    try {
      const started = await starting;
      const { runtime } = started;
      this.#runtime = runtime;
      this.#hasWorkers ||= started.threads > 1 || wanted.early === true;
      const opened = await openModel({ ...call, prefetch, runtime });
      return { ...opened, ...started, close: () => opened.close().finally(() => prefetch?.close()) };
    } catch (error) {
      await prefetch?.close();
      throw error;
    }
  }

  /** @param {ConstructorParameters<typeof Prefetch>[0]} call @param {Promise<Started>} starting */
  #startPrefetch(call, starting) {
    this.#hasWorkers = call.platform.startReader !== undefined;
    const runtime = starting.then((started) => started.runtime);
    return new Prefetch(call, openStore(call.store, call.platform), runtime);
  }

  /** @param {EngineSettings} options */
  #settleThreads(options) {
    const { threads, maxThreads } = this.#platform;
    const chooseThreads = options.threads === null;
    return { ...options, chooseThreads, threads: Math.min(options.threads ?? threads, maxThreads) };
  }

  #loaded() {
    if (this.#model !== null) return this.#model;
    throw this.#absence();
  }

  #text() {
    if (this.#modelText !== null) return this.#modelText;
    throw this.#absence();
  }

  /** Why what a call needs is not there. */
  #absence() {
    if (this.#failure !== null) return this.#failure;
    return this.#runtime === null
      ? new NibbleError('UNLOADED', 'The engine was unloaded; create a new one.')
      : new NibbleError('MODEL_INCOMPLETE', 'Only the vocabulary was loaded; create an engine without vocabularyOnly.');
  }
}

/** @param {Runtime} runtime @param {Header} header @param {import('../core/header.js').ModelOptions} options */
function createModel(runtime, header, options) {
  try {
    return header.createModel(options);
  } catch (error) {
    const noRoom = error instanceof NibbleError && error.code === 'OUT_OF_MEMORY';
    throw noRoom ? tooLarge(runtime, header, options, error) : error;
  }
}

/** What is known of a model beyond its file; null: only the vocabulary is loaded. @param {Model | null} model */
function modelInfo(model) {
  if (model === null) return {};
  const { info, kernels, threads, threadRates, batchSize } = model;
  return { ...info, ...kernels, threads, threadRates, batchSize };
}
