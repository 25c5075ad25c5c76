// What a test knows to be there.

/**
 * The value, which is there.
 * @template T
 * @param {T} value
 * @returns {NonNullable<T>}
 */
export function present(value) {
  if (value === null || value === undefined) throw new TypeError(`There is ${value} where the test needs a value.`);
  return value;
}
