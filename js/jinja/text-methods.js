// The methods of Python's strings. Whatever they cut and join keeps its marks.
import { bind, REQUIRED, stringOf } from './arguments.js';
import { TemplateError } from './errors.js';
import { padded } from './format.js';
import {
  characterStarts,
  countCharacters,
  endOfText,
  isText,
  LINE_ENDS,
  mapText,
  markLike,
  plain,
  SPACES,
  slice,
  TextWriter,
} from './text.js';
import { isNone, itemsOf, Tuple, typeName, wholeNumber } from './values.js';

/** @typedef {import('./text.js').Text} Text */
/** @typedef {import('./budget.js').Budget} Budget */
/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./arguments.js').Parameters} Parameters */
/** @typedef {(budget: Budget, text: Text, ...given: Value[]) => Value} Method `given`: a value for each parameter */
/** @typedef {(text: Text, args: Value[], named: Map<string, Value>, budget: Budget) => Value} BoundMethod */

const LEADING = new RegExp(`^[${SPACES}]+`);
const WORDS = new RegExp(`[^${SPACES}]+`, 'g');
const LINES = new RegExp(`\\r\\n|[${LINE_ENDS}]`, 'g');

/** Without white space, or the given characters, at its ends. @param {Text} text @param {Value} characters */
export function strip(text, characters, { left = true, right = true } = {}) {
  const value = plain(text);
  if (isNone(characters)) {
    const start = left ? (LEADING.exec(value)?.[0].length ?? 0) : 0;
    const end = right ? Math.max(start, endOfText(value)) : value.length;
    return slice(text, start, end);
  }
  const set = new Set(stringOf(characters, 'what is stripped'));
  const all = Array.from(value);
  let [start, end, from, to] = [0, all.length, 0, value.length];
  while (left && start < end && set.has(all[start])) from += all[start++].length;
  while (right && start < end && set.has(all[end - 1])) to -= all[--end].length;
  return slice(text, from, to);
}

/**
 * The places of a separator, at most so many.
 * @param {string} value @param {string} separator @param {number} most @param {boolean} fromEnd
 */
function placesOf(value, separator, most, fromEnd) {
  if (separator === '') throw new TemplateError('empty separator');
  const places = [];
  if (fromEnd) {
    let at = value.lastIndexOf(separator);
    while (at !== -1 && places.length < most) {
      places.push(at);
      at = at < separator.length ? -1 : value.lastIndexOf(separator, at - separator.length);
    }
    return places.reverse();
  }
  for (let at = value.indexOf(separator); at !== -1 && places.length < most; ) {
    places.push(at);
    at = value.indexOf(separator, at + separator.length);
  }
  return places;
}

/** @param {Text} text @param {Value} separator @param {Value} maximum @param {Budget} budget @param {boolean} fromEnd */
function split(text, separator, maximum, budget, fromEnd) {
  const value = plain(text);
  const limit = wholeNumber(maximum, 'maxsplit');
  const most = limit < 0 ? Infinity : limit;
  budget.chargeText(value.length);
  const given = isNone(separator) ? null : stringOf(separator, 'the separator');
  const parts =
    given === null ? splitWords(text, most, fromEnd) : cut(text, placesOf(value, given, most, fromEnd), given.length);
  budget.chargeItems(parts.length);
  return parts;
}

/** @param {Text} text @param {number[]} places @param {number} length */
function cut(text, places, length) {
  const starts = [0, ...places.map((place) => place + length)];
  const ends = [...places, plain(text).length];
  return starts.map((start, index) => slice(text, start, ends[index]));
}

/** @param {Text} text @param {number} most @param {boolean} fromEnd */
function splitWords(text, most, fromEnd) {
  const words = [...plain(text).matchAll(WORDS)].map(({ index, 0: { length } }) => [index, index + length]);
  if (words.length > most + 1 || (most === 0 && words.length > 0)) {
    // What is left over is one part, from its first word on, or up to its last.
    if (fromEnd) {
      const kept = most === 0 ? [] : words.slice(-most);
      const rest = words.slice(0, words.length - kept.length);
      const first = slice(text, 0, rest[rest.length - 1][1]);
      return [first, ...kept.map(([start, end]) => slice(text, start, end))];
    }
    const kept = words.slice(0, most);
    const rest = slice(text, words[most][0]);
    return [...kept.map(([start, end]) => slice(text, start, end)), rest];
  }
  return words.map(([start, end]) => slice(text, start, end));
}

