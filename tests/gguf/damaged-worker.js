// The thread of damaged-trials.js: one library in it, and a file at a time.
import { parentPort } from 'node:worker_threads';
import { createThreadLibrary } from '../thread-library.js';
import { describeDamaged, writeWithDamaged } from './damaged-trials.js';

export const TRIALS = { describe: describeDamaged, write: writeWithDamaged };
/** @typedef {keyof typeof TRIALS} TrialName */

const library = await createThreadLibrary();
// What no trial expects ends the thread.
parentPort?.on('message', async (/** @type {{ trial: TrialName, path: string }} */ { trial, path }) => {
  const outcome = await TRIALS[trial](library, path);
  parentPort?.postMessage({ outcome });
});
