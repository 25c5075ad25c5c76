// Runs a fuzzer within bounds of time and memory.
import { Worker } from 'node:worker_threads';
import { FUZZERS } from './fuzzers.js';
import { fuzzTarget } from './native.js';

/** Far more than any case takes: what is bounded by 5 s of work may take longer on a busy machine, but not for ever. */
const PATIENCE_MILLISECONDS = 120_000;
const MEGABYTES = 512;

/** @typedef {{ index: number, message: string, tried?: string, again?: string }} Fault `again`: the command that shows it */

/**
 * @param {string} name one of FUZZERS; where that is in C, buildTargets() has built it
 * @param {{ seed: number, first?: number, count: number, keep?: boolean }} cases
 * @returns {Promise<Fault[]>} what is wrong; empty: nothing
 */
export function fuzz(name, { seed, first = 0, count, keep = false }) {
  const { load, longest } = FUZZERS[name];
  return load ? fuzzInWorker(name, { seed, first, count }) : fuzzTarget(name, { seed, first, count, longest, keep });
}

/** @param {string} name @param {{ seed: number, first: number, count: number }} options */
function fuzzInWorker(name, { seed, first, count }) {
  return new Promise((resolve) => {
    /** @type {{ index: number, message: string }[]} */
    const faults = [];
    let index = first;
    const resourceLimits = { maxOldGenerationSizeMb: MEGABYTES };
    const workerData = { name, seed, first, count };
    const worker = new Worker(new URL('worker.js', import.meta.url), { workerData, resourceLimits });
    const hangs = () => {
      faults.push({ index, message: `It has not ended after ${PATIENCE_MILLISECONDS / 1000} s.` });
      worker.terminate();
    };
    let timer = setTimeout(hangs, PATIENCE_MILLISECONDS);
    worker.on('message', ({ begun, fault }) => {
      if (fault !== undefined) faults.push(fault);
      index = begun ?? index;
      clearTimeout(timer);
      timer = setTimeout(hangs, PATIENCE_MILLISECONDS);
    });
    // Among them the memory that is used up.
    worker.on('error', (error) =>
      faults.push({ index, message: error instanceof Error ? String(error.stack) : String(error) }),
    );
    worker.on('exit', () => {
      clearTimeout(timer);
      resolve(faults);
    });
  });
}
