import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { Tokenizer } from '@huggingface/tokenizers';
import { NibbleError } from '../../js/base/errors.js';
import { halfCharacterAt } from '../../js/generate/half-character.js';
import { mergeWord } from '../../js/tokenizer/merge.js';
import { createTokenizer } from '../../js/tokenizer/tokenizer.js';
import { fixture, skipWithout } from '../fixtures.js';
import { readMetadata } from '../gguf-reader.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';
import { characterMap } from './character-map.js';

const KEY = 'tokenizer.ggml.';
const metadata = (/** @type {any} */ keys) => ({
  get: (/** @type {string} */ key) => (key.startsWith(KEY) ? keys[key.slice(KEY.length)] : keys[key]),
});
const byteName = (/** @type {number} */ byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

/** A SentencePiece vocabulary: 3 special, 256 bytes, then the pieces, better scores first. @param {string[]} pieces */
function sentencePiece(pieces, more = {}) {
  const bytes = Array.from({ length: 256 }, (_, byte) => byteName(byte));
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, ...pieces];
  return metadata({
    model: 'llama',
    tokens,
    scores: Float32Array.from(tokens, (_, id) => (id < 259 ? 0 : 258 - id)),
    token_type: Int32Array.from(tokens, (_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1)),
    ...more,
  });
}
const FIRST = 259;

const ALPHABET = (() => {
  const characters = [];
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    characters.push(String.fromCharCode(printable ? byte : next++));
  }
  return characters;
})();

/**
 * A byte-level vocabulary: the 256 bytes in order, then what the merges make, then special tokens.
 * @param {string[]} merges
 * @param {string[]} [special]
 */
function byteLevel(merges, special = [], more = {}) {
  const tokens = [...ALPHABET, ...merges.map((merge) => merge.replace(' ', '')), ...special];
  const token_type = Int32Array.from(tokens, (piece) => (special.includes(piece) ? 3 : 1));
  return metadata({ model: 'gpt2', pre: 'gpt-2', tokens, token_type, merges, ...more });
}

/**
 * @param {string} code
 * @param {ReturnType<typeof metadata> | ReturnType<typeof import('../gguf-reader.js').readMetadata>} keys
 */
const refuses = (code, keys) =>
  assert.throws(
    () => createTokenizer(keys),
    (error) => error instanceof NibbleError && error.code === code && /\.$/.test(error.message),
  );

test('merges the best score first, the leftmost of equal scores', () => {
  const tokenizer = createTokenizer(sentencePiece(['▁', 'a', 'b', 'c', 'bc', 'ab', '▁a', 'aa']));
  const text = (/** @type {number[]} */ ids) => ids.map((id) => tokenizer.text(id));
  assert.deepEqual(text(tokenizer.encode('abc', { addSpecial: false })), [' a', 'bc']);
  const tied = { scores: new Float32Array(FIRST + 5) };
  const equal = createTokenizer(sentencePiece(['▁', 'a', 'aa', 'b', 'ab'], tied));
  assert.deepEqual(equal.encode('aab', { addSpecial: false }).slice(1), [FIRST + 2, FIRST + 3]);
});

test('spells what is no piece in bytes, and reads it back', () => {
  const tokenizer = createTokenizer(sentencePiece(['▁', 'a', '▁a']));
  const ids = tokenizer.encode('a😀', { addSpecial: false });
  assert.deepEqual(ids, [FIRST + 2, ...[0xf0, 0x9f, 0x98, 0x80].map((byte) => byte + 3)]);
  assert.equal(tokenizer.decode(ids), 'a😀');
});

test('adds the space prefix at the start and after special tokens only, unless the file forbids it', () => {
  const pieces = ['▁', 'a', '▁a'];
  const tokenizer = createTokenizer(sentencePiece(pieces));
  assert.deepEqual(tokenizer.encode('a</s>a'), [1, FIRST + 2, 2, FIRST + 2]);
  assert.deepEqual(tokenizer.encode(''), [1]);
  assert.deepEqual(tokenizer.encode('', { addSpecial: false }), []);
  const bare = createTokenizer(sentencePiece(pieces, { add_space_prefix: false }));
  assert.deepEqual(bare.encode('a', { addSpecial: false }), [FIRST + 1]);
});

