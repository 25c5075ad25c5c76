// The library's worker in Node, with ways to die, which it is told by a channel.
import { syncBuiltinESMExports } from 'node:module';
import workerThreads, { BroadcastChannel as NodeChannel } from 'node:worker_threads';
import './trap.js';

// The engine's threads can die too.
const TRAP = new URL('./trap.js', import.meta.url).href;
const { Worker } = workerThreads;
workerThreads.Worker = class extends Worker {
  /** @param {string} url @param {import('node:worker_threads').WorkerOptions} options */
  constructor(url, options) {
    super(url, { ...options, execArgv: [...process.execArgv, '--import', TRAP] });
  }
};
syncBuiltinESMExports();
await import('../../js/worker.node.js');

/** @type {Record<string, () => unknown>} */
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
  thread: () => globalThis.armThreads(),
};

const channel = new NodeChannel('nibble-test-death');
channel.onmessage = (event) => WAYS[/** @type {{ data: string }} */ (event).data]();
channel.unref();
