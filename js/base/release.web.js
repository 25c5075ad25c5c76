// The release of the library in a browser: the build writes it into index.js and worker.js.

/** The name of what is built together; null: another build has made this file. @type {string | null} */
export const RELEASE = /** @type {any} */ (self).NIBBLE_RELEASE ?? null;

/** What the SHA-256 of each of its wasm files begins with. @type {string[]} */
export const RELEASE_WASM = /** @type {any} */ (self).NIBBLE_RELEASE_WASM ?? [];
