// Texts that remember where they come from. What a caller said (a message, a tool's description) is marked, character by
// character, and stays so through slices, splits, replacements and the like: so it is known of the finished prompt which
// part of it the template wrote, and only that part may become control tokens.
//
//   'user: ' ~ content        user: Hello<|end|>
//                                   ------------     marked

/** A text of which some is marked; a text of which nothing is marked is a string. */
export class Marked {
  /** @param {string} value @param {number[]} spans start and end of each marked part in UTF-16 units, in order, none touches another */
  constructor(value, spans) {
    this.value = value;
    this.spans = spans;
  }
}

/** @typedef {string | Marked} Text */

/** @param {unknown} value @returns {value is Text} */
export const isText = (value) => typeof value === 'string' || value instanceof Marked;

/** @param {Text} text @returns {string} */
export const plain = (text) => (typeof text === 'string' ? text : text.value);

/** @param {string} value @returns {Text} all of it marked */
export const mark = (value) => (value === '' ? '' : new Marked(value, [0, value.length]));

/** What a text weighs where it is gone through or copied, in UTF-16 units: many marks weigh more than their text. @param {Text} text */
export const weightOf = (text) => (typeof text === 'string' ? text.length : text.value.length + 8 * text.spans.length);

/**
 * A text made of others in a way that nobody followed: marked as a whole if something of them is.
 * @param {string} value @param {...unknown} sources @returns {Text}
 */
export const markLike = (value, ...sources) =>
  sources.some((source) => source instanceof Marked) ? mark(value) : value;

/** @param {Text} text @param {number} start @param {number} [end] UTF-16 units, from 0 to the length @returns {Text} */
export function slice(text, start, end = plain(text).length) {
  if (typeof text === 'string') return text.slice(start, end);
  const spans = [];
  for (let i = firstSpan(text.spans, start); i < text.spans.length && text.spans[i] < end; i += 2) {
    const from = Math.max(text.spans[i], start);
    const to = Math.min(text.spans[i + 1], end);
    if (from < to) spans.push(from - start, to - start);
  }
  const value = text.value.slice(start, end);
  return spans.length === 0 ? value : new Marked(value, spans);
}

/**
 * Where the first span stands that ends behind a place: a text may have as many as characters, and be cut at each.
 * @param {number[]} spans @param {number} place
 */
function firstSpan(spans, place) {
  let [low, high] = [0, spans.length >> 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[2 * middle + 1] > place) high = middle;
    else low = middle + 1;
  }
  return 2 * low;
}

/** @param {Text} text @returns {{ value: string, isMarked: boolean }[]} its parts in order */
export function partsOf(text) {
  if (typeof text === 'string') return text === '' ? [] : [{ value: text, isMarked: false }];
  /** @type {{ value: string, isMarked: boolean }[]} */
  const parts = [];
  let end = 0;
  const add = (/** @type {number} */ to, /** @type {boolean} */ isMarked) => {
    if (to > end) parts.push({ value: text.value.slice(end, to), isMarked });
    end = to;
  };
  for (let i = 0; i < text.spans.length; i += 2) {
    add(text.spans[i], false);
    add(text.spans[i + 1], true);
  }
  add(text.value.length, false);
  return parts;
}

/** Changes a text part by part. @param {Text} text @param {(value: string) => string} change @returns {Text} */
export function mapText(text, change) {
  if (typeof text === 'string') return change(text);
  const whole = change(text.value);
  // Where no character becomes two, all stay in their places, and what depends on neighbours is right.
  if (whole.length === text.value.length) return new Marked(whole, text.spans);
  const writer = new TextWriter();
  for (const { value, isMarked } of partsOf(text)) writer.add(isMarked ? mark(change(value)) : change(value));
  return writer.text;
}

/** Puts a text together from pieces. */
export class TextWriter {
  #value = '';
  /** @type {number[]} */
  #spans = [];
  /** @type {(length: number) => void} */
  #check;

  /** @param {(length: number) => void} [check] throws where a text is to become too long */
  constructor(check = () => {}) {
    this.#check = check;
  }

  get length() {
    return this.#value.length;
  }

  /** @param {Text} piece */
  add(piece) {
    const start = this.#value.length;
    const value = plain(piece);
    this.#check(start + value.length);
    this.#value += value;
    if (typeof piece === 'string') return;
    const spans = this.#spans;
    for (let i = 0; i < piece.spans.length; i += 2) {
      const from = start + piece.spans[i];
      if (spans.length > 0 && spans.at(-1) === from) spans.pop();
      else spans.push(from);
      spans.push(start + piece.spans[i + 1]);
    }
  }

  /** @returns {Text} */
  get text() {
    return this.#spans.length === 0 ? this.#value : new Marked(this.#value, [...this.#spans]);
  }
}

const SURROGATE = /[\ud800-\udfff]/;

/** Characters of a text as Python counts them. @param {string} value */
export function countCharacters(value) {
  if (!SURROGATE.test(value)) return value.length;
  let count = 0;
  for (const _ of value) count++;
  return count;
}

/**
 * Where each character begins, for texts whose characters are not all one UTF-16 unit.
 * @param {string} value @returns {number[] | null} with the length at the end; null: the n-th unit is the n-th character
 */
export function characterStarts(value) {
  if (!SURROGATE.test(value)) return null;
  const starts = [];
  let at = 0;
  for (const character of value) {
    starts.push(at);
    at += character.length;
  }
  starts.push(at);
  return starts;
}

/** What Python takes for white space, for a regular expression's character class. */
export const SPACES = '\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const SPACE = new RegExp(`[${SPACES}]`);

/** Where the white space at the end of a text begins. A regular expression takes time in the square of a run of it. */
export function endOfText(/** @type {string} */ value) {
  let end = value.length;
  while (end > 0 && SPACE.test(value[end - 1])) end--;
  return end;
}

/** What Python takes for the end of a line, likewise. */
export const LINE_ENDS = '\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029';
