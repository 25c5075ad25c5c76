// Tries cases of one fuzzer, in a thread that can be ended from outside where one of them does not end.
import { parentPort, workerData } from 'node:worker_threads';
import { NibbleError } from '../../js/base/errors.js';
import { present } from '../present.js';
import { FUZZERS } from './fuzzers.js';
import { createRandom, seedOf } from './random.js';

const { name, seed, first, count } = workerData;
const port = present(parentPort);
const fuzzer = (await present(FUZZERS[name].load)()).default;

for (let index = first; index < first + count; index++) {
  port.postMessage({ begun: index });
  const problem = attempt(fuzzer.describe(createRandom(seedOf(seed, index))));
  if (problem !== null) port.postMessage({ fault: { index, ...problem } });
}

/**
 * @param {unknown} tried
 * @returns {{ message: string, tried: string } | null} null: a result, or a NibbleError with a code
 */
function attempt(tried) {
  try {
    fuzzer.run(tried);
  } catch (error) {
    if (error instanceof NibbleError && /^[A-Z_]+$/.test(error.code) && error.code !== 'INTERNAL') return null;
    return { message: error instanceof Error ? String(error.stack) : String(error), tried: show(tried) };
  }
  return null;
}

/** @param {unknown} tried */
function show(tried) {
  /** @param {string} _ @param {unknown} value */
  const plain = (_, value) => {
    if (typeof value === 'bigint') return `${value}n`;
    return value instanceof Map ? Object.fromEntries(value) : value;
  };
  return JSON.stringify(tried, plain).slice(0, 4000);
}
