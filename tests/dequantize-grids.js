// The weight types whose weights come eight (or four) at a time out of a grid, back to F32. The grids themselves are
// facts of the formats, thousands of numbers that nobody would write down independently: they are read from
// src/superblock_grids.h. quantize.test.js holds what comes out against ggml's own.
//
//   IQ1_S    | d | index[32] | u16 top[8] |               top: 3 bits of each of 4 indices, 3 bits of scale, a sign
//   IQ1_M    | index[32] | top[16] | u16 scales[4] |      top: a nibble of 3 bits of the index and a sign
//   IQ2_XXS  | d | 8 x: index[4] | u32 |                  u32: 7 bits of signs for each index, 4 bits of scale
//   IQ2_XS   | d | u16 index[32] | scales[8] |            index: 9 bits, and 7 bits of signs
//   IQ2_S    | d | index[32] | signs[32] | top[8] | scales[8] |
//   IQ3_XXS  | d | index[64] | u32[8] |                   u32 as in IQ2_XXS
//   IQ3_S    | d | index[64] | top[8] | signs[32] | scales[4] |
import { readFileSync } from 'node:fs';
import { fromHalf } from './weight-formats.js';

const source = readFileSync(new URL('../src/superblock_grids.h', import.meta.url), 'utf8');

// The numbers whose bits are set, of all that the digits make.
/** @param {string} name @param {number} size @param {{ digitBits: number, even: boolean }} options */
function readGrid(name, size, { digitBits, even }) {
  const table = source.match(new RegExp(`${name}_grid\\[\\d+\\] = \\{.*\\n([^}]*)\\}`));
  const bytes = table?.[1].match(/\d+/g)?.map(Number) ?? [];
  const possible = Array.from({ length: 2 ** (digitBits === 2 ? 16 : 12) }, (_, number) => number).filter((number) => {
    const digits = number.toString(2 ** digitBits);
    const sum = [...digits].reduce((total, digit) => total + Number(digit), 0);
    return !(digitBits === 2 && digits.includes('3')) && !(even && sum % 2 !== 0);
  });
  const numbers = possible.filter((_, place) => (bytes[place >> 3] >> (place & 7)) & 1);
  if (numbers.length !== size) throw new Error(`src/ has ${numbers.length} numbers of the grid ${name}, not ${size}.`);
  return numbers;
}

/** @type {Record<string, number[]>} */
const GRIDS = {
  iq1: readGrid('iq1', 2048, { digitBits: 2, even: false }),
  iq2_xxs: readGrid('iq2_xxs', 256, { digitBits: 2, even: true }),
  iq2_xs: readGrid('iq2_xs', 512, { digitBits: 2, even: true }),
  iq2_s: readGrid('iq2_s', 1024, { digitBits: 2, even: true }),
  iq3_xxs: readGrid('iq3_xxs', 256, { digitBits: 3, even: true }),
  iq3_s: readGrid('iq3_s', 512, { digitBits: 3, even: false }),
};

const IQ2_LEVELS = [8, 25, 43];
const IQ3_XXS_LEVELS = [4, 12, 20, 28, 36, 44, 52, 62];

// Weight i's bit of seven signs; the eighth makes the number of ones even.
/** @param {number} bits @param {number} i */
function sevenSigns(bits, i) {
  if (i < 7) return (bits >> i) & 1;
  let ones = 0;
  for (let n = 0; n < 7; n++) ones ^= (bits >> n) & 1;
  return ones;
}

/** @param {number} value @param {number} sign */
const signed = (value, sign) => (sign ? -value : value);
/** @param {DataView} view @param {number} at @param {number} n */
const nibbleOf = (view, at, n) => (view.getUint8(at + (n >> 1)) >> ((n & 1) * 4)) & 15;
/** @param {string} grid @param {number} index @param {number} i */
const level2 = (grid, index, i) => IQ2_LEVELS[(GRIDS[grid][index] >> (2 * i)) & 3];
/** @param {string} grid @param {number} index @param {number} i */
const level3 = (grid, index, i) => (GRIDS[grid][index] >> (3 * i)) & 7;

