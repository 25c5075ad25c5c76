// A browser's worker as client.js takes it.

/** @param {Worker} worker @returns {import('./client.js').WorkerPort} */
export const portOf = (worker) => ({
  post: (message, transfer = []) => worker.postMessage(message, transfer),
  listen({ onMessage, onFailure }) {
    worker.addEventListener('message', ({ data }) => onMessage(data));
    worker.addEventListener('messageerror', () => onFailure('a message could not be read'));
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      onFailure(event.message || 'its file could not be loaded');
    });
  },
  terminate: async () => worker.terminate(),
});
