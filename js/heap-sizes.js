// What the heap takes beside the model, in bytes.

/** Of the file, handed to the core at once. */
export const STAGING_BYTES = 4 << 20;

/** Code's data, stacks and tables, and what the core is handed. */
export const CALLER_BYTES = (4 << 20) + STAGING_BYTES;
