// The tokens of long texts are remembered: as long as they are among the last, and always what encoding anew gives.
import assert from 'node:assert/strict';
import test from 'node:test';
import { remembering } from '../../js/tokenizer/remembered-encoding.js';
import { createTokenizer } from '../../js/tokenizer/tokenizer.js';
import { readMetadata } from '../gguf-reader.js';
import { writeSmallModel } from '../small-model.js';

const metadata = readMetadata(writeSmallModel());

test('long texts have the same tokens where they are remembered and where they are not', () => {
  const kept = createTokenizer(metadata);
  const anew = createTokenizer(metadata, { remembers: false });
  /** @param {string} letter */
  const long = (letter, length = 1200) => `${letter} word `.repeat(length / 7).slice(0, length);
  const texts = [...'abcdefghijkl'].map((letter) => long(letter));
  const prompts = [
    ...texts,
    ...texts.map((text) => `${text}<|end|>${texts[0]}<|end|>${text}`),
    long('m', 50_000),
    ...texts,
    long('m', 50_000),
    long('m', 999),
  ];
  for (const prompt of prompts) assert.deepEqual(kept.encode(prompt), anew.encode(prompt));
});

test('a long text is encoded once, however often and wherever it stands, as long as it is among the last', () => {
  const encoded = [];
  const encode = remembering((text, output) => {
    encoded.push(text);
    output.push(text.length, text.charCodeAt(0));
  });
  /** @param {string} text */
  const tokensOf = (text) => {
    const output = [7];
    encode(text, output);
    return output;
  };
  /** @param {string} letter */
  const long = (letter, length = 1000) => letter.repeat(length);
  for (let times = 0; times < 3; times++) assert.deepEqual(tokensOf(long('a')), [7, 1000, 97]);
  assert.equal(encoded.length, 1);
  for (const letter of 'bcdefgh') tokensOf(long(letter));
  tokensOf(long('a'));
  assert.equal(encoded.length, 8, 'eight are kept');
  tokensOf(long('i'));
  tokensOf(long('a'));
  assert.equal(encoded.length, 9, 'what was used last stays');
  tokensOf(long('b'));
  assert.equal(encoded.length, 10, 'and what was not goes');
  tokensOf(long('x', 3 << 20));
  tokensOf(long('x', 3 << 20));
  assert.equal(encoded.length, 11, 'one that is longer than all may be together is kept alone');
  tokensOf(long('a'));
  assert.equal(encoded.length, 12);
  for (let times = 0; times < 2; times++) tokensOf(long('s', 999));
  assert.equal(encoded.length, 14, 'short ones are not kept');
});
