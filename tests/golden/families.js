// Golden models of the model families beside plain Llama: each row of the engine's table of families has one, and one
// for each of its choices that another file may make.

import { referenceLogits } from './reference-forward.js';

const base = { context: 512, layers: 3, tied: true, epsilon: 1e-6, ropeBase: 10000 };
const QUERY_KEY_VALUE = ['attn_q', 'attn_k', 'attn_v'];
/** @param {number} count @param {number} kvHeads @param {number} headSize */
const heads = (count, kvHeads, headSize) => ({ heads: count, kvHeads, headSize });
/** @template T @param {number} count @param {(i: number) => T} value */
const list = (count, value) => Array.from({ length: count }, (_, i) => value(i));

// Divisors of a RoPE's angles that grow from pair to pair.
/** @param {number} pairs @param {number} most */
const growing = (pairs, most) => list(pairs, (i) => Math.fround(1 + ((most - 1) * i) / (pairs - 1)));
/** @param {number} pairs */
const longFactors = (pairs) => ({ long: growing(pairs, 12), short: growing(pairs, 2) });

// Models that are told by their depth alone: as narrow as can be, and of blocks that each add little.
const deep = { ...base, width: 32, ffn: 64 };
const little = { query: 1.2, branch: 0.12, out: 0.4, down: 0.5 };
const gemma = { ...base, ropeBase: 30000 };

/** @typedef {import('./models.js').GoldenModel} GoldenModel */
/** @typedef {import('../model-shapes.js').Shape} Shape */
/** @typedef {import('../weight-formats.js').WeightType} WeightType */

/**
 * `kind`: what is special; `types`: of the outer matrices, and of others where they differ.
 * @typedef {[family: string, kind: string, shape: Omit<Shape, 'name' | 'heads' | 'kvHeads' | keyof typeof base> & Partial<Shape>,
 *   types: [outer: WeightType, block?: WeightType | WeightType[]], gains?: GoldenModel['gains']]} Row
 * @type {Row[]}
 */
