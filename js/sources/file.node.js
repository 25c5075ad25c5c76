// A file on disk as a source (see source.js for the contract).
import { open, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { reasonOf } from '../base/system-errors.js';
import { unreadable } from './source.js';

const PIECE_BYTES = 4 << 20;

/**
 * @param {string} path
 * @param {number} [begin] the byte to begin at
 * @returns {Promise<import('./source.js').Source>}
 */
export async function openFile(path, begin = 0) {
  const name = basename(path);
  /** @template T @param {() => Promise<T>} action */
  const attempt = async (action) => {
    try {
      return await action();
    } catch (error) {
      throw unreadable(path, reasonOf(error), error);
    }
  };
  const file = await attempt(() => open(path, 'r'));
  try {
    const facts = await attempt(() => file.stat());
    if (!facts.isFile())
      throw unreadable(path, facts.isDirectory() ? reasonOf({ code: 'EISDIR' }) : 'it is not a regular file');
    const buffer = new Uint8Array(PIECE_BYTES);
    let position = begin;
    return {
      kind: 'load',
      name,
      size: facts.size,
      position: begin,
      lastModified: String(Math.floor(facts.mtimeMs)),
      // The bytes are valid until the next read: one buffer serves the whole file.
      async read() {
        const { bytesRead } = await attempt(() => file.read(buffer, 0, buffer.length, position));
        position += bytesRead;
        return bytesRead === 0 ? null : buffer.subarray(0, bytesRead);
      },
      async readAt(start, length) {
        const bytes = new Uint8Array(length);
        const { bytesRead } = await attempt(() => file.read(bytes, 0, length, start));
        return bytes.subarray(0, bytesRead);
      },
      path: await attempt(() => realpath(path)),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
