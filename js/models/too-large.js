// What to say where a model does not fit into the memory that a device gives.
import { NibbleError } from '../base/errors.js';

/** @typedef {import('../core/header.js').Header} Header */
/** @typedef {import('../core/runtime.js').Runtime} Runtime */

const megabytes = (/** @type {number} */ bytes) => `${Math.floor(bytes / 1e6)} MB`;

/**
 * The error for a model that found no room; the runtime is of no further use.
 * @param {import('../core/runtime.js').Runtime} runtime
 * @param {import('../core/header.js').Header} header
 * @param {import('../core/header.js').PlanOptions} options
 * @param {NibbleError} cause
 * @returns {NibbleError} OUT_OF_MEMORY; `details`: bytes `available` to the engine in all, `weights` and `besides` of
 *   this model, `weightsThatFit`, and whether the model `streams` with a memoryBudget of what is available
 */
export function tooLarge(runtime, header, options, cause) {
  const { weights, activations, code, other, unused } = header.describe(options).memory;
  const available = runtime.growToLimit();
  const besides = Math.ceil(activations + code + other + unused);
  const weightsThatFit = Math.max(0, available - besides);
  const found = `The model takes ${megabytes(weights)} for its weights and ${megabytes(besides)} besides, and this device gives the engine ${megabytes(available)}`;
  const fits = `a model with up to ${megabytes(weightsThatFit)} of weights, some ${megabytes(weightsThatFit)} of GGUF file, fits`;
  const memoryBudget = Math.floor(available / 1e6) * 1e6;
  const streams = canStream(header, options, memoryBudget);
  const details = { available, weights, besides, weightsThatFit, streams };
  const advice = weightsThatFit > 0 ? `${found}: ${fits}.` : `${found}. Close other models and tabs first.`;
  const way = `With a memoryBudget of ${megabytes(memoryBudget)} and a store this model runs too, and reads its weights again for every token.`;
  const message = streams ? `${advice} ${way}` : advice;
  return new NibbleError('OUT_OF_MEMORY', message, { cause, details });
}

/** Whether a model runs whose weights need not all stay. @param {Header} header @param {Parameters<typeof tooLarge>[2]} options @param {number} memoryBudget */
function canStream(header, options, memoryBudget) {
  try {
    return header.describe({ ...options, contextSize: 0, memoryBudget }).info.budget?.streams === true;
  } catch (error) {
    if (error instanceof NibbleError) return false;
    throw error;
  }
}