test('drops the leading space at the start of a text and nowhere else', () => {
  const tokenizer = createTokenizer(sentencePiece(['▁', 'a', '▁a']));
  const word = FIRST + 2;
  assert.equal(tokenizer.decode([word, word]), 'a a');
  assert.equal(tokenizer.decode([1, word, word], { skipSpecial: true }), 'a a');
  assert.equal(tokenizer.decode([1, word]), '<s> a');
  assert.equal(tokenizer.createDecoder({ atStart: false }).push(word), ' a');
  assert.equal(tokenizer.decode(tokenizer.encode('  a  ', { addSpecial: false })), '  a  ');
});

test('streams whole characters only', () => {
  const tokenizer = createTokenizer(sentencePiece(['▁', 'a']));
  const decoder = tokenizer.createDecoder();
  const pushed = [0xf0, 0x9f, 0x98, 0x80].map((byte) => decoder.push(byte + 3));
  assert.deepEqual(pushed, ['', '', '', '😀']);
  assert.equal(decoder.push(0xe2 + 3), '');
  assert.equal(decoder.push(FIRST + 1), '\uFFFDa');
  assert.equal(decoder.push(0xe2 + 3) + decoder.flush(), '\uFFFD');
  assert.equal(decoder.flush(), '');
});

test('half a character that a control token cuts off is U+FFFD once, in pieces as in whole', () => {
  const END = 2;
  const tokenizer = createTokenizer(sentencePiece(['▁', 'a']));
  const [first, second] = [0xf0 + 3, 0x9f + 3];
  const cut = [first, second, END, 0x98 + 3, 0x80 + 3, FIRST + 1];
  for (const skipSpecial of [true, false]) {
    const decoder = tokenizer.createDecoder({ skipSpecial });
    const pushed = cut.map((id) => decoder.push(id));
    const end = skipSpecial ? '' : '</s>';
    assert.deepEqual(pushed, ['', '', `\uFFFD${end}`, '\uFFFD', '\uFFFD', 'a']);
    assert.equal(tokenizer.decode(cut, { skipSpecial }), pushed.join(''));
  }
  // What comes behind it does not go on with it.
  assert.equal(present(halfCharacterAt(tokenizer, [first, second])).tokens.length, 2);
  assert.equal(halfCharacterAt(tokenizer, [first, END]), null);
  assert.equal(halfCharacterAt(tokenizer, [first, END, second]), null);
});

test('shows the bytes of half a character by their names, in both kinds of vocabulary', () => {
  const pieces = createTokenizer(sentencePiece(['▁', 'a']));
  assert.deepEqual([0xf0 + 3, 0x41 + 3, FIRST + 1].map(pieces.text), ['<0xF0>', 'A', 'a']);
  const bytes = createTokenizer(byteLevel([]));
  const [first, second] = bytes.encode('é');
  assert.deepEqual([first, second].map(bytes.text), ['<0xC3>', '<0xA9>']);
});

test('byte-level: an emoji split over tokens streams whole', () => {
  const tokenizer = createTokenizer(byteLevel([]));
  const ids = tokenizer.encode('é😀');
  assert.equal(ids.length, 6);
  const decoder = tokenizer.createDecoder();
  assert.deepEqual(
    ids.map((id) => decoder.push(id)),
    ['', 'é', '', '', '', '😀'],
  );
});

test('byte-level: merges by rank, the first of a repeated merge counts', () => {
  const tokenizer = createTokenizer(byteLevel(['b c', 'a b', 'Ġ a', 'a b']));
  assert.deepEqual(tokenizer.encode('abc').map(tokenizer.text), ['a', 'bc']);
  assert.deepEqual(tokenizer.encode('ab ab').map(tokenizer.text), ['ab', ' ', 'ab']);
});

