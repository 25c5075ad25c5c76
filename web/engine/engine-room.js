// The engine in use: one model at a time, and whoever waits for it.

import { NibbleError } from '../nibble/index.js';
import { bytesOf, isOfFiles } from './model-files.js';
import { Pace } from './pace.js';
import { codeOf } from './problem.js';
import { isStoreKind } from './read-rates.js';
import { createWithinTrained, describeWithinTrained } from './trained-context.js';

// From this size on a machine may not hold two models at once, in bytes.
const LARGE_MODEL = 5e8;
/** A worker answers between two steps of what it computes, which may be long ones. One that is gone never does. */
export const ANSWER_MILLISECONDS = 60_000;

/** The errors after which an engine is of no more use. */
const FATAL = ['ENGINE_CRASHED', 'WORKER_FAILED'];

/** The model that comes with the page. */
export const INCLUDED_MODEL = new URL('models/nibble-tiny.gguf', document.baseURI);

/** The error of an engine whose worker is gone without a word. */
export const silent = () => new NibbleError('WORKER_FAILED', "The engine's worker does not answer any more.");

/** @typedef {import('../nibble/index.js').Engine} Engine */
/** @typedef {{ stored: string, kind?: StoreKind }} StoredPlace `kind`: the store that has it, if not the one that is set */
/** @typedef {URL | File | File[] | StoredPlace} Model */
/** @typedef {import('../settings/settings.js').StoreKind} StoreKind */
/** @typedef {Omit<import('../nibble/index.js').EngineOptions, 'model'>} Options of an engine, as they are set */
/** @typedef {{ model: Model, options: Options, keeps: boolean }} Load `keeps`: it is stored, and loaded again at the next visit */
/** @typedef {Load & { error: unknown }} LoadProblem */
/** @typedef {Omit<import('../nibble/index.js').Progress, 'phase'> & { phase: 'answer' | import('../nibble/index.js').Progress['phase'] }} LoadProgress 'answer': another one is waited for */

/** @param {Model | null} model @returns {model is URL} */
export const isIncluded = (model) => model instanceof URL && model.href === INCLUDED_MODEL.href;

/**
 * @typedef {object} Loan an engine that stays until it is given back
 * @property {import('../nibble/index.js').Engine} engine
 * @property {Promise<never>} lost rejects with the reason as soon as the engine works no more
 * @property {() => void} release gives it back; may be called twice
 */

export class EngineRoom {
  #settings;
  #hub;
  /** @type {AbortController | null} */
  #loading = null;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {Set<{ resolve: (loan: Loan) => void, reject: (reason: unknown) => void }>} */
  #waiting = new Set();
  /** By engine: how those who have borrowed it learn that it is lost. @type {Map<Engine, Set<(reason: unknown) => void>>} */
  #loans = new Map();
  /** @type {Set<() => void>} */
  #onReturned = new Set();
  /** The engine is about to make way for one that does not fit beside it, and is lent to nobody any more. */
  #isLeaving = false;
  /** Nobody has used the engine since it took the place of one that had ended by itself. */
  #isUntried = false;

  /** @param {import('../settings/settings.js').Settings} settings @param {import('../models/hub-access.js').HubAccess} hub */
  constructor(settings, hub) {
    this.#settings = settings;
    this.#hub = hub;
    /** @type {import('../nibble/index.js').Engine | null} */
    this.engine = null;
    /** What the engine was made from. @type {Model | null} */
    this.model = null;
    /** What is being loaded, and with which options. @type {Load | null} */
    this.next = null;
    /** How far that is, as createEngine() tells it. @type {LoadProgress | null} */
    this.progress = null;
    /** Why the last model was not loaded. @type {LoadProblem | null} */
    this.problem = null;
    /** The options the engine was made with. @type {Options | null} */
    this.options = null;
    /** Whether its model is to be there at the next visit too. */
    this.keeps = true;
    /** Whether what is being loaded takes the place of an engine that has ended by itself. */
    this.isRenewing = false;
  }

  /** @param {() => void} listener called when anything of the above has changed */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** What is wanted, whether it is there, on its way, or has failed. @returns {{ model: Model | null, options: Options | null, keeps: boolean }} */
  get wanted() {
    return this.next ?? this.problem ?? this;
  }

