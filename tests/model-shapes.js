// The shapes of real models of the llama family, from their published configurations.

/**
 * @typedef {object} Shape
 * @property {string} name
 * @property {number} context longest sequence the file promises
 * @property {number} width of the residual stream
 * @property {number} layers blocks computed, shared ones counted each time
 * @property {number} ffn width of the feed-forward network
 * @property {number} heads of the queries
 * @property {number} kvHeads
 * @property {number} headSize of keys
 * @property {number} [valueSize] of values, where it is another
 * @property {number} vocabulary
 * @property {boolean} tied whether the output shares the embedding's matrix
 * @property {number} epsilon of norms
 * @property {number} ropeBase
 * @property {number} [ropeSize] rotated dimensions of a head, default all
 * @property {{type: 'linear' | 'yarn' | 'longrope', factor?: number, originalContext: number,
 *   attentionFactor?: number}} [scaling]
 * @property {number[]} [ropeFactors] divisors of the rotation frequencies, one for each pair (Llama 3)
 * @property {{long: number[], short: number[]}} [longFactors] the same for contexts beyond the original one, and for
 *   others (LongRoPE)
 * @property {number} [window] tokens that a token attends to, itself included
 * @property {number} [blockRepeat] times that each stored block is computed in a row
 * @property {string} [pre] pre-tokenizer name
 * @property {string} [family] as model-families.js has it, default llama
 * @property {string[]} [biases] matrices of a block that have one, besides those that its family's have
 * @property {{ heads: number[], kvHeads: number[], ffn: number[] }} [ofBlocks] what each block has, where they differ
 * @property {number} [loops] times that all blocks are computed, one time behind the other
 * @property {Partial<import('./model-families.js').Family>} [blocks] what its blocks have otherwise than its family's
 * @property {import('./gguf-writer.js').KeyValue[]} [keys] further metadata, their names without the family's prefix
 */

/**
 * The divisors Llama 3 derives from its frequencies: none for short wavelengths, `factor` for those beyond the original
 * context / low, and a blend between the two.
 * @param {number} base
 * @param {number} size
 * @param {{ factor: number, low: number, high: number, context: number }} options
 */
function llama3Factors(base, size, { factor, low, high, context }) {
  return Array.from({ length: size / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * base ** ((2 * i) / size);
    if (wavelength < context / high) return 1;
    if (wavelength > context / low) return factor;
    const smooth = (context / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/** @param {number} headSize */
const llama3 = (headSize) => ({
  context: 131072,
  headSize,
  vocabulary: 128256,
  tied: true,
  epsilon: 1e-5,
  ropeBase: 500000,
  ropeFactors: llama3Factors(500000, headSize, { factor: 32, low: 1, high: 4, context: 8192 }),
  pre: 'llama-bpe',
});

const qwen3 = { context: 40960, vocabulary: 151936, epsilon: 1e-6, ropeBase: 1000000, pre: 'qwen2' };

/** @type {Readonly<Record<string, Shape>>} */
export const SHAPES = {
  'smollm2-135m': {
    name: 'smollm2-135m',
    context: 8192,
    width: 576,
    layers: 30,
    ffn: 1536,
    heads: 9,
    kvHeads: 3,
    headSize: 64,
    vocabulary: 49152,
    tied: true,
    epsilon: 1e-5,
    ropeBase: 100000,
    pre: 'smollm',
  },
  'qwen2.5-0.5b': {
    name: 'qwen2.5-0.5b',
    context: 32768,
    width: 896,
    layers: 24,
    ffn: 4864,
    heads: 14,
    kvHeads: 2,
    headSize: 64,
    vocabulary: 151936,
    tied: true,
    epsilon: 1e-6,
    ropeBase: 1000000,
    pre: 'qwen2',
  },
  // The two of Qwen3 as llama: without the norms of queries and keys.
  'qwen3-4b': {
    ...{ name: 'qwen3-4b', width: 2560, layers: 36, ffn: 9728, heads: 32, kvHeads: 8, headSize: 128, tied: true },
    ...qwen3,
  },
  'qwen3-8b': {
    ...{ name: 'qwen3-8b', width: 4096, layers: 36, ffn: 12288, heads: 32, kvHeads: 8, headSize: 128, tied: false },
    ...qwen3,
  },
  'llama-3.2-1b': { name: 'llama-3.2-1b', width: 2048, layers: 16, ffn: 8192, heads: 32, kvHeads: 8, ...llama3(64) },
  'llama-3.2-3b': { name: 'llama-3.2-3b', width: 3072, layers: 28, ffn: 8192, heads: 24, kvHeads: 8, ...llama3(128) },
  'llama-2-7b': {
    name: 'llama-2-7b',
    context: 4096,
    width: 4096,
    layers: 32,
    ffn: 11008,
    heads: 32,
    kvHeads: 32,
    headSize: 128,
    vocabulary: 32000,
    tied: false,
    epsilon: 1e-5,
    ropeBase: 10000,
  },
};
