// Python's values, as far as a template meets them. Strings, see text.js; None is null; booleans and whole numbers are
// JavaScript's, those beyond 2^53 as bigints, which are compared and written but not computed with; other numbers are a
// Float, since 1.0 is not 1 to a template; lists are arrays. The rest is here.
import { isWritten, readJson, wholeLiteral } from '../base/exact-json.js';
import { LimitError, TemplateError } from './errors.js';
import { isText, Marked, mark, plain } from './text.js';

/** @typedef {import('./text.js').Text} Text */
/** @typedef {import('./budget.js').Budget} Budget */
/** @typedef {number | bigint | boolean | Float} NumberValue */
/**
 * @typedef {null | NumberValue | Text | InstanceType<typeof Undefined> | typeof NO_CONTENT | Value[] | Dict | Namespace | Callable | Generator | Record} Value
 *   any value of a template
 */

export class Float {
  /** @param {number} value */
  constructor(value) {
    this.value = value;
  }
}

/** A text that is given for the value which it holds as JSON; that it is JSON has been seen to. */
export class JsonText {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/** Values and UTF-16 units in a tuple that is a key. One that has another twice, and that a third, would never end. */
const MAX_TUPLE_KEY = 1 << 16;

/** What is not there: empty where it is printed or walked, an error where it is used. */
export class Undefined {
  /** @param {string} reason such as "'x' is undefined" */
  constructor(reason) {
    this.reason = reason;
  }

  /** @returns {never} */
  fail() {
    throw new TemplateError(this.reason);
  }
}

/**
 * The content of a message that has none, as beside tool calls: None to whoever asks, an empty text to whoever writes it,
 * where Python would write "None" or fail.
 */
export const NO_CONTENT = Object.freeze({ kind: 'no content' });

/** @param {unknown} value @returns {value is null | typeof NO_CONTENT} */
export const isNone = (value) => value === null || value === NO_CONTENT;

/** @extends {Array<Value>} */
export class Tuple extends Array {
  static get [Symbol.species]() {
    return Array;
  }
}

/** What `groupby` gives for each group. */
export class Group extends Tuple {
  /** @param {string} name */
  named(name) {
    const place = ['grouper', 'list'].indexOf(name);
    return place === -1 ? undefined : this[place];
  }
}

/** What `dict.items()` and the like give: it can be walked, but has no index. @extends {Array<Value>} */
export class View extends Array {
  /** Of what, for printing it. */
  name = '';

  static get [Symbol.species]() {
    return Array;
  }

  /** @param {string} name @param {Value[]} items */
  static named(name, items) {
    const view = /** @type {View} */ (View.from(items));
    view.name = name;
    return view;
  }
}

/** What `range()` gives: a list that prints otherwise. */
export class Range extends View {}

/** What many filters give: it can be walked once. */
export class Generator {
  #items;

  /** @param {Value[]} items @param {string} [name] */
  constructor(items, name = 'generator') {
    this.#items = items;
    this.name = name;
  }

  take() {
    const items = this.#items;
    this.#items = [];
    return items;
  }

  first() {
    return this.#items.shift();
  }
}

/** What is passed by name. A name that somebody said, as `**` passes it, is marked where it becomes a key again. @extends {Map<string, Value>} */
export class Named extends Map {
  /** @type {Map<string, Text>} */
  #texts = new Map();

  /** @param {Text} name @param {Value} value */
  add(name, value) {
    this.set(plain(name), value);
    this.#texts.set(plain(name), name);
  }

  copy() {
    const copy = new Named();
    for (const [name, value] of this.entriesAsSaid()) copy.add(name, value);
    return copy;
  }

