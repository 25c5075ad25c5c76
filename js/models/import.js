// Stores a model while it comes from its source: begins an import, or goes on with one that was interrupted.

import { hasCode, NibbleError } from '../base/errors.js';
import { progressReporter } from '../base/progress.js';
import { checksumOf, Packer, packedLayout } from '../core/packer.js';
import { strongEtag } from '../download/http-headers.js';
import { nextPiece } from '../sources/source.js';
import { isUnreadable } from '../store/errors.js';
import { openReader } from './chunk-reader.js';
import { ChunkWriter, canHashOn } from './chunk-writer.js';
import { readHeader, truncated, UNKNOWN_SIZE } from './loader.js';
import { fileNameOf, HEADER, newManifest, storedBytes, unhashable } from './manifest.js';
import { idsOf } from './model-id.js';
import { readStreamedWeights } from './read-streamed-weights.js';
import { readWeights } from './read-weights.js';
import { seemsSame } from './same-file.js';
import { storedHeader } from './stored-header.js';

/** What streams is read back once it is stored. @type {import('../base/progress.js').Share} */
const FETCHED = [0, 0.9];

/** @typedef {import('./open-stored.js').Opening} Opening */
/** @typedef {import('./manifest.js').Manifest} Manifest */
/** @typedef {import('../core/runtime.js').Model} Model */
/** @typedef {import('../sources/source.js').Source} Source */
/** @typedef {import('./loader.js').OpenedModel} OpenedModel */
/** @typedef {import('../core/runtime.js').Runtime} Runtime */

/**
 * An import under way. `pieces` have been read from the source already; `position` is that of the first of them, or of
 * what the source gives next; `problem` is the error for which nothing is stored.
 * @typedef {object} Import
 * @property {import('../core/header.js').Header} header
 * @property {Packer} packer
 * @property {Source} source
 * @property {Manifest} record
 * @property {Uint8Array[]} pieces
 * @property {number} position
 * @property {Uint8Array | null} tail the bytes of the last chunk, where an interruption left it short
 * @property {NibbleError | null} problem
 */

/**
 * Opens a model that is stored as it is loaded.
 * @param {import('./open-stored.js').Opening} opening the lock on its model is held alone until the model is closed
 * @param {import('./manifest.js').Manifest | null} partial what there is of it
 * @returns {Promise<OpenedModel>}
 */
export async function openImport(opening, partial) {
  const { backend, storage, open } = opening;
  const started = (partial && (await resume(opening, partial))) ?? (await begin(opening, await open()));
  const { header, record, packer } = started;
  return {
    header,
    fileName: fileNameOf(record),
    fileSize: record.fileBytes,
    storage,
    load: async (model) => {
      const share = model?.streams ? FETCHED : undefined;
      await importWeights(opening, started, model?.streams ? null : model, share);
      if (model?.streams) await readBack(opening, record, model);
      return record;
    },
    close: async () => {
      header.close();
      packer.close();
      await started.source.close();
      // Where not even one chunk has come, nothing is left behind.
      if (record.chunks.length === 0) await backend.remove(record.id).catch(() => {});
    },
  };
}

/** The rest of an interrupted import; null where it has to begin anew. @param {Opening} opening @param {Manifest} record @returns {Promise<Import | null>} */
async function resume(opening, record) {
  const { runtime, open, sha256 = null, storage } = opening;
  const header = await storedHeader(opening, record);
  if (header === null) return null;
  let packer;
  let source;
  try {
    packer = new Packer(runtime, header);
    const fits = packer.packedBytes === record.packedBytes && (sha256 === null || record.sha256 === sha256);
    if (fits && !(await canHashOn(record))) storage.restarted = true;
    else if (fits) {
      const tail = await shortChunk(opening, record);
      packer.seek(storedBytes(record));
      source = await openRest(open, record, packer);
      const position = packer.filePosition;
      if ((source.position ?? 0) === position && (await isAsBefore(opening, record, source)))
        return { header, packer, source, record, pieces: [], position, tail, problem: null };
      storage.restarted = true;
      if ((source.position ?? 0) > 0) {
        await source.close();
        source = await open();
      }
    }
  } catch (error) {
    packer?.close();
    header.close();
    await source?.close();
    throw error;
  }
  packer.close();
  header.close();
  return source === undefined ? null : begin(opening, source);
}

/**
 * Whether a server that gives the rest still has the file of which a part is stored. It says so by a strong ETag; else
 * what is stored is compared. One that gives no parts sends all of it anyway, so that beginning anew costs nothing.
 * @param {Opening} opening
 * @param {Manifest} record
 * @param {Source} source
 */
