// The blocks of every weight type come back as ggml's weights, bit for bit: against checksums of what ggml made of the
// same random bytes (native/quant_records.h), and against its values where the fixtures are.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { dequantize } from '../dequantize.js';
import { FIXTURES, skipWithout } from '../fixtures.js';
import { present } from '../present.js';
import { FOREIGN_TYPES, FORMATS, WEIGHT_TYPES } from '../weight-formats.js';

const records = readFileSync(new URL('../native/quant_records.h', import.meta.url), 'utf8');
const BLOCKS = Number(present(records.match(/QUANT_RECORD_BLOCKS = (\d+)/))[1]);
const checksums = new Map(
  Array.from(records.matchAll(/\{(\d+), (0x[0-9a-f]{16})\}/g), ([, id, checksum]) => [Number(id), BigInt(checksum)]),
);

// As quant_records.py makes them.
/** @param {number} seed @param {number} count */
function randomBytes(seed, count) {
  let state = seed;
  return Uint8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

// FNV-1a over the words of the floats; every NaN counts as one and the same.
/** @param {Float32Array} weights */
function checksum(weights) {
  const words = new Uint32Array(weights.buffer);
  let value = 0xcbf29ce484222325n;
  weights.forEach((weight, i) => {
    const bits = Number.isNaN(weight) ? 0x7fc00000 : words[i];
    value = BigInt.asUintN(64, (value ^ BigInt(bits)) * 0x100000001b3n);
  });
  return value;
}

const PLAIN = ['f32', 'f16', 'bf16'];
const packed = WEIGHT_TYPES.filter((type) => !PLAIN.includes(type));

test('every type of blocks has a checksum', () => {
  assert.deepEqual(packed.map((type) => FORMATS[type].id).sort(), Array.from(checksums.keys()).sort());
});

for (const type of packed) {
  test(`${type}: random blocks become ${FOREIGN_TYPES.includes(type) ? "bitnet.cpp's" : "ggml's"} weights`, () => {
    const { id, bytes, behind = 0 } = FORMATS[type];
    const found = checksum(dequantize(type, randomBytes(id, bytes * BLOCKS + behind)));
    assert.equal(found.toString(16), present(checksums.get(id)).toString(16));
  });
}

test("a wrong weight would not pass as one of ggml's", () => {
  const { id, bytes } = FORMATS.q4_k;
  const weights = dequantize('q4_k', randomBytes(id, bytes * BLOCKS));
  weights[weights.findLastIndex((weight) => Number.isFinite(weight))] *= 1.0000002;
  assert.notEqual(checksum(weights), checksums.get(id));
});

test('halves are the values that they stand for', () => {
  assert.deepEqual(Array.from(dequantize('f16', Uint8Array.of(0x00, 0x3e, 0x01, 0x80))), [1.5, -(2 ** -24)]);
  assert.deepEqual(Array.from(dequantize('bf16', Uint8Array.of(0xc0, 0x3f, 0x00, 0xc0))), [1.5, -2]);
});

test("blocks of real weights become ggml's values", { skip: skipWithout('quant') }, () => {
  let compared = 0;
  for (const type of WEIGHT_TYPES) {
    for (const set of ['quant', 'random']) {
      const path = join(FIXTURES, 'quant', `${type.replace(/_k$/, '_K')}.${set}`);
      if (!existsSync(`${path}.blocks`)) continue;
      const expected = readFileSync(`${path}.f32`);
      const floats = new Float32Array(
        expected.buffer.slice(expected.byteOffset, expected.byteOffset + expected.length),
      );
      assert.deepEqual(dequantize(type, readFileSync(`${path}.blocks`)), floats, `${type}, ${set}`);
      compared++;
    }
  }
  assert.ok(compared >= 20, `${compared} sets`);
});
