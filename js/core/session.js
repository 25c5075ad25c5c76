// One timeline of tokens in the C core: forks, saves and restores. The Runtime of runtime.js alone touches the heap.
import { runEarlyPass } from './early-pass.js';
import { runPass } from './pass.js';

/** Bytes of a saved session that are read or written at once. */
const PIECE_BYTES = 1 << 20;

/** @typedef {{ signal?: AbortSignal, onPart?: (done: number) => void }} EvaluateControl */
/** @typedef {{ session: number, tokens: number, count: number, targets: number, scores: number }} EvaluateCall heap pointers */

/** One timeline of tokens. */
export class Session {
  #runtime;
  #session;
  #buffer;
  #model;
  #most;

  /** @param {import('./runtime.js').Runtime} runtime @param {number} session a heap pointer @param {import('./runtime.js').Model} model */
  constructor(runtime, session, model) {
    this.#runtime = runtime;
    this.#session = session;
    this.#model = model;
    this.#most = model.sweepSize;
    this.vocabularySize = model.info.vocabularySize;
    try {
      this.#buffer = runtime.allocate(this.#most * 12);
    } catch (error) {
      runtime.c._nibble_session_free(session);
      throw error;
    }
  }

  get length() {
    return this.#runtime.c._nibble_session_length(this.#session);
  }

