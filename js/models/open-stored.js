// Stored models, on the worker's side. A model that is stored goes from the store straight into place; one that is not
// is stored while it comes from its source.
import { NibbleError, shortened } from '../base/errors.js';
import { progressReporter } from '../base/progress.js';
import { packedLayout } from '../core/packer.js';
import { holdLock } from '../store/locks.js';
import { openReader } from './chunk-reader.js';
import { openImport } from './import.js';
import { checkHash, fileNameOf, readManifest } from './manifest.js';
import { readStreamedWeights } from './read-streamed-weights.js';
import { readWeights } from './read-weights.js';
import { repairChunk, repairHeader } from './repair.js';
import { storedHeader } from './stored-header.js';

/** @typedef {import('../store/backends.js').Backend} Backend */
/** @typedef {import('./manifest.js').Manifest} Manifest */
/** @typedef {import('../core/runtime.js').Model} Model */
/** @typedef {import('../core/runtime.js').Runtime} Runtime */
/** @typedef {import('./loader.js').OpenedModel} OpenedModel */

/**
 * What a model is opened with.
 * @typedef {object} Opening
 * @property {Runtime} runtime
 * @property {import('../worker/engine-host.js').Platform} platform
 * @property {import('../store/backends.js').StoreChoice} store
 * @property {Backend} backend
 * @property {import('./prefetch.js').Prefetch | null} [prefetch] what was got of it before
 * @property {number} chunkBytes of chunks to be written
 * @property {string} id
 * @property {import('../sources/descriptor.js').Descriptor | null} descriptor where the model comes from, if not from the store; null: from the store alone
 * @property {(from?: import('../sources/source.js').From) => Promise<import('../sources/source.js').Source>} open opens the descriptor
 * @property {import('./open.js').Storage} storage filled here
 * @property {AbortSignal} [signal]
 * @property {(progress: import('../base/public-types.js').Progress) => void} onProgress
 * @property {boolean} [headerOnly] the weights are not asked for; false: they are, at once
 * @property {string | null} [name] instead of the file's own
 * @property {string | null} [sha256] what the caller says that the file's is, also of one that is stored
 * @property {string | (string | null)[] | null} [toldSha256] what its source says that it is, of one that is stored now; of
 *   a model in parts that of each
 * @property {string[]} [addresses] further ones that its file is known by
 * @property {boolean} [keepPartial] whether what came before an interruption is kept; true
 * @property {{ bytes: number, milliseconds: number }} [saveEvery] other than a ChunkWriter's own
 */

/**
 * Opens a model out of the store, or into it, under a lock that is held until the model is closed. A store that is in the
 * way of another tab is waited for.
 * @param {Opening} opening
 * @returns {Promise<OpenedModel>}
 */
export async function openStored(opening) {
  const stored = await openLocked(opening, { shared: true }, async (record) =>
    record?.state === 'complete' ? openComplete(opening, record) : null,
  );
  if (stored !== null) return stored;
  return openLocked(opening, { shared: false }, async (record) => {
    // Another tab may have stored it in the meantime.
    if (record?.state === 'complete') return openComplete(opening, record);
    if (opening.descriptor === null) throw incomplete(opening.id, record);
    return openImport(opening, record);
  });
}

/**
 * Opens what there is in the store; where nothing is opened, the lock is given back at once.
 * @template {OpenedModel | null} T
 * @param {Opening} opening
 * @param {{ shared: boolean }} how
 * @param {(record: Manifest | null) => Promise<T>} open
 * @returns {Promise<T>}
 */
async function openLocked(opening, how, open) {
  const lock = await holdLock((use) => withLock(opening, how, use));
  /** @type {T | null} */
  let opened = null;
  try {
    opened = await open(await find(opening));
  } finally {
    if (opened === null) await lock.release();
  }
  if (opened === null) return opened;
  const { close } = opened;
  opened.close = () => close().finally(lock.release);
  return opened;
}

/** @typedef {Pick<Opening, 'runtime' | 'backend' | 'id'>} Place of a model in a store */

/** Whether a model is stored as a whole. @param {Place} opening */
export const isStored = async (opening) => (await find(opening))?.state === 'complete';

/** Its record, if it is one that this version can use; null otherwise. @param {Place} place */
async function find({ runtime, backend, id }) {
  const record = readManifest(await backend.get(id));
  return record?.id === id && record.layout === packedLayout(runtime) ? record : null;
}

/**
 * Another that is in the way is waited for, which is told, until the signal is given.
 * @template T
 * @param {Pick<Opening, 'backend' | 'id' | 'signal' | 'onProgress'>} opening
 * @param {{ shared: boolean }} how
 * @param {() => Promise<T>} use
 * @returns {Promise<T>}
 */
