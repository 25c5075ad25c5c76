// Blocks of a GGUF file back to F32, for every weight type: a second opinion beside src/, with which it shares no code.
// The grid types are in dequantize-grids.js. `d` and `m` are F16.
//
//   Q8_0    32 weights   | d | int8 q[32] |                            w = d * q
//   Q4_0    32 weights   | d | q[16] |                                 w = d * (q - 8)
//   Q4_1    32 weights   | d | m | q[16] |                             w = d * q + m
//   Q5_0    32 weights   | d | u32 high | q[16] |                      w = d * (q - 16)
//   Q5_1    32 weights   | d | m | u32 high | q[16] |                  w = d * q + m
//   IQ4_NL  32 weights   | d | q[16] |                                 w = d * IQ4[q]
//   MXFP4   32 weights   | exponent | q[16] |                          w = 2^(exponent - 128) * FP4[q]
//   NVFP4   64 weights   | e4m3[4] | q[32] |                           w = e4m3 / 2 * FP4[q]
//   Q1_0   128 weights   | d | q[16] |                                 w = d * (2 q - 1)
//   Q2_0    64 weights   | d | q[16] |                                 w = d * (q - 1)
//   Q2_K   256 weights   | scales[16] | q[64] | d | m |                w = d * scale * q - m * minimum
//   Q3_K   256 weights   | high[32] | q[64] | scales[12] | d |         w = d * scale * (q - 4)
//   Q4_K   256 weights   | d | m | scales[12] | q[128] |               w = d * scale * q - m * minimum
//   Q5_K   256 weights   | d | m | scales[12] | high[32] | q[128] |    w = d * scale * q - m * minimum
//   Q6_K   256 weights   | q[128] | high[64] | int8 scales[16] | d |   w = d * scale * (q - 32)
//   IQ4_XS 256 weights   | d | u16 high | scales[4] | q[128] |         w = d * (scale - 32) * IQ4[q]
//   TQ1_0  256 weights   | q[52], five digits to a byte | d |          w = d * (digit - 1)
//   TQ2_0  256 weights   | q[64] | d |                                 w = d * (q - 1)
//   I2_S   128 weights   | q[32] |                                     w = F32 behind the last block * [-1, 0, 1, 0][q]
import { dequantizeGrid, GRID_TYPES } from './dequantize-grids.js';
import { present } from './present.js';
import { FORMATS, fromBrain, fromE4M3, fromHalf } from './weight-formats.js';

const f32 = Math.fround;

const IQ4 = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const FP4 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/** @param {DataView} view @param {number} at */
const half = (view, at) => fromHalf(view.getUint16(at, true));

// Nibble i of `count`: low nibbles of count / 2 bytes, then their high ones.
/** @param {DataView} view @param {number} at @param {number} i @param {number} count */
const nibble = (view, at, i, count) => (view.getUint8(at + (i % (count / 2))) >> (i < count / 2 ? 0 : 4)) & 15;

/** @param {DataView} view @param {number} at @param {number} i */
const bit = (view, at, i) => (view.getUint8(at + (i >> 3)) >> (i & 7)) & 1;

// Of 128 weights two bits each in 32 bytes: bits 0-1 of all bytes, then bits 2-3, and so on.
/** @param {DataView} view @param {number} at @param {number} i */
const quarter = (view, at, i) => (view.getUint8(at + (i >> 7) * 32 + (i & 31)) >> (((i >> 5) & 3) * 2)) & 3;

// Of 64 weights four bits each in 32 bytes.
/** @param {DataView} view @param {number} at @param {number} i */
const wideNibble = (view, at, i) => nibble(view, at + (i >> 6) * 32, i & 63, 64);

// Six bits of scale and six of minimum for each 32 weights of Q4_K and Q5_K: those of the first four runs whole in a
// byte, of the others four bits in a byte of their own and two atop the first ones'.
/** @param {DataView} view @param {number} at @param {number} run */
function scaleAndMinimum(view, at, run) {
  /** @param {number} i */
  const byte = (i) => view.getUint8(at + i);
  if (run < 4) return [byte(run) & 63, byte(run + 4) & 63];
  return [(byte(run + 4) & 15) | ((byte(run - 4) >> 6) << 4), (byte(run + 4) >> 4) | ((byte(run) >> 6) << 4)];
}

/**
 * For each type: (view, where the block begins) to a function of the weight's number.
 * @type {Record<string, (view: DataView, at: number) => (i: number) => number>}
 */
