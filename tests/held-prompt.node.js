// The library's worker in Node, which stands still where it has told of a part of a prompt, for held-prompt.js.
import { BroadcastChannel, parentPort, receiveMessageOnPort } from 'node:worker_threads';

const PAUSE_MILLISECONDS = 1;

const clock = new Int32Array(new SharedArrayBuffer(4));
const channel = new BroadcastChannel(new URL(import.meta.url).searchParams.get('channel'));
let isHeld = false;

function hear(message) {
  isHeld = message === 'hold';
}

/** Hears what has come since the event loop ran last. */
function hearAll() {
  for (let next = receiveMessageOnPort(channel); next; next = receiveMessageOnPort(channel)) hear(next.message);
}

channel.onmessage = ({ data }) => hear(data);
channel.unref();

const post = parentPort.postMessage.bind(parentPort);
parentPort.postMessage = (message, transfer) => {
  post(message, transfer);
  const { tokens = 0, total = 0 } = message.event?.prefill ?? {};
  hearAll();
  for (; isHeld && tokens > 0 && tokens < total; hearAll()) Atomics.wait(clock, 0, 0, PAUSE_MILLISECONDS);
};

await import('../js/worker.node.js');
