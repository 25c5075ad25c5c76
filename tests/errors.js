// Checks of the library's errors, for assert.rejects() and assert.throws().
import { NibbleError } from '../js/base/errors.js';

/** Whether it is an error of the library, of this code. @param {string | string | RegExp | ReadableStream<any>} expected @returns {(error: unknown) => boolean} */
export const code = (expected) => (error) => error instanceof NibbleError && error.code === expected;
