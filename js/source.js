// Where a model's bytes come from. Every kind of source becomes the same small contract, read in order, once:
//
//   { kind: 'download' | 'load', name, size, read(): Promise<Uint8Array | null>, close(): Promise<void> }
//
// `size` is null where nobody knows it; `read()` gives the next bytes (any number of them, valid until the next read)
// and null at the end. Where a source is asked to begin behind its front, `position` says where it does begin: 0 where it
// cannot, or where the file is another one now.
// A source crosses to the worker as a descriptor; bytes and streams stay with the caller and are pulled through a
// MessagePort piece by piece, so that no model is ever held twice.
import { openDownload } from './download.js';
import { NibbleError } from './errors.js';
import { nameOf } from './http-headers.js';
import { firstAddress, firstName } from './part-names.js';

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
 * Turns what a caller passed as `model` into a descriptor for the worker. A model in parts is meant by any one of them, and
 * known by the first; a list has all of them.
 * @param {any} model
 * @param {(text: string) => { url: string } | { path: string } | { blob: Blob }} locate how this platform reads a string
 * @returns {{ descriptor: object, transfer: Transferable[], close: () => void }}
 */
export function describeSource(model, locate) {
  if (Array.isArray(model) && model.length > 1) return describeParts(model, locate);
  const { descriptor, ...rest } = describeFile(Array.isArray(model) ? model[0] : model, locate);
  const { url, path } = descriptor;
  const place = {
    ...(url !== undefined && { url: firstAddress(url) }),
    ...(path !== undefined && { path: firstName(path) }),
  };
  return { descriptor: { ...descriptor, ...place }, ...rest };
}

function describeFile(model, locate) {
  const handle = (descriptor) => ({ descriptor, transfer: [], close: () => {} });
  if ((typeof model === 'string' && model !== '') || model instanceof URL) {
    const place = locate(String(model));
    // One that is found by its address may be of a file, and does not tell.
    return place.blob === undefined ? handle(place) : readHere(place.blob);
  }
  if (typeof model?.stored === 'string' && model.stored !== '') return handle({ stored: model.stored });
  if (model instanceof Blob) return describeBlob(model);
  if (model instanceof ArrayBuffer || ArrayBuffer.isView(model)) {
    const bytes = ArrayBuffer.isView(model)
      ? new Uint8Array(model.buffer, model.byteOffset, model.byteLength)
      : new Uint8Array(model);
    const slices = () => pieces(bytes.length, (start, end) => bytes.slice(start, end));
    return port({ name: 'model', size: bytes.length }, slices(), slices());
  }
  if (model instanceof Response) return describeFile(bodyOf(model), locate);
  const stream = model instanceof ReadableStream ? model : model?.stream;
  if (stream instanceof ReadableStream) {
    const size = model.size ?? null;
    if (size !== null && !(Number.isSafeInteger(size) && size >= 0)) {
      throw new NibbleError('INVALID_ARGUMENT', `The stream's size is ${size}; expected a number of bytes.`);
    }
    return port({ name: model.name ?? 'model', size }, streamed(stream));
  }
  const way = typeof model?.pipe === 'function' ? ' A stream of Node becomes one by Readable.toWeb().' : '';
  throw new NibbleError(
    'INVALID_ARGUMENT',
    `The model is none of the kinds this can read: pass a URL or a path, a File or Blob, bytes, a ReadableStream or a Response.${way}`,
    { details: { option: 'model' } },
  );
}

/** The files of a model in parts. Addresses are known by the first of them, as one of them alone is. */
function describeParts(models, locate) {
  const sources = [];
  try {
    for (const model of models) sources.push(describeFile(model, locate));
  } catch (error) {
    for (const source of sources) source.close();
    throw error;
  }
  const parts = sources.map(({ descriptor }) => descriptor);
  const urls = parts.map(({ url }) => url).filter((url) => url !== undefined);
  // Their names end in their numbers.
  const [first] = urls.length === parts.length ? urls.sort() : [];
  return {
    descriptor: { ...(first && { url: first }), parts },
    transfer: sources.flatMap(({ transfer }) => transfer),
    close: () => {
      for (const source of sources) source.close();
    },
  };
}

/**
 * What was fetched already. Its size is not told: a packed body's header has that of what is packed, and of another
 * origin nobody knows whether it is.
 */
function bodyOf(response) {
  const found = response.bodyUsed ? 'was read already' : response.body === null ? 'has no body' : null;
  const wrong = response.ok ? found : `has status ${response.status}`;
  if (wrong !== null) {
    const message = `The response that was passed as the model ${wrong}; expected one that succeeded and was not read.`;
    throw new NibbleError('INVALID_ARGUMENT', message, { details: { option: 'model', found: wrong } });
  }
  return { stream: response.body, name: nameOf(response.url) };
}

