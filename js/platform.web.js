// What the library takes from a browser: workers, addresses and memory. The library's bundle lies beside worker.js and the two
// wasm files.
import { NibbleError } from './base/errors.js';
import { startWorker } from './protocol/worker-port.web.js';

/** Every text is a URL, relative to the page. @param {string | URL} text @returns {{ url: string }} */
function locate(text) {
  try {
    return { url: new URL(text, globalThis.document?.baseURI ?? globalThis.location?.href).href };
  } catch {
    const details = { option: 'model', found: String(text).slice(0, 60), expected: 'the address of a GGUF file' };
    const message = `"${details.found}" is no address that a file can be fetched from; expected ${details.expected}.`;
    throw new NibbleError('INVALID_ARGUMENT', message, { details });
  }
}

// Bundlers look for these very expressions, and bring the files along as they are. Some give addresses without an origin.
const WORKER_FILE = new URL('./worker.js', import.meta.url).href;
const WASM_FILES = Object.freeze({
  relaxed: new URL('./nibble-relaxed.wasm', import.meta.url).href,
  simd128: new URL('./nibble-simd128.wasm', import.meta.url).href,
});

const wasmFiles = () => Object.fromEntries(Object.entries(WASM_FILES).map(([name, file]) => [name, locate(file).url]));

/** Addresses are there to be asked again; a File stays with its owner. @type {import('./client/platform.js').Platform['defaultStore']} */
const defaultStore = (/** @type {any} */ { url, stored }) =>
  stored !== undefined || (url !== undefined && /^https?:/i.test(url)) ? 'indexeddb' : null;

// Where there is no storage manager (Safari's private windows, old WebViews), nothing is promised.
const persistence = {
  persist: async () => (await navigator.storage?.persist?.()) ?? false,
  persisted: async () => (await navigator.storage?.persisted?.()) ?? false,
};

// What a browser that tells nothing is taken to have; others tell 8 at most. The rest is for all else that runs.
const USUAL_GIGABYTES = 4;
const USABLE_PART = 0.6;
/** What the platform's types lack. @type {(Navigator & { deviceMemory?: number }) | undefined} */
const tellsMemory = globalThis.navigator;

/** @type {import('./client/platform.js').Platform} */
export const platform = {
  startWorker: (workerUrl) => startWorker(locate(workerUrl ?? WORKER_FILE).url, 'nibble'),
  locate,
  wasm: (folder) => (folder === undefined ? { files: wasmFiles() } : { url: locate(folder).url }),
  defaultStore,
  persistence,
  memory: () => (tellsMemory?.deviceMemory ?? USUAL_GIGABYTES) * 1e9 * USABLE_PART,
  isPath: () => false,
};
