// Whether a source has the file that is stored. Packed weights are no bytes of a file, so what the source gives is packed
// again and compared with what is stored.

import { codeOf, hasCode } from '../base/errors.js';
import { progressReporter } from '../base/progress.js';
import { Checksum, checksumOf, Packer } from '../core/packer.js';
import { failureOf } from '../download/errors.js';
import { nextPiece } from '../sources/source.js';
import { isUnreadable } from '../store/errors.js';
import { storedBytes } from './manifest.js';
import { fileBytes, packAgain } from './repair.js';
import { storedHeader } from './stored-header.js';

/** @typedef {import('./open-stored.js').Opening} Opening */
/** @typedef {import('./manifest.js').Manifest} Manifest */
/** @typedef {import('../store/backends.js').Backend} Backend */
/** @typedef {import('../core/header.js').Header} Header */

// How much is compared where a server is asked for places only, and in how many places.
const SPOT_BYTES = 64 << 10;
const SPOTS = 4;

/** @typedef {Omit<Opening, 'id'>} OfSource an opening of the source, whose model may be stored under any id */

/**
 * Whether a source has what is stored in the header, in several places, and at the end of what is stored: enough to tell
 * versions of one file from each other, by a few small requests.
 * @param {OfSource} opening
 * @param {import('./manifest.js').Manifest} record
 * @param {{ spots?: number }} [how] in how many places
 * @returns {Promise<boolean>} false also where what is stored cannot be read
 */
export async function seemsSame(opening, record, { spots = SPOTS } = {}) {
  return withHeader(opening, record, async (header) => {
    const silent = { ...opening, onProgress: () => {} };
    if (!(await hasHeader(silent, record))) return false;
    const packer = new Packer(opening.runtime, header);
    try {
      if (packer.packedBytes !== record.packedBytes) return false;
      for (const [start, end] of spotsOf(storedBytes(record), spots)) {
        const stored = await readStored(opening.backend, record, start, end);
        if (stored === null) return false;
        const parts = await packAgain(silent, record, packer, start, end);
        if (checksumOf(opening.runtime, parts) !== checksumOf(opening.runtime, stored)) return false;
      }
      return true;
    } finally {
      packer.close();
    }
  });
}

/**
 * Whether a source has all that is stored. Reads as much of it.
 * @param {OfSource} opening
 * @param {import('./manifest.js').Manifest} record
 * @returns {Promise<boolean>} false also where what is stored cannot be read
 */
export async function isSame(opening, record) {
  return withHeader(opening, record, async (header) => {
    if (!(await hasHeader(opening, record))) return false;
    const packer = new Packer(opening.runtime, header);
    try {
      return packer.packedBytes === record.packedBytes && (await hasChunks(opening, record, packer));
    } finally {
      packer.close();
    }
  });
}

/** Whether a download failed since the file has another size now, or has weights that would never have been stored. @param {unknown} error */
const isOther = (error) =>
  hasCode(error, ['DOWNLOAD_CHANGED', 'MODEL_BAD_TENSOR']) ||
  (codeOf(error) === 'DOWNLOAD_FAILED' && failureOf(error).status === 416);

/** @param {OfSource} opening @param {Manifest} record @param {(header: Header) => Promise<boolean>} use */
async function withHeader(opening, record, use) {
  const header = await storedHeader({ ...opening, prefetch: null }, record);
  if (header === null) return false;
  try {
    return await use(header);
  } catch (error) {
    if (isOther(error)) return false;
    throw error;
  } finally {
    header.close();
  }
}

/** @param {OfSource} opening @param {Manifest} record */
async function hasHeader(opening, record) {
  const checksum = new Checksum(opening.runtime);
  try {
    for await (const piece of fileBytes(opening, record, 0, record.headerBytes)) checksum.update(piece);
    return checksum.hex() === record.headerChecksum;
  } finally {
    checksum.close();
  }
}

/** Places in so many bytes, as [start, end], the last of them at the end. @param {number} bytes @param {number} count @returns {[start: number, end: number][]} */
function spotsOf(bytes, count) {
  const last = Math.max(0, bytes - SPOT_BYTES);
  const starts = Array.from({ length: count }, (_, index) => Math.floor((last * (index + 1)) / count));
  if (bytes === 0) return [];
  return [...new Set(starts)].map((start) => [start, Math.min(bytes, start + SPOT_BYTES)]);
}

/** Stored packed bytes, which may lie in two chunks; null where they cannot be read. @param {Backend} backend @param {Manifest} record @param {number} start @param {number} end */
async function readStored(backend, { id, chunkBytes }, start, end) {
  const parts = [];
  for (let at = start; at < end; ) {
    const index = Math.floor(at / chunkBytes);
    const bytes = new Uint8Array(Math.min(end, (index + 1) * chunkBytes) - at);
    try {
      await backend.readChunk(id, index, at - index * chunkBytes, bytes);
    } catch (error) {
      if (isUnreadable(error)) return null;
      throw error;
    }
    parts.push(bytes);
    at += bytes.length;
  }
  return parts;
}

/** Packs a source from its first weight on, and compares chunk by chunk. @param {OfSource} opening @param {Manifest} record @param {Packer} packer */
async function hasChunks({ runtime, open, signal, onProgress }, record, packer) {
  const total = storedBytes(record);
  packer.seek(0);
  const source = await open({ position: packer.filePosition });
  // What comes behind it is read or fetched, which takes as long again.
  const report = progressReporter(source.kind, total, onProgress, { share: [0, 0.5] });
  const checksum = new Checksum(runtime);
  const { chunks } = record;
  let index = 0;
  let left = chunks[0]?.bytes ?? 0;
  try {
    if ((source.position ?? 0) !== packer.filePosition) return false;
    while (index < chunks.length) {
      const piece = await nextPiece(source, signal);
      if (piece === null) return false;
      for (const made of packer.push(piece)) {
        for (let done = 0; done < made.length && index < chunks.length; ) {
          const part = made.subarray(done, done + left);
          checksum.update(part);
          done += part.length;
          left -= part.length;
          if (left > 0) continue;
          if (checksum.take() !== chunks[index].checksum) return false;
          index++;
          left = chunks[index]?.bytes ?? 0;
        }
      }
      report(Math.min(total, packer.position), index === chunks.length);
    }
    return true;
  } finally {
    checksum.close();
    await source.close();
  }
}
