// What the heap takes beside the model, in bytes. tests/memory-figures.test.js holds these against what is measured.

/** Of the file, handed to the core at once. */
export const STAGING_BYTES = 1 << 20;

/** The heap grows by so much at least: MEMORY_GROWTH_LINEAR_STEP in emscripten.cmake. */
export const GROWTH_BYTES = 1 << 20;

// DEFAULT_PTHREAD_STACK_SIZE, and what belongs to it.
const THREAD_BYTES = 136 << 10;
// A parsed header beside its bytes.
const PAIR_BYTES = 96;
const TENSOR_BYTES = 160;
// At once: a packer's, a checksum's, and the pieces that pass through where there is no ring.
const STAGINGS = 4;

/**
 * What an engine takes beside what the core counts: its threads' stacks, the header while it loads, and what bytes go
 * through.
 * @param {{ threads: number, headerBytes: number, pairs: number, tensors: number }} of
 */
export const besidesBytes = ({ threads, headerBytes, pairs, tensors }) =>
  threads * THREAD_BYTES + headerBytes + pairs * PAIR_BYTES + tensors * TENSOR_BYTES + STAGINGS * STAGING_BYTES;
