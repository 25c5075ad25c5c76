// Starts the wasm module through Emscripten's glue.
import { NibbleError } from '../base/errors.js';

export const PAGE_BYTES = 65536;
// In pages. The first two are emscripten.cmake's INITIAL_MEMORY and MAXIMUM_MEMORY.
const FIRST_PAGES = 32;
export const MOST_PAGES = 65536;
// A quarter of a gigabyte: less holds no model worth having.
const LEAST_PAGES = 4096;
// What a refusal takes off: at most so much of what a device would give is left unused.
const STEP_PAGES = 1024;

/** @param {any} cause */
const unsupported = (cause) =>
  new NibbleError(
    'PLATFORM_UNSUPPORTED',
    `The WebAssembly engine did not start (${cause.message ?? cause}). Try fewer threads, or a newer browser or Node.`,
    { cause },
  );

/** @param {any} cause */
const refused = (cause) =>
  new NibbleError(
    'OUT_OF_MEMORY',
    `This device refuses to reserve even ${Math.floor((LEAST_PAGES * PAGE_BYTES) / 1e6)} MB of memory for the engine (${cause.message ?? cause}). Close other models and tabs, then try again.`,
    { cause },
  );

/**
 * Whether an error of a call into the wasm says that its code has crashed: it trapped, or it is left because a thread that
 * it waits for has, for which Emscripten's glue throws no error but this word.
 * @param {unknown} error
 */
export const isCrash = (error) => error instanceof WebAssembly.RuntimeError || error === 'unwind';

/**
 * A memory as large as it may grow: a phone's browser refuses to reserve what a computer's does.
 * @returns {WebAssembly.Memory}
 * @throws {NibbleError} OUT_OF_MEMORY where even the smallest that is of use is refused
 */
export function reserveMemory() {
  for (let maximum = MOST_PAGES; ; maximum -= STEP_PAGES) {
    try {
      return new WebAssembly.Memory({ initial: FIRST_PAGES, maximum, shared: true });
    } catch (cause) {
      if (maximum <= LEAST_PAGES) throw refused(cause);
    }
  }
}

/** @typedef {(options: Record<string, unknown>) => Promise<Record<string, unknown>>} CreateModule */

/**
 * @param {CreateModule} createModule the factory that Emscripten's glue exports
 * @param {WebAssembly.Module} wasm the compiled kernels and core
 * @param {object} settings further options of the glue
 * @param {Promise<never>} [failed] rejects where the platform finds that a thread does not start
 * @returns {Promise<import('./exports.js').Core>} the exports; rejects with PLATFORM_UNSUPPORTED, and no thread is left then
 */
export async function instantiate(createModule, wasm, settings, failed) {
  /** @type {(cause: unknown) => void} */
  let refuse = () => {};
  /** @type {Promise<never>} */
  const refused = new Promise((_, reject) => {
    refuse = reject;
  });
  // Emscripten adds its exports to these options, at once.
  /** @type {Record<string, unknown> & { PThread?: import('./exports.js').Core['PThread'] }} */
  const options = {
    ...settings,
    /** @param {WebAssembly.Imports} imports @param {(instance: WebAssembly.Instance, wasm: WebAssembly.Module) => void} receive */
    instantiateWasm(imports, receive) {
      WebAssembly.instantiate(wasm, imports).then((instance) => receive(instance, wasm), refuse);
      return {};
    },
    print: () => {},
    printErr: () => {},
  };
  try {
    const core = await Promise.race([createModule(options), refused, ...(failed ? [failed] : [])]);
    return /** @type {import('./exports.js').Core} */ (/** @type {unknown} */ (core));
  } catch (cause) {
    options.PThread?.terminateAllThreads();
    throw unsupported(cause);
  }
}
