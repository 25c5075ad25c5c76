// A completion as the caller sees it, while the worker computes it.

import { checkCallbacks, checkSignal, optionsOf, readCompletionOptions } from '../base/options.js';
import { keeping } from './disposal.js';

/** @typedef {import('../base/public-types.js').CompletionResult} CompletionResult */

/**
 * A completion under way: await it for its result, or iterate it for the tokens as they come, or both.
 *
 * - `await` gives what `result` gives: it is a promise too, with then(), catch() and finally().
 * - It may be iterated more than once, also at the same time and when it has ended: every iteration gives all tokens, from
 *   the first on. Leaving any of them before the end stops the completion.
 * - What goes wrong, wrong options among it, is never thrown by complete() itself: it rejects the result, and it is thrown
 *   where the completion is iterated. Whoever does only one of the two learns of it there.
 * - stop(), the signal and leaving a loop are no error: iterations end, and the result, whose finishReason is 'cancelled',
 *   has what was written until then. So it is for one that was aborted before it began.
 * - An async function that returns a completion returns its result, as with any promise.
 * @implements {PromiseLike<CompletionResult>}
 */
export class Completion {
  /** @type {import('../protocol/calls.js').Piece[]} */
  #tokens = [];
  #wake = () => {};
  #news = this.#nextNews();
  #ended = false;
  #controller = new AbortController();

  /**
   * What complete() makes; not for others to call.
   * @internal
   * @param {import('../protocol/client.js').Client} client
   * @param {number} session its number
   * @param {import('../base/completion-options.js').CompletionOptions} options as they were given, which may be anything
   * @param {object} owner what may not be given up while it runs
   */
  constructor(client, session, options, owner) {
    /**
     * The whole of it, once it has ended. It is rejected with whatever goes wrong.
     * @type {Promise<CompletionResult>}
     */
    this.result = keeping(owner, this.#run(client, session, options)).finally(() => {
      this.#ended = true;
      this.#tell();
    });
    // Whoever only iterates learns of an error there.
    this.result.catch(() => {});
  }

  /** @param {import('../protocol/client.js').Client} client @param {number} session @param {import('../base/completion-options.js').CompletionOptions} options */
  async #run(client, session, options) {
    const start = performance.now();
    const { signal, onPrefill, onDrop, ...rest } = optionsOf(options);
    readCompletionOptions(rest);
    checkCallbacks({ onPrefill, onDrop });
    checkSignal(signal);
    /** @type {number | null} */
    let firstTokenMilliseconds = null;
    /** @param {import('../protocol/calls.js').CompletionEvent} event */
    const onEvent = (event) => {
      if (event.prefill) return onPrefill?.(event.prefill);
      if (event.dropped) return onDrop?.(event.dropped);
      firstTokenMilliseconds ??= performance.now() - start;
      this.#tokens.push(event);
      this.#tell();
    };
    const stop = () => this.stop();
    if (signal?.aborted) stop();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      const control = { signal: this.#controller.signal, onEvent };
      const result = await client.call('complete', { ...rest, session }, control);
      return { ...result, firstTokenMilliseconds };
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  /** Ends the completion; the result has what was written until then. @returns {void} */
  stop() {
    this.#controller.abort();
  }

  /**
   * As a promise's, of the result.
   * @template [Fulfilled=CompletionResult]
   * @template [Rejected=never]
   * @param {((result: CompletionResult) => Fulfilled | PromiseLike<Fulfilled>) | null} [onFulfilled] Called with the result.
   * @param {((reason: any) => Rejected | PromiseLike<Rejected>) | null} [onRejected] Called with what went wrong.
   * @returns {Promise<Fulfilled | Rejected>} What these give.
   */
  // biome-ignore lint/suspicious/noThenProperty: it is meant to be awaited.
  then(onFulfilled, onRejected) {
    return this.result.then(onFulfilled, onRejected);
  }

  /**
   * As a promise's, of the result.
   * @template [Rejected=never]
   * @param {((reason: any) => Rejected | PromiseLike<Rejected>) | null} [onRejected] Called with what went wrong.
   * @returns {Promise<CompletionResult | Rejected>} The result, or what this gives.
   */
  catch(onRejected) {
    return this.result.catch(onRejected);
  }

  /**
   * As a promise's, of the result.
   * @param {(() => void) | null} [onFinally] Called when it has ended, one way or the other.
   * @returns {Promise<CompletionResult>} The result.
   */
  finally(onFinally) {
    return this.result.finally(onFinally);
  }

  /** @returns {Promise<void>} */
  #nextNews() {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #tell() {
    this.#wake();
    this.#news = this.#nextNews();
  }

  /**
   * The pieces of the text, from the first on, as they come.
   * @returns {AsyncGenerator<import('../base/public-types.js').CompletionPiece, void, undefined>} The pieces.
   */
  [Symbol.asyncIterator]() {
    const pieces = this.#pieces();
    // A generator that has not begun ends without the rest of it.
    return Object.assign(pieces, {
      return: (/** @type {void} */ value) => {
        this.stop();
        return Object.getPrototypeOf(pieces).return.call(pieces, value);
      },
      throw: (/** @type {unknown} */ reason) => {
        this.stop();
        return Object.getPrototypeOf(pieces).throw.call(pieces, reason);
      },
    });
  }

  /** @returns {AsyncGenerator<import('../base/public-types.js').CompletionPiece, void, undefined>} */
  async *#pieces() {
    try {
      for (let next = 0; ; ) {
        while (next < this.#tokens.length) yield this.#tokens[next++];
        if (this.#ended) break;
        await this.#news;
      }
      await this.result;
    } finally {
      this.stop();
    }
  }
}
