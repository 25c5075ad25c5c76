// Texts in one array of bytes are found as in a Map of strings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Metadata } from '../js/metadata.js';
import { TextTable } from '../js/text-table.js';

const TEXTS = ['a', 'ab', 'Ġthe', '▁word▁end', '', '中文', '😀', 'a', 'x'.repeat(5000), '\0', '￿'];

/** Metadata with one array of strings, given as bytes. */
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
  assert.deepEqual(table.comparePairs(table), { wrong: -1, unknown: 0 });
});

test('pairs are compared by what they make together', () => {
  const others = TextTable.of(['ab', 'a b', '中文']);
  assert.deepEqual(TextTable.of(['a b', '中 文', 'b a']).comparePairs(others), { wrong: -1, unknown: 1 });
  for (const wrong of ['ab', ' ab', 'ab ', '', ' ']) {
    assert.equal(TextTable.of(['a b', wrong]).comparePairs(others).wrong, 1, JSON.stringify(wrong));
  }
});

test('texts that hold a character behind their first are told', () => {
  assert.deepEqual([...TextTable.of(['▁', '▁a', 'a▁', 'x▁y▁', '中▁', '']).holding('▁')], [2, 3, 4]);
});

test('metadata gives strings as a table, malformed ones as they are decoded elsewhere', () => {
  const encoder = new TextEncoder();
  const whole = metadataOf(['one', '二', '😀'].map((text) => encoder.encode(text)));
  const broken = metadataOf([encoder.encode('one'), Uint8Array.of(0xe4, 0xba), Uint8Array.of(0x80, 65)]);
  for (const metadata of [whole, broken]) {
    const table = metadata.texts('texts');
    const expected = metadata.get('texts');
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
