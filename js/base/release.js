// The parts of the library come as several files, which a cache, a CDN or a copied folder may mix: each says which release
// it is of, and what does not belong together is refused before it computes anything.
import { RELEASE } from '#release';
import { NibbleError } from './errors.js';

const WAY =
  'Serve all files of one release, and clear what keeps an older one: the cache of the browser, of its service worker or of a CDN.';

/** The name of the release that this file is of; null: it was made by another build, and nothing can be compared. */
export const RELEASE_NAME = RELEASE?.name ?? null;

/** @param {string} problem @param {{ file: string, found: string | null, expected: string | string[] }} details */
const mismatch = (problem, details) => new NibbleError('RELEASE_MISMATCH', `${problem} ${WAY}`, { details });

/**
 * What is wrong with a worker.
 * @param {string} expected the release that the library itself is of
 * @param {string | null} found what the worker tells; null: nothing, as before there were names of releases
 */
export function otherWorker(expected, found) {
  const told = found === null ? 'an older one, which tells no name' : `of the release ${String(found).slice(0, 100)}`;
  const problem = `The library is of the release ${expected}, and its worker (worker.js, or what workerUrl names) is ${told}.`;
  return mismatch(problem, { file: 'worker.js', found, expected });
}

/**
 * Checks that a wasm file is one that was built with the worker.
 * @param {string} sha256 of the wasm
 * @param {string} file what it is called
 * @throws {NibbleError} RELEASE_MISMATCH
 */
export function checkWasm(sha256, file) {
  if (RELEASE === null) return;
  const expected = Object.values(RELEASE.wasm);
  if (expected.includes(sha256)) return;
  const short = (hash) => hash.slice(0, 12);
  const problem = `The worker is of the release ${RELEASE.name}, and ${file} was not built with it: its SHA-256 begins with ${short(sha256)}, expected ${expected.map(short).join(' or ')}.`;
  throw mismatch(problem, { file, found: sha256, expected });
}
