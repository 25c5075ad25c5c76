// What the blocks of the model families are made of in GGUF files, where it is not what Llama's are: for random models.

const QUERY_KEY_VALUE = ['attn_q', 'attn_k', 'attn_v'];

/**
 * @typedef {object} Family
 * @property {'before' | 'behind' | 'both'} [norms] where attention and feed-forward network have theirs; default before
 * @property {'each' | 'all'} [headNorms] norms of each of the queries' and keys' heads, or of all heads together
 * @property {boolean} [fused] queries, keys and values are one matrix, and gate and up are one
 * @property {boolean} [gateless] the feed-forward network has no gate
 * @property {string[]} [biases] the matrices that have one
 */

/** @type {Record<string, Family>} */
const FAMILIES = {
  llama: {},
  qwen2: { biases: QUERY_KEY_VALUE },
  qwen2vl: { biases: QUERY_KEY_VALUE },
  qwen3: { headNorms: 'each' },
  qwen3vl: { headNorms: 'each' },
  gemma: {},
  gemma2: { norms: 'both' },
  gemma3: { norms: 'both', headNorms: 'each' },
  phi3: { fused: true },
  mistral3: {},
  smollm3: {},
  granite: {},
  minicpm: {},
  olmo2: { norms: 'behind', headNorms: 'all' },
  exaone4: { norms: 'behind', headNorms: 'each' },
  ernie4_5: {},
  'hunyuan-dense': { headNorms: 'each' },
  arcee: { gateless: true },
  internlm2: {},
  baichuan: {},
};

/**
 * The family of a shape: a row of the table, with the biases that the shape has besides.
 * @param {import('./model-shapes.js').Shape} shape
 */
export function familyOf(shape) {
  const name = shape.family ?? 'llama';
  const row = FAMILIES[name];
  if (!row) throw new RangeError(`Unknown family "${name}"; known are ${Object.keys(FAMILIES).join(', ')}.`);
  const biases = [...(row.biases ?? []), ...(shape.biases ?? [])];
  return { norms: 'before', headNorms: null, fused: false, gateless: false, ...row, name, biases };
}
