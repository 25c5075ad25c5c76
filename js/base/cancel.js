// Calls that are cancelled: by an AbortSignal, which ends as an error with the code CANCELLED.
import { NibbleError } from './errors.js';

/** Throws CANCELLED where the signal has been given. @param {AbortSignal | null} [signal] */
export function checkCancelled(signal) {
  if (signal?.aborted) throw new NibbleError('CANCELLED', 'The call was cancelled.');
}

/**
 * Like the promise, but rejected when the signal is given first.
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal | null} [signal]
 * @returns {Promise<T>}
 */
export function untilAborted(promise, signal) {
  if (!signal) return promise;
  let stop = () => {};
  /** @type {Promise<never>} */
  const aborted = new Promise((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener('abort', stop));
}
