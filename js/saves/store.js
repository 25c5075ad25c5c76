// Saved sessions of one model, in the store that the model is in. The image that a session writes (src/session_image.c)
// carries its own checksums and the model's fingerprint, so here it is only cut into chunks. Nothing is stored over a
// save that is whole before the next one is, and no more than one chunk is in memory.

import { checkCancelled } from '../base/cancel.js';
import { codeOf, hasCode, NibbleError, shortened } from '../base/errors.js';
import { openStore } from '../store/backends.js';
import { isUnreadable } from '../store/errors.js';
import { chunkCount, chunkSize, halfId, modelOfSave, readSaved, SAVE_FORMAT, savedSummary, saveId } from './record.js';

const CHUNK_BYTES = 8 << 20;
const READ_BYTES = 1 << 20;
// What errors call what is listed.
const SAVES = 'the saved sessions';
// What makes a save useless for ever. All else may be otherwise the next time.
const USELESS = ['SAVE_DAMAGED', 'SAVE_MISMATCH'];
const HALVES = /** @type {const} */ ([0, 1]);

/** @typedef {import('./record.js').SavedRecord} SavedRecord */
/** @typedef {import('./record.js').Summary} Summary */
/** @typedef {import('./image.js').Save} Save */
/** @typedef {import('../store/backends.js').Backend} Backend */

/** @param {unknown} cause */
const saveCancelled = (cause) =>
  new NibbleError('CANCELLED', 'Saving the session was cancelled. An earlier save of that key is as it was.', {
    cause,
  });

/**
 * `problem`: why the save was dropped; both are null where there is none.
 * @typedef {{ session: import('../core/session.js').Session | null, problem: NibbleError | null }} Restored
 */

/** @type {Restored} */
const NOTHING = Object.freeze({ session: null, problem: null });

export class SessionStore {
  #store;
  #platform;
  #model;
  #limits;
  /** @type {Promise<Backend> | null} */
  #opening = null;
  #closed = false;

  /**
   * @param {object} parts
   * @param {import('../store/backends.js').StoreChoice | null} parts.store null: nothing can be saved
   * @param {import('../worker/engine-host.js').Platform} parts.platform
   * @param {string | null} parts.model the model's id; null where its store could not be opened
   * @param {{ maxSaves: number, maxSavedBytes: number }} parts.limits of all saves in the store
   */
  constructor({ store, platform, model, limits }) {
    this.#store = store;
    this.#platform = platform;
    this.#model = model;
    this.#limits = limits;
  }

  /**
   * Stores a moment of a session, in place of an earlier one of the same key. Then the saves that were used longest ago
   * are dropped until the others are within the limits.
   * @param {string} key
   * @param {Save} save
   * @param {{ tokens: number, signal: AbortSignal }} facts
   * @returns {Promise<Summary>} what list() tells of it
   */
  async save(key, save, { tokens, signal }) {
    const { maxSavedBytes } = this.#limits;
    if (save.bytes > maxSavedBytes) throw tooLarge(save.bytes, maxSavedBytes);
    const { backend, model } = await this.#open();
    // As long as this is held, nobody deletes the model.
    try {
      return await backend.lock(model, { shared: true, signal }, async () => {
        await checkModel(backend, model);
        const id = saveId(model, key);
        const write = () => writeSave(backend, { id, model, key, save, tokens, signal });
        const record = await backend.lock(id, { signal }, write);
        await this.#tidy(backend, id).catch(() => {});
        return savedSummary(record);
      });
    } catch (error) {
      throw hasCode(error, ['CANCELLED']) ? saveCancelled(error) : error;
    }
  }

  /**
   * Gives the bytes of a save to `restore`, and makes a session of them. A save that is damaged, or of another model, KV
   * type or version, is dropped.
   * @param {string} key
   * @param {{ openRestore: () => import('../core/session.js').Restore, signal: AbortSignal }} options
   * @returns {Promise<Restored>}
   */
  async restore(key, { openRestore, signal }) {
    const { backend, model } = await this.#open();
    const id = saveId(model, key);
    /** @type {import('../store/record.js').Record | null} */
    let found = null;
    try {
      return await backend.lock(id, { shared: true, signal }, async () => {
        found = await backend.get(id);
        const record = readSaved(found);
        if (found === null && (await hasChunks(backend, id))) throw withoutRecord(key);
        if (found === null || record?.half === null) return NOTHING;
        if (record === null) throw ofOtherVersion(key);
        const session = await readBack(backend, record, record.half, { openRestore, signal });
        await backend.put({ ...record, usedAt: Date.now() }).catch(() => {});
        return { session, problem: null };
      });
    } catch (error) {
      if (!(error instanceof NibbleError && hasCode(error, USELESS))) throw error;
      await this.#drop(backend, id, found).catch(() => {});
      return { session: null, problem: error };
    }
  }

