// The context that is set is meant for whichever model comes: one that was trained for less is used with what it has.
import { createEngine, describeModel, NibbleError } from '../nibble/index.js';

/** @typedef {import('../nibble/index.js').EngineOptions} EngineOptions */

/** @param {number | undefined} asked tokens @param {number} most */
const isMore = (asked, most) => asked !== undefined && asked > most;

/**
 * createEngine() with no larger a context than the model was trained for. That is found out by its header, so nothing is
 * loaded twice.
 * @param {EngineOptions} options
 */
export async function createWithinTrained(options) {
  try {
    return await createEngine(options);
  } catch (error) {
    const most = error instanceof NibbleError ? error.details?.trainedContext : undefined;
    if (!(typeof most === 'number' && isMore(options.contextSize, most))) throw error;
    return createEngine({ ...options, contextSize: most });
  }
}

/**
 * describeModel() with no larger a context than that.
 * @param {EngineOptions['model']} model
 * @param {Omit<EngineOptions, 'model'>} options
 */
export async function describeWithinTrained(model, options) {
  const description = await describeModel(model, options);
  const most = description.model?.trainedContext ?? Infinity;
  if (description.memory !== null || !isMore(options.contextSize, most)) return description;
  return describeModel(model, { ...options, contextSize: most });
}
