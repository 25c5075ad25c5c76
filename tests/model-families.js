// What the blocks of the model families are made of in GGUF files, where it is not what Llama's are: for random models.

const QUERY_KEY_VALUE = ['attn_q', 'attn_k', 'attn_v'];
const ALL_BIASES = [...QUERY_KEY_VALUE, 'attn_qkv', 'attn_output', 'ffn_up', 'ffn_down'];

/**
 * @typedef {object} Family
 * @property {'before' | 'behind' | 'both'} [norms] where attention and feed-forward network have theirs; default before
 * @property {'each' | 'all' | 'own'} [headNorms] norms of each of the queries' and keys' heads, of all heads together, or
 *   of each head by itself
 * @property {boolean} [fused] queries, keys and values are one matrix
 * @property {boolean} [gateUp] gate and up are one matrix
 * @property {'rms' | 'layer' | 'layer-bias'} [norm] kind of norms, default rms; the last has biases
 * @property {boolean | 'two norms' | 'other names'} [parallel] attention and feed-forward network read the same: through
 *   one norm, through one each, or through one each of which the second is named as the first elsewhere
 * @property {boolean} [positions] positions are learned
 * @property {boolean} [outputBias]
 * @property {boolean} [sinks] each head has a score that no token has
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
  phi3: { fused: true, gateUp: true },
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
  phi2: { norm: 'layer-bias', gateless: true, parallel: true, biases: ALL_BIASES, outputBias: true },
  stablelm: { norm: 'layer-bias' },
  starcoder2: { norm: 'layer-bias', gateless: true, biases: ALL_BIASES },
  gpt2: { norm: 'layer-bias', gateless: true, fused: true, positions: true, biases: ALL_BIASES },
  gptneox: { norm: 'layer-bias', gateless: true, fused: true, biases: ALL_BIASES },
  falcon: { norm: 'layer-bias', gateless: true, fused: true, parallel: true },
  cohere2: { norm: 'layer', parallel: true },
  openelm: { fused: true, headNorms: 'each' },
  nanbeige: {},
  granite_swa: { sinks: true },
  glm4: { norms: 'both', gateUp: true },
};

/**
 * The family of a shape: a row of the table, with what the shape has besides.
 * @param {Pick<import('./model-shapes.js').Shape, 'family' | 'biases' | 'blocks'>} shape
 */
export function familyOf(shape) {
  const name = shape.family ?? 'llama';
  const row = FAMILIES[name];
  if (!row) throw new RangeError(`Unknown family "${name}"; known are ${Object.keys(FAMILIES).join(', ')}.`);
  const biases = [...(row.biases ?? []), ...(shape.biases ?? [])];
  return { norms: 'before', norm: 'rms', headNorms: null, ...row, ...shape.blocks, name, biases };
}
