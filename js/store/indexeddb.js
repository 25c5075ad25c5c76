// The backend in IndexedDB, the default in browsers. Chunks are Blobs where the browser takes them (Chromium reads those
// several times as fast) and ArrayBuffers where it does not (private windows of WebKit). Which it is is tested once for
// a database and remembered in it; chunks of both kinds are read whatever is written now.
import { openDB } from 'idb';
import { codeOf, NibbleError } from '../base/errors.js';
import { BlobReader } from './blob.js';
import { cut, fill, join, piecesOf, totalBytes, unshared } from './bytes.js';
import {
  attempt,
  checkReach,
  chunkMissing,
  isFull,
  nameOf,
  storeBusy,
  storeDamaged,
  storeError,
  storeFull,
  storeUnavailable,
} from './errors.js';
import { createLock } from './locks.js';
import { databaseLeases } from './locks-indexeddb.js';
import { copyRecord, isRecord, lostRecord } from './record.js';

const VERSION = 1;
// records: by id. chunks: Blob or ArrayBuffer by [id, index], what was appended by [id, index, offset].
// facts: what was found out about this database, and who holds a lock where browsers have none.
const STORES = ['records', 'chunks', 'facts'];
const BLOBS_FACT = 'blobs';
// No index of a chunk is that low.
const PROBE_KEY = ['', -1000];
// How browsers call a value that is listed but whose bytes they cannot give.
/** @type {Set<unknown>} */
const UNREADABLE = new Set(['NotReadableError', 'NotFoundError', 'DataError']);

/** @typedef {import('./backends.js').Backend} Backend */

/**
 * An object store in a transaction. What is in one is not known before it was looked at.
 * @typedef {object} ObjectStore
 * @property {(key: IDBValidKey) => Promise<unknown>} get
 * @property {(key: IDBValidKey) => Promise<IDBValidKey | undefined>} getKey
 * @property {(range?: IDBKeyRange) => Promise<unknown[]>} getAll
 * @property {(range?: IDBKeyRange) => Promise<IDBValidKey[]>} getAllKeys
 * @property {(value: unknown, key?: IDBValidKey) => Promise<IDBValidKey>} put in a transaction that writes, as delete()
 * @property {(key: IDBValidKey | IDBKeyRange) => Promise<void>} delete
 */

/** @typedef {'records' | 'chunks' | 'facts'} StoreName */

/**
 * What makes its requests at once, or as soon as one was answered.
 * @template T
 * @typedef {(stores: Record<StoreName, ObjectStore>) => Promise<T>} Use the stores of the transaction alone are there
 */

/**
 * @param {{ name?: string, blobs?: boolean, times?: typeof import('./leases.js').LEASE_TIMES }} [options] the
 *   database's name; whether to write Blobs, which is tested where it is not told; of locks that are leases, others
 *   than the usual
 * @returns {Promise<Backend>}
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

/** @implements {Backend} */
class IndexedDbBackend {
  /** @type {'indexeddb'} */
  kind = 'indexeddb';
  #name;
  /** @type {Promise<import('idb').IDBPDatabase> | null} */
  #connection = null;
  #closed = false;
  #blobs = false;
  #blobReader = new BlobReader();
  /** @type {import('./leases.js').Leases | null} where there are no Web Locks */
  #leases = null;

