// Starts the wasm module through Emscripten's glue.
import { NibbleError } from './errors.js';

/**
 * @param {(options: object) => Promise<object>} createModule the factory that Emscripten's glue exports
 * @param {WebAssembly.Module} wasm the compiled kernels and core
 * @param {number} threads workers to start beforehand beside the calling thread, plus one
 * @returns {Promise<{ module: any, memory: WebAssembly.Memory }>} the exports and the heap
 */
export async function instantiate(createModule, wasm, threads) {
  let memory;
  let refuse;
  const refused = new Promise((_, reject) => {
    refuse = reject;
  });
  const instantiateWasm = (imports, receive) => {
    const values = Object.values(imports).flatMap((group) => Object.values(group));
    memory = values.find((value) => value instanceof WebAssembly.Memory);
    WebAssembly.instantiate(wasm, imports).then((instance) => receive(instance, wasm), refuse);
    return {};
  };
  try {
    const started = createModule({
      instantiateWasm,
      pthreadPoolSize: Math.max(0, threads - 1),
      print: () => {},
      printErr: () => {},
    });
    const module = await Promise.race([started, refused]);
    return { module, memory };
  } catch (cause) {
    throw new NibbleError(
      'PLATFORM_UNSUPPORTED',
      `The WebAssembly engine did not start (${cause.message ?? cause}). Try fewer threads, or a newer browser or Node.`,
      { cause },
    );
  }
}
