// The filters of Jinja2 that make lists, or choose from them.
import { getItem } from './access.js';
import { REQUIRED, stringOf } from './arguments.js';
import { compare, isEqual } from './compare.js';
import { TemplateError } from './errors.js';
import { lengthOf, operate } from './operators.js';
import { isText, plain, TextWriter } from './text.js';
import {
  Dict,
  Generator,
  Group,
  isNone,
  isTrue,
  itemsOf,
  keyOf,
  NO_CONTENT,
  Tuple,
  typeName,
  Undefined,
  wholeNumber,
} from './values.js';

/** @typedef {import('./filters.js').Runtime} Runtime */
/** @typedef {import('./filters.js').Filter} Filter */
/** @typedef {import('./filters.js').BoundFilter} BoundFilter */
/** @typedef {import('./filters.js').FreeFilter} FreeFilter */
/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./budget.js').Budget} Budget */

/** @type {import('./arguments.js').Parameters} */
const NONE = Object.freeze({});

/** For filters to which whatever is empty or none is an empty list. @param {Value} value @param {Budget} budget */
const itemsIfAny = (value, budget) => (isTrue(value) ? itemsOf(value, budget) : []);

/**
 * What `attribute='a.b.0'` takes of an item.
 * @param {Runtime} runtime @param {Value} attribute @param {Value} [fallback]
 * @returns {(item: Value) => Value}
 */
function getter(runtime, attribute, fallback = null) {
  if (isNone(attribute)) return (item) => item;
  const parts = isText(attribute)
    ? plain(attribute)
        .split('.')
        .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
    : [attribute];
  return (item) => {
    let value = item;
    for (const part of parts) {
      runtime.budget.charge(1);
      value = getItem(value, part, runtime.budget);
      if (value instanceof Undefined && !isNone(fallback)) value = fallback;
    }
    return value;
  };
}

/**
 * A key to sort by: texts without their case, unless that counts.
 * @param {Runtime} runtime @param {Value} attribute @param {Value} caseSensitive
 * @returns {(item: Value) => Value}
 */
function sortKey(runtime, attribute, caseSensitive) {
  const get = getter(runtime, attribute);
  return (item) => {
    const value = get(item);
    runtime.budget.chargeValue(value);
    return isText(value) && !isTrue(caseSensitive) ? plain(value).toLowerCase() : value;
  };
}

/** @param {Value[]} items @param {(item: Value) => Value} keyOfItem @param {boolean} isReversed @param {Budget} budget */
function sorted(items, keyOfItem, isReversed, budget) {
  budget.charge(items.length * Math.ceil(Math.log2(items.length + 1)));
  const keyed = items.map((item) => ({ item, key: keyOfItem(item) }));
  const sign = isReversed ? -1 : 1;
  keyed.sort((a, b) => sign * compare(a.key, b.key, '<', budget));
  return keyed.map(({ item }) => item);
}

/** By one attribute or, with commas between them, by several. @type {Filter} */
function sort(runtime, value, reverse, caseSensitive, attribute) {
  const names = isText(attribute) ? plain(attribute).split(',') : [attribute];
  const keys = names.map((name) => sortKey(runtime, name, caseSensitive));
  const key = (/** @type {Value} */ item) =>
    keys.length === 1 ? keys[0](item) : Tuple.from(keys.map((each) => each(item)));
  return sorted(itemsOf(value, runtime.budget), key, isTrue(reverse), runtime.budget);
}

/** @type {Filter} */
function dictsort(runtime, value, caseSensitive, by, reverse) {
  if (!(value instanceof Dict)) throw new TemplateError(`dictsort takes a mapping, not '${typeName(value)}'`);
  const place = ['key', 'value'].indexOf(stringOf(by, 'by'));
  if (place === -1) throw new TemplateError('dictsort sorts by "key" or by "value"');
  runtime.budget.charge(value.size);
  const items = value.entries().map((entry) => Tuple.from(entry));
  return sorted(items, sortKey(runtime, place, caseSensitive), isTrue(reverse), runtime.budget);
}

