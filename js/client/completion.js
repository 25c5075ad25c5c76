// A completion as the caller sees it, while the worker computes it.

import { checkSignal } from '../base/options.js';
import { keeping } from './disposal.js';

/**
 * A completion under way. It may be iterated more than once, also at the same time and when it has ended: every iteration
 * gives all tokens, from the first on. Leaving any of them before the end stops the completion.
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
   * @param {import('../protocol/calls.js').Calls['complete']['params']} params
   * @param {Pick<import('../index.js').CompletionOptions, 'signal' | 'onPrefill' | 'onDrop'> & { owner: object }} control
   */
  constructor(client, params, { signal, onPrefill, onDrop, owner }) {
    const stop = () => this.stop();
    checkSignal(signal);
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) stop();
    /** @param {import('../protocol/calls.js').CompletionEvent} event */
    const onEvent = (event) => {
      if (event.prefill) return onPrefill?.(event.prefill);
      if (event.dropped) return onDrop?.(event.dropped);
      this.#tokens.push(event);
      this.#tell();
    };
    const running = client.call('complete', params, { signal: this.#controller.signal, onEvent });
    /** @type {Promise<import('../base/public-types.js').CompletionResult>} */
    this.result = keeping(owner, running).finally(() => {
      signal?.removeEventListener('abort', stop);
      this.#ended = true;
      this.#tell();
    });
    // Whoever only iterates learns of an error there.
    this.result.catch(() => {});
  }

  /** Ends the completion; the result has what was written until then. */
  stop() {
    this.#controller.abort();
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

  /** @returns {AsyncGenerator<{ text: string, token: number | null }, void, undefined>} token null: text that was held back */
  async *[Symbol.asyncIterator]() {
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
