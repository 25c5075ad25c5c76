// SentencePiece's byte pair encoding: merges by the score of what they make, across a whole text.

import { RankedBpe } from './bpe.js';
import { byteTokens, createTextId, createWordSplitter } from './pieces.js';

/** @typedef {import('./vocabulary.js').Vocabulary} Vocabulary */

/**
 * Ranks by score, best first; equal scores share a rank. Ranks are looked up when first asked for.
 * @param {ArrayLike<number> | undefined} scores @param {number} count
 * @returns {(id: number) => number}
 */
function rankByScore(scores, count) {
  if (scores === undefined) return () => 0;
  const ascending = Float32Array.from({ length: count }, (_, id) => scores[id]).sort();
  const ranks = new Int32Array(count).fill(-1);
  return (id) => {
    if (ranks[id] >= 0) return ranks[id];
    const score = Math.fround(scores[id]);
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ascending[middle] <= score) low = middle + 1;
      else high = middle;
    }
    ranks[id] = count - low;
    return ranks[id];
  };
}

/**
 * SentencePiece BPE: of all neighbouring pairs whose concatenation is a piece the one with the best score is merged,
 * the leftmost first where scores are equal; what is no piece in the end is spelt in byte tokens.
 * @param {Vocabulary} vocabulary
 * @returns {(text: string, ids: number[]) => void} appends to ids
 */
export function createSentencePieceModel({ pieces, types, scores, ids: special }) {
  const rankOf = rankByScore(scores, pieces.length);
  const textId = createTextId({ pieces, types });
  const bpe = new RankedBpe((left, right) => {
    const id = textId(left + right);
    return id === undefined ? undefined : rankOf(id);
  }, pieces.longest);
  const splitWords = createWordSplitter(pieces);
  const encoder = new TextEncoder();
  const byteIds = byteTokens(pieces).map(
    (id, byte) => id ?? (byte < 128 ? pieces.get(String.fromCharCode(byte)) : undefined),
  );
  return (text, ids) => {
    for (const word of splitWords(text.replaceAll(' ', '▁'))) for (const piece of bpe.bpe(word)) append(piece, ids);
  };

  /** @param {string} piece @param {number[]} ids */
  function append(piece, ids) {
    const id = textId(piece);
    if (id !== undefined) ids.push(id);
    else {
      const spelt = Array.from(encoder.encode(piece), (byte) => byteIds[byte]);
      if (!spelt.includes(undefined)) for (const byteId of spelt) ids.push(/** @type {number} */ (byteId));
      else if (special.unknown !== undefined) ids.push(special.unknown);
    }
  }
}
