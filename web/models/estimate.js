// What a model would be on this device, before it is downloaded: from the header of its file and from a probe of the
// processor that takes a second.
import { describeWithinTrained } from '../engine/trained-context.js';
import { estimateSpeed, probeSpeed } from '../nibble/index.js';
import { MEMORY_BUDGETS } from '../settings/settings.js';

const KEY = 'nibble.probe';
// A machine may have been busy when it was measured, or on its battery.
const PROBE_MILLISECONDS = 24 * 3600 * 1000;
// An English word is about four thirds of a token.
const WORDS_PER_TOKEN = 0.75;
// What a token costs besides its weights: sampling, turning it into text, waking the threads for each layer, and the way
// from the worker to the page. The probe measures weights alone, and in a tiny model they are the smaller part.
const SECONDS_PER_TOKEN = 0.001;
// The engine addresses 32 bits of memory.
const MOST_BYTES = 4e9;
// Browsers tell at most 8 GB, and what is told is shared with everything else that runs.
const USABLE_PART = 0.6;
// The part of it that a model that runs from storage may well have.
const BUDGET_PART = 0.3;
// What a browser that does not tell is taken to have.
const USUAL_GIGABYTES = 4;

/**
 * @typedef {object} Estimate
 * @property {string} name
 * @property {number | null} fileBytes null: its server does not tell
 * @property {number} keptBytes what it takes to keep it: its header, and its weights as they lie in memory
 * @property {string} type what its weights are called
 * @property {number} memory bytes, those of the engine itself among them
 * @property {number | null} wordsPerSecond null where it could not be measured
 * @property {Streaming | null} streaming how it runs under the memory budget that is set; null: none is, or all fits
 * @property {Streaming & { wordsPerSecond: number | null } | null} remedy how it would under one that the device has,
 *   where it may not have the memory
 * @property {boolean} lacksMemory whether there may not be enough of it
 * @property {boolean} lacksRoom whether storage cannot keep it
 * @property {number | null} free bytes of storage
 * @property {string[]} warnings codes of what is odd about its texts
 */

/** @typedef {{ budget: number, bytesPerToken: number }} Streaming bytes of memory, and of those read for every token */
/** @typedef {import('../nibble/index.js').Tensor} Tensor */
/** @typedef {import('../nibble/index.js').ModelShape} ModelShape */
/** @typedef {import('../engine/engine-room.js').Options} Options */
/** @typedef {import('../nibble/index.js').Probe & { processors: number, at: number }} Probe of a number of threads, at a moment */

/**
 * @param {URL | File | File[]} model
 * @param {object} context
 * @param {import('../nibble/index.js').ModelStore | null} context.store
 * @param {Options} context.options of the engine, as they are set
 * @param {number | null} context.readRate of the store, bytes a second; null: not known
 * @param {() => boolean} context.isBusy whether something else computes now
 * @param {AbortSignal} [context.signal]
 * @returns {Promise<Estimate>} rejects with the problem where the engine cannot run the model
 */
export async function estimateModel(model, { store, options, readRate, isBusy, signal }) {
  const description = await describeWithinTrained(model, { ...options, signal });
  const { name, file, quantization, tensors, dataOffset, model: shape, memory, problem, warnings } = description;
  if (memory === null || shape === null) throw problem;
  const [probe, free] = await Promise.all([rememberedProbe(isBusy, signal), freeBytes(store)]);
  const budget = options.memoryBudget ?? null;
  const bytes = Object.values(memory).reduce((sum, part) => sum + part, 0);
  const speed = probe && estimateSpeed(probe, workPerToken(tensors, shape.blocks));
  /** @param {Streaming | null} streaming */
  const wordsWhen = (streaming) => speed && wordsPerSecond(speed, streaming?.bytesPerToken ?? 0, readRate);
  const streaming = streamingOf(shape);
  const keptBytes = dataOffset + shape.packedBytes;
  const lacksMemory = isMuchHere(bytes);
  const lesser = lacksMemory && budget === null ? await underBudget(model, options, signal) : null;
  return {
    name,
    fileBytes: file.bytes,
    keptBytes,
    type: quantization.label,
    memory: bytes,
    wordsPerSecond: wordsWhen(streaming),
    streaming,
    remedy: lesser && { ...lesser, wordsPerSecond: wordsWhen(lesser) },
    lacksMemory,
    lacksRoom: free !== null && keptBytes > free,
    free,
    warnings: warnings.map(({ code }) => code),
  };
}

