// What is tried with a damaged model file, and what comes of it as plain data: in the calling thread, or in one that is ended
// from outside where a file makes it hang.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { NibbleError } from '../../js/base/errors.js';

const CHAT = { messages: [{ role: 'user', content: 'Hello' }], maxTokens: 2 };

/** @typedef {Pick<ReturnType<typeof import('../../js/index.js').createLibrary>, 'createEngine' | 'describeModel'>} Library */
/** @typedef {{ code: string, message: string } | null} Refusal null: there was none */
/** @typedef {{ loading: Refusal, chat: Refusal }} Outcome */

/** @param {() => Promise<unknown>} call @returns {Promise<Refusal>} what is no error of the library's is thrown on */
async function refusalOf(call) {
  try {
    await call();
    return null;
  } catch (error) {
    if (!(error instanceof NibbleError)) throw error;
    return { code: error.code, message: error.message };
  }
}

/**
 * @param {Library} library
 * @param {string} path
 */
export const describeDamaged = (library, path) => refusalOf(() => library.describeModel(path));

/**
 * Loads a model and writes with it, before and behind a chat, which alone may be refused once the model is loaded.
 * @param {Library} library
 * @param {string} path
 * @returns {Promise<Outcome>}
 */
export async function writeWithDamaged(library, path) {
  /** @type {Refusal} */
  let chat = null;
  const loading = await refusalOf(async () => {
    const engine = await library.createEngine({ model: path, threads: 1 });
    try {
      const { completionTokens } = await engine.complete({ tokens: [0], maxTokens: 2 }).result;
      if (completionTokens > 2) throw new Error(`${completionTokens} tokens came, and 2 were asked for.`);
      chat = await refusalOf(() => engine.complete(CHAT).result);
      await engine.complete({ tokens: [0], maxTokens: 1 }).result;
    } finally {
      await engine.unload();
    }
  });
  return { loading, chat };
}

/** A thread that tries files one after another, started for the first, and anew behind one that it did not come back from. */
export class TrialThread {
  /** @type {Worker | null} */
  #worker = null;

  /**
   * @template {import('./damaged-worker.js').TrialName} Name
   * @param {Name} trial
   * @param {string} path
   * @param {AbortSignal} signal ends the thread
   * @returns {Promise<Awaited<ReturnType<typeof import('./damaged-worker.js').TRIALS[Name]>>>}
   */
  async try(trial, path, signal) {
    this.#worker ??= new Worker(new URL('damaged-worker.js', import.meta.url));
    const worker = this.#worker;
    worker.postMessage({ trial, path });
    try {
      const [{ outcome }] = await once(worker, 'message', { signal });
      return outcome;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close() {
    await this.#worker?.terminate();
    this.#worker = null;
  }
}
