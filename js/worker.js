// The worker's side of protocol.js: takes calls from a port, runs them, replies. Calls that compute run one after the
// other in the order they came; the rest is answered between two tokens.
import { NibbleError } from './errors.js';
import { Host } from './host.js';
import { CANCEL, errorReply, eventReply, readCall, resultReply } from './protocol.js';
import { createTurn } from './turn.js';

const AT_ONCE = new Set(['tokenize', 'detokenize', 'render', 'memory']);

/**
 * @param {{ post: (message: object) => void, listen: (onMessage: (data: any) => void) => void }} port
 * @param {import('./host.js').Platform} platform
 */
export function serve(port, platform) {
  const host = new Host(platform);
  const running = new Map();
  const turn = createTurn();
  let last = Promise.resolve();

  async function run({ id, method, params }, controller) {
    const control = { signal: controller.signal, onEvent: (event) => port.post(eventReply(id, event)) };
    try {
      const result = await host[method](params ?? {}, control);
      running.delete(id);
      port.post(resultReply(id, result));
    } catch (error) {
      running.delete(id);
      port.post(errorReply(id, asNibbleError(error)));
    }
  }

  port.listen((data) => {
    let message;
    try {
      message = readCall(data);
    } catch (error) {
      if (Number.isSafeInteger(data?.id) && data.id > 0) port.post(errorReply(data.id, error));
      return;
    }
    if (message.method === CANCEL) {
      running.get(message.params.target)?.abort();
      return;
    }
    const controller = new AbortController();
    if (message.method === 'unload') for (const other of running.values()) other.abort();
    running.set(message.id, controller);
    if (AT_ONCE.has(message.method)) run(message, controller);
    // A cancel that was sent right behind its call is to be seen before the call begins.
    else last = last.then(turn.next).then(() => run(message, controller));
  });
}

/** A trap of the wasm code leaves its memory in an unknown state: the sentence says what to do about it. */
function asNibbleError(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return error;
  return new NibbleError(
    'ENGINE_CRASHED',
    `The WebAssembly engine crashed (${error.message}). Unload this engine and create a new one.`,
    { cause: error },
  );
}
