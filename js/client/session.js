// The sessions of an engine as the caller sees them.

import { codeOf, NibbleError, withoutEnd } from '../base/errors.js';
import {
  checkCallbacks,
  OWN_SESSION,
  optionsOf,
  readPrefillOptions,
  readSaveKey,
  readSessionOptions,
} from '../base/options.js';
import { isCloneable } from '../sources/descriptor.js';
import { Completion } from './completion.js';
import { endedBy, Forgotten, keeping } from './disposal.js';

/**
 * @typedef {object} SessionOptions
 * @property {'stop' | 'drop-oldest'} [onFull] what happens where the context is full; by default as the engine has it.
 *   'stop': a completion ends with finishReason 'context', and a prompt that is longer than the context is refused with
 *   CONTEXT_FULL. 'drop-oldest': the head of the text stays, the oldest half of the rest is dropped at once, and the
 *   text goes on. A chat loses whole turns where it can, and of `messages` that do not fit the oldest are left out of
 *   the prompt. What is dropped the model knows no more; `onDrop` and the result tell how much it was. Where it is the
 *   memory that ends before the context, it is as if the context ended there; OUT_OF_MEMORY where that is not enough
 * @property {number} [keepTokens] how many tokens of the head stay; by default the system prompt of a chat, 4 of other texts;
 *   never fewer than 4, nor more than half of the context
 */

/**
 * What a session was saved as.
 * @typedef {object} SavedSession
 * @property {string} key
 * @property {number} tokens
 * @property {number} bytes
 * @property {number} createdAt milliseconds since 1970
 * @property {number} usedAt when it was saved or restored last
 */

/**
 * One timeline of tokens, and what the model has computed of it. An engine has one that is always there, `engine.session`,
 * and any number beside it. Calls on all of them queue up together: one is computed after the other. After close() all
 * fail with SESSION_CLOSED, but for `engine.session`, which is empty then. One that nobody can reach any more is closed
 * some time after, where the platform can tell; `await using` closes it at once.
 */
export class Session {
  #client;
  #number;
  #forgotten;

  /**
   * What Engine and fork() make; not for others to call.
   * @internal
   * @param {import('../protocol/client.js').Client} client
   * @param {number} number
   * @param {Forgotten} forgotten
   */
  constructor(client, number, forgotten) {
    this.#client = client;
    this.#number = number;
    this.#forgotten = forgotten;
    // The engine's own is there as long as the engine.
    if (number !== OWN_SESSION) forgotten.add(this, number);
  }

  /**
   * Makes the prompt the session's content, and writes on from it. `const { text } = await session.complete({ prompt })`
   * gives the whole; `for await (const { text, token } of session.complete({ prompt }))` streams, and leaving the loop
   * stops the completion. It throws nothing: whatever is wrong rejects the completion, wrong options too.
   * @param {import('../index.js').CompletionOptions} options
   * @returns {Completion}
   */
  complete(options) {
    return new Completion(this.#client, this.#number, options, this);
  }

  /**
   * The likeliest tokens to come next; `top` 0: all of them. `tokens` become the session's content, and what both begin
   * with is not computed again; `reusePrefix` false: everything is computed anew. A logit that is NaN counts as
   * -Infinity; where no token has one above that, the call fails with MODEL_COMPUTES_NAN.
   * @param {number[]} tokens
   * @param {{ top?: number, reusePrefix?: boolean, signal?: AbortSignal }} [options]
   * @returns {Promise<{ tokens: number[], top: { id: number, token: string, p: number, logit: number }[] }>}
   */
  async evaluate(tokens, options) {
    const { signal, ...rest } = optionsOf(options);
    return this.#call('evaluate', { tokens, options: rest }, { signal });
  }

  /**
   * ln p of each token given the tokens before it, for tokens[from] to the last. A logit that is NaN counts as -Infinity;
   * where no token has one above that, the call fails with MODEL_COMPUTES_NAN.
   * @param {number[]} tokens
   * @param {{ from?: number, reusePrefix?: boolean, signal?: AbortSignal }} [options] from: 1 unless given, since nothing
   *   comes before the first; what the session has of the tokens before it is kept, unless reusePrefix is false
   * @returns {Promise<Float32Array>}
   */
  async score(tokens, options) {
    const { signal, ...rest } = optionsOf(options);
    return this.#call('score', { tokens, options: rest }, { signal });
  }

  /**
   * Makes `tokens` the session's content. What both begin with is kept, or shared with another session of the engine
   * that has more of it (32 tokens and more); the rest is computed: a common prefix is never computed twice, unless a
   * layer's sliding window has let go of what it would need.
   * @param {number[]} tokens
   * @param {{ reusePrefix?: boolean, signal?: AbortSignal, onProgress?: (progress: { tokens: number, total: number, reusedTokens: number }) => void }} [options]
   *   reusePrefix false: everything is computed anew; after the signal, what was computed stays
   * @returns {Promise<{ reusedTokens: number, computedTokens: number, droppedTokens: number }>} droppedTokens: how many were left out
   *   behind the head, where they do not fit and `onFull` is 'drop-oldest'
   */
  async prefill(tokens, options) {
    const { signal, onProgress, ...rest } = optionsOf(options);
    readPrefillOptions(rest);
    checkCallbacks({ onProgress });
    /** @param {{ prefill: import('../protocol/calls.js').PrefillProgress }} event */
    const onEvent = ({ prefill }) => onProgress?.(prefill);
    return this.#call('sessionPrefill', { tokens, options: rest }, { signal, onEvent });
  }

  /**
   * A session with the same content that goes its own way from here. It shares what was computed until one of the two
   * changes it, so it costs next to nothing. A fork of `engine.session` is a session as any other: it has to be closed.
   * @param {SessionOptions} [options] by default as this session has them
   * @returns {Promise<Session>}
   */
  async fork(options) {
    readSessionOptions(options);
    const { session } = await this.#call('sessionFork', { options });
    return new Session(this.#client, session, this.#forgotten);
  }

  /**
   * Keeps the first `length` tokens and gives the memory of the others back; none where a sliding window has let go of
   * what they would need.
   * @param {number} length
   * @returns {Promise<number>} how many tokens there are now
   */
  truncate(length) {
    return this.#call('sessionTruncate', { length });
  }

  /** The tokens on the timeline. @returns {Promise<number[]>} */
  tokens() {
    return this.#call('sessionTokens', {});
  }

  /**
   * Stores the session in the engine's store, beside its model, in place of an earlier one of that key;
   * engine.restoreSession() brings it back after a reload. The earlier one stays where this fails: with SAVE_NEEDS_STORE,
   * STORE_FULL, SAVE_TOO_LARGE, STORE_MISSING (the model was deleted), CANCELLED. Beyond the engine's `maxSaves` and
   * `maxSavedBytes` the saves that were used longest ago are dropped. Other calls of the engine wait until it is written:
   * of 2,000 tokens of a 1B model 0.1 to 0.5 s, which a copy of its 36 to 67 MB in memory would cost instead.
   * @param {string} key up to 200 characters
   * @param {{ signal?: AbortSignal }} [options]
   * @returns {Promise<SavedSession>}
   */
  async save(key, options) {
    const { signal } = optionsOf(options);
    return this.#call('sessionSave', { key: readSaveKey(key) }, { signal });
  }

  /** The session as bytes that engine.importSession() takes. @param {{ signal?: AbortSignal }} [options] @returns {Promise<Blob>} */
  async export(options) {
    const { signal } = optionsOf(options);
    return this.#call('sessionExport', {}, { signal });
  }

  /**
   * Stops what runs on it and gives its memory back. May be called twice, and after unload(). `engine.session` is emptied
   * by it, and can be used as before.
   */
  async close() {
    this.#forgotten.drop(this);
    await this.#call('sessionClose', {}).catch((error) => {
      if (codeOf(error) !== 'UNLOADED') throw error;
    });
  }

