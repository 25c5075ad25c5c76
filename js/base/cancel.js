// Calls that are cancelled by an AbortSignal. Inside, and in the worker, that ends as an error with the code CANCELLED; what
// the caller is told is the signal's reason, where it has one of its own.
import { NibbleError } from './errors.js';

/**
 * What a call is rejected with whose signal was given, as fetch() is: the signal's reason. Where nobody has given a reason,
 * it is `error`, and its cause the AbortError that stands for it.
 * @param {AbortSignal} signal that was given
 * @param {NibbleError} [error] with the code CANCELLED
 * @returns {unknown} a reason may be anything
 */
export function reasonOf(signal, error = new NibbleError('CANCELLED', 'The call was cancelled.')) {
  const { reason } = signal;
  if (reason !== undefined && reason?.name !== 'AbortError') return reason;
  error.cause = reason;
  return error;
}

/**
 * What a call is rejected with that ended by `thrown`: where its signal ended it, the signal's reason.
 * @param {unknown} thrown
 * @param {AbortSignal | null} [signal] of the call
 */
export const toldOf = (thrown, signal) =>
  signal?.aborted && thrown instanceof NibbleError && thrown.code === 'CANCELLED' ? reasonOf(signal, thrown) : thrown;

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
