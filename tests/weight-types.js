// The weight types of GGUF files as they lie there, for files of our own making: blocks of bytes, and their scales.
import { fromHalf } from './weight-formats.js';

/** @type {[name: string, id: number, weights: number, bytes: number, ...halves: number[]][]} */
const ROWS = [
  ['Q4_0', 2, 32, 18, 0],
  ['Q4_1', 3, 32, 20, 0, 2],
  ['Q5_0', 6, 32, 22, 0],
  ['Q5_1', 7, 32, 24, 0, 2],
  ['Q8_0', 8, 32, 34, 0],
  ['Q2_K', 10, 256, 84, 80, 82],
  ['Q3_K', 11, 256, 110, 108],
  ['Q4_K', 12, 256, 144, 0, 2],
  ['Q5_K', 13, 256, 176, 0, 2],
  ['Q6_K', 14, 256, 210, 208],
  ['IQ2_XXS', 16, 256, 66, 0],
  ['IQ2_XS', 17, 256, 74, 0],
  ['IQ3_XXS', 18, 256, 98, 0],
  ['IQ1_S', 19, 256, 50, 0],
  ['IQ4_NL', 20, 32, 18, 0],
  ['IQ3_S', 21, 256, 110, 0],
  ['IQ2_S', 22, 256, 82, 0],
  ['IQ4_XS', 23, 256, 136, 0],
  ['IQ1_M', 29, 256, 56],
  ['TQ1_0', 34, 256, 54, 52],
  ['TQ2_0', 35, 256, 66, 64],
  ['I2_S', 36, 128, 32],
  ['MXFP4', 39, 32, 17],
  ['NVFP4', 40, 64, 36],
  ['Q1_0', 41, 128, 18, 0],
  ['Q2_0', 42, 64, 18, 0],
];

/**
 * Of each type with blocks: its number, weights and bytes to a block, where in a block its F16 scale and minimum
 * begin, and bytes behind all blocks of a tensor, which begin with the F32 scale of I2_S.
 */
export const BLOCK_TYPES = Object.fromEntries(
  ROWS.map(([name, id, weights, bytes, ...halves]) => [
    name,
    { id, weights, bytes, halves, behind: name === 'I2_S' ? 32 : 0 },
  ]),
);

/**
 * Writes `half`, the bits of an F16 number, over one scale or minimum of a block; of MXFP4, `byte`. Of I2_S it is an F32
 * number, and the block what stands behind all others.
 * @param {string} type
 * @param {Buffer<ArrayBuffer>} block
 * @param {number} half
 * @param {{ index?: number, byte?: number }} [options]
 */
export function setScale(type, block, half, { index = 0, byte = half >> 8 } = {}) {
  const { halves } = BLOCK_TYPES[type];
  if (type === 'MXFP4') block[0] = byte;
  else if (type === 'I2_S') Buffer.from(block.buffer, block.byteOffset).writeFloatLE(fromHalf(half));
  else if (type === 'NVFP4') block.fill(byte, 0, 4);
  else if (type === 'IQ1_M')
    for (let i = 0; i < 4; i++) block[49 + 2 * i] = (block[49 + 2 * i] & 15) | (((half >> (4 * i)) & 15) << 4);
  else Buffer.from(block.buffer, block.byteOffset).writeUInt16LE(half, halves[index]);
}

/**
 * So many blocks of a type, and what is behind them, the same on every machine: any codes, scales of about a hundredth.
 * @param {string} type
 * @param {number} count
 */
export function blocksOf(type, count) {
  const { bytes, halves, behind } = BLOCK_TYPES[type];
  const blocks = Buffer.alloc(count * bytes + behind);
  let state = 1;
  for (let i = 0; i < blocks.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    blocks[i] = state >>> 24;
  }
  for (let at = behind > 0 ? count * bytes : 0; at < blocks.length; at += bytes) {
    const block = blocks.subarray(at, at + bytes);
    for (let index = 0; index < Math.max(1, halves.length); index++)
      setScale(type, block, 0x2000, { index, byte: type === 'MXFP4' ? 120 : 0x18 });
  }
  return blocks;
}
