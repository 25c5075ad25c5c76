// The backend in IndexedDB, the default in browsers. Chunks are Blobs where the browser takes them (Chromium reads those
// several times as fast) and ArrayBuffers where it does not (private windows of WebKit). Which it is is tested once for
// a database and remembered in it; chunks of both kinds are read whatever is written now.
import { openDB } from 'idb';
import { NibbleError } from '../base/errors.js';
import { BlobReader } from './blob.js';
import { cut, fill, join, piecesOf, totalBytes, unshared } from './bytes.js';
import {
  attempt,
  checkReach,
  chunkMissing,
  isFull,
  storeBusy,
  storeDamaged,
  storeError,
  storeFull,
  storeUnavailable,
} from './errors.js';
import { createLock } from './locks.js';
import { databaseLeases } from './locks-indexeddb.js';
import { copyRecord, isRecord } from './record.js';

const VERSION = 1;
// records: by id. chunks: Blob or ArrayBuffer by [id, index], what was appended by [id, index, offset].
// facts: what was found out about this database, and who holds a lock where browsers have none.
const STORES = ['records', 'chunks', 'facts'];
const BLOBS_FACT = 'blobs';
// No index of a chunk is that low.
const PROBE_KEY = ['', -1000];
// How browsers call a value that is listed but whose bytes they cannot give.
const UNREADABLE = new Set(['NotReadableError', 'NotFoundError', 'DataError']);

/**
 * @param {{ name?: string, blobs?: boolean, times?: typeof import('./leases.js').LEASE_TIMES }} [options] the
 *   database's name; whether to write Blobs, which is tested where it is not told; of locks that are leases, others
 *   than the usual
 * @returns {Promise<import('./backends.js').Backend>}
 */
export async function openIndexedDb({ name = 'nibble', blobs, times } = {}) {
  const backend = new IndexedDbBackend(name, times);
  try {
    await backend.probe(blobs);
    return backend;
  } catch (error) {
    await backend.close();
    throw error;
  }
}

class IndexedDbBackend {
  kind = 'indexeddb';
  #name;
  /** @type {Promise<import('idb').IDBPDatabase> | null} */
  #connection = null;
  #closed = false;
  #blobs = false;
  #blobReader = new BlobReader();
  /** @type {import('./leases.js').Leases | null} where there are no Web Locks */
  #leases = null;

  constructor(name, times) {
    this.#name = name;
    const transact = (mode, use) =>
      this.#transact('Locking', ['facts'], { mode, durability: 'relaxed' }, ({ facts }) => use(facts));
    if (globalThis.navigator?.locks === undefined) this.#leases = databaseLeases(transact, times);
    this.lock = this.#leases?.lock ?? createLock(`${name}-indexeddb`);
  }

  /** Opens the database, and finds out whether it takes Blobs where that is not told. @param {boolean} [told] */
  async probe(told) {
    const what = 'Opening the database';
    const known = told ?? (await this.#transact(what, ['facts'], {}, ({ facts }) => facts.get(BLOBS_FACT)));
    this.#blobs = known === true;
    if (typeof known === 'boolean') return;
    const found = await this.#takesBlobs();
    this.#blobs = found === true;
    if (found !== null) await this.#write(what, ['facts'], 'relaxed', ({ facts }) => facts.put(found, BLOBS_FACT));
  }

  /** Null where a full storage leaves it open. */
  async #takesBlobs() {
    const what = 'Testing the storage';
    try {
      const probe = new Blob([Uint8Array.of(1, 2, 3)]);
      await this.#write(what, ['chunks'], 'relaxed', ({ chunks }) => chunks.put(probe, PROBE_KEY));
      const back = await this.#transact(what, ['chunks'], {}, ({ chunks }) => chunks.get(PROBE_KEY));
      const bytes = new Uint8Array(await back.arrayBuffer());
      await this.#write(what, ['chunks'], 'relaxed', ({ chunks }) => chunks.delete(PROBE_KEY));
      return bytes.join() === '1,2,3';
    } catch (error) {
      return error.code === 'STORE_FULL' ? null : false;
    }
  }

  async list(what = 'the models') {
    const values = await this.#transact(`Listing ${what}`, ['records'], {}, ({ records }) => records.getAll());
    return values.filter(isRecord);
  }

  async get(id) {
    const value = await this.#transact(`Reading about "${id}"`, ['records'], {}, ({ records }) => records.get(id));
    return isRecord(value) ? value : null;
  }

