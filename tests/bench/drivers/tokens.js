// The made-up prompts that every engine gets: ids that any vocabulary has, the same in every run.
// Constants: Numerical Recipes' 32-bit generator.

/** @param {number} count @returns {number[]} */
export function madeUpTokens(count) {
  let state = 1;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 10 + (state % 240);
  });
}
