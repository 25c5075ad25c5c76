// The twin of src/packer.h and src/checksum.h: what a store keeps is made and checked here. It calls exports, but touches
// the heap only through the Runtime.
import { hex, STAGING_BYTES } from './engine.js';

/** Makes packed bytes of a file's tensor data. */
export class Packer {
  #runtime;
  #packer;
  #staging;

  /** @param {import('./engine.js').Runtime} runtime @param {import('./engine.js').Header} header read only here */
  constructor(runtime, header) {
    this.#runtime = runtime;
    this.#staging = runtime.allocate(STAGING_BYTES);
    try {
      this.#packer = runtime.checked((error) => runtime.c._nibble_packer_create(header.gguf, error));
    } catch (error) {
      runtime.free(this.#staging);
      throw error;
    }
    this.layout = runtime.c._nibble_packed_layout();
    this.packedBytes = runtime.c._api_packer_packed_bytes(this.#packer);
  }

  /** Packed, behind all that was made so far. */
  get position() {
    return this.#runtime.c._api_packer_position(this.#packer);
  }

  /** Of the byte of the file that has to come next. */
  get filePosition() {
    return this.#runtime.c._api_packer_file_position(this.#packer);
  }

  /** Goes on at a packed position, rounded down to a group of rows. */
  seek(position) {
    this.#runtime.c._api_packer_seek(this.#packer, position);
  }

  /** Takes the next bytes of the file; yields copies of the packed bytes they make. */
  *push(bytes) {
    const runtime = this.#runtime;
    for (let start = 0; start < bytes.length; start += STAGING_BYTES) {
      const piece = bytes.subarray(start, start + STAGING_BYTES);
      runtime.write(this.#staging, piece);
      for (let done = 0, taken = -1; done < piece.length && taken !== 0; done += taken) {
        taken = runtime.c._nibble_packer_push(this.#packer, this.#staging + done, piece.length - done);
        const made = runtime.c._nibble_packer_output_bytes(this.#packer);
        if (made > 0) yield runtime.copy(Uint8Array, runtime.c._nibble_packer_output(this.#packer), made);
      }
    }
  }

  close() {
    if (this.#packer === 0) return;
    this.#runtime.free(this.#staging);
    this.#runtime.c._nibble_packer_free(this.#packer);
    this.#packer = 0;
  }
}

/** The checksum of parts one behind the other: XXH64, as 16 hexadecimal digits. */
export function checksumOf(runtime, parts) {
  const size = runtime.c._api_checksum_size();
  return runtime.scratch(size + STAGING_BYTES, (state) => {
    runtime.c._checksum_begin(state);
    for (const part of parts) {
      for (let start = 0; start < part.length; start += STAGING_BYTES) {
        const piece = part.subarray(start, start + STAGING_BYTES);
        runtime.write(state + size, piece);
        runtime.c._checksum_update(state, state + size, piece.length);
      }
    }
    return hex(runtime.c._checksum_end(state));
  });
}
