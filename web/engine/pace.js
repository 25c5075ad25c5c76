// How fast a download comes, or a file is read, once that can be told.

// In the first moment a rate is that of whatever came first.
const SETTLE_MILLISECONDS = 1000;

/** Follows one load from its beginning. */
export class Pace {
  #now;
  /** @type {string | null} */
  #phase = null;
  #since = 0;

  /** @param {() => number} [now] milliseconds */
  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /**
   * @template {{ phase: string, bytesPerSecond: number, secondsLeft: number | null }} Progress
   * @param {Progress} progress as createEngine() and import() tell it
   * @returns {Progress} the same, without a rate and a time where it is too early for them
   */
  settle(progress) {
    const now = this.#now();
    if (progress.phase !== this.#phase) {
      this.#phase = progress.phase;
      this.#since = now;
    }
    return now - this.#since < SETTLE_MILLISECONDS ? { ...progress, bytesPerSecond: 0, secondsLeft: null } : progress;
  }
}