async function isAsBefore(opening, record, source) {
  if (source.kind !== 'download' || source.position === 0) return true;
  const etag = strongEtag({ etag: source.etag });
  if (etag !== null && etag === record.etag) return true;
  return source.ranged === true && seemsSame(opening, record);
}

/** The bytes of a last chunk that is to be filled up; where they are not what they were, the record forgets it. @param {Opening} opening @param {Manifest} record */
async function shortChunk({ runtime, backend }, { id, chunks, chunkBytes }) {
  const last = chunks.at(-1);
  if (last === undefined || last.bytes === chunkBytes) return null;
  const bytes = new Uint8Array(last.bytes);
  try {
    await backend.readChunk(id, chunks.length - 1, 0, bytes);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
  }
  if (checksumOf(runtime, [bytes]) === last.checksum) return bytes;
  chunks.pop();
  return null;
}

/** The source from where the packer stands. @param {Opening['open']} open @param {Manifest} record @param {Packer} packer @returns {Promise<Source>} */
async function openRest(open, { etag, lastModified, fileBytes, sha256 }, packer) {
  const position = packer.filePosition;
  if (packer.position < packer.packedBytes || sha256 !== null)
    return open({ position, etag, lastModified, size: fileBytes });
  const nothing = { kind: /** @type {const} */ ('load'), name: '', size: fileBytes, position };
  return { ...nothing, read: async () => null, close: async () => {} };
}

/** A new import, from the front of a source. @param {Opening} opening @param {Source} source @returns {Promise<Import>} */
async function begin(opening, source) {
  const { runtime, chunkBytes, signal } = opening;
  let header;
  let packer;
  try {
    const { sha256 = null } = opening;
    if (source.isJoined && sha256 !== null) throw unhashable(source.name);
    const parsed = await readHeader(runtime, source, signal);
    header = parsed.header;
    packer = new Packer(runtime, header);
    const { pieces } = parsed;
    const bytes = firstBytes(pieces, header.dataOffset);
    const fileBytes = parsed.fileSize === UNKNOWN_SIZE ? null : parsed.fileSize;
    const sizes = { layout: packedLayout(runtime), packedBytes: packer.packedBytes, chunkBytes, fileBytes };
    const headerChecksum = checksumOf(runtime, [bytes]);
    const record = newManifest({ ...factsOf(opening), header, source, headerChecksum, ...sizes });
    const problem = await writeBeginning(opening, record, bytes);
    return { header, packer, source, record, pieces, position: 0, tail: null, problem };
  } catch (error) {
    packer?.close();
    header?.close();
    await source.close();
    throw error;
  }
}

/** @param {Opening} opening */
const factsOf = ({ id, addresses, descriptor, name, sha256, toldSha256 }) => ({
  aliases: idsOf(addresses).filter((one) => one !== id),
  id,
  descriptor,
  name,
  // That of each part is compared while the part is read.
  sha256: sha256 ?? (Array.isArray(toldSha256) ? null : toldSha256),
});

/** Whatever was there goes, the header comes. @param {Opening} opening @param {Manifest} record @param {Uint8Array} bytes @returns {Promise<NibbleError | null>} why it cannot be stored */
async function writeBeginning({ backend }, record, bytes) {
  try {
    await backend.remove(record.id);
    await backend.writeChunk(record.id, HEADER, [bytes]);
    await backend.put({ ...record });
    return null;
  } catch (error) {
    if (!(error instanceof NibbleError)) throw error;
    return error;
  }
}

/** @param {Uint8Array[]} pieces @param {number} count */
function firstBytes(pieces, count) {
  const bytes = new Uint8Array(count);
  let done = 0;
  for (const piece of pieces) {
    bytes.set(piece.subarray(0, count - done), done);
    done = Math.min(count, done + piece.length);
  }
  return bytes;
}

/**
 * Feeds the rest of the file to an writer, and to a model where there is one.
 * @param {Opening} opening
 * @param {Import} started
 * @param {Model | null} model
 * @param {import('../base/progress.js').Share} [share] of the whole load
 */