/** @param {Text} text @param {boolean} keepEnds */
function splitLines(text, keepEnds) {
  const lines = [];
  let start = 0;
  for (const { index, 0: end } of plain(text).matchAll(LINES)) {
    lines.push(slice(text, start, keepEnds ? index + end.length : index));
    start = index + end.length;
  }
  if (start < plain(text).length) lines.push(slice(text, start));
  return lines;
}

/** @param {Text} text @param {Value} from @param {Value} to @param {Value} count @param {Budget} budget @returns {Text} */
export function replace(text, from, to, count, budget) {
  const [old, fresh] = [stringOf(from, 'what is replaced'), stringOf(to, 'what replaces it')];
  const limit = isNone(count) ? -1 : wholeNumber(count, 'count');
  const most = limit < 0 ? Infinity : limit;
  const value = plain(text);
  const places = old === '' ? everyPlace(value).slice(0, Math.min(most, 2 ** 31)) : placesOf(value, old, most, false);
  budget.chargeText(value.length + places.length * Math.max(0, fresh.length - old.length));
  budget.charge(places.length);
  const writer = new TextWriter();
  let end = 0;
  for (const place of places) {
    writer.add(slice(text, end, place));
    writer.add(/** @type {Text} */ (to));
    end = place + old.length;
  }
  writer.add(slice(text, end));
  return writer.text;
}

/** @param {string} value */
const everyPlace = (value) => characterStarts(value) ?? Array.from({ length: value.length + 1 }, (_, index) => index);

/** Each word with a capital, the rest small; what a word is, `pattern` says. @param {Text} text */
export const title = (text, pattern = /\p{L}+/gu) =>
  mapText(text, (part) => part.replace(pattern, (word) => capitalizeString(word)));

/** @param {string} word */
function capitalizeString(word) {
  const [first = '', ...rest] = Array.from(word);
  return first.toUpperCase() + rest.join('').toLowerCase();
}

/** @param {Text} text */
export function capitalize(text) {
  const value = plain(text);
  const changed = capitalizeString(value);
  return changed.length === value.length ? mapText(text, () => changed) : markLike(changed, text);
}

/** @param {Value[]} items @param {Text} separator @param {Budget} budget */
export function joinTexts(items, separator, budget) {
  const writer = new TextWriter(budget.checkText);
  items.forEach((item, index) => {
    if (index > 0) writer.add(separator);
    if (!isText(item))
      throw new TemplateError(`sequence item ${index}: expected str instance, ${typeName(item)} found`);
    writer.add(item);
  });
  budget.charge(writer.length >>> 6);
  return writer.text;
}

/**
 * The part of a text that `start` and `end` name, in characters, and where it begins.
 * @param {Text} text @param {Value} start @param {Value} end
 */
function part(text, start, end) {
  const value = plain(text);
  const starts = characterStarts(value);
  const count = starts === null ? value.length : starts.length - 1;
  const place = (/** @type {Value} */ given, /** @type {number} */ fallback) => {
    if (isNone(given)) return fallback;
    const index = wholeNumber(given, 'an index');
    return Math.min(count, Math.max(0, index < 0 ? index + count : index));
  };
  const [from, to] = [place(start, 0), place(end, count)];
  const unit = (/** @type {number} */ index) => (starts === null ? index : starts[index]);
  const isPast = !isNone(start) && wholeNumber(start, 'an index') > count;
  return { value: from <= to && !isPast ? value.slice(unit(from), unit(to)) : null, from };
}

/** @param {Text} text @param {Value[]} given for each of SOUGHT @param {boolean} last */
function find(text, [sought, start, end], last) {
  const { value, from } = part(text, start, end);
  if (value === null) return -1;
  const string = stringOf(sought, 'what is sought');
  const at = last ? value.lastIndexOf(string) : value.indexOf(string);
  return at === -1 ? -1 : from + countCharacters(value.slice(0, at));
}

/** @param {Text} text @param {Value[]} given for each of SOUGHT @param {boolean} last */
function index(text, given, last) {
  const at = find(text, given, last);
  if (at === -1) throw new TemplateError('substring not found');
  return at;
}