export const withLock = ({ backend, id, signal, onProgress }, { shared }, use) => {
  const nothing = { loaded: 0, total: 0, fraction: 0, bytesPerSecond: 0, secondsLeft: null };
  const onWait = (/** @type {import('../store/leases.js').Holder} */ holder) =>
    onProgress({ phase: 'wait', ...nothing, holder });
  return backend.lock(id, { shared, signal, onWait }, use);
};

/**
 * Changes a record that is there, under a lock of its own: whoever only reads the model is in nobody's way. Nothing happens
 * where there is none.
 * @param {Backend} backend
 * @param {string} id
 * @param {(record: import('../store/record.js').Record) => import('../store/record.js').Record} change
 * @param {Partial<Pick<Opening, 'signal' | 'onProgress'>>} [control] for another change that is waited for
 */
export async function changeRecord(backend, id, change, { signal, onProgress = () => {} } = {}) {
  const lock = { backend, id: `${id}#record`, signal, onProgress };
  await withLock(lock, { shared: false }, async () => {
    const record = await backend.get(id);
    if (record !== null) await backend.put(change(record));
  });
}

/** @param {string} id @param {Manifest | null} record */
function incomplete(id, record) {
  const what =
    record === null
      ? 'is damaged or of another version'
      : `has come only in part (${record.filePosition} of ${record.fileBytes ?? 'an unknown number of'} bytes)`;
  return new NibbleError(
    record === null ? 'STORE_DAMAGED' : 'MODEL_INCOMPLETE',
    `The stored model "${shortened(id)}" ${what}. Choose its file again, or delete it.`,
  );
}

/**
 * Opens a model that is stored as a whole.
 * @param {Opening} opening
 * @param {Manifest} record
 * @returns {Promise<OpenedModel>}
 */
async function openComplete(opening, record) {
  const { storage } = opening;
  checkHash(record, opening.sha256);
  // Where weights are to come, the workers that read them start while the header is read.
  const open = () => openReader(opening, { workers: record.chunks.length > 1 ? undefined : 0 });
  let reader = opening.headerOnly === false ? (opening.prefetch?.takeReader() ?? open()) : null;
  /** @type {import('../core/header.js').Header | null} */
  let header = null;
  const close = async () => {
    header?.close();
    await reader?.close();
  };
  try {
    header = (await storedHeader(opening, record)) ?? (await repairHeader(opening, record));
    storage.state = 'stored';
    // A worker that is kept busy does not start others.
    await reader?.ready;
  } catch (error) {
    await close();
    throw error;
  }
  /** @type {OpenedModel['load']} */
  const load = async (model) => {
    if (model === null) return record;
    reader ??= open();
    await readComplete(opening, record, reader, model);
    return record;
  };
  return { header, fileName: fileNameOf(record), fileSize: record.fileBytes, storage, load, close };
}

/**
 * Reads the weights of a stored model into place, and repairs what is damaged.
 * @param {Opening} opening
 * @param {Manifest} record
 * @param {import('./chunk-reader.js').Reader} reader closed here
 * @param {Model} model
 */
async function readComplete(opening, record, reader, model) {
  const { backend, storage, runtime, signal, onProgress } = opening;
  checkSize(model, record);
  const report = progressReporter('read', record.packedBytes, onProgress);
  const start = performance.now();
  let read = 0;
  const onRead = (/** @type {number} */ bytes) => {
    read += bytes;
    report(read, read === record.packedBytes);
  };
  const repair = async (/** @type {number} */ index) => {
    await repairChunk(opening, record, index, model);
    storage.repairedChunks++;
  };
  // When a model was used last is nice to know, and no reason to fail.
  const used = changeRecord(backend, record.id, (now) => ({ ...now, usedAt: Date.now() })).catch(() => {});
  const parts = { reader, runtime, record, model, signal, onRead, repair };
  const { verifyMilliseconds } = model.streams ? await readStreamedWeights(parts) : await readWeights(parts);
  storage.bytesPerSecond = read / Math.max(0.001, (performance.now() - start) / 1000);
  storage.verifyMilliseconds = verifyMilliseconds;
  await reader.close();
  model.finish();
  await used;
}

/** @param {Model} model @param {Manifest} record */
function checkSize(model, record) {
  const { packedBytes: weights } = model.info;
  if (weights === record.packedBytes) return;
  throw new NibbleError(
    'STORE_DAMAGED',
    `The stored model "${shortened(record.id)}" has ${record.packedBytes} bytes of weights, and its header calls for ${weights}. Delete it and import it again.`,
  );
}