function describeBlob(blob) {
  if (!isCloneable(blob)) return readHere(blob);
  return { descriptor: { blob, name: nameOfBlob(blob) }, transfer: [], close: () => {} };
}

const nameOfBlob = (blob) => blob.name ?? 'model';

/** A Blob that stays in this thread. */
function readHere(blob) {
  const read = async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer());
  const slices = () => pieces(blob.size, read);
  return port({ name: nameOfBlob(blob), size: blob.size }, slices(), slices());
}

/** Whether a Blob can be posted to a worker. Node's Blobs of files on disk, as fs.openAsBlob() gives them, cannot. @param {Blob} blob */
export function isCloneable(blob) {
  try {
    structuredClone(blob);
    return true;
  } catch {
    return false;
  }
}

async function* pieces(size, read) {
  for (let start = 0; start < size; start += PIECE_BYTES) yield read(start, Math.min(start + PIECE_BYTES, size));
}

/** Not a generator: one could not let go of a stream that is silent for ever. */
function streamed(stream) {
  let reader;
  return {
    async next() {
      reader ??= stream.getReader();
      const { done, value } = await reader.read();
      if (!done && !(value instanceof Uint8Array))
        throw new Error('the stream gave something that is not a Uint8Array');
      return { done, value };
    },
    return: () => (reader ?? stream).cancel().catch(() => {}),
  };
}

/** A descriptor of bytes that are pulled through a port; where they can be had twice, through a second one too. */
function port(facts, pieces, piecesAgain) {
  const first = serve(pieces);
  if (piecesAgain === undefined)
    return { descriptor: { ...facts, port: first.port }, transfer: [first.port], close: first.close };
  const second = serve(piecesAgain);
  const close = () => {
    first.close();
    second.close();
  };
  const descriptor = { ...facts, port: first.port, again: second.port };
  return { descriptor, transfer: [first.port, second.port], close };
}

/** The other end of a port with pieces behind it: 'next' asks for one, 'stop' for the end. */
function serve(pieces) {
  const { port1, port2 } = new MessageChannel();
  const close = () => {
    port1.close();
    pieces.return(undefined);
  };
  // One answer after the other, in the order of the questions.
  let last = Promise.resolve();
  port1.onmessage = ({ data }) => {
    if (data !== 'next') return close();
    last = last.then(async () => {
      try {
        const { done, value } = await pieces.next();
        port1.postMessage({ piece: done ? null : value });
      } catch (error) {
        port1.postMessage({ error: String(error?.message ?? error) });
      }
    });
  };
  return { port: port2, close };
}

/**
 * Opens a descriptor, in the worker.
 * @param {any} descriptor
 * @param {{ openPath?: (path: string, position?: number) => Promise<Source>, signal?: AbortSignal,
 *   from?: From, download?: import('./download.js').DownloadOptions }} platform `from`: where to begin, and what the file
 *   was then; at the front unless given
 * @returns {Promise<Source>}
 */
export function openSource(descriptor, { openPath, signal, from, download }) {
  if (typeof descriptor?.url === 'string') return openDownload(descriptor.url, { ...download, signal, from });
  if (typeof descriptor?.path === 'string' && openPath) return openPath(descriptor.path, from?.position);
  if (descriptor?.blob instanceof Blob)
    return Promise.resolve(blobSource(descriptor.blob, descriptor.name, from?.position));
  if (typeof descriptor?.port?.postMessage === 'function') return Promise.resolve(portSource(descriptor));
  return Promise.reject(new NibbleError('INVALID_ARGUMENT', 'The worker was given no model that it can open.'));
}

function portSource({ port, name, size }) {
  const waiting = [];
  const arrived = [];
  let ended = false;
  const settle = () => {
    while (waiting.length > 0 && (arrived.length > 0 || ended)) {
      const { resolve, reject } = waiting.shift();
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
    name: String(name),
    size: size ?? null,
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

function blobSource(blob, name, begin = 0) {
  let position = begin;
  const readAt = async (start, length) => {
    try {
      return new Uint8Array(await blob.slice(start, start + length).arrayBuffer());
    } catch (error) {
      throw unreadable(name, error.message, error);
    }
  };
  return {
    kind: 'load',
    position: begin,
    name: String(name),
    size: blob.size,
    ...(typeof blob.lastModified === 'number' && { lastModified: String(blob.lastModified) }),
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

export function unreadable(name, what, cause) {
  return new NibbleError('SOURCE_UNREADABLE', `The model "${name}" could not be read: ${what}.`, { cause });
}
