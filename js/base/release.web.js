// The release of the library in a browser: the build writes it into index.js and worker.js.

/**
 * What is built together: `name`, and of each wasm file the SHA-256; null: another build has made this file.
 * @type {{ name: string, wasm: Record<string, string> } | null}
 */
export const RELEASE = /** @type {any} */ (self).NIBBLE_RELEASE ?? null;
