// Reads Blobs into ranges that may lie in shared memory.
//
// Chromium gives the whole of a large Blob in a fresh buffer as large, whose pages cost as much to touch as the bytes to
// copy. A stream that fills one small buffer over and over reads twice as fast, and takes no more memory than that.

const BUFFER_BYTES = 1 << 20;
// Where a browser's streams fill no buffer of the reader's.
const SLICE_BYTES = 8 << 20;

export class BlobReader {
  // Chromium's garbage collector takes a Blob's byte stream that only its own pending read refers to, and the read never
  // ends. Whoever can be reached must refer to it: the store's backend, by this set.
  /** @type {Set<ReadableStreamBYOBReader | null>} */
  #underWay = new Set();

  /**
   * Fills the pieces one after the other with the bytes from an offset on. The BlobReader itself must stay in reach.
   * @param {Blob} blob
   * @param {number} offset
   * @param {Uint8Array[]} pieces
   * @param {(part: Uint8Array) => void} [onFilled]
   * @returns {Promise<number>} how many bytes came: fewer than the pieces take where the Blob ends before
   */
  async read(blob, offset, pieces, onFilled) {
    const total = pieces.reduce((sum, { length }) => sum + length, 0);
    const part = blob.slice(offset, offset + total);
    const filling = new Filling(pieces, onFilled);
    if (part.size === 0) return 0;
    const reader = byteReader(part);
    this.#underWay.add(reader);
    try {
      if (reader === null) await readSlices(part, filling);
      else await readStream(reader, Math.min(BUFFER_BYTES, part.size), filling);
    } finally {
      this.#underWay.delete(reader);
    }
    return filling.done;
  }
}

/** Pieces that are filled by bytes as they come. */
class Filling {
  #pieces;
  #place = 0;
  #position = 0;
  #onFilled;
  done = 0;

  /** @param {Uint8Array[]} pieces @param {((part: Uint8Array) => void) | undefined} onFilled */
  constructor(pieces, onFilled) {
    this.#pieces = pieces;
    this.#onFilled = onFilled;
  }

  /** @param {Uint8Array} bytes no more than there is room for */
  add(bytes) {
    for (let taken = 0; taken < bytes.length; ) {
      const piece = this.#pieces[this.#place];
      const part = bytes.subarray(taken, taken + piece.length - this.#position);
      piece.set(part, this.#position);
      this.#onFilled?.(piece.subarray(this.#position, this.#position + part.length));
      taken += part.length;
      this.#position += part.length;
      if (this.#position < piece.length) break;
      this.#place++;
      this.#position = 0;
    }
    this.done += bytes.length;
  }
}

/** @param {Blob} blob @returns {ReadableStreamBYOBReader | null} null where the browser has none for Blobs */
function byteReader(blob) {
  try {
    return blob.stream().getReader({ mode: 'byob' });
  } catch {
    return null;
  }
}

/** @param {ReadableStreamBYOBReader} reader @param {number} bytes @param {Filling} filling */
async function readStream(reader, bytes, filling) {
  let buffer = new ArrayBuffer(bytes);
  try {
    for (;;) {
      // The buffer goes there and comes back.
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (done) return;
      filling.add(value);
      buffer = value.buffer;
    }
  } finally {
    reader.releaseLock();
  }
}

/** @param {Blob} blob @param {Filling} filling */
async function readSlices(blob, filling) {
  for (let start = 0; start < blob.size; start += SLICE_BYTES) {
    filling.add(new Uint8Array(await blob.slice(start, start + SLICE_BYTES).arrayBuffer()));
  }
}
