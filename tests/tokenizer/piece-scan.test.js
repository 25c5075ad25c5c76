import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TextTable } from '../../js/gguf/text-table.js';
import { createPieceScan } from '../../js/tokenizer/piece-scan.js';
import { createPartition } from '../../js/tokenizer/special-tokens.js';
import { TokenType } from '../../js/tokenizer/token-types.js';
import { Random } from '../random-numbers.js';
import { untyped } from '../untyped.js';

test('finds the pieces that occur, as a search for each does', () => {
  const random = new Random('pieces');
  const numbers = new Uint32Array(1);
  const next = () => {
    random.fill(numbers);
    return numbers[0];
  };
  /** @param {number} most */
  const word = (most, least = 0) =>
    Array.from({ length: least + (next() % (most - least + 1)) }, () => '<ab>😀'[next() % 6]).join('');
  for (let round = 0; round < 500; round++) {
    const pieces = [...new Set(Array.from({ length: 1 + (next() % 30) }, () => word(next() % 8 === 0 ? 90 : 6, 1)))];
    const scan = createPieceScan(pieces);
    for (const text of ['', word(4), word(200), pieces.join('')])
      assert.deepEqual(
        [...scan(text)],
        pieces.map((piece) => (text.includes(piece) ? 1 : 0)),
        JSON.stringify({ pieces, text }),
      );
  }
});

test('forgets between two texts what it has found', () => {
  const scan = createPieceScan(['ab', 'b']);
  assert.deepEqual([...scan('ab')], [1, 1]);
  assert.deepEqual([...scan('b')], [0, 1]);
  assert.deepEqual([...scan('ab')], [1, 1]);
});

test('a text is not searched for each of the special tokens', (t) => {
  const list = Array.from({ length: 500 }, (_, i) => `<unused${i}>`);
  const partition = createPartition(
    untyped({
      pieces: TextTable.of(list),
      types: new Uint8Array(list.length).fill(TokenType.CONTROL),
      stripped: { left: new Set(), right: new Set() },
    }),
  );
  const includes = t.mock.method(String.prototype, 'includes');
  const indexOf = t.mock.method(String.prototype, 'indexOf');
  const parts = partition(`<unused7>${'<div> < unused'.repeat(1000)}`, []);
  assert.deepEqual([parts[0], parts.length], [7, 2]);
  assert.ok(includes.mock.callCount() + indexOf.mock.callCount() < 10);
});
