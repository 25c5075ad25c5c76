// Finds the special tokens that are written out in a text. What somebody said is no place for those that have a meaning
// to the model: there they are text, as any other.
import { createPieceScan } from './piece-scan.js';
import { TokenType } from './token-types.js';

/** @typedef {import('./vocabulary.js').Vocabulary} Vocabulary */

/**
 * User-defined tokens are mostly words and white space, and stand for themselves wherever they are written. Some files
 * have markers of turns among them.
 */
const TURN_MARKER =
  /^(?:<\|.*>|<.*\|>|<｜.*｜>|<(?:start|end)_of_turn>|<\/?s>|<(?=[\w-]*(?:bos|eos))[\w-]*>|\[\/?[A-Z][A-Z_]*\])$/s;
/** Whether a token is structure to the model, which what somebody said must not become. @param {number} type @param {string} piece */
export const isStructure = (type, piece) =>
  type === TokenType.CONTROL ||
  type === TokenType.UNKNOWN ||
  (type === TokenType.USER_DEFINED && TURN_MARKER.test(piece));

const LEADING_SPACE = /^[ \t\n\v\f\r]+/;

const utf8 = new TextEncoder();

/**
 * Splits text at the special tokens written in it, longest first as llama.cpp does, each over the whole text.
 * @param {Vocabulary} vocabulary
 * @returns {(text: string, said: readonly number[]) => (string | number)[]} texts and ids in order, no empty texts;
 *   said: start and end of each part of the text that somebody said, in order
 */
export function createPartition({ pieces, types, stripped }) {
  /** @type {{ id: number, piece: string, isText: boolean, bytes: number }[]} */
  const special = [];
  for (let id = 0; id < pieces.length; id++) {
    const type = types[id];
    const splits = type === TokenType.CONTROL || type === TokenType.UNKNOWN || type === TokenType.USER_DEFINED;
    if (!splits || pieces.get(pieces.at(id)) !== id) continue;
    const piece = pieces.at(id);
    const isText = !isStructure(type, piece);
    special.push({ id, piece, isText, bytes: utf8.encode(piece).length });
  }
  special.sort((a, b) => b.bytes - a.bytes);
  const scan = createPieceScan(special.map(({ piece }) => piece));
  return (text, said) => {
    /** @type {(Range | number)[]} */
    let fragments = [{ start: 0, end: text.length }];
    const isSaidAlone = said.length === 2 && said[0] === 0 && said[1] >= text.length;
    const found = scan(text);
    for (const [index, { id, piece, isText }] of special.entries()) {
      if ((isSaidAlone && !isText) || found[index] === 0) continue;
      const refuses = (/** @type {number} */ at) => !isText && overlaps(said, at, at + piece.length);
      const strip = { left: stripped.left.has(id), right: stripped.right.has(id) };
      fragments = fragments.flatMap((fragment) =>
        typeof fragment === 'number' ? fragment : splitAt(text, fragment, { piece, id, strip, refuses }),
      );
    }
    const texts = fragments.map((each) => (typeof each === 'number' ? each : text.slice(each.start, each.end)));
    return texts.filter((each) => each !== '');
  };
}

/** @typedef {{ start: number, end: number }} Range */

/** Whether something of a range was said. @param {readonly number[]} said @param {number} start @param {number} end */
function overlaps(said, start, end) {
  let low = 0;
  let high = said.length >> 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (said[2 * middle + 1] > start) high = middle;
    else low = middle + 1;
  }
  return 2 * low < said.length && said[2 * low] < end;
}

/**
 * @param {string} text @param {Range} range
 * @param {{ piece: string, id: number, strip: { left: boolean, right: boolean }, refuses: (at: number) => boolean }} token
 * @returns {(Range | number)[]}
 */
function splitAt(text, { start: begin, end }, { piece, id, strip, refuses }) {
  /** @type {(Range | number)[]} */
  const fragments = [];
  // Only in the fragment: a search that went on to the end of the text from each of many would take their product.
  const own = text.slice(begin, end);
  let start = 0;
  for (let at = own.indexOf(piece); at !== -1; ) {
    if (refuses(begin + at)) at = own.indexOf(piece, at + 1);
    else {
      let textEnd = at;
      while (strip.left && textEnd > start && LEADING_SPACE.test(own[textEnd - 1])) textEnd--;
      fragments.push({ start: begin + start, end: begin + textEnd }, id);
      start = at + piece.length;
      if (strip.right) start += LEADING_SPACE.exec(own.slice(start))?.[0].length ?? 0;
      at = own.indexOf(piece, start);
    }
  }
  fragments.push({ start: begin + start, end });
  return fragments;
}
