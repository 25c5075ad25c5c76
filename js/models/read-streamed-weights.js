// Opens a stored model of which not all weights stay in memory: every chunk is read once and compared with its checksum,
// piece by piece; what stays goes into place, the rest only passes through the ring that it will stream through later.

import { checkCancelled } from '../base/cancel.js';
import { STAGING_BYTES } from '../core/heap-sizes.js';
import { Checksum } from '../core/packer.js';
import { isUnreadable } from '../store/errors.js';

/** @typedef {import('../core/runtime.js').Model} Model */
/** @typedef {import('../core/runtime.js').Runtime} Runtime */
/** @typedef {import('./manifest.js').Manifest} Manifest */

const MOST_PIECE_BYTES = 16 << 20;
const OWN_SLOTS = 2;

/**
 * Ends only when no read is under way any more, since reads write into the heap.
 * @param {{ reader: import('./chunk-reader.js').Reader,
 *   runtime: import('../core/runtime.js').Runtime, model: import('../core/runtime.js').Model,
 *   record: import('./manifest.js').Manifest, signal?: AbortSignal, onRead: (bytes: number) => void,
 *   repair: (index: number) => Promise<void> }} from as readWeights() has it
 * @returns {Promise<{ verifyMilliseconds: number }>}
 */
export async function readStreamedWeights({ reader, runtime, model, record, signal, onRead, repair }) {
  const scratch = openScratch(runtime, model);
  const checksum = new Checksum(runtime);
  const pieces = piecesOf(model, record, scratch.pieceBytes);
  /** @type {(Piece & { passes: boolean, done: Promise<unknown> })[]} `done`: null, or what went wrong */
  const ahead = [];
  let verifyMilliseconds = 0;
  let chunkFails = false;

  // As many reads as there are slots; those under way hold at most that many.
  const fill = () => {
    while (ahead.length < scratch.slots) {
      const { value: piece, done: ended } = pieces.next();
      if (ended) return;
      const passes = piece.pointer === 0;
      const pointer = passes ? scratch.take() : piece.pointer;
      const done = reader.read(record.id, piece.chunk, piece.offset, runtime.bytes(pointer, piece.length)).then(
        () => null,
        (error) => error,
      );
      ahead.push({ ...piece, pointer, passes, done });
    }
  };

  /** @param {Piece & { passes: boolean }} piece @param {unknown} error */
  const check = (piece, error) => {
    if (error !== null && !isUnreadable(error)) throw error;
    chunkFails ||= error !== null;
    const begin = performance.now();
    if (error === null) checksum.updateAt(piece.pointer, piece.length);
    if (error === null && piece.passes) model.passBy(piece.position, piece.pointer, piece.length);
    verifyMilliseconds += performance.now() - begin;
    if (piece.passes) scratch.give(piece.pointer);
  };

  try {
    fill();
    for (let piece = ahead.shift(); piece !== undefined; piece = ahead.shift()) {
      check(piece, await piece.done);
      checkCancelled(signal);
      if (piece.last) {
        const { bytes, checksum: expected } = record.chunks[piece.chunk];
        const whole = checksum.take() === expected && !chunkFails;
        chunkFails = false;
        if (!whole) await repair(piece.chunk);
        onRead(bytes);
      }
      fill();
    }
    return { verifyMilliseconds };
  } finally {
    await Promise.all(ahead.map(({ done }) => done));
    checksum.close();
    scratch.close();
  }
}

/**
 * A part of a chunk; `pointer`: where it belongs in the heap, 0: nowhere; `last`: the chunk ends with it.
 * @typedef {{ chunk: number, offset: number, position: number, length: number, pointer: number, last: boolean }} Piece
 */

/**
 * Pieces of all chunks, in order.
 * @param {Model} model
 * @param {Manifest} record
 * @param {number} pieceBytes
 * @returns {Generator<Piece, void>}
 */
function* piecesOf(model, record, pieceBytes) {
  for (const [chunk, { bytes }] of record.chunks.entries()) {
    const first = chunk * record.chunkBytes;
    for (const place of model.packedPlaces(first, bytes)) {
      for (let done = 0; done < place.length; done += pieceBytes) {
        const length = Math.min(pieceBytes, place.length - done);
        const position = place.position + done;
        const pointer = place.pointer === 0 ? 0 : place.pointer + done;
        const last = position + length === first + bytes;
        yield { chunk, offset: position - first, position, length, pointer, last };
      }
    }
  }
}

/** Places for pieces that only pass through: the ring's, or some of its own where that has none. @param {Runtime} runtime @param {Model} model */
function openScratch(runtime, model) {
  const slotBytes = model.info.budget?.slotBytes ?? 0;
  const own = model.ring.slots === 0;
  const slots = own ? OWN_SLOTS : model.ring.slots;
  const pieceBytes = own ? STAGING_BYTES : Math.min(MOST_PIECE_BYTES, slotBytes);
  const buffer = own ? runtime.allocate(slots * pieceBytes) : 0;
  const free = Array.from({ length: slots }, (_, slot) => (own ? buffer + slot * pieceBytes : model.ring.slot(slot)));
  return {
    slots,
    pieceBytes,
    // Nobody takes more than there are.
    take: () => /** @type {number} */ (free.pop()),
    give: (/** @type {number} */ pointer) => free.push(pointer),
    close: () => own && runtime.free(buffer),
  };
}
