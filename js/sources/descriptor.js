// What a caller passed as a model, as it crosses to the worker: a descriptor. Bytes and streams stay with the caller and are
// pulled through a MessagePort piece by piece, so that no model is ever held twice.
import { NibbleError, shortened } from '../base/errors.js';
import { refusePassword } from '../base/readers.js';
import { nameOf } from '../download/http-headers.js';
import { firstAddress, firstName } from './part-names.js';

const PIECE_BYTES = 4 << 20;

/**
 * One of these says where the bytes are: `url`, `path`, `blob` (with `name`), `port` (with `name` and `size`), `stored` or
 * `parts`. A model in parts may have the address of its first one too, which it is known by.
 * @typedef {object} Descriptor
 * @property {string} [url]
 * @property {string} [path] of a file on disk
 * @property {Blob} [blob]
 * @property {MessagePort} [port] that gives the bytes
 * @property {MessagePort} [again] that gives them once more
 * @property {string} [name]
 * @property {number | null} [size] null: nobody knows it
 * @property {string} [stored] the id of a stored model
 * @property {Descriptor[]} [parts]
 */

/** @typedef {{ descriptor: Descriptor, transfer: Transferable[], close: () => void }} Described */
/** @typedef {(text: string) => { url?: string, path?: string, blob?: Blob }} Locate how a platform reads a string */

/**
 * Pieces one after the other; return() lets go of them.
 * @typedef {{ next: () => Promise<{ done?: boolean, value?: Uint8Array | void }>, return: (value: undefined) => unknown }} Pieces
 */

/**
 * Turns what a caller passed as `model` into a descriptor for the worker. A model in parts is meant by any one of them, and
 * known by the first; a list has all of them.
 * @param {unknown} model
 * @param {Locate} locate
 * @returns {Described}
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

/** Throws where a stored model is to have another id. @param {unknown} model as a caller passed it @param {string | null} id */
export function refuseTwoIds(model, id) {
  const { stored } = /** @type {Record<string, unknown>} */ (Object(model));
  if (id === null || stored === undefined || stored === id) return;
  const message = `The stored model "${shortened(stored)}" has an id, and the option id is another one. Leave one of them out.`;
  throw new NibbleError('INVALID_ARGUMENT', message, { details: { option: 'id' } });
}

/** @param {unknown} model @param {Locate} locate @returns {Described} */
function describeFile(model, locate) {
  /** @param {Descriptor} descriptor @returns {Described} */
  const handle = (descriptor) => ({ descriptor, transfer: [], close: () => {} });
  if ((typeof model === 'string' && model !== '') || model instanceof URL) {
    refusePassword('model', String(model));
    const place = locate(String(model));
    // A page may be at such an address itself.
    refusePassword('model', place.url ?? '');
    // One that is found by its address may be of a file, and does not tell.
    return place.blob === undefined ? handle(place) : readHere(place.blob);
  }
  const { stored, stream: given, size = null, name, pipe } = /** @type {Record<string, unknown>} */ (model ?? {});
  if (typeof stored === 'string' && stored !== '') return handle({ stored });
  if (model instanceof Blob) return describeBlob(model);
  if (model instanceof ArrayBuffer || ArrayBuffer.isView(model)) {
    const bytes = ArrayBuffer.isView(model)
      ? new Uint8Array(model.buffer, model.byteOffset, model.byteLength)
      : new Uint8Array(model);
    const slices = () => pieces(bytes.length, (start, end) => bytes.slice(start, end));
    return port({ name: 'model', size: bytes.length }, slices(), slices());
  }
  if (model instanceof Response) return describeFile(bodyOf(model), locate);
  const stream = model instanceof ReadableStream ? model : given;
  if (stream instanceof ReadableStream) {
    if (!isSize(size)) {
      throw new NibbleError('INVALID_ARGUMENT', `The stream's size is ${size}; expected a number of bytes.`);
    }
    return port({ name: String(name ?? 'model'), size }, streamed(stream));
  }
  const way = typeof pipe === 'function' ? ' A stream of Node becomes one by Readable.toWeb().' : '';
  throw new NibbleError(
    'INVALID_ARGUMENT',
    `The model is none of the kinds this can read: pass a URL or a path, a File or Blob, bytes, a ReadableStream or a Response.${way}`,
    { details: { option: 'model' } },
  );
}

/** @param {unknown} value @returns {value is number | null} */
const isSize = (value) => value === null || (Number.isSafeInteger(value) && Number(value) >= 0);

/**
 * The files of a model in parts. Addresses are known by the first of them, as one of them alone is.
 * @param {unknown[]} models
 * @param {Locate} locate
 * @returns {Described}
 */
function describeParts(models, locate) {
  /** @type {Described[]} */
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
 * @param {Response} response
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

/** @param {Blob} blob @returns {Described} */
function describeBlob(blob) {
  if (!isCloneable(blob)) return readHere(blob);
  return { descriptor: { blob, name: nameOfBlob(blob) }, transfer: [], close: () => {} };
}

/** @param {Blob} blob */
const nameOfBlob = (blob) => ('name' in blob ? String(blob.name ?? 'model') : 'model');

/** A Blob that stays in this thread. @param {Blob} blob */
function readHere(blob) {
  /** @param {number} start @param {number} end */
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

/** @param {number} size @param {(start: number, end: number) => Uint8Array | Promise<Uint8Array>} read */
async function* pieces(size, read) {
  for (let start = 0; start < size; start += PIECE_BYTES) yield read(start, Math.min(start + PIECE_BYTES, size));
}

/** Not a generator: one could not let go of a stream that is silent for ever. @param {ReadableStream} stream @returns {Pieces} */
function streamed(stream) {
  /** @type {ReadableStreamDefaultReader<unknown> | undefined} */
  let reader;
  return {
    async next() {
      reader ??= stream.getReader();
      const { done, value } = await reader.read();
      if (done) return { done };
      if (value instanceof Uint8Array) return { done, value };
      throw new Error('the stream gave something that is not a Uint8Array');
    },
    return: () => (reader ?? stream).cancel().catch(() => {}),
  };
}

/**
 * A descriptor of bytes that are pulled through a port; where they can be had twice, through a second one too.
 * @param {{ name: string, size: number | null }} facts
 * @param {Pieces} pieces
 * @param {Pieces} [piecesAgain]
 * @returns {Described}
 */
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

/** @param {unknown} error */
const messageOf = (error) => String(/** @type {{ message?: unknown } | null | undefined} */ (error)?.message ?? error);

/** The other end of a port with pieces behind it: 'next' asks for one, 'stop' for the end. @param {Pieces} pieces */
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
        port1.postMessage({ error: messageOf(error) });
      }
    });
  };
  return { port: port2, close };
}
