// Saved sessions of one model, in the store that the model is in. The image that a session writes (src/session_image.c)
// carries its own checksums and the model's fingerprint, so here it is only cut into chunks. Nothing is stored over a
// save that is whole before the next one is, and no more than one chunk is in memory.

import { checkCancelled } from '../base/cancel.js';
import { NibbleError, shortened } from '../base/errors.js';
import { openStore } from '../store/backends.js';
import {
  chunkCount,
  chunkSize,
  halfId,
  isSavedSession,
  readSaved,
  SAVE_FORMAT,
  savedSummary,
  saveId,
} from './record.js';

const CHUNK_BYTES = 8 << 20;
const READ_BYTES = 1 << 20;
// What errors call what is listed.
const SAVES = 'the saved sessions';
// What makes a save useless for ever. All else may be otherwise the next time.
const USELESS = ['SAVE_DAMAGED', 'SAVE_MISMATCH'];
const UNREADABLE = ['STORE_CHUNK_MISSING', 'STORE_DAMAGED'];

/** @typedef {import('./record.js').SavedRecord} SavedRecord */

const saveCancelled = (cause) =>
  new NibbleError('CANCELLED', 'Saving the session was cancelled. An earlier save of that key is as it was.', {
    cause,
  });

export class SessionStore {
  #store;
  #platform;
  #model;
  #limits;
  #opening = null;
  #closed = false;

  /**
   * @param {object} parts
   * @param {any} parts.store as readStore() in base/options.js gives it; null: nothing can be saved
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
   * @param {{ bytes: number, read: (most?: number) => Uint8Array }} save see Save in session.js
   * @param {{ tokens: number, signal: AbortSignal }} facts
   * @returns {Promise<object>} what list() tells of it
   */
  async save(key, save, { tokens, signal }) {
    const { maxSavedBytes } = this.#limits;
    if (save.bytes > maxSavedBytes) throw tooLarge(save.bytes, maxSavedBytes);
    const backend = await this.#open();
    // As long as this is held, nobody deletes the model.
    try {
      return await backend.lock(this.#model, { shared: true, signal }, async () => {
        await this.#checkModel(backend);
        const id = saveId(this.#model, key);
        const write = () => this.#write(backend, { id, key, save, tokens, signal });
        const record = await backend.lock(id, { signal }, write);
        await this.#tidy(backend, id).catch(() => {});
        return savedSummary(record);
      });
    } catch (error) {
      throw error.code === 'CANCELLED' ? saveCancelled(error) : error;
    }
  }

  /** @returns {Promise<SavedRecord>} */
  async #write(backend, { id, key, save, tokens, signal }) {
    const before = readSaved(await backend.get(id));
    const half = before?.half === 0 ? 1 : 0;
    const place = halfId(id, half);
    const sizes = { bytes: save.bytes, chunkBytes: CHUNK_BYTES, tokens };
    const now = Date.now();
    const whose = { id, format: SAVE_FORMAT, model: this.#model, key, createdAt: now, usedAt: now };
    try {
      await backend.put({ ...(before ?? { ...whose, ...sizes, half: null }), writing: half });
      await backend.remove(place);
      for (let index = 0; index < chunkCount(sizes); index++) {
        checkCancelled(signal);
        await backend.writeChunk(place, index, piecesOf(save, chunkSize(sizes, index)));
      }
      const record = { ...whose, ...sizes, half, writing: null };
      await backend.put(record);
      // Where no record told of an earlier save, it may be there all the same.
      await backend.remove(halfId(id, 1 - half)).catch(() => {});
      return record;
    } catch (error) {
      await takeBack(backend, id, place, before).catch(() => {});
      throw error;
    }
  }