  /** @returns {[Text, Value][]} */
  entriesAsSaid() {
    return Array.from(this, ([name, value]) => [this.#texts.get(name) ?? name, value]);
  }
}

export class Namespace {
  /** @param {Named} attributes */
  constructor(attributes) {
    this.attributes = attributes;
  }
}

/** What can be called: a function, a method, a macro. */
export class Callable {
  isMacro = false;

  /** @param {string} name @param {(args: Value[], named: Named) => Value} call */
  constructor(name, call) {
    this.name = name;
    this.call = call;
  }
}

/** Something with attributes of its own, such as `loop`. */
export class Record {
  /** @param {string} name @param {{ [name: string]: () => Value }} attributes */
  constructor(name, attributes) {
    this.name = name;
    this.attributes = attributes;
  }
}

/** `loop`. It is called, too, where the loop is recursive: with what to walk one level further down. */
export class Loop extends Callable {
  /** @type {Record} */
  attributes = new Record('LoopContext', {});
}

/** A mapping. Keys that are equal in Python are one: 1, 1.0 and True. */
export class Dict {
  /** @type {Map<string | number | bigint | null, [Value, Value]>} */
  #entries = new Map();

  /** @param {Iterable<[Value, Value]>} [entries] */
  constructor(entries = []) {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size() {
    return this.#entries.size;
  }

  /** @param {Value} key @param {Value} value */
  set(key, value) {
    const place = keyOf(key);
    const entry = this.#entries.get(place);
    if (entry === undefined) this.#entries.set(place, [key, value]);
    else entry[1] = value;
  }

  /** @param {Value} key */
  has(key) {
    return this.#entries.has(keyOf(key));
  }

  /** @param {Value} key @returns {Value | undefined} */
  get(key) {
    return this.#entries.get(keyOf(key))?.[1];
  }

  entries() {
    return [...this.#entries.values()];
  }

  keys() {
    return this.entries().map(([key]) => key);
  }
}

/**
 * What stands for a key: equal where the keys are. Strings have a sign before them.
 * @param {Value} key @returns {string | number | bigint | null}
 */
export function keyOf(key) {
  if (isText(key)) return `"${plain(key)}`;
  if (isWhole(key)) return key;
  if (typeof key === 'boolean') return Number(key);
  if (key instanceof Float) return Number.isInteger(key.value) ? wholeOf(BigInt(key.value)) : key.value;
  if (isNone(key)) return null;
  if (key instanceof Tuple) return tupleKey(key);
  if (key instanceof Undefined) return '?';
  throw new TemplateError(`unhashable type: '${typeName(key)}'`);
}

/**
 * Texts with their lengths before them, so that no two tuples are written alike.
 * @param {Tuple} tuple @returns {string}
 */
function tupleKey(tuple) {
  let room = MAX_TUPLE_KEY;
  /** @type {(value: Value) => string} */
  const write = (value) => {
    const key = value instanceof Tuple ? '' : keyOf(value);
    room -= 1 + (typeof key === 'string' ? key.length : 0);
    if (room < 0) throw new LimitError('has a tuple for a key that is too long or nests too deeply');
    if (value instanceof Tuple) return `(${value.map(write).join()})`;
    return typeof key === 'string' ? `${key.length}:${key}` : String(key);
  };
  return write(tuple);
}

/** A value's type as Python calls it. @param {Value} value @returns {string} */
export function typeName(value) {
  if (isText(value)) return 'str';
  if (isWhole(value)) return 'int';
  if (typeof value === 'boolean') return 'bool';
  if (value instanceof Float) return 'float';
  if (isNone(value)) return 'NoneType';
  if (value instanceof Range) return 'range';
  if (value instanceof View) return value.name;
  if (value instanceof Tuple) return 'tuple';
  if (Array.isArray(value)) return 'list';
  if (value instanceof Dict) return 'dict';
  if (value instanceof Generator || value instanceof Record) return value.name;
  return value.constructor.name;
}

/** How an error names what has no such attribute. @param {Value} value */
export const nameOf = (value) => (value instanceof Undefined || isNone(value) ? 'None' : `'${typeName(value)} object'`);

/** Whether Python takes it for true. @param {Value} value @returns {boolean} */
export function isTrue(value) {
  if (isText(value)) return plain(value) !== '';
  if (typeof value === 'number') return value !== 0;
  if (typeof value === 'boolean') return value;
  if (value instanceof Float) return value.value !== 0;
  if (isNone(value) || value instanceof Undefined) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Dict) return value.size > 0;
  return true;
}

/** Whether a value is an int that is no bool. @param {unknown} value @returns {value is number | bigint} */
export const isWhole = (value) => typeof value === 'number' || typeof value === 'bigint';

/** @param {unknown} value @returns {value is NumberValue} */
export const isNumber = (value) => isWhole(value) || typeof value === 'boolean' || value instanceof Float;

/** A whole number as templates have it. @param {bigint} value */
export const wholeOf = (value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

/**
 * What a number or boolean is beside others: JavaScript compares its two kinds of numbers by their exact values.
 * @param {NumberValue} value
 */
export const comparable = (value) =>
  value instanceof Float ? value.value : typeof value === 'boolean' ? Number(value) : value;

/** The nearest float. @param {NumberValue} value @returns {number} */
export const floatOf = (value) => Number(comparable(value));

/** To compute with. @param {NumberValue} value @returns {number} */
export function numberOf(value) {
  if (typeof value === 'bigint') throw new TemplateError('a whole number is beyond 2^53, where it is computed with');
  return floatOf(value);
}

/** A whole number; an error for anything else. @param {Value} value @param {string} what it is */
export function wholeNumber(value, what) {
  if (typeof value === 'number' || typeof value === 'boolean') return Number(value);
  if (value instanceof Undefined) value.fail();
  if (typeof value === 'bigint') throw new TemplateError(`${what} is beyond 2^53`);
  throw new TemplateError(`${what} is a '${typeName(value)}' where a whole number is expected`);
}

/** A whole number that a computation gave. @param {number} value */
export function checkedWhole(value) {
  if (Number.isSafeInteger(value)) return value;
  throw new TemplateError('a whole number grows beyond 2^53');
}

/** What a value consists of, to be walked. @param {Value} value @param {Budget} budget @returns {Value[]} not to be changed */
export function itemsOf(value, budget) {
  if (isText(value)) return charactersOf(value, budget);
  /** @type {Value[]} */
  let items;
  if (Array.isArray(value)) items = value;
  else if (value instanceof Dict) items = value.keys();
  else if (value instanceof Undefined || value === NO_CONTENT) items = [];
  else if (value instanceof Generator) items = value.take();
  else throw new TemplateError(`'${typeName(value)}' object is not iterable`);
  budget.chargeItems(items.length);
  return items;
}

/** @param {Text} text @param {Budget} budget @returns {Text[]} */
function charactersOf(text, budget) {
  const value = plain(text);
  budget.chargeItems(value.length);
  if (!(text instanceof Marked)) return Array.from(value);
  const { spans } = text;
  let at = 0;
  let span = 0;
  return Array.from(value, (character) => {
    while (span < spans.length && at >= spans[span + 1]) span += 2;
    const isMarked = span < spans.length && at >= spans[span];
    at += character.length;
    return isMarked ? mark(character) : character;
  });
}

const MAX_NESTING = 100;

/**
 * A value of JavaScript's, as JSON has them, bigints and JsonText, as one of Python's.
 * @param {unknown} value
 * @param {{ budget: Budget, isText: boolean }} options isText: its strings, keys too, are what somebody said
 * @returns {Value}
 */
export function fromJavaScript(value, options, depth = 0) {
  enter(options.budget, depth);
  if (typeof value === 'string') return options.isText ? mark(value) : value;
  if (value === null || value === undefined || typeof value === 'boolean') return value ?? null;
  if (typeof value === 'number') return isWritten(value) ? wholeOf(BigInt(value)) : new Float(value);
  if (typeof value === 'bigint') return wholeOf(value);
  if (value instanceof JsonText) return fromJson(value.text, options, depth);
  const nested = (/** @type {unknown} */ each) => fromJavaScript(each, options, depth + 1);
  if (Array.isArray(value)) return value.map(nested);
  if (typeof value !== 'object') return null;
  const entries = Object.entries(value).filter(([, each]) => each !== undefined && typeof each !== 'function');
  return new Dict(entries.map(([key, each]) => [nested(key), nested(each)]));
}

/** @param {Budget} budget @param {number} depth */
function enter(budget, depth) {
  budget.charge(1);
  if (depth > MAX_NESTING) throw new TemplateError('a value that is given nests too deeply');
}

/**
 * As Python's json.loads() reads it.
 * @param {string} text @param {{ budget: Budget, isText: boolean }} options @param {number} outer @returns {Value}
 */
function fromJson(text, { budget, isText: isSaid }, outer) {
  return readJson(text, {
    number: (literal) => wholeLiteral(literal) ?? new Float(Number(literal)),
    string: (given) => (isSaid ? mark(given) : given),
    list: (items) => items,
    object: (entries) => new Dict(entries),
    enter: (depth) => enter(budget, outer + depth),
  });
}
