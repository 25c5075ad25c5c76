// The context that is set is meant for whichever model comes: one that was trained for less is used with what it has.
import { createEngine, describeModel } from '../nibble/index.js';

/**
 * createEngine() with no larger a context than the model was trained for. That is found out by its header, so nothing is
 * loaded twice.
 * @param {import('../nibble/index.js').EngineOptions} options
 */
export async function createFitting(options) {
  try {
    return await createEngine(options);
  } catch (error) {
    const most = error.details?.trainedContext;
    if (!(options.contextSize > most)) throw error;
    return createEngine({ ...options, contextSize: most });
  }
}

/**
 * describeModel() with no larger a context than that.
 * @param {import('../nibble/index.js').EngineOptions['model']} model
 * @param {object} options
 */
export async function describeFitting(model, options) {
  const description = await describeModel(model, options);
  const most = description.model?.trainedContext;
  if (description.memory !== null || !(options.contextSize > most)) return description;
  return describeModel(model, { ...options, contextSize: most });
}