/** @param {Text} text @param {Value[]} given for each of SOUGHT @param {'startsWith' | 'endsWith'} method */
function matches(text, [sought, start, end], method) {
  const { value } = part(text, start, end);
  const all = sought instanceof Tuple ? sought : [sought];
  return value !== null && all.some((each) => value[method](stringOf(each, 'what is sought')));
}

/** @param {Text} text @param {Value} separator @param {boolean} last */
function partition(text, separator, last) {
  const value = plain(text);
  const string = stringOf(separator, 'the separator');
  if (string === '') throw new TemplateError('empty separator');
  const at = last ? value.lastIndexOf(string) : value.indexOf(string);
  if (at === -1) return Tuple.from(last ? ['', '', text] : [text, '', '']);
  return Tuple.from([slice(text, 0, at), slice(text, at, at + string.length), slice(text, at + string.length)]);
}

/** @param {Text} text @param {Value} given */
function zeroFilled(text, given) {
  const width = wholeNumber(given, 'the width');
  const value = plain(text);
  const sign = /^[-+]/.exec(value)?.[0] ?? '';
  const rest = padded(slice(text, sign.length), width - sign.length, '>', '0');
  const writer = new TextWriter();
  writer.add(slice(text, 0, sign.length));
  writer.add(rest);
  return writer.text;
}

/** @param {RegExp} pattern @returns {(text: Text) => boolean} */
const every = (pattern) => (text) => pattern.test(plain(text));
/** @param {string} value */
const hasCase = (value) => value.toLowerCase() !== value.toUpperCase();
/** @param {Text} text */
const isTitle = (text) => hasCase(plain(text)) && plain(title(text)) === plain(text);
/** @param {Value} fill */
const fillOf = (fill) => {
  const string = stringOf(fill, 'the fill character');
  if (countCharacters(string) !== 1) throw new TemplateError('The fill character must be exactly one character long');
  return string;
};
/** @param {string} each */
const swapCase = (each) => (each === each.toUpperCase() ? each.toLowerCase() : each.toUpperCase());
const IDENTIFIER = /^[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{N}\p{M}_]*$/u;
/** @type {Parameters} */
const NONE = Object.freeze({});
/** @type {Parameters} */
const SOUGHT = Object.freeze({ sub: REQUIRED, start: null, end: null });
/** @type {Parameters} */
const SPLIT = Object.freeze({ sep: null, maxsplit: -1 });
/** @type {Parameters} */
const STRIP = Object.freeze({ chars: null });
/** @type {Parameters} */
const PAD = Object.freeze({ width: REQUIRED, fillchar: ' ' });

/** @param {string} align @returns {Method} */
const pad = (align) => (budget, text, width, fill) => {
  const wanted = wholeNumber(width, 'the width');
  budget.chargeText(Math.max(wanted, plain(text).length));
  return padded(text, wanted, align, fillOf(fill));
};

/** @param {Text} text @param {Value} affix @param {boolean} atEnd */
function without(text, affix, atEnd) {
  const [value, string] = [plain(text), stringOf(affix, 'what is removed')];
  if (string === '' || !(atEnd ? value.endsWith(string) : value.startsWith(string))) return text;
  return atEnd ? slice(text, 0, value.length - string.length) : slice(text, string.length);
}

/** Python centres with the odd space on the left where the width is odd. @type {Method} */
function center(budget, text, width, fill) {
  const wanted = wholeNumber(width, 'the width');
  budget.chargeText(Math.max(wanted, plain(text).length));
  const missing = wanted - countCharacters(plain(text));
  if (missing <= 0) return text;
  const left = (missing >> 1) + (missing & wanted & 1);
  const character = fillOf(fill);
  return padded(padded(text, wanted - missing + left, '>', character), wanted, '<', character);
}

/**
 * Name: parameters, and what is done with the budget, the text and a value for each.
 * @type {Readonly<Record<string, readonly [Parameters, Method]>>}
 */
