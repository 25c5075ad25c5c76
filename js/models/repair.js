// Puts right what is damaged in a stored model: the missing bytes alone come again from where the model came from.

import { checkCancelled } from '../base/cancel.js';
import { codeOf, NibbleError, shortened, withoutEnd } from '../base/errors.js';
import { BESIDE, progressReporter } from '../base/progress.js';
import { checksumOf, Packer } from '../core/packer.js';
import { fetchRange } from '../download/download.js';
import { nextPiece } from '../sources/source.js';
import { isUnreadable } from '../store/errors.js';
import { HEADER, storedBytes } from './manifest.js';
import { partsOf } from './parts.js';
import { checkedHeader, storedHeader } from './stored-header.js';

/** @typedef {import('./open-stored.js').Opening} Opening */
/** @typedef {import('./manifest.js').Manifest} Manifest */
/** @typedef {import('../core/header.js').Header} Header */

/** @param {Manifest} record @param {number} index @param {unknown} [cause] */
function damaged({ id, chunks }, index, cause) {
  const part = index === HEADER ? 'The header' : `Chunk ${index + 1} of ${chunks.length}`;
  const reason =
    cause === undefined
      ? 'and this store does not know where to get it again'
      : `and getting it again failed: ${withoutEnd(cause instanceof Error ? cause.message : cause)}`;
  return new NibbleError(
    'STORE_DAMAGED',
    `${part} of the stored model "${shortened(id)}" is damaged or missing, ${reason}. Choose the model's file again, or delete it and import it anew.`,
    { cause, details: { id, chunk: index } },
  );
}

const isOther = () => new Error('what its source has there now is something else');

/** @typedef {Pick<Opening, 'descriptor' | 'open' | 'platform' | 'signal' | 'onProgress'>} SourceOf a model */

/**
 * Bytes `start` to `end` of the file that a model came from, in pieces that are valid until the next. They may be of another version of the file.
 * @param {SourceOf} opening
 * @param {Pick<Manifest, 'fileBytes'>} record
 * @param {number} start
 * @param {number} end
 */
export async function* fileBytes({ descriptor, open, platform, signal }, record, start, end) {
  if (typeof descriptor?.url === 'string' && partsOf(descriptor) === null) {
    // Whoever asks compares the bytes: which version a server says it has, and which of several servers, is no matter.
    // And one connection gets all of it by one request, also from a server that sends the file from its front each time.
    const options = { ...platform.download, connections: 1, size: record.fileBytes, signal };
    for await (const piece of fetchRange(descriptor.url, start, end, options)) {
      checkCancelled(signal);
      yield piece;
    }
    return;
  }
  const source = await open({ position: start, end });
  try {
    if ((source.position ?? 0) !== start) throw isOther();
    for (let at = start; at < end; ) {
      const piece = await nextPiece(source, signal);
      if (piece === null) return;
      yield piece.subarray(0, end - at);
      at += piece.length;
    }
  } finally {
    await source.close();
  }
}

/** The position in the file behind everything that packed bytes up to `end` are made of. @param {Packer} packer @param {number} end */
function fileEnd(packer, end) {
  for (let beyond = 0; ; beyond = 2 * beyond + 64) {
    packer.seek(Math.min(end + beyond, packer.packedBytes));
    if (packer.position >= end) return packer.filePosition;
  }
}

/**
 * Packed bytes `start` to `end`, made anew. They may be of another version of the file.
 * @param {SourceOf} opening
 * @param {Manifest} record
 * @param {Packer} packer
 * @param {number} start
 * @param {number} end
 */
export async function packAgain(opening, record, packer, start, end) {
  const last = fileEnd(packer, end);
  packer.seek(start);
  const first = packer.filePosition;
  const report = progressReporter('repair', last - first, opening.onProgress, { share: BESIDE });
  let received = 0;
  report(received);
  /** @type {Uint8Array[]} */
  const parts = [];
  for await (const piece of fileBytes(opening, record, first, last)) {
    received += piece.length;
    report(received, received >= last - first);
    for (const made of packer.push(piece)) {
      const at = packer.position - made.length;
      parts.push(made.subarray(Math.max(0, start - at), Math.max(0, end - at)));
    }
  }
  return parts;
}

