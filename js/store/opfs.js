// The backend in the origin-private file system, in a worker. A sync access handle reads straight into shared memory.
// Every model has a folder, named by the SHA-256 of its id; in it, each chunk is a file and the record two slots.
//
//   nibble/<sha256 of id>/record-0.json   { sequence, record }   the higher valid sequence counts, the other slot is
//                         record-1.json                          written next: a torn write leaves the old record
//                         <index>.chunk
import { toHex } from '../base/hex.js';
import { fill, piecesOf, totalBytes } from './bytes.js';
import { attempt, checkReach, chunkMissing, nameOf, storeBusy, storeFull, storeUnavailable } from './errors.js';
import { estimateStorage } from './indexeddb.js';
import { createLock } from './locks.js';
import { isFolderName, isRecord, parseJson, unreadableFolder, unreadableRecord } from './record.js';

/** @typedef {import('./backends.js').Backend} Backend */

/**
 * What workers have of files, which the types of pages lack.
 * @typedef {object} SyncHandle
 * @property {string} [mode]
 * @property {(buffer: Uint8Array, options: { at: number }) => number} read
 * @property {(buffer: Uint8Array, options: { at: number }) => number} write
 * @property {(size: number) => void} truncate
 * @property {() => number} getSize
 * @property {() => void} flush
 * @property {() => void} close
 */

/** @typedef {FileSystemFileHandle & { createSyncAccessHandle: (options?: { mode: 'read-only' }) => Promise<SyncHandle> }} FileHandle */
/** @typedef {(part: Uint8Array) => void} OnFilled */

const SLOTS = ['record-0.json', 'record-1.json'];
const CHUNK_NAME = /^(-?\d+)\.chunk$/;
// A file that another tab has open for a moment is waited for: 10, 20, 40 ... ms, a second and a quarter in all.
const TRIES = 7;
const FIRST_PAUSE_MILLISECONDS = 10;

// More than any model has chunks that fits into a tab; each is a file descriptor of the browser's.
const MOST_KEPT = 128;

// Read at once where each part is looked at while the processor's cache has it.
const PART_BYTES = 1 << 18;

/**
 * @param {{ name?: string }} [options] the name of the folder
 * @returns {Promise<Backend>}
 */
export async function openOpfs({ name = 'nibble' } = {}) {
  if (globalThis.process?.versions?.node !== undefined && !globalThis.navigator?.storage) {
    throw storeUnavailable('"opfs" is a store of browsers, and Node has none of it; use { folder }, or "memory".');
  }
  if (!globalThis.navigator?.storage?.getDirectory) {
    throw storeUnavailable('This browser has no private file system here (it needs https); use the store "indexeddb".');
  }
  if (!globalThis.FileSystemFileHandle || !('createSyncAccessHandle' in FileSystemFileHandle.prototype)) {
    throw storeUnavailable('The private file system is read and written in workers only, or this browser is too old.');
  }
  const folder = await attempt('Opening the private file system', async () =>
    (await navigator.storage.getDirectory()).getDirectoryHandle(name, { create: true }),
  );
  return new OpfsBackend(folder, name);
}

/** @implements {Backend} */
class OpfsBackend {
  /** @type {'opfs'} */
  kind = 'opfs';
  #folder;
  #closed = false;
  // Records are read, then written: one after the other.
  /** @type {Promise<void>} */
  #lastPut = Promise.resolve();
  /** @type {Map<string, Promise<SyncHandle | null>> | null} */
  #kept = null;

  /** @param {FileSystemDirectoryHandle} folder @param {string} name */
  constructor(folder, name) {
    this.#folder = folder;
    this.lock = createLock(`${name}-opfs`);
  }

