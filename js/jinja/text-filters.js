// The filters of Jinja2 that make texts and numbers.

import { wholeLiteral } from '../base/exact-json.js';
import { getAttribute } from './access.js';
import { REQUIRED, stringOf } from './arguments.js';
import { LimitError, TemplateError } from './errors.js';
import { fixed, formatPercent } from './format.js';
import { lengthOf } from './operators.js';
import { toJson } from './print.js';
import { characterStarts, isText, mapText, markLike, plain, SPACES, slice, TextWriter } from './text.js';
import { capitalize, replace, strip, textMethod } from './text-methods.js';
import {
  checkedWhole,
  Dict,
  Float,
  floatOf,
  isNone,
  isNumber,
  isTrue,
  itemsOf,
  NO_CONTENT,
  numberOf,
  Tuple,
  typeName,
  Undefined,
  wholeNumber,
  wholeOf,
} from './values.js';

const MAX_INDENT = 64;
const MAX_JSON_INDENT = 32;
/** @typedef {import('./filters.js').Runtime} Runtime */
/** @typedef {import('./filters.js').Filter} Filter */
/** @typedef {import('./filters.js').BoundFilter} BoundFilter */
/** @typedef {import('./text.js').Text} Text */
/** @typedef {import('./values.js').Value} Value */

/** @type {import('./arguments.js').Parameters} */
const NONE = Object.freeze({});

/**
 * What a method of strings makes of a text.
 * @param {Runtime} runtime
 * @param {'center' | 'lower' | 'splitlines' | 'upper'} name one that there is
 * @param {Text} text
 * @param {...Value} args
 */
const called = (runtime, name, text, ...args) =>
  /** @type {import('./text-methods.js').BoundMethod} */ (textMethod(name))(text, args, new Map(), runtime.budget);

/** A method of strings as a filter: of any value's text. @type {(name: 'lower' | 'upper') => BoundFilter} */
const method = (name) => [NONE, (runtime, value) => called(runtime, name, runtime.text(value))];