/** @type {Filter} */
function unique(runtime, value, caseSensitive, attribute) {
  const key = sortKey(runtime, attribute, caseSensitive);
  const seen = new Set();
  const items = itemsOf(value, runtime.budget).filter((item) => {
    const place = keyOf(key(item));
    return !seen.has(place) && seen.add(place);
  });
  return new Generator(items);
}

/** @type {(sign: number) => BoundFilter} */
const extreme = (sign) => [
  { case_sensitive: false, attribute: null },
  (runtime, value, caseSensitive, attribute) => {
    const items = itemsOf(value, runtime.budget);
    if (items.length === 0) return new Undefined('No aggregated item, sequence was empty.');
    const key = sortKey(runtime, attribute, caseSensitive);
    return items.reduce((best, item) =>
      sign * compare(key(item), key(best), sign < 0 ? '<' : '>', runtime.budget) > 0 ? item : best,
    );
  },
];

/** @type {Filter} */
function groupby(runtime, value, attribute, fallback, caseSensitive) {
  const key = sortKey(runtime, attribute, caseSensitive);
  const own = getter(runtime, attribute, fallback);
  const keyed = (/** @type {Value} */ item) => {
    const found = key(item);
    return found instanceof Undefined && !isNone(fallback) ? fallback : found;
  };
  /** @type {{ key: Value, name: Value, items: Value[] }[]} */
  const groups = [];
  for (const item of sorted(itemsOf(value, runtime.budget), keyed, false, runtime.budget)) {
    const last = groups.at(-1);
    if (last !== undefined && isEqual(last.key, keyed(item), runtime.budget)) last.items.push(item);
    else groups.push({ key: keyed(item), name: own(item), items: [item] });
  }
  return groups.map(({ name, items }) => Group.from([name, items]));
}

/** @type {Filter} */
function batch(runtime, value, count, fill) {
  const size = Math.max(1, wholeNumber(count, 'linecount'));
  const items = itemsOf(value, runtime.budget);
  runtime.budget.charge(Math.ceil(items.length / size));
  const rows = [];
  for (let at = 0; at < items.length; at += size) rows.push(items.slice(at, at + size));
  const last = rows.at(-1);
  if (!isNone(fill) && last !== undefined) {
    runtime.budget.chargeItems(size);
    while (last.length < size) last.push(fill);
  }
  return new Generator(rows);
}

/** @type {Filter} */
function slices(runtime, value, count, fill) {
  const items = itemsOf(value, runtime.budget);
  const columns = wholeNumber(count, 'slices');
  if (columns < 1) throw new TemplateError('slices has to be 1 or more');
  runtime.budget.chargeItems(columns);
  runtime.budget.charge(columns);
  const least = Math.floor(items.length / columns);
  const longer = items.length % columns;
  const rows = [];
  let at = 0;
  for (let row = 0; row < columns; row++) {
    const size = least + (row < longer ? 1 : 0);
    const part = items.slice(at, at + size);
    if (!isNone(fill) && row >= longer) part.push(fill);
    rows.push(part);
    at += size;
  }
  return new Generator(rows);
}

/** @type {Filter} */
function sum(runtime, value, attribute, start) {
  const get = getter(runtime, attribute);
  return itemsOf(value, runtime.budget).reduce((total, item) => operate('+', total, get(item), runtime.budget), start);
}

/** @type {Filter} */
function first(runtime, value) {
  const item = value instanceof Generator ? value.first() : itemsOf(value, runtime.budget)[0];
  return item === undefined ? new Undefined('No first item, sequence was empty.') : item;
}

/** @type {Filter} */
function last(runtime, value) {
  if (value instanceof Generator) throw new TemplateError(`'${value.name}' object is not reversible`);
  const item = itemsOf(value, runtime.budget).at(-1);
  return item === undefined ? new Undefined('No last item, sequence was empty.') : item;
}

/** @type {Filter} */
function reverse(runtime, value) {
  if (value instanceof Generator) throw new TemplateError(`'${value.name}' object is not reversible`);
  const items = [...itemsOf(value, runtime.budget)].reverse();
  if (!isText(value)) return new Generator(items, 'list_reverseiterator');
  const writer = new TextWriter();
  for (const item of items) writer.add(/** @type {import('./text.js').Text} */ (item));
  return writer.text;
}

