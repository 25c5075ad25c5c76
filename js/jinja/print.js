// Values as text: as Python's str() and repr() write them, and as JSON.
import { LimitError, TemplateError } from './errors.js';
import { isText, mapText, plain, TextWriter } from './text.js';
import {
  Callable,
  Dict,
  Float,
  Generator,
  isNone,
  isNumber,
  isWhole,
  Namespace,
  NO_CONTENT,
  Range,
  Record,
  Tuple,
  Undefined,
  View,
} from './values.js';

/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./text.js').Text} Text */
/** @typedef {import('./budget.js').Budget} Budget */

const MAX_NESTING = 200;

/** As `{{ value }}` writes it. @param {Value} value @param {Budget} budget @returns {Text} */
export function toText(value, budget) {
  if (isText(value)) return value;
  if (value === NO_CONTENT || value instanceof Undefined) return '';
  return toRepr(value, budget);
}

/** As Python's repr() writes it. @param {Value} value @param {Budget} budget @returns {Text} */
export function toRepr(value, budget) {
  const writer = new TextWriter(budget.checkText);
  write(value, writer, budget, 0);
  budget.charge(writer.length >>> 6);
  return writer.text;
}

/** @param {Value} value @param {TextWriter} writer @param {Budget} budget @param {number} depth */
function write(value, writer, budget, depth) {
  budget.charge(1);
  if (depth > MAX_NESTING) throw new LimitError('prints a value that nests too deeply');
  /** @type {<Item>(items: Item[], ends: [string, string], each: (item: Item) => void) => void} */
  const all = (items, [open, close], each) => {
    writer.add(open);
    items.forEach((item, index) => {
      if (index > 0) writer.add(', ');
      each(item);
    });
    writer.add(close);
  };
  const nested = (/** @type {Value} */ item) => write(item, writer, budget, depth + 1);
  const entry = (/** @type {[Value, Value]} */ [key, item]) => {
    nested(key);
    writer.add(': ');
    nested(item);
  };
  if (isText(value)) writer.add(quoted(value));
  else if (value instanceof Range) writer.add(value.name);
  else if (value instanceof View) all(value, [`${value.name}([`, '])'], nested);
  else if (value instanceof Tuple) all(value, ['(', value.length === 1 ? ',)' : ')'], nested);
  else if (Array.isArray(value)) all(value, ['[', ']'], nested);
  else if (value instanceof Dict) all(value.entries(), ['{', '}'], entry);
  else if (value instanceof Namespace) {
    writer.add('<Namespace ');
    all(value.attributes.entriesAsSaid(), ['{', '}>'], entry);
  } else writer.add(atom(value));
}

/** @param {Value} value @returns {string} */
function atom(value) {
  if (isNone(value)) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (isWhole(value)) return String(value === 0 ? 0 : value);
  if (value instanceof Float) return floatText(value.value);
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof Callable) return `<${value.isMacro ? 'Macro' : 'function'} '${value.name}'>`;
  if (value instanceof Generator || value instanceof Record) return `<${value.name} object>`;
  throw new TemplateError('a value cannot be written');
}

/** A string as Python quotes it. @param {Text} text */
function quoted(text) {
  const value = plain(text);
  const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
  const writer = new TextWriter();
  writer.add(quote);
  writer.add(mapText(text, (part) => part.replace(/[\\'"]|[^\x20-\x7e]/gu, (each) => escaped(each, quote))));
  writer.add(quote);
  return writer.text;
}

/** @type {{ readonly [found: string]: string }} */
const ESCAPES = Object.freeze({ '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' });

/** @param {string} character @param {string} quote */
function escaped(character, quote) {
  if (character === quote) return `\\${quote}`;
  if (ESCAPES[character] !== undefined) return ESCAPES[character];
  // What Python holds for printable: all but controls, formats, surrogates, private and free code points, and separators.
  if (!/[\p{C}\p{Z}]/u.test(character)) return character;
  const hex = Number(character.codePointAt(0)).toString(16);
  if (hex.length <= 2) return `\\x${hex.padStart(2, '0')}`;
  return hex.length <= 4 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

/**
 * A float as Python's repr() has it: the fewest digits that are exact, with an exponent from 1e16 on and below 1e-4.
 * @param {number} value
 */
export function floatText(value) {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const [digits, exponent] = value.toExponential().split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  const fixed = value.toFixed(Math.max(1, digits.replace(/[-.]/g, '').length - 1 - power));
  return power >= 0 && Number.isInteger(value) ? `${BigInt(value)}.0` : fixed;
}

/**
 * As Python's json.dumps() writes it, with characters beyond ASCII as they are.
 * @param {Value} given
 * @param {{ indent: string | null, separators: Text[], sortKeys: boolean, ascii: boolean }} options `separators`: two
 * @param {Budget} budget
 * @returns {Text}
 */
export function toJson(given, { indent, separators: [between, colon], sortKeys, ascii }, budget) {
  const writer = new TextWriter(budget.checkText);
  const line = (/** @type {number} */ depth) => {
    if (indent !== null) writer.add(`\n${indent.repeat(depth)}`);
  };
  /** @type {<Item>(items: Item[], ends: [string, string], depth: number, each: (item: Item) => void) => void} */
  const all = (items, [open, close], depth, each) => {
    writer.add(open);
    items.forEach((item, index) => {
      if (index > 0) writer.add(between);
      line(depth + 1);
      each(item);
    });
    if (items.length > 0) line(depth);
    writer.add(close);
  };
  const string = (/** @type {Text} */ text) => {
    writer.add('"');
    writer.add(mapText(text, (part) => escapeJson(part, ascii)));
    writer.add('"');
  };
  /** @type {(each: Value, depth: number) => void} */
  const walk = (each, depth) => {
    budget.charge(1);
    if (depth > MAX_NESTING) throw new LimitError('prints a value that nests too deeply');
    if (isText(each)) string(each);
    else if (Array.isArray(each) && !(each instanceof View)) {
      all(each, ['[', ']'], depth, (item) => walk(item, depth + 1));
    } else if (each instanceof Dict) {
      const entries = each.entries().map(([key, item]) => /** @type {[Text, Value]} */ ([keyText(key), item]));
      if (sortKeys) entries.sort(([a], [b]) => (plain(a) < plain(b) ? -1 : 1));
      all(entries, ['{', '}'], depth, ([key, item]) => {
        string(key);
        writer.add(colon);
        walk(item, depth + 1);
      });
    } else if (isNone(each) || typeof each === 'boolean') writer.add(String(each === NO_CONTENT ? null : each));
    else if (isNumber(each)) writer.add(jsonNumber(atom(each)));
    else throw new TemplateError(`Object of type ${each?.constructor?.name ?? 'None'} is not JSON serializable`);
  };
  walk(given, 0);
  budget.charge(writer.length >>> 6);
  return writer.text;
}

/** @type {{ readonly [found: string]: string }} */
const NUMBERS = Object.freeze({ nan: 'NaN', inf: 'Infinity', '-inf': '-Infinity' });
/** @param {string} text */
const jsonNumber = (text) => NUMBERS[text] ?? text;

/** @param {Value} key @returns {Text} */
function keyText(key) {
  if (isText(key)) return key;
  if (isNone(key)) return 'null';
  if (typeof key === 'boolean') return String(key);
  if (isNumber(key)) return jsonNumber(atom(key));
  throw new TemplateError('a key of a mapping cannot be written as JSON');
}

/** @param {string} part @param {boolean} ascii */
function escapeJson(part, ascii) {
  const text = JSON.stringify(part).slice(1, -1);
  if (!ascii) return text;
  return text.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
