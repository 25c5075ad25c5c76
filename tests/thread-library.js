// The library of Node whose engines and stores work in the calling thread, on one compiled core: for tests that need very
// many of them and ask nothing about workers, of which each takes Node longer to start than a small model does to load.
import { readFile } from 'node:fs/promises';
import { Runtime } from '../js/core/runtime.js';
import { createLibrary } from '../js/index.js';
import { platform } from '../js/platform.node.js';
import { openFile } from '../js/sources/file.node.js';
import { openFolder } from '../js/store/folder.node.js';
import { startThreadWorker } from './thread-worker.js';

const WASM = new URL('../build/wasm/', import.meta.url);
const VARIANT = 'simd128';

/**
 * Engines have one thread each.
 * @returns {Promise<ReturnType<typeof createLibrary>>}
 */
export async function createThreadLibrary() {
  const { default: createModule } = await import(new URL('node/nibble.mjs', WASM).href);
  const wasm = await WebAssembly.compile(await readFile(new URL(`nibble-${VARIANT}.wasm`, WASM)));
  const startRuntime = async () => ({
    runtime: await Runtime.start(createModule, wasm, 0),
    variant: VARIANT,
    threads: 1,
  });
  const startWorker = () =>
    startThreadWorker({ startRuntime, openPath: openFile, openFolder, threads: 1, maxThreads: 1 });
  return createLibrary({ ...platform, startWorker });
}
