// usage: node --max-old-space-size=MIB extreme-metadata.js: reads vocabularies of which one key after the other holds what no
// sound file does, each in every type. What is read is a value or an error of ours. It prints the keys that were tried.
import assert from 'node:assert/strict';
import { NibbleError } from '../../js/base/errors.js';
import { Metadata } from '../../js/gguf/metadata.js';
import { describeHeader } from '../../js/models/describe.js';
import { parseHeader } from '../../js/models/loader.js';
import { newManifest } from '../../js/models/manifest.js';
import { checkWhole, inOrder, joinHeaders, partHeader } from '../../js/models/part-tables.js';
import { ModelText } from '../../js/prompt/model-text.js';
import { CORE_OPTIONS, sourceOf, startCore } from '../core-model.js';
import { ggufBytes } from '../gguf-writer.js';
import { present } from '../present.js';
import { VOCABULARIES } from '../tokenizer/vocabularies.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../gguf-writer.js').KeyValue} KeyValue */
/** @typedef {import('../gguf-writer.js').Entry} Entry */

const KINDS = ['byte-level llama-bpe', 'sentencepiece', 'gemma4', 'wordpiece', 'unigram with a character map'];
const TEXT = 'Hello, wörld 12 <s>';
const LONG = 20_000;
const { MAX_SAFE_INTEGER } = Number;
const NESTED = Buffer.concat([word(9), word(9), word(1, 8), word(0), word(0, 8)]);

const VALUES = /** @type {[type: string, value: unknown][]} */ ([
  ...[
    ['u8', 255],
    ['i8', -1],
    ['u16', 65535],
    ['i16', -32768],
    ['u32', 4294967295],
    ['u32', 0],
    ['i32', -2147483648],
  ],
  ...[
    ['u64', 2n ** 64n - 1n],
    ['u64', 2n ** 53n],
    ['u64', MAX_SAFE_INTEGER],
    ['i64', -(2n ** 63n)],
    ['bool', true],
  ],
  ...[
    ['f32', Number.NaN],
    ['f32', 1.5],
    ['f32', Infinity],
    ['f64', -Infinity],
    ['f64', 1e300],
    ['f64', -0.5],
  ],
  ...[
    ['string', ''],
    ['string', '\u{1f600}'.repeat(LONG)],
    ['string', `<${'bos'.repeat(LONG)}`],
  ],
  ...[
    ['u8[]', []],
    ['string[]', []],
    ['string[]', ['', '', 'a'.repeat(LONG), ' ']],
    ['bool[]', [true]],
  ],
  ...[
    ['u64[]', [2n ** 64n - 1n]],
    ['f32[]', [Number.NaN, -1]],
    ['i8[]', [-1, -1, -1, -1, -1, -1]],
  ],
]);

/** One value for each token. @param {number} count @returns {[type: string, value: unknown][]} */
const perToken = (count) =>
  [
    ['i32', -1],
    ['u32', 4294967295],
    ['i32', 4],
    ['f32', -Infinity],
    ['f32', Infinity],
    ['f64', 1e300],
    ['u64', 2n ** 63n],
    ['string', ''],
  ].map(([type, value]) => [`${type}[]`, Array(count).fill(value)]);

/** @param {number} value */
function word(value, bytes = 4) {
  const word = Buffer.alloc(bytes);
  word.writeUInt32LE(value);
  return word;
}

/** A key with an array of arrays. @param {string} key */
const nested = (key) => Buffer.concat([word(Buffer.byteLength(key), 8), Buffer.from(key), NESTED]);

/** Everything that JavaScript does with a header. @param {import('../../js/core/header.js').Header} header @param {number} size */
function readAll(header, size) {
  const attempts = [
    () => describeHeader(header, 'model.gguf', size, { ...CORE_OPTIONS, contextSize: null, memoryBudget: null }),
    () =>
      newManifest(untyped({ id: 'id', descriptor: {}, header, source: { name: 'model.gguf' }, headerChecksum: '' })),
    () => checkWhole('model.gguf', header),
    () => joinHeaders(inOrder([partHeader('model.gguf', header)])),
    () => {
      const texts = new ModelText(header);
      texts.render([{ role: 'user', content: TEXT }]);
      const { tokenizer } = texts;
      tokenizer?.decode(tokenizer.encode(TEXT));
    },
  ];
  return attempts.map(attempt);
}

/** @param {() => unknown} act */
function attempt(act) {
  try {
    act();
    return null;
  } catch (error) {
    assert.ok(error instanceof NibbleError, String(error));
    return error.code;
  }
}

const runtime = await startCore();

/** @param {Entry[]} metadata */
async function read(metadata) {
  const bytes = ggufBytes({ metadata, tensors: [], produce: () => [] });
  let header;
  try {
    ({ header } = await parseHeader(runtime, untyped(sourceOf(bytes))));
  } catch (error) {
    assert.ok(error instanceof NibbleError, String(error));
    return;
  }
  try {
    readAll(header, bytes.length);
  } finally {
    header.close();
  }
}

/**
 * The keys that are asked for while a file is read.
 * @param {Entry[]} metadata
 */
async function keysOf(metadata) {
  /** @type {Set<string>} */
  const keys = new Set();
  const { get, texts } = Metadata.prototype;
  Object.assign(Metadata.prototype, {
    /** @param {string} key */
    get(key) {
      keys.add(key);
      return get.call(this, key);
    },
    /** @param {string} key */
    texts(key) {
      keys.add(key);
      return texts.call(this, key);
    },
  });
  try {
    await read(metadata);
  } finally {
    Object.assign(Metadata.prototype, { get, texts });
  }
  return keys;
}

const tried = new Set();
for (const kind of KINDS) {
  const metadata = VOCABULARIES[kind]();
  const count = present(metadata.find(([key]) => key === 'tokenizer.ggml.tokens'))[2].length;
  /** @type {KeyValue[]} */
  const parts = [...metadata, ['split.no', 'u16', 0], ['split.count', 'u16', 2], ['split.tensors.count', 'i32', 0]];
  const keys = new Set([...(await keysOf(metadata)), ...(await keysOf(parts))]);
  for (const key of keys) {
    // What does not hang on the vocabulary is tried with one.
    if (tried.has(key) && !key.startsWith('tokenizer.ggml.')) continue;
    tried.add(key);
    const given = key.startsWith('split.') ? parts : metadata;
    const others = given.filter(([name]) => name !== key);
    for (const [type, value] of [...VALUES, ...perToken(count)]) {
      process.title = `${key} ${type}`;
      await read([...others, [key, type, value]]);
    }
    await read([...others, nested(key)]);
  }
}
runtime.close();
console.log([...tried].join('\n'));
