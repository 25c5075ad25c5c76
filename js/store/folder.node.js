// The backend in a folder on disk. Every model has a folder of its own, named by the SHA-256 of its id, so that no id
// can name a path; in it, record.json and one file for each chunk. Files are written beside their place and renamed.
//
//   <folder>/models/<sha256 of id>/record.json
//                                  <index>.chunk
//   <folder>/locks/                              see locks.node.js
import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, readFile, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, hasCode, NibbleError } from '../base/errors.js';
import { reasonOf } from '../base/system-errors.js';
import { piecesOf, totalBytes } from './bytes.js';
import { attempt, checkReach, chunkMissing, isFull, storeUnavailable } from './errors.js';
import { folderLeases } from './locks.node.js';
import { makeFolder } from './make-folder.node.js';
import { isFolderName, isRecord, parseJson, unreadableFolder, unreadableRecord } from './record.js';

/** @typedef {import('./backends.js').Backend} Backend */
/** @typedef {import('node:fs/promises').FileHandle} FileHandle */

/** The folder of the locks in that of a store. */
export const LOCKS = 'locks';
const RECORD = 'record.json';
const CHUNK_NAME = /^(-?\d+)\.chunk$/;
const UNFINISHED = '.partial';

/**
 * @param {string} path made where it is absent
 * @param {typeof import('./leases.js').LEASE_TIMES} [times] of its locks, other than the usual
 * @returns {Promise<Backend>}
 */
export async function openFolder(path, times) {
  await system(path, 'Opening the folder', async () => {
    try {
      for (const name of ['models', LOCKS]) await makeFolder(join(path, name));
    } catch (error) {
      const found = await stat(path).catch(() => null);
      throw found !== null && !found.isDirectory() ? notFolder(path, error) : error;
    }
  });
  return new FolderBackend(path, times);
}

/** @param {string} path @param {unknown} cause */
const notFolder = (path, cause) =>
  new NibbleError('INVALID_ARGUMENT', `The store "${path}" is not a folder. Name one, or a place for a new one.`, {
    details: { option: 'store' },
    cause,
  });

/** @implements {Backend} */
class FolderBackend {
  /** @type {'folder'} */
  kind = 'folder';
  #path;
  #leases;
  #closed = false;
  // Chunks that may not be on the medium yet: their paths by id.
  /** @type {Map<string, Set<string>>} */
  #unsynced = new Map();

  /** @param {string} path @param {typeof import('./leases.js').LEASE_TIMES} [times] */
  constructor(path, times) {
    this.#path = path;
    this.#leases = folderLeases(join(path, LOCKS), times);
    this.lock = this.#leases.lock;
  }

