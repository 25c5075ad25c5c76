// A worker that checks the promises of the store's backends, one for each message: { kind, name, database }. It answers
// with null, or with what went wrong.

import { present } from '../present.js';
import { store } from './worker.js';

self.onmessage = async ({ data: { kind, name, database } }) => {
  try {
    const promise = present(store.PROMISES.find((candidate) => candidate.name === name));
    await promise.run(() => store.open(kind, database));
    self.postMessage(null);
  } catch (error) {
    self.postMessage(error instanceof Error ? error.message : String(error));
  }
};
