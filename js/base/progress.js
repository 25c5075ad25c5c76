// How far something is, told often enough for people and seldom enough for the worker.

const PROGRESS_MILLISECONDS = 100;

/**
 * Tells how far something is, now and then: what comes sooner is told later, so that the last is never left out.
 * @param {import('./public-types.js').Progress['phase']} phase
 * @param {number} total
 * @param {(progress: import('./public-types.js').Progress) => void} onProgress
 * @param {number} [from] how much there was at the start, which no rate counts
 * @returns {(loaded: number, done?: boolean) => void} `done`: nothing comes after it
 */
export function progressReporter(phase, total, onProgress, from = 0) {
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
    onProgress({ phase, loaded: Math.min(loaded, total), total, bytesPerSecond, secondsLeft });
  };
  return (loaded, done = false) => {
    latest = loaded;
    const wait = last + PROGRESS_MILLISECONDS - performance.now();
    if (done || wait <= 0) tell();
    else timer ??= setTimeout(tell, wait);
  };
}
