// WordPiece, as BERT has it: words are brought into one shape, and each is the longest piece that it begins with, then the
// longest that the rest begins with, and so on. A piece that begins a word begins with U+2581.

import { first, isText, lowerCase } from './pieces.js';

/** @typedef {import('./vocabulary.js').Vocabulary} Vocabulary */

const SPACE = /^\p{White_Space}$/u;
const LEFT_OUT = /^[\0\uFFFD\p{Cc}\p{Cf}\p{Co}]$/u;
const MARK = /^\p{M}$/u;
// What is a word of its own: punctuation, ASCII's other signs, and Chinese characters.
const ALONE =
  /^[\p{P}$+<=>^`|~\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]$/u;

/**
 * The words of a text: without control characters, and in lower case and without accents where the model wants that.
 * @param {string} text @param {{ lowercase: boolean, stripAccents: boolean }} shape
 * @returns {string[]}
 */
function wordsOf(text, { lowercase, stripAccents }) {
  const words = [''];
  for (const given of text) {
    // Of what a character is composed of only the first part stays, as in llama.cpp: of a Hangul syllable its first letter.
    const character = stripAccents ? first(given.normalize('NFD')) : given;
    if (SPACE.test(character)) words.push('');
    else if (!LEFT_OUT.test(character) && !(stripAccents && MARK.test(character))) {
      const shaped = lowercase ? lowerCase(character) : character;
      if (ALONE.test(character)) words.push(shaped, '');
      else words[words.length - 1] += shaped;
    }
  }
  return words.filter((word) => word !== '');
}

/**
 * @param {Vocabulary} vocabulary
 * @returns {(text: string, ids: number[]) => void} appends to ids
 */
export function createWordPieceModel({ pieces, types, ids: special, lowercase = true, stripAccents = lowercase }) {
  const encoder = new TextEncoder();
  return (text, ids) => {
    for (const word of wordsOf(text, { lowercase, stripAccents })) {
      const found = piecesOf(encoder.encode(`▁${word}`));
      if (found !== null) for (const id of found) ids.push(id);
      else if (special.unknown !== undefined) ids.push(special.unknown);
    }
  };

  /** @param {Uint8Array} bytes of a word @returns {number[] | null} null where a part of it is no piece */
  function piecesOf(bytes) {
    /** @type {number[]} */
    const found = [];
    for (let start = 0; start < bytes.length; ) {
      let longest = /** @type {number | null} */ (null);
      let end = start;
      pieces.prefixesAt(bytes, start, (id, at) => {
        if (!isText({ pieces, types }, id)) return;
        longest = id;
        end = at;
      });
      if (longest === null) return null;
      found.push(longest);
      start = end;
    }
    return found;
  }
}
