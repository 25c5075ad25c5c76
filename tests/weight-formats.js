// Every type that a matrix of a GGUF file can be of, and the small floats that scales are.

const scratch = new DataView(new ArrayBuffer(4));

/**
 * @typedef {'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0' | 'q4_1' | 'q5_0' | 'q5_1' | 'q2_k' | 'q3_k' | 'q4_k' | 'q5_k' |
 *   'q6_k' | 'iq4_nl' | 'iq4_xs' | 'mxfp4' | 'nvfp4' | 'iq3_s' | 'iq3_xxs' | 'iq2_s' | 'iq2_xs' | 'iq2_xxs' | 'iq1_s' |
 *   'iq1_m' | 'tq1_0' | 'tq2_0' | 'i2_s' | 'q1_0' | 'q2_0'} WeightType
 * @typedef {object} WeightFormat
 * @property {number} id the type's number in the file
 * @property {number} weights to a block
 * @property {number} bytes to a block
 * @property {number} [scale] where the block's F16 scale stands
 * @property {number} [minimum] where its F16 minimum stands
 * @property {number} [behind] bytes behind all blocks of a tensor, which begin with an F32 scale of all its weights
 */

/** @type {Readonly<Record<string, WeightFormat>>} */
export const FORMATS = Object.freeze({
  f32: { id: 0, weights: 1, bytes: 4 },
  f16: { id: 1, weights: 1, bytes: 2 },
  q4_0: { id: 2, weights: 32, bytes: 18, scale: 0 },
  q4_1: { id: 3, weights: 32, bytes: 20, scale: 0, minimum: 2 },
  q5_0: { id: 6, weights: 32, bytes: 22, scale: 0 },
  q5_1: { id: 7, weights: 32, bytes: 24, scale: 0, minimum: 2 },
  q8_0: { id: 8, weights: 32, bytes: 34, scale: 0 },
  q2_k: { id: 10, weights: 256, bytes: 84, scale: 80, minimum: 82 },
  q3_k: { id: 11, weights: 256, bytes: 110, scale: 108 },
  q4_k: { id: 12, weights: 256, bytes: 144, scale: 0, minimum: 2 },
  q5_k: { id: 13, weights: 256, bytes: 176, scale: 0, minimum: 2 },
  q6_k: { id: 14, weights: 256, bytes: 210, scale: 208 },
  iq2_xxs: { id: 16, weights: 256, bytes: 66, scale: 0 },
  iq2_xs: { id: 17, weights: 256, bytes: 74, scale: 0 },
  iq3_xxs: { id: 18, weights: 256, bytes: 98, scale: 0 },
  iq1_s: { id: 19, weights: 256, bytes: 50, scale: 0 },
  iq4_nl: { id: 20, weights: 32, bytes: 18, scale: 0 },
  iq3_s: { id: 21, weights: 256, bytes: 110, scale: 0 },
  iq2_s: { id: 22, weights: 256, bytes: 82, scale: 0 },
  iq4_xs: { id: 23, weights: 256, bytes: 136, scale: 0 },
  iq1_m: { id: 29, weights: 256, bytes: 56 },
  bf16: { id: 30, weights: 1, bytes: 2 },
  tq1_0: { id: 34, weights: 256, bytes: 54, scale: 52 },
  tq2_0: { id: 35, weights: 256, bytes: 66, scale: 64 },
  i2_s: { id: 36, weights: 128, bytes: 32, behind: 32 },
  mxfp4: { id: 39, weights: 32, bytes: 17 },
  nvfp4: { id: 40, weights: 64, bytes: 36 },
  q1_0: { id: 41, weights: 128, bytes: 18, scale: 0 },
  q2_0: { id: 42, weights: 64, bytes: 18, scale: 0 },
});

/** The names of FORMATS. */
export const WEIGHT_TYPES = Object.keys(FORMATS).filter(isWeightType);

/** @param {string} type @returns {type is WeightType} */
export function isWeightType(type) {
  return Object.hasOwn(FORMATS, type);
}

/** The types that llama.cpp has none of: no golden model can be recorded from it. */
export const FOREIGN_TYPES = Object.freeze(['i2_s']);

/**
 * Bytes that a tensor of `count` weights takes.
 * @param {WeightType | string} type
 * @param {number} count a multiple of the type's block
 */
export function byteLength(type, count) {
  const format = FORMATS[type];
  if (!format) throw new RangeError(`Unknown weight type "${type}"; known are ${Object.keys(FORMATS).join(', ')}.`);
  if (count % format.weights !== 0) {
    throw new RangeError(`${count} weights do not fill whole ${type} blocks of ${format.weights}.`);
  }
  return (count / format.weights) * format.bytes + (format.behind ?? 0);
}

/**
 * F32 to the bits of an IEEE binary16, to nearest, ties to even; overflow gives infinity.
 * @param {number} value
 */
export function toHalf(value) {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const rounded = magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1);
    return sign | (rounded >>> 13);
  }
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const up = rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0;
  return sign | (kept + up);
}

/**
 * The value of an IEEE binary16.
 * @param {number} bits
 */
export function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 0x3ff;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** F32 to the bits of a BF16, to nearest, ties to even. @param {number} value */
export function toBrain(value) {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 64;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The value of a BF16. @param {number} bits */
export function fromBrain(bits) {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

/** The value of an unsigned E4M3, NVFP4's scale; ggml takes its one NaN for 0. @param {number} bits 0 to 255 */
export function fromE4M3(bits) {
  if (bits === 0x7f) return 0;
  const exponent = (bits >> 3) & 15;
  return exponent === 0 ? (bits & 7) * 2 ** -9 : (8 + (bits & 7)) * 2 ** (exponent - 10);
}
