// A session together with the tokens that are on it, so that a new prompt reuses what it has in common with the last.

import { checkCancelled } from '../base/cancel.js';
import { codeOf, contextFull, NibbleError } from '../base/errors.js';
import { commonPrefix, longestRun } from './token-runs.js';

// A piece of a prompt should not keep the worker from its messages for longer.
const PIECE_MILLISECONDS = 50;
// Below this the weights are read again for so few tokens that a prompt would take several times as long.
const LEAST_PIECE = 32;
// Products take so many tokens at once (PANEL_TOKENS in src/kernels.h).
const PANEL = 4;
// A shift rounds all keys behind it once more: for fewer tokens than that it is not worth it.
const LEAST_SHIFTED = 32;
// What another timeline has costs a page's copy in every layer as soon as one of the two goes on.
const LEAST_SHARED = 32;

/**
 * @typedef {object} AppendOptions
 * @property {import('../base/scheduler.js').Scheduler} scheduler
 * @property {AbortSignal} [signal]
 * @property {number[]} [targets] one for each token, negative to skip it
 * @property {boolean} [wholeBatches] the largest pieces, whatever time they take
 * @property {(count: number) => void} [onPiece]
 */

export class Timeline {
  #model;
  #session;
  #tokens;
  #others;
  // So many tokens from the front are as computing them anew would have them; a shift's rounding is nothing to share.
  #computed;
  #tokensPerMillisecond = 0;

  /**
   * @param {import('../core/runtime.js').Model} model
   * @param {{ session?: import('../core/session.js').Session, computed?: number, others?: () => Iterable<Timeline> }} [from]
   *   session: one of the model's, which is the timeline's from here on; computed: how much of its beginning is as
   *   computed and not shifted; others: timelines of the model, whose beginnings this one may share
   */
  constructor(model, { session = model.createSession(), computed = Infinity, others = () => [] } = {}) {
    this.#model = model;
    this.#session = session;
    this.#tokens = session.tokens;
    this.#computed = computed;
    this.#others = others;
    this.contextSize = model.info.contextSize;
  }

  /** The tokens on it; not to be changed. @returns {readonly number[]} */
  get tokens() {
    return this.#tokens;
  }

  get length() {
    return this.#tokens.length;
  }

  get isFull() {
    return this.#tokens.length >= this.contextSize;
  }

