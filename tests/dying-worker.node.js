// The library's worker in Node, with ways to die, which it is told by a channel.
import './trap.js';
import '../js/worker.node.js';

const WAYS = {
  throw: () => {
    throw new Error('out of luck');
  },
  exit: () => process.exit(3),
  memory: () => {
    for (const held = []; ; ) held.push(new Array(1e6).fill({}));
  },
  trap: () => {
    globalThis.dieOfTrap = true;
  },
};

const channel = new BroadcastChannel('nibble-test-death');
channel.onmessage = ({ data }) => WAYS[data]();
channel.unref();
