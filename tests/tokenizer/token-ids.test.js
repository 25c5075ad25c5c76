// Texts become the ids that llama.cpp gives them (token-ids.json), with the included model's vocabulary and with one of
// each kind.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createTokenizer } from '../../js/tokenizer/tokenizer.js';
import { readMetadata } from '../gguf-reader.js';
import { writeGguf } from '../gguf-writer.js';
import { temporaryFolder } from '../small-model.js';
import { TEXTS, VOCABULARIES } from './vocabularies.js';

const INCLUDED = 'the included model';
const { records } = JSON.parse(readFileSync(new URL('token-ids.json', import.meta.url), 'utf8'));
const folder = temporaryFolder();

/** @param {string} name */
function tokenizerOf(name) {
  if (name === INCLUDED) {
    return createTokenizer(readMetadata(fileURLToPath(new URL('../../models/nibble-tiny.gguf', import.meta.url))));
  }
  const path = join(folder, 'vocabulary.gguf');
  writeGguf(path, { metadata: VOCABULARIES[name](), tensors: [], produce: () => [] });
  return createTokenizer(readMetadata(path));
}

test('every vocabulary has a record, and every record has ids for every text', () => {
  const names = records.flatMap((/** @type {any} */ record) => record.names);
  assert.deepEqual(names.sort(), [INCLUDED, ...Object.keys(VOCABULARIES)].sort());
  for (const { plain } of records) assert.equal(plain.length, TEXTS.length);
});

for (const { names, plain, special } of records) {
  for (const name of names) {
    describe(`${name}: the ids of llama.cpp`, () => {
      const tokenizer = tokenizerOf(name);
      for (const [how, expected, parseSpecial] of [
        ['of a text as it is', plain, false],
        // Recorded where it differs.
        ['of a text with special tokens in it', Object.assign([...plain], Object.fromEntries(special)), true],
      ]) {
        test(how, () => {
          const found = TEXTS.map((text) => [text, tokenizer.encode(text, { addSpecial: false, parseSpecial })]);
          assert.deepEqual(
            found,
            TEXTS.map((text, i) => [text, expected[i]]),
          );
        });
      }

      test('and back to the text', () => {
        // A SentencePiece vocabulary writes a space as ▁, and one behind each user-defined token; one without a space
        // prefix takes a leading space for one.
        /** @param {string} text */
        const isLost = (text) =>
          /^(wordpiece|unigram|whitespace)/.test(name) ||
          (/^(characters|gemma4)/.test(name) && text.includes('▁')) ||
          (name === 'sentencepiece' && text.includes('<tool>')) ||
          (/^sentence/.test(name) && text.includes('▁')) ||
          (/without/.test(name) && text[0] === ' ');
        for (const text of TEXTS.filter((candidate) => !isLost(candidate))) {
          const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: false });
          assert.equal(tokenizer.decode(ids), text);
        }
      });
    });
  }
}