  /**
   * Keeps the first `length` tokens, or none where a sliding window has let go of what they would need.
   * @param {number} length
   * @returns {number} how many tokens there are now
   */
  truncate(length) {
    this.#tokens.length = this.#session.truncate(length);
    if (this.#tokens.length <= this.#computed) this.#computed = Infinity;
    return this.#tokens.length;
  }

  /**
   * Keeps what it has in common with `tokens` at their beginning, or takes what another timeline has, if that is more:
   * the keys and values are shared, nothing is computed.
   * @param {number[]} tokens
   * @returns {number} how many tokens there are now
   */
  keep(tokens) {
    return this.truncate(this.#share(tokens, commonPrefix(this.#tokens, tokens)));
  }

  /**
   * Makes `tokens` the timeline's content. What the two have in common at their beginning is kept where `reuse` says so.
   * @param {number[]} tokens
   * @param {{ reuse: boolean, shift?: boolean, wantsLogits?: boolean, onStart?: (kept: number) => void } & AppendOptions} options and
   *   those of append(); `shift`: also keep what has moved down because something before it was left out, by
   *   Session.shift(); `wantsLogits`: those after the last token, for which it may have to be computed again; true;
   *   `onStart` is told how many tokens are kept, before the others are computed
   * @returns {Promise<number>} how many tokens were kept
   */
  async replace(tokens, { reuse, shift = false, wantsLogits = true, onStart, ...options }) {
    checkCancelled(options.signal);
    if (tokens.length === 0) {
      throw new NibbleError(
        'INVALID_ARGUMENT',
        'There is no token to go on from: the prompt is empty. Give it some text.',
      );
    }
    this.checkRoom(tokens.length);
    const kept = reuse ? this.#reuse(tokens, shift, wantsLogits) : this.truncate(0);
    onStart?.(kept);
    await this.append(tokens.slice(kept), options);
    return kept;
  }

  /** @param {number[]} tokens @param {boolean} shift @param {boolean} wantsLogits */
  #reuse(tokens, shift, wantsLogits) {
    let common = commonPrefix(this.#tokens, tokens);
    if (shift) common = this.#shiftDown(tokens, common);
    common = this.#share(tokens, common);
    const ends = common === tokens.length && wantsLogits;
    if (ends && common === this.length && this.#session.hasLogits) return common;
    return this.truncate(ends ? common - 1 : common);
  }

  /**
   * Becomes a fork of the timeline that has most in common with `tokens`, if that is worth it.
   * @param {number[]} tokens
   * @param {number} common
   * @returns {number} how much is in common now; the timeline may be longer
   */
  #share(tokens, common) {
    /** @type {Timeline | null} */
    let origin = null;
    let most = common + LEAST_SHARED - 1;
    for (const other of this.#others()) {
      const length = other === this ? 0 : Math.min(commonPrefix(other.#tokens, tokens), other.#computed);
      if (length > most) [origin, most] = [other, length];
    }
    const session = origin && this.#forkOf(origin);
    if (session === null) return common;
    // Sliding windows may have let go of it.
    if (session.truncate(most) < most) {
      session.close();
      return common;
    }
    this.#session.close();
    this.#session = session;
    this.#tokens = session.tokens;
    this.#computed = Infinity;
    return most;
  }

  /** @param {Timeline} other */
  #forkOf(other) {
    try {
      return other.#session.fork();
    } catch (error) {
      if (codeOf(error) !== 'OUT_OF_MEMORY') throw error;
      return null;
    }
  }

  /** Moves down what stands further up than in `tokens`, if that is worth it. Returns how much is in common now. @param {number[]} tokens @param {number} common */
  #shiftDown(tokens, common) {
    const { start, length } = longestRun(tokens.slice(common), this.#tokens.slice(common));
    if (start === 0 || length < LEAST_SHIFTED) return common;
    return this.#shift(common, start) ? common + length : common;
  }

  /** @param {number} keep @param {number} count @returns {boolean} whether it was possible: sliding windows may have let go of what would be needed */
  #shift(keep, count) {
    try {
      this.#session.shift(keep, count);
    } catch (error) {
      if (codeOf(error) === 'INVALID_ARGUMENT') return false;
      throw error;
    }
    this.#tokens.splice(keep, count);
    this.#computed = Math.min(this.#computed, keep);
    return true;
  }

  /**
   * Makes room: keeps the first `keep` tokens and drops the `count` behind them. Where a sliding window has let go of
   * what a shift would need, the rest is computed anew.
   * @param {number} keep
   * @param {number} count
   * @param {AppendOptions} options
   */
  async drop(keep, count, options) {
    if (this.#shift(keep, count)) return;
    const rest = [...this.#tokens.slice(0, keep), ...this.#tokens.slice(keep + count)];
    this.truncate(0);
    await this.append(rest, options);
  }

  /** A timeline with the same content that goes its own way from here. */
  fork() {
    const session = this.#session.fork();
    try {
      return new Timeline(this.#model, { session, computed: this.#computed, others: this.#others });
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /** The timeline as it is now, as bytes to be read. @returns {import('../core/session.js').Save} */
  save() {
    return this.#session.save();
  }

  /**
   * Appends tokens in pieces and lets the event loop run in between.
   * @param {number[]} tokens
   * @param {AppendOptions} options
   * @returns {Promise<Float32Array | null>} with `targets`, their log probabilities
   */
  async append(tokens, { scheduler, signal, targets, wholeBatches = false, onPiece }) {
    this.checkRoom(this.length + tokens.length);
    const scores = targets ? new Float32Array(tokens.length) : null;
    for (let start = 0; start < tokens.length; ) {
      if (start > 0) await scheduler.nextTask();
      checkCancelled(signal);
      const most = wholeBatches ? this.#model.mostTokens : this.#pieceSize();
      const end = Math.min(tokens.length, start + most);
      const waits = this.#model.isArriving;
      const before = performance.now();
      const piece = await this.#appendPiece(tokens.slice(start, end), targets?.slice(start, end), signal, onPiece);
      if (!waits) this.#tokensPerMillisecond = (end - start) / Math.max(0.01, performance.now() - before);
      if (piece !== null) scores?.set(piece, start);
      start = end;
    }
    return scores;
  }

  /** Tells onPiece part by part what of a long piece is done, and takes it back where it fails. @param {number[]} tokens @param {number[] | undefined} targets @param {AbortSignal | undefined} signal @param {AppendOptions['onPiece']} onPiece */
  async #appendPiece(tokens, targets, signal, onPiece) {
    let told = 0;
    /** @param {number} count */
    const tell = (count) => {
      if (count !== told) onPiece?.(count - told);
      told = count;
    };
    try {
      const scores = await this.extend(tokens, targets, signal, (done) => tell(Math.floor(done * tokens.length)));
      tell(tokens.length);
      return scores;
    } catch (error) {
      tell(0);
      throw error;
    }
  }

  /**
   * Appends up to one piece at once.
   * @param {number[]} tokens
   * @param {number[]} [targets]
   * @param {AbortSignal} [signal]
   * @param {(done: number) => void} [onPart]
   * @returns {Promise<Float32Array | null>} with `targets`, as append()
   */
  async extend(tokens, targets, signal, onPart) {
    const scores = await this.#session.evaluate(tokens, targets, { signal, onPart });
    for (const token of tokens) this.#tokens.push(token);
    return scores;
  }

  /** As Session.sample(). @param {import('../core/sampler.js').Sampler} sampler @param {Uint32Array | null} [allowed] */
  sample(sampler, allowed = null) {
    return this.#session.sample(sampler, allowed);
  }

  logits() {
    return this.#session.logits();
  }

  close() {
    this.#session.close();
  }

  #pieceSize() {
    const { mostTokens } = this.#model;
    // Every piece would read the weights that stream again, or wait for those that arrive; messages get in between two
    // blocks.
    if (this.#model.streams || this.#model.isArriving) return mostTokens;
    const fitting = Math.floor(this.#tokensPerMillisecond * PIECE_MILLISECONDS);
    return Math.min(mostTokens, Math.max(LEAST_PIECE, fitting - (fitting % PANEL)));
  }

  /** @param {number} length @throws {NibbleError} CONTEXT_FULL where so many tokens have no room */
  checkRoom(length) {
    if (length <= this.contextSize) return;
    const { contextSize } = this;
    const problem = `The text has ${length} tokens, and the context holds ${contextSize}.`;
    throw contextFull(problem, { tokens: length, contextSize, shorten: 'it' });
  }
}