const ROWS = [
  [
    'llama',
    'biases',
    {
      ...{ ...heads(4, 1, 32), width: 96, ffn: 160, vocabulary: 303, tied: false },
      biases: ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'],
    },
    ['q8_0'],
  ],
  [
    'llama',
    'half-values',
    { ...heads(3, 1, 64), valueSize: 32, width: 96, ffn: 160, vocabulary: 287, tied: false },
    ['q8_0', 'q4_0'],
  ],
  ['llama', 'wide-values', { ...heads(4, 2, 24), valueSize: 40, width: 96, ffn: 160, vocabulary: 294 }, ['f16']],
  ['qwen2', 'tied', { ...heads(3, 1, 32), width: 96, ffn: 160, vocabulary: 301 }, ['q4_0']],
  ['qwen2', 'f32', { ...heads(5, 5, 16), width: 80, ffn: 112, vocabulary: 299, tied: false }, ['f32']],
  [
    'qwen2vl',
    'text',
    {
      ...{ ...heads(5, 1, 32), width: 160, ffn: 192, vocabulary: 305 },
      keys: [['rope.dimension_sections', 'i32[]', [4, 6, 6, 0]]],
    },
    ['q8_0'],
  ],
  ['qwen3', 'tied', { ...heads(5, 1, 32), width: 96, ffn: 160, vocabulary: 302, ropeBase: 1e6 }, ['q8_0', 'q4_0']],
  [
    'qwen3',
    'q4_k',
    { ...heads(4, 1, 128), width: 256, layers: 2, ffn: 256, vocabulary: 282, tied: false },
    ['q4_k'],
    { logits: 2.4 },
  ],
  [
    'qwen3vl',
    'text',
    {
      ...{ ...heads(3, 3, 32), width: 64, ffn: 160, vocabulary: 307 },
      keys: [
        ['rope.dimension_sections', 'i32[]', [6, 5, 5, 0]],
        ['n_deepstack_layers', 'u32', 0],
      ],
    },
    ['q8_0'],
  ],
  ['gemma', 'tied', { ...heads(2, 1, 64), width: 96, ffn: 224, vocabulary: 309 }, ['q8_0']],
  [
    'gemma2',
    'window',
    {
      ...{ ...heads(4, 2, 32), width: 96, layers: 4, ffn: 160, vocabulary: 295, window: 40 },
      keys: [
        ['attn_logit_softcapping', 'f32', 8],
        ['final_logit_softcapping', 'f32', 9],
      ],
    },
    ['q8_0', 'q4_0'],
  ],
  ['gemma2', 'defaults', { ...heads(3, 3, 32), width: 96, ffn: 96, vocabulary: 303 }, ['f32'], { logits: 2.2 }],
  ['gemma2', '27b', { ...deep, ...heads(4, 1, 16), layers: 46, vocabulary: 281, window: 20 }, ['q8_0', 'q4_0'], little],
  [
    'gemma3',
    'window',
    {
      ...gemma,
      ...{ ...heads(2, 1, 64), width: 96, layers: 7, ffn: 128, vocabulary: 306, window: 24 },
      scaling: { type: 'linear', factor: 2, originalContext: 256 },
    },
    ['q8_0', 'q4_0'],
  ],
  [
    'gemma3',
    'full',
    {
      ...gemma,
      ...{ ...heads(3, 1, 32), width: 96, ffn: 96, vocabulary: 284, tied: false },
      keys: [['final_logit_softcapping', 'f32', 8]],
    },
    ['f32'],
    { logits: 3.6 },
  ],
  [
    'gemma3',
    '27b',
    {
      ...{ ...deep, ...heads(4, 1, 16), layers: 62, vocabulary: 287, window: 600 },
      keys: [
        ['attention.sliding_window_pattern', 'u32', 3],
        ['rope.freq_base_swa', 'f32', 500],
      ],
    },
    ['q8_0', 'q4_0'],
    little,
  ],
  ['phi3', 'plain', { ...heads(3, 3, 32), width: 96, ffn: 160, vocabulary: 308, tied: false, window: 20 }, ['q8_0']],
  [
    'phi3',
    'long',
    {
      ...{ ...heads(3, 1, 32), width: 96, ffn: 160, vocabulary: 290, ropeSize: 24 },
      longFactors: longFactors(12),
      scaling: { type: 'longrope', originalContext: 256, attentionFactor: 1.2 },
    },
    ['q8_0', 'q4_0'],
  ],
  [
    'phi3',
    'short',
    {
      ...{ ...heads(4, 2, 32), width: 128, ffn: 96, vocabulary: 288 },
      longFactors: longFactors(16),
      scaling: { type: 'longrope', originalContext: 512, attentionFactor: 1.1 },
    },
    ['q8_0'],
  ],
  [
    'phi3',
    'narrow-values',
    { ...heads(3, 1, 32), valueSize: 20, width: 96, ffn: 160, vocabulary: 291, tied: false },
    ['f16'],
  ],
  [
    'mistral3',
    'yarn',
    {
      ...{ ...heads(5, 1, 32), width: 96, ffn: 160, vocabulary: 304, ropeBase: 1e6 },
      scaling: { type: 'yarn', factor: 4, originalContext: 128 },
      keys: [
        ['rope.scaling.yarn_log_multiplier', 'f32', 0.7],
        ['rope.scaling.yarn_beta_fast', 'f32', 4],
        ['rope.scaling.yarn_beta_slow', 'f32', 0.5],
        ['attention.temperature_scale', 'f32', 0.3],
      ],
    },
    ['q8_0', 'q4_0'],
  ],
  ['smollm3', 'tied', { ...heads(4, 1, 32), width: 96, layers: 5, ffn: 160, vocabulary: 294 }, ['q8_0', 'q4_0']],
  [
    'granite',
    'scales',
    {
      ...{ ...heads(4, 2, 64), width: 256, layers: 2, ffn: 256, vocabulary: 286 },
      keys: [
        ['embedding_scale', 'f32', 12],
        ['residual_scale', 'f32', 0.22],
        ['attention.scale', 'f32', 0.09],
        ['logit_scale', 'f32', 8],
      ],
    },
    ['q4_k'],
    { embedding: 0.06, logits: 17, down: 4 },
  ],
  [
    'granite',
    'nope',
    {
      ...{ ...heads(3, 1, 32), width: 96, ffn: 160, vocabulary: 298, tied: false },
      keys: [
        ['rope.scaling.finetuned', 'bool', false],
        ['logit_scale', 'f32', 3],
      ],
    },
    ['q8_0'],
    { logits: 7.8 },
  ],
  [
    'granite',
    'wide-values',
    {
      ...{ ...heads(4, 2, 24), valueSize: 40, width: 96, ffn: 160, vocabulary: 293 },
      keys: [
        ['attention.scale', 'f32', Math.fround(1 / Math.sqrt(24))],
        ['logit_scale', 'f32', 2],
      ],
      biases: QUERY_KEY_VALUE,
    },
    ['f16'],
    { logits: 5.2 },
  ],
  [
    'minicpm',
    'long',
    {
      ...{ ...heads(4, 2, 32), width: 128, ffn: 160, vocabulary: 293, tied: false },
      longFactors: longFactors(16),
      scaling: { type: 'longrope', originalContext: 256, attentionFactor: 1.1 },
      keys: [
        ['embedding_scale', 'f32', 9],
        ['residual_scale', 'f32', 0.5],
        ['logit_scale', 'f32', 2],
      ],
    },
    ['q8_0'],
    { embedding: 0.08, logits: 5.2 },
  ],
  [
    'minicpm',
    'defaults',
    { ...heads(3, 3, 32), width: 96, ffn: 160, vocabulary: 310 },
    ['q8_0', 'q4_0'],
    { embedding: 0.06, logits: 1 },
  ],
  ['olmo2', 'full', { ...heads(3, 1, 32), width: 96, ffn: 160, vocabulary: 300, tied: false }, ['q8_0']],
  [
    'olmo2',
    'window',
    {
      ...{ ...heads(3, 3, 32), width: 96, layers: 5, ffn: 96, vocabulary: 292, tied: false, window: 24, ropeBase: 5e5 },
      scaling: { type: 'yarn', factor: 8, originalContext: 64 },
    },
    ['q4_0'],
  ],
  [
    'exaone4',
    'full',
    { ...heads(4, 1, 32), width: 128, ffn: 160, vocabulary: 289, ropeFactors: growing(16, 8), tied: false },
    ['q8_0', 'q4_0'],
  ],
  [
    'exaone4',
    'window',
    {
      ...{ ...deep, ...heads(2, 1, 16), layers: 64, vocabulary: 283, window: 24 },
      keys: [['attention.sliding_window_pattern', 'bool[]', list(64, (i) => i % 5 !== 1 && i !== 63)]],
    },
    ['q8_0'],
    { query: 1.6, branch: 0.13 },
  ],
  ['ernie4_5', 'tied', { ...heads(5, 1, 32), width: 96, ffn: 160, vocabulary: 297 }, ['q8_0', 'q4_0']],
  [
    'hunyuan-dense',
    'alpha',
    {
      ...{ ...heads(5, 1, 32), width: 96, ffn: 160, vocabulary: 296 },
      keys: [['rope.scaling.alpha', 'f32', 50]],
    },
    ['q8_0'],
  ],
  ['arcee', 'untied', { ...heads(5, 1, 32), width: 96, ffn: 224, vocabulary: 285, tied: false }, ['q4_0']],
  ['internlm2', 'untied', { ...heads(3, 1, 32), width: 96, ffn: 160, vocabulary: 291, tied: false }, ['q8_0', 'q4_0']],
  [
    'qwen2',
    'one-matrix',
    {
      ...{ ...heads(4, 2, 24), width: 96, ffn: 96, vocabulary: 281, tied: false },
      blocks: { fused: true, outputBias: true },
      biases: ['attn_qkv'],
    },
    ['q8_0'],
  ],
  ['phi2', 'untied', { ...heads(3, 3, 32), width: 96, ffn: 160, vocabulary: 312, ropeSize: 20, tied: false }, ['q8_0']],
  ['phi2', 'f32', { ...heads(4, 2, 24), width: 96, ffn: 112, vocabulary: 281, ropeSize: 16, tied: false }, ['f32']],
  [
    'stablelm',
    'two-norms',
    { ...heads(4, 4, 24), width: 96, ffn: 160, vocabulary: 313, ropeSize: 12, tied: false, biases: QUERY_KEY_VALUE },
    ['q8_0', 'q4_0'],
  ],
  [
    'stablelm',
    'parallel',
    {
      ...{ ...heads(5, 1, 32), width: 160, ffn: 96, vocabulary: 287, ropeSize: 8, tied: false },
      blocks: { parallel: true, headNorms: 'own' },
    },
    ['q8_0'],
    { query: 2.2 },
  ],
  ['starcoder2', 'tied', { ...heads(4, 2, 24), width: 96, ffn: 224, vocabulary: 314 }, ['q8_0', 'q4_0']],
  ['gpt2', 'tied', { ...heads(3, 3, 32), width: 96, ffn: 224, vocabulary: 315 }, ['q8_0']],
  ['gpt2', 'untied', { ...heads(5, 5, 8), width: 40, ffn: 72, vocabulary: 290, tied: false }, ['f32']],
  [
    'gptneox',
    'parallel',
    {
      ...{ ...heads(4, 4, 24), width: 96, ffn: 160, vocabulary: 316, ropeSize: 12, tied: false },
      blocks: { parallel: 'two norms' },
      keys: [['use_parallel_residual', 'bool', true]],
    },
    ['q8_0', 'q4_0'],
    { query: 2.2 },
  ],
  [
    'gptneox',
    'in-turn',
    {
      ...{ ...heads(3, 3, 32), width: 96, ffn: 160, vocabulary: 284, ropeSize: 16, tied: false },
      keys: [['use_parallel_residual', 'bool', false]],
    },
    ['q8_0'],
  ],
  [
    'falcon',
    'one-norm',
    { ...heads(5, 1, 32), width: 160, ffn: 224, vocabulary: 317, tied: false },
    ['q4_0'],
    { query: 2.2 },
  ],
  [
    'falcon',
    'two-norms',
    { ...heads(4, 2, 24), width: 96, ffn: 160, vocabulary: 283, blocks: { parallel: 'other names' } },
    ['q8_0'],
  ],
  [
    'cohere2',
    'window',
    {
      ...{ ...heads(4, 2, 24), width: 96, layers: 5, ffn: 160, vocabulary: 318, window: 24, ropeBase: 50000 },
      keys: [['logit_scale', 'f32', 0.25]],
    },
    ['q8_0', 'q4_0'],
    { logits: 10.4 },
  ],
  [
    'openelm',
    'growing',
    {
      ...{ headSize: 32, width: 96, ffn: 0, layers: 4, vocabulary: 282 },
      ofBlocks: { heads: [2, 3, 4, 4], kvHeads: [1, 1, 2, 1], ffn: [64, 96, 160, 192] },
    },
    ['q8_0', 'q4_0'],
  ],
  [
    'openelm',
    'shrinking',
    {
      ...{ headSize: 16, width: 160, ffn: 0, layers: 3, vocabulary: 286 },
      ofBlocks: { heads: [6, 2, 4], kvHeads: [3, 2, 1], ffn: [192, 32, 64] },
    },
    ['q8_0'],
  ],
  [
    'nanbeige',
    'loops',
    { ...heads(3, 1, 32), width: 96, layers: 6, loops: 2, ffn: 160, vocabulary: 283, tied: false },
    ['q8_0', 'q4_0'],
    { query: 1, out: 0.8, down: 1 },
  ],
  [
    'nanbeige',
    'unnormed-loops',
    {
      ...{ ...heads(4, 2, 24), width: 96, layers: 6, loops: 3, ffn: 96, vocabulary: 289 },
      keys: [['skip_loop_final_norm', 'bool', true]],
    },
    ['q8_0'],
    { query: 1.2, out: 1, down: 1.2 },
  ],
  [
    'granite_swa',
    'window',
    {
      ...{ ...heads(4, 2, 32), width: 96, layers: 4, ffn: 160, vocabulary: 285, window: 24 },
      keys: [
        ['attention.sliding_window_pattern', 'bool[]', [true, false, true, true]],
        ['attention.rope_pattern', 'bool[]', [true, false, true, false]],
        ['embedding_scale', 'f32', 2],
        ['residual_scale', 'f32', 0.4],
        ['logit_scale', 'f32', 3],
      ],
    },
    ['q8_0', 'q4_0'],
    { embedding: 0.4, logits: 7.8 },
  ],
  [
    'glm4',
    'sections',
    {
      ...{ ...heads(3, 1, 32), width: 96, ffn: 160, vocabulary: 284, ropeSize: 16 },
      keys: [['rope.dimension_sections', 'i32[]', [4, 2, 2, 0]]],
    },
    ['q8_0'],
  ],
  [
    'baichuan',
    '13b',
    { ...deep, ...heads(3, 3, 8), width: 24, ffn: 48, layers: 40, vocabulary: 288, tied: false },
    ['f16'],
    little,
  ],
  ['glm4', 'tied', { ...heads(4, 2, 32), width: 96, ffn: 160, vocabulary: 319, ropeSize: 16 }, ['q8_0', 'q4_0']],
  [
    'glm4',
    'untied',
    {
      ...{ ...heads(5, 1, 32), width: 160, ffn: 96, vocabulary: 281, ropeSize: 12, tied: false },
      biases: QUERY_KEY_VALUE,
    },
    ['q8_0'],
  ],
  ['baichuan', '7b', { ...deep, ...heads(2, 2, 16), layers: 32, vocabulary: 311, tied: false }, ['q8_0'], little],
];

