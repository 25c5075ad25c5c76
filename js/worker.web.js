// The worker in a browser. Its bundle holds Emscripten's glue too, and the engine's threads are further workers of the
// same file, named 'em-pthread': there the glue does all the work by itself.
import createModule from '../build/wasm/web/worker.js';
import { Runtime } from './engine.js';
import { NibbleError } from './errors.js';
import { MAX_THREADS } from './options.js';
import { wasmVariant } from './simd.js';
import { serve } from './worker.js';

const DEFAULT_MAX_THREADS = 8;

async function readWasm(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} gave ${response.status}`);
  return response.arrayBuffer();
}

async function startRuntime({ threads, kernelSet }, { url, binary }) {
  const variant = wasmVariant(kernelSet);
  try {
    const bytes = binary ?? (await readWasm(new URL(`nibble-${variant}.wasm`, url.replace(/\/*$/, '/')).href));
    return { runtime: await Runtime.start(createModule, await WebAssembly.compile(bytes), threads), variant };
  } catch (cause) {
    if (cause instanceof NibbleError) throw cause;
    throw new NibbleError('WASM_UNAVAILABLE', `The WebAssembly engine could not be read: ${cause.message}.`, { cause });
  }
}

if (!self.name.startsWith('em-pthread')) {
  // Memory is shared with threads only on an isolated page (COOP and COEP headers).
  const isolated = self.crossOriginIsolated === true;
  serve(
    {
      post: (message) => self.postMessage(message),
      listen: (onMessage) => self.addEventListener('message', ({ data }) => onMessage(data)),
    },
    {
      startRuntime,
      threads: isolated ? Math.min(DEFAULT_MAX_THREADS, navigator.hardwareConcurrency ?? 1) : 1,
      maxThreads: isolated ? MAX_THREADS : 1,
    },
  );
}
