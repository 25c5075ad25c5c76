// GGUF files with random weights in the shapes of real models, for speed and memory measurements and for trying other
// engines on the same file. The layout (metadata, tensor list, vocabulary) also serves golden/models.js.
//
//   node tests/random-model.js --shape llama-3.2-1b --type q4_0 --out build/llama-1b.gguf      every matrix Q4_0
//   node tests/random-model.js --shape llama-3.2-1b --type Q4_K_M --out build/llama-1b.gguf    as llama.cpp mixes them

import { mkdirSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { writeGguf } from './gguf-writer.js';
import { MIXTURES, mixedType, pureFileType } from './mixtures.js';
import { familyOf } from './model-families.js';
import { SHAPES } from './model-shapes.js';
import { behindBlocks, blockShaper } from './random-blocks.js';
import { Random } from './random-numbers.js';
import { byteLength, FORMATS, isWeightType } from './weight-formats.js';

/** @typedef {import('./model-shapes.js').Shape} Shape */
/** @typedef {import('./gguf-writer.js').KeyValue} KeyValue */
/** @typedef {import('./weight-formats.js').WeightType} WeightType */

// Byte-level BPE writes each byte as one printable character: itself where printable, else the next one from U+0100.
function byteCharacters() {
  let next = 256;
  /** @param {number} byte */
  const printable = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
}

/** @param {number} n */
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

/** Blocks that are stored. @param {Pick<Shape, 'layers' | 'blockRepeat' | 'loops'>} shape */
const blockCount = ({ layers, blockRepeat = 1, loops = 1 }) => layers / blockRepeat / loops;

/**
 * @param {Shape} shape
 * @returns {KeyValue[]}
 */
export function metadata(shape) {
  const { tokens, types, merges, begin, end } = vocabulary(shape.vocabulary);
  const { name: family, norm } = familyOf(shape);
  const ropeSize = shape.ropeSize ?? shape.headSize;
  const { ofBlocks } = shape;
  /** @type {KeyValue[]} */
  const keys = [
    ['context_length', 'u32', shape.context],
    ['embedding_length', 'u32', shape.width],
    ['block_count', 'u32', blockCount(shape)],
    ofBlocks ? ['feed_forward_length', 'i32[]', ofBlocks.ffn] : ['feed_forward_length', 'u32', shape.ffn],
    ofBlocks ? ['attention.head_count', 'i32[]', ofBlocks.heads] : ['attention.head_count', 'u32', shape.heads],
    ofBlocks
      ? ['attention.head_count_kv', 'i32[]', ofBlocks.kvHeads]
      : ['attention.head_count_kv', 'u32', shape.kvHeads],
    ['attention.key_length', 'u32', shape.headSize],
    ['attention.value_length', 'u32', shape.valueSize ?? shape.headSize],
    [`attention.layer_norm_${norm === 'rms' ? 'rms_' : ''}epsilon`, 'f32', shape.epsilon],
    ['rope.dimension_count', 'u32', ropeSize],
    ['rope.freq_base', 'f32', shape.ropeBase],
    ['vocab_size', 'u32', shape.vocabulary],
  ];
  if (shape.scaling) {
    const { type, factor, originalContext, attentionFactor } = shape.scaling;
    keys.push(['rope.scaling.type', 'string', type]);
    if (factor) keys.push(['rope.scaling.factor', 'f32', factor]);
    keys.push(['rope.scaling.original_context_length', 'u32', originalContext]);
    if (attentionFactor) keys.push(['rope.scaling.attn_factor', 'f32', attentionFactor]);
  }
  if (shape.loops) keys.push(['num_loops', 'u32', shape.loops]);
  if (shape.window) keys.push(['attention.sliding_window', 'u32', shape.window]);
  keys.push(...(shape.keys ?? []));
  /** @type {KeyValue[]} */
  const entries = [
    ['general.architecture', 'string', family],
    ['general.name', 'string', `random ${shape.name}`],
    ['general.alignment', 'u32', 32],
    ['general.quantization_version', 'u32', 2],
    ...keys.map(([key, type, value]) => /** @type {KeyValue} */ ([`${family}.${key}`, type, value])),
  ];
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
 * @typedef {import('./gguf-writer.js').TensorInfo & {role: string, gain: number, values?: number[]}} LayoutTensor
 *   `gain`: what the matrix multiplies the size of a normalised input by; for norms, biases and the embedding, the
 *   typical size of an element; `values`: those that are not random
 */

/**
 * @typedef {{query?: number, value?: number, out?: number, down?: number, branch?: number, bias?: number,
 *   embedding?: number, logits?: number}} Gains `branch`: of norms behind attention and feed-forward network
 */

/** The tensors of a block; those of the role 'block' have no type yet. @param {Shape} shape @param {Gains} gains */
function blockTensors(shape, { query = 1.5, value = 1.5, out = 1.5, down = 2, branch = 0.7, bias = 0.4 }) {
  const { width, ffn, headSize, valueSize = headSize, heads, kvHeads } = shape;
  const { norms, norm: kind, headNorms, fused, gateUp, gateless, parallel, sinks, biases } = familyOf(shape);
  const keyWidth = kvHeads * headSize;
  const valueWidth = kvHeads * valueSize;
  const queryWidth = heads * headSize;
  /** @type {Omit<LayoutTensor, 'type'>[]} */
  const list = [];
  /** @param {string} role @param {string} name @param {number[]} size @param {number} gain */
  const floats = (role, name, size, gain) => list.push({ role, name, shape: size, gain });
  /** @param {string} name */
  const norm = (name, gain = 1) => {
    floats('norm', `${name}.weight`, [width], gain);
    if (kind === 'layer-bias') floats('bias', `${name}.bias`, [width], bias * gain);
  };
  /** @param {string} name @param {number} count */
  const headNorm = (name, count) => {
    const sizes = { each: [headSize], all: [count * headSize], own: [headSize, count] };
    if (headNorms) floats('norm', `${name}.weight`, sizes[headNorms], query);
  };
  /** @param {string} name @param {number} rows @param {number} columns @param {number} gain */
  const matrix = (name, rows, columns, gain) => {
    list.push({ role: 'block', name: `${name}.weight`, shape: [columns, rows], gain });
    if (biases.includes(name)) floats('bias', `${name}.bias`, [rows], bias);
  };
  if (norms !== 'behind') norm('attn_norm');
  if (parallel === 'other names') norm('attn_norm_2');
  if (fused) matrix('attn_qkv', queryWidth + keyWidth + valueWidth, width, query);
  else {
    matrix('attn_q', queryWidth, width, query);
    matrix('attn_k', keyWidth, width, query);
    matrix('attn_v', valueWidth, width, value);
  }
  headNorm('attn_q_norm', heads);
  headNorm('attn_k_norm', kvHeads);
  matrix('attn_output', width, heads * valueSize, out);
  if (sinks) floats('bias', 'attn_sinks.weight', [heads], 1);
  if (norms !== 'before') norm('post_attention_norm', branch);
  if (norms !== 'behind' && (!parallel || parallel === 'two norms')) norm('ffn_norm');
  if (!gateUp && !gateless) matrix('ffn_gate', ffn, width, 1.4);
  matrix('ffn_up', gateUp ? 2 * ffn : ffn, width, 1);
  matrix('ffn_down', width, ffn, down);
  if (norms !== 'before') norm('post_ffw_norm', branch);
  return list;
}

/**
 * The tensors of a shape. Default gains give attention that differs from token to token, a residual stream in which
 * every block counts, and logits with a deviation near `logits`.
 * @param {Shape} shape
 * @param {(role: string, name: string, columns: number) => WeightType} typeOf type of a matrix: its role ('embedding',
 *   'output', 'block'), its name, and the length of its rows
 * @param {Gains} [gains]
 * @returns {LayoutTensor[]}
 */
export function tensors(shape, typeOf, gains = {}) {
  const { embedding = 0.7, logits = 2.6, bias = 0.4 } = gains;
  const { width } = shape;
  const { norm: kind, positions, outputBias } = familyOf(shape);
  /** @type {LayoutTensor[]} */
  const list = [];
  /**
   * @param {string} role
   * @param {string} name
   * @param {WeightType} type
   * @param {number[]} size
   * @param {number} gain
   */
  const add = (role, name, type, size, gain) => list.push({ role, name: `${name}.weight`, type, shape: size, gain });
  /** @param {string} name @param {number[]} values */
  const factors = (name, values) =>
    list.push({ role: 'factors', name: `${name}.weight`, type: 'f32', shape: [values.length], gain: 1, values });
  add('embedding', 'token_embd', typeOf('embedding', 'token_embd', width), [width, shape.vocabulary], embedding);
  if (positions) add('positions', 'position_embd', 'f32', [width, shape.context], embedding);
  if (shape.ropeFactors) factors('rope_freqs', shape.ropeFactors);
  if (shape.longFactors) {
    factors('rope_factors_long', shape.longFactors.long);
    factors('rope_factors_short', shape.longFactors.short);
  }
  for (let i = 0; i < blockCount(shape); i++) {
    const own = Object.entries(shape.ofBlocks ?? {}).map(([name, numbers]) => [name, numbers[i]]);
    for (const tensor of blockTensors({ ...shape, ...Object.fromEntries(own) }, gains)) {
      const name = `blk.${i}.${tensor.name}`;
      const type = tensor.role === 'block' ? typeOf('block', name.replace('.weight', ''), tensor.shape[0]) : 'f32';
      list.push({ ...tensor, name, type });
    }
  }
  // A tied output is the embedding, whose elements are of size `embedding`; the last norm makes up for that.
  const last = shape.tied ? logits / (embedding * Math.sqrt(width)) : 1;
  /** @param {string} name @param {number[]} size @param {number} gain */
  const biasOf = (name, size, gain) =>
    list.push({ role: 'bias', name: `${name}.bias`, type: 'f32', shape: size, gain });
  add('norm', 'output_norm', 'f32', [width], last);
  if (kind === 'layer-bias') biasOf('output_norm', [width], bias * last);
  if (outputBias) biasOf('output', [shape.vocabulary], bias);
  if (!shape.tied) add('output', 'output', typeOf('output', 'output', width), [width, shape.vocabulary], logits);
  return list;
}

/**
 * Deviation of a tensor's elements that gives its gain.
 * @param {LayoutTensor} tensor
 */
export const deviation = (tensor) =>
  tensor.role === 'block' || tensor.role === 'output' ? tensor.gain / Math.sqrt(tensor.shape[0]) : tensor.gain;

/**
 * A tensor of random weights made straight in its file type, in pieces. Fast, not exact: for measuring, not for golden
 * results.
 * @param {LayoutTensor} tensor
 * @param {number} seed
 * @returns {Generator<Uint8Array>}
 */
function* randomTensor(tensor, seed) {
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  if (tensor.values) yield new Uint8Array(Float32Array.from(tensor.values).buffer);
  else if (tensor.role === 'norm') yield new Uint8Array(new Float32Array(count).fill(tensor.gain).buffer);
  else {
    const random = new Random(`${seed} ${tensor.name}`);
    const shapeBlocks = blockShaper(tensor.type, deviation(tensor));
    const [columns] = tensor.shape;
    const { bytes, weights } = FORMATS[tensor.type];
    byteLength(tensor.type, columns); // refuses rows that are no whole blocks
    const total = (count / weights) * bytes;
    const buffer = new ArrayBuffer(Math.min(Math.ceil(total / (bytes * 4)), 1 << 13) * bytes * 4);
    for (let done = 0; done < total; done += buffer.byteLength) {
      random.fill(new Uint32Array(buffer));
      const size = Math.min(buffer.byteLength, total - done);
      shapeBlocks(new DataView(buffer, 0, size));
      yield new Uint8Array(buffer, 0, size);
    }
    yield behindBlocks(tensor.type, deviation(tensor));
  }
}

const KINDS = `${Object.keys(FORMATS).join(', ')}; or ${Object.keys(MIXTURES).join(', ')}`;

// One type for all matrices, or one for each as a file type has it.
/** @param {string} type @param {Shape} shape */
function typesOf(type, shape) {
  if (isWeightType(type)) return { typeOf: () => type, fileType: pureFileType(type) };
  if (!MIXTURES[type]) throw new RangeError(`Unknown type "${type}"; known are ${KINDS}.`);
  /** @param {string} role @param {string} name @param {number} columns */
  const typeOf = (role, name, columns) => mixedType(type, shape, { role, name, columns });
  return { typeOf, fileType: MIXTURES[type][0] };
}

/**
 * Writes a random model.
 * @param {string} path
 * @param {{ shape: string | Shape, type?: string, seed?: number }} options `shape`: a name in SHAPES or one of your own;
 *   `type`: a weight type for every matrix, or a file type of MIXTURES (in capitals) for what llama.cpp's quantizer
 *   makes of it
 * @returns {{bytes: number}}
 */
export function writeRandomModel(path, { shape, type = 'q4_0', seed = 1 }) {
  const chosen = typeof shape === 'string' ? SHAPES[shape] : shape;
  if (!chosen) throw new RangeError(`Unknown shape "${shape}"; known are ${Object.keys(SHAPES).join(', ')}.`);
  const { typeOf, fileType } = typesOf(type, chosen);
  // Over a real vocabulary, logits of this deviation leave a few nats of entropy, as a trained model does.
  const list = tensors(chosen, typeOf, { logits: 4 });
  /** @param {LayoutTensor} tensor */
  const produce = (tensor) => randomTensor(tensor, seed);
  mkdirSync(dirname(path), { recursive: true });
  /** @type {KeyValue[]} */
  const entries = [...metadata(chosen), ['general.file_type', 'u32', fileType]];
  return writeGguf(path, { metadata: entries, tensors: list, produce });
}

const USAGE = `Usage: node tests/random-model.js --shape NAME --out FILE [--type q4_0] [--seed 1]
  --shape  ${Object.keys(SHAPES).join(' | ')}
  --type   ${Object.keys(FORMATS).join(' | ')}
           for every matrix, or, as llama.cpp's quantizer mixes them,
           ${Object.keys(MIXTURES).join(' | ')}`;

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
    const { bytes } = writeRandomModel(options.out, {
      shape: options.shape,
      type: options.type,
      seed: Number(options.seed),
    });
    console.log(`${options.out}: ${bytes} bytes`);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) main();