  async put(record) {
    const what = `Storing the record of "${record.id}"`;
    await this.#leases?.check(record.id);
    await this.#write(what, ['records'], 'strict', ({ records }) => records.put(copyRecord(record)));
  }

  async remove(id) {
    await this.#leases?.check(id);
    await this.#write(`Deleting "${id}"`, ['records', 'chunks'], 'strict', ({ records, chunks }) =>
      Promise.all([records.delete(id), chunks.delete(keysFrom(id, Number.NEGATIVE_INFINITY))]),
    );
  }

  async writeChunk(id, index, parts) {
    const what = `Storing chunk ${index} of "${id}" (${totalBytes(parts)} bytes)`;
    const value = await this.#valueOf(what, parts);
    await this.#leases?.check(id);
    await this.#write(what, ['chunks'], 'relaxed', ({ chunks }) =>
      Promise.all([chunks.delete(keysOf(id, index)), chunks.put(value, [id, index])]),
    );
  }

  async appendChunk(id, index, offset, parts) {
    const what = `Storing chunk ${index} of "${id}" (${totalBytes(parts)} bytes)`;
    const pieces = await this.#pieces(id, index);
    checkReach(id, index, pieces === null ? null : sum(pieces), offset);
    const isBorder = pieces.some((_, place) => sum(pieces.slice(0, place)) === offset) || sum(pieces) === offset;
    if (!isBorder) throw storeDamaged(`Chunk ${index} of the stored model "${id}" does not end at byte ${offset}.`);
    const value = await this.#valueOf(what, parts);
    await this.#leases?.check(id);
    await this.#write(what, ['chunks'], 'relaxed', ({ chunks }) =>
      Promise.all([chunks.delete(keysOf(id, index, offset)), chunks.put(value, [id, index, offset])]),
    );
  }

  #valueOf(what, parts) {
    return attempt(what, () => (this.#blobs ? new Blob(parts.map(unshared)) : join(parts).buffer));
  }

  /** What a chunk consists of, in order; null where there is no such chunk. */
  async #pieces(id, index) {
    try {
      const found = await this.#transact(`Reading chunk ${index} of "${id}"`, ['chunks'], {}, ({ chunks }) =>
        chunks.getAll(keysOf(id, index)),
      );
      return found.length === 0 ? null : found;
    } catch (error) {
      throw UNREADABLE.has(error.cause?.name) ? chunkMissing(id, index, 'cannot be read', error) : error;
    }
  }

  async readChunk(id, index, offset, target, onFilled) {
    const pieces = piecesOf(target);
    const end = offset + totalBytes(pieces);
    const values = await this.#pieces(id, index);
    if (values === null) throw chunkMissing(id, index, 'is missing');
    if (values.some((value) => sizeOf(value) === null)) throw chunkMissing(id, index, 'holds no bytes');
    if (sum(values) < end) throw chunkMissing(id, index, `ends at ${sum(values)} of ${end} bytes`);
    let start = 0;
    for (const value of values) {
      const from = Math.max(offset, start);
      const to = Math.min(end, start + sizeOf(value));
      const part = cut(pieces, from - offset, to - offset);
      if (from < to) await this.#readValue({ id, index }, value, from - start, part, onFilled);
      start += sizeOf(value);
    }
  }

  async #readValue({ id, index }, value, offset, pieces, onFilled) {
    const bytes = totalBytes(pieces);
    if (value instanceof ArrayBuffer) return fill(pieces, new Uint8Array(value, offset, bytes), onFilled);
    let found;
    try {
      found = await this.#blobReader.read(value, offset, pieces, onFilled);
    } catch (error) {
      throw chunkMissing(id, index, 'cannot be read', error);
    }
    if (found < bytes) throw chunkMissing(id, index, `gives ${offset + found} of ${offset + bytes} bytes`);
  }

  async removeChunks(id, from) {
    const what = `Deleting chunks of "${id}"`;
    await this.#leases?.check(id);
    await this.#write(what, ['chunks'], 'relaxed', ({ chunks }) => chunks.delete(keysFrom(id, from)));
  }

  estimate() {
    return estimateStorage();
  }

  async close() {
    this.#closed = true;
    const connection = this.#connection;
    this.#connection = null;
    (await connection?.catch(() => null))?.close();
  }

  #connect() {
    if (this.#closed) throw storeUnavailable('The store is closed. Open it again.');
    if (this.#connection === null) {
      const forget = () => {
        if (this.#connection === connection) this.#connection = null;
      };
      const connection = openDatabase(this.#name, forget);
      connection.catch(forget);
      this.#connection = connection;
    }
    return this.#connection;
  }

  /** A transaction; a connection that was closed under us, by the browser or for another page, is opened once more. */
  async #begin(stores, mode, options) {
    const connection = this.#connect();
    const database = await connection;
    try {
      return database.transaction(stores, mode, options);
    } catch (error) {
      if (error.name !== 'InvalidStateError') throw error;
      if (this.#connection === connection) this.#connection = null;
      return (await this.#connect()).transaction(stores, mode, options);
    }
  }

  /**
   * @param {string} what
   * @param {string[]} stores
   * @param {{ mode?: IDBTransactionMode, durability?: IDBTransactionDurability }} options
   * @param {(stores: any) => Promise<any>} use makes its requests at once; what it gives is the result
   */
  async #transact(what, stores, { mode = 'readonly', durability = 'default' }, use) {
    return attempt(what, async () => {
      const transaction = await this.#begin(stores, mode, { durability });
      const request = (async () =>
        use(Object.fromEntries(stores.map((name) => [name, transaction.objectStore(name)]))))();
      const [result, done] = await Promise.allSettled([request, transaction.done]);
      const reasons = [result, done].filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
      if (reasons.length === 0) return result.value;
      // A failed request aborts its transaction and the other way round: one of the two tells why.
      throw reasons.find(isFull) ?? reasons.find((reason) => reason?.name !== 'AbortError') ?? reasons[0];
    });
  }

  /** A write; some browsers do not say that it failed for want of space. */
  async #write(what, stores, durability, use) {
    try {
      return await this.#transact(what, stores, { mode: 'readwrite', durability }, use);
    } catch (error) {
      if (error.code === 'STORE_UNAVAILABLE' && !this.#closed && (await isNearQuota())) throw storeFull(what, error);
      throw error;
    }
  }
}

const sizeOf = (value) => (value instanceof Blob ? value.size : value instanceof ArrayBuffer ? value.byteLength : null);
const sum = (values) => values.reduce((total, value) => total + (sizeOf(value) ?? 0), 0);

/** All of a chunk, or what was appended to it from an offset on: an array is above all numbers. */
const keysOf = (id, index, from) =>
  IDBKeyRange.bound(from === undefined ? [id, index] : [id, index, from], [id, index, []]);
const keysFrom = (id, from) => IDBKeyRange.bound([id, from], [id, Number.POSITIVE_INFINITY]);

/** @returns {Promise<{ usage: number | null, quota: number | null }>} of all that this site stores */
export async function estimateStorage() {
  try {
    const { usage = null, quota = null } = await navigator.storage.estimate();
    return { usage, quota };
  } catch {
    return { usage: null, quota: null };
  }
}

async function isNearQuota() {
  const { usage, quota } = await estimateStorage();
  return usage !== null && quota !== null && usage >= quota * 0.98;
}

/** @param {string} name @param {() => void} onGone the connection closed by itself */
async function openDatabase(name, onGone) {
  if (!globalThis.indexedDB)
    throw storeUnavailable(
      'There is no IndexedDB here, which is a store of browsers; in Node use { folder }, or "memory".',
    );
  let refuse;
  const blocked = new Promise((_, reject) => {
    refuse = reject;
  });
  const opening = openDB(name, VERSION, {
    upgrade: (database) => {
      database.createObjectStore('records', { keyPath: 'id' });
      database.createObjectStore('chunks');
      database.createObjectStore('facts');
    },
    blocked: () =>
      refuse(
        storeBusy('Another tab holds an older version of the stored models. Close the other tabs, then try again.'),
      ),
    // Another page wants to change or delete the database, and waits for this one.
    blocking: (_, __, event) => {
      event.target.close();
      onGone();
    },
    terminated: onGone,
  });
  let database;
  try {
    database = await Promise.race([opening, blocked]);
  } catch (error) {
    opening.then(
      (late) => late.close(),
      () => {},
    );
    throw openingError(error);
  }
  if (STORES.every((store) => database.objectStoreNames.contains(store))) return database;
  database.close();
  throw storeDamaged(
    `The database "${name}" of this site is not one of Nibble's. Delete the site's data, then try again.`,
  );
}

function openingError(error) {
  if (error?.name !== 'VersionError') return storeError(error, 'Opening the database');
  return new NibbleError(
    'STORE_VERSION',
    'The models of this site were stored by a newer version of Nibble. Reload the page to get that version.',
    { cause: error },
  );
}
