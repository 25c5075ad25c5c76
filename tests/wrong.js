// What tests pass on purpose though the types forbid it.

/**
 * A value that its taker has to refuse, or to stand: of no type that a caller in TypeScript could give.
 * @param {unknown} value
 * @returns {any}
 */
export const wrong = (value) => value;
