// Browsers' workers: how one is started from wherever its file lies, and as client.js takes it.
import { Lifeline } from './lifeline.web.js';

/**
 * Starts a worker. Its file is a classic script, which a worker may be in every browser.
 * @param {string} address whole; of another origin too, though browsers start workers of a page's own origin only: there a
 *   worker of the page's takes the script in
 * @param {string} name
 * @returns {import('./client.js').WorkerPort}
 */
export function startWorker(address, name) {
  if (isOwn(new URL(address))) return portOf(new Worker(address, { name }));
  const own = URL.createObjectURL(new Blob([taking(address)], { type: 'text/javascript' }));
  return portOf(new Worker(own, { name }), {
    explain: (reason) => foreignFailure(address, reason),
    // Not before: the engine's threads are further workers of the same address.
    onEnd: () => URL.revokeObjectURL(own),
  });
}

/** An extension's page has an origin that a URL does not tell, and a sandboxed frame is a stranger to its own files. @param {URL} address */
function isOwn({ protocol, host, origin }) {
  if (protocol === 'blob:' || protocol === 'data:' || origin === globalThis.origin) return true;
  const { location } = globalThis;
  return globalThis.origin !== 'null' && protocol === location.protocol && host === location.host;
}

/** A script that becomes the one at `address`. An isolated page's worker may import only what its server lends (CORP). @param {string} address */
const taking = (address) => `const address = ${JSON.stringify(address)};
try {
  importScripts(address);
} catch (error) {
  if (error.name !== 'NetworkError') throw error;
  const request = new XMLHttpRequest();
  request.open('GET', address, false);
  request.send();
  if (request.status !== 200) throw error;
  importScripts(URL.createObjectURL(new Blob([request.response], { type: 'text/javascript' })));
}`;

/** @param {string} address @param {string} reason */
function foreignFailure(address, reason) {
  const { origin, href } = new URL(address);
  return (
    `${reason}; its file, ${href}, is of another origin, and a Content-Security-Policy (worker-src blob:, ` +
    `script-src ${origin}) or that server (CORS) may keep it from this page. Copy the folder of worker.js beside your own ` +
    'files and name it by workerUrl and wasmUrl'
  );
}

/**
 * @param {Worker} worker
 * @param {{ explain?: (reason: string) => string, onEnd?: () => void }} [options] `explain`: what to say of a worker that
 *   fails before it has said anything
 * @returns {import('./client.js').WorkerPort}
 */
function portOf(worker, { explain = (reason) => reason, onEnd = () => {} } = {}) {
  let isStarted = false;
  /** @type {Lifeline | null} */
  let lifeline = null;
  /** @type {import('./client.js').WorkerPort['post']} */
  const post = (message, transfer = []) => worker.postMessage(message, transfer);
  return {
    post,
    listen({ onMessage, onFailure, onStarted }) {
      const watched = new Lifeline(post, () => onFailure('the browser has ended it'));
      lifeline = watched;
      worker.addEventListener('message', ({ data }) => {
        isStarted = true;
        if (data?.lifeline === undefined) {
          onMessage(data);
          return;
        }
        onStarted();
        watched.watch(data.lifeline);
      });
      worker.addEventListener('messageerror', () => onFailure('a message could not be read'));
      worker.addEventListener('error', (event) => {
        event.preventDefault();
        const reason = event.message || 'its file could not be loaded';
        onFailure(isStarted ? reason : explain(reason));
      });
    },
    async terminate() {
      lifeline?.close();
      worker.terminate();
      onEnd();
    },
  };
}