  /**
   * Gives the bytes of a save to `restore`, and makes a session of them. A save that is damaged, or of another model, KV
   * type or version, is dropped.
   * @param {string} key
   * @param {{ openRestore: () => import('../core/session.js').Restore, signal: AbortSignal }} options
   * @returns {Promise<{ session: import('../core/session.js').Session | null, problem: NibbleError | null }>} `problem`: why
   *   it was dropped; both are null where there is no such save
   */
  async restore(key, { openRestore, signal }) {
    const backend = await this.#open();
    const id = saveId(this.#model, key);
    let found;
    try {
      return await backend.lock(id, { shared: true, signal }, async () => {
        found = await backend.get(id);
        const record = readSaved(found);
        if (found === null && (await hasChunks(backend, id))) throw withoutRecord(key);
        if (found === null || (record !== null && record.half === null)) return { session: null, problem: null };
        if (record === null) throw ofOtherVersion(key);
        const session = await readBack(backend, record, { openRestore, signal });
        await backend.put({ ...record, usedAt: Date.now() }).catch(() => {});
        return { session, problem: null };
      });
    } catch (error) {
      if (!USELESS.includes(error.code)) throw error;
      await this.#drop(backend, id, found).catch(() => {});
      return { session: null, problem: error };
    }
  }

  /** Of this model, those used last first. @returns {Promise<object[]>} */
  async list() {
    const records = (await this.#records()).map(readSaved);
    const mine = records.filter((record) => record?.model === this.#model && record.half !== null);
    return mine.sort((a, b) => b.usedAt - a.usedAt).map(savedSummary);
  }

  /** A listing waits for nothing that runs, so the store may be closed under it. */
  async #records() {
    try {
      const backend = await this.#open();
      return await backend.list(SAVES);
    } catch (error) {
      throw this.#closed ? new NibbleError('UNLOADED', 'The engine was unloaded; create a new one.') : error;
    }
  }

  async delete(key) {
    const backend = await this.#open();
    const id = saveId(this.#model, key);
    await backend.lock(id, {}, () => removeSave(backend, id));
  }

  async close() {
    const opening = this.#opening;
    this.#closed = true;
    this.#store = this.#opening = null;
    await (await opening?.catch(() => null))?.close();
  }

  #open() {
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
    return this.#opening;
  }

  /** Saves go when their model goes, so none is made behind its back. What is in memory is gone with the engine. */
  async #checkModel(backend) {
    if (backend.kind === 'memory' || (await backend.get(this.#model)) !== null) return;
    throw new NibbleError(
      'STORE_MISSING',
      `The model "${shortened(this.#model)}" is not in the store (any more), and sessions are saved beside their model. Load it again with a store, or export the session.`,
      { details: { id: this.#model } },
    );
  }

  /** Drops what interrupted saves left, and the oldest saves that are too many. What is in use elsewhere is left alone. */
  async #tidy(backend, own) {
    const records = (await backend.list(SAVES)).map(readSaved).filter((record) => record !== null && record.id !== own);
    for (const record of records.filter(({ writing }) => writing !== null)) {
      const { id, writing } = record;
      await unlessBusy(backend, id, async () => {
        const current = readSaved(await backend.get(id));
        if (current?.writing !== writing) return;
        await takeBack(backend, id, halfId(id, writing), { ...current, writing: null });
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

  /** Removes a save, if it is still the one that was looked at and nobody else uses it. */
  async #drop(backend, id, found) {
    await unlessBusy(backend, id, async () => {
      const current = await backend.get(id);
      if (current?.createdAt === found?.createdAt) await removeSave(backend, id);
    });
  }
}

/** Removes what is saved of a model's sessions. @param {import('../store/backends.js').Backend} backend @param {string} model */
export async function removeSavesOf(backend, model) {
  const saved = (await backend.list(SAVES)).filter((record) => isSavedSession(record) && record.model === model);
  for (const { id } of saved) await backend.lock(id, {}, () => removeSave(backend, id));
}

async function removeSave(backend, id) {
  await backend.remove(id);
  for (const half of [0, 1]) await backend.remove(halfId(id, half));
}

/**
 * Whether chunks of a save are there. A save writes its record before any chunk and removes it first: where there are
 * chunks and no record, and nobody holds the save's lock alone, the record was lost.
 */
async function hasChunks(backend, id) {
  for (const half of [0, 1]) {
    try {
      await backend.readChunk(halfId(id, half), 0, 0, new Uint8Array(1));
      return true;
    } catch (error) {
      if (!UNREADABLE.includes(error.code)) throw error;
    }
  }
  return false;
}

/** Undoes a save that was not finished: the earlier one is there again, or nothing. */
async function takeBack(backend, id, place, before) {
  await backend.remove(place);
  if (before === null || before.half === null) await backend.remove(id);
  else await backend.put({ ...before, writing: null });
}

async function unlessBusy(backend, id, use) {
  try {
    await backend.lock(id, { wait: false }, use);
  } catch (error) {
    if (error.code !== 'STORE_BUSY') throw error;
  }
}

/** The next `bytes` bytes of a save, in pieces. */
function piecesOf(save, bytes) {
  const pieces = [];
  for (let left = bytes; left > 0; left -= pieces.at(-1).length) {
    pieces.push(save.read(Math.min(left, READ_BYTES)));
    if (pieces.at(-1).length === 0) throw new RangeError(`a save ended ${left} bytes early`);
  }
  return pieces;
}

async function readBack(backend, record, { openRestore, signal }) {
  const restore = openRestore();
  try {
    const buffer = new Uint8Array(Math.min(record.chunkBytes, record.bytes));
    for (let index = 0; index < chunkCount(record); index++) {
      checkCancelled(signal);
      const piece = buffer.subarray(0, chunkSize(record, index));
      await backend.readChunk(halfId(record.id, record.half), index, 0, piece);
      restore.write(piece);
    }
    return restore.finish();
  } catch (error) {
    throw UNREADABLE.includes(error.code) ? damaged(record.key, error) : error;
  } finally {
    restore.close();
  }
}

/** The store's own sentence speaks of its records and chunks. */
const damaged = (key, cause) =>
  new NibbleError(
    'SAVE_DAMAGED',
    `The saved session "${shortened(key)}" is damaged: a part of it is missing or cannot be read. Let the model read the text again.`,
    { cause },
  );

const withoutRecord = (key) =>
  new NibbleError(
    'SAVE_DAMAGED',
    `The saved session "${shortened(key)}" is damaged: its record is missing or cannot be read. Let the model read the text again.`,
  );

const ofOtherVersion = (key) =>
  new NibbleError(
    'SAVE_MISMATCH',
    `The record of the saved session "${shortened(key)}" is damaged or of another version of Nibble.`,
  );

const tooLarge = (bytes, most) =>
  new NibbleError(
    'SAVE_TOO_LARGE',
    `The session takes ${bytes} bytes, and saves may take ${most} together. Raise maxSavedBytes, or export the session.`,
    { details: { bytes, most } },
  );