  /** Whether the settings ask for another engine than the one that is wanted. */
  get isOutdated() {
    const { model, options, keeps } = this.wanted;
    return model !== null && JSON.stringify(options) !== JSON.stringify(this.#optionsFor(keeps, model));
  }

  get isLoading() {
    return this.#loading !== null;
  }

  /**
   * Puts another model in the place of the one there is, which works on until the other has loaded. A load under way
   * gives up. Whoever writes with the old one ends in peace: it is unloaded when it is given back.
   * @param {Model} model
   * @param {{ keeps?: boolean }} [how] `keeps` false: it is stored nowhere
   */
  load(model, { keeps = true } = {}) {
    this.isRenewing = false;
    return this.#load({ model, options: this.#optionsFor(keeps, model), keeps });
  }

  /** @param {Load} next */
  async #load(next) {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    this.next = next;
    this.progress = this.problem = null;
    this.#changed();
    try {
      await this.#replace(next, loading);
    } catch (error) {
      if (this.#loading === loading) this.problem = { error, ...next };
    } finally {
      // It may have ended before anybody could use it.
      if (this.#loading === loading && this.engine === null) this.problem ??= { error: silent(), ...next };
      if (this.#loading === loading) this.#endLoading();
    }
  }

  /** Ends the load under way; the engine there is stays. Where there is none, there is nothing to go back to. */
  cancel() {
    if (this.engine === null) return;
    this.#loading?.abort();
    this.#endLoading();
  }

  #endLoading() {
    this.#loading = this.next = this.progress = null;
    this.#isLeaving = this.isRenewing = false;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const { resolve, reject } of waiting) {
      if (this.engine !== null) resolve(this.#lend(this.engine));
      else reject(this.problem?.error ?? silent());
    }
    this.#changed();
  }

  forgetProblem() {
    this.problem = null;
    this.#changed();
  }

  /**
   * The engine, as soon as there is one.
   * @param {AbortSignal} signal
   * @returns {Promise<Loan>} rejects with the load's error where none is there and none is on its way
   */
  borrow(signal) {
    const stopped = () => new NibbleError('CANCELLED', 'The answer was stopped before the model was ready.');
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(stopped());
      if (this.engine !== null && !this.#isLeaving) return resolve(this.#lend(this.engine));
      if (this.engine === null && this.problem !== null) return reject(this.problem.error);
      const waiting = { resolve, reject };
      this.#waiting.add(waiting);
      signal.addEventListener('abort', () => this.#waiting.delete(waiting) && reject(stopped()));
    });
  }

  /**
   * Takes note of an error that a call of an engine ended with. After a fatal one another engine takes its place.
   * @param {Engine | null} engine
   * @param {unknown} error
   */
  report(engine, error) {
    const code = codeOf(error);
    if (engine !== null && FATAL.some((fatal) => fatal === code)) this.#lose(engine, error);
  }

  /** @param {Engine} engine @returns {Loan} */
  #lend(engine) {
    this.#isUntried = false;
    const loans = this.#loans.get(engine) ?? new Set();
    this.#loans.set(engine, loans);
    /** @type {(reason: unknown) => void} */
    let fail = () => {};
    /** @type {Promise<never>} */
    const lost = new Promise((_, reject) => {
      fail = reject;
    });
    lost.catch(() => {});
    loans.add(fail);
    const release = () => {
      loans.delete(fail);
      for (const look of this.#onReturned) look();
    };
    return { engine, lost, release };
  }

  /** Resolves when nobody uses an engine, or the signal says so. @param {Engine} engine @param {AbortSignal} [signal] @returns {Promise<void>} */
  #untilReturned(engine, signal) {
    return new Promise((resolve) => {
      const look = () => {
        const isUsed = (this.#loans.get(engine)?.size ?? 0) > 0;
        if (isUsed && !signal?.aborted) return;
        this.#onReturned.delete(look);
        signal?.removeEventListener('abort', look);
        resolve();
      };
      this.#onReturned.add(look);
      signal?.addEventListener('abort', look);
      look();
    });
  }

  /** @param {boolean} keeps @param {Model} model @returns {Options} */
  #optionsFor(keeps, model) {
    const options = this.#settings.engine();
    return { ...options, store: keeps ? (this.#storeOf(model) ?? options.store) : null };
  }

  /** Models stay where they were stored, whichever place is set for others; null: it is stored nowhere yet. @param {Model} model */
  #storeOf(model) {
    if ('kind' in model && model.kind !== undefined) return model.kind;
    const storage = model === this.model ? this.engine?.info.storage : undefined;
    if (storage === undefined || storage.state === 'not-stored' || isIncluded(model)) return null;
    return isStoreKind(storage.kind) ? storage.kind : null;
  }

  /** @param {Load} next @param {AbortController} loading */
  async #replace({ model, options, keeps }, loading) {
    const { signal } = loading;
    const present = this.engine;
    if (present !== null && !(await this.#fitsBeside(present, model, options, signal))) {
      await this.#makeWay(present, loading);
      if (this.#loading !== loading) return;
    }
    const pace = new Pace();
    /** @param {import('../nibble/index.js').Progress} progress */
    const onProgress = (progress) => {
      if (this.#loading !== loading) return;
      this.progress = pace.settle(progress);
      this.#changed();
    };
    const engine = await createWithinTrained({ model, ...options, hub: this.#hub.options, signal, onProgress });
    if (this.#loading !== loading) return await engine.unload();
    const previous = this.engine;
    this.engine = engine;
    Object.assign(this, { model, options, keeps });
    this.#isUntried = this.isRenewing;
    engine.closed.then((reason) => reason && this.#lose(engine, reason));
    if (previous !== null) this.#unload(previous);
  }

  /** Only a model that the engine can run is worth giving up the one there is. @param {Engine} engine @param {Model} model @param {Options} options @param {AbortSignal} signal */
  async #fitsBeside(engine, model, options, signal) {
    const here = await this.#memoryOf(engine);
    if (this.engine !== engine) return true;
    if (here.wasm < LARGE_MODEL && !(isOfFiles(model) && bytesOf(model) >= LARGE_MODEL)) return true;
    const { problem } = await describeWithinTrained(model, { ...options, hub: this.#hub.options, signal });
    if (problem) throw new NibbleError(problem.code, problem.message);
    return false;
  }

  /** Of an engine that may have ended without a word, which is found out so. @param {Engine} engine @returns {Promise<{ wasm: number }>} */
  async #memoryOf(engine) {
    let timer;
    /** @type {Promise<never>} */
    const silence = new Promise((_, reject) => {
      timer = setTimeout(() => reject(silent()), ANSWER_MILLISECONDS);
    });
    try {
      return await Promise.race([engine.memory(), silence]);
    } catch (error) {
      this.#lose(engine, error);
      return { wasm: 0 };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Takes the engine away, once what is being written with it has ended. @param {Engine} engine @param {AbortController} loading */
  async #makeWay(engine, loading) {
    this.#isLeaving = true;
    this.progress = { phase: 'answer', loaded: 0, total: 0, fraction: 0, bytesPerSecond: 0, secondsLeft: null };
    this.#changed();
    await this.#untilReturned(engine, loading.signal);
    if (this.#loading !== loading || this.engine !== engine) return;
    this.engine = this.model = this.options = this.progress = null;
    this.#isLeaving = false;
    this.#changed();
    await engine.unload();
  }

  /** @param {Engine} engine */
  async #unload(engine) {
    await this.#untilReturned(engine);
    this.#loans.delete(engine);
    await engine.unload().catch(() => {});
  }

  /** An engine has ended by itself: another one of the same model takes its place, but not again and again. @param {Engine} engine @param {unknown} error */
  #lose(engine, error) {
    const loans = this.#loans.get(engine) ?? [];
    this.#loans.delete(engine);
    for (const fail of loans) fail(error);
    for (const look of this.#onReturned) look();
    const { model, keeps } = this;
    if (this.engine !== engine || model === null) return;
    engine.unload().catch(() => {});
    const lost = { model, options: this.#optionsFor(keeps, model), keeps };
    this.engine = this.model = this.options = null;
    if (this.isLoading) return this.#changed();
    if (this.#isUntried) {
      this.problem = { error, ...lost };
      return this.#changed();
    }
    this.isRenewing = true;
    this.#load(lost);
  }

  #changed() {
    for (const listener of this.#listeners) listener();
  }
}
