// What the ways of tokenizing ask of a vocabulary's pieces.

import { isStructure } from './special-tokens.js';
import { TokenType } from './token-types.js';

/** @typedef {import('./vocabulary.js').Vocabulary} Vocabulary */
/** @typedef {import('../gguf/text-table.js').TextTable} TextTable */

/**
 * What is left of a text to be merged is text, though its parts may make what a control token is written as.
 * @param {Pick<Vocabulary, 'pieces' | 'types'>} vocabulary
 * @returns {(piece: string) => number | undefined} the id of a piece that text may become
 */
export function createTextId({ pieces, types }) {
  return (piece) => {
    const id = pieces.get(piece);
    return id === undefined || isStructure(types[id], piece) ? undefined : id;
  };
}

/** Whether a text may have this token in it. @param {Pick<Vocabulary, 'pieces' | 'types'>} vocabulary @param {number} id */
export const isText = ({ pieces, types }, id) =>
  types[id] === TokenType.NORMAL || !isStructure(types[id], pieces.at(id));

/** @param {string} text @returns {string} its first character */
export const first = (text) => String.fromCodePoint(/** @type {number} */ (text.codePointAt(0)));

/** A character in lower case, as one character. @param {string} character */
export const lowerCase = (character) => first(character.toLowerCase());

/** @param {number} byte */
const byteName = (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

/**
 * The tokens that stand for single bytes: `<0x00>` to `<0xFF>`.
 * @param {TextTable} pieces
 * @returns {(number | undefined)[]}
 */
export const byteTokens = (pieces) => Array.from({ length: 256 }, (_, byte) => pieces.get(byteName(byte)));

/**
 * SentencePiece merges across the whole text. But no merge crosses a place that no piece has inside, and nearly always
 * that is so before a word's space: splitting there changes nothing, and words met before are remembered.
 * @param {TextTable} pieces
 * @returns {(text: string) => string[]}
 */
export function createWordSplitter(pieces) {
  const joined = new Set();
  for (const id of pieces.holding('▁')) {
    const piece = pieces.at(id);
    for (let i = piece.indexOf('▁', 1); i > 0; i = piece.indexOf('▁', i + 1)) joined.add(piece.charCodeAt(i - 1));
  }
  joined.add('▁'.charCodeAt(0));
  return (text) => {
    const words = [];
    let start = 0;
    for (let i = text.indexOf('▁', 1); i > 0; i = text.indexOf('▁', i + 1)) {
      if (joined.has(text.charCodeAt(i - 1))) continue;
      words.push(text.slice(start, i));
      start = i;
    }
    words.push(text.slice(start));
    return words;
  };
}
