// SHA-256 in a browser, where it is bundled: of its package only what an import names.

/** A hash whose state can be kept. @type {() => Promise<import('hash-wasm').IHasher>} */
export { createSHA256 as createSha256 } from 'hash-wasm';
