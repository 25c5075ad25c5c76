// + - * / // % ** ~ on Python's values.
import { TemplateError } from './errors.js';
import { formatPercent } from './format.js';
import { toText } from './print.js';
import { countCharacters, isText, plain, TextWriter } from './text.js';
import {
  checkedWhole,
  Dict,
  Float,
  isNone,
  isNumber,
  NO_CONTENT,
  numberOf,
  Tuple,
  typeName,
  Undefined,
  View,
  wholeNumber,
} from './values.js';

/** @typedef {import('./budget.js').Budget} Budget */
/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./values.js').NumberValue} NumberValue */
/** @typedef {import('./text.js').Text} Text */

/** @param {Value[]} values @param {Budget} budget */
export function concatenate(values, budget) {
  const writer = new TextWriter(budget.checkText);
  for (const value of values) writer.add(toText(value, budget));
  const { text } = writer;
  budget.chargeValue(text);
  return text;
}

/** @param {Text | Value[]} value @param {number} count @param {Budget} budget @returns {Text | Value[]} */
function repeat(value, count, budget) {
  const times = Math.max(0, count);
  if (isText(value)) {
    budget.chargeText(plain(value).length * times);
    const writer = new TextWriter();
    for (let i = 0; i < times && plain(value) !== ''; i++) {
      budget.charge(1);
      writer.add(value);
    }
    return writer.text;
  }
  budget.chargeItems(value.length * times);
  const items = Array.from({ length: value.length * times }, (_, index) => value[index % value.length]);
  return value instanceof Tuple ? Tuple.from(items) : items;
}

/** @param {Value} value @returns {value is Value[]} */
const isList = (value) => Array.isArray(value) && !(value instanceof View);

/** @param {Value} left @param {Value} right @param {Budget} budget @returns {Value | undefined} undefined: they have no sum */
function add(left, right, budget) {
  const hasText = isText(left) || isText(right);
  if (hasText && [left, right].every((each) => isText(each) || each === NO_CONTENT)) {
    return concatenate([left, right], budget);
  }
  if (isList(left) && isList(right) && left instanceof Tuple === right instanceof Tuple) {
    budget.chargeItems(left.length + right.length);
    const items = [...left, ...right];
    return left instanceof Tuple ? Tuple.from(items) : items;
  }
  return undefined;
}

/**
 * Of two whole numbers a whole one, else a float.
 * @param {string} operator @param {NumberValue} left @param {NumberValue} right
 */
function arithmetic(operator, left, right) {
  const isWhole = !(left instanceof Float) && !(right instanceof Float);
  const [a, b] = [numberOf(left), numberOf(right)];
  if (['/', '//', '%'].includes(operator) && b === 0) throw new TemplateError('division by zero');
  if (operator === '/') return new Float(a / b);
  const isRoot = operator === '**' && (b < 0 || !isWhole);
  const value = compute(operator, a, b, isWhole);
  return isWhole && !isRoot ? checkedWhole(value) : new Float(value);
}

/** @param {string} operator @param {number} a @param {number} b @param {boolean} isWhole @returns {number} */
function compute(operator, a, b, isWhole) {
  switch (operator) {
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '//':
      return Math.floor(a / b);
    case '%': {
      const rest = a % b;
      if (rest !== 0) return rest < 0 === b < 0 ? rest : rest + b;
      return isWhole ? 0 : b < 0 ? -0 : 0;
    }
    default:
      if (a === 0 && b < 0) throw new TemplateError('zero cannot be raised to a negative power');
      return a ** b;
  }
}

/** @param {string} operator @param {Value} left @param {Value} right @param {Budget} budget @returns {Value} */
export function operate(operator, left, right, budget) {
  if (operator === '%' && isText(left)) return formatPercent(left, right, budget);
  if (isNumber(left) && isNumber(right)) return arithmetic(operator, left, right);
  if (operator === '+') {
    const sum = add(left, right, budget);
    if (sum !== undefined) return sum;
  }
  if (operator === '*') {
    for (const [value, count] of [
      [left, right],
      [right, left],
    ]) {
      const isWhole = ['number', 'bigint', 'boolean'].includes(typeof count);
      if (isWhole && (isText(value) || isList(value))) return repeat(value, wholeNumber(count, 'a count'), budget);
    }
  }
  for (const each of [left, right]) if (each instanceof Undefined) each.fail();
  if (operator === '+' && isText(left) && !isNone(right)) {
    throw new TemplateError(`can only concatenate str (not "${typeName(right)}") to str`);
  }
  throw new TemplateError(`unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`);
}

/** @param {string} sign `-` or `+` @param {Value} value @returns {Value} */
export function signed(sign, value) {
  if (value instanceof Undefined) value.fail();
  if (!isNumber(value)) throw new TemplateError(`bad operand type for unary ${sign}: '${typeName(value)}'`);
  if (typeof value === 'bigint') return sign === '-' ? -value : value;
  const number = numberOf(value);
  if (value instanceof Float) return sign === '-' ? new Float(-number) : value;
  return sign === '-' && number !== 0 ? -number : number;
}

/** `length`, of what has one. @param {Value} value @param {Budget} budget @returns {number} */
export function lengthOf(value, budget) {
  if (isText(value)) {
    budget.charge(plain(value).length >>> 4);
    return countCharacters(plain(value));
  }
  if (Array.isArray(value)) return value.length;
  if (value instanceof Undefined || value === NO_CONTENT) return 0;
  if (value instanceof Dict) return value.size;
  throw new TemplateError(`object of type '${typeName(value)}' has no len()`);
}