/**
 * Reads all of a stored model.
 * @param {Pick<Opening, 'backend' | 'runtime' | 'signal' | 'onProgress'>} reading
 * @param {Manifest} record
 * @returns {Promise<number[]>} the chunks that are not what they were, HEADER for the header
 */
export async function damagedChunks({ backend, runtime, signal, onProgress }, record) {
  const { id, chunkBytes, headerBytes, headerChecksum } = record;
  const header = { index: HEADER, bytes: headerBytes, checksum: headerChecksum };
  const all = [header, ...record.chunks.map((chunk, index) => ({ ...chunk, index }))];
  const total = headerBytes + storedBytes(record);
  const report = progressReporter('read', total, onProgress);
  const buffer = new Uint8Array(Math.max(headerBytes, Math.min(chunkBytes, storedBytes(record))));
  /** @type {number[]} */
  const damaged = [];
  let read = 0;
  for (const { index, bytes, checksum } of all) {
    checkCancelled(signal);
    if (!(await holds(backend, runtime, id, index, buffer.subarray(0, bytes), checksum))) damaged.push(index);
    read += bytes;
    report(read, read === total);
  }
  return damaged;
}

/**
 * Whether a chunk is what it was.
 * @param {Opening['backend']} backend
 * @param {Opening['runtime']} runtime
 * @param {string} id
 * @param {number} index
 * @param {Uint8Array} target
 * @param {string} checksum
 */
async function holds(backend, runtime, id, index, target, checksum) {
  try {
    await backend.readChunk(id, index, 0, target);
    return checksumOf(runtime, [target]) === checksum;
  } catch (error) {
    if (isUnreadable(error)) return false;
    throw error;
  }
}

/**
 * Gets a chunk again, writes it, and puts it into place in a model.
 * @param {import('./open-stored.js').Opening} opening
 * @param {import('./manifest.js').Manifest} record
 * @param {number} index
 * @param {import('../core/runtime.js').Model | null} model null: it is repaired in the store alone
 * @throws {NibbleError} STORE_DAMAGED where that cannot be done; without a model, or of one that streams, why it cannot be
 *   written
 */
export async function repairChunk(opening, record, index, model) {
  const { runtime, backend, descriptor } = opening;
  if (descriptor === null || descriptor.port !== undefined) throw damaged(record, index);
  const start = index * record.chunkBytes;
  const { bytes, checksum } = record.chunks[index];
  let header;
  let packer;
  let parts;
  try {
    header = await storedHeader(opening, record);
    if (header === null) throw new Error('the header is damaged too');
    packer = new Packer(runtime, header);
    parts = await packAgain(opening, record, packer, start, start + bytes);
    if (checksumOf(runtime, parts) !== checksum) throw isOther();
  } catch (cause) {
    throw codeOf(cause) === 'CANCELLED' ? cause : damaged(record, index, cause);
  } finally {
    packer?.close();
    header?.close();
  }
  // Where it cannot be written, the next time repairs it again; but what streams is read from there, and what only lies
  // there is not repaired.
  await backend.writeChunk(record.id, index, parts).catch((error) => {
    if (model === null || model.streams) throw error;
  });
  let position = start;
  for (const part of parts) {
    model?.place(position, part);
    position += part.length;
  }
}

/**
 * Gets the header again, and writes it. The caller closes it.
 * @param {Opening} opening
 * @param {Manifest} record
 * @param {{ isOnlyStored?: boolean }} [how] whether it is repaired in the store alone
 * @throws {NibbleError} STORE_DAMAGED where that cannot be done; where it is only stored, why it cannot be written
 */
export async function repairHeader(opening, record, { isOnlyStored = false } = {}) {
  const { runtime, backend, descriptor } = opening;
  if (descriptor === null || descriptor.port !== undefined) throw damaged(record, HEADER);
  const bytes = new Uint8Array(record.headerBytes);
  let header;
  try {
    let done = 0;
    for await (const piece of fileBytes(opening, record, 0, bytes.length)) {
      bytes.set(piece, done);
      done += piece.length;
    }
    header = checkedHeader(runtime, record, bytes);
    if (header === null) throw isOther();
  } catch (cause) {
    throw codeOf(cause) === 'CANCELLED' ? cause : damaged(record, HEADER, cause);
  }
  await backend.writeChunk(record.id, HEADER, [bytes]).catch((error) => {
    if (!isOnlyStored) return;
    header.close();
    throw error;
  });
  return header;
}