  /** @type {Backend['list']} */
  async list(what = 'the models') {
    return this.#attempt(`Listing ${what}`, async () => {
      const records = [];
      for await (const [name, entry] of this.#folder.entries()) {
        if (entry.kind !== 'directory') continue;
        const record = await recordIn(entry, name);
        if (record !== null) records.push(record);
      }
      return records;
    });
  }

  /** @type {Backend['get']} */
  async get(id) {
    return this.#attempt(`Reading about "${id}"`, async () => {
      const folder = await this.#find(id);
      const record = folder && (await recordIn(folder, await folderName(id)));
      return record?.id === id ? record : null;
    });
  }

  /** @type {Backend['put']} */
  async put(record) {
    const text = JSON.stringify(record);
    const write = async () => {
      const folder = await this.#make(record.id);
      const current = (await readSlots(folder))[0];
      const sequence = (current?.sequence ?? 0) + 1;
      const slot = current?.slot === SLOTS[0] ? SLOTS[1] : SLOTS[0];
      const bytes = new TextEncoder().encode(`{"sequence":${sequence},"record":${text}}`);
      await writeFile(folder, slot, [bytes], record.id);
    };
    const turn = this.#lastPut.then(() => this.#attempt(`Storing the record of "${record.id}"`, write));
    this.#lastPut = turn.catch(() => {});
    return turn;
  }

  /** @type {Backend['remove']} */
  async remove(id) {
    await this.#attempt(`Deleting "${id}"`, async () => {
      const folder = await this.#find(id);
      if (folder === null) return;
      const name = await folderName(id);
      // It may have been imported again meanwhile.
      if (unreadableFolder(id) !== null && (await recordIn(folder, name))?.id !== id) return;
      // The older slot first, which would count again without the newer one; what holds no record is in nobody's way.
      const valid = (await readSlots(folder)).map(({ slot }) => slot).reverse();
      for (const slot of valid) await patiently(id, () => ignoreAbsent(folder.removeEntry(slot)));
      await patiently(id, () => ignoreAbsent(this.#folder.removeEntry(name, { recursive: true })));
    });
  }

  /** @type {Backend['writeChunk']} */
  async writeChunk(id, index, parts) {
    await this.#attempt(`Storing chunk ${index} of "${id}" (${totalBytes(parts)} bytes)`, async () => {
      await writeFile(await this.#make(id), chunkName(index), parts, id);
    });
  }

  /** @type {Backend['appendChunk']} */
  async appendChunk(id, index, offset, parts) {
    await this.#attempt(`Storing chunk ${index} of "${id}" (${totalBytes(parts)} bytes)`, async () => {
      const file = await this.#findChunk(id, index);
      if (file === null) throw chunkMissing(id, index, 'is missing');
      const handle = await patiently(id, () => file.createSyncAccessHandle());
      try {
        checkReach(id, index, handle.getSize(), offset);
        appendTo(handle, offset, parts);
      } finally {
        handle.close();
      }
    });
  }

  keepOpen() {
    this.#kept ??= new Map();
  }

  /** @type {Backend['readChunk']} */
  async readChunk(id, index, offset, target, onFilled) {
    await this.#attempt(`Reading chunk ${index} of "${id}"`, async () => {
      const pieces = piecesOf(target);
      const end = offset + totalBytes(pieces);
      const found =
        (await this.#readKept(id, index, offset, pieces, onFilled)) ??
        (await this.#readOnce(id, index, offset, pieces, onFilled));
      if (found < end) throw chunkMissing(id, index, `ends at ${found} of ${end} bytes`);
    });
  }

  /** @type {Backend['removeChunks']} */
  async removeChunks(id, from) {
    await this.#attempt(`Deleting chunks of "${id}"`, async () => {
      const folder = await this.#find(id);
      if (folder === null) return;
      const names = [];
      for await (const name of folder.keys()) names.push(name);
      for (const name of names) {
        const index = CHUNK_NAME.exec(name)?.[1];
        if (index !== undefined && Number(index) >= from) {
          await patiently(id, () => ignoreAbsent(folder.removeEntry(name)));
        }
      }
    });
  }

  /** @type {Backend['estimate']} */
  async estimate() {
    return estimateStorage();
  }

  /** @type {Backend['close']} */
  async close() {
    this.#closed = true;
    const kept = [...(this.#kept?.values() ?? [])];
    this.#kept = null;
    for (const handle of await Promise.all(kept)) handle?.close();
    await this.#lastPut;
  }

  /**
   * @param {string} id
   * @param {number} index
   * @param {number} offset
   * @param {Uint8Array[]} pieces
   * @param {OnFilled | undefined} onFilled
   */
  async #readOnce(id, index, offset, pieces, onFilled) {
    const file = await this.#findChunk(id, index);
    if (file === null) throw chunkMissing(id, index, 'is missing');
    return readFile(file, offset, pieces, onFilled);
  }

  /**
   * As readFile(), of a chunk that stays open; null where it does not, or cannot be read any more.
   * @param {string} id
   * @param {number} index
   * @param {number} offset
   * @param {Uint8Array[]} pieces
   * @param {OnFilled | undefined} onFilled
   */
  async #readKept(id, index, offset, pieces, onFilled) {
    const kept = this.#kept;
    if (kept === null) return null;
    const key = `${index} ${id}`;
    if (!kept.has(key) && kept.size < MOST_KEPT) {
      kept.set(
        key,
        this.#findChunk(id, index)
          .then((file) => file && openShared(file))
          .catch(() => null),
      );
    }
    const handle = await kept.get(key);
    if (!handle || this.#closed) return null;
    try {
      return readHandle(handle, offset, pieces, onFilled);
    } catch {
      kept.delete(key);
      handle.close();
      return null;
    }
  }

  /** @template T @param {string} what @param {() => Promise<T>} action @returns {Promise<T>} */
  #attempt(what, action) {
    return attempt(what, () => {
      if (this.#closed) throw storeUnavailable('The store is closed. Open it again.');
      return action();
    });
  }

  /** A model's folder; null where there is none. @param {string} id */
  async #find(id) {
    return orNull(this.#folder.getDirectoryHandle(await folderName(id)));
  }

  /** A model's folder, made where there is none. @param {string} id */
  async #make(id) {
    return this.#folder.getDirectoryHandle(await folderName(id), { create: true });
  }

  /** @param {string} id @param {number} index */
  async #findChunk(id, index) {
    const folder = await this.#find(id);
    return folder && fileIn(folder, chunkName(index));
  }
}

