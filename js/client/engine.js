// A loaded model, as the page or the program sees it: the caller's half of worker/engine-host.js.

import { codeOf, NibbleError } from '../base/errors.js';
import { optionsOf, readBenchmarkOptions } from '../base/options.js';
import { endedBy } from './disposal.js';
import { Sessions } from './session.js';

/** @typedef {import('../prompt/messages.js').Message} Message */
/** @typedef {import('../index.js').TextOptions} TextOptions */

const UNLOAD_MILLISECONDS = 10_000;

/**
 * A loaded model. An engine is a model and a session is a timeline of tokens: what writes or reads tokens does so on a
 * session. One is there from the beginning, `engine.session`; createSession() makes others beside it. Calls on all of them
 * queue up. A call whose signal is given is rejected with the signal's reason, or with CANCELLED where it has none of its
 * own, unless its work was done by then; a completion gives what it has written instead.
 */
export class Engine {
  #client;
  #session;
  #sessions;
  /** @type {Promise<void> | null} */
  #unloading = null;

  /**
   * What createEngine() makes; not for others to call.
   * @internal
   * @param {import('../protocol/client.js').Client} client
   * @param {import('../base/public-types.js').EngineInfo} info
   * @param {Promise<{ result: import('../base/public-types.js').EngineInfo }>} loading
   */
  constructor(client, info, loading) {
    this.#client = client;
    this.#sessions = new Sessions(client);
    this.#session = this.#sessions.own();
    /** @type {Readonly<import('../base/public-types.js').EngineInfo>} Names, sizes, threads, kernel set and the like. */
    this.info = Object.freeze(info);
    /**
     * Resolves when all weights are in place, and `info` is what it will be; at once unless the engine was created with
     * `earlyStart`. Rejected with what ended the loading: calls that wait then, and all later ones, fail with the same.
     * @type {Promise<void>}
     */
    this.ready = loading.then(({ result }) => {
      this.info = Object.freeze(result);
    });
    // Whoever only makes calls learns of an error there.
    this.ready.catch(() => {});
    /**
     * Resolves when the engine has ended and its memory is given back: with undefined after unload(), otherwise with why,
     * such as WORKER_FAILED or ENGINE_CRASHED. It is never rejected. As soon as that is known, calls that wait are
     * rejected with the same error, and so are all later ones: create a new engine then. It also tells of a worker that a
     * browser has ended without any event.
     * @type {Promise<NibbleError | undefined>}
     */
    this.closed = client.ended.then((reason) => (codeOf(reason) === 'UNLOADED' ? undefined : reason));
  }

  /**
   * The session that the engine has from the beginning. complete(), evaluate() and score() of the engine are those of this
   * session, and benchmark() empties it. It has the engine's `onFull` and `keepTokens`, can be forked and saved as any
   * other, and ends with the engine: close() only empties it. What is saved of it comes back as another session.
   */
  get session() {
    return this.#session;
  }

  /** Whether unload() was called. */
  get isUnloading() {
    return this.#unloading !== null;
  }

  /**
   * As engine.session.complete(): writes on from a prompt. `const { text } = await engine.complete({ prompt })` gives the
   * whole; `for await (const { text, token } of engine.complete({ prompt }))` streams. It throws nothing: whatever is wrong
   * rejects the completion, wrong options too.
   * @param {import('../index.js').CompletionOptions} options
   * @returns {import('./completion.js').Completion}
   */
  complete(options) {
    return this.#session.complete(options);
  }

  /**
   * As engine.session.evaluate(): the likeliest tokens to come behind `tokens`.
   * @param {Parameters<import('./session.js').Session['evaluate']>[0]} tokens
   * @param {Parameters<import('./session.js').Session['evaluate']>[1]} [options]
   * @returns {ReturnType<import('./session.js').Session['evaluate']>}
   */
  evaluate(tokens, options) {
    return this.#session.evaluate(tokens, options);
  }

  /**
   * As engine.session.score(): ln p of each token given the tokens before it.
   * @param {Parameters<import('./session.js').Session['score']>[0]} tokens
   * @param {Parameters<import('./session.js').Session['score']>[1]} [options]
   * @returns {ReturnType<import('./session.js').Session['score']>}
   */
  score(tokens, options) {
    return this.#session.score(tokens, options);
  }

  /**
   * An empty session beside the engine's own. It takes memory as its text grows, until it is closed.
   * @param {import('./session.js').SessionOptions} [options]
   * @returns {Promise<import('./session.js').Session>}
   */
  createSession(options) {
    return this.#sessions.create(options);
  }

  /**
   * A session as session.save() stored it: nothing of it is computed again.
   * @param {string} key
   * @param {import('./session.js').SessionOptions & { signal?: AbortSignal, onDropped?: (reason: NibbleError) => void }} [options]
   *   onDropped: told why there is no session, where the save was SAVE_DAMAGED or, being another model's, KV type's or
   *   version's, or of a LongRoPE model whose context was beyond its original one and is not, or the other way round, a
   *   SAVE_MISMATCH; it is deleted then
   * @returns {Promise<import('./session.js').Session | null>} null: there is no such save, or it was dropped.
   *   CONTEXT_FULL, and the save stays, where the engine's context is too small for it
   */
  restoreSession(key, options) {
    return this.#sessions.restore(key, options);
  }

