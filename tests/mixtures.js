// Which type llama.cpp's quantizer gives each matrix of a llama-family file, by the file type that people ask it for:
// "Q4_K_M" is mostly Q4_K, but has Q6_K and, where rows are no multiple of 256, Q5_0 and Q8_0.
// As in llama-quant.cpp (https://github.com/ggml-org/llama.cpp/blob/master/src/llama-quant.cpp) without an importance
// matrix and without experts.

import { FORMATS } from './weight-formats.js';

/** @typedef {import('./weight-formats.js').WeightType} WeightType */

/**
 * For each file type: its number in `general.file_type` and the type that most matrices get.
 * @type {Readonly<Record<string, [number, WeightType]>>}
 */
export const MIXTURES = Object.freeze({
  F32: [0, 'f32'],
  F16: [1, 'f16'],
  Q4_0: [2, 'q4_0'],
  Q4_1: [3, 'q4_1'],
  Q8_0: [7, 'q8_0'],
  Q5_0: [8, 'q5_0'],
  Q5_1: [9, 'q5_1'],
  Q2_K: [10, 'q2_k'],
  Q3_K_S: [11, 'q3_k'],
  Q3_K_M: [12, 'q3_k'],
  Q3_K_L: [13, 'q3_k'],
  Q4_K_S: [14, 'q4_k'],
  Q4_K_M: [15, 'q4_k'],
  Q5_K_S: [16, 'q5_k'],
  Q5_K_M: [17, 'q5_k'],
  Q6_K: [18, 'q6_k'],
  IQ2_XXS: [19, 'iq2_xxs'],
  IQ2_XS: [20, 'iq2_xs'],
  Q2_K_S: [21, 'q2_k'],
  IQ3_XS: [22, 'iq3_s'],
  IQ3_XXS: [23, 'iq3_xxs'],
  IQ1_S: [24, 'iq1_s'],
  IQ4_NL: [25, 'iq4_nl'],
  IQ3_S: [26, 'iq3_s'],
  IQ3_M: [27, 'iq3_s'],
  IQ2_S: [28, 'iq2_xs'],
  IQ2_M: [29, 'iq2_s'],
  IQ4_XS: [30, 'iq4_xs'],
  IQ1_M: [31, 'iq1_m'],
  BF16: [32, 'bf16'],
  TQ1_0: [36, 'tq1_0'],
  TQ2_0: [37, 'tq2_0'],
  NVFP4: [39, 'nvfp4'],
  Q1_0: [40, 'q1_0'],
  Q2_0: [41, 'q2_0'],
});

/**
 * What `general.file_type` says of a file whose matrices are all of one type; of MXFP4 it knows experts only.
 * @param {string} type
 */
export const pureFileType = (type) => {
  if (type === 'mxfp4') return 38;
  if (type === 'i2_s') return 40; // for bitnet.cpp, which has no Q1_0
  const named = { q3_k: 'Q3_K_S', q4_k: 'Q4_K_S', q5_k: 'Q5_K_S', iq2_s: 'IQ2_M' }[type] ?? type.toUpperCase();
  return MIXTURES[named][0];
};

/** @type {Record<string, WeightType>} */
const EMBEDDING = {
  ...{ IQ2_XXS: 'q2_k', IQ2_XS: 'q2_k', IQ1_S: 'q2_k', IQ1_M: 'q2_k' },
  ...{ IQ2_S: 'iq3_s', IQ2_M: 'iq3_s', IQ3_XXS: 'iq3_s', TQ1_0: 'q4_k', TQ2_0: 'q4_k', Q2_0: 'q4_k' },
};

const Q5_OUTPUT = ['IQ2_XXS', 'IQ2_XS', 'IQ3_XXS', 'IQ1_S', 'IQ2_S', 'IQ2_M', 'IQ1_M'];
const BELOW_3_BITS = ['IQ2_XXS', 'IQ2_XS', 'IQ1_S', 'IQ2_S', 'IQ2_M', 'IQ1_M'];
const IQ3_AIDED = ['IQ2_S', 'IQ2_M'];

/** @param {string} name @param {WeightType} base @param {number} columns @returns {WeightType} */
function outputType(name, base, columns) {
  if (columns % FORMATS[base].weights !== 0) return 'q8_0';
  if (Q5_OUTPUT.includes(name)) return 'q5_k';
  return base === 'q8_0' ? 'q8_0' : 'q6_k';
}