/** @param {ModelShape} model @returns {Streaming | null} */
function streamingOf({ budget }) {
  return budget?.streams ? { budget: budget.bytes, bytesPerToken: budget.bytesPerTokenStreamed } : null;
}

/** How a model would run from storage, under the largest budget that leaves most of the memory to others. @param {URL | File | File[]} model @param {Options} options @param {AbortSignal} [signal] */
async function underBudget(model, options, signal) {
  const gigabytes = deviceGigabytes() ?? USUAL_GIGABYTES;
  const most = gigabytes * 1e9 * BUDGET_PART;
  const memoryBudget = MEMORY_BUDGETS.findLast((bytes) => bytes <= most) ?? MEMORY_BUDGETS[0];
  const description = await describeWithinTrained(model, { ...options, memoryBudget, signal });
  return description.memory === null || description.model === null ? null : streamingOf(description.model);
}

/** Not all browsers tell. */
const deviceGigabytes = () => /** @type {Navigator & { deviceMemory?: number }} */ (navigator).deviceMemory;

/** Whether it is more memory than this device may have for a model. @param {number} bytes */
function isMuchHere(bytes) {
  const device = deviceGigabytes();
  return bytes > MOST_BYTES || (device !== undefined && bytes > device * 1e9 * USABLE_PART);
}

/** @param {import('../nibble/index.js').ModelStore | null} store */
async function freeBytes(store) {
  const { usage = 0, quota = null } = (await store?.estimate().catch(() => null)) ?? {};
  return quota !== null && Number.isFinite(quota) ? Math.max(0, quota - (usage ?? 0)) : null;
}

/** @param {number} tokensPerSecond that the processor computes */
export const wordsOf = (tokensPerSecond) => WORDS_PER_TOKEN / (1 / tokensPerSecond + SECONDS_PER_TOKEN);

/** What streams is read while the processor computes, so the slower of the two counts; null: the reading is not known. @param {{ decodeTokensPerSecond: number }} speed @param {number} streamedBytes @param {number | null} readRate */
function wordsPerSecond({ decodeTokensPerSecond }, streamedBytes, readRate) {
  if (streamedBytes > 0 && readRate === null) return null;
  const reading = streamedBytes > 0 ? streamedBytes / (readRate ?? 0) : 0;
  return WORDS_PER_TOKEN / (Math.max(1 / decodeTokensPerSecond, reading) + SECONDS_PER_TOKEN);
}

/** What one token of an answer goes through: all but an embedding that is not also the output, and blocks left out. @param {Tensor[]} tensors @param {number} blocks */
function workPerToken(tensors, blocks) {
  const hasOutput = tensors.some(({ name }) => name === 'output.weight');
  /** @param {string} name */
  const isLeftOut = (name) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1) >= blocks;
  const read = tensors.filter(({ name }) => !(hasOutput && name === 'token_embd.weight') && !isLeftOut(name));
  /** @param {number[]} shape */
  const sizeOf = (shape) => shape.reduce((product, size) => product * size, 1);
  return {
    bytesPerToken: read.reduce((sum, { packedBytes }) => sum + packedBytes, 0),
    parameters: read.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
  };
}

/** The probe runs once a day; another number of threads makes another speed. @param {() => boolean} isBusy @param {AbortSignal} [signal] @returns {Promise<Probe | null>} */
export async function rememberedProbe(isBusy, signal) {
  const threads = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
  const remembered = readProbe();
  const age = Date.now() - (remembered?.at ?? Number.NaN);
  const isFresh = age >= 0 && age < PROBE_MILLISECONDS;
  // While something else computes, an old measurement is nearer to the truth than a new one.
  if (remembered?.processors === threads && (isFresh || isBusy())) return remembered;
  try {
    const measured = { ...(await probeSpeed({ signal })), processors: threads, at: Date.now() };
    if (!isBusy()) writeProbe(measured);
    return measured;
  } catch (error) {
    if (signal?.aborted) throw error;
    // An estimate without a speed is better than none.
    return null;
  }
}

/** @returns {Probe | null} */
function readProbe() {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? 'null');
    return found?.decodeBytesPerSecond > 0 && found.prefillWeightsPerSecond > 0 ? found : null;
  } catch {
    return null;
  }
}

/** @param {Probe} measured */
function writeProbe(measured) {
  try {
    localStorage.setItem(KEY, JSON.stringify(measured));
  } catch {
    // Where nothing can be remembered, it is measured again.
  }
}