  /** The tokens on the timeline, as an array. */
  get tokens() {
    const pointer = this.#runtime.c._nibble_session_tokens(this.#session);
    return Array.from(this.#runtime.copy(Int32Array, pointer, this.length));
  }

  /**
   * Appends up to the model's `mostTokens` tokens and computes them. With `targets` (as many; negative: skip) it returns the log
   * probability of each target after its token, as a Float32Array. A promise, since weights may have to come from a
   * store, or not be there yet; one call at a time: until it is settled nothing else may be asked of any session of the model.
   * @param {number[]} tokens
   * @param {number[]} [targets]
   * @param {EvaluateControl} [control] of such a model: the signal ends it between
   *   two blocks, with CANCELLED, and the session is as it was; onPart is told behind each block which part of all is done
   */
  async evaluate(tokens, targets, control) {
    const runtime = this.#runtime;
    const most = this.#model.mostTokens;
    if (tokens.length > most) throw new RangeError(`${tokens.length} tokens, more than ${most}`);
    if (tokens.length <= this.#most) return this.#evaluateAt(this.#buffer, tokens, targets, control);
    const buffer = runtime.allocate(tokens.length * 12);
    try {
      return await this.#evaluateAt(buffer, tokens, targets, control);
    } finally {
      runtime.free(buffer);
    }
  }

  /**
   * @param {number} input a heap pointer to room for the tokens, the targets and the scores
   * @param {number[]} tokens
   * @param {number[] | undefined} targets
   * @param {EvaluateControl | undefined} control
   */
  async #evaluateAt(input, tokens, targets, control) {
    const runtime = this.#runtime;
    const target = input + 4 * tokens.length;
    const output = target + 4 * tokens.length;
    runtime.write(input, Int32Array.from(tokens));
    if (targets) runtime.write(target, Int32Array.from(targets));
    const call = {
      session: this.#session,
      tokens: input,
      count: tokens.length,
      targets: targets ? target : 0,
      scores: targets ? output : 0,
    };
    if (this.#model.weights !== null) await runPass(runtime, call, this.#model.weights, control);
    else if (this.#model.isArriving) await runEarlyPass(runtime, call, this.#model, control);
    else this.#evaluateAtOnce(call);
    return targets ? runtime.copy(Float32Array, output, tokens.length) : null;
  }

  /** @param {EvaluateCall} call */
  #evaluateAtOnce({ session, tokens, count, targets, scores }) {
    const { c } = this.#runtime;
    this.#runtime.checked((error) => c._nibble_session_evaluate(session, tokens, count, targets, scores, error));
  }

  /** Whether there are logits: after an evaluation, and not after a truncation, a shift or a restore. */
  get hasLogits() {
    return this.#runtime.c._nibble_session_logits(this.#session) !== 0;
  }

  /** A copy of the logits after the last token; null where there are none. */
  logits() {
    const pointer = this.#runtime.c._nibble_session_logits(this.#session);
    return pointer === 0 ? null : this.#runtime.copy(Float32Array, pointer, this.vocabularySize);
  }

  /** The next token by `sampler`, of those that `allowed` names: see Sampler.sampleAt(). null: it may be none. @param {import('./sampler.js').Sampler} sampler @param {Uint32Array | null} [allowed] */
  sample(sampler, allowed = null) {
    return sampler.sampleAt(this.#runtime.c._nibble_session_logits(this.#session), allowed);
  }

  /**
   * Keeps the first `length` tokens, or none of them where a sliding window has let go of what they would need.
   * @param {number} length
   * @returns {number} how many tokens there are now
   */
  truncate(length) {
    return this.#runtime.c._nibble_session_truncate(this.#session, length);
  }

  /** Keeps the first `keep` tokens, drops the `drop` tokens behind them, and moves the rest down: see engine.h. @param {number} keep @param {number} drop */
  shift(keep, drop) {
    this.#runtime.checked((error) => this.#runtime.c._nibble_session_shift(this.#session, keep, drop, error));
  }

  /** A session with the same content that goes its own way from here. */
  fork() {
    const session = this.#runtime.checked((error) => this.#runtime.c._nibble_session_fork(this.#session, error));
    return new Session(this.#runtime, session, this.#model);
  }

  /** The session as it is now, as bytes to be read: see Save. */
  save() {
    return new Save(this.#runtime, this.#session);
  }

  close() {
    if (this.#session === 0) return;
    this.#runtime.c._nibble_session_free(this.#session);
    this.#runtime.free(this.#buffer);
    this.#session = 0;
  }
}

/** A moment of a session as bytes. The session may go on meanwhile. */
export class Save {
  #runtime;
  #save;

  /** @param {import('./runtime.js').Runtime} runtime @param {number} session a heap pointer */
  constructor(runtime, session) {
    this.#runtime = runtime;
    this.#save = runtime.checked((error) => runtime.c._nibble_save_create(session, error));
    this.bytes = runtime.c._api_save_bytes(this.#save);
  }

  /** The next bytes, at most `most`; empty at the end. */
  read(most = PIECE_BYTES) {
    const runtime = this.#runtime;
    return runtime.scratch(most, (pointer) => {
      const count = runtime.c._nibble_save_read(this.#save, pointer, most);
      return runtime.copy(Uint8Array, pointer, count);
    });
  }

  close() {
    if (this.#save !== 0) this.#runtime.c._nibble_save_free(this.#save);
    this.#save = 0;
  }
}

/** A saved session on its way back. On an error (SAVE_DAMAGED, SAVE_MISMATCH, CONTEXT_FULL) only close() is left. */
export class Restore {
  #runtime;
  #restore;
  #model;

  /** @param {import('./runtime.js').Runtime} runtime @param {number} engine a heap pointer @param {import('./runtime.js').Model} model */
  constructor(runtime, engine, model) {
    this.#runtime = runtime;
    this.#model = model;
    this.#restore = runtime.checked((error) => runtime.c._nibble_restore_create(engine, error));
  }

  /** Takes the next bytes of the save, in pieces of any size. @param {Uint8Array} bytes */
  write(bytes) {
    const runtime = this.#runtime;
    runtime.scratch(Math.max(1, Math.min(PIECE_BYTES, bytes.length)), (pointer) => {
      for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
        const piece = bytes.subarray(start, start + PIECE_BYTES);
        runtime.write(pointer, piece);
        runtime.checked((error) => runtime.c._nibble_restore_write(this.#restore, pointer, piece.length, error));
      }
    });
  }

  /** The session, which has no logits yet. */
  finish() {
    const runtime = this.#runtime;
    const session = runtime.checked((error) => runtime.c._nibble_restore_finish(this.#restore, error));
    return new Session(runtime, session, this.#model);
  }

  close() {
    if (this.#restore !== 0) this.#runtime.c._nibble_restore_free(this.#restore);
    this.#restore = 0;
  }
}
