// What a model would be on this device, before it is downloaded: from the header of its file and from a probe of the
// processor that takes a second.
import * as library from './nibble/index.js';

const KEY = 'nibble.speed';
// An English word is about four thirds of a token.
const WORDS_PER_TOKEN = 0.75;
// The engine addresses 32 bits of memory.
const MOST_BYTES = 4e9;
// Browsers tell at most 8 GB, and what is told is shared with everything else that runs.
const USABLE_PART = 0.6;

/**
 * @typedef {object} Estimate
 * @property {string} name
 * @property {number | null} fileBytes
 * @property {string} type of most weights
 * @property {number} memory bytes
 * @property {number | null} wordsPerSecond null where it could not be measured
 * @property {'memory' | 'room' | null} tight what there may not be enough of
 * @property {number | null} free bytes of storage
 */

/**
 * @param {URL | File} model
 * @param {{ store: import('./nibble/index.js').ModelStore | null, signal?: AbortSignal }} options
 * @returns {Promise<Estimate>} rejects with the problem where the engine cannot run the model
 */
export async function estimateModel(model, { store, signal }) {
  const description = await library.describeModel(model, { signal });
  const { name, file, quantization, memory, problem } = description;
  if (memory === null) throw problem;
  const [speed, free] = await Promise.all([rememberedSpeed(signal), freeBytes(store)]);
  const bytes = Object.values(memory).reduce((sum, part) => sum + part, 0);
  const fileBytes = file.bytes > 0 ? file.bytes : null;
  const rate = speed === null ? null : speed.decodeBytesPerSecond / memory.weights;
  return {
    name,
    fileBytes,
    type: quantization.label,
    memory: bytes,
    wordsPerSecond: rate === null ? null : rate * WORDS_PER_TOKEN,
    tight: findTightness({ bytes, fileBytes: fileBytes ?? memory.weights, free }),
    free,
  };
}

function findTightness({ bytes, fileBytes, free }) {
  const device = navigator.deviceMemory;
  if (bytes > MOST_BYTES || (device !== undefined && bytes > device * 1e9 * USABLE_PART)) return 'memory';
  return free !== null && fileBytes > free ? 'room' : null;
}

async function freeBytes(store) {
  const { usage, quota } = (await store?.estimate().catch(() => null)) ?? {};
  return Number.isFinite(quota) ? Math.max(0, quota - (usage ?? 0)) : null;
}

/** The probe runs once; another number of threads makes another speed. */
async function rememberedSpeed(signal) {
  const threads = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  const remembered = readSpeed();
  if (remembered?.for === threads) return remembered;
  try {
    const { decodeBytesPerSecond } = await library.probeSpeed({ signal });
    const measured = { for: threads, decodeBytesPerSecond };
    writeSpeed(measured);
    return measured;
  } catch (error) {
    if (signal?.aborted) throw error;
    // An estimate without a speed is better than none.
    return null;
  }
}

function readSpeed() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    return found?.decodeBytesPerSecond > 0 ? found : null;
  } catch {
    return null;
  }
}

function writeSpeed(measured) {
  try {
    localStorage.setItem(KEY, JSON.stringify(measured));
  } catch {
    // Where nothing can be remembered, it is measured again.
  }
}
