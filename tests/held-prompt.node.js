// The library's worker in Node, which stands still where it has told of a part of a prompt, for held-prompt.js.
import { getEnvironmentData, parentPort } from 'node:worker_threads';
import { HELD_PROMPT } from './held-prompt.js';

const { name, STOPS, STANDS } = HELD_PROMPT;
const state = getEnvironmentData(name);
const post = parentPort.postMessage.bind(parentPort);
parentPort.postMessage = (message, transfer) => {
  post(message, transfer);
  const { tokens = 0, total = 0 } = message.event?.prefill ?? {};
  if (tokens === 0 || tokens === total) return;
  if (Atomics.compareExchange(state, 0, STOPS, STANDS) !== STOPS) return;
  Atomics.notify(state, 0);
  Atomics.wait(state, 0, STANDS);
};

await import('../js/worker.node.js');
