// What a model would be on this device, before it is downloaded: from the header of its file and from a probe of the
// processor that takes a second.
import { describeModel, estimateSpeed, probeSpeed } from './nibble/index.js';

const KEY = 'nibble.probe';
// An English word is about four thirds of a token.
const WORDS_PER_TOKEN = 0.75;
// What a token costs besides its weights: sampling, turning it into text, waking the threads for each layer, and the way
// from the worker to the page. The probe measures weights alone, and in a tiny model they are the smaller part.
const SECONDS_PER_TOKEN = 0.001;
// The wasm memory that an engine starts with, before it reserves any for a model: emscripten.cmake's INITIAL_MEMORY.
const ENGINE_BYTES = 16 * 2 ** 20;
// The engine addresses 32 bits of memory.
const MOST_BYTES = 4e9;
// Browsers tell at most 8 GB, and what is told is shared with everything else that runs.
const USABLE_PART = 0.6;

/**
 * @typedef {object} Estimate
 * @property {string} name
 * @property {number | null} fileBytes
 * @property {string} type of most weights
 * @property {number} memory bytes, those of the engine itself among them
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
  const description = await describeModel(model, { signal });
  const { name, file, quantization, tensors, memory, problem } = description;
  if (memory === null) throw problem;
  const [probe, free] = await Promise.all([rememberedProbe(signal), freeBytes(store)]);
  const bytes = Object.values(memory).reduce((sum, part) => sum + part, ENGINE_BYTES);
  const fileBytes = file.bytes > 0 ? file.bytes : null;
  return {
    name,
    fileBytes,
    type: quantization.label,
    memory: bytes,
    wordsPerSecond: probe && wordsPerSecond(estimateSpeed(probe, workPerToken(tensors))),
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

const wordsPerSecond = ({ decodeTokensPerSecond }) => WORDS_PER_TOKEN / (1 / decodeTokensPerSecond + SECONDS_PER_TOKEN);

/** What one token of an answer goes through: all but an embedding that is not also the output. */
function workPerToken(tensors) {
  const hasOutput = tensors.some(({ name }) => name === 'output.weight');
  const read = tensors.filter(({ name }) => !(hasOutput && name === 'token_embd.weight'));
  const sizeOf = (shape) => shape.reduce((product, size) => product * size, 1);
  return {
    bytesPerToken: read.reduce((sum, { bytes }) => sum + bytes, 0),
    parameters: read.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
  };
}

/** The probe runs once; another number of threads makes another speed. */
async function rememberedProbe(signal) {
  const threads = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  const remembered = readProbe();
  if (remembered?.processors === threads) return remembered;
  try {
    const { decodeBytesPerSecond, prefillWeightsPerSecond } = await probeSpeed({ signal });
    const measured = { processors: threads, decodeBytesPerSecond, prefillWeightsPerSecond };
    writeProbe(measured);
    return measured;
  } catch (error) {
    if (signal?.aborted) throw error;
    // An estimate without a speed is better than none.
    return null;
  }
}

function readProbe() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    return found?.decodeBytesPerSecond > 0 && found.prefillWeightsPerSecond > 0 ? found : null;
  } catch {
    return null;
  }
}

function writeProbe(measured) {
  try {
    localStorage.setItem(KEY, JSON.stringify(measured));
  } catch {
    // Where nothing can be remembered, it is measured again.
  }
}
