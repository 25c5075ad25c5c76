// Runs a fuzzer within bounds of time and memory.
import { Worker } from 'node:worker_threads';

/** Far more than any case takes: what is bounded by 5 s of work may take longer on a busy machine, but not for ever. */
const PATIENCE_MILLISECONDS = 120_000;
const MEGABYTES = 512;

/**
 * @param {string} name one of FUZZERS
 * @param {{ seed: number, first?: number, count: number }} cases
 * @returns {Promise<{ index: number, message: string, tried?: string }[]>} what is wrong; empty: nothing
 */
export function fuzz(name, { seed, first = 0, count }) {
  return new Promise((resolve) => {
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
    worker.on('error', (error) => faults.push({ index, message: String(error?.stack ?? error) }));
    worker.on('exit', () => {
      clearTimeout(timer);
      resolve(faults);
    });
  });
}