test('splits digits the way each pre-tokenizer does', () => {
  const digits = ['1 2', '12 3', '123 4'];
  const pieces = (/** @type {string} */ pre) => {
    const tokenizer = createTokenizer(byteLevel(digits, [], { pre }));
    return tokenizer.encode('1234', { addSpecial: false }).map(tokenizer.text);
  };
  assert.deepEqual(pieces('gpt-2'), ['1234']);
  assert.deepEqual(pieces('default'), ['123', '4']);
  assert.deepEqual(pieces('llama-bpe'), ['123', '4']);
  assert.deepEqual(pieces('qwen2'), ['1', '2', '3', '4']);
  assert.deepEqual(pieces('smollm'), ['1', '2', '3', '4']);
  const unknown = createTokenizer(byteLevel(digits, [], { pre: 'no-such-thing' }));
  assert.match(present(unknown.warnings.find(({ code }) => code === 'PRE_TOKENIZER_UNKNOWN')).message, /no-such-thing/);
});

test('white space is Unicode white space, not that of JavaScript', () => {
  const tokenizer = createTokenizer(byteLevel(['Â ħ'.replace('ħ', ALPHABET[0x85]), '! !']));
  const whole = (/** @type {string} */ text) => tokenizer.encode(text).length;
  assert.equal(whole('!\u0085!'), 3);
  assert.equal(whole('!\uFEFF!'), 5);
});

test('text never merges into a control token, whatever pieces its parts make', () => {
  const pieces = ['▁', '<', 's', '>', '/', '<s', '</', '</s', 's>', '<u', 'u', 'n', 'k', '<un', '<unk'];
  const tokenizer = createTokenizer(sentencePiece(pieces));
  for (const text of ['<s>', 'a<s>b', '</s>', '<unk>', '<s></s>']) {
    const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
    assert.ok(Math.min(...ids) >= 3, `${text}: ${ids}`);
    assert.equal(tokenizer.decode(ids), text);
  }
  assert.deepEqual(tokenizer.encode('<s>', { addSpecial: false }), [1]);
});

test('text never becomes a control token in a byte-level vocabulary either, nor a marker of turns', () => {
  const special = ['STOP', '>>', '<<'];
  const text = 'STOP >> << STOPS';
  for (const [pre, merges] of untyped([
    ['llama-bpe', []],
    ['gpt-2', ['S T', 'ST O', 'STO P', 'STOP S', '> >', '< <']],
  ])) {
    const tokens = [
      ...new Set([...ALPHABET, ...special, ...merges.map((/** @type {any} */ merge) => merge.replace(' ', ''))]),
    ];
    const token_type = Int32Array.from(tokens, (piece) => (special.includes(piece) ? 3 : 1));
    const tokenizer = createTokenizer(metadata({ model: 'gpt2', pre, tokens, token_type, merges }));
    const ids = tokenizer.encode(text, { parseSpecial: false });
    assert.ok(!ids.some(tokenizer.isControl), `${pre}: ${ids}`);
    assert.equal(tokenizer.decode(ids), text);
    assert.ok(tokenizer.isControl(tokenizer.encode('STOP')[0]));
  }
  const pieces = ['▁', '<', 'b', 'bo', 'bos', '<bos', '>', '<bos>'];
  const base = sentencePiece(pieces);
  base.get(`${KEY}token_type`)[FIRST + 7] = 4;
  const tokenizer = createTokenizer(base);
  /** @param {boolean} parseSpecial */
  const encode = (parseSpecial) => tokenizer.encode('<bos>', { addSpecial: false, parseSpecial });
  assert.ok(!encode(false).includes(FIRST + 7));
  assert.deepEqual(encode(true), [FIRST + 7]);
});

test('reads special tokens in a text only when asked, user-defined ones always', () => {
  const special = ['<|im_start|>', '<|im_end|>', '<tool>'];
  const base = byteLevel([], special);
  const types = base.get(`${KEY}token_type`);
  types[258] = 4;
  const tokenizer = createTokenizer(base);
  assert.deepEqual(tokenizer.encode('<|im_start|>a<tool>'), [256, 97, 258]);
  assert.equal(tokenizer.encode('<|im_start|>', { parseSpecial: false }).length, 12);
  assert.deepEqual(tokenizer.encode('<tool>', { parseSpecial: false }), [258]);
  assert.equal(tokenizer.ids.eot, 257);
  assert.ok(tokenizer.isEndOfGeneration(257) && !tokenizer.isEndOfGeneration(256));
  assert.ok(tokenizer.isControl(256) && !tokenizer.isControl(258));
  assert.equal(tokenizer.decode([256, 97, 258], { skipSpecial: true }), 'a<tool>');
  assert.equal(tokenizer.bytes(256, { skipSpecial: true }).length, 0);
  assert.equal(tokenizer.bytes(256).length, 12);
});

