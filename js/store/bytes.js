// Lists of byte ranges: what a chunk is written from, and what it is read into.

/** @typedef {Uint8Array | Uint8Array[]} Target one range, or several that are filled one after the other */

/** @param {Target} target @returns {Uint8Array[]} */
export const piecesOf = (target) => (Array.isArray(target) ? target : [target]);

/** @param {Uint8Array[]} parts */
export const totalBytes = (parts) => parts.reduce((sum, { length }) => sum + length, 0);

/**
 * Fills the pieces one after the other.
 * @param {Uint8Array[]} pieces
 * @param {Uint8Array} bytes as many as they take
 * @param {(part: Uint8Array) => void} [onFilled]
 */
export function fill(pieces, bytes, onFilled) {
  let position = 0;
  for (const piece of pieces) {
    piece.set(bytes.subarray(position, position + piece.length));
    onFilled?.(piece);
    position += piece.length;
  }
}

/** The ranges that bytes `from` to `to` of the pieces lie in. @param {Uint8Array[]} pieces @param {number} from @param {number} to */
export function cut(pieces, from, to) {
  let start = 0;
  return pieces.flatMap((piece) => {
    const part = piece.subarray(Math.max(0, from - start), Math.max(0, to - start));
    start += piece.length;
    return part.length > 0 ? [part] : [];
  });
}

/** The parts as one array of their own. @param {Uint8Array[]} parts */
export function join(parts) {
  const bytes = new Uint8Array(totalBytes(parts));
  let position = 0;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}

/**
 * The same bytes, copied where they lie in shared memory, which few interfaces of browsers take.
 * @param {Uint8Array} bytes
 * @returns {Uint8Array<ArrayBuffer>}
 */
export const unshared = (bytes) =>
  bytes.buffer instanceof ArrayBuffer ? /** @type {Uint8Array<ArrayBuffer>} */ (bytes) : bytes.slice();
