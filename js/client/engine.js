// A loaded model, as the page or the program sees it: the caller's half of worker/engine-host.js.

import { codeOf, NibbleError } from '../base/errors.js';
import { optionsOf, readBenchmarkOptions } from '../base/options.js';
import { endedBy } from './disposal.js';
import { Sessions } from './session.js';

/** @typedef {import('../base/call-options.js').BenchmarkOptions} BenchmarkOptions */
/** @typedef {import('../base/call-options.js').CountOptions} CountOptions */
/** @typedef {import('../base/call-options.js').EvaluateOptions} EvaluateOptions */
/** @typedef {import('../base/call-options.js').Evaluation} Evaluation */
/** @typedef {import('../base/call-options.js').FitOptions} FitOptions */
/** @typedef {import('../base/call-options.js').FitResult} FitResult */
/** @typedef {import('../base/call-options.js').ImportSessionOptions} ImportSessionOptions */
/** @typedef {import('../base/call-options.js').RenderOptions} RenderOptions */
/** @typedef {import('../base/call-options.js').RestoreOptions} RestoreOptions */
/** @typedef {import('../base/call-options.js').SavedSession} SavedSession */
/** @typedef {import('../base/call-options.js').ScoreOptions} ScoreOptions */
/** @typedef {import('../base/call-options.js').TokenizeOptions} TokenizeOptions */
/** @typedef {import('../base/completion-options.js').CompletionOptions} CompletionOptions */
/** @typedef {import('../base/engine-options.js').SessionOptions} SessionOptions */
/** @typedef {import('../base/public-types.js').BenchmarkResult} BenchmarkResult */
/** @typedef {import('../base/public-types.js').EngineMemory} EngineMemory */
/** @typedef {import('../prompt/messages.js').Message} Message */
/** @typedef {import('./completion.js').Completion} Completion */
/** @typedef {import('./session.js').Session} Session */

const UNLOAD_MILLISECONDS = 10_000;

