// Golden models of the weight types that no other golden model has: each type is the embedding of one, an output (the
// embedding's own where they are tied) and some of the matrices between, beside other types.

/** @typedef {import('./models.js').GoldenModel} GoldenModel */
/** @typedef {import('../model-shapes.js').Shape} Shape */
/** @typedef {import('../weight-formats.js').WeightType} WeightType */

const base = { context: 512, layers: 2, tied: false, epsilon: 1e-5, ropeBase: 10000 };
/** @param {number} count @param {number} kvHeads @param {number} headSize */
const heads = (count, kvHeads, headSize) => ({ heads: count, kvHeads, headSize });

// Rows of 32 x an odd number for the types whose blocks are small, of 64 x 3 and 128 x 3 for those with blocks of 64
// and 128, of 256 and 512 for the others.
/** @type {Record<number, Omit<Shape, 'name' | 'vocabulary'>>} */
const SHAPES = {
  96: { ...base, ...heads(3, 1, 32), width: 96, ffn: 160 },
  160: { ...base, ...heads(5, 5, 32), width: 160, ffn: 224 },
  224: { ...base, ...heads(7, 1, 32), width: 224, ffn: 288 },
  192: { ...base, ...heads(6, 2, 32), width: 192, ffn: 320 },
  384: { ...base, ...heads(6, 2, 64), width: 384, ffn: 384 },
  256: { ...base, ...heads(4, 2, 64), width: 256, ffn: 512 },
  512: { ...base, ...heads(8, 2, 32), width: 512, ffn: 256 },
};

/**
 * The output of none is tied; `block`: matrices of the blocks in turn.
 * @typedef {[width: number, vocabulary: number, embedding: WeightType, output: WeightType | null, block: WeightType[],
 *   gains: import('../random-model.js').Gains, seed?: number]} Row
 * @type {Row[]}
 */
const ROWS = [
  [96, 301, 'q5_0', null, ['q5_0', 'q8_0', 'q5_1'], { logits: 3.1 }],
  [160, 277, 'q5_1', 'iq4_nl', ['q5_1', 'iq4_nl'], { logits: 2.6 }, 2],
  [224, 263, 'iq4_nl', 'q5_1', ['iq4_nl', 'q5_0', 'mxfp4'], { logits: 2.9 }],
  [96, 331, 'mxfp4', null, ['mxfp4', 'q4_1'], { logits: 3 }, 2],
  [192, 285, 'nvfp4', 'q2_0', ['nvfp4', 'q2_0', 'bf16'], { logits: 3 }],
  [192, 269, 'q2_0', 'nvfp4', ['q2_0', 'nvfp4'], { logits: 3.1 }],
  [384, 273, 'q1_0', null, ['q1_0', 'q1_0', 'q4_0'], { embedding: 0.3, logits: 2.4 }],
  [256, 291, 'q2_k', 'q3_k', ['q2_k', 'q3_k'], { logits: 2.3 }],
  [512, 265, 'q3_k', 'q2_k', ['q3_k', 'q4_k', 'q5_k'], { logits: 3.5 }],
  [256, 307, 'q4_k', null, ['q4_k', 'q4_k', 'q6_k'], { logits: 2.2 }],
  [256, 267, 'q5_k', 'iq2_xs', ['q5_k', 'q6_k', 'q4_1'], { logits: 3.2 }],
  [512, 259, 'q6_k', null, ['q6_k', 'q2_k'], { embedding: 0.3, logits: 3.2 }, 2],
  [256, 283, 'iq4_xs', 'q5_k', ['iq4_xs', 'q5_0'], { logits: 2.8 }],
  [256, 261, 'iq3_s', null, ['iq3_s', 'iq3_xxs'], { logits: 2.3 }, 5],
  [256, 275, 'iq3_xxs', 'iq4_xs', ['iq3_xxs', 'iq4_xs', 'q2_k'], { logits: 3.5 }],
  [256, 309, 'iq2_s', null, ['iq2_s', 'iq2_xs'], { embedding: 0.3, logits: 2.4 }],
  [512, 271, 'iq2_xs', 'iq3_xxs', ['iq2_xs', 'iq2_xxs'], { logits: 2.9 }],
  [256, 297, 'iq2_xxs', null, ['iq2_xxs', 'iq2_s', 'q3_k'], { logits: 2.3 }, 5],
  [256, 281, 'iq1_s', 'iq1_m', ['iq1_s', 'iq1_m'], { logits: 3 }],
  [256, 289, 'iq1_m', 'iq1_s', ['iq1_m', 'iq1_s', 'iq3_s'], { logits: 2.3 }, 3],
  [256, 303, 'tq1_0', 'tq2_0', ['tq1_0', 'tq2_0'], { logits: 2.7 }],
  [256, 265, 'tq2_0', 'tq1_0', ['tq2_0', 'tq1_0', 'q4_k'], { logits: 2.7 }],
];

/** @param {Row} row @returns {[string, GoldenModel]} */
const model = ([width, vocabulary, embedding, output, block, gains, seed = 1]) => {
  const name = `${embedding}-${output ?? 'tied'}`;
  const types = { block, embedding, ...(output ? { output } : {}) };
  const shape = { ...SHAPES[width], name, vocabulary, tied: output === null };
  return [name, { gains, seed, source: 'llama.cpp', types, shape }];
};

// The records above are llama.cpp's. These are those of reference-forward.js, so they show that the engine reads such
// norms as this project's own second opinion does, and not that another engine does: when they were made, llama.cpp hung
// with norms of F16, and no other type was tried with it.
/** @type {GoldenModel} */
const norms = {
  gains: { logits: 2.5 },
  seed: 2,
  source: 'reference',
  types: {
    norm: ['f16', 'q8_0', 'bf16', 'q4_1', 'q6_k', 'iq4_nl', 'q5_k'],
    ...{ block: ['q4_0', 'q4_k'], embedding: 'q6_k', output: 'q4_0' },
  },
  shape: { ...SHAPES[256], name: 'norm-types', layers: 3, ffn: 256, vocabulary: 263 },
};

/** @type {Record<string, GoldenModel>} */
export const TYPE_MODELS = { ...Object.fromEntries(ROWS.map(model)), 'norm-types': norms };
