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

/** @typedef {import('../base/call-options.js').CancelOptions} CancelOptions */
/** @typedef {import('../base/call-options.js').EvaluateOptions} EvaluateOptions */
/** @typedef {import('../base/call-options.js').Evaluation} Evaluation */
/** @typedef {import('../base/call-options.js').ImportSessionOptions} ImportSessionOptions */
/** @typedef {import('../base/call-options.js').PrefillOptions} PrefillOptions */
/** @typedef {import('../base/call-options.js').PrefillResult} PrefillResult */
/** @typedef {import('../base/call-options.js').RestoreOptions} RestoreOptions */
/** @typedef {import('../base/call-options.js').SavedSession} SavedSession */
/** @typedef {import('../base/call-options.js').ScoreOptions} ScoreOptions */
/** @typedef {import('../base/completion-options.js').CompletionOptions} CompletionOptions */
/** @typedef {import('../base/engine-options.js').SessionOptions} SessionOptions */

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
   * @param {CompletionOptions} options What to begin with, and how to go on.
   * @returns {Completion} The completion, which is under way.
   */
  complete(options) {
    return new Completion(this.#client, this.#number, options, this);
  }

  /**
   * Tells the likeliest tokens to come next. `tokens` become the session's content, and what both begin with is not computed
   * again. A logit that is NaN counts as -Infinity.
   * @param {number[]} tokens Ids of tokens.
   * @param {EvaluateOptions} [options] What to tell, and what may be kept.
   * @returns {Promise<Evaluation>} What may come next.
   * @throws {NibbleError} `CONTEXT_FULL`, `OUT_OF_MEMORY`; `MODEL_COMPUTES_NAN` where no token has a logit above -Infinity.
   */
  async evaluate(tokens, options) {
    const { signal, ...rest } = optionsOf(options);
    return this.#call('evaluate', { tokens, options: rest }, { signal });
  }

  /**
   * Tells ln p of each token given the tokens before it. `tokens` become the session's content. A logit that is NaN counts as
   * -Infinity.
   * @param {number[]} tokens Ids of tokens.
   * @param {ScoreOptions} [options] Where to begin, and what may be kept.
   * @returns {Promise<Float32Array>} ln p of tokens[from] to the last.
   * @throws {NibbleError} `CONTEXT_FULL`, `OUT_OF_MEMORY`; `MODEL_COMPUTES_NAN` where no token has a logit above -Infinity.
   */
  async score(tokens, options) {
    const { signal, ...rest } = optionsOf(options);
    return this.#call('score', { tokens, options: rest }, { signal });
  }

  /**
   * Makes `tokens` the session's content. What both begin with is kept, or shared with another session of the engine
   * that has more of it (32 tokens and more); the rest is computed: a common prefix is never computed twice, unless a
   * layer's sliding window has let go of what it would need.
   * @param {number[]} tokens Ids of tokens.
   * @param {PrefillOptions} [options] What may be kept, and how it is followed.
   * @returns {Promise<PrefillResult>} How many tokens were computed.
   * @throws {NibbleError} `CONTEXT_FULL`, `OUT_OF_MEMORY`.
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
   * @param {SessionOptions} [options] Default: as this session has them.
   * @returns {Promise<Session>} The fork. It has to be closed.
   * @throws {NibbleError} `OUT_OF_MEMORY`.
   */
  async fork(options) {
    readSessionOptions(options);
    const { session } = await this.#call('sessionFork', { options });
    return new Session(this.#client, session, this.#forgotten);
  }

  /**
   * Keeps the first `length` tokens and gives the memory of the others back; none where a sliding window has let go of
   * what they would need.
   * @param {number} length How many tokens to keep.
   * @returns {Promise<number>} How many tokens there are now.
   */
  truncate(length) {
    return this.#call('sessionTruncate', { length });
  }

  /** The tokens on the timeline. @returns {Promise<number[]>} Their ids. */
  tokens() {
    return this.#call('sessionTokens', {});
  }

  /**
   * Stores the session in the engine's store, beside its model, in place of an earlier one of that key.
   * {@link Engine.restoreSession} brings it back after a reload. Beyond the engine's `maxSaves` and `maxSavedBytes`, the saves that
   * were used longest ago are deleted. Other calls of the engine wait until it is written: 0.1 to 0.5 s for 2,000 tokens of a
   * model of 1B.
   * @param {string} key Its name: 1 to 200 characters on one line.
   * @param {CancelOptions} [options] How it is ended.
   * @returns {Promise<SavedSession>} What it was saved as.
   * @throws {NibbleError} `SAVE_NEEDS_STORE`, `STORE_FULL`, `SAVE_TOO_LARGE`; `STORE_MISSING` where the model was deleted. The earlier
   *   save stays then.
   */
  async save(key, options) {
    const { signal } = optionsOf(options);
    return this.#call('sessionSave', { key: readSaveKey(key) }, { signal });
  }

  /**
   * The session as bytes that {@link Engine.importSession} takes.
   * @param {CancelOptions} [options] How it is ended.
   * @returns {Promise<Blob>} The bytes.
   */
  async export(options) {
    const { signal } = optionsOf(options);
    return this.#call('sessionExport', {}, { signal });
  }

  /**
   * Stops what runs on it and gives its memory back. May be called twice, and after unload(). `engine.session` is emptied
   * by it, and can be used as before.
   * @returns {Promise<void>} Ends when that is done.
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

  /** @param {string} key @param {RestoreOptions} [options] */
  async restore(key, options) {
    const { signal, onDropped, ...rest } = optionsOf(options);
    readSessionOptions(rest);
    checkCallbacks({ onDropped });
    const params = { key: readSaveKey(key), options: rest };
    const { session, problem } = await this.#client.call('sessionRestore', params, { signal });
    if (problem !== null) onDropped?.(NibbleError.fromJSON(problem));
    return session === null ? null : this.#session(session);
  }

  /** @param {unknown} image @param {ImportSessionOptions} [options] */
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
