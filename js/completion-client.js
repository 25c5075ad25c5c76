// A completion as the caller sees it, while the worker computes it.
import { checkSignal } from './options.js';

/** A completion under way. Iterate it once. */
export class Completion {
  #tokens = [];
  #wake = () => {};
  #ended = false;
  #controller = new AbortController();

  /** What complete() makes; not for others to call. */
  constructor(client, params, { signal, onPrefill, onDrop }) {
    const stop = () => this.stop();
    checkSignal(signal);
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) stop();
    const onEvent = (event) => {
      if (event.prefill) return onPrefill?.(event.prefill);
      if (event.dropped) return onDrop?.(event.dropped);
      this.#tokens.push(event);
      this.#wake();
    };
    /** @type {Promise<import('./completion.js').CompletionResult>} */
    this.result = client.call('complete', params, { signal: this.#controller.signal, onEvent }).finally(() => {
      signal?.removeEventListener('abort', stop);
      this.#ended = true;
      this.#wake();
    });
    // Whoever only iterates learns of an error there.
    this.result.catch(() => {});
  }

  /** Ends the completion; the result has what was written until then. */
  stop() {
    this.#controller.abort();
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (;;) {
        while (this.#tokens.length > 0) yield this.#tokens.shift();
        if (this.#ended) break;
        await new Promise((resolve) => {
          this.#wake = resolve;
        });
      }
      await this.result;
    } finally {
      this.stop();
    }
  }
}
