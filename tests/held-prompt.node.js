// The library's worker in Node, which stands still where it has told of a part of a prompt, for held-prompt.js.
import { getEnvironmentData, parentPort } from 'node:worker_threads';
import { HELD_PROMPT } from './held-prompt.js';
import { present } from './present.js';
import { untyped } from './untyped.js';

const { name, STOPS, STANDS } = HELD_PROMPT;
const state = getEnvironmentData(name);
const post = present(parentPort).postMessage.bind(parentPort);
present(parentPort).postMessage = (message, transfer) => {
  post(message, untyped(transfer));
  const { tokens = 0, total = 0 } = message.event?.prefill ?? {};
  if (tokens === 0 || tokens === total) return;
  if (Atomics.compareExchange(untyped(state), 0, STOPS, STANDS) !== STOPS) return;
  Atomics.notify(untyped(state), 0);
  Atomics.wait(untyped(state), 0, STANDS);
};

await import('../js/worker.node.js');
