// What the weights of a file are called, and what they become in memory.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { quantizationOf } from '../../js/gguf/quantization.js';
import { describeModel } from '../../js/index.node.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';
import { BLOCK_TYPES } from '../weight-types.js';
import { DAMAGED_MODELS } from './damaged-models.js';

/**
 * A header with tensors of these types, of so many weights each.
 * @param {unknown} fileType
 * @param {Record<string, number>} weights
 */
const header = (fileType, weights) => ({
  /** @param {string} key */
  get: (key) => (key === 'general.file_type' ? fileType : undefined),
  tensors: () =>
    Object.entries(weights).map(([type, count]) => ({
      type,
      kind: type,
      shape: [count],
      bytes: count,
      packedBytes: count,
    })),
});

describe('weights are called', () => {
  for (const [label, fileType, weights] of /** @type {[string, unknown, Record<string, number>][]} */ ([
    ['Q4_K_M', 15, { Q4_K: 70, Q6_K: 30, F32: 1 }],
    ['Q4_K_M', 15, { Q5_0: 70, Q8_0: 30 }], // of a model whose rows are no multiple of 256
    ['IQ4_XS', 30, { IQ4_XS: 9, Q6_K: 1 }],
    ['Q4_0', 2, { Q8_0: 60, Q4_0: 40 }], // most of a small model is its embedding
    ['Q1_0', 40, { Q1_0: 1 }],
    ['I2_S', 40, { F16: 9, I2_S: 8 }], // as bitnet.cpp numbers its files
    ['I2_S', 1, { I2_S: 9, F32: 1 }],
    ['Q2_0', 41, { Q2_0: 1 }],
    ['F16', 1, { F16: 9, F32: 1 }],
    ['Q4_K', 1, { Q4_K: 9, F16: 1 }], // what the converter said, before others quantised it
    ['Q4_K', 0, { Q4_K: 9, F32: 1 }],
    ['Q8_0', undefined, { Q8_0: 9, F32: 1 }],
    ['Q8_0', 'Q4_0', { Q8_0: 9 }],
    ['Q8_0', 33, { Q8_0: 9 }],
    ['Q8_0', 999, { Q8_0: 9 }],
    ['Q8_0', -1, { Q8_0: 9 }],
    ['Q8_0', 'constructor', { Q8_0: 9 }],
    ['none', undefined, {}],
  ])) {
    test(`${label} where the file type is ${fileType} and they are ${JSON.stringify(weights)}`, () => {
      assert.equal(quantizationOf(untyped(header(fileType, weights))).label, label);
    });
  }
});

/** What of each type is not of the kind of its name. @type {Record<string, string>} */
const OTHER_KINDS = { TQ1_0: 'TERNARY', TQ2_0: 'TERNARY', I2_S: 'TERNARY' };
/** @param {string} type */
const isGrid = (type) => /^IQ[123]/.test(type);

describe('the table of types tells of', () => {
  for (const [type, { weights, bytes, behind }] of Object.entries(BLOCK_TYPES)) {
    test(type, async () => {
      const file = DAMAGED_MODELS[`a matrix of ${type}`].make();
      const { quantization, tensors, model } = await describeModel(file);
      const row = present(quantization.types.find((one) => one.type === type));
      const count = 256 * 64;
      assert.deepEqual(row, {
        type,
        kind: isGrid(type) ? 'GRID' : (OTHER_KINDS[type] ?? type),
        tensors: 1,
        weights: count,
        bytes: (count / weights) * bytes + behind,
        packedBytes: row.packedBytes,
      });
      // At most 4% more than in the file (Q3_K, whose scales are bytes here), but for those that are held in a wider tile.
      const most = isGrid(type) ? (count * 4.63) / 8 : type === 'TQ1_0' ? (count * 2.07) / 8 : row.bytes * 1.04;
      assert.ok(row.packedBytes >= row.bytes * 0.9 && row.packedBytes <= most, `${row.packedBytes} of ${row.bytes}`);
      assert.equal(
        tensors.reduce((sum, { packedBytes }) => sum + packedBytes, 0),
        present(model).packedBytes,
      );
    });
  }
});
