// The calls that programs import, with what is said of them; index.js has what they do.
import { platform } from '#platform';
import { createLibrary } from './index.js';

export { ERROR_CODES } from './base/error-codes.js';
export { NibbleError } from './base/errors.js';
export * from './base/public-types.js';
export { estimateSpeed } from './base/speed-estimate.js';

/** @typedef {import('./base/public-types.js').Engine} Engine */
/** @typedef {import('./base/public-types.js').EngineOptions} EngineOptions */
/** @typedef {import('./base/public-types.js').HubAddress} HubAddress */
/** @typedef {import('./base/public-types.js').HubOptions} HubOptions */
/** @typedef {import('./base/public-types.js').ListOptions} ListOptions */
/** @typedef {import('./base/public-types.js').ModelDescription} ModelDescription */
/** @typedef {import('./base/public-types.js').ModelSource} ModelSource */
/** @typedef {import('./base/public-types.js').ModelStore} ModelStore */
/** @typedef {import('./base/public-types.js').Probe} Probe */
/** @typedef {import('./base/public-types.js').ProbeOptions} ProbeOptions */
/** @typedef {import('./base/public-types.js').Repository} Repository */
/** @typedef {import('./base/public-types.js').StoreOptions} StoreOptions */

const library = createLibrary(platform);

/**
 * Loads a model into a worker of its own. A page never blocks: all that computes runs there.
 * @param {EngineOptions} options The model, and how it is loaded and run.
 * @returns {Promise<Engine>} The engine, as soon as all weights are in place; with `earlyStart`, as soon as its vocabulary is.
 * @throws {NibbleError} `INVALID_ARGUMENT` for a wrong option; `GGUF_…` and `MODEL_…` for a file that is damaged or does not run
 *   here; `DOWNLOAD_…`, `HUB_…` and `SOURCE_UNREADABLE` for one that cannot be had; `STORE_…` for a store that cannot be used;
 *   `OUT_OF_MEMORY`, `BUDGET_TOO_SMALL`; `WORKER_FAILED`, `WASM_UNAVAILABLE` and `RELEASE_MISMATCH` where the library's own files
 *   are not served as they should be. An abort rejects with the signal's reason, or `CANCELLED`.
 */
export function createEngine(options) {
  return library.createEngine(options);
}

/**
 * Tells what a model file is from its header, without loading the weights.
 * @param {ModelSource} model The model.
 * @param {Omit<EngineOptions, 'model'>} [options] Those of {@link createEngine}: `memory` is told for them.
 * @returns {Promise<ModelDescription>} What the file says. Where the engine cannot run it, `model` and `memory` are null and
 *   `problem` says why; where only `contextSize` is too large, or `memoryBudget` too small, `memory` alone is null.
 * @throws {NibbleError} As {@link createEngine}, where the header cannot be read.
 */
export function describeModel(model, options) {
  return library.describeModel(model, options);
}

/**
 * Opens a store of models: to import, list and delete them without loading them. It has a worker of its own.
 * @param {StoreOptions} [options] Which store.
 * @returns {Promise<ModelStore>} The store. It has to be closed.
 * @throws {NibbleError} `INVALID_ARGUMENT` where no store is named in Node; `STORE_UNAVAILABLE` where it cannot be used here.
 */
export function openModelStore(options) {
  return library.openModelStore(options);
}

/**
 * What an address of the hub names: `https://huggingface.co/owner/name/blob/main/x.gguf` and the like (resolve, raw, tree,
 * with a query, `hf.co`, without `https://`), `hf.co/owner/name/x.gguf`, `hf.co/owner/name:Q4_K_M`, `owner/name:Q4_K_M`,
 * `owner/name`.
 * Nothing is asked of anybody.
 * @param {string} text The address.
 * @param {{ hub?: HubOptions }} [options] Another hub, whose addresses are meant too.
 * @returns {HubAddress | null} What it names. `null`: it is another address, a path, or none.
 * @throws {NibbleError} `INVALID_ARGUMENT` where `hub` is wrong.
 */
export function readHubAddress(text, options) {
  return library.readHubAddress(text, options);
}

/**
 * The GGUF files of a repository of Hugging Face's hub, and which of them is the one for this machine: Q4_K_M, or the best that
 * fits; one of fewer than 3 bits a weight only where nothing else does.
 * @param {string | URL} address The repository: an address that {@link readHubAddress} knows, such as `'owner/name'`.
 * @param {ListOptions} [options] Where the hub is, who asks, and what the machine can do.
 * @returns {Promise<Repository>} What the repository has.
 * @throws {NibbleError} `HUB_NOT_FOUND`, `HUB_GATED`, `HUB_TOKEN_REFUSED`; `HUB_NO_MODEL` (no GGUF file, or none of that type or
 *   name); `HUB_AMBIGUOUS` (several of that type); `DOWNLOAD_…`. An abort rejects with the signal's reason, or `CANCELLED`.
 */
export function listRepository(address, options) {
  return library.listRepository(address, options);
}

/**
 * Measures what this machine makes of synthetic weights, in about a second and some 100 MB. {@link estimateSpeed} tells from it
 * how fast a model will be.
 * @param {ProbeOptions} [options] How to measure.
 * @returns {Promise<Probe>} What was measured.
 * @throws {NibbleError} `WORKER_FAILED`, `WASM_UNAVAILABLE` or `OUT_OF_MEMORY` where nothing can be measured. An abort rejects with
 *   the signal's reason, or `CANCELLED`.
 */
export function probeSpeed(options) {
  return library.probeSpeed(options);
}
