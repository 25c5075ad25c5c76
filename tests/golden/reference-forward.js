// A second opinion: the llama family's forward pass in double precision, slow and simple, from a file's metadata and
// tensors to the logits after the last token. Shares no code with the engine. Families of the same blocks that llama.cpp
// lacks are recorded by it too (REFERENCES in families.js).
//
//   x = embedding[token]
//   for each block:  x += Wo · attention(rope(Wq · n), rope(Wk · n), Wv · n)     n = norm(x)
//                    x += Wdown · (silu(Wgate · m) * (Wup · m))                 m = norm(x)
//   logits = Wout · norm(x)

/**
 * @typedef {{metadata: Map<string, any>, tensors: Map<string, {shape: number[], weights: Float32Array}>}} Model
 * @param {Model} model
 */

function parameters({ metadata, tensors }) {
  const family = metadata.get('general.architecture');
  /** @param {string} key @param {number | string} [fallback] */
  const get = (key, fallback) => {
    const value = metadata.get(`${family}.${key}`) ?? fallback;
    if (value === undefined) throw new Error(`Metadata key ${family}.${key} is missing.`);
    return value;
  };
  const width = get('embedding_length');
  const heads = get('attention.head_count');
  const headSize = get('attention.key_length', width / heads);
  return {
    width,
    heads,
    headSize,
    valueSize: get('attention.value_length', headSize),
    kvHeads: get('attention.head_count_kv', heads),
    layers: get('block_count'),
    repeat: metadata.get('nibble.block_repeat') ?? 1,
    epsilon: get('attention.layer_norm_rms_epsilon'),
    window: get('attention.sliding_window', 0),
    rope: {
      base: get('rope.freq_base', 10000),
      size: get('rope.dimension_count', headSize),
      factors: tensors.get('rope_freqs.weight')?.weights,
      type: get('rope.scaling.type', 'none'),
      factor: get('rope.scaling.factor', 1),
      originalContext: get('rope.scaling.original_context_length', get('context_length')),
      attentionFactor: get('rope.scaling.attn_factor', 1),
      betaFast: get('rope.scaling.yarn_beta_fast', 32),
      betaSlow: get('rope.scaling.yarn_beta_slow', 1),
    },
  };
}

// y[t] = W x[t] for every token, W of shape [in, out] as the file writes it: `out` rows of `in` weights.
/** @param {{ shape: number[], weights: Float32Array }} options @param {ArrayLike<number>[]} inputs */
function multiply({ shape: [columns, rows], weights }, inputs) {
  return inputs.map((x) => {
    const y = new Float64Array(rows);
    for (let r = 0, at = 0; r < rows; r++) {
      let sum = 0;
      for (let c = 0; c < columns; c++) sum += weights[at++] * x[c];
      y[r] = sum;
    }
    return y;
  });
}

/** @param {Float64Array<ArrayBuffer>[]} inputs @param {{ weights: Float32Array }} options @param {number} epsilon */
function normalise(inputs, { weights }, epsilon) {
  return inputs.map((x) => {
    let squares = 0;
    for (const value of x) squares += value * value;
    const scale = 1 / Math.sqrt(squares / x.length + epsilon);
    return x.map((value, i) => value * scale * weights[i]);
  });
}

