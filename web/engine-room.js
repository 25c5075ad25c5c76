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
    /** What is being loaded, and with which options. @type {{ model: Model, options: object } | null} */
    this.next = null;
    /** How far that is, as createEngine() tells it. */
    this.progress = null;
    /** Why the last model was not loaded. @type {{ error: any, model: Model, options: object } | null} */
    this.problem = null;
    /** The options the engine was made with. */
    this.options = null;
  }

  /** @param {() => void} listener called when anything of the above has changed */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** What is wanted, whether it is there, on its way, or has failed. @returns {{ model: Model | null, options: object | null }} */
  get wanted() {
    return this.next ?? this.problem ?? this;
  }

  get isLoading() {
    return this.#loading !== null;
  }

  /**
   * Puts another model in the place of the one there is, which works on until the other has loaded. A load under way
   * gives up.
   * @param {Model} model
   */
  async load(model) {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    const options = this.#settings.engine();
    this.next = { model, options };
    this.progress = this.problem = null;
    this.#changed();
    try {
      await this.#replace(model, options, loading);
    } catch (error) {
      if (this.#loading === loading) this.problem = { error, model, options };
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

  async #replace(model, options, loading) {
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
    this.model = model;
    this.options = options;
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