  /** @param {string} name @param {typeof import('./leases.js').LEASE_TIMES} [times] */
  constructor(name, times) {
    this.#name = name;
    /** @type {import('./locks-indexeddb.js').Transact} */
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
      // What is none ends below, as a refusal.
      const bytes = new Uint8Array(await /** @type {Blob} */ (back).arrayBuffer());
      await this.#write(what, ['chunks'], 'relaxed', ({ chunks }) => chunks.delete(PROBE_KEY));
      return bytes.join() === '1,2,3';
    } catch (error) {
      return codeOf(error) === 'STORE_FULL' ? null : false;
    }
  }

  /** @type {Backend['list']} */
  async list(what = 'the models') {
    const values = await this.#values(`Listing ${what}`);
    return values.filter(isRecord);
  }

  /** All values in the place of records. @param {string} what @returns {Promise<unknown[]>} */
  async #values(what) {
    try {
      return await this.#transact(what, ['records'], {}, ({ records }) => records.getAll());
    } catch (error) {
      if (!isLost(error)) throw error;
    }
    // One that is lost fails all that are asked for together.
    const keys = await this.#transact(what, ['records'], {}, ({ records }) => records.getAllKeys());
    return Promise.all(keys.map((key) => this.#value(what, key)));
  }

  /** The value in the place of a record; of one that is lost, what stands for it. @param {string} what @param {IDBValidKey} key */
  async #value(what, key) {
    try {
      return await this.#transact(what, ['records'], {}, ({ records }) => records.get(key));
    } catch (error) {
      if (!isLost(error)) throw error;
      return lostRecord(key);
    }
  }

  /** @type {Backend['get']} */
  async get(id) {
    const value = await this.#value(`Reading about "${id}"`, id);
    return isRecord(value) ? value : null;
  }

  /** @type {Backend['put']} */
  async put(record) {
    const what = `Storing the record of "${record.id}"`;
    await this.#leases?.check(record.id);
    await this.#write(what, ['records'], 'strict', ({ records }) => records.put(copyRecord(record)));
  }

  /** @type {Backend['remove']} */
  async remove(id) {
    await this.#leases?.check(id);
    await this.#write(`Deleting "${id}"`, ['records', 'chunks'], 'strict', ({ records, chunks }) =>
      Promise.all([records.delete(id), chunks.delete(keysFrom(id, Number.NEGATIVE_INFINITY))]),
    );
  }

  /** @type {Backend['writeChunk']} */
  async writeChunk(id, index, parts) {
    const what = `Storing chunk ${index} of "${id}" (${totalBytes(parts)} bytes)`;
    const value = await this.#valueOf(what, parts);
    await this.#leases?.check(id);
    await this.#write(what, ['chunks'], 'relaxed', ({ chunks }) =>
      Promise.all([chunks.delete(keysOf(id, index)), chunks.put(value, [id, index])]),
    );
  }

  /** @type {Backend['appendChunk']} */
  async appendChunk(id, index, offset, parts) {
    const what = `Storing chunk ${index} of "${id}" (${totalBytes(parts)} bytes)`;
    const pieces = await this.#pieces(id, index);
    if (pieces === null) throw chunkMissing(id, index, 'is missing');
    checkReach(id, index, sum(pieces), offset);
    const isBorder = pieces.some((_, place) => sum(pieces.slice(0, place)) === offset) || sum(pieces) === offset;
    if (!isBorder) throw storeDamaged(`Chunk ${index} of the stored model "${id}" does not end at byte ${offset}.`);
    const value = await this.#valueOf(what, parts);
    await this.#leases?.check(id);
    await this.#write(what, ['chunks'], 'relaxed', ({ chunks }) =>
      Promise.all([chunks.delete(keysOf(id, index, offset)), chunks.put(value, [id, index, offset])]),
    );
  }

  /** @param {string} what @param {Uint8Array[]} parts */
  #valueOf(what, parts) {
    return attempt(what, () => (this.#blobs ? new Blob(parts.map(unshared)) : join(parts).buffer));
  }

  /** What a chunk consists of, in order; null where there is no such chunk. @param {string} id @param {number} index */
  async #pieces(id, index) {
    try {
      const found = await this.#transact(`Reading chunk ${index} of "${id}"`, ['chunks'], {}, ({ chunks }) =>
        chunks.getAll(keysOf(id, index)),
      );
      return found.length === 0 ? null : found;
    } catch (error) {
      throw isLost(error) ? chunkMissing(id, index, 'cannot be read', error) : error;
    }
  }

  /** @type {Backend['readChunk']} */
  async readChunk(id, index, offset, target, onFilled) {
    const pieces = piecesOf(target);
    const end = offset + totalBytes(pieces);
    const values = await this.#pieces(id, index);
    if (values === null) throw chunkMissing(id, index, 'is missing');
    if (!values.every(holdsBytes)) throw chunkMissing(id, index, 'holds no bytes');
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

  /**
   * @param {{ id: string, index: number }} chunk
   * @param {Blob | ArrayBuffer} value a part of it
   * @param {number} offset in that
   * @param {Uint8Array[]} pieces
   * @param {((part: Uint8Array) => void) | undefined} onFilled
   */
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

  /** @type {Backend['removeChunks']} */
  async removeChunks(id, from) {
    const what = `Deleting chunks of "${id}"`;
    await this.#leases?.check(id);
    await this.#write(what, ['chunks'], 'relaxed', ({ chunks }) => chunks.delete(keysFrom(id, from)));
  }

  /** @type {Backend['estimate']} */
  estimate() {
    return estimateStorage();
  }

  /** @type {Backend['close']} */
  async close() {
    this.#closed = true;
    const connection = this.#connection;
    this.#connection = null;
    (await connection?.catch(() => null))?.close();
  }

  /** @returns {Promise<import('idb').IDBPDatabase>} */
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

  /**
   * A transaction; a connection that was closed under us, by the browser or for another page, is opened once more.
   * @param {StoreName[]} stores @param {IDBTransactionMode} mode @param {IDBTransactionOptions} options
   */
  async #begin(stores, mode, options) {
    const connection = this.#connect();
    const database = await connection;
    try {
      return database.transaction(stores, mode, options);
    } catch (error) {
      if (nameOf(error) !== 'InvalidStateError') throw error;
      if (this.#connection === connection) this.#connection = null;
      return (await this.#connect()).transaction(stores, mode, options);
    }
  }

  /**
   * @template T
   * @param {string} what
   * @param {StoreName[]} stores
   * @param {{ mode?: IDBTransactionMode, durability?: IDBTransactionDurability }} options
   * @param {Use<T>} use what it gives is the result
   * @returns {Promise<T>}
   */
  async #transact(what, stores, { mode = 'readonly', durability = 'default' }, use) {
    return attempt(what, async () => {
      const transaction = await this.#begin(stores, mode, { durability });
      const objectStores = /** @type {Record<StoreName, ObjectStore>} */ (
        Object.fromEntries(stores.map((name) => [name, /** @type {unknown} */ (transaction.objectStore(name))]))
      );
      const request = (async () => use(objectStores))();
      const [result, done] = await Promise.allSettled([request, transaction.done]);
      if (result.status === 'fulfilled' && done.status === 'fulfilled') return result.value;
      const reasons = [result, done].flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
      // A failed request aborts its transaction and the other way round: one of the two tells why.
      throw reasons.find(isFull) ?? reasons.find((reason) => nameOf(reason) !== 'AbortError') ?? reasons[0];
    });
  }

  /**
   * A write; some browsers do not say that it failed for want of space.
   * @template T
   * @param {string} what
   * @param {StoreName[]} stores
   * @param {IDBTransactionDurability} durability
   * @param {Use<T>} use
   * @returns {Promise<T>}
   */
  async #write(what, stores, durability, use) {
    try {
      return await this.#transact(what, stores, { mode: 'readwrite', durability }, use);
    } catch (error) {
      if (codeOf(error) === 'STORE_UNAVAILABLE' && !this.#closed && (await isNearQuota())) throw storeFull(what, error);
      throw error;
    }
  }
}

