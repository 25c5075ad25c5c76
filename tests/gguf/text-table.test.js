// Texts in one array of bytes are found as in a Map of strings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MergeTable } from '../../js/gguf/merge-table.js';
import { Metadata } from '../../js/gguf/metadata.js';
import { TextTable } from '../../js/gguf/text-table.js';
import { createTokenizer } from '../../js/tokenizer/tokenizer.js';
import { present } from '../present.js';
import { measureVocabulary } from './large-vocabulary.js';

const TEXTS = ['a', 'ab', 'Ġthe', '▁word▁end', '', '中文', '😀', 'a', 'x'.repeat(5000), '\0', '￿'];

/** Metadata with one array of strings, given as bytes. @param {Uint8Array<ArrayBuffer>[]} parts */
function metadataOf(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + 8 + length, 0));
  let position = 0;
  for (const part of parts) {
    new DataView(bytes.buffer).setBigUint64(position, BigInt(part.length), true);
    bytes.set(part, position + 8);
    position += 8 + part.length;
  }
  const metadata = new Metadata(() => bytes.slice());
  metadata.add('texts', { type: 9, element: 8, count: parts.length });
  metadata.add('numbers', { type: 9, element: 5, count: 2 });
  return metadata;
}

test('every text is found, the first of equal ones, and nothing else', () => {
  const table = TextTable.of(TEXTS);
  assert.equal(table.length, TEXTS.length);
  for (const [index, text] of TEXTS.entries()) {
    assert.equal(table.at(index), text);
    assert.equal(table.get(text), text === '' ? undefined : TEXTS.indexOf(text));
  }
  for (const text of ['b', 'abc', '中', '文', '', 'x'.repeat(4999), 'x'.repeat(5001), '\ud83d'])
    assert.equal(table.has(text), false, text.slice(0, 10));
  assert.deepEqual([table.empty, table.repeated, table.longest], [1, 1, 5000]);
});

test('a table of many texts gives what a Map of them gives', () => {
  const texts = Array.from({ length: 30_000 }, (_, index) => `${(index * 7919) % 20_000}é${index % 3}`);
  const table = TextTable.of(texts);
  const expected = new Map();
  for (const [index, text] of texts.entries()) if (!expected.has(text)) expected.set(text, index);
  for (const text of texts) assert.equal(table.get(text), expected.get(text));
  assert.equal(table.repeated, texts.length - expected.size);
});

test('an empty table has nothing', () => {
  const table = TextTable.of([]);
  assert.equal(table.get('a'), undefined);
  assert.equal(table.comparePairs(table), -1);
});

test('pairs are compared by what they make together', () => {
  const others = TextTable.of(['ab', 'a b', '中文', '😀x']);
  /** @type {([index: number, made: number, leftUnits: number])[]} */
  const pairs = [];
  const table = TextTable.of(['a b', '中 文', 'b a', '😀 x']);
  assert.equal(
    table.comparePairs(others, (...pair) => pairs.push(pair)),
    -1,
  );
  assert.deepEqual(pairs, [
    [0, 0, 1],
    [1, 2, 1],
    [2, -1, 1],
    [3, 3, 2],
  ]);
  for (const wrong of ['ab', ' ab', 'ab ', '', ' ']) {
    assert.equal(TextTable.of(['a b', wrong]).comparePairs(others), 1, JSON.stringify(wrong));
  }
});

test('what a text begins with is found at any place, the shortest first', () => {
  const table = TextTable.of(['a', 'ab', 'abcd', '中', '中文', 'b', '', 'a']);
  const bytes = new TextEncoder().encode('abc中文b');
  /** @param {number} start */
  const found = (start) => {
    /** @type {((string | number)[])[]} */
    const all = [];
    table.prefixesAt(bytes, start, (index, end) => all.push([table.at(index), end]));
    return all;
  };
  assert.deepEqual(found(0), [
    ['a', 1],
    ['ab', 2],
  ]);
  assert.deepEqual(found(1), [['b', 2]]);
  assert.deepEqual(found(2), []);
  assert.deepEqual(found(3), [
    ['中', 6],
    ['中文', 9],
  ]);
  assert.deepEqual(found(9), [['b', 10]]);
});

test('merges have the rank of the first of equal ones, whether what they make is a piece or not', () => {
  const texts = ['a b', 'a bc', 'ab c', 'b c', 'a b', 'x y', 'é e', 'ab c', 'y x'];
  const table = new MergeTable(TextTable.of(texts), TextTable.of(['ab', 'abc', 'bc', 'ée']));
  for (const [rank, text] of texts.entries()) {
    const [left, right] = text.split(' ');
    assert.equal(table.rankOf(left, right), texts.indexOf(text), `${rank}: ${text}`);
  }
  for (const [left, right] of [
    ['ab', 'bc'],
    ['abc', ''],
    ['x', 'x'],
    ['c', 'ab'],
  ]) {
    assert.equal(table.rankOf(left, right), undefined);
  }
  assert.deepEqual([table.unknown, table.wrong], [2, -1]);
  const long = 'x'.repeat(300);
  const wide = new MergeTable(TextTable.of([`${long} y`, 'a b']), TextTable.of([`${long}y`, 'ab']));
  assert.deepEqual([wide.rankOf(long, 'y'), wide.rankOf('a', 'b')], [0, 1]);
});

test('texts that hold a character behind their first are told', () => {
  assert.deepEqual([...TextTable.of(['▁', '▁a', 'a▁', 'x▁y▁', '中▁', '']).holding('▁')], [2, 3, 4]);
});

test('metadata gives strings as a table, malformed ones as they are decoded elsewhere', () => {
  const encoder = new TextEncoder();
  const whole = metadataOf(['one', '二', '😀'].map((text) => encoder.encode(text)));
  const broken = metadataOf([encoder.encode('one'), Uint8Array.of(0xe4, 0xba), Uint8Array.of(0x80, 65)]);
  for (const metadata of [whole, broken]) {
    const table = present(metadata.texts('texts'));
    const expected = /** @type {string[]} */ (metadata.get('texts'));
    assert.deepEqual(
      Array.from(expected, (_, index) => table.at(index)),
      expected,
    );
    assert.deepEqual(
      expected.map((text) => table.get(text)),
      [0, 1, 2],
    );
  }
  assert.equal(whole.texts('numbers'), null);
  assert.equal(whole.texts('absent'), null);
});

test('a vocabulary of 262,144 tokens takes at most 12 MB, with merges or without', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc');
  for (const model of /** @type {const} */ (['llama', 'gemma4'])) {
    const { bytes, vocabularySize } = await measureVocabulary(model, { createTokenizer, collect });
    assert.equal(vocabularySize, 262_144);
    assert.ok(bytes > 5e6 && bytes < 12e6, `${model}: ${bytes}`);
  }
});