test('what ends an answer is known by keys and by how tokens are written', () => {
  /** @param {string[]} special */
  const ends = (special, more = {}) => {
    const tokenizer = createTokenizer(byteLevel([], special, more));
    return special.filter((_, index) => tokenizer.isEndOfGeneration(256 + index));
  };
  const usual = ['<|eot_id|>', '<end_of_turn>', '<turn|>', '</s>', '<|im_end|>', '[EOS]', '<eos>', '<|eom_id|>'];
  assert.deepEqual(ends([...usual, '<|im_start|>', '<tool>']), usual);
  // Of what code is filled in with, the first of each kind.
  assert.deepEqual(ends(['<fim_pad>', '[PAD]', '<REPO>', '<|file_sep|>', '<PRE>']), [
    '<fim_pad>',
    '<REPO>',
    '<|file_sep|>',
  ]);
  assert.deepEqual(ends(['a', '[PAD]', 'b', 'c'], { fim_pad_token_id: 256, eot_token_id: 258, eom_token_id: 259 }), [
    'a',
    'b',
    'c',
  ]);
  // Where another token ends an answer, these end a part of it.
  assert.deepEqual(ends(['<|return|>', '<|call|>', '<|end|>']), ['<|return|>', '<|call|>']);
  assert.deepEqual(ends(['<|flush|>', '<|calls|>', '<|end|>']), ['<|flush|>', '<|calls|>']);
  assert.deepEqual(ends(['<|end|>', '<|call|>']), ['<|end|>', '<|call|>']);
  assert.deepEqual(ends(['<|tool_response>', '</s>']), ['<|tool_response>']);
  const written = createTokenizer(byteLevel([], ['<|fim_prefix|>'], { token_type: new Int32Array(257).fill(1) }));
  assert.ok(written.isControl(256) && !written.isEndOfGeneration(256));
});

test('adds what each model wants around a text', () => {
  const special = ['[CLS]', '[SEP]', '[UNK]', '[MASK]'];
  const tokens = [...special, '▁', 'a', '▁a'];
  const token_type = Int32Array.from(tokens, (_, id) => (id < 4 ? 3 : 1));
  const ids = { bos_token_id: 0, seperator_token_id: 1, unknown_token_id: 2, mask_token_id: 3 };
  const bert = createTokenizer(metadata({ model: 'bert', tokens, token_type, ...ids }));
  assert.deepEqual(bert.encode('A a'), [0, 6, 6, 1]);
  assert.deepEqual(bert.encode('ab[MASK]', { addSpecial: false }), [2, 3]);
  assert.deepEqual([bert.addSep, bert.ids.separator, bert.decode([6, 6])], [true, 1, 'a a']);
  const bare = createTokenizer(metadata({ model: 'bert', tokens: ['▁a'], unknown_token_id: 0 }));
  assert.deepEqual(bare.encode('a'), [0]);
  assert.equal(bare.warnings.length, 2);
  const t5 = createTokenizer(
    metadata({ model: 't5', tokens: ['<pad>', '</s>', '<unk>', 'a', 'b'], token_type: Int32Array.of(3, 3, 2, 1, 1) }),
  );
  assert.deepEqual(t5.encode('abxxa'), [3, 4, 2, 3, 1]);
  assert.deepEqual(t5.encode('x'), [2, 1]);
  const gemma = { model: 'gemma4', tokens: ['<bos>', 'a', '<0x62>'], token_type: Int32Array.of(3, 1, 6), merges: [] };
  const wanted = createTokenizer(metadata({ ...gemma, bos_token_id: 0, add_bos_token: false }));
  assert.deepEqual(wanted.encode('ab'), [0, 1, 2]);
  assert.equal(wanted.decode([1, 2]), 'ab');
  const spelt = { ...gemma, tokens: ['<bos>', ...'abc', 'ab', '<0x61>'], token_type: Int32Array.of(3, 1, 1, 1, 3, 6) };
  assert.deepEqual(createTokenizer(metadata({ ...spelt, merges: ['a b'], bos_token_id: 0 })).encode('abc'), [0, 4, 3]);
  assert.deepEqual(
    createTokenizer(metadata({ ...spelt, merges: ['a b'], bos_token_id: 0 })).encode('abc', { parseSpecial: false }),
    [0, 1, 2, 3],
  );
  const pair = { model: 'gpt2', pre: 'roberta-bpe', tokens: [...ALPHABET], merges: [] };
  assert.equal(createTokenizer(metadata({ ...pair, seperator_token_id: 2 })).addSep, true);
  assert.deepEqual(createTokenizer(metadata(pair)).warnings, []);
});

