// Random choices that a seed gives again.

/** @param {number} seed a whole number below 2^32 */
export function createRandom(seed) {
  let state = seed >>> 0;
  /** A whole number from 0 to bound - 1. @param {number} bound */
  const below = (bound) => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
  return {
    below,
    /** Whether something happens that does so once in `times`. @param {number} times */
    once: (times) => below(times) === 0,
    /** @template T @param {readonly T[]} list @returns {T} */
    pick: (list) => list[below(list.length)],
  };
}

/** The seed of one case of many. @param {number} seed @param {number} index */
export const seedOf = (seed, index) =>
  (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(index + 1, 0xc2b2ae35)) >>> 0;

/** @typedef {ReturnType<typeof createRandom>} Random */
