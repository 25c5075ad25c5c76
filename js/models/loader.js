// Reads a model from a source into the heap, in the order of the file and once: the header first, then the weights as
// they arrive. Nothing of the file is kept outside the heap but the pieces that the header came in.
import { codeOf, NibbleError, storeNeeded } from '../base/errors.js';
import { progressReporter } from '../base/progress.js';
import { Header } from '../core/header.js';
import { STAGING_BYTES } from '../core/heap-sizes.js';
import { nextPiece } from '../sources/source.js';
import { checkWhole } from './part-tables.js';

/** @typedef {import('../core/runtime.js').Model} Model */
/** @typedef {import('../core/runtime.js').Runtime} Runtime */
/** @typedef {import('../sources/source.js').Source} Source */
/** @typedef {import('../base/public-types.js').Progress} Progress */

// Small enough that an import of which little came is kept; most headers take a few MiB.
const FIRST_HEADER_BYTES = 16 << 10;
// Far above any real header (a vocabulary of 256k takes some 10 MiB); a file that claims more is lying.
const MAX_HEADER_BYTES = 256 << 20;
// Stands for the size of a source that does not know its own, until its end has been seen.
export const UNKNOWN_SIZE = 2 ** 42;

/**
 * Parses the header at the beginning of a source.
 * @param {Runtime} runtime
 * @param {Source} source
 * @param {AbortSignal} [signal]
 * @returns {ReturnType<typeof parseHeader>}
 * @throws {NibbleError} MODEL_PARTS_MISSING where it is only a part of a model
 */
export async function readHeader(runtime, source, signal) {
  const parsed = await parseHeader(runtime, source, signal);
  try {
    checkWhole(source.name, parsed.header);
    return parsed;
  } catch (error) {
    parsed.header.close();
    throw error;
  }
}

/**
 * The same, whatever it is.
 * @param {Runtime} runtime
 * @param {Source} source
 * @param {AbortSignal} [signal]
 * @returns {Promise<{ header: Header, pieces: Uint8Array[], fileSize: number }>} `pieces`: all that was read for it
 */
export async function parseHeader(runtime, source, signal) {
  /** @type {Uint8Array[]} */
  const pieces = [];
  let available = 0;
  let ended = false;
  for (let wanted = FIRST_HEADER_BYTES; ; wanted *= 2) {
    while (available < wanted && !ended) {
      const piece = await nextPiece(source, signal);
      if (piece === null) ended = true;
      else pieces.push(piece.slice());
      available += piece?.length ?? 0;
    }
    const fileSize = ended ? available : Math.max(available, source.size ?? UNKNOWN_SIZE);
    const header = tryHeader(runtime, pieces, available, fileSize);
    if (header !== null) return { header, pieces, fileSize };
    if (wanted >= MAX_HEADER_BYTES) {
      throw new NibbleError(
        'GGUF_BAD_COUNT',
        `The header of the model goes on behind ${Math.floor(MAX_HEADER_BYTES / 1e6)} MB; no model needs as much. The file is damaged.`,
      );
    }
  }
}

/**
 * The header in the first bytes of a file; null where it goes on behind them.
 * @param {Runtime} runtime
 * @param {Uint8Array[]} pieces
 * @param {number} available bytes in them
 * @param {number} fileSize
 */
export function tryHeader(runtime, pieces, available, fileSize) {
  const buffer = runtime.allocate(Math.max(1, available));
  try {
    let position = buffer;
    for (const piece of pieces) {
      runtime.write(position, piece);
      position += piece.length;
    }
    return new Header(runtime, buffer, available, fileSize);
  } catch (error) {
    runtime.free(buffer);
    if (codeOf(error) === 'GGUF_NEEDS_MORE') return null;
    throw error;
  }
}

/**
 * Feeds the tensor data to a model until it is complete.
 * @param {{ runtime: Runtime, model: Model, source: Source, pieces: Uint8Array[],
 *   dataOffset: number, fileSize: number | null, signal?: AbortSignal, onProgress: (progress: Progress) => void }} from
 */