test('white space beside a mask is its own where a model is known for that', () => {
  const tokens = [...ALPHABET, '<mask>', '[MASK]'];
  const token_type = Int32Array.from(tokens, (_, id) => (id < 256 ? 1 : 3));
  const model = { model: 'gpt2', pre: 'jina-v2-de', tokens, token_type, merges: [] };
  assert.deepEqual(createTokenizer(metadata(model)).encode('a \n<mask> b'), [97, 256, 32, 98]);
  const modern = createTokenizer(metadata({ ...model, pre: 'modern-bert', 'general.name': 'Modern-BERT base' }));
  assert.deepEqual(modern.encode('a [MASK]'), [97, 257]);
  assert.deepEqual(modern.encode('a <mask>').length, 3);
});

test('a map of characters that is damaged is refused, or finds nothing, and ends', () => {
  const tokens = ['<pad>', '</s>', '<unk>', 'a', 'b'];
  const t5 = (/** @type {string | Float32Array<ArrayBuffer> | Uint8Array} */ map) =>
    createTokenizer(
      metadata({ model: 't5', tokens, token_type: Int32Array.of(3, 3, 2, 1, 1), precompiled_charsmap: map }),
    );
  for (const map of ['a', new Float32Array(8), Uint8Array.of(1, 2), Uint8Array.of(4, 0, 0, 0, 1, 2, 3, 4)]) {
    assert.throws(() => t5(map), { code: 'TOKENIZER_BAD_METADATA' });
  }
  assert.deepEqual(t5(characterMap({ x: 'a' })).encode('xb'), [3, 4, 1]);
  let seed = 7;
  for (let round = 0; round < 200; round++) {
    const map = characterMap({ a: 'b', ab: 'a' });
    for (let change = 0; change < 300; change++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      map[4 + ((seed >>> 8) % (map.length - 4))] = seed >>> 3;
    }
    t5(map).encode('ab'.repeat(50));
  }
});

test('lone surrogates become U+FFFD', () => {
  const tokenizer = createTokenizer(byteLevel([]));
  assert.equal(tokenizer.decode(tokenizer.encode('a\ud800b')), 'a\uFFFDb');
});

test('the merge of long words agrees with the one of short words', () => {
  const merges = ['a b', 'b a', 'a a', 'ab a', 'b b', 'ab ab', 'aa b'];
  const tokenizer = createTokenizer(byteLevel(merges));
  const ranks = new Map(merges.map((merge, rank) => [merge, rank]));
  let seed = 1;
  for (let round = 0; round < 300; round++) {
    let word = '';
    for (let i = 0; i < 100; i++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      word += seed >>> 31 ? 'a' : 'b';
    }
    const long = mergeWord(word, (left, right) => ranks.get(`${left} ${right}`), 4);
    assert.deepEqual(tokenizer.encode(word).map(tokenizer.text), long);
  }
});

test('each of many special tokens is looked for once, however many there are before it', (t) => {
  const tokenizer = createTokenizer(byteLevel([], ['<|im_start|>', '<|user|>', '<|im_end|>']));
  const text = `${'<|im_start|>a'.repeat(3000)}<|user|><|im_end|>`;
  let seen = 0;
  const { indexOf } = String.prototype;
  /** @this {string} @param {string} sought */
  const counted = function (sought, from = 0) {
    const at = indexOf.call(this, sought, from);
    seen += (at === -1 ? this.length : at) - from;
    return at;
  };
  t.mock.method(String.prototype, 'indexOf', counted);
  const ids = tokenizer.encode(text);
  t.mock.restoreAll();
  assert.deepEqual(ids.slice(-4), [256, 97, 257, 258]);
  assert.equal(ids.length, 6002);
  assert.ok(seen < 8 * text.length, `${seen} characters of ${text.length}`);
});

