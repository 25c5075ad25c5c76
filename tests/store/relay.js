// A worker that checks the promises of the store's backends, one for each message: { kind, name, database }. It answers
// with null, or with what went wrong.
import './worker.js';

self.onmessage = async ({ data: { kind, name, database } }) => {
  try {
    const promise = self.store.PROMISES.find((candidate) => candidate.name === name);
    await promise.run(() => self.store.open(kind, database));
    self.postMessage(null);
  } catch (error) {
    self.postMessage(String(error?.message ?? error));
  }
};
