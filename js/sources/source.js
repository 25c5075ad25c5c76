// Where a model's bytes come from. Every kind of source becomes the same small contract, read in order, once:
//
//   { kind: 'download' | 'load', name, size, read(): Promise<Uint8Array | null>, close(): Promise<void> }
//
// `size` is null where nobody knows it; `read()` gives the next bytes (any number of them, valid until the next read)
// and null at the end. Where a source is asked to begin behind its front, `position` says where it does begin: 0 where it
// cannot, or where the file is another one now.
// A source crosses to the worker as a descriptor, which descriptor.js makes of what a caller passed.
import { checkCancelled, untilAborted } from '../base/cancel.js';
import { NibbleError } from '../base/errors.js';
import { openDownload } from '../download/download.js';

const PIECE_BYTES = 4 << 20;
// How many pieces a port asks for ahead of use: enough to hide the trip, too few to matter for memory.
const PIECES_AHEAD = 2;

/**
 * @typedef {object} Source
 * @property {'download' | 'load'} kind the name of its progress phase
 * @property {string} name
 * @property {number | null} size
 * @property {() => Promise<Uint8Array | null>} read
 * @property {() => Promise<void>} close
 * @property {number} [position]
 * @property {string | null} [etag] of a download, and the same for lastModified
 * @property {string | null} [lastModified]
 * @property {(start: number, length: number) => Promise<Uint8Array>} [readAt] of files: bytes from anywhere in it
 * @property {string} [path] of a file on disk: where it really lies
 * @property {boolean} [ranged] whether a server gives parts of it
 * @property {boolean} [restarted] where it was to begin behind its front, the file is another one now
 * @property {boolean} [isJoined] it is several files
 * @property {boolean} [isHashed] its end is to be read: there all of it is compared with its SHA-256
 *
 * @typedef {{ position: number, end?: number, etag?: string | null, lastModified?: string | null, size?: number | null }} From
 *   `end`: where reading may end; a source may go on behind it
 */

/**
 * Opens a descriptor, in the worker.
 * @param {import('./descriptor.js').Descriptor} descriptor
 * @param {{ openPath?: (path: string, position?: number) => Promise<Source>, signal?: AbortSignal,
 *   from?: From, download?: import('../download/download.js').DownloadOptions }} platform `from`: where to begin, and what the file
 *   was then; at the front unless given
 * @returns {Promise<Source>}
 */
export function openSource(descriptor, { openPath, signal, from, download }) {
  const { url, path, blob, port, name, size } = descriptor;
  if (typeof url === 'string') return openDownload(url, { ...download, signal, from });
  if (typeof path === 'string' && openPath) return openPath(path, from?.position);
  if (blob instanceof Blob) return Promise.resolve(blobSource(blob, String(name), from?.position));
  if (typeof port?.postMessage === 'function') return Promise.resolve(portSource(port, String(name), size ?? null));
  return Promise.reject(new NibbleError('INVALID_ARGUMENT', 'The worker was given no model that it can open.'));
}

/**
 * What comes through a port: a piece, null at the end, or what is wrong.
 * @typedef {{ piece?: Uint8Array | null, error?: string }} Answer
 */

/** @param {MessagePort} port @param {string} name @param {number | null} size @returns {Source} */
function portSource(port, name, size) {
  /** @type {{ resolve: (piece: Uint8Array | null) => void, reject: (error: unknown) => void }[]} */
  const waiting = [];
  /** @type {Answer[]} */
  const arrived = [];
  let ended = false;
  const settle = () => {
    while (arrived.length > 0 || ended) {
      const first = waiting.shift();
      if (first === undefined) return;
      const { resolve, reject } = first;
      const { piece = null, error } = arrived.shift() ?? {};
      if (error !== undefined) reject(unreadable(name, error));
      else resolve(piece);
      if (piece === null) ended = true;
      else port.postMessage('next');
    }
  };
  port.onmessage = ({ data }) => {
    arrived.push(data);
    settle();
  };
  for (let index = 0; index < PIECES_AHEAD; index++) port.postMessage('next');
  return {
    kind: 'load',
    name,
    size,
    read: () =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        settle();
      }),
    close: async () => {
      port.postMessage('stop');
      port.close();
    },
  };
}

/** @param {Blob} blob @param {string} name @param {number} [begin] @returns {Source} */
function blobSource(blob, name, begin = 0) {
  let position = begin;
  /** @param {number} start @param {number} length */
  const readAt = async (start, length) => {
    try {
      return new Uint8Array(await blob.slice(start, start + length).arrayBuffer());
    } catch (error) {
      throw unreadable(name, error instanceof Error ? error.message : String(error), error);
    }
  };
  return {
    kind: 'load',
    position: begin,
    name,
    size: blob.size,
    ...('lastModified' in blob && { lastModified: String(blob.lastModified) }),
    async read() {
      if (position >= blob.size) return null;
      const start = position;
      position = Math.min(start + PIECE_BYTES, blob.size);
      return readAt(start, position - start);
    },
    readAt,
    close: async () => {},
  };
}

/** @param {string} name @param {string} what @param {unknown} [cause] */
export function unreadable(name, what, cause) {
  return new NibbleError('SOURCE_UNREADABLE', `The model "${name}" could not be read: ${what}.`, { cause });
}

/** The next piece of a source; null at its end. The signal ends the wait for it. @param {Pick<Source, 'read'>} source @param {AbortSignal} [signal] */
export async function nextPiece(source, signal) {
  checkCancelled(signal);
  try {
    const piece = await untilAborted(source.read(), signal);
    checkCancelled(signal);
    return piece;
  } catch (error) {
    checkCancelled(signal);
    throw error;
  }
}
