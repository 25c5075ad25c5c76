// Byte pair encoding, on the BPE of @huggingface/tokenizers. The library keys merges by pairs; a GGUF has scores per piece
// (SentencePiece) or `left right` strings. Overriding how a pair gets its rank lets both be used as they are, so that
// little is derived when a 256k vocabulary is opened, and ties fall as they do in llama.cpp.

import { BPE, ByteLevelPreTokenizer } from './library.js';
import { mergeWord } from './merge.js';
import { byteTokens, createTextId, createWordSplitter, lowerCase } from './pieces.js';
import { createSplitter } from './splits.js';

/** @typedef {import('./vocabulary.js').Vocabulary} Vocabulary */
/** @typedef {import('../gguf/merge-table.js').MergeTable} MergeTable */

/** Words below this length go to the library and are remembered; longer ones are rarely met twice. */
const LONG_WORD = 128;
const KNOWN_WORDS = 1 << 14;

/** BPE whose pair rank is a function instead of a table. */
export class RankedBpe extends BPE {
  /**
   * @param {(left: string, right: string) => number | undefined} rankOf
   * @param {number} longest of any text a merge makes, in UTF-16 units or a few more
   */
  constructor(rankOf, longest) {
    super({ type: 'BPE', vocab: {}, merges: [] });
    this.rankOf = rankOf;
    this.longest = longest;
    // The library's own cache reorders a full Map at every hit, which takes longer than most merges.
    this.max_length_to_cache = 0;
    /** @type {Map<string, string[]>} */
    this.known = new Map();
  }

  /** @param {string} word @returns {string[]} */
  bpe(word) {
    if (word.length >= LONG_WORD) return mergeWord(word, this.rankOf, this.longest);
    let pieces = this.known.get(word);
    if (pieces === undefined) {
      pieces = super.bpe(word);
      if (this.known.size >= KNOWN_WORDS) this.known.clear();
      this.known.set(word, pieces);
    }
    return pieces;
  }

  /** @param {import('./library.js').Queue} queue @param {import('./library.js').PairNode} node */
  add_node(queue, node) {
    const rank = this.rankOf(node.token, node.next.token);
    if (rank === undefined) return;
    // The bias, below 1, is the position in the text: of two equal ranks the leftmost pair goes first.
    node.score = rank + node.bias;
    queue.push(node);
  }
}

/**
 * BPE of words that a regular expression finds; merges by rank.
 * @param {Vocabulary} vocabulary with its `split`
 * @returns {(text: string, ids: number[]) => void} appends to ids
 */
export function createBpeModel(vocabulary) {
  const { pieces, types, split } = vocabulary;
  const { ignoreMerges = false, alphabet = 'bytes', spaced = false, wholeBreaks = false } = split;
  const merges = /** @type {MergeTable} */ (vocabulary.merges);
  const splitWords = createSplitter(split);
  const spell = alphabet === 'bytes' ? createSigns() : (/** @type {string[]} */ words) => words;
  const append = createAppender(vocabulary, alphabet);
  const textId = createTextId({ pieces, types });
  const bpe = new RankedBpe((left, right) => merges.rankOf(left, right), merges.longest);
  // Where merges make what is no piece, the pieces do not tell what merges cross.
  const splitAtSpaces =
    spaced && merges.unknown === 0 ? createWordSplitter(pieces) : (/** @type {string} */ text) => [text];
  const shape = vocabulary.model === 'whitespace' ? createShape(vocabulary) : (/** @type {string} */ text) => [text];
  return (text, ids) => {
    const given = spaced ? text.replaceAll(' ', '▁') : text;
    for (const word of spell(shape(given).flatMap(splitWords))) {
      const isWhole = ignoreMerges || (wholeBreaks && word[0] === '\n');
      const whole = isWhole ? textId(word) : undefined;
      if (whole !== undefined) ids.push(whole);
      else for (const part of splitAtSpaces(word)) for (const piece of bpe.bpe(part)) append(piece, ids);
    }
  };
}

/** Words between white space, in lower case where the file wants that. @param {Vocabulary} vocabulary */
const createShape =
  ({ lowercase = false }) =>
  (/** @type {string} */ text) =>
    text
      .split(/\p{White_Space}+/u)
      .filter((word) => word !== '')
      .map((word) => (lowercase ? Array.from(word, lowerCase).join('') : word));

/** Bytes of words as GPT-2's signs for them. */
function createSigns() {
  const signs = new ByteLevelPreTokenizer({ type: 'ByteLevel', add_prefix_space: false, use_regex: false });
  // The printable characters of ASCII are their own signs, but for the space: most words of most texts have no others.
  const spell = (/** @type {string} */ word) =>
    /^[ -~]*$/.test(word) ? word.replaceAll(' ', '\u0120') : signs.pre_tokenize(word)[0];
  return (/** @type {string[]} */ words) => words.map(spell);
}

/**
 * @param {Vocabulary} vocabulary @param {'bytes' | 'characters'} alphabet
 * @returns {(piece: string, ids: number[]) => void} a piece that only a merge knows, or that is no text, becomes its bytes
 */
function createAppender({ pieces, types, ids: special }, alphabet) {
  const textId = createTextId({ pieces, types });
  const encoder = new TextEncoder();
  const byteIds = alphabet === 'bytes' ? [] : byteTokens(pieces);
  const bytesOf = (/** @type {string} */ piece) =>
    alphabet === 'bytes' ? Array.from(piece, textId) : Array.from(encoder.encode(piece), (byte) => byteIds[byte]);
  // What is in the vocabulary and no text is written as its characters are.
  const parts = (/** @type {string} */ piece) =>
    pieces.has(piece) ? Array.from(piece).flatMap((sign) => textId(sign) ?? bytesOf(sign)) : bytesOf(piece);
  return (piece, ids) => {
    const id = textId(piece);
    if (id !== undefined) ids.push(id);
    else
      for (const part of parts(piece)) {
        const known = part ?? special.unknown;
        if (known !== undefined) ids.push(known);
      }
  };
}
