// Llama-family GGUF files with random weights in the shapes of real models, for speed and memory measurements and for
// trying other engines on the same file. The layout (metadata, tensor list, vocabulary) also serves golden-models.js.
//
//   node tests/random-model.js --shape llama-3.2-1b --type q4_0 --out build/llama-1b.gguf

import { mkdirSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { writeGguf } from './gguf-writer.js';
import { byteLength, FORMATS, toHalf } from './quantize.js';

/**
 * @typedef {object} Shape
 * @property {string} name
 * @property {number} context longest sequence the file promises
 * @property {number} width of the residual stream
 * @property {number} layers blocks computed, shared ones counted each time
 * @property {number} ffn width of the feed-forward network
 * @property {number} heads of the queries
 * @property {number} kvHeads
 * @property {number} headSize
 * @property {number} vocabulary
 * @property {boolean} tied whether the output shares the embedding's matrix
 * @property {number} epsilon of RMSNorm
 * @property {number} ropeBase
 * @property {number} [ropeSize] rotated dimensions of a head, default all
 * @property {{type: 'linear' | 'yarn', factor: number, originalContext: number, attentionFactor?: number}}
 *   [scaling]
 * @property {number[]} [ropeFactors] divisors of the rotation frequencies, one for each pair (Llama 3)
 * @property {number} [window] tokens that a token attends to, itself included
 * @property {number} [blockRepeat] times that each stored block is computed in a row
 * @property {string} [pre] pre-tokenizer name
 */

// The divisors Llama 3 derives from its frequencies: none for short wavelengths, `factor` for those beyond the original
// context / low, and a blend between the two.
function llama3Factors(base, size, { factor, low, high, context }) {
  return Array.from({ length: size / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * base ** ((2 * i) / size);
    if (wavelength < context / high) return 1;
    if (wavelength > context / low) return factor;
    const smooth = (context / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

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

/** @type {Record<string, Shape>} From the models' published configurations. */
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

// Byte-level BPE writes each byte as one printable character: itself where printable, else the next one from U+0100.
function byteCharacters() {
  let next = 256;
  const printable = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

const letter = (n) => String.fromCharCode(97 + n);

/**
 * A byte-level BPE vocabulary: 256 bytes, two control tokens, then words of two, three, four letters. Two-letter words
 * have a merge; the longer ones only decode.
 * @param {number} size at least 258
 */
export function vocabulary(size) {
  const tokens = [...byteCharacters(), '<|begin|>', '<|end|>'];
  const merges = [];
  for (let length = 2; tokens.length < size; length++) {
    for (let n = 0; n < 26 ** length && tokens.length < size; n++) {
      let word = '';
      for (let i = 0, rest = n; i < length; i++, rest = Math.floor(rest / 26)) word = letter(rest % 26) + word;
      tokens.push(word);
      if (length === 2) merges.push(`${word[0]} ${word[1]}`);
    }
  }
  const types = tokens.map((_, id) => (id === 256 || id === 257 ? 3 : 1));
  return { tokens, types, merges, begin: 256, end: 257 };
}

/**
 * @param {Shape} shape
 * @returns {import('./gguf-writer.js').Entry[]}
 */
export function metadata(shape) {
  const { tokens, types, merges, begin, end } = vocabulary(shape.vocabulary);
  const ropeSize = shape.ropeSize ?? shape.headSize;
  /** @type {import('./gguf-writer.js').Entry[]} */
  const entries = [
    ['general.architecture', 'string', 'llama'],
    ['general.name', 'string', `random ${shape.name}`],
    ['general.alignment', 'u32', 32],
    ['general.quantization_version', 'u32', 2],
    ['llama.context_length', 'u32', shape.context],
    ['llama.embedding_length', 'u32', shape.width],
    ['llama.block_count', 'u32', shape.layers / (shape.blockRepeat ?? 1)],
    ['llama.feed_forward_length', 'u32', shape.ffn],
    ['llama.attention.head_count', 'u32', shape.heads],
    ['llama.attention.head_count_kv', 'u32', shape.kvHeads],
    ['llama.attention.key_length', 'u32', shape.headSize],
    ['llama.attention.value_length', 'u32', shape.headSize],
    ['llama.attention.layer_norm_rms_epsilon', 'f32', shape.epsilon],
    ['llama.rope.dimension_count', 'u32', ropeSize],
    ['llama.rope.freq_base', 'f32', shape.ropeBase],
    ['llama.vocab_size', 'u32', shape.vocabulary],
  ];
  if (shape.scaling) {
    const { type, factor, originalContext, attentionFactor } = shape.scaling;
    entries.push(['llama.rope.scaling.type', 'string', type]);
    entries.push(['llama.rope.scaling.factor', 'f32', factor]);
    entries.push(['llama.rope.scaling.original_context_length', 'u32', originalContext]);
    if (attentionFactor) entries.push(['llama.rope.scaling.attn_factor', 'f32', attentionFactor]);
  }
  if (shape.window) entries.push(['llama.attention.sliding_window', 'u32', shape.window]);
  if (shape.blockRepeat) entries.push(['nibble.block_repeat', 'u32', shape.blockRepeat]);
  entries.push(
    ['tokenizer.ggml.model', 'string', 'gpt2'],
    ['tokenizer.ggml.pre', 'string', shape.pre ?? 'gpt-2'],
    ['tokenizer.ggml.tokens', 'string[]', tokens],
    ['tokenizer.ggml.token_type', 'i32[]', types],
    ['tokenizer.ggml.merges', 'string[]', merges],
    ['tokenizer.ggml.bos_token_id', 'u32', begin],
    ['tokenizer.ggml.eos_token_id', 'u32', end],
    ['tokenizer.ggml.add_bos_token', 'bool', false],
  );
  return entries;
}

/**
 * @typedef {import('./gguf-writer.js').TensorInfo & {role: string, gain: number}} LayoutTensor `gain`: what the matrix
 *   multiplies the size of a normalised input by; for norms and the embedding, the typical size of an element
 */

/**
 * The tensors of a shape. Default gains give attention that differs from token to token, a residual stream in which
 * every block counts, and logits with a deviation near `logits`.
 * @param {Shape} shape
 * @param {(role: string) => import('./quantize.js').WeightType} typeOf type of the matrices: 'embedding', 'output', 'block'
 * @param {{query?: number, value?: number, out?: number, down?: number, embedding?: number, logits?: number}} [gains]
 * @returns {LayoutTensor[]}
 */
export function tensors(shape, typeOf, gains = {}) {
  const { query = 1.5, value = 1.5, out = 1.5, down = 2, embedding = 0.7, logits = 2.6 } = gains;
  const { width, ffn, headSize } = shape;
  const keyWidth = shape.kvHeads * headSize;
  const queryWidth = shape.heads * headSize;
  const list = [];
  const add = (role, name, type, size, gain) => list.push({ role, name: `${name}.weight`, type, shape: size, gain });
  add('embedding', 'token_embd', typeOf('embedding'), [width, shape.vocabulary], embedding);
  if (shape.ropeFactors) add('factors', 'rope_freqs', 'f32', [shape.ropeFactors.length], 1);
  for (let i = 0; i < shape.layers / (shape.blockRepeat ?? 1); i++) {
    const matrix = (name, rows, columns, gain) =>
      add('block', `blk.${i}.${name}`, typeOf('block'), [columns, rows], gain);
    add('norm', `blk.${i}.attn_norm`, 'f32', [width], 1);
    matrix('attn_q', queryWidth, width, query);
    matrix('attn_k', keyWidth, width, query);
    matrix('attn_v', keyWidth, width, value);
    matrix('attn_output', width, queryWidth, out);
    add('norm', `blk.${i}.ffn_norm`, 'f32', [width], 1);
    matrix('ffn_gate', ffn, width, 1.4);
    matrix('ffn_up', ffn, width, 1);
    matrix('ffn_down', width, ffn, down);
  }
  // A tied output is the embedding, whose elements are of size `embedding`; the last norm makes up for that.
  add('norm', 'output_norm', 'f32', [width], shape.tied ? logits / (embedding * Math.sqrt(width)) : 1);
  if (!shape.tied) add('output', 'output', typeOf('output'), [width, shape.vocabulary], logits);
  return list;
}

/**
 * Deviation of a matrix's elements that gives its gain.
 * @param {LayoutTensor} tensor
 */
export const deviation = (tensor) =>
  tensor.role === 'embedding' ? tensor.gain : tensor.gain / Math.sqrt(tensor.shape[0]);

/** xoshiro128**, seeded from a text: the same 32-bit numbers on every machine. */
export class Random {
  /** @param {string} seed */
  constructor(seed) {
    let hash = 0x811c9dc5;
    for (const byte of Buffer.from(seed)) hash = Math.imul(hash ^ byte, 0x01000193);
    this.state = Uint32Array.from({ length: 4 }, () => {
      hash = (hash + 0x9e3779b9) | 0;
      let mixed = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      return mixed ^ (mixed >>> 15);
    });
  }

  /** @param {Uint32Array} numbers */
  fill(numbers) {
    let [a, b, c, d] = this.state;
    for (let i = 0; i < numbers.length; i++) {
      const five = Math.imul(b, 5);
      numbers[i] = Math.imul((five << 7) | (five >>> 25), 9);
      const shifted = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= shifted;
      d = (d << 11) | (d >>> 21);
    }
    this.state.set([a, b, c, d]);
  }

  /** @returns {number} 0 to 2^32 - 1 */
  next() {
    const one = new Uint32Array(1);
    this.fill(one);
    return one[0];
  }

  /** @param {number} bound @returns {number} 0 to bound - 1 */
  below(bound) {
    return Math.floor((this.next() / 2 ** 32) * bound);
  }
}

// Deviation of the stored integers that uniform random bits give, before the scale.
const UNIT_DEVIATION = { q8_0: 73.9, q4_0: 4.64, q4_1: 4.61 };

// Random bits made into weights of the wanted deviation: block types get a scale of 0.75 to 1.25 times the mean in
// place of the random one, floats an exponent with as many halvings as there are leading zeros, which is what a uniform
// distribution has.
const shapeBits = {
  blocks(view, type, sigma) {
    const { bytes } = FORMATS[type];
    const d = sigma / UNIT_DEVIATION[type];
    const scales = Uint16Array.from({ length: 256 }, (_, i) => toHalf(d * (0.75 + i / 512)));
    const minima = Uint16Array.from({ length: 256 }, (_, i) => toHalf(-7.5 * d * (0.75 + i / 512)));
    for (let at = 0; at < view.byteLength; at += bytes) {
      const pick = view.getUint8(at);
      const sign = type === 'q4_1' ? 0 : (view.getUint8(at + 1) & 1) << 15;
      view.setUint16(at, scales[pick] | sign, true);
      if (type === 'q4_1') view.setUint16(at + 2, minima[pick], true);
    }
  },
  halves(view, type, sigma) {
    const [mantissa, bias] = type === 'f16' ? [10, 15] : [7, 127];
    const top = Math.round(Math.log2(sigma * Math.sqrt(3))) - 1;
    for (let at = 0; at < view.byteLength; at += 2) {
      const bits = view.getUint16(at, true);
      const halvings = Math.min(4, Math.clz32((bits & 31) | 1) - 27);
      const exponent = Math.max(1, top - halvings + bias);
      view.setUint16(at, (bits & 0x8000) | (exponent << mantissa) | ((bits >>> 5) & ((1 << mantissa) - 1)), true);
    }
  },
  floats(view, _type, sigma) {
    const unit = (sigma * Math.sqrt(3)) / 2 ** 31;
    for (let at = 0; at < view.byteLength; at += 4) view.setFloat32(at, (view.getInt32(at, true) + 0.5) * unit, true);
  },
};

/**
 * A tensor of random weights made straight in its file type, in pieces. Fast, not exact: for measuring, not for golden
 * results.
 * @param {LayoutTensor} tensor
 * @param {Shape} shape
 * @param {number} seed
 * @returns {Generator<Uint8Array>}
 */
function* randomTensor(tensor, shape, seed) {
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  if (tensor.role === 'factors') yield new Uint8Array(Float32Array.from(shape.ropeFactors).buffer);
  else if (tensor.role === 'norm') yield new Uint8Array(new Float32Array(count).fill(tensor.gain).buffer);
  else {
    const random = new Random(`${seed} ${tensor.name}`);
    const shaper = tensor.type === 'f32' ? 'floats' : FORMATS[tensor.type].weights === 1 ? 'halves' : 'blocks';
    const total = byteLength(tensor.type, count);
    const { bytes } = FORMATS[tensor.type];
    const buffer = new ArrayBuffer(Math.min(Math.ceil(total / (bytes * 4)), 1 << 15) * bytes * 4);
    for (let done = 0; done < total; done += buffer.byteLength) {
      random.fill(new Uint32Array(buffer));
      const size = Math.min(buffer.byteLength, total - done);
      shapeBits[shaper](new DataView(buffer, 0, size), tensor.type, deviation(tensor));
      yield new Uint8Array(buffer, 0, size);
    }
  }
}

/**
 * Writes a random model.
 * @param {string} path
 * @param {{shape: string | Shape, type?: import('./quantize.js').WeightType, seed?: number}} options `shape`: a name in
 *   SHAPES or one of your own
 * @returns {{bytes: number}}
 */
export function writeRandomModel(path, { shape, type = 'q4_0', seed = 1 }) {
  const chosen = typeof shape === 'string' ? SHAPES[shape] : shape;
  if (!chosen) throw new RangeError(`Unknown shape "${shape}"; known are ${Object.keys(SHAPES).join(', ')}.`);
  if (!FORMATS[type]) throw new RangeError(`Unknown type "${type}"; known are ${Object.keys(FORMATS).join(', ')}.`);
  // Over a real vocabulary, logits of this deviation leave a few nats of entropy, as a trained model does.
  const list = tensors(chosen, () => type, { logits: 4 });
  const produce = (tensor) => randomTensor(tensor, chosen, seed);
  mkdirSync(dirname(path), { recursive: true });
  return writeGguf(path, { metadata: metadata(chosen), tensors: list, produce });
}

const USAGE = `Usage: node tests/random-model.js --shape NAME --out FILE [--type q4_0] [--seed 1]
  --shape  ${Object.keys(SHAPES).join(' | ')}
  --type   ${Object.keys(FORMATS).join(' | ')}`;

function main() {
  let options;
  try {
    options = parseArgs({
      options: {
        shape: { type: 'string' },
        type: { type: 'string', default: 'q4_0' },
        out: { type: 'string' },
        seed: { type: 'string', default: '1' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
    if (options.help) return console.log(USAGE);
    if (!options.shape || !options.out) throw new RangeError('Both --shape and --out are needed.');
    if (!/^\d+$/.test(options.seed)) throw new RangeError(`--seed is "${options.seed}"; it has to be a whole number.`);
    const { bytes } = writeRandomModel(options.out, { ...options, seed: Number(options.seed) });
    console.log(`${options.out}: ${bytes} bytes`);
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) main();