  /**
   * A session from what session.export() gave. SAVE_DAMAGED, SAVE_MISMATCH or CONTEXT_FULL where that cannot be.
   * @param {Blob | ArrayBuffer | ArrayBufferView} image
   * @param {import('./session.js').SessionOptions & { signal?: AbortSignal }} [options]
   * @returns {Promise<import('./session.js').Session>}
   */
  importSession(image, options) {
    return this.#sessions.import(image, options);
  }

  /**
   * The saved sessions of this model, as they are in the store now: it waits for no call that runs. Those used last first.
   * @returns {Promise<import('./session.js').SavedSession[]>}
   */
  savedSessions() {
    return this.#sessions.list();
  }

  /** Deletes a saved session; nothing where there is none. @param {string} key @returns {Promise<void>} */
  async deleteSavedSession(key) {
    await this.#sessions.delete(key);
  }

  /**
   * The tokens of a text, with BOS and EOS where the model wants them (`addSpecial`) and the text has none there, and with
   * control tokens where they are written out in it (`parseSpecial`); both are true unless given. For what a person or a
   * document says, `parseSpecial` is false. Of a chat, countTokens() tells how many tokens it is.
   * @param {string} text
   * @param {{ addSpecial?: boolean, parseSpecial?: boolean }} [options]
   * @returns {Promise<number[]>}
   */
  async tokenize(text, options) {
    return this.#client.call('tokenize', { text, options: optionsOf(options) });
  }

  /**
   * The text of tokens; with `each`, a list with each token's own text, special tokens by their names.
   * @template {boolean} [Each=false]
   * @param {number[]} tokens
   * @param {{ each?: Each }} [options]
   * @returns {Promise<Each extends true ? string[] : string>}
   */
  async detokenize(tokens, options) {
    const text = this.#client.call('detokenize', { tokens, options: optionsOf(options) });
    return /** @type {Promise<any>} */ (text);
  }

  /**
   * How many tokens a completion with these options begins with: of a chat, with everything that its template writes.
   * @param {TextOptions & { prompt?: string, messages?: Message[], tokens?: number[], continueLast?: boolean, addGenerationPrompt?: boolean }} options
   *   one of prompt, messages and tokens; addGenerationPrompt false: without the opening of the answer that is to come
   * @returns {Promise<number>}
   */
  async countTokens(options) {
    const { prompt, messages, tokens, ...rest } = optionsOf(options);
    return this.#client.call('countTokens', { options: { prompt, messages, tokens, ...rest } });
  }

  /**
   * How many messages of a chat have to be left out, the oldest behind the system message, so that it fits into the
   * context with room for an answer, as 'drop-oldest' does it. CONTEXT_FULL where not even the last turn fits.
   * @param {Message[]} messages
   * @param {TextOptions & { continueLast?: boolean, maxTokens?: number }} [options] those of the completion
   * @returns {Promise<{ leftOut: number, tokens: number }>} tokens: of what is left
   */
  async fitMessages(messages, options) {
    return this.#client.call('fitMessages', { messages, options: optionsOf(options) });
  }

  /**
   * The text that a chat becomes. It does not tell any more what was said and what the template wrote, so tokens of a chat
   * are better had from complete({ messages }) and countTokens({ messages }).
   * @param {Message[]} messages
   * @param {TextOptions & { continueLast?: boolean, addGenerationPrompt?: boolean }} [options] addGenerationPrompt false:
   *   without the opening of the answer that is to come
   * @returns {Promise<string>}
   */
  async render(messages, options) {
    return this.#client.call('render', { messages, options: optionsOf(options) });
  }

  /**
   * Times prompt processing and generation on made-up tokens. `engine.session` is empty afterwards.
   * @param {{ promptTokens?: number, generatedTokens?: number, repetitions?: number, depth?: number, warmUp?: boolean, profile?: boolean, signal?: AbortSignal }} [options]
   *   profile: tell how long each operation took; false, since telling takes time too
   * @returns {Promise<import('../base/public-types.js').BenchmarkResult>}
   */
  async benchmark(options) {
    const { signal, ...rest } = optionsOf(options);
    readBenchmarkOptions(rest);
    return this.#client.call('benchmark', { options: rest }, { signal });
  }

  /**
   * Bytes of the engine's memory by purpose, which make up `wasm`, all of it: weights that stay, slots for those that are
   * read (`ring`), pages of keys and values in use by all sessions, activations, code's data and stack, other (sessions,
   * threads, tables, what loading needs), and what is free or reserved (`unused`). `javascript` is what the worker takes
   * beside it, mostly for the vocabulary: in Node as V8 tells, with what is not collected yet; in a browser, which tells
   * a worker nothing, counted, and with the workers that read weights as long as there are any. `total`, of `wasm` and
   * `javascript`, is within 2% of what Chromium measures of these workers, with the heap that they share taken once: it
   * adds that to each. Each further thread takes some 1.9 MB of JavaScript more, which no browser measures while it waits.
   * @returns {Promise<import('../base/public-types.js').EngineMemory>}
   */
  memory() {
    return this.#client.call('memory', {});
  }

  /** Stops what runs, ends the worker and its threads, gives all memory back. May be called twice. */
  unload() {
    this.#unloading ??= this.#unload();
    return this.#unloading;
  }

  async #unload() {
    await this.#client.end('unload', unloaded(), UNLOAD_MILLISECONDS);
  }
}

endedBy(Engine, 'unload');

/** Why no call is answered behind unload(). */
export const unloaded = () => new NibbleError('UNLOADED', 'The engine was unloaded; create a new one.');
