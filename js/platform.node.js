// What the library takes from Node: threads, addresses, memory and the environment.
import { resolveObjectURL } from 'node:buffer';
import { existsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { codeOf, NibbleError } from './base/errors.js';
import { workerFile } from './client/worker-file.node.js';
import { proxyFetch } from './download/proxy.node.js';
import { LOCKS } from './store/folder.node.js';
import { releaseThread } from './store/locks.node.js';

// As this thread's own half of the library, which is read once.
const WORKER = workerFile();

/**
 * How the program itself was started (node --input-type=module --eval …) is nothing for a worker's file. Options of the
 * whole process (--max-old-space-size=…) are refused where a worker is given any, but not where it inherits them.
 * @param {URL} address
 */
function newWorker(address) {
  const { execArgv } = process;
  const own = execArgv.filter((option) => !option.startsWith('--input-type'));
  if (own.length === execArgv.length) return new Worker(address, { name: 'nibble' });
  try {
    return new Worker(address, { name: 'nibble', execArgv: own });
  } catch (error) {
    if (codeOf(error) !== 'ERR_WORKER_INVALID_EXEC_ARGV') throw error;
    return new Worker(address, { name: 'nibble', execArgv: [] });
  }
}

/** @param {string | URL} [workerUrl] @returns {import('./protocol/client.js').WorkerPort} */
function startWorker(workerUrl) {
  const worker = newWorker(new URL(workerUrl ?? WORKER, import.meta.url));
  const thread = worker.threadId;
  /** @type {Set<string>} those of stores, which the worker has locks in */
  const folders = new Set();
  // What it compiled. As long as one module of the same bytes is alive anywhere in the process, V8 neither compiles nor
  // optimises them again; so this one is there for the next engine until it is collected with the worker's port.
  /** @type {WebAssembly.Module[]} */
  const compiled = [];
  let ending = false;
  return {
    post: (message, transfer) => worker.postMessage(message, /** @type {any} */ (transfer)),
    listen({ onMessage, onFailure, onStarted }) {
      worker.on('message', (data) => {
        if (data?.lifeline !== undefined) onStarted();
        else if (data?.folder !== undefined) folders.add(data.folder);
        else if (data?.compiled !== undefined) compiled.push(data.compiled);
        else onMessage(data);
      });
      worker.on('error', (/** @type {any} */ error) => onFailure(error?.message ?? String(error)));
      worker.on('messageerror', (error) => onFailure(error.message));
      worker.on('exit', (code) => {
        if (!ending) onFailure(`it exited with code ${code}`);
      });
    },
    async terminate() {
      ending = true;
      await worker.terminate();
      for (const folder of folders) await releaseThread(join(folder, LOCKS), thread).catch(() => {});
    },
    keepAlive: (busy) => (busy ? worker.ref() : worker.unref()),
  };
}

/**
 * http:, https: and data: are fetched, blob: is a Blob of this thread, which no worker finds by its address; file: and all
 * else is a file on disk.
 * @param {string} text
 * @returns {import('./client/platform.js').Place}
 */
function locate(text) {
  if (/^(https?|data):/i.test(text)) return { url: text };
  if (/^blob:/i.test(text)) return { blob: /** @type {Blob | undefined} */ (resolveObjectURL(text)) ?? gone(text) };
  if (/^file:/i.test(text)) return { path: pathOf(text) };
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) throw unfit(text, 'http:, https:, file: or a path');
  return { path: text };
}

/** @param {string} text */
function pathOf(text) {
  try {
    return fileURLToPath(text);
  } catch {
    throw unfit(text, 'file:///, followed by the whole path of a file on this machine');
  }
}

/** @param {string} text @returns {never} */
function gone(text) {
  throw unfit(text, 'the address of a Blob as URL.createObjectURL() gives it in this thread, and not revoked');
}

/** @param {string} text @param {string} expected */
function unfit(text, expected) {
  const found = text.slice(0, 60);
  const message = `Addresses like ${found} cannot be read; expected ${expected}.`;
  return new NibbleError('INVALID_ARGUMENT', message, { details: { option: 'model', found, expected } });
}

// The rest is for all else that runs.
const USABLE_PART = 0.6;

/** What the process was started with, as far as it says where the hub is, who asks, and through which proxy. */
function environment() {
  const { HF_ENDPOINT: url, HF_TOKEN: token } = process.env;
  return { hub: { ...(url && { url }), ...(token && { token: token.trim() }) }, fetch: proxyFetch() ?? undefined };
}

/** @type {import('./client/platform.js').Platform} */
export const platform = {
  startWorker,
  locate,
  wasm: (folder) => ({ url: folder }),
  defaultStore: () => null,
  // Nobody clears a folder but its owner.
  persistence: { persist: async () => true, persisted: async () => true },
  memory: () => totalmem() * USABLE_PART,
  isPath: (text) => existsSync(text),
  // A process may change it, so it is read by each call.
  get environment() {
    return environment();
  },
};
