// Starts the wasm module through Emscripten's glue.
import { NibbleError } from './errors.js';

// In pages of 64 KiB. The first two are emscripten.cmake's INITIAL_MEMORY and MAXIMUM_MEMORY.
const FIRST_PAGES = 256;
const MOST_PAGES = 65536;
// A quarter of a gigabyte: less holds no model worth having.
const LEAST_PAGES = 4096;

/** The heap, as large as it may grow: a phone's browser refuses to reserve what a computer's does. */
function reserveMemory() {
  for (let maximum = MOST_PAGES; ; maximum /= 2) {
    try {
      return new WebAssembly.Memory({ initial: FIRST_PAGES, maximum, shared: true });
    } catch (cause) {
      if (maximum <= LEAST_PAGES) throw cause;
    }
  }
}

/**
 * @param {(options: object) => Promise<object>} createModule the factory that Emscripten's glue exports
 * @param {WebAssembly.Module} wasm the compiled kernels and core
 * @param {number} threads workers to start beforehand beside the calling thread, plus one
 * @param {Promise<never>} [failed] rejects where the platform finds that a worker does not start
 * @returns {Promise<{ module: any, memory: WebAssembly.Memory }>} the exports and the heap; rejects with
 *   PLATFORM_UNSUPPORTED, and no worker is left then
 */
export async function instantiate(createModule, wasm, threads, failed) {
  let refuse;
  const refused = new Promise((_, reject) => {
    refuse = reject;
  });
  // Emscripten adds its exports to these options, at once.
  const options = {
    instantiateWasm(imports, receive) {
      WebAssembly.instantiate(wasm, imports).then((instance) => receive(instance, wasm), refuse);
      return {};
    },
    pthreadPoolSize: Math.max(0, threads - 1),
    print: () => {},
    printErr: () => {},
  };
  try {
    const memory = reserveMemory();
    const started = createModule(Object.assign(options, { wasmMemory: memory }));
    const module = await Promise.race([started, refused, ...(failed ? [failed] : [])]);
    return { module, memory };
  } catch (cause) {
    options.PThread?.terminateAllThreads();
    throw new NibbleError(
      'PLATFORM_UNSUPPORTED',
      `The WebAssembly engine did not start (${cause.message ?? cause}). Try fewer threads, or a newer browser or Node.`,
      { cause },
    );
  }
}