  /** Of this model, those used last first. @returns {Promise<Summary[]>} */
  async list() {
    const records = (await this.#records()).flatMap((record) => readSaved(record) ?? []);
    const mine = records.filter(({ model, half }) => model === this.#model && half !== null);
    return mine.sort((a, b) => b.usedAt - a.usedAt).map(savedSummary);
  }

  /** A listing waits for nothing that runs, so the store may be closed under it. */
  async #records() {
    try {
      const { backend } = await this.#open();
      return await backend.list(SAVES);
    } catch (error) {
      throw this.#closed ? new NibbleError('UNLOADED', 'The engine was unloaded; create a new one.') : error;
    }
  }

  /** @param {string} key */
  async delete(key) {
    const { backend, model } = await this.#open();
    const id = saveId(model, key);
    await backend.lock(id, {}, () => removeSave(backend, id));
  }

  async close() {
    const opening = this.#opening;
    this.#closed = true;
    this.#store = this.#opening = null;
    await (await opening?.catch(() => null))?.close();
  }

  /** The store, and the model's id in it. */
  async #open() {
    if (this.#store === null || this.#model === null) {
      const reason = this.#store === null ? 'The engine was created without a store' : 'The store could not be opened';
      throw new NibbleError(
        'SAVE_NEEDS_STORE',
        `${reason}, so no session can be saved in one. Create the engine with a store that works here, or export the session.`,
      );
    }
    if (this.#opening === null) {
      const opening = openStore(this.#store, this.#platform);
      opening.catch(() => {
        this.#opening = null;
      });
      this.#opening = opening;
    }
    const model = this.#model;
    return { backend: await this.#opening, model };
  }

  /** Drops what interrupted saves left, and the oldest saves that are too many. What is in use elsewhere is left alone. @param {Backend} backend @param {string} own the id of the save that stays */
  async #tidy(backend, own) {
    const all = (await backend.list(SAVES)).flatMap((record) => readSaved(record) ?? []);
    const records = all.filter(({ id }) => id !== own);
    for (const { id, writing } of records) {
      if (writing === null) continue;
      await unlessBusy(backend, id, async () => {
        const current = readSaved(await backend.get(id));
        if (current?.writing !== writing) return;
        await dropHalf(backend, { ...current, writing });
      });
    }
    const mine = readSaved(await backend.get(own));
    let count = 1;
    let bytes = mine?.bytes ?? 0;
    for (const record of records.filter(({ half }) => half !== null).sort((a, b) => b.usedAt - a.usedAt)) {
      count++;
      bytes += record.bytes;
      if (count <= this.#limits.maxSaves && bytes <= this.#limits.maxSavedBytes) continue;
      await this.#drop(backend, record.id, record);
    }
  }

  /** Removes a save, if it is still the one that was looked at and nobody else uses it. @param {Backend} backend @param {string} id @param {{ createdAt?: unknown } | null} found */
  async #drop(backend, id, found) {
    await unlessBusy(backend, id, async () => {
      const current = await backend.get(id);
      if (current?.createdAt === found?.createdAt) await removeSave(backend, id);
    });
  }
}

/**
 * @param {Backend} backend
 * @param {{ id: string, model: string, key: string, save: Save, tokens: number, signal: AbortSignal }} what
 * @returns {Promise<SavedRecord>}
 */
async function writeSave(backend, { id, model, key, save, tokens, signal }) {
  const before = readSaved(await backend.get(id));
  /** @type {0 | 1} */
  const half = before?.half === 0 ? 1 : 0;
  const place = halfId(id, half);
  const sizes = { bytes: save.bytes, chunkBytes: CHUNK_BYTES, tokens };
  const now = Date.now();
  const whose = { id, format: SAVE_FORMAT, model, key, createdAt: now, usedAt: now };
  const started = { ...(before ?? { ...whose, ...sizes, half: null }), writing: half };
  try {
    await backend.put(started);
    await backend.remove(place);
    for (let index = 0; index < chunkCount(sizes); index++) {
      checkCancelled(signal);
      await backend.writeChunk(place, index, piecesOf(save, chunkSize(sizes, index)));
    }
    /** @type {SavedRecord} */
    const record = { ...whose, ...sizes, half, writing: null };
    await backend.put(record);
    // Where no record told of an earlier save, it may be there all the same.
    await backend.remove(halfId(id, 1 - half)).catch(() => {});
    return record;
  } catch (error) {
    await takeBack(backend, started).catch(() => {});
    throw error;
  }
}

/** Saves go when their model goes, so none is made behind its back. What is in memory is gone with the engine. @param {Backend} backend @param {string} model */
async function checkModel(backend, model) {
  if (backend.kind === 'memory' || (await backend.get(model)) !== null) return;
  throw new NibbleError(
    'STORE_MISSING',
    `The model "${shortened(model)}" is not in the store (any more), and sessions are saved beside their model. Load it again with a store, or export the session.`,
    { details: { id: model } },
  );
}

/** Removes what is saved of a model's sessions, whatever their records hold. @param {Backend} backend @param {string} model */
export async function removeSavesOf(backend, model) {
  const saved = (await backend.list(SAVES)).filter(({ id }) => modelOfSave(id) === model);
  for (const { id } of saved) await backend.lock(id, {}, () => removeSave(backend, id));
}

/** @param {Backend} backend @param {string} id */
async function removeSave(backend, id) {
  await backend.remove(id);
  for (const half of HALVES) await backend.remove(halfId(id, half));
}

/**
 * Whether chunks of a save are there. A save writes its record before any chunk and removes it first: where there are
 * chunks and no record, and nobody holds the save's lock alone, the record was lost.
 * @param {Backend} backend
 * @param {string} id
 */
async function hasChunks(backend, id) {
  for (const half of HALVES) {
    try {
      await backend.readChunk(halfId(id, half), 0, 0, new Uint8Array(1));
      return true;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  }
  return false;
}

/** @typedef {SavedRecord & { writing: 0 | 1 }} Started a save under way, whose `half` is that of the earlier save */

/** Undoes a save that failed: the earlier one is there again, or nothing. @param {Backend} backend @param {Started} started */
async function takeBack(backend, started) {
  // The last record may have arrived though its write failed, and then the new half is the one that it names.
  const record = readSaved(await backend.get(started.id));
  if (record?.half === started.writing) await backend.put(started);
  await dropHalf(backend, started);
}

/** Removes the half that was being written, which no record names. @param {Backend} backend @param {Started} started */
async function dropHalf(backend, started) {
  const { id, half, writing } = started;
  await backend.remove(halfId(id, writing));
  if (half === null) await backend.remove(id);
  else await backend.put({ ...started, writing: null });
}

/** @param {Backend} backend @param {string} id @param {() => Promise<void>} use */
async function unlessBusy(backend, id, use) {
  try {
    await backend.lock(id, { wait: false }, use);
  } catch (error) {
    if (codeOf(error) !== 'STORE_BUSY') throw error;
  }
}

/** The next `bytes` bytes of a save, in pieces. @param {Save} save @param {number} bytes */
function piecesOf(save, bytes) {
  const pieces = [];
  for (let left = bytes; left > 0; ) {
    const piece = save.read(Math.min(left, READ_BYTES));
    if (piece.length === 0) throw new RangeError(`a save ended ${left} bytes early`);
    pieces.push(piece);
    left -= piece.length;
  }
  return pieces;
}

/**
 * @param {Backend} backend
 * @param {SavedRecord} record
 * @param {0 | 1} half
 * @param {{ openRestore: () => import('../core/session.js').Restore, signal: AbortSignal }} options
 */
async function readBack(backend, record, half, { openRestore, signal }) {
  const restore = openRestore();
  try {
    const buffer = new Uint8Array(Math.min(record.chunkBytes, record.bytes));
    for (let index = 0; index < chunkCount(record); index++) {
      checkCancelled(signal);
      const piece = buffer.subarray(0, chunkSize(record, index));
      await backend.readChunk(halfId(record.id, half), index, 0, piece);
      restore.write(piece);
    }
    return restore.finish();
  } catch (error) {
    throw isUnreadable(error) ? damaged(record.key, error) : error;
  } finally {
    restore.close();
  }
}

/** The store's own sentence speaks of its records and chunks. */
const damaged = (/** @type {string} */ key, /** @type {unknown} */ cause) =>
  new NibbleError(
    'SAVE_DAMAGED',
    `The saved session "${shortened(key)}" is damaged: a part of it is missing or cannot be read. Let the model read the text again.`,
    { cause },
  );

const withoutRecord = (/** @type {string} */ key) =>
  new NibbleError(
    'SAVE_DAMAGED',
    `The saved session "${shortened(key)}" is damaged: its record is missing or cannot be read. Let the model read the text again.`,
  );

const ofOtherVersion = (/** @type {string} */ key) =>
  new NibbleError(
    'SAVE_MISMATCH',
    `The record of the saved session "${shortened(key)}" is damaged or of another version of Nibble.`,
  );

const tooLarge = (/** @type {number} */ bytes, /** @type {number} */ most) =>
  new NibbleError(
    'SAVE_TOO_LARGE',
    `The session takes ${bytes} bytes, and saves may take ${most} together. Raise maxSavedBytes, or export the session.`,
    { details: { bytes, most } },
  );