/** @param {number} index */
const chunkName = (index) => `${index}.chunk`;

/** @param {string} id */
async function folderName(id) {
  const unreadable = unreadableFolder(id);
  if (unreadable !== null) return unreadable;
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(id));
  return toHex(new Uint8Array(hash));
}

// What stands in a file's place but is none (TypeMismatchError) is as good as nothing.
/** @param {unknown} error */
const isAbsent = (error) => nameOf(error) === 'NotFoundError' || nameOf(error) === 'TypeMismatchError';

/** @template T @param {Promise<T>} promise @returns {Promise<T | null>} */
async function orNull(promise) {
  try {
    return await promise;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/** @param {Promise<unknown>} promise */
async function ignoreAbsent(promise) {
  await orNull(promise);
}

/** A file of a folder; null where there is none. @param {FileSystemDirectoryHandle} folder @param {string} name */
const fileIn = (folder, name) => orNull(/** @type {Promise<FileHandle>} */ (folder.getFileHandle(name)));

/** The record in a folder, or what stands for one that cannot be read; null: there is none. @param {FileSystemDirectoryHandle} folder @param {string} name */
async function recordIn(folder, name) {
  const current = (await readSlots(folder))[0];
  if (current && (await folderName(current.record.id)) === name) return current.record;
  const sizes = await Promise.all(SLOTS.map((slot) => sizeOf(folder, slot)));
  // One that is empty is being written just now.
  return isFolderName(name) && sizes.some((size) => size > 0) ? unreadableRecord(name) : null;
}

/** @param {FileSystemDirectoryHandle} folder @param {string} slot */
async function sizeOf(folder, slot) {
  const file = await fileIn(folder, slot);
  return (file && (await file.getFile().catch(() => null))?.size) ?? 0;
}

/** @typedef {{ sequence: number, record: import('./record.js').Record, slot: string }} Slot */

/** The valid slots of a record, the current one first. @param {FileSystemDirectoryHandle} folder */
async function readSlots(folder) {
  /** @type {Slot[]} */
  const slots = [];
  for (const slot of SLOTS) {
    const file = await fileIn(folder, slot);
    const text = file && (await orNull(file.getFile().then((snapshot) => snapshot.text())).catch(() => null));
    const { sequence, record } = /** @type {{ sequence?: unknown, record?: unknown }} */ (parseJson(text || '') ?? {});
    if (typeof sequence === 'number' && Number.isSafeInteger(sequence) && isRecord(record))
      slots.push({ sequence, record, slot });
  }
  return slots.sort((a, b) => b.sequence - a.sequence);
}

/**
 * Runs an action again while another tab has the file open.
 * @template T
 * @param {string} id
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
async function patiently(id, action) {
  for (let tries = 1; ; tries++) {
    try {
      return await action();
    } catch (error) {
      if (nameOf(error) !== 'NoModificationAllowedError') throw error;
      if (tries === TRIES) {
        throw storeBusy(`Another tab is using the stored model "${id}". Close it there, then try again.`, error);
      }
      await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MILLISECONDS << (tries - 1)));
    }
  }
}

/**
 * Replaces a file; where that fails, the file is gone.
 * @param {FileSystemDirectoryHandle} folder
 * @param {string} name
 * @param {Uint8Array[]} parts
 * @param {string} id
 */
async function writeFile(folder, name, parts, id) {
  const file = /** @type {FileHandle} */ (await folder.getFileHandle(name, { create: true }));
  const handle = await patiently(id, () => file.createSyncAccessHandle());
  let failure = null;
  try {
    handle.truncate(0);
    let position = 0;
    for (const part of parts) position += writeAll(handle, part, position);
    handle.flush();
  } catch (error) {
    failure = error;
  } finally {
    handle.close();
  }
  if (failure === null) return;
  await folder.removeEntry(name).catch(() => {});
  throw failure;
}

/** Where that fails, the file ends where it was to go on. @param {SyncHandle} handle @param {number} offset @param {Uint8Array[]} parts */
function appendTo(handle, offset, parts) {
  try {
    handle.truncate(offset);
    let position = offset;
    for (const part of parts) position += writeAll(handle, part, position);
    handle.flush();
  } catch (error) {
    handle.truncate(offset);
    throw error;
  }
}

/** @param {SyncHandle} handle @param {Uint8Array} part @param {number} at */
function writeAll(handle, part, at) {
  for (let done = 0; done < part.length; ) {
    const written = handle.write(part.subarray(done), { at: at + done });
    if (written === 0) throw storeFull(`a write of ${part.length} bytes`);
    done += written;
  }
  return part.length;
}

/** A handle beside which others can read; null where the browser has none. @param {FileHandle} file */
async function openShared(file) {
  const handle = await file.createSyncAccessHandle({ mode: 'read-only' });
  if (handle.mode === 'read-only') return handle;
  handle.close();
  return null;
}

/**
 * Reads from an offset on into the pieces, if the file reaches that far.
 * @param {FileHandle} file
 * @param {number} offset
 * @param {Uint8Array[]} pieces
 * @param {OnFilled | undefined} onFilled
 * @returns {Promise<number>} where the file ends, or where reading did
 */
async function readFile(file, offset, pieces, onFilled) {
  let handle;
  try {
    handle = await file.createSyncAccessHandle({ mode: 'read-only' });
  } catch (error) {
    if (nameOf(error) !== 'NoModificationAllowedError') throw error;
    // Another reader has it, in a browser that knows no shared access; a snapshot needs none.
    const blob = await file.getFile();
    const end = offset + totalBytes(pieces);
    if (blob.size >= end) fill(pieces, new Uint8Array(await blob.slice(offset, end).arrayBuffer()), onFilled);
    return blob.size;
  }
  try {
    return readHandle(handle, offset, pieces, onFilled);
  } finally {
    handle.close();
  }
}

/**
 * As readFile().
 * @param {SyncHandle} handle
 * @param {number} offset
 * @param {Uint8Array[]} pieces
 * @param {OnFilled | undefined} onFilled
 */
function readHandle(handle, offset, pieces, onFilled) {
  const size = handle.getSize();
  if (size < offset + totalBytes(pieces)) return size;
  let position = offset;
  for (const piece of pieces) {
    for (let done = 0; done < piece.length; ) {
      const part = onFilled ? piece.subarray(done, done + PART_BYTES) : piece.subarray(done);
      const read = handle.read(part, { at: position });
      if (read === 0) return position;
      onFilled?.(part.subarray(0, read));
      done += read;
      position += read;
    }
  }
  return size;
}