// Of weight i: run = i >> 5 (32 weights), i >> 4 (16), i >> 3 (8, an index of IQ1 and IQ2), i >> 2 (4, one of IQ3).
/** @type {Record<string, (view: DataView, at: number, i: number) => number>} */
const VALUE = {
  /** @param {DataView} view @param {number} at @param {number} i */
  iq1_s: (view, at, i) => {
    const top = view.getUint16(at + 34 + 2 * (i >> 5), true);
    const index = view.getUint8(at + 2 + (i >> 3)) | (((top >> (3 * ((i >> 3) & 3))) & 7) << 8);
    const value = ((GRIDS.iq1[index] >> (2 * (i & 7))) & 3) - 1 + (top & 0x8000 ? -0.125 : 0.125);
    return (2 * ((top >> 12) & 7) + 1) * value;
  },
  /** @param {DataView} view @param {number} at @param {number} i */
  iq1_m: (view, at, i) => {
    const top = nibbleOf(view, at + 32, i >> 3);
    const index = view.getUint8(at + (i >> 3)) | ((top & 7) << 8);
    const value = ((GRIDS.iq1[index] >> (2 * (i & 7))) & 3) - 1 + (top & 8 ? -0.125 : 0.125);
    const scale = (view.getUint16(at + 48 + 2 * (i >> 6), true) >> (3 * ((i >> 4) & 3))) & 7;
    return (2 * scale + 1) * value;
  },
  /** @param {DataView} view @param {number} at @param {number} i */
  iq2_xxs: (view, at, i) => {
    const run = at + 2 + 8 * (i >> 5);
    const rest = view.getUint32(run + 4, true);
    const eight = (i >> 3) & 3;
    const value = level2('iq2_xxs', view.getUint8(run + eight), i & 7);
    return (0.5 + (rest >>> 28)) * 0.25 * signed(value, sevenSigns((rest >>> (7 * eight)) & 127, i & 7));
  },
  /** @param {DataView} view @param {number} at @param {number} i */
  iq2_xs: (view, at, i) => {
    const index = view.getUint16(at + 2 + 2 * (i >> 3), true);
    const value = signed(level2('iq2_xs', index & 511, i & 7), sevenSigns(index >> 9, i & 7));
    return (0.5 + nibbleOf(view, at + 66, i >> 4)) * 0.25 * value;
  },
  /** @param {DataView} view @param {number} at @param {number} i */
  iq2_s: (view, at, i) => {
    const top = (view.getUint8(at + 66 + (i >> 5)) >> (2 * ((i >> 3) & 3))) & 3;
    const value = level2('iq2_s', view.getUint8(at + 2 + (i >> 3)) | (top << 8), i & 7);
    const sign = (view.getUint8(at + 34 + (i >> 3)) >> (i & 7)) & 1;
    return (0.5 + nibbleOf(view, at + 74, i >> 4)) * 0.25 * signed(value, sign);
  },
  /** @param {DataView} view @param {number} at @param {number} i */
  iq3_xxs: (view, at, i) => {
    const rest = view.getUint32(at + 66 + 4 * (i >> 5), true);
    const value = IQ3_XXS_LEVELS[level3('iq3_xxs', view.getUint8(at + 2 + (i >> 2)), i & 3)];
    return (0.5 + (rest >>> 28)) * 0.5 * signed(value, sevenSigns((rest >>> (7 * ((i >> 3) & 3))) & 127, i & 7));
  },
  /** @param {DataView} view @param {number} at @param {number} i */
  iq3_s: (view, at, i) => {
    const four = i >> 2;
    const top = (view.getUint8(at + 66 + (four >> 3)) >> (four & 7)) & 1;
    const value = 2 * level3('iq3_s', view.getUint8(at + 2 + four) | (top << 8), i & 3) + 1;
    const sign = (view.getUint8(at + 74 + (i >> 3)) >> (i & 7)) & 1;
    return (2 * nibbleOf(view, at + 106, i >> 5) + 1) * signed(value, sign);
  },
};

/** The types that are here. */
export const GRID_TYPES = Object.freeze(Object.keys(VALUE));

// IQ1_M's scale is an F16 of which each of four numbers has a nibble at its top.
/** @param {DataView} view @param {number} at */
function scattered(view, at) {
  let bits = 0;
  for (let i = 0; i < 4; i++) bits |= (view.getUint16(at + 2 * i, true) >> 12) << (4 * i);
  return bits;
}

/**
 * One block's weights.
 * @param {string} type one of GRID_TYPES
 * @param {DataView} view
 * @param {number} at where the block begins
 * @returns {(i: number) => number}
 */
export function dequantizeGrid(type, view, at) {
  const d = fromHalf(type === 'iq1_m' ? scattered(view, at + 48) : view.getUint16(at, true));
  return (i) => d * VALUE[type](view, at, i);
}