export async function loadWeights({ runtime, model, source, pieces, dataOffset, fileSize, signal, onProgress }) {
  const total = fileSize ?? dataOffset + model.remaining;
  const report = progressReporter(source.kind, total, onProgress);
  const staging = runtime.allocate(STAGING_BYTES);
  try {
    let position = 0;
    const take = (/** @type {Uint8Array} */ piece) => {
      const start = Math.max(0, dataOffset - position);
      if (start < piece.length) model.load(piece.subarray(start), staging);
      position += piece.length;
      report(position);
    };
    for (const piece of pieces.splice(0)) take(piece);
    while (model.remaining > 0) {
      const piece = await nextPiece(source, signal);
      if (piece === null) throw truncated(source.name, position, model.remaining);
      take(piece);
    }
    // What may stand behind the weights is part of the file.
    while (source.isHashed && (await nextPiece(source, signal)) !== null);
    report(total, true);
  } finally {
    runtime.free(staging);
  }
}

/** Refuses a store that weights cannot stream from, before anything is read. @param {Model} model @param {import('../store/backends.js').StoreChoice | null} store */
export function checkStreamable(model, store) {
  if (!model.streams || store?.kind !== 'memory') return;
  throw storeNeeded(
    'Not all weights fit into the memoryBudget, and the store "memory" cannot stream them: it would hold them in memory itself.',
  );
}

/** @param {Model} model @param {import('./open.js').Storage} storage */
function needsStore({ info }, { kind, problem }) {
  const megabytes = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
  const found = `The model's weights take ${megabytes(info.packedBytes)}, and not all of them fit into the memoryBudget of ${megabytes(info.budget?.bytes ?? 0)}: the others have to be read from a store again and again.`;
  if (problem === null) return storeNeeded(found);
  const message = `${found} The store "${kind}" cannot be used: ${problem.message}`;
  return new NibbleError('INVALID_ARGUMENT', message, { details: { option: 'store' }, cause: problem });
}

/** @param {string} name @param {number} position @param {number} missing */
export function truncated(name, position, missing) {
  return new NibbleError(
    'GGUF_TRUNCATED',
    `The model "${name}" ends after ${position} bytes; ${missing} more bytes of weights were expected. Get the file again.`,
  );
}

/**
 * A model that is opened, whether from its source or from a store: its header is there, its weights may follow.
 * @typedef {object} OpenedModel
 * @property {Header} header closed with the model, or by the caller as soon as it is read
 * @property {string} fileName
 * @property {number | null} fileSize null: the source does not tell
 * @property {import('./open.js').Storage} storage `engine.info.storage`, up to date once load() is done
 * @property {(model: Model | null) => Promise<import('./manifest.js').Manifest | null>} load puts the
 *   weights in place, those that stay; null: of a model that is only stored; the record of the stored model, where there is one
 * @property {() => Promise<void>} close gives back the source, the store's lock and the header; load() must have ended
 */

/**
 * Opens a model from its source, without a store.
 * @param {{ runtime: Runtime, open: () => Promise<Source>, storage: import('./open.js').Storage, signal?: AbortSignal,
 *   onProgress: (progress: Progress) => void }} from
 * @returns {Promise<OpenedModel>}
 */
export async function openFromSource({ runtime, open, storage, signal, onProgress }) {
  const source = await open();
  /** @type {Awaited<ReturnType<typeof readHeader>>} */
  let parsed;
  try {
    parsed = await readHeader(runtime, source, signal);
  } catch (error) {
    await source.close();
    throw error;
  }
  const { header, pieces } = parsed;
  const { dataOffset } = header;
  const fileSize = parsed.fileSize === UNKNOWN_SIZE ? null : parsed.fileSize;
  return {
    header,
    fileName: source.name,
    fileSize,
    storage,
    load: async (model) => {
      if (model === null) return null;
      if (model.streams) throw needsStore(model, storage);
      await loadWeights({ runtime, model, source, pieces, dataOffset, fileSize, signal, onProgress });
      return null;
    },
    close: async () => {
      header.close();
      await source.close();
    },
  };
}
