// The checksum of src/checksum.h in a worker that reads into another one's heap: bytes are looked at where they have just
// been copied to, while the processor's cache still has them. A wasm module of two kilobytes on that heap does it.

/**
 * @typedef {object} ChecksumExports
 * @property {(state: number) => void} checksum_begin
 * @property {(state: number, bytes: number, count: number) => void} checksum_update
 * @property {(state: number) => bigint} checksum_end
 */

export class HeapChecksum {
  #exports;

  /** @param {BufferSource} wasm checksum.wasm @param {WebAssembly.Memory} memory the heap */
  constructor(wasm, memory) {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { env: { memory } });
    this.#exports = /** @type {ChecksumExports} */ (/** @type {unknown} */ (exports));
  }

  /**
   * Begins a checksum, whose state lies in the heap.
   * @param {number} state its address; nobody else uses it until `hex` was called
   */
  begin(state) {
    const { checksum_begin, checksum_update, checksum_end } = this.#exports;
    let milliseconds = 0;
    let bytes = 0;
    checksum_begin(state);
    return {
      /** @param {Uint8Array} view of the heap */
      update(view) {
        const start = performance.now();
        checksum_update(state, view.byteOffset, view.length);
        milliseconds += performance.now() - start;
        bytes += view.length;
      },
      /** Of all bytes so far, as checksumOf() in packer.js gives it; how many they were, and what it took. */
      end: () => ({ checksum: hex(checksum_end(state)), bytes, milliseconds }),
    };
  }
}

/** A checksum as text, from the signed number that wasm gives. @param {bigint} number */
export const hex = (number) => BigInt.asUintN(64, number).toString(16).padStart(16, '0');
