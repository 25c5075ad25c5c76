// Texts take work that grows with their length and no faster, whatever they consist of. The work is counted: the units that
// regular expressions and searches are let loose on, the bytes that are hashed, the merges that are looked up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MergeTable } from '../../js/gguf/merge-table.js';
import { TextTable } from '../../js/gguf/text-table.js';
import { createSplitter, findSplit } from '../../js/tokenizer/splits.js';
import { createTokenizer } from '../../js/tokenizer/tokenizer.js';
import { untyped } from '../untyped.js';
import { VOCABULARIES } from './vocabularies.js';

/** @param {string} name */
const tokenizerOf = (name) => {
  const keys = new Map(VOCABULARIES[name]().map(([key, type, value]) => [key, typed(type, value)]));
  return createTokenizer({ get: (key) => keys.get(key) });
};
const typed = (/** @type {string} */ type, /** @type {any} */ value) =>
  untyped({ 'i32[]': () => Int32Array.from(value), 'f32[]': () => Float32Array.from(value) })[type]?.() ?? value;

/**
 * Calls of methods while something is done. Mocks of the test runner would keep the arguments of each.
 * @param {() => unknown} doing
 */
function count(doing) {
  let calls = 0;
  const { get, prefixesAt } = TextTable.prototype;
  const { rankOf } = MergeTable.prototype;
  TextTable.prototype.get = function counting(text) {
    calls++;
    return get.call(this, text);
  };
  MergeTable.prototype.rankOf = function counting(left, right) {
    calls++;
    return rankOf.call(this, left, right);
  };
  TextTable.prototype.prefixesAt = function counting(bytes, start, onFound) {
    calls++;
    return prefixesAt.call(this, bytes, start, (...found) => {
      calls++;
      onFound(...found);
    });
  };
  try {
    doing();
  } finally {
    Object.assign(TextTable.prototype, { get, prefixesAt });
    Object.assign(MergeTable.prototype, { rankOf });
  }
  return calls;
}

const CHARACTERS = ['a', ' ', '\n', '<', '漢', '1', 'É', 'A', "'", 'a ', ' \n', 'the ', '▁', '\u0301'];
const KINDS = [
  ...['sentencepiece', 'byte-level llama-bpe', 'gemma4', 'whitespace', 'wordpiece', 'unigram'],
  'unigram with a character map',
];
for (const name of KINDS) {
  test(`${name}: twice the text is twice the look-ups`, () => {
    const tokenizer = tokenizerOf(name);
    tokenizer.encode('a b');
    for (const character of CHARACTERS) {
      const work = [1500, 3000].map((times) => {
        const text = character.repeat(times);
        return count(() => tokenizer.encode(text));
      });
      assert.ok(work[1] <= 2.2 * work[0] + 100, `${JSON.stringify(character)}: ${work}`);
    }
  });
}

// Nobody can count the steps of a regular expression: one that took the square of this would not come to an end.
const LONG = 200_000;
test('every split gets through a long run of one kind', { timeout: 240_000 }, () => {
  const names = Object.keys(VOCABULARIES).map((name) => name.replace(/^.* /, ''));
  const splits = new Set(names.map(findSplit).filter((split) => split !== undefined));
  assert.ok(splits.size > 30);
  for (const split of splits) {
    const splitWords = createSplitter(split);
    for (const character of [' ', 'É']) {
      const text = `${character.repeat(LONG)}x`;
      assert.equal(splitWords(text).join(''), text, `${split.names}, ${JSON.stringify(character)}`);
    }
  }
});
