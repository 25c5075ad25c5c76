// Damaged and odd model files, one or more for each way in which a file can lie: all are the same small model but for one
// thing. What native/gguf_test.c and native/model_test.c try on the core, these try on the whole library.
import { ggufBytes } from '../gguf-writer.js';
import { metadata, tensors } from '../random-model.js';
import { SMALL_SHAPE } from '../small-model.js';
import { BLOCK_TYPES, blocksOf, setScale } from '../weight-types.js';

/** @typedef {import('../gguf-writer.js').Entry} Entry */
/** @typedef {import('../gguf-writer.js').Told} Told */
/** @typedef {import('../model-shapes.js').Shape} Shape */
/** @typedef {import('../random-model.js').LayoutTensor & { data?: Uint8Array }} Written with bytes of its own, or random ones */

const VERSION_AT = 4;
const TENSORS_AT = 8;
const ENTRIES_AT = 16;

/**
 * The model as it should be, with `entries` in place of those of the same keys or behind all, and `change`d tensors.
 * @param {{ entries?: Entry[], change?: (list: Written[]) => Written[], value?: number, shape?: Shape }} [options]
 */
function model({ entries = [], change = (list) => list, value = 1, shape = SMALL_SHAPE } = {}) {
  /** @param {Entry} entry */
  const keyOf = (entry) => (Buffer.isBuffer(entry) ? null : entry[0]);
  const replaced = new Set(entries.map(keyOf));
  const kept = metadata(shape).filter((entry) => !replaced.has(keyOf(entry)));
  const list = change(tensors(shape, () => 'f32'));
  /** @param {Written} tensor */
  const produce = function* ({ shape: sizes, data }) {
    const count = sizes.reduce((product, size) => product * size, 1);
    yield data ?? Buffer.from(new Float32Array(count).fill(value / 100).buffer);
  };
  // Keys that are to be absent have the type 'none'.
  const written = [...kept, ...entries].filter((entry) => Buffer.isBuffer(entry) || entry[1] !== 'none');
  return ggufBytes({ metadata: written, tensors: list, produce });
}

/** @param {number} bits @param {number | bigint} value */
const number = (bits, value) => {
  const bytes = Buffer.alloc(bits / 8);
  if (bits === 64) bytes.writeBigUInt64LE(BigInt(value));
  else bytes.writeUInt32LE(Number(value));
  return bytes;
};
/** @param {string} value @param {number | bigint} [length] */
const text = (value, length = Buffer.byteLength(value)) => Buffer.concat([number(64, length), Buffer.from(value)]);

/**
 * An entry of the metadata as bytes: whatever type and value.
 * @param {string | Buffer} key
 * @param {number} type
 * @param {...Buffer<ArrayBuffer>} value
 */
const entry = (key, type, ...value) =>
  Buffer.concat([Buffer.isBuffer(key) ? key : text(key), number(32, type), ...value]);
/** @param {number} type @param {number | bigint} length @param {...Buffer<ArrayBuffer>} items */
const array = (type, length, ...items) => [number(32, type), number(64, length), ...items];
const TYPE = { u8: 0, u32: 4, bool: 7, string: 8, array: 9 };

/** @param {number} at @param {Buffer<ArrayBuffer>} bytes */
const patched = (at, bytes) => () => {
  const file = model();
  bytes.copy(file, at);
  return file;
};
/** @param {number} length */
const cut = (length) => () => model().subarray(0, length);
/** @param {Parameters<typeof entry>} args */
const withEntry =
  (...args) =>
  () =>
    model({ entries: [entry(...args)] });
/** @param {string} key @param {string} type @param {unknown} [value] */
const withKey = (key, type, value) => () => model({ entries: [[key, type, value]] });
/** @param {...Entry} entries */
const withKeys =
  (...entries) =>
  () =>
    model({ entries });
/** What the file says of its first tensor. @param {Told} told */
const telling = (told) => () => model({ change: ([first, ...others]) => [{ ...first, told }, ...others] });
/** @param {string} name */
const without = (name) => () => model({ change: (list) => list.filter((tensor) => tensor.name !== name) });
/** @param {string} name @param {number[]} shape */
const reshaped = (name, shape) => () =>
  model({
    change: (list) => list.map((tensor) => (tensor.name === name ? { ...tensor, shape } : tensor)),
  });

// Rows of 256 weights are whole blocks of every type.
const WIDE = { ...SMALL_SHAPE, ffn: 256 };

