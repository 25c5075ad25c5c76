// File types: what published files hold, as their loaders print it, and what the quantizer's rules say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIXTURES, mixedType, pureFileType } from '../mixtures.js';
import { SHAPES } from '../model-shapes.js';
import { tensors } from '../random-model.js';
import { byteLength, FORMATS } from '../weight-formats.js';

/** @typedef {import('../model-shapes.js').Shape} Shape */

/** @param {string} name @param {Shape} shape */
function matrices(name, shape) {
  /** @param {string} role @param {string} matrix @param {number} columns */
  const typeOf = (role, matrix, columns) => mixedType(name, shape, { role, name: matrix, columns });
  return tensors(shape, typeOf).filter(({ role }) => role !== 'norm' && role !== 'factors');
}

/** @param {string} name @param {string} shape */
function counts(name, shape) {
  /** @type {Record<string, number>} */
  const found = {};
  for (const { type } of matrices(name, SHAPES[shape])) found[type] = (found[type] ?? 0) + 1;
  return found;
}

test('Q4_K_M of Llama 3.2 1B holds what the published file holds', () => {
  assert.deepEqual(counts('Q4_K_M', 'llama-3.2-1b'), { q4_k: 96, q6_k: 17 });
});

test('where rows are no multiple of 256, Q4_K_M is mostly Q5_0', () => {
  assert.deepEqual(counts('Q4_K_M', 'qwen2.5-0.5b'), { q5_0: 132, q8_0: 13, q4_k: 12, q6_k: 12 });
  assert.deepEqual(counts('Q2_K', 'smollm2-135m'), { q8_0: 1, q4_0: 180, q3_k: 30 });
});

test('the other file types put more bits where the quantizer does', () => {
  assert.deepEqual(counts('Q4_0', 'llama-3.2-1b'), { q4_0: 112, q6_k: 1 });
  assert.deepEqual(counts('Q8_0', 'llama-3.2-1b'), { q8_0: 113 });
  assert.deepEqual(counts('Q6_K', 'llama-3.2-1b'), { q6_k: 113 });
  assert.deepEqual(counts('Q4_K_S', 'llama-3.2-1b'), { q4_k: 106, q5_k: 6, q6_k: 1 });
  assert.deepEqual(counts('Q5_K_M', 'llama-3.2-1b'), { q5_k: 96, q6_k: 17 });
  assert.deepEqual(counts('Q3_K_M', 'llama-3.2-1b'), { q3_k: 64, q4_k: 45, q5_k: 3, q6_k: 1 });
  assert.deepEqual(counts('IQ4_XS', 'llama-3.2-1b'), { iq4_xs: 94, q5_k: 18, q6_k: 1 });
  assert.deepEqual(counts('Q2_0', 'qwen3-8b'), { q2_0: 252, q4_k: 1, q6_k: 1 });
  assert.deepEqual(counts('F16', 'qwen3-8b'), { f16: 254 });
});

test('every file type gives every shape matrices of whole blocks, or says that it cannot', () => {
  for (const name of Object.keys(MIXTURES)) {
    for (const shape of Object.values(SHAPES)) {
      if (shape.width % 128 !== 0 && name === 'Q1_0') {
        assert.throws(() => matrices(name, shape), /Rows of 576 weights cannot be q1_0/);
        continue;
      }
      for (const tensor of matrices(name, shape)) assert.ok(byteLength(tensor.type, tensor.shape[0]) > 0, name);
    }
  }
});

test('a file of one type names the file type of that', () => {
  assert.deepEqual(['q4_0', 'q4_k', 'iq2_s', 'iq2_xs', 'mxfp4', 'q2_0'].map(pureFileType), [2, 14, 29, 20, 38, 41]);
  for (const type of Object.keys(FORMATS)) assert.equal(typeof pureFileType(type), 'number');
});
