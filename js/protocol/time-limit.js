// A time limit for what gives no event when it fails. It counts seconds in which there was time to hear of it: while a
// machine sleeps, a tab is frozen or a loop is blocked no second passes, so only what really fails to come is given up.

const SECOND = 1000;
/** For a worker's file to arrive and begin, from a slow server and on a slow machine too. */
export const START_SECONDS = 60;

/**
 * @param {number} seconds
 * @param {() => void} onEnd called once, unless it is ended before
 * @returns {() => void} ends it; may be called twice
 */
export function startPatience(seconds, onEnd) {
  let left = seconds;
  const timer = setInterval(() => {
    left--;
    if (left > 0) return;
    clearInterval(timer);
    onEnd();
  }, SECOND);
  // In Node a process does not stay for it.
  /** @type {any} */ (timer).unref?.();
  return () => clearInterval(timer);
}
