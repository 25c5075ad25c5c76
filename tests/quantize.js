// The weight formats of a GGUF file: F32 to blocks by ggml's reference scheme, and blocks back to F32.
//
//   Q8_0  32 weights, 34 bytes   | f16 d | int8 q[32] |               w = d * q
//   Q4_0  32 weights, 18 bytes   | f16 d | 16 bytes |                 w = d * (q - 8)
//   Q4_1  32 weights, 20 bytes   | f16 d | f16 m | 16 bytes |         w = d * q + m
//
// Byte j of a 4-bit block holds weight j in its low nibble and weight j + 16 in its high one. Every step of the float
// arithmetic is rounded to F32, so the bytes are the same on every machine.

const f32 = Math.fround;
const scratch = new DataView(new ArrayBuffer(4));

/** @typedef {'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0' | 'q4_1'} WeightType */

/** Number in the file, weights and bytes to a block of each type. */
export const FORMATS = Object.freeze({
  f32: { id: 0, weights: 1, bytes: 4 },
  f16: { id: 1, weights: 1, bytes: 2 },
  q4_0: { id: 2, weights: 32, bytes: 18 },
  q4_1: { id: 3, weights: 32, bytes: 20 },
  q8_0: { id: 8, weights: 32, bytes: 34 },
  bf16: { id: 30, weights: 1, bytes: 2 },
});

/**
 * Bytes that `count` weights take.
 * @param {WeightType} type
 * @param {number} count a multiple of the type's block
 */
export function byteLength(type, count) {
  const format = FORMATS[type];
  if (!format) throw new RangeError(`Unknown weight type "${type}"; known are ${Object.keys(FORMATS).join(', ')}.`);
  if (count % format.weights !== 0) {
    throw new RangeError(`${count} weights do not fill whole ${type} blocks of ${format.weights}.`);
  }
  return (count / format.weights) * format.bytes;
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

function toBrain(value) {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 64;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function fromBrain(bits) {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

const inverse = (d) => (d === 0 ? 0 : f32(1 / d));

function packQ8(x, from, view, at) {
  let largest = 0;
  for (let i = 0; i < 32; i++) largest = Math.max(largest, Math.abs(x[from + i]));
  const d = f32(largest / 127);
  const id = inverse(d);
  view.setUint16(at, toHalf(d), true);
  for (let i = 0; i < 32; i++) {
    const q = f32(x[from + i] * id);
    view.setInt8(at + 2 + i, q < 0 ? -Math.floor(0.5 - q) : Math.floor(q + 0.5));
  }
}

function packQ4(x, from, view, at) {
  let largest = 0;
  for (let i = 0; i < 32; i++) if (Math.abs(x[from + i]) > Math.abs(largest)) largest = x[from + i];
  const d = f32(largest / -8);
  const id = inverse(d);
  const nibble = (i) => Math.min(15, Math.trunc(f32(f32(x[from + i] * id) + 8.5)));
  view.setUint16(at, toHalf(d), true);
  for (let j = 0; j < 16; j++) view.setUint8(at + 2 + j, nibble(j) | (nibble(j + 16) << 4));
}

function packQ41(x, from, view, at) {
  let low = x[from];
  let high = x[from];
  for (let i = 1; i < 32; i++) {
    low = Math.min(low, x[from + i]);
    high = Math.max(high, x[from + i]);
  }
  const d = f32(f32(high - low) / 15);
  const id = inverse(d);
  const nibble = (i) => Math.min(15, Math.trunc(f32(f32(f32(x[from + i] - low) * id) + 0.5)));
  view.setUint16(at, toHalf(d), true);
  view.setUint16(at + 2, toHalf(low), true);
  for (let j = 0; j < 16; j++) view.setUint8(at + 4 + j, nibble(j) | (nibble(j + 16) << 4));
}

const PACK = {
  f32: (x, from, view, at) => view.setFloat32(at, x[from], true),
  f16: (x, from, view, at) => view.setUint16(at, toHalf(x[from]), true),
  bf16: (x, from, view, at) => view.setUint16(at, toBrain(x[from]), true),
  q8_0: packQ8,
  q4_0: packQ4,
  q4_1: packQ41,
};

const UNPACK = {
  f32: (view, at, y, to) => {
    y[to] = view.getFloat32(at, true);
  },
  f16: (view, at, y, to) => {
    y[to] = fromHalf(view.getUint16(at, true));
  },
  bf16: (view, at, y, to) => {
    y[to] = fromBrain(view.getUint16(at, true));
  },
  q8_0: (view, at, y, to) => {
    const d = fromHalf(view.getUint16(at, true));
    for (let i = 0; i < 32; i++) y[to + i] = d * view.getInt8(at + 2 + i);
  },
  q4_0: (view, at, y, to) => {
    const d = fromHalf(view.getUint16(at, true));
    for (let j = 0; j < 16; j++) {
      const byte = view.getUint8(at + 2 + j);
      y[to + j] = d * ((byte & 15) - 8);
      y[to + j + 16] = d * ((byte >> 4) - 8);
    }
  },
  q4_1: (view, at, y, to) => {
    const d = fromHalf(view.getUint16(at, true));
    const m = fromHalf(view.getUint16(at + 2, true));
    for (let j = 0; j < 16; j++) {
      const byte = view.getUint8(at + 4 + j);
      y[to + j] = f32(d * (byte & 15)) + m;
      y[to + j + 16] = f32(d * (byte >> 4)) + m;
    }
  },
};

/**
 * Weights to the bytes of a tensor.
 * @param {WeightType} type
 * @param {Float32Array} weights whole blocks
 * @returns {Uint8Array}
 */
export function quantize(type, weights) {
  const bytes = new Uint8Array(byteLength(type, weights.length));
  const view = new DataView(bytes.buffer);
  const format = FORMATS[type];
  for (let i = 0, at = 0; i < weights.length; i += format.weights, at += format.bytes) PACK[type](weights, i, view, at);
  return bytes;
}

/**
 * The bytes of a tensor to weights.
 * @param {WeightType} type
 * @param {Uint8Array} bytes whole blocks
 * @returns {Float32Array}
 */
export function dequantize(type, bytes) {
  const format = FORMATS[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const weights = new Float32Array((bytes.length / format.bytes) * format.weights);
  for (let i = 0, at = 0; i < weights.length; i += format.weights, at += format.bytes)
    UNPACK[type](view, at, weights, i);
  return weights;
}