/**
 * A loaded model. An engine is a model and a session is a timeline of tokens: what writes or reads tokens does so on a
 * session. One is there from the beginning, `engine.session`; createSession() makes others beside it. Calls on all of them
 * queue up. A call whose signal is given is rejected with the signal's reason, or with CANCELLED where it has none of its
 * own, unless its work was done by then; a completion gives what it has written instead. Once the engine has ended, every call
 * fails with what `closed` tells, and with `UNLOADED` after unload().
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
    /**
     * What the engine is: the model's name and sizes, threads, kernel set, warnings and the like.
     * @type {Readonly<import('../base/public-types.js').EngineInfo>}
     */
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
   * @returns {Session} The same one each time.
   */
  get session() {
    return this.#session;
  }

  /** Whether unload() was called. @returns {boolean} */
  get isUnloading() {
    return this.#unloading !== null;
  }

  /**
   * As engine.session.complete(): writes on from a prompt. `const { text } = await engine.complete({ prompt })` gives the
   * whole; `for await (const { text, token } of engine.complete({ prompt }))` streams. It throws nothing: whatever is wrong
   * rejects the completion, wrong options too.
   * @param {CompletionOptions} options What to begin with, and how to go on.
   * @returns {Completion} The completion, which is under way.
   */
  complete(options) {
    return this.#session.complete(options);
  }

  /**
   * As engine.session.evaluate(): the likeliest tokens to come behind `tokens`.
   * @param {number[]} tokens Ids of tokens.
   * @param {EvaluateOptions} [options] What to tell, and what may be kept.
   * @returns {Promise<Evaluation>} What may come next.
   * @throws {NibbleError} As {@link Session.evaluate}.
   */
  evaluate(tokens, options) {
    return this.#session.evaluate(tokens, options);
  }

  /**
   * As engine.session.score(): ln p of each token given the tokens before it.
   * @param {number[]} tokens Ids of tokens.
   * @param {ScoreOptions} [options] Where to begin, and what may be kept.
   * @returns {Promise<Float32Array>} ln p of tokens[from] to the last.
   * @throws {NibbleError} As {@link Session.score}.
   */
  score(tokens, options) {
    return this.#session.score(tokens, options);
  }

  /**
   * An empty session beside the engine's own. It takes memory as its text grows, until it is closed.
   * @param {SessionOptions} [options] Default: as the engine has them.
   * @returns {Promise<Session>} The session. It has to be closed.
   * @throws {NibbleError} `OUT_OF_MEMORY`; `MODEL_INCOMPLETE` of an engine without weights.
   */
  createSession(options) {
    return this.#sessions.create(options);
  }

  /**
   * A session as {@link Session.save} stored it: nothing of it is computed again. A save that is damaged, or of another model,
   * KV type or version, is deleted, and `onDropped` is told. So is one of a LongRoPE model whose context was beyond its original
   * one and is not, or the other way round.
   * @param {string} key The name that it was saved by.
   * @param {RestoreOptions} [options] Default: as the engine has them.
   * @returns {Promise<Session | null>} The session. It has to be closed. `null`: there is no such save, or it was deleted.
   * @throws {NibbleError} `CONTEXT_FULL` where the engine's context is too small for it, and `OUT_OF_MEMORY`; the save stays.
   *   `SAVE_NEEDS_STORE` of an engine without a store.
   */
  restoreSession(key, options) {
    return this.#sessions.restore(key, options);
  }

  /**
   * A session from what {@link Session.export} gave.
   * @param {Blob | ArrayBuffer | ArrayBufferView} image The bytes.
   * @param {ImportSessionOptions} [options] Default: as the engine has them.
   * @returns {Promise<Session>} The session. It has to be closed.
   * @throws {NibbleError} `SAVE_DAMAGED`; `SAVE_MISMATCH`; `CONTEXT_FULL` and `OUT_OF_MEMORY` where it does not fit;
   *   `SOURCE_UNREADABLE`.
   */
  importSession(image, options) {
    return this.#sessions.import(image, options);
  }

  /**
   * The saved sessions of this model, as they are in the store now: it waits for no call that runs. Those used last first.
   * @returns {Promise<SavedSession[]>} What they were saved as.
   * @throws {NibbleError} `SAVE_NEEDS_STORE` of an engine without a store.
   */
  savedSessions() {
    return this.#sessions.list();
  }

  /**
   * Deletes a saved session; nothing where there is none.
   * @param {string} key The name that it was saved by.
   * @returns {Promise<void>} Ends when it is gone.
   * @throws {NibbleError} `SAVE_NEEDS_STORE` of an engine without a store.
   */
  async deleteSavedSession(key) {
    await this.#sessions.delete(key);
  }

  /**
   * The tokens of a text: with those that begin and end a text where the model wants them, and with control tokens where they
   * are written out, unless the options say otherwise. {@link Engine.countTokens} tells how many tokens a chat is.
   * @param {string} text The text.
   * @param {TokenizeOptions} [options] Which control tokens count.
   * @returns {Promise<number[]>} Ids of tokens.
   * @throws {NibbleError} `TOKENIZER_MISSING`, `TOKENIZER_UNSUPPORTED`; `TOKENIZER_BAD_TEXT` for what is no text.
   */
  async tokenize(text, options) {
    return this.#client.call('tokenize', { text, options: optionsOf(options) });
  }

  /**
   * The text of tokens; with `each`, a list with the text of each token, control tokens by their names.
   * @template {boolean} [Each=false]
   * @param {number[]} tokens Ids of tokens.
   * @param {import('../base/call-options.js').DetokenizeOptions<Each>} [options] Default: one text of all.
   * @returns {Promise<Each extends true ? string[] : string>} The text, or the texts.
   * @throws {NibbleError} `TOKENIZER_BAD_TOKEN` for an id that is none; `TOKENIZER_MISSING`, `TOKENIZER_UNSUPPORTED`.
   */
  async detokenize(tokens, options) {
    const text = this.#client.call('detokenize', { tokens, options: optionsOf(options) });
    return /** @type {Promise<any>} */ (text);
  }

  /**
   * How many tokens a completion with these options begins with: of a chat, with everything that its template writes.
   * @param {CountOptions} options One of `prompt`, `messages` and `tokens`, and how it becomes tokens.
   * @returns {Promise<number>} How many tokens.
   * @throws {NibbleError} `CHAT_BAD_MESSAGES`, `CHAT_TEMPLATE_FAILED`; `TOKENIZER_MISSING`, `TOKENIZER_UNSUPPORTED`.
   */
  async countTokens(options) {
    const { prompt, messages, tokens, ...rest } = optionsOf(options);
    return this.#client.call('countTokens', { options: { prompt, messages, tokens, ...rest } });
  }

  /**
   * How many messages of a chat have to be left out, the oldest behind the system message, so that it fits into the
   * context with room for an answer, as `'drop-oldest'` does it.
   * @param {Message[]} messages The chat.
   * @param {FitOptions} [options] Those of the completion.
   * @returns {Promise<FitResult>} What is left.
   * @throws {NibbleError} `CONTEXT_FULL` where not even the last turn fits; as {@link Engine.countTokens}.
   */
  async fitMessages(messages, options) {
    return this.#client.call('fitMessages', { messages, options: optionsOf(options) });
  }

  /**
   * The text that a chat becomes. It does not tell any more what was said and what the template wrote, so tokens of a chat
   * are better had from complete({ messages }) and countTokens({ messages }).
   * @param {Message[]} messages The chat.
   * @param {RenderOptions} [options] Those of the completion.
   * @returns {Promise<string>} The text.
   * @throws {NibbleError} `CHAT_BAD_MESSAGES`, `CHAT_TEMPLATE_FAILED`; `TOKENIZER_MISSING`, `TOKENIZER_UNSUPPORTED`.
   */
  async render(messages, options) {
    return this.#client.call('render', { messages, options: optionsOf(options) });
  }

  /**
   * Times prompt processing and generation on made-up tokens. `engine.session` is empty afterwards.
   * @param {BenchmarkOptions} [options] How much, and how often.
   * @returns {Promise<BenchmarkResult>} What was measured.
   * @throws {NibbleError} `CONTEXT_FULL` where that many tokens do not fit; `OUT_OF_MEMORY`.
   */
  async benchmark(options) {
    const { signal, ...rest } = optionsOf(options);
    readBenchmarkOptions(rest);
    return this.#client.call('benchmark', { options: rest }, { signal });
  }

  /**
   * Bytes of the engine's memory, by purpose. Those of the wasm together make up `wasm`; `total` is that and `javascript`. In a
   * browser, `javascript` counts the workers that read weights too, as long as there are any. `total` is within 2% of what
   * Chromium measures of these workers, with the heap that they share taken once. Each further thread takes some 1.9 MB of
   * JavaScript more, which no browser measures while it waits.
   * @returns {Promise<EngineMemory>} Bytes.
   */
  memory() {
    return this.#client.call('memory', {});
  }

  /**
   * Stops what runs, ends the worker and its threads, and gives all memory back. It may be called twice.
   * @returns {Promise<void>} Ends when that is done.
   */
  unload() {
    this.#unloading ??= this.#unload();
    return this.#unloading;
  }

  async #unload() {
    await this.#client.end('unload', unloaded(), UNLOAD_MILLISECONDS);
  }
}

endedBy(Engine, 'unload');

/** Why no call is answered behind unload(). @internal */
export const unloaded = () => new NibbleError('UNLOADED', 'The engine was unloaded; create a new one.');
