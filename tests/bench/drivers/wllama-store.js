// What both wllamas do the same way: the model goes into the browser's store first, and is loaded from there.

// Errors are kept: what a call rejects with says little without them.
const QUIET = { debug() {}, log() {}, warn() {}, error: console.error };
export const CONFIGURATION = { suppressNativeLog: false, logger: QUIET };

/**
 * @param {any} wllama
 * @param {any} source what its model manager takes
 * @param {object} parameters of loadModel()
 * @returns {Promise<{ milliseconds: number, from: string, storeMilliseconds: number }>}
 */
export async function loadFromStore(wllama, source, parameters) {
  const start = performance.now();
  const model = await wllama.modelManager.getModelOrDownload(source);
  const stored = performance.now();
  await wllama.loadModel(await model.open(), parameters);
  return {
    milliseconds: performance.now() - stored,
    from: "the browser's store (OPFS)",
    storeMilliseconds: stored - start,
  };
}