const METHODS = Object.freeze({
  capitalize: [NONE, (_, text) => capitalize(text)],
  casefold: [NONE, (_, text) => mapText(text, (each) => each.toLowerCase().replaceAll('ß', 'ss'))],
  center: [PAD, center],
  count: [SOUGHT, (budget, text, ...given) => countOf(text, given, budget)],
  endswith: [SOUGHT, (_, text, ...given) => matches(text, given, 'endsWith')],
  find: [SOUGHT, (_, text, ...given) => find(text, given, false)],
  index: [SOUGHT, (_, text, ...given) => index(text, given, false)],
  isalnum: [NONE, (_, text) => every(/^[\p{L}\p{N}]+$/u)(text)],
  isalpha: [NONE, (_, text) => every(/^\p{L}+$/u)(text)],
  isascii: [NONE, (_, text) => every(/^[\0-\x7f]*$/)(text)],
  isdecimal: [NONE, (_, text) => every(/^\p{Nd}+$/u)(text)],
  isdigit: [NONE, (_, text) => every(/^[\p{Nd}\u00b2\u00b3\u00b9\u2070-\u2079\u2080-\u2089]+$/u)(text)],
  isidentifier: [NONE, (_, text) => every(IDENTIFIER)(text)],
  islower: [NONE, (_, text) => hasCase(plain(text)) && plain(text) === plain(text).toLowerCase()],
  isnumeric: [NONE, (_, text) => every(/^\p{N}+$/u)(text)],
  isprintable: [NONE, (_, text) => every(/^(?: |[^\p{C}\p{Z}])*$/u)(text)],
  isspace: [NONE, (_, text) => every(new RegExp(`^[${SPACES}]+$`))(text)],
  istitle: [NONE, (_, text) => isTitle(text)],
  isupper: [NONE, (_, text) => hasCase(plain(text)) && plain(text) === plain(text).toUpperCase()],
  join: [{ iterable: REQUIRED }, (budget, text, items) => joinTexts(itemsOf(items, budget), text, budget)],
  ljust: [PAD, pad('<')],
  lower: [NONE, (_, text) => mapText(text, (each) => each.toLowerCase())],
  lstrip: [STRIP, (_, text, chars) => strip(text, chars, { right: false })],
  partition: [{ sep: REQUIRED }, (_, text, sep) => partition(text, sep, false)],
  removeprefix: [{ prefix: REQUIRED }, (_, text, prefix) => without(text, prefix, false)],
  removesuffix: [{ suffix: REQUIRED }, (_, text, suffix) => without(text, suffix, true)],
  replace: [
    { old: REQUIRED, new: REQUIRED, count: -1 },
    (budget, text, old, fresh, count) => replace(text, old, fresh, count, budget),
  ],
  rfind: [SOUGHT, (_, text, ...given) => find(text, given, true)],
  rindex: [SOUGHT, (_, text, ...given) => index(text, given, true)],
  rjust: [PAD, pad('>')],
  rpartition: [{ sep: REQUIRED }, (_, text, sep) => partition(text, sep, true)],
  rsplit: [SPLIT, (budget, text, sep, most) => split(text, sep, most, budget, true)],
  rstrip: [STRIP, (_, text, chars) => strip(text, chars, { left: false })],
  split: [SPLIT, (budget, text, sep, most) => split(text, sep, most, budget, false)],
  splitlines: [
    { keepends: false },
    (budget, text, keepends) => {
      const lines = splitLines(text, keepends === true);
      budget.charge(lines.length >>> 2);
      return lines;
    },
  ],
  startswith: [SOUGHT, (_, text, ...given) => matches(text, given, 'startsWith')],
  strip: [STRIP, (_, text, chars) => strip(text, chars)],
  swapcase: [NONE, (_, text) => mapText(text, (each) => Array.from(each, swapCase).join(''))],
  title: [NONE, (_, text) => title(text)],
  upper: [NONE, (_, text) => mapText(text, (each) => each.toUpperCase())],
  zfill: [
    { width: REQUIRED },
    (budget, text, width) => {
      budget.chargeText(wholeNumber(width, 'the width'));
      return zeroFilled(text, width);
    },
  ],
});

/** @param {Text} text @param {Value[]} given for each of SOUGHT @param {Budget} budget */
function countOf(text, [sub, start, end], budget) {
  const { value } = part(text, start, end);
  if (value === null) return 0;
  budget.charge(value.length >>> 4);
  const string = stringOf(sub, 'what is counted');
  return string === '' ? countCharacters(value) + 1 : value.split(string).length - 1;
}

/** @param {string} name @returns {BoundMethod | undefined} */
export function textMethod(name) {
  if (!Object.hasOwn(METHODS, name)) return undefined;
  const [parameters, call] = METHODS[name];
  return (text, args, named, budget) => {
    budget.chargeValue(text);
    return call(budget, text, ...bind(name, parameters, args, named));
  };
}
