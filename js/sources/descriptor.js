// What a caller passed as a model, as it crosses to the worker: a descriptor. Bytes and streams stay with the caller and are
// pulled through a MessagePort piece by piece, so that no model is ever held twice.
import { NibbleError } from '../base/errors.js';
import { nameOf } from '../download/http-headers.js';
import { firstAddress, firstName } from './part-names.js';

const PIECE_BYTES = 4 << 20;

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