// Gemma 3's default.
/** @type {Record<string, number>} */
const WINDOW_ROPE_BASES = { 'gemma3-window': 10000 };

// Converters of 2024 wrote no scales for MiniCPM, and llama.cpp multiplies where the model divides.
/** @type {Record<string, GoldenModel['plainKeys']>} */
const PLAIN_KEYS = { 'minicpm-defaults': [['logit_scale', 'f32', 96 / 256]] };

// What computes the models that llama.cpp does not run: a forward pass from the family's paper or its makers' code, in
// plain arithmetic, that shares no code with the engine.
/** @type {Record<string, import('./models.js').Reference>} */
const REFERENCES = { 'llama-wide-values': referenceLogits };

// Those that give entropies within bounds, where the first does not.
/** @type {Record<string, number>} */
const SEEDS = {
  'glm4-sections': 4,
  'granite_swa-window': 10,
  'glm4-tied': 6,
  'cohere2-window': 9,
  'gptneox-in-turn': 2,
  'gpt2-untied': 2,
  'starcoder2-tied': 2,
  'llama-biases': 2,
  'qwen2-tied': 4,
  'qwen3-tied': 2,
  'qwen3-q4_k': 2,
  'gemma2-defaults': 2,
  'phi-short': 3,
  'mistral3-yarn': 4,
  'granite-scales': 4,
  'minicpm-long': 2,
  'internlm2-untied': 2,
  'exaone4-window': 2,
};

