// The worker in a browser. Its bundle holds Emscripten's glue too, and the engine's threads are further workers of the
// same file, named 'em-pthread': there the glue does all the work by itself. So are the workers that read for models/chunk-reader.js.
import { createSha256 } from '#sha256';
import checksumWasm from '../build/wasm/checksum.wasm';
import createGlue from '../build/wasm/web/nibble.cjs';
import { codeOf, NibbleError, withoutEnd } from './base/errors.js';
import { MAX_THREADS } from './base/options.js';
import { RELEASE_NAME } from './base/release.js';
import { compileWasm } from './core/compile.js';
import { Runtime } from './core/runtime.js';
import { wasmVariant } from './core/simd.js';
import { holdLifeline } from './protocol/lifeline.web.js';
import { START_SECONDS, startPatience } from './protocol/time-limit.js';
import { startWorker } from './protocol/worker-port.web.js';
import { serve, workersFor } from './worker/serve.js';

const DEFAULT_MAX_THREADS = 8;
// No event tells that a worker has ended. Where one is ended while its own workers still end, Chromium leaves both of
// them behind for good, every sixth time or so; a pause of half as long was enough in each of 40 rounds.
const END_MILLISECONDS = 100;

// A thread is this very file again, wherever it lies.
/** @type {import('./core/instantiate.js').CreateModule} */
const createModule = (options) => createGlue(Object.assign(options, { mainScriptUrlOrBlob: self.location.href }));

/** @param {string} url */
async function readWasm(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} gave ${response.status}`);
  return response.arrayBuffer();
}

// Memory is shared with threads only on an isolated page (COOP and COEP headers). WebKitGTK has no shared memory to post
// even there, and shows it by the missing constructor.
const sharesMemory = () => self.crossOriginIsolated === true && typeof SharedArrayBuffer === 'function';

const NO_SHARING = Object.freeze({
  code: 'PLATFORM_UNSUPPORTED',
  message:
    'Memory cannot be shared with threads here: that takes a page with the headers Cross-Origin-Opener-Policy and Cross-Origin-Embedder-Policy, and a browser that can.',
});

/**
 * Rejects when a thread does not start, which Emscripten's glue tells nobody but the global scope; and nobody at all of one
 * that was ended before it began.
 */
function watchThreads() {
  /** @type {(reason: Error) => void} */
  let reject;
  /** @type {Promise<never>} */
  const failed = new Promise((_, refuse) => {
    reject = refuse;
  });
  failed.catch(() => {});
  /** @param {Event & { reason?: any, error?: any, message?: string }} event */
  const onFailure = (event) => {
    event.preventDefault();
    const { message } = event.reason ?? event.error ?? event;
    reject(new Error(`a thread did not start: ${message || 'its file could not be loaded'}`));
  };
  const tooLate = () => reject(new Error(`a thread did not start within ${START_SECONDS} seconds`));
  const started = startPatience(START_SECONDS, tooLate);
  const events = ['error', 'unhandledrejection'];
  for (const name of events) self.addEventListener(name, onFailure);
  const end = () => {
    started();
    for (const name of events) self.removeEventListener(name, onFailure);
  };
  return { failed, end };
}

/** Of a thread that traps later, the glue throws the event itself, of which nothing would be told but that it is one. @param {ErrorEvent} event */
function explainThread(event) {
  if (!(event.error instanceof ErrorEvent)) return;
  event.preventDefault();
  const { message } = event.error;
  setTimeout(() => {
    throw new Error(`one of its threads has trapped (${message})`);
  });
}

/**
 * With as many threads as are wanted, or with one where a browser refuses the others; `threadProblem` says why.
 * @param {WebAssembly.Module} wasm
 * @param {number} threads
 * @param {number} workers that they take
 */
async function startThreads(wasm, threads, workers) {
  if (workers === 0) return { runtime: await Runtime.start(createModule, wasm, 0), threads, threadProblem: null };
  const watcher = watchThreads();
  try {
    const runtime = await Runtime.start(createModule, wasm, workers, watcher.failed);
    self.addEventListener('error', explainThread);
    return { runtime, threads, threadProblem: null };
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    const threadProblem = { code: codeOf(error) ?? 'WORKER_FAILED', message };
    return { runtime: await Runtime.start(createModule, wasm, 0), threads: 1, threadProblem };
  } finally {
    watcher.end();
  }
}

/** @param {Uint8Array} bytes */
async function hashOf(bytes) {
  const hash = await createSha256();
  return hash.init().update(bytes).digest('hex');
}

/** @type {import('./worker/engine-host.js').Platform['startRuntime']} */
async function startRuntime({ threads, early, kernelSet }, { url, files = {}, binary }) {
  const variant = wasmVariant(kernelSet);
  try {
    const address = () =>
      url ? new URL(`nibble-${variant}.wasm`, url.replace(/(?<!\/)\/*$/, '/')).href : files[variant];
    const bytes = binary ?? (await readWasm(address()));
    const workers = sharesMemory() ? workersFor(threads, early) : 0;
    const wasm = await compileWasm(bytes, binary ? 'wasmBinary' : `nibble-${variant}.wasm`, hashOf);
    return { variant, ...(await startThreads(wasm, threads, workers)) };
  } catch (cause) {
    if (cause instanceof NibbleError) throw cause;
    throw new NibbleError(
      'WASM_UNAVAILABLE',
      `The WebAssembly engine could not be read: ${withoutEnd(/** @type {Error} */ (cause).message)}.`,
      { cause },
    );
  }
}

const startReader = () => startWorker(self.location.href, 'nibble-reader');

if (!self.name.startsWith('em-pthread')) {
  const shared = sharesMemory();
  self.postMessage({ release: RELEASE_NAME });
  holdLifeline((message) => self.postMessage(message));
  serve(
    {
      post: (message) => self.postMessage(message),
      listen: (onMessage) => self.addEventListener('message', ({ data }) => onMessage(data)),
    },
    {
      startRuntime,
      startReader: shared ? startReader : undefined,
      checksumWasm,
      workersEnded: () => new Promise((resolve) => setTimeout(resolve, END_MILLISECONDS)),
      threads: shared ? Math.min(DEFAULT_MAX_THREADS, navigator.hardwareConcurrency ?? 1) : 1,
      maxThreads: shared ? MAX_THREADS : 1,
      threadProblem: shared ? null : NO_SHARING,
    },
  );
}
