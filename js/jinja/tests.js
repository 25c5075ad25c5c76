// The tests of Jinja2, as in `value is defined`.
import { bind, REQUIRED } from './arguments.js';
import { compare, contains, isEqual } from './compare.js';
import { TemplateError } from './errors.js';
import { operate } from './operators.js';
import { isText, plain } from './text.js';
import { Callable, Dict, Float, Generator, isNone, isNumber, isWhole, NO_CONTENT, Undefined } from './values.js';

/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./filters.js').Runtime} Runtime */
/** @typedef {import('./arguments.js').Parameters} Parameters */
/** @typedef {(runtime: Runtime, value: Value, ...given: Value[]) => boolean} Predicate `given`: a value for each parameter */
/** @typedef {readonly [Parameters, Predicate]} Test */

/** @type {Parameters} */
const NONE = Object.freeze({});
/** @type {Parameters} */
const OTHER = Object.freeze({ other: REQUIRED });

/** @type {Test} */
const equal = [OTHER, (runtime, value, other) => isEqual(value, other, runtime.budget)];
/** @type {Test} */
const unequal = [OTHER, (runtime, value, other) => !isEqual(value, other, runtime.budget)];
/** @type {Test} */
const less = [OTHER, (runtime, value, other) => compare(value, other, '<', runtime.budget) < 0];
/** @type {Test} */
const greater = [OTHER, (runtime, value, other) => compare(value, other, '>', runtime.budget) > 0];
/** @type {Test} */
const lessOrEqual = [OTHER, (runtime, value, other) => compare(value, other, '<=', runtime.budget) <= 0];
/** @type {Test} */
const greaterOrEqual = [OTHER, (runtime, value, other) => compare(value, other, '>=', runtime.budget) >= 0];

/** @type {Predicate} */
const remainder = (runtime, value, divisor) => isEqual(operate('%', value, divisor, runtime.budget), 0, runtime.budget);

/** @type {Predicate} */
function sameAs(_, value, other) {
  if (isText(value) && isText(other)) return plain(value) === plain(other);
  if (value instanceof Float && other instanceof Float) return value.value === other.value;
  return value === other || (isNone(value) && isNone(other));
}

/** Whether a text has letters, and none of the other case. @type {(method: 'toLowerCase' | 'toUpperCase') => Predicate} */
const hasCase = (method) => (runtime, value) => {
  const text = plain(runtime.text(value));
  return text === text[method]() && text.toLowerCase() !== text.toUpperCase();
};

/** @param {Value} value @returns {boolean} */
const isSequence = (value) =>
  isText(value) || Array.isArray(value) || value instanceof Dict || value instanceof Undefined;

/** Name: parameters behind the value, and the answer. @type {Readonly<Record<string, Test>>} */
const TESTS = Object.freeze({
  boolean: [NONE, (_, value) => typeof value === 'boolean'],
  callable: [NONE, (_, value) => value instanceof Callable || value instanceof Undefined],
  defined: [NONE, (_, value) => !(value instanceof Undefined)],
  divisibleby: [{ num: REQUIRED }, remainder],
  eq: equal,
  equalto: equal,
  '==': equal,
  escaped: [NONE, () => false],
  even: [NONE, (runtime, value) => remainder(runtime, value, 2)],
  false: [NONE, (_, value) => value === false],
  filter: [NONE, (runtime, value) => runtime.hasFilter(plain(runtime.text(value)))],
  float: [NONE, (_, value) => value instanceof Float],
  ge: greaterOrEqual,
  '>=': greaterOrEqual,
  greaterthan: greater,
  gt: greater,
  '>': greater,
  in: [{ seq: REQUIRED }, (runtime, value, container) => contains(container, value, runtime.budget)],
  integer: [NONE, (_, value) => isWhole(value)],
  iterable: [NONE, (_, value) => isSequence(value) || value instanceof Generator],
  le: lessOrEqual,
  '<=': lessOrEqual,
  lessthan: less,
  lower: [NONE, hasCase('toLowerCase')],
  lt: less,
  '<': less,
  mapping: [NONE, (_, value) => value instanceof Dict],
  ne: unequal,
  '!=': unequal,
  none: [NONE, (_, value) => isNone(value)],
  number: [NONE, (_, value) => isNumber(value)],
  odd: [NONE, (runtime, value) => isEqual(operate('%', value, 2, runtime.budget), 1, runtime.budget)],
  sameas: [OTHER, sameAs],
  sequence: [NONE, (_, value) => isSequence(value) && value !== NO_CONTENT],
  string: [NONE, (_, value) => isText(value)],
  test: [NONE, (runtime, value) => hasTest(plain(runtime.text(value)))],
  true: [NONE, (_, value) => value === true],
  undefined: [NONE, (_, value) => value instanceof Undefined],
  upper: [NONE, hasCase('toUpperCase')],
});

/** @param {string} name */
export const hasTest = (name) => Object.hasOwn(TESTS, name);

/**
 * @param {Runtime} runtime @param {string} name @param {Value} value @param {Value[]} args
 * @param {Map<string, Value>} named
 * @returns {boolean}
 */
export function applyTest(runtime, name, value, args, named) {
  if (!hasTest(name)) throw new TemplateError(`there is no test '${name}'`);
  runtime.budget.chargeValue(value);
  const [parameters, test] = TESTS[name];
  return test(runtime, value, ...bind(name, parameters, args, named));
}
