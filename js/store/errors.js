// What can go wrong with a store, in the words and codes of the library. No error of a browser or of the system leaves
// a store as it is.
import { codeOf, hasCode, NibbleError } from '../base/errors.js';
import { reasonOf } from '../base/system-errors.js';

// What browsers and systems say where no space is left.
/** @type {Set<unknown>} */
const FULL = new Set(['QuotaExceededError', 'ENOSPC', 'EDQUOT', 'EFBIG']);

/** What browsers tell their errors apart by; undefined where what was thrown has no name. @param {unknown} error */
export const nameOf = (error) => /** @type {{ name?: string } | null | undefined} */ (error)?.name;

/** @param {unknown} error */
export const isFull = (error) => FULL.has(nameOf(error)) || FULL.has(codeOf(error));

/** Whether stored bytes cannot be read any more: such bytes can be got again, where a store that fails cannot. @param {unknown} error */
export const isUnreadable = (error) => hasCode(error, ['STORE_CHUNK_MISSING', 'STORE_DAMAGED']);

/** @param {string} what what was to be stored @param {unknown} [cause] */
export const storeFull = (what, cause) =>
  new NibbleError(
    'STORE_FULL',
    `The storage is full: ${what} did not fit. Delete a stored model or make room, then try again.`,
    { cause },
  );

/** @param {string} reason a full sentence @param {unknown} [cause] */
export const storeUnavailable = (reason, cause) => new NibbleError('STORE_UNAVAILABLE', reason, { cause });

/** @param {string} reason a full sentence @param {unknown} [cause] */
export const storeBusy = (reason, cause) => new NibbleError('STORE_BUSY', reason, { cause });

/** @param {string} reason a full sentence @param {unknown} [cause] */
export const storeDamaged = (reason, cause) => new NibbleError('STORE_DAMAGED', reason, { cause });

/** @param {string} id @param {number} index @param {string} found what is there instead @param {unknown} [cause] */
export const chunkMissing = (id, index, found, cause) =>
  new NibbleError('STORE_CHUNK_MISSING', `Chunk ${index} of the stored model "${id}" ${found}. Fetch it again.`, {
    cause,
    details: { id, index },
  });

/**
 * Throws where a chunk cannot be gone on with at an offset.
 * @param {string} id
 * @param {number} index
 * @param {number} found bytes that the chunk has
 * @param {number} offset
 */
export function checkReach(id, index, found, offset) {
  if (found < offset) throw chunkMissing(id, index, `ends at ${found} of ${offset} bytes`);
}

/** @param {string} name @param {import('./leases.js').Holder} [holder] */
export function lockTaken(name, holder = {}) {
  const who =
    holder.name ?? 'something else: another tab, an engine that reads it for every token (memoryBudget), or an import';
  const message = `The stored model "${name}" is being used by ${who}. Try again when that is done.`;
  return new NibbleError('STORE_BUSY', message, { details: { id: name, holder } });
}

/** @param {string} id */
export const lockLost = (id) =>
  storeBusy(
    `This program stood still for so long that another has taken over the stored model "${id}", so nothing more is written to it. Try again.`,
  );

/** @param {unknown} [cause] */
export const lockCancelled = (cause) =>
  new NibbleError('CANCELLED', 'The wait for the stored model was cancelled.', { cause });

/**
 * Any error as one of the library's.
 * @param {unknown} error
 * @param {string} what what was being done, for "... failed": 'Reading the list of models'
 * @returns {NibbleError}
 */
export function storeError(error, what) {
  if (error instanceof NibbleError) return error;
  if (isFull(error)) return storeFull(what, error);
  return storeUnavailable(`${what} failed: ${error ? reasonOf(error) : 'the storage gave no reason'}.`, error);
}

/**
 * Runs an action, and turns what it throws into an error of the library.
 * @template T
 * @param {string} what see storeError
 * @param {() => T | Promise<T>} action
 * @returns {Promise<T>}
 */
export async function attempt(what, action) {
  try {
    return await action();
  } catch (error) {
    throw storeError(error, what);
  }
}
