import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dequantize } from '../dequantize.js';
import { FIXTURES, skipWithout } from '../fixtures.js';
import { QUANTIZABLE, quantize } from '../quantize.js';
import { Random } from '../random-numbers.js';
import { byteLength, fromHalf, toHalf } from '../weight-formats.js';

const vectors = join(FIXTURES, 'quant');
/** @param {Buffer<ArrayBuffer>} bytes */
const floats = (bytes) => new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));

/** @param {number} count @param {number} scale */
function randomWeights(count, scale) {
  const random = new Random(`weights ${scale}`);
  return Float32Array.from({ length: count }, () => ((random.next() - 2 ** 31) / 2 ** 31) * scale);
}

test('every half-precision value survives the way to F32 and back', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = fromHalf(bits);
    if (Number.isNaN(value)) assert.ok(Number.isNaN(fromHalf(toHalf(value))));
    else assert.equal(toHalf(value), bits);
  }
});

test('halves round to nearest, ties to even, past the largest to infinity', () => {
  const cases = [
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [65519, 0x7bff],
    [65520, 0x7c00],
    [2 ** -25, 0x0000],
    [3 * 2 ** -25, 0x0002],
    [-(2 ** -14), 0x8400],
  ];
  for (const [value, bits] of cases) assert.equal(toHalf(value), bits, String(value));
});

// The largest error of a weight in units of its block's largest: half a step, and for Q4_0 a whole one, as the value
// opposite the largest would need the step +8.
/** @type {Record<string, number>} */
const WORST = { f32: 0, f16: 2 ** -11, bf16: 2 ** -8, q8_0: 0.5 / 127, q4_0: 1 / 8, q4_1: 1 / 15 };

for (const type of QUANTIZABLE) {
  test(`${type}: weights come back within the format's step, zeros as zeros`, () => {
    for (const scale of [0.05, 1, 40]) {
      const weights = randomWeights(32 * 64, scale);
      const back = dequantize(type, quantize(type, weights));
      const worst = weights.reduce((error, weight, i) => Math.max(error, Math.abs(weight - back[i])), 0);
      assert.ok(worst <= scale * WORST[type] * 1.1, `error ${worst} at scale ${scale}`);
    }
    assert.ok(dequantize(type, quantize(type, new Float32Array(64))).every((weight) => weight === 0));
  });

  if (type === 'f32') continue;
  test(`${type}: blocks equal ggml's`, { skip: skipWithout('quant') }, () => {
    /** @param {string} file */
    const read = (file) => readFileSync(join(vectors, file));
    assert.ok(read(`${type}.quant.blocks`).equals(quantize(type, floats(read('source.f32')))));
  });
}

test('unknown types and broken blocks are refused', () => {
  assert.throws(() => byteLength('q3_x', 32), /q3_x/);
  assert.throws(() => byteLength('q4_0', 33), /whole q4_0 blocks of 32/);
  assert.throws(() => quantize('q4_k', new Float32Array(256)), /cannot be made q4_k/);
});
