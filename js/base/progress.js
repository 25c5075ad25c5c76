// How far something is, told often enough for people and seldom enough for the worker.

const PROGRESS_MILLISECONDS = 100;

/** @typedef {import('./public-types.js').Progress} Progress */
/** @typedef {readonly [from: number, to: number]} Share of a whole that has several passes: where a pass begins and ends */

/** @type {Share} */
const WHOLE = [0, 1];
/** Of what only goes on beside a pass. @type {Share} */
export const BESIDE = [0, 0];

/**
 * Tells on how far a whole is that has several phases and passes: its fraction never goes back, whatever a later pass has
 * reached by itself, and a phase that only waits or prepares leaves it as it is.
 * @template {{ fraction: number }} Told
 * @param {((progress: Told) => unknown) | undefined} onProgress
 */
export function rising(onProgress) {
  if (onProgress === undefined) return undefined;
  let fraction = 0;
  return (/** @type {Told} */ progress) => {
    fraction = Math.max(fraction, progress.fraction);
    return onProgress({ ...progress, fraction });
  };
}

/**
 * Tells how far something is, now and then: what comes sooner is told later, so that the last is never left out.
 * @param {Progress['phase']} phase
 * @param {number} total
 * @param {(progress: Progress) => void} onProgress
 * @param {{ from?: number, share?: Share }} [pass] `from`: how much there was at the start, which no rate counts;
 *   `share`: which part of the whole it is, by default all of it
 * @returns {(loaded: number, done?: boolean) => void} `done`: nothing comes after it
 */
export function progressReporter(phase, total, onProgress, { from = 0, share = WHOLE } = {}) {
  const start = performance.now();
  let last = -Infinity;
  let latest = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const tell = () => {
    clearTimeout(timer);
    timer = undefined;
    const loaded = latest;
    const now = performance.now();
    last = now;
    const bytesPerSecond = (loaded - from) / Math.max(0.001, (now - start) / 1000);
    const secondsLeft = Math.max(0, total - loaded) / Math.max(1, bytesPerSecond);
    const done = Math.min(loaded, total);
    const [begin, end] = share;
    const fraction = begin + (end - begin) * (total > 0 ? done / total : 1);
    onProgress({ phase, loaded: done, total, fraction, bytesPerSecond, secondsLeft });
  };
  return (loaded, done = false) => {
    latest = loaded;
    const wait = last + PROGRESS_MILLISECONDS - performance.now();
    if (done || wait <= 0) tell();
    else timer ??= setTimeout(tell, wait);
  };
}
