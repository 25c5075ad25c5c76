// Random metadata of tokenizers, made of good ones: whatever comes of them is a tokenizer that keeps what it promises for
// every text, or a NibbleError.
import assert from 'node:assert/strict';
import { createTokenizer } from '../../js/tokenizer/tokenizer.js';
import { TEXTS, VOCABULARIES } from '../tokenizer/vocabularies.js';

/** @typedef {import('./random.js').Random} Random */
/** @typedef {import('../gguf-writer.js').KeyValue} KeyValue */
/** @typedef {import('../../js/tokenizer/tokenizer.js').Tokenizer} Tokenizer */

/** @typedef {(string | number)[] | Int32Array | Float64Array | BigInt64Array} List and other arrays of numbers */

const PREFIX = 'tokenizer.ggml.';
/** @type {Record<string, { from(numbers: number[]): ArrayBufferView } | undefined>} */
const ARRAYS = Object.freeze({ 'i32[]': Int32Array, 'u32[]': Uint32Array, 'i8[]': Int8Array, 'f32[]': Float32Array });

/** As a file's reader gives it: arrays of numbers are typed. @param {KeyValue} entry @returns {[string, unknown]} */
const asRead = ([key, type, value]) => [key, ARRAYS[type]?.from(value) ?? value];
const CORPUS = Object.values(VOCABULARIES).map((create) => new Map(create().map(asRead)));

const STRINGS = [
  ...[
    '',
    ' ',
    'a',
    '▁',
    '▁▁',
    'Ġ',
    '<0x0A>',
    '<0xZZ>',
    '<s>',
    '<|end|>',
    '<|im_start|>',
    '<unk>',
    '\ud800',
    '😀',
    '\0',
    'a b',
    ' a',
  ],
  ...[
    'llama',
    'gpt2',
    'gemma4',
    'whitespace',
    'bert',
    't5',
    'no-such',
    'llama-bpe',
    'qwen2',
    'tekken',
    'superbpe',
    'tiny_aya',
    'deepseek-llm',
    'sarvam-moe',
    'jina-v2-de',
    '<mask>',
    '__proto__',
    'constructor',
    'x'.repeat(5000),
    'phi-3',
    '\u200b',
  ],
];
const NUMBERS = [0, 1, -1, 2, 255, 256, 1e9, 2 ** 32 - 1, 2 ** 53, -(2 ** 63), NaN, Infinity, 0.5, 5n, 2n ** 63n];
const KEYS = [
  ...[
    'model',
    'pre',
    'tokens',
    'token_type',
    'scores',
    'merges',
    'bos_token_id',
    'eos_token_id',
    'eot_token_id',
    'eom_token_id',
  ],
  ...['unknown_token_id', 'padding_token_id', 'add_bos_token', 'add_eos_token', 'add_space_prefix'],
  ...['seperator_token_id', 'mask_token_id', 'fim_pad_token_id', 'add_sep_token', 'remove_extra_whitespaces'],
  ...['normalizer.lowercase', 'normalizer.strip_accents', 'precompiled_charsmap'],
].map((name) => PREFIX + name);

const NUMBER_ARRAYS = /** @type {{ from(numbers: (number | bigint)[]): List }[]} */ ([
  ...[Int32Array, Uint32Array, Float32Array],
  ...[Float64Array, Uint8Array, BigInt64Array],
]);

/** @param {Random} random */
function randomValue(random) {
  const kind = random.below(9);
  if (kind < 2) return random.pick(STRINGS);
  if (kind < 4) return random.pick(NUMBERS);
  if (kind === 4) return random.pick([true, false, undefined, null]);
  if (kind === 5) return Array.from({ length: random.below(300) }, () => random.pick(STRINGS));
  if (kind === 6) return Array.from({ length: random.below(300) }, () => random.pick(NUMBERS));
  const type = random.pick(NUMBER_ARRAYS);
  const isBig = type === BigInt64Array;
  return type.from(Array.from({ length: random.below(600) }, () => (isBig ? 3n : Number(random.pick(NUMBERS)))));
}

/** A list with something of it changed. @param {List} list @param {Random} random */
function changed(list, random) {
  if (list instanceof BigInt64Array) return list;
  const copy = list.slice();
  const isText = typeof copy[0] === 'string';
  const one = () =>
    isText ? (random.once(3) ? copy[random.below(copy.length)] : random.pick(STRINGS)) : Number(random.pick(NUMBERS));
  for (let changes = 1 + random.below(8); changes > 0 && copy.length > 0; changes--)
    copy[random.below(copy.length)] = one();
  if (random.once(3)) return copy.slice(0, random.below(copy.length + 1));
  return random.once(4) && Array.isArray(copy) ? [...copy, ...Array.from({ length: random.below(50) }, one)] : copy;
}

/** @param {unknown} value @returns {value is List} */
const isList = (value) => Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);

/** @param {Random} random */
function randomText(random) {
  const parts = Array.from({ length: random.below(6) }, () => random.pick(random.once(2) ? TEXTS : STRINGS));
  return parts.join(random.pick(['', ' ', '\n'])).slice(0, 4000);
}

/**
 * Every id is a token, and bytes and texts of all tokens can be had.
 * @param {Tokenizer} tokenizer
 * @param {{ texts: string[], said: number[] }} options
 */
function checkTokenizer(tokenizer, { texts, said }) {
  for (const { code, message } of tokenizer.warnings) assert.ok(/^[A-Z_]+$/.test(code) && typeof message === 'string');
  for (const text of texts) {
    for (const parseSpecial of [true, false]) {
      const ids = tokenizer.encode(text, { parseSpecial, said });
      assert.ok(
        ids.every((id) => Number.isInteger(id) && id >= 0 && id < tokenizer.vocabularySize),
        'an id is no token',
      );
      assert.equal(typeof tokenizer.decode(ids), 'string');
      for (const id of ids.slice(0, 100)) assert.equal(typeof tokenizer.text(id), 'string');
    }
    const plain = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
    const { unknown } = tokenizer.ids;
    assert.ok(!plain.some((id) => tokenizer.isControl(id) && id !== unknown), 'a text became a control token');
  }
}

export default {
  /** @param {Random} random */
  describe(random) {
    const entries = new Map(random.pick(CORPUS));
    for (let changes = random.below(4); changes > 0; changes--) {
      const key = random.pick(KEYS);
      const value = entries.get(key);
      if (random.once(4)) entries.delete(key);
      else entries.set(key, isList(value) && !random.once(4) ? changed(value, random) : randomValue(random));
    }
    return { entries, texts: [randomText(random), randomText(random)], said: random.once(2) ? [0, 3] : [] };
  },
  /**
   * @param {{ entries: Map<string, unknown>, texts: string[], said: number[] }} options
   * @returns {boolean} whether there is a tokenizer
   */
  run({ entries, texts, said }) {
    checkTokenizer(createTokenizer(entries), { texts, said });
    return true;
  },
};
