// A model that is made on the spot, to measure a machine with before anything is downloaded: a llama without a
// vocabulary, its Q4_0 weights more than caches hold, and the same block of them over and over.

const WIDTH = 1024;
const FFN = 3072;
const HEADS = 16;
const KV_HEADS = 4;
const LAYERS = 10;
const VOCABULARY = 512;
const CONTEXT = 1024;

const ALIGNMENT = 32;
const TYPES = { u32: 4, f32: 6, string: 8 };
const F32 = { id: 0, weights: 1, bytes: 4 };
const Q4_0 = { id: 2, weights: 32, bytes: 18 };
// Enough of them that no pattern of a row meets itself; a multiple of both formats' bytes.
const PIECE_BYTES = 9 << 17;

/** Bytes as a GGUF header has them, little-endian. */
class Writer {
  /** @type {number[]} */
  #bytes = [];

  /** @param {number} value */
  u32(value) {
    for (let shift = 0; shift < 32; shift += 8) this.#bytes.push((value >>> shift) & 255);
  }

  /** @param {number} value */
  u64(value) {
    this.u32(value % 2 ** 32);
    this.u32(Math.floor(value / 2 ** 32));
  }

  /** @param {number} value */
  f32(value) {
    this.#bytes.push(...new Uint8Array(Float32Array.of(value).buffer));
  }

  /** @param {string} value */
  string(value) {
    const bytes = new TextEncoder().encode(value);
    this.u64(bytes.length);
    this.#bytes.push(...bytes);
  }

  /** All of it, filled up to the alignment. */
  aligned() {
    const length = this.#bytes.length;
    const bytes = new Uint8Array(Math.ceil(length / ALIGNMENT) * ALIGNMENT);
    bytes.set(this.#bytes);
    return bytes;
  }
}

/** @type {() => ([key: string, type: 'string', value: string] | [key: string, type: 'u32' | 'f32', value: number])[]} */
const metadata = () => [
  ['general.architecture', 'string', 'llama'],
  ['general.name', 'string', 'synthetic'],
  ['general.alignment', 'u32', ALIGNMENT],
  ['llama.context_length', 'u32', CONTEXT],
  ['llama.embedding_length', 'u32', WIDTH],
  ['llama.block_count', 'u32', LAYERS],
  ['llama.feed_forward_length', 'u32', FFN],
  ['llama.attention.head_count', 'u32', HEADS],
  ['llama.attention.head_count_kv', 'u32', KV_HEADS],
  ['llama.attention.layer_norm_rms_epsilon', 'f32', 1e-5],
  ['llama.rope.freq_base', 'f32', 10000],
  ['llama.vocab_size', 'u32', VOCABULARY],
  ['tokenizer.ggml.model', 'string', 'no_vocab'],
];

/** @typedef {{ name: string, format: typeof Q4_0, shape: number[] }} Tensor */

/** @returns {Tensor[]} shapes as in a GGUF file: columns first */
function tensors() {
  const keyWidth = (WIDTH / HEADS) * KV_HEADS;
  /** @param {string} name @param {number} columns @param {number} rows */
  const matrix = (name, columns, rows) => ({ name: `${name}.weight`, format: Q4_0, shape: [columns, rows] });
  /** @param {string} name */
  const norm = (name) => ({ name: `${name}.weight`, format: F32, shape: [WIDTH] });
  /** @param {number} index */
  const block = (index) => [
    norm(`blk.${index}.attn_norm`),
    matrix(`blk.${index}.attn_q`, WIDTH, WIDTH),
    matrix(`blk.${index}.attn_k`, WIDTH, keyWidth),
    matrix(`blk.${index}.attn_v`, WIDTH, keyWidth),
    matrix(`blk.${index}.attn_output`, WIDTH, WIDTH),
    norm(`blk.${index}.ffn_norm`),
    matrix(`blk.${index}.ffn_gate`, WIDTH, FFN),
    matrix(`blk.${index}.ffn_up`, WIDTH, FFN),
    matrix(`blk.${index}.ffn_down`, FFN, WIDTH),
  ];
  const blocks = Array.from({ length: LAYERS }, (_, index) => block(index)).flat();
  return [matrix('token_embd', WIDTH, VOCABULARY), ...blocks, norm('output_norm')];
}

/** @param {Tensor} tensor */
const weightsOf = ({ shape }) => shape.reduce((product, size) => product * size, 1);
/** @param {Tensor} tensor */
const bytesOf = (tensor) => (weightsOf(tensor) / tensor.format.weights) * tensor.format.bytes;

/** @param {Tensor[]} list */
function headerOf(list) {
  const writer = new Writer();
  const pairs = metadata();
  writer.u32(0x46554747);
  writer.u32(3);
  writer.u64(list.length);
  writer.u64(pairs.length);
  for (const [key, type, value] of pairs) {
    writer.string(key);
    writer.u32(TYPES[type]);
    if (type === 'string') writer.string(value);
    else writer[type](value);
  }
  let offset = 0;
  for (const tensor of list) {
    writer.string(tensor.name);
    writer.u32(tensor.shape.length);
    for (const size of tensor.shape) writer.u64(size);
    writer.u32(tensor.format.id);
    writer.u64(offset);
    offset += bytesOf(tensor);
  }
  return writer.aligned();
}

/** Blocks with made-up nibbles and scales near 0.01, so that no activation vanishes or overflows. */
function blocks() {
  const bytes = new Uint8Array(PIECE_BYTES);
  let state = 1;
  for (let index = 0; index < bytes.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  // Half floats from 0x1f00 up are 0.0068, those to 0x22ff are 0.0137.
  for (let start = 0; start < bytes.length; start += Q4_0.bytes) bytes[start + 1] = 0x1f + (bytes[start + 1] & 3);
  return bytes;
}

/**
 * @returns {{ source: import('../sources/source.js').Source, weightBytes: number, weights: number }} what every token goes
 *   through: all matrices, of which the first is also the output
 */
export function syntheticModel() {
  const list = tensors();
  const matrices = list.filter(({ format }) => format === Q4_0);
  /** @param {number[]} values */
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const header = headerOf(list);
  const pieces = piecesOf(header, list);
  /** @type {import('../sources/source.js').Source} */
  const source = {
    kind: 'load',
    name: 'synthetic',
    size: header.length + sum(list.map(bytesOf)),
    read: async () => pieces.next().value ?? null,
    close: async () => {},
  };
  return { source, weightBytes: sum(matrices.map(bytesOf)), weights: sum(matrices.map(weightsOf)) };
}

/** @param {Uint8Array} header @param {Tensor[]} list @returns {Generator<Uint8Array, void>} */
function* piecesOf(header, list) {
  yield header;
  const pattern = blocks();
  for (const tensor of list) {
    const total = bytesOf(tensor);
    if (tensor.format === F32) yield new Uint8Array(new Float32Array(WIDTH).fill(1).buffer);
    else for (let done = 0; done < total; done += pattern.length) yield pattern.subarray(0, total - done);
  }
}