/** @type {Filter} */
function join(runtime, value, separator, attribute) {
  const get = getter(runtime, attribute);
  const between = runtime.text(separator);
  const writer = new TextWriter(runtime.budget.checkText);
  itemsOf(value, runtime.budget).forEach((item, index) => {
    if (index > 0) writer.add(between);
    writer.add(runtime.text(get(item)));
  });
  runtime.budget.charge(writer.length >>> 6);
  return writer.text;
}

/** @type {Filter} */
function items({ budget }, value) {
  if (value instanceof Undefined || value === NO_CONTENT) return new Generator([]);
  if (!(value instanceof Dict)) throw new TemplateError('Can only get item pairs from a mapping.');
  budget.charge(value.size);
  return new Generator(value.entries().map((entry) => Tuple.from(entry)));
}

/** @type {BoundFilter} */
const length = [NONE, (runtime, value) => lengthOf(value, runtime.budget)];

/**
 * Name: parameters behind the value, and what is done with the runtime, the value and them.
 * @type {Readonly<Record<string, BoundFilter>>}
 */
export const LIST_FILTERS = Object.freeze({
  batch: [{ linecount: REQUIRED, fill_with: null }, batch],
  count: length,
  dictsort: [{ case_sensitive: false, by: 'key', reverse: false }, dictsort],
  first: [NONE, first],
  groupby: [{ attribute: REQUIRED, default: null, case_sensitive: false }, groupby],
  items: [NONE, items],
  join: [{ d: '', attribute: null }, join],
  last: [NONE, last],
  length,
  list: [NONE, (runtime, value) => [...itemsOf(value, runtime.budget)]],
  max: extreme(1),
  min: extreme(-1),
  reverse: [NONE, reverse],
  slice: [{ slices: REQUIRED, fill_with: null }, slices],
  sort: [{ reverse: false, case_sensitive: false, attribute: null }, sort],
  sum: [{ attribute: null, start: 0 }, sum],
  unique: [{ case_sensitive: false, attribute: null }, unique],
});

/** `map`: an attribute of each, or a filter applied to each. @type {FreeFilter} */
function map(runtime, value, args, named) {
  /** @type {(item: Value) => Value} */
  let change;
  if (args.length === 0 && named.has('attribute')) {
    const { attribute, default: fallback = null, ...rest } = Object.fromEntries(named);
    if (Object.keys(rest).length > 0) throw new TemplateError(`Unexpected keyword argument '${Object.keys(rest)[0]}'`);
    change = getter(runtime, attribute, fallback);
  } else {
    if (args.length === 0) throw new TemplateError('map requires a filter argument');
    const [given, ...rest] = args;
    const name = stringOf(given, 'the name of a filter');
    change = (item) => runtime.filter(name, item, rest, named);
  }
  return new Generator(itemsIfAny(value, runtime.budget).map((item) => change(item)));
}

/**
 * `select` and the like: the items that pass a test, or whose attribute does.
 * @type {(isWanted: boolean, byAttribute: boolean) => FreeFilter}
 */
const chosen = (isWanted, byAttribute) => (runtime, value, args, named) => {
  if (byAttribute && args.length === 0) throw new TemplateError('Missing parameter for attribute name');
  const get = byAttribute ? getter(runtime, args[0]) : (/** @type {Value} */ item) => item;
  const [given, ...rest] = byAttribute ? args.slice(1) : args;
  const name = given === undefined ? null : stringOf(given, 'the name of a test');
  /** @type {(item: Value) => boolean} */
  const passes = name === null ? isTrue : (item) => runtime.test(name, item, rest, named);
  return new Generator(itemsIfAny(value, runtime.budget).filter((item) => passes(get(item)) === isWanted));
};

/** Those that take any arguments: for a filter or a test that they name. */
export const CHOOSING_FILTERS = Object.freeze({
  map,
  reject: chosen(false, false),
  rejectattr: chosen(false, true),
  select: chosen(true, false),
  selectattr: chosen(true, true),
});
