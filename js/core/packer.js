// The twin of src/packer.h and src/checksum.h: what a store keeps is made and checked here. It calls exports, but touches
// the heap only through the Runtime.
import { hex } from './heap-checksum.js';
import { STAGING_BYTES } from './heap-sizes.js';

/** The version of packed bytes: those of another one are of no use. @param {import('./runtime.js').Runtime} runtime */
export const packedLayout = (runtime) => runtime.c._nibble_packed_layout();

/** Makes packed bytes of a file's tensor data. */
export class Packer {
  #runtime;
  #packer;
  #staging;

  /** @param {import('./runtime.js').Runtime} runtime @param {import('./header.js').Header} header read only here */
  constructor(runtime, header) {
    this.#runtime = runtime;
    this.#staging = runtime.allocate(STAGING_BYTES);
    try {
      this.#packer = runtime.checked((error) => runtime.c._nibble_packer_create(header.gguf, error));
    } catch (error) {
      runtime.free(this.#staging);
      throw error;
    }
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

  /** Goes on at a packed position, rounded down to a group of rows. @param {number} position */
  seek(position) {
    this.#runtime.c._api_packer_seek(this.#packer, position);
  }

  /**
   * Takes the next bytes of the file; yields copies of the packed bytes they make.
   * @param {Uint8Array} bytes
   * @throws {import('../base/errors.js').NibbleError} MODEL_BAD_TENSOR where they hold weights or scales that are infinite or not numbers
   */
  *push(bytes) {
    const runtime = this.#runtime;
    for (let start = 0; start < bytes.length; start += STAGING_BYTES) {
      const piece = bytes.subarray(start, start + STAGING_BYTES);
      runtime.write(this.#staging, piece);
      for (let done = 0, taken = -1; done < piece.length && taken !== 0; done += taken) {
        taken = runtime.c._nibble_packer_push(this.#packer, this.#staging + done, piece.length - done);
        runtime.checked((error) => runtime.c._nibble_packer_check(this.#packer, error));
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

/** The checksum of bytes that come in pieces: XXH64, as 16 hexadecimal digits. */
export class Checksum {
  #runtime;
  #size;
  #state;

  /** @param {import('./runtime.js').Runtime} runtime */
  constructor(runtime) {
    this.#runtime = runtime;
    this.#size = runtime.c._api_checksum_size();
    this.#state = runtime.allocate(this.#size + STAGING_BYTES);
    runtime.c._checksum_begin(this.#state);
  }

  /** @param {Uint8Array} bytes */
  update(bytes) {
    const staging = this.#state + this.#size;
    for (let start = 0; start < bytes.length; start += STAGING_BYTES) {
      const piece = bytes.subarray(start, start + STAGING_BYTES);
      this.#runtime.write(staging, piece);
      this.#runtime.c._checksum_update(this.#state, staging, piece.length);
    }
  }

  /** Takes bytes that are in the heap already. @param {number} pointer @param {number} length */
  updateAt(pointer, length) {
    this.#runtime.c._checksum_update(this.#state, pointer, length);
  }

  /** Of all bytes so far, and begins anew. */
  take() {
    const found = this.hex();
    this.#runtime.c._checksum_begin(this.#state);
    return found;
  }

  /** Of all bytes so far. */
  hex() {
    return hex(this.#runtime.c._checksum_end(this.#state));
  }

  close() {
    if (this.#state !== 0) this.#runtime.free(this.#state);
    this.#state = 0;
  }
}

/** Room for checksums of parts of the heap that other workers take (heap-checksum.js). @param {import('./runtime.js').Runtime} runtime @param {number} count */
export function checksumStates(runtime, count) {
  const size = runtime.c._api_checksum_size();
  const first = runtime.allocate(count * size);
  return {
    addresses: Array.from({ length: count }, (_, index) => first + index * size),
    close: () => runtime.free(first),
  };
}

/** The checksum of parts one behind the other. @param {import('./runtime.js').Runtime} runtime @param {Iterable<Uint8Array>} parts */
export function checksumOf(runtime, parts) {
  const checksum = new Checksum(runtime);
  try {
    for (const part of parts) checksum.update(part);
    return checksum.hex();
  } finally {
    checksum.close();
  }
}
