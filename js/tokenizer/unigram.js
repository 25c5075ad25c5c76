// SentencePiece's unigram model, as T5 and XLM-RoBERTa have it: of all ways to cut a text into pieces the likeliest.

import { createCharacterMap } from './character-map.js';
import { isText } from './pieces.js';
import { TokenType } from './token-types.js';

/** @typedef {import('./vocabulary.js').Vocabulary} Vocabulary */

// How much less likely an unknown character is than the least likely piece.
const UNKNOWN_PENALTY = 10;
const SPACE = 0x20;
const NONE = -1;
const MARK = new TextEncoder().encode('▁');

/**
 * @param {Vocabulary} vocabulary
 * @returns {(text: string, ids: number[]) => void} appends to ids
 */
export function createUnigramModel(vocabulary) {
  const { pieces, types, ids: special } = vocabulary;
  const scores = vocabulary.scores ?? new Float32Array(pieces.length);
  const unknown = special.unknown ?? NONE;
  const unknownScore = Math.fround(leastScore(scores, types) - UNKNOWN_PENALTY);
  const normalize = createNormalizer(vocabulary);
  const scoreOf = (/** @type {number} */ id) => {
    if (types[id] === TokenType.USER_DEFINED) return isText({ pieces, types }, id) ? 0 : undefined;
    return types[id] === TokenType.NORMAL || types[id] === TokenType.UNUSED ? scores[id] : undefined;
  };

  return (text, ids) => {
    const bytes = normalize(text);
    const { from, tokens } = bestWay(bytes);
    const found = [];
    for (let end = bytes.length; end > 0; end = from[end]) {
      // Unknown characters in a row are one token.
      if (tokens[end] !== unknown || found.at(-1) !== unknown) found.push(tokens[end]);
    }
    for (const id of found.reverse()) if (id !== NONE) ids.push(id);
  };

  /** Of the best way to each place, where its last piece begins and which it is (Viterbi). @param {Uint8Array} bytes */
  function bestWay(bytes) {
    const best = new Float64Array(bytes.length + 1).fill(-Infinity);
    const from = new Uint32Array(bytes.length + 1);
    const tokens = new Int32Array(bytes.length + 1);
    best[0] = 0;
    /** @type {(start: number, end: number, id: number, score: number) => void} */
    const offer = (start, end, id, score) => {
      if (best[start] + score <= best[end]) return;
      best[end] = best[start] + score;
      from[end] = start;
      tokens[end] = id;
    };
    for (let start = 0, next = 0; start < bytes.length; start = next) {
      next = start + 1;
      while ((bytes[next] & 0xc0) === 0x80) next++;
      let isKnown = false;
      pieces.prefixesAt(bytes, start, (id, end) => {
        const score = scoreOf(id);
        if (score === undefined) return;
        isKnown ||= end === next;
        offer(start, end, id, score);
      });
      if (!isKnown) offer(start, next, unknown, unknownScore);
    }
    return { from, tokens };
  }
}

/** @param {ArrayLike<number>} scores @param {Uint8Array} types */
function leastScore(scores, types) {
  let least = 3.4028234663852886e38;
  for (let id = 0; id < types.length; id++)
    if (types[id] === TokenType.NORMAL) least = Math.min(least, Math.fround(scores[id]));
  return least;
}

/**
 * The text that is cut: its characters replaced as the file's map says, its spaces as U+2581, one in front of the text or
 * none, and several as one where the file wants that.
 * @param {Vocabulary} vocabulary
 * @returns {(text: string) => Uint8Array} UTF-8
 */
function createNormalizer({ characterMap, addSpacePrefix, mergeSpaces }) {
  const encoder = new TextEncoder();
  const mapped = createCharacterMap(characterMap);
  return (text) => {
    const given = mapped(encoder.encode(text));
    const output = new Uint8Array(3 * given.length + MARK.length);
    let length = 0;
    const addSpace = () => {
      output.set(MARK, length);
      length += MARK.length;
    };
    let isPrefixed = !addSpacePrefix;
    let isInWord = false;
    for (const byte of given) {
      if (byte === SPACE) {
        isInWord = false;
        if (!mergeSpaces) addSpace();
        continue;
      }
      if (!isInWord && (!isPrefixed || mergeSpaces)) {
        addSpace();
        isPrefixed = true;
      }
      isInWord = true;
      output[length++] = byte;
    }
    return output.subarray(0, length);
  };
}
