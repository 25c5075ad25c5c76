// The parts of the library come as several files, which a cache, a CDN or a copied folder may mix: each says which release
// it is of, and what does not belong together is refused before it computes anything.
import { RELEASE, RELEASE_WASM } from '#release';
import { NibbleError } from './errors.js';

const WAY =
  'Serve all files of one release, and clear what keeps others: the cache of the browser, a service worker or a CDN.';

/** The name of the release that this file is of; null: it was made by another build, and nothing can be compared. */
export const RELEASE_NAME = RELEASE;

/** @param {string} problem @param {{ file: string, found: string | null, expected: string | string[] }} details */
const mismatch = (problem, details) => new NibbleError('RELEASE_MISMATCH', `${problem} ${WAY}`, { details });

/**
 * What is wrong with a worker; null: nothing.
 * @param {string | null} found the release that it tells; null: none, as before they had names
 * @returns {NibbleError | null}
 */
export function checkWorker(found) {
  if (RELEASE === null || found === RELEASE) return null;
  const told = found === null ? 'an older one, which tells none' : String(found).slice(0, 100);
  const problem = `The library is of the release ${RELEASE}, its worker (worker.js, or what workerUrl names) of ${told}.`;
  return mismatch(problem, { file: 'worker.js', found, expected: RELEASE });
}

/**
 * Checks that a wasm file is one that was built with the worker.
 * @param {string} sha256 of the wasm
 * @param {string} file what it is called
 * @throws {NibbleError} RELEASE_MISMATCH
 */
export function checkWasm(sha256, file) {
  if (RELEASE === null) return;
  const found = sha256.slice(0, RELEASE_WASM[0].length);
  if (RELEASE_WASM.includes(found)) return;
  const problem = `${file} was not built with the worker, which is of the release ${RELEASE}: its SHA-256 begins with ${found}, expected ${RELEASE_WASM.join(' or ')}.`;
  throw mismatch(problem, { file, found, expected: RELEASE_WASM });
}
