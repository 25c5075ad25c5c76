// The worker in Node.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parentPort } from 'node:worker_threads';
import { GLUE, WASM } from './base/built-files.node.js';
import { NibbleError } from './base/errors.js';
import { MAX_THREADS } from './base/options.js';
import { RELEASE_NAME } from './base/release.js';
import { reasonOf } from './base/system-errors.js';
import { compileWasm } from './core/compile.js';
import { Runtime } from './core/runtime.js';
import { wasmVariant } from './core/simd.js';
import { proxyFetch } from './download/proxy.node.js';
import { openFile } from './sources/file.node.js';
import { openFolder } from './store/folder.node.js';
import { serve, workersFor } from './worker/serve.js';

const DEFAULT_MAX_THREADS = 8;
// Every worker has one.
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);

/** The folder of the wasm files: an address, or a path relative to where the process runs. @param {string} [text] */
function folderOf(text) {
  if (!text) return WASM;
  const address = /^[a-z][a-z0-9+.-]+:/i.test(text) ? text : pathToFileURL(resolve(text)).href;
  return new URL(address.replace(/(?<!\/)\/*$/, '/'));
}

/** @param {URL} file */
async function readWasm(file) {
  if (file.protocol === 'file:') return readFile(fileURLToPath(file));
  const response = await (proxyFetch() ?? fetch)(file.href, {});
  if (!response.ok) throw new Error(`${file.href} gave ${response.status}`);
  return response.arrayBuffer();
}

const hashOf = (/** @type {Uint8Array} */ bytes) => createHash('sha256').update(bytes).digest('hex');

/** @type {import('./worker/engine-host.js').Platform['startRuntime']} */
async function startRuntime({ threads, early, kernelSet }, { url, binary }) {
  const variant = wasmVariant(kernelSet);
  try {
    const { default: createModule } = await import(GLUE.href);
    const name = `nibble-${variant}.wasm`;
    const bytes = binary ?? (await readWasm(new URL(name, folderOf(url))));
    const workers = workersFor(threads, early);
    const wasm = await compileWasm(bytes, binary ? 'wasmBinary' : name, hashOf);
    port.postMessage({ compiled: wasm });
    return { runtime: await Runtime.start(createModule, wasm, workers), variant, threads };
  } catch (cause) {
    if (cause instanceof NibbleError) throw cause;
    throw new NibbleError(
      'WASM_UNAVAILABLE',
      `The WebAssembly engine could not be read: ${reasonOf(cause)}. In a checkout, "npm run build" makes it.`,
      { cause },
    );
  }
}

/** With what is not collected yet. The heap, which is shared, is not part of it. */
function javascriptBytes() {
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** What this thread leaves in there, where it is ended by force, the one that started it removes. @param {string} path */
function openFolderOf(path) {
  port.postMessage({ folder: path });
  return openFolder(path);
}

const proxied = proxyFetch();

port.postMessage({ release: RELEASE_NAME });
// Node tells of a worker's end by itself; this is that it has begun.
port.postMessage({ lifeline: {} });
serve(
  {
    post: (message) => port.postMessage(message),
    listen: (onMessage) => port.on('message', onMessage),
  },
  {
    startRuntime,
    openPath: openFile,
    openFolder: openFolderOf,
    ...(proxied !== null && { download: { access: { fetch: proxied } } }),
    javascriptBytes,
    threads: Math.min(DEFAULT_MAX_THREADS, availableParallelism()),
    maxThreads: MAX_THREADS,
  },
);