test('malformed metadata is refused with a code', () => {
  const bad = 'TOKENIZER_BAD_METADATA';
  refuses('TOKENIZER_UNSUPPORTED', metadata({ model: 'rwkv', tokens: ['a'] }));
  refuses(bad, metadata({}));
  refuses(bad, metadata({ model: 7 }));
  refuses(bad, metadata({ model: 'llama' }));
  for (const tokens of [[], [1, 2], new Uint32Array(3), 'abc']) refuses(bad, metadata({ model: 'llama', tokens }));
  refuses(bad, sentencePiece([], { scores: new Uint8Array(259) }));
  refuses(bad, sentencePiece([], { scores: new Float32Array(258) }));
  refuses(bad, sentencePiece([], { scores: new Float32Array(259).fill(Number.NaN) }));
  refuses(bad, sentencePiece([], { token_type: new Uint8Array(259) }));
  refuses(bad, sentencePiece([], { token_type: new Int32Array(258) }));
  refuses(bad, sentencePiece([], { bos_token_id: 'one' }));
  refuses(bad, sentencePiece([], { add_bos_token: 1 }));
  refuses(bad, metadata({ model: 'llama', tokens: ['<0x-1>'], token_type: Int32Array.of(6) }));
  refuses(bad, byteLevel([], [], { merges: undefined }));
  for (const merge of ['ab', ' ab', 'a ', '', 5]) refuses(bad, byteLevel([], [], { merges: [merge] }));
});

test('odd but harmless metadata is warned about', () => {
  const ids = createTokenizer(sentencePiece(['▁'], { eos_token_id: 0xffffffff, padding_token_id: 2n ** 63n }));
  assert.equal(ids.warnings.length, 2);
  assert.equal(ids.ids.eos, 2);
  assert.equal(ids.ids.padding, undefined);
  const repeated = createTokenizer(sentencePiece(['▁', 'a', 'a', '', '__proto__', 'constructor']));
  assert.equal(repeated.warnings.length, 2);
  assert.equal(repeated.encode('a', { addSpecial: false }).at(-1), FIRST + 1);
  assert.equal(repeated.decode(repeated.encode('__proto__')), '<s> __proto__');
  const merges = createTokenizer(byteLevel([], [], { merges: ['a b'] }));
  assert.deepEqual(merges.encode('ab'), [97, 98]);
  assert.match(merges.warnings.map(({ message }) => message).join(), /1 merges/);
  const long = 'x'.repeat(100_000);
  assert.deepEqual(createTokenizer(byteLevel([], [long])).encode(`a${long}`), [97, 256]);
  assert.equal(createTokenizer(metadata({ model: 'llama', tokens: ['a', ''] })).addBos, true);
  assert.equal(createTokenizer(byteLevel([], [], { add_bos_token: true })).addBos, false);
});

test('ids and texts of the wrong kind are refused', () => {
  const tokenizer = createTokenizer(byteLevel([]));
  for (const id of [-1, 256, 1.5, '1', Number.NaN]) {
    assert.throws(() => tokenizer.decode(untyped([id])), { code: 'TOKENIZER_BAD_TOKEN' });
  }
  assert.throws(() => tokenizer.encode(untyped(5)), { code: 'TOKENIZER_BAD_TEXT' });
});

test('an error crosses a border whole', () => {
  const error = new NibbleError(untyped('A_CODE'), 'A sentence.', { cause: new TypeError('inner'), details: { n: 1 } });
  const copy = NibbleError.fromJSON(structuredClone(error.toJSON()));
  assert.ok(copy instanceof NibbleError);
  assert.deepEqual(
    [copy.code, copy.message, copy.details, untyped(copy.cause).name, untyped(copy.cause).message, copy.stack],
    ['A_CODE', 'A sentence.', { n: 1 }, 'TypeError', 'inner', error.stack],
  );
  assert.equal(NibbleError.fromJSON('x').code, 'UNKNOWN');
});