/** Whether a transaction failed since the browser has lost a value. @param {unknown} error */
const isLost = (error) => error instanceof NibbleError && UNREADABLE.has(nameOf(error.cause));

/** @param {unknown} value @returns {value is Blob | ArrayBuffer} */
const holdsBytes = (value) => value instanceof Blob || value instanceof ArrayBuffer;
/** @param {unknown} value */
const sizeOf = (value) => (value instanceof Blob ? value.size : value instanceof ArrayBuffer ? value.byteLength : 0);
/** @param {unknown[]} values */
const sum = (values) => values.reduce((/** @type {number} */ total, value) => total + sizeOf(value), 0);

/**
 * All of a chunk, or what was appended to it from an offset on: an array is above all numbers.
 * @param {string} id @param {number} index @param {number} [from]
 */
const keysOf = (id, index, from) =>
  IDBKeyRange.bound(from === undefined ? [id, index] : [id, index, from], [id, index, []]);
/** @param {string} id @param {number} from */
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
  /** @type {(reason: unknown) => void} */
  let refuse = () => {};
  /** @type {Promise<never>} */
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
      if (event.target instanceof IDBDatabase) event.target.close();
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

/** @param {unknown} error */
function openingError(error) {
  if (nameOf(error) !== 'VersionError') return storeError(error, 'Opening the database');
  return new NibbleError(
    'STORE_VERSION',
    'The models of this site were stored by a newer version of Nibble. Reload the page to get that version.',
    { cause: error },
  );
}
