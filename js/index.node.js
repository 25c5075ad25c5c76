// The library's entry in Node.
export * from './public.js';

/** The address of the small model that comes with the package. It is there in Node alone. */
export const defaultModel = new URL('../models/nibble-tiny.gguf', import.meta.url);
