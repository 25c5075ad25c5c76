// The bytes before a stored model's tensor data, which hold its metadata and its vocabulary.

import { checksumOf } from '../core/packer.js';
import { isUnreadable } from '../store/errors.js';
import { tryHeader, UNKNOWN_SIZE } from './loader.js';
import { HEADER } from './manifest.js';

/** @typedef {import('./manifest.js').Manifest} Manifest */
/** @typedef {import('../core/runtime.js').Runtime} Runtime */

/**
 * @param {{ runtime: import('../core/runtime.js').Runtime, backend: import('../store/backends.js').Backend,
 *   prefetch?: import('./prefetch.js').Prefetch | null }} store
 * @param {import('./manifest.js').Manifest} record
 * @returns {Promise<import('../core/header.js').Header | null>} the caller closes it; null where the bytes are not what they were
 */
export async function storedHeader({ runtime, backend, prefetch }, record) {
  const early = (await prefetch?.takeHeader(record)) ?? null;
  const header = early && checkedHeader(runtime, record, early);
  if (header !== null) return header;
  const bytes = new Uint8Array(record.headerBytes);
  try {
    await backend.readChunk(record.id, HEADER, 0, bytes);
  } catch (error) {
    if (isUnreadable(error)) return null;
    throw error;
  }
  return checkedHeader(runtime, record, bytes);
}

/** The header in these bytes; null where they are not those of the record. @param {Runtime} runtime @param {Manifest} record @param {Uint8Array} bytes */
export function checkedHeader(runtime, record, bytes) {
  if (checksumOf(runtime, [bytes]) !== record.headerChecksum) return null;
  return tryHeader(runtime, [bytes], bytes.length, record.fileBytes ?? UNKNOWN_SIZE);
}