// An eighth of the layers at each end, and every third between.
/** @param {number} layer @param {number} layers */
function deservesMore(layer, layers) {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

/** @type {Record<string, WeightType>} */
const OUTPUT_RULES = {
  ...{ IQ1_S: 'iq2_xxs', IQ1_M: 'iq2_xxs', IQ2_S: 'iq3_s', IQ2_M: 'iq3_s', IQ3_XXS: 'iq3_s' },
  ...{ Q2_K: 'q3_k', Q3_K_M: 'q4_k', Q3_K_L: 'q5_k', IQ3_M: 'q4_k' },
};
/** @type {Record<string, WeightType>} */
const KEY_RULES = { IQ3_XS: 'iq3_xxs', IQ3_XXS: 'iq2_s' };

// What each kind of matrix gets in place of the file's base type: (where it stands) to a type, or to nothing.
/**
 * @typedef {{ name: string, layer: number, layers: number, shares: number }} Where
 * @type {Record<string, (where: Where) => WeightType | false | undefined>}
 */
const BLOCK_RULES = {
  attn_v({ name, layer, layers, shares }) {
    const many = shares >= 4;
    if (BELOW_3_BITS.includes(name)) return many ? 'q4_k' : IQ3_AIDED.includes(name) ? 'iq3_s' : 'q2_k';
    switch (name) {
      case 'Q2_K':
        return many ? 'q4_k' : 'q3_k';
      case 'IQ3_XXS':
        return many ? 'q4_k' : 'iq3_s';
      case 'Q2_K_S':
      case 'IQ3_XS':
      case 'IQ3_S':
        return many && 'q4_k';
      case 'IQ3_M':
        return 'q4_k';
      case 'Q3_K_M':
        return layer < 2 ? 'q5_k' : 'q4_k';
      case 'Q3_K_L':
        return 'q5_k';
      case 'IQ4_NL':
      case 'IQ4_XS':
        return many && 'q5_k';
      case 'Q4_K_M':
      case 'Q5_K_M':
        return deservesMore(layer, layers) && 'q6_k';
      case 'Q4_K_S':
        return layer < 4 && 'q5_k';
    }
  },
  ffn_down({ name, layer, layers }) {
    const early = layer < Math.floor(layers / 8);
    if (BELOW_3_BITS.includes(name)) return early && (IQ3_AIDED.includes(name) ? 'iq3_s' : 'q2_k');
    switch (name) {
      case 'Q2_K':
        return 'q3_k';
      case 'Q2_K_S':
      case 'IQ3_M':
        return early && 'q4_k';
      case 'IQ3_XXS':
        return early ? 'q4_k' : 'q3_k';
      case 'Q3_K_M':
        return layer < Math.floor(layers / 16) ? 'q5_k' : 'q4_k';
      case 'Q3_K_L':
        return 'q5_k';
      case 'Q4_K_M':
      case 'Q5_K_M':
        return deservesMore(layer, layers) && 'q6_k';
      case 'IQ4_NL':
      case 'IQ4_XS':
      case 'Q4_K_S':
        return early && 'q5_k';
    }
  },
  attn_output: ({ name }) => OUTPUT_RULES[name],
  attn_q: ({ name }) => KEY_RULES[name],
  attn_k: ({ name }) => KEY_RULES[name],
  ffn_gate: ({ name, layer, layers }) =>
    name === 'IQ3_XS' && layer >= Math.floor(layers / 8) && layer < Math.floor((7 * layers) / 8) && 'iq3_xxs',
};
BLOCK_RULES.ffn_up = BLOCK_RULES.ffn_gate;

/** @type {Record<string, WeightType>} */
const NARROWER = {
  ...{ q2_0: 'q4_0', q2_k: 'q4_0', q3_k: 'q4_0', tq1_0: 'q4_0', tq2_0: 'q4_0' },
  ...{ q4_k: 'q5_0', q5_k: 'q5_1', q6_k: 'q8_0' },
};

// Rows that are no multiple of a type's block get one of 32 weights in its place, or F16.
/** @param {WeightType} type @param {number} columns @returns {WeightType} */
function fitting(type, columns) {
  if (columns % FORMATS[type].weights === 0) return type;
  const other = type.startsWith('iq') ? 'iq4_nl' : NARROWER[type];
  if (!other && FORMATS[type].weights > 32) {
    throw new RangeError(`Rows of ${columns} weights cannot be ${type}, and nothing stands in for it.`);
  }
  return other && columns % FORMATS[other].weights === 0 ? other : 'f16';
}

/**
 * The type of a matrix in a file type.
 * @param {string} name a key of MIXTURES
 * @param {import('./model-shapes.js').Shape} shape
 * @param {{role: string, name: string, columns: number}} matrix `name` as in 'blk.3.attn_v'
 * @returns {WeightType}
 */
export function mixedType(name, shape, { role, name: matrix, columns }) {
  const base = MIXTURES[name][1];
  if (FORMATS[base].weights === 1) return base;
  if (role === 'output' || (role === 'embedding' && shape.tied))
    return fitting(outputType(name, base, columns), columns);
  if (role === 'embedding') return fitting(EMBEDDING[name] ?? base, columns);
  const [, layer, kind] = matrix.split('.');
  const where = { name, layer: Number(layer), layers: shape.layers, shares: shape.heads / shape.kvHeads };
  return fitting(BLOCK_RULES[kind](where) || base, columns);
}