const WEIGHT = {
  f32: (view, at) => () => view.getFloat32(at, true),
  f16: (view, at) => () => half(view, at),
  bf16: (view, at) => () => fromBrain(view.getUint16(at, true)),
  q8_0: (view, at) => {
    const d = half(view, at);
    return (i) => d * view.getInt8(at + 2 + i);
  },
  q4_0: (view, at) => {
    const d = half(view, at);
    return (i) => d * (nibble(view, at + 2, i, 32) - 8);
  },
  q4_1: (view, at) => {
    const [d, m] = [half(view, at), half(view, at + 2)];
    return (i) => f32(d * nibble(view, at + 4, i, 32)) + m;
  },
  q5_0: (view, at) => {
    const d = half(view, at);
    return (i) => d * (nibble(view, at + 6, i, 32) + 16 * bit(view, at + 2, i) - 16);
  },
  q5_1: (view, at) => {
    const [d, m] = [half(view, at), half(view, at + 2)];
    return (i) => f32(d * (nibble(view, at + 8, i, 32) + 16 * bit(view, at + 4, i))) + m;
  },
  iq4_nl: (view, at) => {
    const d = half(view, at);
    return (i) => d * IQ4[nibble(view, at + 2, i, 32)];
  },
  mxfp4: (view, at) => {
    const d = 2 ** (view.getUint8(at) - 128);
    return (i) => d * FP4[nibble(view, at + 1, i, 32)];
  },
  nvfp4: (view, at) => (i) => {
    const part = i >> 4;
    return (fromE4M3(view.getUint8(at + part)) / 2) * FP4[nibble(view, at + 4 + 8 * part, i & 15, 16)];
  },
  q1_0: (view, at) => {
    const d = half(view, at);
    return (i) => d * (2 * bit(view, at + 2, i) - 1);
  },
  q2_0: (view, at) => {
    const d = half(view, at);
    return (i) => d * (((view.getUint8(at + 2 + (i >> 2)) >> ((i & 3) * 2)) & 3) - 1);
  },
  q2_k: (view, at) => {
    const [d, m] = [half(view, at + 80), half(view, at + 82)];
    return (i) => {
      const scales = view.getUint8(at + (i >> 4));
      return f32(d * (scales & 15) * quarter(view, at + 16, i)) - f32(m * (scales >> 4));
    };
  },
  q3_k: (view, at) => {
    const d = half(view, at + 108);
    /** @param {number} group */
    const low = (group) => (view.getUint8(at + 96 + (group & 7)) >> (group < 8 ? 0 : 4)) & 15;
    /** @param {number} group */
    const high = (group) => (view.getUint8(at + 104 + (group & 3)) >> ((group >> 2) * 2)) & 3;
    return (i) => {
      const scale = (low(i >> 4) | (high(i >> 4) << 4)) - 32;
      return d * scale * (quarter(view, at + 32, i) + 4 * ((view.getUint8(at + (i & 31)) >> (i >> 5)) & 1) - 4);
    };
  },
  q4_k: (view, at) => {
    const [d, m] = [half(view, at), half(view, at + 2)];
    return (i) => {
      const [scale, minimum] = scaleAndMinimum(view, at + 4, i >> 5);
      return f32(d * scale * wideNibble(view, at + 16, i)) - f32(m * minimum);
    };
  },
  q5_k: (view, at) => {
    const [d, m] = [half(view, at), half(view, at + 2)];
    return (i) => {
      const [scale, minimum] = scaleAndMinimum(view, at + 4, i >> 5);
      const fifth = (view.getUint8(at + 16 + (i & 31)) >> (i >> 5)) & 1;
      return f32(d * scale * (wideNibble(view, at + 48, i) + 16 * fifth)) - f32(m * minimum);
    };
  },
  q6_k: (view, at) => {
    const d = half(view, at + 208);
    return (i) => {
      // Of each 128 weights, four bits in 64 bytes and two in 32.
      const low = nibble(view, at + 64 * (i >> 7), i & 127, 128);
      return d * view.getInt8(at + 192 + (i >> 4)) * (low + 16 * quarter(view, at + 128, i) - 32);
    };
  },
  iq4_xs: (view, at) => {
    const d = half(view, at);
    return (i) => {
      const run = i >> 5;
      const low = (view.getUint8(at + 4 + (run >> 1)) >> ((run & 1) * 4)) & 15;
      const scale = low | (((view.getUint16(at + 2, true) >> (2 * run)) & 3) << 4);
      return d * (scale - 32) * IQ4[nibble(view, at + 8 + 16 * run, i & 31, 32)];
    };
  },
  tq1_0: (view, at) => {
    const d = half(view, at + 52);
    return (i) => {
      // The n-th digits of 32 bytes, n = 0 to 4; then of 16; then of 4, n = 0 to 3.
      const [first, bytes, from] = i < 160 ? [0, 32, 0] : i < 240 ? [32, 16, 160] : [48, 4, 240];
      const byte = view.getUint8(at + first + ((i - from) % bytes));
      const digit = (((byte * 3 ** Math.floor((i - from) / bytes)) & 255) * 3) >> 8;
      return d * (digit - 1);
    };
  },
  tq2_0: (view, at) => {
    const d = half(view, at + 64);
    return (i) => d * (quarter(view, at, i) - 1);
  },
  i2_s: (view, at) => {
    const d = view.getFloat32(view.byteLength - present(FORMATS.i2_s.behind), true);
    // The highest bits of 32 bytes, then the next ones.
    return (i) => d * [-1, 0, 1, 0][(view.getUint8(at + (i & 31)) >> (6 - 2 * (i >> 5))) & 3];
  },
};

for (const type of GRID_TYPES) WEIGHT[type] = (view, at) => dequantizeGrid(type, view, at);

/**
 * The bytes of a tensor to weights.
 * @param {import('./weight-formats.js').WeightType} type
 * @param {Uint8Array} bytes whole blocks, and what stands behind them
 * @returns {Float32Array}
 */
export function dequantize(type, bytes) {
  const format = FORMATS[type];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const weights = new Float32Array(((bytes.length - (format.behind ?? 0)) / format.bytes) * format.weights);
  for (let first = 0, at = 0; first < weights.length; first += format.weights, at += format.bytes) {
    const weight = WEIGHT[type](view, at);
    for (let i = 0; i < format.weights; i++) weights[first + i] = weight(i);
  }
  return weights;
}
