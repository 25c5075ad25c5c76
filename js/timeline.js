// A session together with the tokens that are on it, so that a new prompt reuses what it has in common with the last.
import { NibbleError } from './errors.js';
import { checkCancelled } from './loader.js';

// A piece of a prompt should not keep the worker from its messages for longer.
const PIECE_MILLISECONDS = 50;
// Below this the weights are read again for so few tokens that a prompt would take several times as long.
const LEAST_PIECE = 32;

export class Timeline {
  #session;
  #tokens = [];
  #contextSize;
  #batchSize;
  #tokensPerMillisecond = 0;

  /** Takes over the session of a model. */
  constructor(model) {
    this.#session = model.createSession();
    this.#contextSize = model.info.contextSize;
    this.#batchSize = model.batchSize;
  }

  get length() {
    return this.#tokens.length;
  }

  get isFull() {
    return this.#tokens.length >= this.#contextSize;
  }

  /**
   * Keeps the first `length` tokens, or none where a sliding window has let go of what they would need.
   * @returns {number} how many tokens there are now
   */
  truncate(length) {
    this.#tokens.length = this.#session.truncate(length);
    return this.#tokens.length;
  }

  /**
   * Makes `tokens` the timeline's content. The common prefix is kept where `reuse` says so, but for the last token,
   * whose logits are wanted.
   * @param {number[]} tokens
   * @param {{ reuse: boolean, onStart?: (kept: number) => void }} options and those of append(); `onStart` is told how
   *   many tokens are reused, before the others are computed
   * @returns {Promise<number>} how many tokens were reused
   */
  async replace(tokens, { reuse, onStart, ...options }) {
    if (tokens.length === 0) {
      throw new NibbleError(
        'INVALID_ARGUMENT',
        'There is no token to go on from: the prompt is empty. Give it some text.',
      );
    }
    this.#checkRoom(tokens.length);
    checkCancelled(options.signal);
    let kept = 0;
    while (reuse && kept < tokens.length - 1 && this.#tokens[kept] === tokens[kept]) kept++;
    kept = this.truncate(kept);
    onStart?.(kept);
    await this.append(tokens.slice(kept), options);
    return kept;
  }

  /**
   * Appends tokens in pieces and lets the event loop run in between.
   * @param {number[]} tokens
   * @param {{ turn: { next: () => Promise<void> }, signal?: AbortSignal, targets?: number[], wholeBatches?: boolean,
   *   onPiece?: (count: number) => void }} options `targets`: one for each token, negative to skip it; `wholeBatches`:
   *   the largest pieces, whatever time they take
   * @returns {Promise<Float32Array | null>} with `targets`, their log probabilities
   */
  async append(tokens, { turn, signal, targets, wholeBatches = false, onPiece }) {
    this.#checkRoom(this.length + tokens.length);
    const scores = targets ? new Float32Array(tokens.length) : null;
    for (let start = 0; start < tokens.length; ) {
      if (start > 0) await turn.next();
      checkCancelled(signal);
      const end = Math.min(tokens.length, start + (wholeBatches ? this.#batchSize : this.#pieceSize()));
      const before = performance.now();
      const piece = await this.extend(tokens.slice(start, end), targets?.slice(start, end));
      this.#tokensPerMillisecond = (end - start) / Math.max(0.01, performance.now() - before);
      scores?.set(piece, start);
      onPiece?.(end - start);
      start = end;
    }
    return scores;
  }

  /** Appends up to one batch at once. @returns {Promise<Float32Array | null>} with `targets`, as append() */
  async extend(tokens, targets) {
    const scores = await this.#session.evaluate(tokens, targets);
    for (const token of tokens) this.#tokens.push(token);
    return scores;
  }

  sample(sampler) {
    return this.#session.sample(sampler);
  }

  logits() {
    return this.#session.logits();
  }

  close() {
    this.#session.close();
  }

  #pieceSize() {
    const fitting = Math.floor(this.#tokensPerMillisecond * PIECE_MILLISECONDS);
    return Math.min(this.#batchSize, Math.max(LEAST_PIECE, fitting));
  }

  #checkRoom(length) {
    if (length <= this.#contextSize) return;
    throw new NibbleError(
      'CONTEXT_FULL',
      `The text has ${length} tokens, and the context holds ${this.#contextSize}. Shorten it, or create the engine with a larger contextSize.`,
      { details: { tokens: length, contextSize: this.#contextSize } },
    );
  }
}
