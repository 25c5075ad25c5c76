// What `object.name` and `object[key]` give, by the rules of Jinja's sandbox for what may not be changed.
import { bind, REQUIRED } from './arguments.js';
import { isEqual } from './compare.js';
import { TemplateError } from './errors.js';
import { formatBraces } from './format.js';
import { characterStarts, isText, plain, slice, TextWriter } from './text.js';
import { textMethod } from './text-methods.js';
import {
  Callable,
  Dict,
  Float,
  Group,
  isNone,
  itemsOf,
  Loop,
  Namespace,
  NO_CONTENT,
  nameOf,
  Range,
  Record,
  Tuple,
  typeName,
  Undefined,
  View,
  wholeNumber,
} from './values.js';

/** @typedef {import('./budget.js').Budget} Budget */
/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./text.js').Text} Text */
/** @typedef {{ start: Value, stop: Value, step: Value }} Bounds of a slice; each may be null */
/** @typedef {{ first: number, step: number, count: number }} Places that a slice takes */

/** Methods that would change the object; there are none in a sandbox. */
const CHANGING = Object.freeze({
  list: ['append', 'clear', 'pop', 'reverse', 'insert', 'sort', 'extend', 'remove'],
  dict: ['clear', 'pop', 'popitem', 'setdefault', 'update'],
});

/** @param {Value} object @param {string} name */
const missing = (object, name) => new Undefined(`${nameOf(object)} has no attribute '${name}'`);

/** `object.name` @param {Value} object @param {string} name @param {Budget} budget @returns {Value} */
export function getAttribute(object, name, budget) {
  if (object instanceof Undefined) object.fail();
  let found = ownAttribute(object, name, budget);
  if (found === undefined && object instanceof Dict) found = object.get(name);
  return found === undefined ? missing(object, name) : found;
}

/** `object[key]` @param {Value} object @param {Value} key @param {Budget} budget @returns {Value} */
export function getItem(object, key, budget) {
  if (object instanceof Undefined) object.fail();
  if (object instanceof Dict) {
    const item = object.get(key);
    if (item !== undefined) return item;
  } else if (typeof key === 'number' || typeof key === 'boolean') {
    const item = itemAt(object, Number(key), budget);
    if (item !== undefined) return item;
  }
  if (!isText(key)) {
    return new Undefined(`${nameOf(object)} has no element ${key instanceof Float ? key.value : String(key)}`);
  }
  const found = ownAttribute(object, plain(key), budget);
  return found === undefined ? missing(object, plain(key)) : found;
}

/** @param {Value} object @param {number} index @param {Budget} budget @returns {Value | undefined} */
function itemAt(object, index, budget) {
  if (object === NO_CONTENT) return undefined;
  if (Array.isArray(object) && (!(object instanceof View) || object instanceof Range)) return object.at(index);
  if (!isText(object)) return undefined;
  const value = plain(object);
  budget.charge(value.length >>> 6);
  const starts = characterStarts(value);
  const count = starts === null ? value.length : starts.length - 1;
  const place = index < 0 ? index + count : index;
  if (place < 0 || place >= count) return undefined;
  return starts === null ? slice(object, place, place + 1) : slice(object, starts[place], starts[place + 1]);
}

/** `object[start:stop:step]` @param {Value} object @param {Bounds} bounds @param {Budget} budget @returns {Value} */
export function getSlice(object, bounds, budget) {
  if (object instanceof Undefined) object.fail();
  const subject = object === NO_CONTENT ? '' : object;
  if (isText(subject)) {
    const starts = characterStarts(plain(subject));
    const places = slicePlaces(starts === null ? plain(subject).length : starts.length - 1, bounds);
    budget.chargeValue(subject);
    if (places.step !== 1) budget.charge(places.count);
    return slicedText(subject, starts, places);
  }
  if (!Array.isArray(subject) || (subject instanceof View && !(subject instanceof Range))) {
    throw new TemplateError(`'${typeName(object)}' object has no slices`);
  }
  const places = slicePlaces(subject.length, bounds);
  budget.chargeItems(places.count);
  const items = Array.from({ length: places.count }, (_, i) => subject[places.first + i * places.step]);
  return object instanceof Tuple ? Tuple.from(items) : items;
}

/**
 * Which of `length` places a slice takes, as Python's slice.indices() has it.
 * @param {number} length @param {Bounds} bounds @returns {Places}
 */
function slicePlaces(length, { start, stop, step: given }) {
  const step = isNone(given) ? 1 : wholeNumber(given, 'the step of a slice');
  if (step === 0) throw new TemplateError('slice step cannot be zero');
  const [low, high] = step > 0 ? [0, length] : [-1, length - 1];
  const place = (/** @type {Value} */ bound, /** @type {number} */ fallback) => {
    if (isNone(bound)) return fallback;
    const index = wholeNumber(bound, 'the bound of a slice');
    return Math.min(high, Math.max(low, index < 0 ? index + length : index));
  };
  const first = place(start, step > 0 ? low : high);
  const end = place(stop, step > 0 ? high : low);
  return { first, step, count: Math.max(0, Math.ceil((end - first) / step)) };
}

