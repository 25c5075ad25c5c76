// How long to wait before a failed request is made again, and when to give up.
import { failureOf } from './errors.js';

const LONGEST_MILLISECONDS = 30_000;
// A server that asks for a longer rest than this is not waited for.
const LONGEST_REST_MILLISECONDS = 5 * 60 * 1000;

/**
 * What is known of the machine's own connection.
 * @typedef {object} Network
 * @property {() => boolean} online false only where it is surely down
 * @property {(listener: () => void) => () => void} onOnline calls when it comes back; gives the way to stop listening
 */

/** The network as a browser tells of it; elsewhere always up. @returns {Network} */
export function systemNetwork() {
  const tells = typeof globalThis.addEventListener === 'function';
  return {
    online: () => globalThis.navigator?.onLine !== false,
    onOnline(listener) {
      if (!tells) return () => {};
      globalThis.addEventListener('online', listener);
      return () => globalThis.removeEventListener('online', listener);
    },
  };
}

/**
 * Doubles with every failure and is spread at random over its upper half, so that many who were cut off at once do not
 * come back at once.
 * @param {number} failures in a row, from 1 up
 * @param {number} first milliseconds
 */
export function backoff(failures, first, random = Math.random) {
  const longest = Math.min(LONGEST_MILLISECONDS, first * 2 ** (failures - 1));
  return longest * (0.5 + random() / 2);
}

/**
 * Waits; ends early when the network comes back or the signal is given.
 * @param {number} milliseconds
 * @param {{ signal: AbortSignal, network: Network }} early
 * @returns {Promise<void>}
 */
export function pause(milliseconds, { signal, network }) {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      silence();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    const silence = network.onOnline(end);
    signal.addEventListener('abort', end, { once: true });
  });
}

/**
 * A connection waits before it tries again.
 * @typedef {{ state: 'waiting', failures: number, milliseconds: number, error: unknown }} Waiting
 */

/** Counts the failures in a row of one connection. */
export class Patience {
  #failures = 0;
  #options;

  /**
   * @param {{ retries: number, retryMilliseconds: number, signal: AbortSignal, network: Network,
   *   onState?: (state: Waiting) => void }} options
   */
  constructor(options) {
    this.#options = options;
  }

  get exhausted() {
    return this.#failures >= this.#options.retries;
  }

  /** Something came through. */
  renew() {
    this.#failures = 0;
  }

  /** Waits as long as is due after this error. @throws the error, where trying again is of no use or was tried enough @param {unknown} error */
  async after(error) {
    const { retryMilliseconds, signal, onState } = this.#options;
    const { retryAfterMilliseconds: rest = 0, retriable } = failureOf(error);
    const hopeless = retriable !== true || rest > LONGEST_REST_MILLISECONDS;
    if (hopeless || this.exhausted || signal.aborted) throw error;
    this.#failures++;
    const milliseconds = Math.max(rest, backoff(this.#failures, retryMilliseconds));
    onState?.({ state: 'waiting', failures: this.#failures, milliseconds, error });
    await pause(milliseconds, this.#options);
    if (signal.aborted) throw error;
  }
}
