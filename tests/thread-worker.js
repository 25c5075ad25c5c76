// A worker that is none: both halves of the library in one thread, with messages copied as between two.
import { RELEASE_NAME } from '../js/base/release.js';
import { serve } from '../js/worker/serve.js';

/**
 * @param {Parameters<typeof serve>[1]} platform of the worker's half
 * @returns {import('../js/protocol/client.js').WorkerPort}
 */
export function startThreadWorker(platform) {
  /** @type {(message: unknown) => void} */
  let toPage = () => {};
  /** @type {(message: unknown) => void} */
  let toWorker = () => {};
  /** @type {Parameters<typeof serve>[0]} */
  const port = {
    post: (message) => queueMicrotask(() => toPage(structuredClone(message))),
    listen(onMessage) {
      toWorker = onMessage;
    },
  };
  port.post({ release: RELEASE_NAME });
  serve(port, platform);
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
