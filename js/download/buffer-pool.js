// Buffers that are filled again when what was in them has been read. Without them each piece of a stream is a buffer of
// its own, and collectors let hundreds of megabytes of them lie.

const BUFFER_BYTES = 256 << 10;

export class BufferPool {
  /** @type {ArrayBuffer[]} */
  #free = [];
  // How many are with whoever reads: a stream that brings buffers of its own gives back what nobody will ask for.
  #lent = 0;
  #closed = false;

  /** A view of at most `most` bytes to read into. It is given back, or what became of it when it was transferred. */
  take(most = Infinity) {
    this.#lent++;
    const buffer = this.#free.pop() ?? new ArrayBuffer(BUFFER_BYTES);
    return new Uint8Array(buffer, 0, Math.min(BUFFER_BYTES, most));
  }

  /** Takes back what a view lies in, which nobody reads any more. What is not of a pool, or was given away, is left. @param {Uint8Array | null | undefined} view */
  give(view) {
    const buffer = view?.buffer;
    if (this.#closed || this.#lent === 0 || buffer?.byteLength !== BUFFER_BYTES) return;
    // A stream gives no shared memory.
    if (!(buffer instanceof ArrayBuffer)) return;
    this.#lent--;
    this.#free.push(buffer);
  }

  /** How many buffers lie here. */
  get size() {
    return this.#free.length;
  }

  close() {
    this.#closed = true;
    this.#free = [];
  }
}

/**
 * @typedef {{ reader: ReadableStreamBYOBReader, fills: true } |
 *   { reader: ReadableStreamDefaultReader<Uint8Array>, fills: false }} BodyReader `fills`: it fills the views that it is given
 */

/**
 * A reader that fills the views it is given, where the stream can; one that brings its own pieces otherwise.
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {BodyReader}
 */
export function readerOf(stream) {
  try {
    return { reader: stream.getReader({ mode: 'byob' }), fills: true };
  } catch {
    return { reader: stream.getReader(), fills: false };
  }
}