/**
 * Blocks of a type in place of a tensor, as they are or spoilt; `told`: what else the file says of it. For the writer
 * they are numbers of two bytes.
 * @param {string} type
 * @param {(blocks: Buffer<ArrayBuffer>, bytes: number) => unknown} [spoil] `bytes`: of a block
 * @param {{ name?: string, told?: Told, last?: boolean }} [options]
 */
function ofType(type, spoil = () => {}, { name = 'blk.1.ffn_down.weight', told = {}, last = false } = {}) {
  const { id, weights, bytes } = BLOCK_TYPES[type];
  /** @param {Written} tensor @returns {Written} */
  const become = (tensor) => {
    const data = blocksOf(type, tensor.shape.reduce((product, size) => product * size, 1) / weights);
    spoil(data, bytes);
    return {
      ...tensor,
      type: 'f16',
      shape: [data.length / 2],
      data,
      told: { shape: tensor.shape, type: id, ...told },
    };
  };
  /** @param {Written[]} list */
  const change = (list) => {
    const changed = list.map((one) => (one.name === name ? become(one) : one));
    return last ? changed.sort((a, b) => Number(a.name === name) - Number(b.name === name)) : changed;
  };
  return () => model({ shape: WIDE, change });
}

/** The same as the last tensor of a file whose last bytes are missing. @param {string} type @param {number} missing */
const cutWithin = (type, missing) => () => {
  const file = ofType(type, undefined, { last: true })();
  return file.subarray(0, file.length - missing);
};

/** Spoils one scale or minimum of the last block. @param {string} type @param {number} half @param {number} index */
const lastScale = (type, half, index) => (/** @type {Buffer<ArrayBuffer>} */ blocks, /** @type {number} */ bytes) =>
  setScale(type, blocks.subarray(blocks.length - bytes), half, { index, byte: 0xff });

/** For each type with blocks: { name of a case: its file }. @param {(type: string) => Record<string, () => Uint8Array>} makers */
const eachType = (makers) => Object.assign({}, ...Object.keys(BLOCK_TYPES).map(makers));

/** A file whose matrices are all Q2_0, in groups of so many weights. @param {number} group */
function inGroups(group) {
  const shape = { ...WIDE, width: 256, headSize: 64 };
  /** @param {Written} tensor @returns {Written} */
  const become = (tensor) => {
    if (tensor.shape.length === 1) return tensor;
    const weights = tensor.shape.reduce((product, size) => product * size, 1);
    const data = Buffer.alloc((weights / group) * (2 + group / 4));
    return {
      ...tensor,
      type: 'f16',
      shape: [data.length / 2],
      data,
      told: { shape: tensor.shape, type: 42 },
    };
  };
  return () => model({ shape, change: (list) => list.map(become) });
}

/** @param {number} depth */
function nested(depth) {
  const levels = Array.from({ length: depth }, () => array(TYPE.array, 1)).flat();
  return entry('a.nest', TYPE.array, ...levels, ...array(TYPE.u8, 0));
}

const vocabulary = Object.fromEntries(metadata(SMALL_SHAPE).map(([key, , value]) => [key, value]));
/** @type {string[]} */
const tokens = vocabulary['tokenizer.ggml.tokens'];
/** @param {string} value */
const template = (value) => withKey('tokenizer.chat_template', 'string', value);

/**
 * What has to come of a file: the model is refused with a code that matches; 'accept', it is loaded and writes; or it is
 * loaded, and a chat fails with that code.
 * @typedef {{ expect: string | RegExp, make: () => Uint8Array }} DamagedModel
 */

/**
 * @param {DamagedModel['expect']} expect
 * @param {Record<string, DamagedModel['make']>} makers
 * @returns {Record<string, DamagedModel>}
 */
const all = (expect, makers) =>
  Object.fromEntries(Object.entries(makers).map(([name, make]) => [name, { expect, make }]));