const EXPECTED = [
  ...['gpt-2', 'llama-spm', 'phi-3', 'bert-bge', 'command-r', 'deepseek-coder', 'deepseek-llm', 'falcon', 'gemma-4'],
  ...['llama-bpe', 'mpt', 'qwen2', 'qwen35', 'refact', 'starcoder'],
];
for (const name of EXPECTED) {
  const path = `tokenizers/ggml-vocab-${name}.gguf`;
  test(`${name}: the ids of llama.cpp`, { skip: skipWithout(path, `${path}.inp`, `${path}.out`) }, () => {
    const tokenizer = createTokenizer(readMetadata(present(fixture(path))));
    const texts = readFileSync(present(fixture(`${path}.inp`)), 'utf8').split('\n__ggml_vocab_test__\n');
    const expected = readFileSync(present(fixture(`${path}.out`)), 'utf8').split('\n');
    assert.ok(texts.length > 40 && texts.length === expected.length);
    texts.forEach((text, i) => {
      const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
      assert.equal(ids.join(' '), expected[i].trim(), JSON.stringify(text));
      if (!name.startsWith('bert')) assert.equal(tokenizer.decode(ids), text);
    });
  });
}

const MICRO = ['vocab-bpe-qwen2', 'vocab-bpe-smollm', 'vocab-spm'].map((name) => `tokenizers/${name}.gguf`);
test('micro vocabularies: text survives', { skip: skipWithout(...MICRO) }, () => {
  for (const path of MICRO) {
    const tokenizer = createTokenizer(readMetadata(present(fixture(path))));
    for (const text of ['Hello  world 123', '😀 日本語\n\n\tx', "I'll é"]) {
      assert.equal(tokenizer.decode(tokenizer.encode(text, { addSpecial: false })), text, path);
    }
  }
});

const SMOLLM2 = 'tokenizers/smollm2/tokenizer.json';
test('smollm2: the ids of its tokenizer.json', { skip: skipWithout(SMOLLM2) }, () => {
  const json = JSON.parse(readFileSync(present(fixture(SMOLLM2)), 'utf8'));
  const tokens = [];
  for (const [piece, id] of Object.entries(json.model.vocab)) tokens[id] = piece;
  const token_type = new Int32Array(tokens.length).fill(1);
  for (const { id, content } of json.added_tokens) {
    tokens[id] = content;
    token_type[id] = 3;
  }
  const merges = json.model.merges.map((/** @type {any} */ merge) => (Array.isArray(merge) ? merge.join(' ') : merge));
  const tokenizer = createTokenizer(metadata({ model: 'gpt2', pre: 'smollm', tokens, token_type, merges }));
  const library = new Tokenizer(json, {});
  const texts = [
    '<|im_start|>user\nHi there<|im_end|>\n',
    "I'll pay 1234.50 €  now",
    '日本語 😀🏽 mixed',
    '\t\n  x  \n',
  ];
  for (const text of texts) assert.deepEqual(tokenizer.encode(text), library.encode(text).ids);
});

const CRAFTED = {
  '121-tokens-empty': 'TOKENIZER_BAD_METADATA',
  '123-scores-u8': 'TOKENIZER_BAD_METADATA',
  '125-tokens-not-str': 'TOKENIZER_BAD_METADATA',
  '127-eos-max': null,
  '129-byte-token-neg': 'TOKENIZER_BAD_METADATA',
  '12b-dup-tokens': null,
  '12d-long-token': null,
  '12f-all-control': null,
  '131-bpe-no-merges': 'TOKENIZER_BAD_METADATA',
};
for (const [name, code] of Object.entries(CRAFTED)) {
  const path = `gguf-robustness/crafted/${name}.gguf`;
  test(`damaged file ${name}`, { skip: skipWithout(path) }, () => {
    const keys = readMetadata(present(fixture(path)));
    if (code !== null) refuses(code, keys);
    else {
      const tokenizer = createTokenizer(keys);
      assert.equal(typeof tokenizer.decode(tokenizer.encode('Hello <s> wörld')), 'string');
    }
  });
}
