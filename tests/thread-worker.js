// A worker that is none: both halves of the library in one thread, with messages copied as between two.
import { RELEASE_NAME } from '../js/base/release.js';
import { serve } from '../js/worker/serve.js';

/**
 * @param {object} platform of the worker's half, as serve() takes it
 * @returns {import('../js/protocol/client.js').WorkerPort}
 */
export function startThreadWorker(platform) {
  /** @type {any} */
  let toPage;
  /** @type {any} */
  let toWorker;
  /** @type {any} */
  const port = {
    post: (/** @type {{ release: string | null }} */ message) => queueMicrotask(() => toPage(structuredClone(message))),
  };
  port.listen = (/** @type {any} */ onMessage) => {
    toWorker = onMessage;
  };
  port.post({ release: RELEASE_NAME });
  serve(/** @type {any} */ (port), /** @type {any} */ (platform));
  return {
    post(message, transfer) {
      // Copied at once, as a worker's messages are: what is transferred is gone for whoever posted it.
      const copy = structuredClone(message, { transfer });
      queueMicrotask(() => toWorker(copy));
    },
    listen({ onMessage, onStarted }) {
      toPage = onMessage;
      onStarted();
    },
    terminate: async () => {},
  };
}
