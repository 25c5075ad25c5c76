// What a model file is, told from its header.
import { NibbleError } from '../base/errors.js';
import { quantizationOf } from '../gguf/quantization.js';
import { textWarnings } from '../prompt/model-text.js';

/** @typedef {import('../core/header.js').Header} Header */

const ARRAY_PREVIEW = 8;

/** @typedef {import('../core/header.js').PlanOptions} PlanOptions */
/** @typedef {Omit<PlanOptions, 'contextSize' | 'memoryBudget'> & { contextSize: number | null, memoryBudget: number | null }} Options as read of an engine's */

/**
 * The options as the core takes them, for which a context of 0 is its own choice and not the trained one. A larger one
 * than the trained one is refused; `details.trainedContext` of the error tells that.
 * @template {Options} O
 * @param {Header} header
 * @param {O} options
 * @returns {O & { contextSize: number }}
 */
export function settleContext(header, options) {
  const { contextSize } = options;
  if (contextSize === null) return { ...options, contextSize: 0 };
  const { trainedContext } = header.describe({ ...options, contextSize: 0, memoryBudget: null }).info;
  if (contextSize <= trainedContext) return { ...options, contextSize: contextSize || trainedContext };
  throw new NibbleError(
    'INVALID_ARGUMENT',
    `The context size is ${contextSize}; this model was trained for up to ${trainedContext} tokens. Ask for that or fewer.`,
    { details: { option: 'contextSize', trainedContext } },
  );
}

/**
 * Names and sizes that an engine and a description share.
 * @param {Header} header
 * @param {string} fileName
 * @param {number | null} fileSize
 * @returns {import('../base/public-types.js').ModelIdentity}
 */
export function identityOf(header, fileName, fileSize) {
  const tensors = header.tensors();
  const text = (/** @type {string} */ key) => {
    const value = header.get(key);
    return typeof value === 'string' ? value : null;
  };
  return {
    name: text('general.name') ?? fileName.replace(/\.gguf$/i, ''),
    architecture: text('general.architecture'),
    file: { name: fileName, bytes: fileSize, ggufVersion: header.version },
    quantization: quantizationOf(header),
    tensorBytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/**
 * @param {Header} header
 * @param {string} fileName
 * @param {number | null} fileSize
 * @param {Options} options
 * @returns {import('../base/public-types.js').ModelDescription} identity, metadata, tensors, and the model and memory for a context; where the engine cannot run
 *   the model, these two are null and `problem` says why; where only this context is too large, or the memory budget too
 *   small, `memory` is null
 */
export function describeHeader(header, fileName, fileSize, options) {
  const metadata = Object.fromEntries(header.keys().map((key) => [key, header.preview(key, ARRAY_PREVIEW)]));
  const identity = identityOf(header, fileName, fileSize);
  /** @type {import('../base/public-types.js').Warning[]} */
  const warnings = [];
  const facts = { ...identity, dataOffset: header.dataOffset, metadata, tensors: header.tensors(), warnings };
  try {
    facts.warnings = textWarnings(header);
  } catch (error) {
    // No engine comes of a model whose texts cannot be read.
    if (!(error instanceof NibbleError)) throw error;
    return { ...facts, model: null, memory: null, problem: { code: error.code, message: error.message } };
  }
  try {
    const { info, memory } = header.describe(settleContext(header, options));
    return { ...facts, model: info, memory, problem: null };
  } catch (error) {
    if (!(error instanceof NibbleError)) throw error;
    const model = (options.contextSize ?? 0) > 0 || options.memoryBudget !== null ? modelAlone(header, options) : null;
    return { ...facts, model, memory: null, problem: { code: error.code, message: error.message } };
  }
}

/** What the model is with the core's own context and without a budget; null where it does not run with that either. @param {Header} header @param {Options} options */
function modelAlone(header, options) {
  try {
    return header.describe({ ...options, contextSize: 0, memoryBudget: null }).info;
  } catch (error) {
    if (error instanceof NibbleError) return null;
    throw error;
  }
}
