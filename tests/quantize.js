// F32 weights to the blocks of a GGUF file by ggml's reference scheme, in the types that have a short one.
// weight-formats.js lists all types; random-blocks.js makes blocks of those that have no scheme here.
//
// Every step of the float arithmetic is rounded to F32, so the bytes are the same on every machine. dequantize.js draws
// the blocks.
import { byteLength, FORMATS, toBrain, toHalf, WEIGHT_TYPES } from './weight-formats.js';

export { byteLength };

const f32 = Math.fround;

/** @param {number} d */
const inverse = (d) => (d === 0 ? 0 : f32(1 / d));

/** @param {ArrayLike<number>} x @param {number} from @param {DataView} view @param {number} at */
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

/** @param {ArrayLike<number>} x @param {number} from @param {DataView} view @param {number} at */
function packQ4(x, from, view, at) {
  let largest = 0;
  for (let i = 0; i < 32; i++) if (Math.abs(x[from + i]) > Math.abs(largest)) largest = x[from + i];
  const d = f32(largest / -8);
  const id = inverse(d);
  /** @param {number} i */
  const nibble = (i) => Math.min(15, Math.trunc(f32(f32(x[from + i] * id) + 8.5)));
  view.setUint16(at, toHalf(d), true);
  for (let j = 0; j < 16; j++) view.setUint8(at + 2 + j, nibble(j) | (nibble(j + 16) << 4));
}

/** @param {ArrayLike<number>} x @param {number} from @param {DataView} view @param {number} at */
function packQ41(x, from, view, at) {
  let low = x[from];
  let high = x[from];
  for (let i = 1; i < 32; i++) {
    low = Math.min(low, x[from + i]);
    high = Math.max(high, x[from + i]);
  }
  const d = f32(f32(high - low) / 15);
  const id = inverse(d);
  /** @param {number} i */
  const nibble = (i) => Math.min(15, Math.trunc(f32(f32(f32(x[from + i] - low) * id) + 0.5)));
  view.setUint16(at, toHalf(d), true);
  view.setUint16(at + 2, toHalf(low), true);
  for (let j = 0; j < 16; j++) view.setUint8(at + 4 + j, nibble(j) | (nibble(j + 16) << 4));
}

/** @type {Record<string, (x: ArrayLike<number>, from: number, view: DataView, at: number) => void>} */
const PACK = {
  f32: (x, from, view, at) => view.setFloat32(at, x[from], true),
  f16: (x, from, view, at) => view.setUint16(at, toHalf(x[from]), true),
  bf16: (x, from, view, at) => view.setUint16(at, toBrain(x[from]), true),
  q8_0: packQ8,
  q4_0: packQ4,
  q4_1: packQ41,
};

/** The types that quantize() makes. */
export const QUANTIZABLE = Object.freeze(WEIGHT_TYPES.filter((type) => Object.hasOwn(PACK, type)));

/**
 * Weights to the bytes of a tensor.
 * @param {import('./weight-formats.js').WeightType} type one of QUANTIZABLE
 * @param {Float32Array} weights whole blocks
 * @returns {Uint8Array}
 */
export function quantize(type, weights) {
  if (!PACK[type]) throw new RangeError(`Weights cannot be made ${type}; they can be made ${QUANTIZABLE.join(', ')}.`);
  const bytes = new Uint8Array(byteLength(type, weights.length));
  const view = new DataView(bytes.buffer);
  const format = FORMATS[type];
  for (let i = 0, at = 0; i < weights.length; i += format.weights, at += format.bytes) PACK[type](weights, i, view, at);
  return bytes;
}
