// Where Node finds what the build has made. This module has its place two folders below the root, and so has the bundle that
// it becomes a part of.

/** Emscripten's glue, which each thread loads too. */
export const GLUE = new URL('../../build/node/nibble.mjs', import.meta.url);

/** The folder of the wasm, of the same files that a page gets. */
export const WASM = new URL('../../build/web/', import.meta.url);