  /**
   * @template {keyof import('../protocol/calls.js').SessionCalls} Name
   * @param {Name} method
   * @param {import('../protocol/calls.js').Calls[Name]['params']} params without the session's number
   * @param {import('../protocol/client.js').CallOptions<Name>} [options]
   * @returns {Promise<import('../protocol/calls.js').Calls[Name]['result']>}
   */
  #call(method, params, options) {
    return keeping(this, this.#client.call(method, { ...params, session: this.#number }, options));
  }
}

endedBy(Session, 'close');

/** An image as a Blob that the worker can be given; what is none crosses as it is, to be refused there. @param {unknown} image */
async function postable(image) {
  if (image instanceof ArrayBuffer || ArrayBuffer.isView(image)) return new Blob([/** @type {BlobPart} */ (image)]);
  if (!(image instanceof Blob) || isCloneable(image)) return image;
  try {
    return new Blob([await image.arrayBuffer()]);
  } catch (error) {
    throw new NibbleError(
      'SOURCE_UNREADABLE',
      `The session could not be read: ${withoutEnd(/** @type {any} */ (error).message)}.`,
      { cause: error },
    );
  }
}

/** What Engine does with sessions. @internal */
export class Sessions {
  #client;
  #forgotten;

  /** @param {import('../protocol/client.js').Client} client */
  constructor(client) {
    this.#client = client;
    this.#forgotten = new Forgotten((session) => client.call('sessionClose', { session }).catch(() => {}));
  }

  /** The one that an engine has from the beginning. */
  own() {
    return this.#session(OWN_SESSION);
  }

  /** @param {SessionOptions} [options] */
  async create(options) {
    readSessionOptions(options);
    const { session } = await this.#client.call('sessionCreate', { options });
    return this.#session(session);
  }

  /** @param {string} key @param {SessionOptions & { signal?: AbortSignal, onDropped?: (reason: NibbleError) => void }} [options] */
  async restore(key, options) {
    const { signal, onDropped, ...rest } = optionsOf(options);
    readSessionOptions(rest);
    checkCallbacks({ onDropped });
    const params = { key: readSaveKey(key), options: rest };
    const { session, problem } = await this.#client.call('sessionRestore', params, { signal });
    if (problem !== null) onDropped?.(NibbleError.fromJSON(problem));
    return session === null ? null : this.#session(session);
  }

  /** @param {unknown} image @param {SessionOptions & { signal?: AbortSignal }} [options] */
  async import(image, options) {
    const { signal, ...rest } = optionsOf(options);
    readSessionOptions(rest);
    const params = { image: await postable(image), options: rest };
    const { session } = await this.#client.call('sessionImport', params, { signal });
    return this.#session(session);
  }

  /** @param {number} number */
  #session(number) {
    return new Session(this.#client, number, this.#forgotten);
  }

  list() {
    return this.#client.call('sessionList', {});
  }

  /** @param {string} key */
  delete(key) {
    return this.#client.call('sessionDelete', { key: readSaveKey(key) });
  }
}
