// Compiles the wasm, once it is seen to be what was built with this worker.
import { checkWasm } from '../base/release.js';

// "\0asm", which every module begins with.
const MAGIC = [0x00, 0x61, 0x73, 0x6d];

/**
 * @param {ArrayBuffer | ArrayBufferView} given
 * @param {string} file what it is called
 * @param {(bytes: Uint8Array<any>) => string | Promise<string>} hash its SHA-256, as hexadecimal digits
 * @returns {Promise<WebAssembly.Module>}
 * @throws {import('../base/errors.js').NibbleError} RELEASE_MISMATCH; what is no wasm is left to the platform to refuse
 */
export async function compileWasm(given, file, hash) {
  const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(given) ? given : new Uint8Array(given);
  // Node compiles no DataView.
  const bytes = new Uint8Array(/** @type {ArrayBuffer} */ (buffer), byteOffset, byteLength);
  if (MAGIC.every((byte, at) => bytes[at] === byte)) checkWasm(await hash(bytes), file);
  return WebAssembly.compile(bytes);
}