/** @param {Row} row @returns {[string, GoldenModel]} */
const model = ([family, kind, shape, [outer, block = outer], gains = {}]) => {
  // llama.cpp looks for the special tokens of Phi 3's own vocabulary in whatever is named so.
  const name = `${family.replace('phi3', 'phi')}-${kind}`;
  // Those of families whose blocks differ in their heads have these in `ofBlocks`.
  const whole = { ...base, ...heads(0, 0, shape.headSize), ...shape, family, name };
  // Gemma multiplies its embeddings with the root of the width.
  const embedding = family.startsWith('gemma') ? 0.7 / Math.sqrt(whole.width) : undefined;
  /** @type {GoldenModel['types']} */
  const output = whole.tied ? {} : { output: outer };
  return [
    name,
    {
      gains: { ...(embedding ? { embedding } : {}), ...gains },
      seed: SEEDS[name],
      source: REFERENCES[name] ? 'reference' : 'llama.cpp',
      reference: REFERENCES[name],
      types: { block, embedding: outer, ...output },
      shape: whole,
      plainKeys: PLAIN_KEYS[name],
      windowRopeBase: WINDOW_ROPE_BASES[name],
    },
  ];
};

/** @type {Record<string, GoldenModel>} */
export const FAMILY_MODELS = Object.fromEntries(ROWS.map(model));