// How much of each pair's rotation YaRN leaves unscaled: all where it turns more than betaFast times within the
// original context, nothing where less than betaSlow times, and a ramp over the pairs between.
/** @param {any} rope */
function yarnShare(rope) {
  /** @param {number} turns */
  const pairTurning = (turns) =>
    (rope.size * Math.log(rope.originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(rope.base));
  const first = Math.max(0, Math.floor(pairTurning(rope.betaFast)));
  const last = Math.min(rope.size - 1, Math.ceil(pairTurning(rope.betaSlow)));
  return (/** @type {number} */ pair) => 1 - Math.min(1, Math.max(0, (pair - first) / Math.max(0.001, last - first)));
}

/**
 * @param {any} rope
 * @returns {{frequencies: Float64Array, magnitude: number}} radians per position of each pair, and YaRN's gain
 */
function rotation(rope) {
  const scale = rope.type === 'none' ? 1 : 1 / rope.factor;
  const yarn = rope.type === 'yarn';
  const share = yarn ? yarnShare(rope) : () => 0;
  const frequencies = Float64Array.from({ length: rope.size / 2 }, (_, pair) => {
    const plain = rope.base ** ((-2 * pair) / rope.size) / (rope.factors?.[pair] ?? 1);
    return plain * (scale * (1 - share(pair)) + share(pair));
  });
  return {
    frequencies,
    magnitude: yarn ? rope.attentionFactor * (1 + 0.1 * Math.log(rope.factor)) : rope.attentionFactor,
  };
}

// Turns adjacent pairs of each head in place; what lies beyond the rotated size stays.
/**
 * @param {Float64Array[]} vectors
 * @param {number} heads
 * @param {number} headSize
 * @param {ReturnType<typeof rotation>} rotation
 */
function rotate(vectors, heads, headSize, { frequencies, magnitude }) {
  vectors.forEach((vector, position) => {
    for (let head = 0; head < heads; head++) {
      frequencies.forEach((frequency, pair) => {
        const at = head * headSize + 2 * pair;
        const [a, b] = [vector[at], vector[at + 1]];
        const cos = Math.cos(position * frequency) * magnitude;
        const sin = Math.sin(position * frequency) * magnitude;
        vector[at] = a * cos - b * sin;
        vector[at + 1] = a * sin + b * cos;
      });
    }
  });
}

// One head's query over the keys and values of a KV head, into `output`; `first`: of the tokens that it sees.
/**
 * @param {Float64Array} query
 * @param {Float64Array[]} keys
 * @param {Float64Array[]} values
 * @param {{ head: number, shared: number, first: number, headSize: number, valueSize: number }} options
 * @param {Float64Array<ArrayBuffer>} output
 */
function attendHead(query, keys, values, { head, shared, first, headSize, valueSize }, output) {
  const scores = [];
  for (let t = first; t < keys.length; t++) {
    let dot = 0;
    for (let i = 0; i < headSize; i++) dot += query[head * headSize + i] * keys[t][shared * headSize + i];
    scores.push(dot / Math.sqrt(headSize));
  }
  const max = scores.reduce((a, b) => Math.max(a, b));
  const weights = scores.map((score) => Math.exp(score - max));
  const total = weights.reduce((a, b) => a + b);
  weights.forEach((weight, n) => {
    for (let i = 0; i < valueSize; i++) {
      output[head * valueSize + i] += (weight / total) * values[first + n][shared * valueSize + i];
    }
  });
}

/**
 * @param {Float64Array[]} queries
 * @param {Float64Array[]} keys
 * @param {Float64Array[]} values
 * @param {ReturnType<typeof parameters>} parameters
 */
function attention(queries, keys, values, { heads, kvHeads, headSize, valueSize, window }) {
  return queries.map((query, position) => {
    const output = new Float64Array(heads * valueSize);
    const first = window ? Math.max(0, position - window + 1) : 0;
    for (let head = 0; head < heads; head++) {
      const shared = Math.floor(head / (heads / kvHeads));
      attendHead(query, keys.slice(0, position + 1), values, { head, shared, first, headSize, valueSize }, output);
    }
    return output;
  });
}

/** @param {number} x */
const silu = (x) => x / (1 + Math.exp(-x));
/** @param {Float64Array<ArrayBuffer>[]} a @param {any} b */
const add = (a, b) => a.map((x, t) => x.map((value, i) => value + b[t][i]));

/**
 * Logits of the token that follows.
 * @param {Model} model
 * @param {number[]} tokens
 * @param {{ropeBase?: number}} [overrides] another RoPE base, to see how much the result depends on it
 * @returns {Float64Array} [vocabulary]
 */
export function referenceLogits(model, tokens, overrides = {}) {
  const p = parameters(model);
  if (overrides.ropeBase) p.rope.base = overrides.ropeBase;
  /** @param {string} name */
  const weight = (name) => {
    const tensor = model.tensors.get(`${name}.weight`);
    if (!tensor) throw new Error(`Tensor ${name}.weight is missing.`);
    return tensor;
  };
  const turning = rotation(p.rope);
  const embedding = weight('token_embd');
  let x = tokens.map((token) => Float64Array.from(embedding.weights.subarray(token * p.width, (token + 1) * p.width)));
  for (let layer = 0; layer < p.layers * p.repeat; layer++) {
    /** @param {string} name */
    const block = (name) => weight(`blk.${Math.floor(layer / p.repeat)}.${name}`);
    const n = normalise(x, block('attn_norm'), p.epsilon);
    const queries = multiply(block('attn_q'), n);
    const keys = multiply(block('attn_k'), n);
    rotate(queries, p.heads, p.headSize, turning);
    rotate(keys, p.kvHeads, p.headSize, turning);
    const mixed = attention(queries, keys, multiply(block('attn_v'), n), p);
    x = add(x, multiply(block('attn_output'), mixed));
    const m = normalise(x, block('ffn_norm'), p.epsilon);
    const gate = multiply(block('ffn_gate'), m);
    const gated = multiply(block('ffn_up'), m).map((up, t) => up.map((value, i) => value * silu(gate[t][i])));
    x = add(x, multiply(block('ffn_down'), gated));
  }
  const last = normalise([x[x.length - 1]], weight('output_norm'), p.epsilon);
  return multiply(model.tensors.has('output.weight') ? weight('output') : embedding, last)[0];
}
