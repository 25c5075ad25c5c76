// Which of the two wasm files this platform runs, and the kernel sets in them.
import { invalid } from '../base/options.js';

// (module (func (param v128 v128) (result v128)
//   local.get 0  local.get 1  i16x8.relaxed_dot_i8x16_i7x16_s))
const RELAXED_DOT = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // magic, version 1
  ...[0x01, 0x07, 0x01, 0x60, 0x02, 0x7b, 0x7b, 0x01, 0x7b], // types: v128 v128 -> v128
  ...[0x03, 0x02, 0x01, 0x00], // functions: one, of type 0
  ...[0x0a, 0x0b, 0x01, 0x09, 0x00, 0x20, 0x00, 0x20, 0x01, 0xfd, 0x92, 0x02, 0x0b], // code
);

const RELAXED_SETS = ['relaxed-i16', 'relaxed-i32', 'relaxed-u8'];
const PLAIN_SETS = ['simd128', 'reference'];

/** Every kernel set there is; wasm/kernel_sets.c has them. */
export const KERNEL_SETS = Object.freeze([...RELAXED_SETS, ...PLAIN_SETS]);

const runsRelaxed = () => WebAssembly.validate(RELAXED_DOT);

/** Throws INVALID_ARGUMENT for a kernel set that this platform does not run. @param {string | null} kernelSet */
export function checkKernelSet(kernelSet, relaxed = runsRelaxed()) {
  const available = relaxed ? KERNEL_SETS : PLAIN_SETS;
  if (kernelSet === null || available.includes(kernelSet)) return;
  const expected = `one of ${available.join(', ')}`;
  const reason =
    `${RELAXED_SETS.join(', ')} need relaxed SIMD: a newer browser, or in Node a newer version or ` +
    'its option --experimental-wasm-relaxed-simd';
  throw invalid('kernelSet', kernelSet, relaxed ? expected : `${expected} (${reason})`);
}

/**
 * @param {string | null} [kernelSet] the set that was asked for: plain SIMD128 is a build of its own
 * @returns {'relaxed' | 'simd128'}
 */
export function wasmVariant(kernelSet) {
  return kernelSet !== 'simd128' && runsRelaxed() ? 'relaxed' : 'simd128';
}