async function importWeights(opening, started, model, share) {
  const { runtime, backend, storage, keepPartial = true, saveEvery } = opening;
  const { packer, record } = started;
  if (model !== null) await placeStored(opening, started, model);
  else if (started.problem !== null) throw started.problem;
  const { tail, problem } = started;
  const writer = new ChunkWriter({ backend, runtime, packer, record, model, tail, problem, saveEvery });
  try {
    await writer.begin();
    const end = await feed(opening, started, writer, share);
    await writer.finish(record.fileBytes ?? end);
    model?.finish();
  } catch (error) {
    // A source that cannot begin behind its front is of no use for going on.
    const useless = hasCode(error, ['HASH_MISMATCH', 'MODEL_BAD_TENSOR']);
    const kept = keepPartial && started.source.position !== undefined && !useless;
    await (kept ? writer.keep() : writer.drop());
    throw error;
  }
  if (writer.problem === null) storage.state = 'imported';
  else storage.problem = problemOf(writer.problem);
}

/** Why nothing was stored. @param {unknown} error */
const problemOf = (error) =>
  error instanceof NibbleError
    ? { code: error.code, message: error.message }
    : { code: /** @type {const} */ ('INTERNAL'), message: String(error instanceof Error ? error.message : error) };

/** Puts into place what stays of a model that was just stored. @param {Opening} opening @param {Manifest} record @param {Model} model */
async function readBack(opening, record, model) {
  const { runtime, signal, onProgress } = opening;
  const report = progressReporter('read', record.packedBytes, onProgress, { share: [FETCHED[1], 1] });
  let total = 0;
  const onRead = (/** @type {number} */ bytes) => {
    total += bytes;
    report(total, total === record.packedBytes);
  };
  const repair = async (/** @type {number} */ index) => {
    throw new NibbleError(
      'STORE_DAMAGED',
      `Chunk ${index + 1} of ${record.chunks.length} of "${fileNameOf(record)}" was stored, and cannot be read back. Load the model again; if that does not help, use another store.`,
    );
  };
  const reader = openReader(opening);
  try {
    await readStreamedWeights({ reader, runtime, model, record, signal, onRead, repair });
  } finally {
    await reader.close();
  }
  model.finish();
}

/** What an earlier import stored goes into place. Where a chunk of it is damaged, the import goes on from there. @param {Opening} opening @param {Import} started @param {Model} model */
async function placeStored(opening, started, model) {
  const { backend, signal, onProgress, open } = opening;
  const { packer, record } = started;
  const total = storedBytes(record);
  if (total === 0) return;
  // The rest of the file comes behind it.
  const report = progressReporter('read', total, onProgress, { share: [0, started.position / bytesOf(record)] });
  let read = 0;
  let whole = record.chunks.length;
  const onRead = (/** @type {number} */ bytes) => {
    read += bytes;
    report(read);
  };
  const repair = async (/** @type {number} */ index) => {
    whole = Math.min(whole, index);
  };
  const reader = openReader(opening);
  try {
    await readWeights({ reader, runtime: opening.runtime, record, model, signal, onRead, repair });
  } finally {
    await reader.close();
  }
  if (whole === record.chunks.length) return;
  // Only the last chunk can be short, so none of those that stay is.
  record.chunks.length = whole;
  started.tail = null;
  packer.seek(storedBytes(record));
  await started.source.close();
  started.source = await openRest(open, record, packer);
  started.position = packer.filePosition;
  if ((started.source.position ?? 0) === started.position) return;
  await backend.remove(record.id);
  throw new NibbleError('DOWNLOAD_CHANGED', `The file ${fileNameOf(record)} changed while it was read. Load it again.`);
}

/** The file, or what is to come of it. @param {Manifest} record */
const bytesOf = (record) => record.fileBytes ?? record.headerBytes + record.packedBytes;

/** @param {Opening} opening @param {Import} started @param {ChunkWriter} writer @param {import('../base/progress.js').Share} [share] */
async function feed(opening, started, writer, share) {
  const { signal, onProgress, storage } = opening;
  const { source, record, pieces } = started;
  const total = bytesOf(record);
  /** @type {Opening['onProgress']} */
  const tell = (progress) => onProgress(storage.restarted ? { ...progress, restarted: true } : progress);
  const report = progressReporter(source.kind, total, tell, { from: started.position, share });
  let { position } = started;
  const take = async (/** @type {Uint8Array} */ piece) => {
    await writer.push(piece, position);
    position += piece.length;
    report(position);
  };
  for (const piece of pieces.splice(0)) await take(piece);
  while (writer.wantsMore) {
    const piece = await writer.whileWaiting(nextPiece(source, signal));
    if (piece === null) break;
    await take(piece);
  }
  if (!writer.done) throw truncated(fileNameOf(record), position, record.packedBytes - started.packer.position);
  report(total, true);
  return position;
}
