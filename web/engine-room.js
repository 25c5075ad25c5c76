// The engine in use: one model at a time, and whoever waits for it.
import { createFitting, describeFitting } from './model-context.js';
import { NibbleError } from './nibble/index.js';
import { Pace } from './pace.js';

// From this size on a machine may not hold two models at once, in bytes.
const LARGE_MODEL = 5e8;

/** The model that comes with the page. */
export const INCLUDED_MODEL = new URL('models/nibble-tiny.gguf', document.baseURI);

/** @typedef {URL | File | { stored: string }} Model */

/** @param {Model | null} model */
export const isIncluded = (model) => model instanceof URL && model.href === INCLUDED_MODEL.href;

export class EngineRoom {
  #settings;
  #loading = null;
  #listeners = new Set();
  #waiting = new Set();

  /** @param {import('./settings.js').Settings} settings */
  constructor(settings) {
    this.#settings = settings;
    /** @type {import('./nibble/index.js').Engine | null} */
    this.engine = null;
    /** What the engine was made from. @type {Model | null} */
    this.model = null;
    /** What is being loaded, and with which options. @type {{ model: Model, options: object, keeps: boolean } | null} */
    this.next = null;
    /** How far that is, as createEngine() tells it. */
    this.progress = null;
    /** Why the last model was not loaded. @type {{ error: any, model: Model, options: object, keeps: boolean } | null} */
    this.problem = null;
    /** The options the engine was made with. */
    this.options = null;
    /** Whether its model is to be there at the next visit too. */
    this.keeps = true;
  }

  /** @param {() => void} listener called when anything of the above has changed */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** What is wanted, whether it is there, on its way, or has failed. @returns {{ model: Model | null, options: object | null, keeps: boolean }} */
  get wanted() {
    return this.next ?? this.problem ?? this;
  }

  /** Whether the settings ask for another engine than the one that is wanted. */
  get isOutdated() {
    const { model, options, keeps } = this.wanted;
    return model !== null && JSON.stringify(options) !== JSON.stringify(this.#optionsFor(keeps));
  }

  get isLoading() {
    return this.#loading !== null;
  }

  /**
   * Puts another model in the place of the one there is, which works on until the other has loaded. A load under way
   * gives up.
   * @param {Model} model
   * @param {{ keeps?: boolean }} [how] `keeps` false: it is stored nowhere
   */
  async load(model, { keeps = true } = {}) {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    const options = this.#optionsFor(keeps);
    const next = { model, options, keeps };
    this.next = next;
    this.progress = this.problem = null;
    this.#changed();
    try {
      await this.#replace(next, loading);
    } catch (error) {
      if (this.#loading === loading) this.problem = { error, ...next };
    } finally {
      if (this.#loading === loading) {
        this.#loading = this.next = this.progress = null;
        this.#changed();
      }
    }
  }

  /** Ends the load under way; the engine there is stays. */
  cancel() {
    this.#loading?.abort();
    this.#loading = this.next = this.progress = null;
    this.#changed();
  }

  forgetProblem() {
    this.problem = null;
    this.#changed();
  }

  /** The engine, as soon as there is one. @param {AbortSignal} signal @returns {Promise<import('./nibble/index.js').Engine>} */
  ready(signal) {
    if (this.engine !== null) return Promise.resolve(this.engine);
    return new Promise((resolve, reject) => {
      const waiting = { resolve };
      this.#waiting.add(waiting);
      signal.addEventListener('abort', () => {
        this.#waiting.delete(waiting);
        reject(new NibbleError('CANCELLED', 'The answer was stopped before the model was ready.'));
      });
    });
  }

  #optionsFor(keeps) {
    const options = this.#settings.engine();
    return keeps ? options : { ...options, store: null };
  }

  async #replace({ model, options, keeps }, loading) {
    const { signal } = loading;
    if (this.engine !== null && !(await this.#fitsBeside(model, options, signal))) {
      if (this.#loading !== loading) return;
      await this.#discard();
    }
    const pace = new Pace();
    const onProgress = (progress) => {
      if (this.#loading !== loading) return;
      this.progress = pace.settle(progress);
      this.#changed();
    };
    const engine = await createFitting({ model, ...options, signal, onProgress });
    if (this.#loading !== loading) return await engine.unload();
    const previous = this.engine;
    this.engine = engine;
    Object.assign(this, { model, options, keeps });
    for (const { resolve } of this.#waiting) resolve(engine);
    this.#waiting.clear();
    await previous?.unload();
  }

  /** Only a model that the engine can run is worth giving up the one there is. */
  async #fitsBeside(model, options, signal) {
    const here = await this.engine.memory();
    if (here.wasm < LARGE_MODEL && !(model instanceof File && model.size >= LARGE_MODEL)) return true;
    const { problem } = await describeFitting(model, { ...options, signal });
    if (problem) throw new NibbleError(problem.code, problem.message);
    return false;
  }

  async #discard() {
    const { engine } = this;
    this.engine = this.model = this.options = null;
    this.#changed();
    await engine.unload();
  }

  #changed() {
    for (const listener of this.#listeners) listener();
  }
}