/** @type {Readonly<Record<string, string>>} */
const ENTITIES = Object.freeze({ '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&#39;', '"': '&#34;' });
/** @type {BoundFilter} */
const escapeHtml = [
  NONE,
  (runtime, value) => {
    const text = runtime.text(value);
    runtime.budget.chargeText(6 * plain(text).length);
    return mapText(text, (part) => part.replace(/[&<>'"]/g, (each) => ENTITIES[each]));
  },
];

/** Words begin where Jinja2 says so, which is not where Python's title() does. @type {Filter} */
function title(runtime, value) {
  const text = runtime.text(value);
  const word = new RegExp(`[^-${SPACES}({\\[<]+`, 'g');
  const changed = plain(text).replace(word, (each) => plain(capitalize(each)));
  return changed.length === plain(text).length ? mapText(text, () => changed) : markLike(changed, text);
}

/** @type {Filter} */
function toInteger(_, value, fallback, base) {
  if (value instanceof Undefined) value.fail();
  if (isText(value)) {
    const digits = plain(strip(value, null)).replace(/(\w)_(?=\w)/g, '$1');
    const radix = wholeNumber(base, 'base');
    const whole = parseWhole(digits, radix);
    if (whole !== null) return whole;
    const float = parseFloatText(digits);
    return float === null || !Number.isFinite(float) ? fallback : truncated(float);
  }
  if (!isNumber(value)) return fallback;
  if (typeof value === 'bigint') return value;
  const number = numberOf(value);
  return Number.isFinite(number) ? truncated(number) : fallback;
}

/** @param {number} number */
const truncated = (number) => wholeOf(BigInt(Math.trunc(number)));

/** @type {Readonly<Record<string, number>>} */
const RADICES = Object.freeze({ x: 16, o: 8, b: 2 });

/** @param {string} digits @param {number} radix @returns {number | bigint | null} null: it is no such number */
function parseWhole(digits, radix) {
  const found = /^([-+]?)(0[xob])?([\da-z]+)$/i.exec(digits);
  if (found === null) return null;
  const [, sign, prefix, rest] = found;
  const named = prefix && RADICES[prefix[1].toLowerCase()];
  if (prefix !== undefined && named !== radix) return null;
  if (radix < 2 || radix > 36) return null;
  const allowed = [...rest.toLowerCase()].every((digit) => Number.parseInt(digit, 36) < radix);
  if (!allowed) return null;
  const number = Number.parseInt(rest, radix) * (sign === '-' ? -1 : 1) + 0;
  return radix === 10 ? (wholeLiteral(`${sign.replace('+', '')}${rest}`) ?? number) : checkedWhole(number);
}

/** A text as Python's float() reads it; null: it is no number. @param {string} text */
function parseFloatText(text) {
  const special = /^([-+]?)(inf|infinity|nan)$/i.exec(text);
  if (special !== null) return special[2].toLowerCase() === 'nan' ? NaN : Infinity * (special[1] === '-' ? -1 : 1);
  return /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?$/i.test(text) ? Number(text) : null;
}

/** @type {Filter} */
function toFloat(_, value, fallback) {
  if (value instanceof Undefined) value.fail();
  if (isNumber(value)) return new Float(floatOf(value));
  const float = isText(value) ? parseFloatText(plain(strip(value, null)).replace(/(\d)_(?=\d)/g, '$1')) : null;
  return float === null ? fallback : new Float(float);
}

/** @type {Filter} */
function round(_, value, precision, how) {
  if (!isNumber(value)) throw new TemplateError(`type ${typeName(value)} cannot be rounded`);
  const digits = wholeNumber(precision, 'precision');
  const name = stringOf(how, 'method');
  if (typeof value === 'bigint' && digits >= 0 && name === 'common') return value;
  const number = numberOf(value);
  if (Math.abs(digits) > 100) throw new TemplateError('precision is beyond 100');
  if (name === 'common') {
    const scale = 10 ** -digits;
    const rounded = digits >= 0 ? Number(fixed(number, digits)) : Number(fixed(number / scale, 0)) * scale;
    return value instanceof Float ? new Float(rounded) : rounded;
  }
  if (name !== 'ceil' && name !== 'floor') throw new TemplateError('method must be common, ceil or floor');
  return new Float(Math[name](number * 10 ** digits) / 10 ** digits);
}

/** A text; other values are none to these filters. @param {Value} value @returns {Text} */
function textOnly(value) {
  if (isText(value)) return value;
  if (value instanceof Undefined) value.fail();
  if (value === NO_CONTENT) return '';
  throw new TemplateError(`a text is expected, not '${typeName(value)}'`);
}

/** @type {Filter} */
function indent(runtime, value, width, first, blank) {
  const text = textOnly(value);
  const count = isText(width) ? plain(width).length : wholeNumber(width, 'width');
  if (count > MAX_INDENT) throw new LimitError(`indents by more than ${MAX_INDENT}`);
  const space = isText(width) ? width : ' '.repeat(Math.max(0, count));
  const writer = new TextWriter(runtime.budget.checkText);
  const withEnd = new TextWriter();
  withEnd.add(text);
  withEnd.add('\n');
  const lines = /** @type {Text[]} */ (called(runtime, 'splitlines', withEnd.text));
  if (isTrue(first)) writer.add(space);
  lines.forEach((line, index) => {
    runtime.budget.charge(1);
    if (index > 0) writer.add('\n');
    if (index > 0 && (isTrue(blank) || plain(line) !== '')) writer.add(space);
    writer.add(line);
  });
  return writer.text;
}

/** @type {Filter} */
function truncate(runtime, value, length, killWords, end, leeway) {
  const longest = wholeNumber(length, 'length') + (isNone(leeway) ? 5 : wholeNumber(leeway, 'leeway'));
  if (lengthOf(value, runtime.budget) <= longest) return value;
  const text = textOnly(value);
  const tail = runtime.text(end);
  const starts = characterStarts(plain(text));
  const most = wholeNumber(length, 'length');
  const kept = Math.max(0, most - plain(tail).length);
  const cut = slice(text, 0, starts === null ? kept : starts[kept]);
  const space = plain(cut).lastIndexOf(' ');
  const writer = new TextWriter();
  writer.add(isTrue(killWords) || space === -1 ? cut : slice(cut, 0, space));
  writer.add(tail);
  return writer.text;
}

/** @type {Filter} */
function tojson(runtime, value, ascii, indentation, separators, sortKeys) {
  if (value instanceof Undefined) throw new TemplateError('Object of type Undefined is not JSON serializable');
  let space = null;
  if (isText(indentation)) space = plain(indentation);
  else if (!isNone(indentation)) {
    const width = wholeNumber(indentation, 'indent');
    if (width > MAX_JSON_INDENT) throw new LimitError(`asks for JSON with an indent above ${MAX_JSON_INDENT}`);
    space = ' '.repeat(Math.max(0, width));
  }
  const pair = isNone(separators) ? [space === null ? ', ' : ',', ': '] : itemsOf(separators, runtime.budget);
  if (pair.length !== 2) throw new TemplateError('separators are a pair of texts');
  const long = [space ?? '', ...pair].some((each) => stringOf(each, 'a separator').length > MAX_JSON_INDENT);
  if (long) throw new LimitError(`asks for JSON with an indent or separator above ${MAX_JSON_INDENT}`);
  const texts = /** @type {Text[]} */ (pair);
  const options = { indent: space, separators: texts, sortKeys: isTrue(sortKeys), ascii: isTrue(ascii) };
  return toJson(value, options, runtime.budget);
}

/** @type {Filter} */
function filesize(_, value, binary) {
  const bytes = isText(value) ? parseFloatText(plain(strip(value, null))) : isNumber(value) ? floatOf(value) : null;
  if (bytes === null) throw new TemplateError('a number of bytes is expected');
  const base = isTrue(binary) ? 1024 : 1000;
  const units = isTrue(binary)
    ? ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB']
    : 'kB MB GB TB PB EB ZB YB'.split(' ');
  if (bytes === 1) return '1 Byte';
  if (bytes < base) return `${Math.trunc(bytes)} Bytes`;
  const power = units.findIndex((_, index) => bytes < base ** (index + 2));
  const place = power === -1 ? units.length - 1 : power;
  return `${fixed(bytes / base ** (place + 1), 1)} ${units[place]}`;
}

/** @param {Text} text */
const quote = (text) =>
  mapText(text, (part) =>
    encodeURIComponent(part.toWellFormed?.() ?? part.replace(/\p{Surrogate}/gu, '\ufffd'))
      .replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
      .replaceAll('%2F', '/'),
  );

/** @type {Filter} */
function urlencode(runtime, value) {
  if (!(value instanceof Dict || Array.isArray(value))) return quote(runtime.text(value));
  /** @type {Value[]} */
  const pairs = value instanceof Dict ? value.entries() : itemsOf(value, runtime.budget);
  const writer = new TextWriter(runtime.budget.checkText);
  pairs.forEach((pair, index) => {
    const [key, item] = itemsOf(pair, runtime.budget);
    const part = (/** @type {Value} */ each) =>
      mapText(quote(runtime.text(each)), (text) => text.replaceAll('/', '%2F').replaceAll('%20', '+'));
    if (index > 0) writer.add('&');
    writer.add(part(key));
    writer.add('=');
    writer.add(part(item));
  });
  return writer.text;
}

/** @type {BoundFilter} */
const string = [NONE, (runtime, value) => runtime.text(value)];
/** @type {BoundFilter} */
const fallback = [
  { default_value: '', boolean: false },
  (_, value, otherwise, boolean) =>
    value instanceof Undefined || (isTrue(boolean) && !isTrue(value)) ? otherwise : value,
];

/**
 * Name: parameters behind the value, and what is done with the runtime, the value and them.
 * @type {Readonly<Record<string, BoundFilter>>}
 */
export const TEXT_FILTERS = Object.freeze({
  abs: [
    NONE,
    (_, value) => {
      if (!isNumber(value)) throw new TemplateError(`bad operand type for abs(): '${typeName(value)}'`);
      if (typeof value === 'bigint') return value < 0n ? -value : value;
      return value instanceof Float ? new Float(Math.abs(value.value)) : Math.abs(Number(value));
    },
  ],
  attr: [
    { name: REQUIRED },
    (runtime, value, name) => {
      const key = stringOf(name, 'the name');
      const none = new Undefined(`there is no attribute '${key}'`);
      return value instanceof Dict && !runtime.isMethod(value, key) ? none : getAttribute(value, key, runtime.budget);
    },
  ],
  capitalize: [NONE, (runtime, value) => capitalize(runtime.text(value))],
  center: [{ width: 80 }, (runtime, value, width) => called(runtime, 'center', runtime.text(value), width)],
  d: fallback,
  default: fallback,
  e: escapeHtml,
  escape: escapeHtml,
  filesizeformat: [{ binary: false }, filesize],
  float: [{ default: new Float(0) }, toFloat],
  forceescape: escapeHtml,
  indent: [{ width: 4, first: false, blank: false }, indent],
  int: [{ default: 0, base: 10 }, toInteger],
  lower: method('lower'),
  replace: [
    { old: REQUIRED, new: REQUIRED, count: null },
    (runtime, value, old, fresh, count) =>
      replace(runtime.text(value), runtime.text(old), runtime.text(fresh), count, runtime.budget),
  ],
  round: [{ precision: 0, method: 'common' }, round],
  safe: string,
  string,
  title: [NONE, title],
  tojson: [{ ensure_ascii: false, indent: null, separators: null, sort_keys: false }, tojson],
  trim: [{ chars: null }, (runtime, value, characters) => strip(runtime.text(value), characters)],
  truncate: [{ length: 255, killwords: false, end: '...', leeway: null }, truncate],
  upper: method('upper'),
  urlencode: [NONE, urlencode],
  wordcount: [NONE, (runtime, value) => (plain(runtime.text(value)).match(/[\p{L}\p{N}_]+/gu) ?? []).length],
});

/** `format`, which takes any arguments. @type {import('./filters.js').FreeFilter} */
export function formatFilter(runtime, value, args, named) {
  const given = named.size > 0 ? new Dict(named.entriesAsSaid()) : Tuple.from(args);
  if (named.size > 0 && args.length > 0) throw new TemplateError('format takes values with names, or without');
  return formatPercent(runtime.text(value), given, runtime.budget);
}
