// What the heap takes beside the model, in bytes. tests/models/weight-stream.test.js holds these against what an engine
// takes then.

/** Of the file, handed to the core at once. */
export const STAGING_BYTES = 1 << 20;

/** The heap grows by so much at least: MEMORY_GROWTH_LINEAR_STEP in emscripten.cmake. */
export const GROWTH_BYTES = 1 << 20;

// DEFAULT_PTHREAD_STACK_SIZE, and what belongs to it.
const THREAD_BYTES = 136 << 10;
// A parsed header beside its bytes.
const PAIR_BYTES = 96;
const TENSOR_BYTES = 160;
// At once: a packer's, a checksum's, and the pieces that pass through where there is no ring; afterwards, those of a
// session that is saved and of one that is restored.
const STAGINGS = 4;
const LATER_STAGINGS = 2;

// Products by which the kernels are verified, of every weight type that a model could have (600 KB), and those that they
// are measured by (325 KB).
const VERIFYING_BYTES = 1 << 20;

/** What an engine takes beside what the core counts: its threads' stacks, and what bytes go through. @param {number} threads */
export const besidesBytes = (threads) => threads * THREAD_BYTES + LATER_STAGINGS * STAGING_BYTES;

/**
 * And until its weights are there: the header, and more that bytes go through.
 * @param {{ headerBytes: number, pairs: number, tensors: number }} of
 */
export const loadingBytes = ({ headerBytes, pairs, tensors }) =>
  headerBytes +
  pairs * PAIR_BYTES +
  tensors * TENSOR_BYTES +
  VERIFYING_BYTES +
  (STAGINGS - LATER_STAGINGS) * STAGING_BYTES;