/** By what is wrong with each. @type {Record<string, DamagedModel>} */
export const DAMAGED_MODELS = {
  ...all('accept', {
    'the model as it is': () => model(),
    'an empty array': withEntry('a.empty', TYPE.array, ...array(TYPE.u8, 0)),
    'bytes behind the last tensor': () => Buffer.concat([model(), Buffer.alloc(100)]),
  }),

  // The container: header, metadata, tensor infos.
  ...all(/^GGUF_/, {
    'no bytes': cut(0),
    'three bytes': cut(3),
    'cut within the counts': cut(20),
    'cut within the metadata': cut(60),
    'cut one byte short': () => model().subarray(0, -33),
    'no data': () => {
      const file = model();
      return file.subarray(0, file.length - file.length / 2);
    },
    'another magic number': patched(0, Buffer.from('GGML')),
    'version 0': patched(VERSION_AT, number(32, 0)),
    'version 1': patched(VERSION_AT, number(32, 1)),
    'a version of the future': patched(VERSION_AT, number(32, 4)),
    'bytes in the other order': patched(VERSION_AT, Buffer.from([0, 0, 0, 3])),
    '2^63 tensors': patched(TENSORS_AT, number(64, 2n ** 63n)),
    '2^64 - 1 tensors': patched(TENSORS_AT, number(64, 2n ** 64n - 1n)),
    '2^40 tensors': patched(TENSORS_AT, number(64, 2n ** 40n)),
    '2^40 entries': patched(ENTRIES_AT, number(64, 2n ** 40n)),
    '2^64 - 1 entries': patched(ENTRIES_AT, number(64, 2n ** 64n - 1n)),
    'a key of 2^63 bytes': withEntry(text('a', 2n ** 63n), TYPE.u8),
    'a key of 2^64 - 1 bytes': withEntry(text('a', 2n ** 64n - 1n), TYPE.u8),
    'an empty key': withEntry('', TYPE.u8, Buffer.of(1)),
    'a key that stands twice': withKeys(entry('a.b', TYPE.u8, Buffer.of(1)), entry('a.b', TYPE.u8, Buffer.of(1))),
    'a value of type 13': withEntry('a.b', 13, number(64, 0)),
    'a value of type 2^32 - 1': withEntry('a.b', 0xffffffff, number(64, 0)),
    'a text of 1 GiB': withEntry('a.b', TYPE.string, text('ab', 1 << 30)),
    'a text of 2^64 - 1 bytes': withEntry('a.b', TYPE.string, text('ab', 2n ** 64n - 1n)),
    'an array of 2^63 bytes': withEntry('a.b', TYPE.array, ...array(TYPE.u8, 2n ** 63n)),
    'an array of 2^62 numbers, whose size wraps': withEntry('a.b', TYPE.array, ...array(TYPE.u32, 2n ** 62n)),
    'an array of 2^30 texts': withEntry('a.b', TYPE.array, ...array(TYPE.string, 1 << 30)),
    'an array of an unknown type': withEntry('a.b', TYPE.array, ...array(77, 1, number(64, 0))),
    'arrays 20,000 deep': () => model({ entries: [nested(20_000)] }),
    'an alignment of 0': withKey('general.alignment', 'u32', 0),
    'an alignment of 33': withKey('general.alignment', 'u32', 33),
    'an alignment of 2^31': withKey('general.alignment', 'u32', 2 ** 31),
    'an alignment that is a text': withKey('general.alignment', 'string', '32'),
    'a tensor name of 64 bytes': () =>
      model({ change: ([first, ...others]) => [{ ...first, name: 'n'.repeat(64) }, ...others] }),
    'a tensor that stands twice': () => model({ change: (list) => [...list, list[1]] }),
    'a tensor of no dimensions': telling({ shape: [] }),
    'a tensor of 5 dimensions': telling({ shape: [64, 300, 1, 1, 1] }),
    'a tensor of 2^32 - 1 dimensions': telling({ dimensions: 0xffffffff }),
    'a dimension of 0': telling({ shape: [64, 0] }),
    'a dimension of 2^63': telling({ shape: [64, 2n ** 63n] }),
    'dimensions whose product wraps to 0': telling({ shape: [2n ** 32n, 2n ** 32n] }),
    'a size that wraps in 32 bits': telling({ shape: [2 ** 16, 2 ** 15 + 1] }),
    'a size that padding wraps': telling({ shape: [2n ** 62n - 1n] }),
    'a size of blocks that wraps': telling({ shape: [2n ** 61n, 16], type: 2 }),
    'a row that is no whole block': telling({ shape: [48, 400], type: 2 }),
    'a type that was removed': telling({ type: 4 }),
    'a type of a fork': telling({ type: 139 }),
    'a type of a fork with interleaved rows': telling({ type: 339 }),
    'I2_S that is cut within its scale': cutWithin('I2_S', 29),
    'I2_S that is cut behind its scale': cutWithin('I2_S', 1),
    'Q2_0 in groups of 128, as before it was in llama.cpp': inGroups(128),
    ...eachType((type) => ({
      [`rows that are no whole blocks of ${type}`]: telling({
        shape: [BLOCK_TYPES[type].weights * 3 - BLOCK_TYPES[type].weights / 2, 8],
        type: BLOCK_TYPES[type].id,
      }),
      [`a size of ${type} that wraps`]: telling({ shape: [2n ** 60n, 8n], type: BLOCK_TYPES[type].id }),
      [`${type} that is cut short`]: cutWithin(type, 40), // more than padding
      [`an offset of ${type} behind the file`]: ofType(type, undefined, { told: { offset: 2 ** 40 } }),
    })),
    'a type that is unknown': telling({ type: 99 }),
    'a type of 2^32 - 1': telling({ type: 0xffffffff }),
    'an offset that is not aligned': telling({ offset: 1 }),
    'an offset into another tensor': telling({ offset: 64 * 300 * 4 }),
    'an offset behind the file': telling({ offset: 2 ** 40 }),
    'an offset that wraps': telling({ offset: 2n ** 64n - 32n }),
    'a key with a zero byte': withEntry('a\0b', TYPE.u8, Buffer.of(1)),
    'a key that is no UTF-8': withEntry(Buffer.concat([number(64, 2), Buffer.of(0xff, 0xfe)]), TYPE.u8, Buffer.of(1)),
    'a bool of 2': withEntry('a.b', TYPE.bool, Buffer.of(2)),
  }),

  // The model: a container that is whole, around numbers that are not.
  ...all(/^MODEL_/, {
    'an architecture that is a number': withKey('general.architecture', 'u32', 1),
    'an architecture that is unknown': withKey('general.architecture', 'string', 'nonesuch'),
    'no architecture': withKey('general.architecture', 'none'),
    'a width of 0': withKey('llama.embedding_length', 'u32', 0),
    'a width that the tensors do not have': withKey('llama.embedding_length', 'u32', 96),
    'a feed-forward width of 0': withKey('llama.feed_forward_length', 'u32', 0),
    'no heads': withKey('llama.attention.head_count', 'u32', 0),
    'heads that do not divide the width': withKey('llama.attention.head_count', 'u32', 3),
    'no KV heads': withKey('llama.attention.head_count_kv', 'u32', 0),
    'more KV heads than heads': withKey('llama.attention.head_count_kv', 'u32', 8),
    'heads in an array that is too short': withKey('llama.attention.head_count', 'u32[]', []),
    'no blocks': withKey('llama.block_count', 'u32', 0),
    'more blocks than there are tensors for': withKey('llama.block_count', 'u32', 3),
    '100,000 blocks': withKey('llama.block_count', 'u32', 100_000),
    '2^32 - 1 blocks': withKey('llama.block_count', 'u32', 0xffffffff),
    'an epsilon that is a text': withKey('llama.attention.layer_norm_rms_epsilon', 'string', 'small'),
    'an epsilon that is no number': withKey('llama.attention.layer_norm_rms_epsilon', 'f32', Number.NaN),
    'an odd number of rotated dimensions': withKey('llama.rope.dimension_count', 'u32', 7),
    'more rotated dimensions than a head has': withKey('llama.rope.dimension_count', 'u32', 64),
    'a rotation base that is no number': withKey('llama.rope.freq_base', 'f32', Number.NaN),
    experts: withKeys(['llama.expert_count', 'u32', 2], ['llama.expert_used_count', 'u32', 4]),
    'a tensor that is missing': without('blk.1.ffn_down.weight'),
    'no embedding': without('token_embd.weight'),
    'an embedding of fewer rows than tokens': reshaped('token_embd.weight', [64, 200]),
    'a matrix on its side': reshaped('blk.0.attn_k.weight', [32, 64]),
    'a norm that is too short': reshaped('blk.0.attn_norm.weight', [32]),
    'a norm of two dimensions': reshaped('blk.0.attn_norm.weight', [8, 8]),
    'a norm of whole numbers': () =>
      model({
        change: (list) => list.map((one) => (one.name === 'output_norm.weight' ? { ...one, told: { type: 26 } } : one)),
      }),
    'a context of 2^32 - 1': withKey('llama.context_length', 'u32', 0xffffffff),
    'a context of 0': withKey('llama.context_length', 'u32', 0),
    'a window of 2^31': withKey('llama.attention.sliding_window', 'u32', 2 ** 31),
    'a rotation base of 0': withKey('llama.rope.freq_base', 'f32', 0),
    'one of 65,535 files': withKeys(['split.count', 'u16', 65535], ['split.no', 'u16', 0]),
  }),
  // Of NVFP4, whose scales have no infinity, the one NaN is a zero.
  ...all(
    /^MODEL_BAD_TENSOR$/,
    eachType((type) => {
      const parts = Math.max(1, BLOCK_TYPES[type].halves.length);
      const spoilt = Array.from({ length: parts }, (_, index) => [
        [`${type} with an infinite scale ${index}`, ofType(type, lastScale(type, 0x7c00, index))],
        [`${type} with a scale ${index} that is no number`, ofType(type, lastScale(type, 0xfe00, index))],
      ]);
      return type === 'NVFP4' ? {} : Object.fromEntries(spoilt.flat());
    }),
  ),
  ...all('accept', {
    'Q2_0 in groups of 64': inGroups(64),
    'a scale of NVFP4 that is NaN': ofType('NVFP4', (blocks) => blocks.fill(0x7f, 0, 4)),
    ...eachType((type) => ({
      [`a matrix of ${type}`]: ofType(type),
    })),
  }),
  ...all(/^MODEL_BAD_TENSOR$/, {
    'weights that are infinite': () => model({ value: Number.POSITIVE_INFINITY }),
    'weights that are no numbers': () => model({ value: Number.NaN }),
  }),

  // Tokenizer and chat template.
  ...all(/^(TOKENIZER|MODEL)_/, {
    'no tokens': withKey('tokenizer.ggml.tokens', 'string[]', []),
    'tokens that are numbers': withKey(
      'tokenizer.ggml.tokens',
      'u32[]',
      tokens.map((_, id) => id),
    ),
    'fewer tokens than the embedding has rows': withKey('tokenizer.ggml.tokens', 'string[]', tokens.slice(0, 280)),
    'token types of one byte': withKey(
      'tokenizer.ggml.token_type',
      'u8[]',
      tokens.map(() => 1),
    ),
    'too few token types': withKey('tokenizer.ggml.token_type', 'i32[]', [1, 1]),
    'scores of one byte': withKeys(
      ['tokenizer.ggml.model', 'string', 'llama'],
      ['tokenizer.ggml.scores', 'u8[]', tokens.map(() => 0)],
    ),
    'a byte token of -1': withKeys(
      ['tokenizer.ggml.model', 'string', 'llama'],
      ['tokenizer.ggml.tokens', 'string[]', tokens.map((token, id) => (id === 5 ? '<0x-1>' : token))],
      ['tokenizer.ggml.token_type', 'i32[]', tokens.map((_, id) => (id === 5 ? 6 : 1))],
      ['tokenizer.ggml.scores', 'f32[]', tokens.map(() => 0)],
    ),
    'no merges': withKey('tokenizer.ggml.merges', 'none'),
    'a merge without a space': withKey('tokenizer.ggml.merges', 'string[]', ['ab']),
    'a tokenizer that is unknown': withKey('tokenizer.ggml.model', 'string', 'nonesuch'),
  }),
  ...all('accept', {
    'an end of text beyond the vocabulary': withKey('tokenizer.ggml.eos_token_id', 'u32', 0xffffffff),
    'merges of unknown pieces': withKey('tokenizer.ggml.merges', 'string[]', ['nonesuch nowhere', 'a b']),
    'tokens that stand twice, and an empty one': withKey(
      'tokenizer.ggml.tokens',
      'string[]',
      tokens.map((token, id) => (id >= 296 ? ['twice', 'twice', '', '__proto__'][id - 296] : token)),
    ),
    'a token of 70,000 bytes': withKey(
      'tokenizer.ggml.tokens',
      'string[]',
      tokens.map((token, id) => (id === 299 ? 'x'.repeat(70_000) : token)),
    ),
    'control tokens only': withKey(
      'tokenizer.ggml.token_type',
      'i32[]',
      tokens.map(() => 3),
    ),
  }),
  ...all('CHAT_TEMPLATE_FAILED', {
    'a template of 20,000 brackets': template(`{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`),
    'a template that never ends': template('{% for i in range(1000000000) %}x{% endfor %}'),
    'a template that doubles a text': template(
      `{% set n = namespace(s='x') %}{% for i in range(64) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}`,
    ),
    'a template that calls itself': template('{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}'),
    'a template that looks for Python': template("{{ ''.__class__.__mro__[1].__subclasses__() }}"),
    'a template that is broken': template('{% for'),
    'a template that is a number': withKey('tokenizer.chat_template', 'u32', 7),
  }),
};