/** @param {Text} text @param {number[] | null} starts @param {Places} places */
function slicedText(text, starts, { first, step, count }) {
  const unit = (/** @type {number} */ index) => (starts === null ? index : starts[index]);
  if (step === 1) return slice(text, unit(first), unit(first + count));
  const writer = new TextWriter();
  for (let i = 0; i < count; i++) writer.add(slice(text, unit(first + i * step), unit(first + i * step + 1)));
  return writer.text;
}

/**
 * An attribute that is no item.
 * @param {Value} object @param {string} name @param {Budget} budget
 * @returns {Value | undefined} undefined: there is none
 */
function ownAttribute(object, name, budget) {
  if (name.startsWith('_')) return undefined;
  if (object === NO_CONTENT) return attributeOfText('', name, budget);
  if (isText(object)) return attributeOfText(object, name, budget);
  if (object instanceof Namespace) return object.attributes.get(name);
  if (object instanceof Loop) return ownAttribute(object.attributes, name, budget);
  if (object instanceof Record) return Object.hasOwn(object.attributes, name) ? object.attributes[name]() : undefined;
  if (object instanceof Dict) return attributeOfDict(object, name, budget);
  if (Array.isArray(object) && !(object instanceof View)) return attributeOfList(object, name, budget);
  return object instanceof Callable && name === 'name' ? object.name : undefined;
}

/** @param {Text} text @param {string} name @param {Budget} budget */
function attributeOfText(text, name, budget) {
  if (name === 'format') {
    return new Callable(name, (args, named) => {
      /** @type {import('./format.js').Get} */
      const get = (object, key, isAttribute) =>
        isAttribute ? getAttribute(object, String(key), budget) : getItem(object, key, budget);
      return formatBraces(text, args, named, budget, get);
    });
  }
  const method = textMethod(name);
  return method && new Callable(name, (args, named) => method(text, args, named, budget));
}

/** @param {Value} object @param {string} name */
function refused(object, name) {
  return new Callable(name, () => {
    throw new TemplateError(`access to attribute '${name}' of '${typeName(object)}' object is unsafe`);
  });
}

/** @param {Value[]} list @param {string} name @param {Budget} budget @returns {Value | undefined} */
function attributeOfList(list, name, budget) {
  if (name === 'index') {
    return method(name, { value: REQUIRED, start: 0, stop: null }, (value, start, stop) => {
      const from = wholeNumber(start, 'start');
      const to = isNone(stop) ? list.length : wholeNumber(stop, 'stop');
      const at = list.findIndex((each, place) => place >= from && place < to && isEqual(each, value, budget));
      if (at === -1) throw new TemplateError('the value is not in the list');
      return at;
    });
  }
  if (name === 'count') {
    return method(name, { value: REQUIRED }, (value) => list.filter((each) => isEqual(each, value, budget)).length);
  }
  if (list instanceof Tuple) return list instanceof Group ? list.named(name) : undefined;
  if (name === 'copy') return method(name, {}, () => [...itemsOf(list, budget)]);
  return CHANGING.list.includes(name) ? refused(list, name) : undefined;
}

/**
 * @param {string} name @param {import('./arguments.js').Parameters} parameters
 * @param {(...given: Value[]) => Value} call
 */
const method = (name, parameters, call) =>
  new Callable(name, (args, named) => call(...bind(name, parameters, args, named)));

/** @param {Dict} dict @param {string} name @param {Budget} budget */
function attributeOfDict(dict, name, budget) {
  // What is made of all entries is paid for when it is made: a method may be kept, and called again.
  const walked = (/** @type {() => Value} */ make) =>
    method(name, {}, () => {
      budget.charge(dict.size);
      return make();
    });
  const pairs = () => dict.entries().map((entry) => Tuple.from(entry));
  switch (name) {
    case 'get':
      return method(name, { key: REQUIRED, default: null }, (key, fallback) => {
        const value = dict.get(key);
        return value === undefined ? fallback : value;
      });
    case 'items':
      return walked(() => View.named('dict_items', pairs()));
    case 'keys':
      return walked(() => View.named('dict_keys', dict.keys()));
    case 'values':
      return walked(() => {
        const values = dict.entries().map(([, value]) => value);
        return View.named('dict_values', values);
      });
    case 'copy':
      return walked(() => new Dict(dict.entries()));
    default:
      return CHANGING.dict.includes(name) ? refused(dict, name) : undefined;
  }
}