  /** @type {Backend['list']} */
  async list(what = 'the models') {
    return this.#system(`Listing ${what}`, async () => {
      const names = await readdir(join(this.#path, 'models'));
      const records = await Promise.all(names.map((name) => this.#recordIn(name)));
      return records.filter((record) => record !== null);
    });
  }

  /** @type {Backend['get']} */
  async get(id) {
    const record = await this.#system(`Reading about "${id}"`, () => this.#recordIn(folderOf(id)));
    return record?.id === id ? record : null;
  }

  /** @type {Backend['put']} */
  async put(record) {
    await this.#system(`Storing the record of "${record.id}"`, async () => {
      const folder = await this.#makeFolder(record.id);
      const chunks = this.#unsynced.get(record.id) ?? new Set();
      this.#unsynced.delete(record.id);
      for (const path of chunks) await syncPath(path);
      const parts = [Buffer.from(JSON.stringify(record))];
      await replaceFile(join(folder, RECORD), parts, { sync: true, check: () => this.#leases.check(record.id) });
      await syncPath(folder);
    });
  }

  /** @type {Backend['remove']} */
  async remove(id) {
    await this.#system(`Deleting "${id}"`, async () => {
      const folder = this.#folderOf(id);
      await this.#leases.check(id);
      // It may have been imported again meanwhile.
      if (unreadableFolder(id) !== null && (await this.#recordIn(folderOf(id)))?.id !== id) return;
      this.#unsynced.delete(id);
      await rm(join(folder, RECORD), { recursive: true, force: true });
      await rm(folder, { recursive: true, force: true });
    });
  }

  /** @type {Backend['writeChunk']} */
  async writeChunk(id, index, parts) {
    await this.#system(`Storing chunk ${index} of "${id}" (${totalBytes(parts)} bytes)`, async () => {
      const path = join(await this.#makeFolder(id), `${index}.chunk`);
      await replaceFile(path, parts, { sync: false, check: () => this.#leases.check(id) });
      this.#toSync(id, path);
    });
  }

  /** @type {Backend['appendChunk']} */
  async appendChunk(id, index, offset, parts) {
    await this.#system(`Storing chunk ${index} of "${id}" (${totalBytes(parts)} bytes)`, async () => {
      const path = join(this.#folderOf(id), `${index}.chunk`);
      const file = await orNull(open(path, 'r+'));
      if (file === null) throw chunkMissing(id, index, 'is missing');
      try {
        checkReach(id, index, (await file.stat()).size, offset);
        this.#toSync(id, path);
        await appendFile(file, offset, parts, () => this.#leases.check(id));
      } finally {
        await file.close();
      }
    });
  }

  /** @param {string} id @param {string} path */
  #toSync(id, path) {
    this.#unsynced.set(id, (this.#unsynced.get(id) ?? new Set()).add(path));
  }

  /** @type {Backend['readChunk']} */
  async readChunk(id, index, offset, target) {
    await this.#system(`Reading chunk ${index} of "${id}"`, async () => {
      const pieces = piecesOf(target);
      const end = offset + totalBytes(pieces);
      const file = await orNull(open(join(this.#folderOf(id), `${index}.chunk`), 'r'));
      if (file === null) throw chunkMissing(id, index, 'is missing');
      try {
        const facts = await file.stat();
        if (!facts.isFile()) throw chunkMissing(id, index, 'is not a file');
        const found = facts.size < end ? facts.size : await readInto(file, offset, pieces);
        if (found < end) throw chunkMissing(id, index, `ends at ${found} of ${end} bytes`);
      } catch (error) {
        throw codeOf(error) === 'EIO' ? chunkMissing(id, index, 'cannot be read', error) : error;
      } finally {
        await file.close();
      }
    });
  }

  /** @type {Backend['removeChunks']} */
  async removeChunks(id, from) {
    await this.#system(`Deleting chunks of "${id}"`, async () => {
      const folder = this.#folderOf(id);
      await this.#leases.check(id);
      for (const name of (await orNull(readdir(folder))) ?? []) {
        const index = CHUNK_NAME.exec(name)?.[1];
        const drop = name.endsWith(UNFINISHED) || (index !== undefined && Number(index) >= from);
        if (drop) await rm(join(folder, name), { force: true });
        this.#unsynced.get(id)?.delete(join(folder, name));
      }
    });
  }

  /** @type {Backend['estimate']} */
  async estimate() {
    return this.#system('Looking for free space', async () => {
      const { bavail, bsize } = await statfs(this.#path);
      const names = await readdir(join(this.#path, 'models'), { recursive: true });
      const facts = await Promise.all(names.map((name) => orNull(stat(join(this.#path, 'models', name)))));
      const usage = facts.reduce((sum, file) => sum + (file?.isFile() ? file.size : 0), 0);
      return { usage, quota: usage + bavail * bsize };
    });
  }

  /** @type {Backend['close']} */
  async close() {
    this.#closed = true;
  }

  /** @template T @param {string} what @param {() => Promise<T>} action @returns {Promise<T>} */
  #system(what, action) {
    return system(this.#path, what, () => {
      if (this.#closed) throw storeUnavailable('The store is closed. Open it again.');
      return action();
    });
  }

  /** @param {string} id */
  #folderOf(id) {
    return join(this.#path, 'models', folderOf(id));
  }

  /** The record in a folder, or what stands for one that cannot be read; null: there is none. @param {string} name */
  async #recordIn(name) {
    const path = join(this.#path, 'models', name, RECORD);
    const text = await orNull(readFile(path, 'utf8'));
    const record = parseJson(text ?? '');
    if (isRecord(record) && folderOf(record.id) === name) return record;
    const isThere = isFolderName(name) && (text !== null || (await orNull(stat(path))) !== null);
    return isThere ? unreadableRecord(name) : null;
  }

  /** @param {string} id */
  async #makeFolder(id) {
    const folder = this.#folderOf(id);
    await makeFolder(folder);
    return folder;
  }
}

/** @param {string} id */
const folderOf = (id) => unreadableFolder(id) ?? createHash('sha256').update(id).digest('hex');

/**
 * Runs an action; what the system refuses becomes an error of the library that names the folder and the reason.
 * @template T
 * @param {string} path
 * @param {string} what
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
function system(path, what, action) {
  return attempt(what, async () => {
    try {
      return await action();
    } catch (error) {
      if (!isOfSystem(error) || isFull(error)) throw error;
      throw storeUnavailable(`${what} failed in "${path}": ${reasonOf(error)}.`, error);
    }
  });
}

/** @param {unknown} error */
const isOfSystem = (error) => error instanceof Error && 'syscall' in error;

// What stands for no file.
const ABSENT = ['ENOENT', 'ENOTDIR', 'EISDIR'];

/** @template T @param {Promise<T>} promise @returns {Promise<T | null>} */
async function orNull(promise) {
  try {
    return await promise;
  } catch (error) {
    if (hasCode(error, ABSENT)) return null;
    throw error;
  }
}

/**
 * Writes beside the place and renames: whoever reads sees the old file or the new one. `check` may refuse it, at the last moment.
 * @param {string} path
 * @param {Uint8Array[]} parts
 * @param {{ sync: boolean, check: () => Promise<void> }} how
 */
async function replaceFile(path, parts, { sync, check }) {
  const unfinished = `${path}.${randomUUID()}${UNFINISHED}`;
  try {
    const file = await open(unfinished, 'wx');
    try {
      for (const part of parts) await writeAll(file, part);
      if (sync) await file.sync();
    } finally {
      await file.close();
    }
    await check();
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

/**
 * Where that fails, the file ends where it was to go on. `check` may refuse it, part by part.
 * @param {FileHandle} file
 * @param {number} offset
 * @param {Uint8Array[]} parts
 * @param {() => Promise<void>} check
 */
async function appendFile(file, offset, parts, check) {
  let position = offset;
  try {
    for (const part of parts) {
      await check();
      await writeAll(file, part, position);
      position += part.length;
    }
    await file.truncate(position);
  } catch (error) {
    await check().then(
      () => file.truncate(offset),
      () => {},
    );
    throw error;
  }
}

/** @param {FileHandle} file @param {Uint8Array} part @param {number | null} [position] null: behind what was written last */
async function writeAll(file, part, position = null) {
  for (let done = 0; done < part.length; ) {
    const at = position === null ? null : position + done;
    const { bytesWritten } = await file.write(part, done, part.length - done, at);
    done += bytesWritten;
  }
}

/** @param {FileHandle} file @param {number} offset @param {Uint8Array[]} pieces @returns {Promise<number>} where reading ended */
async function readInto(file, offset, pieces) {
  let position = offset;
  for (const piece of pieces) {
    for (let done = 0; done < piece.length; ) {
      const { bytesRead } = await file.read(piece, done, piece.length - done, position);
      if (bytesRead === 0) return position;
      done += bytesRead;
      position += bytesRead;
    }
  }
  return position;
}

// What systems say that cannot put a folder on the medium.
const NOT_SYNCED = ['EPERM', 'EINVAL', 'EISDIR'];

/** Puts a file or a folder on the medium; where a system cannot do that for folders there is nothing to do. @param {string} path */
async function syncPath(path) {
  const file = await orNull(open(path, 'r')).catch(() => null);
  if (file === null) return;
  try {
    await file.sync().catch((error) => {
      if (!hasCode(error, NOT_SYNCED)) throw error;
    });
  } finally {
    await file.close();
  }
}
