// When two values are equal, which of them comes first, and whether one is in another.
import { TemplateError } from './errors.js';
import { isText, plain } from './text.js';
import {
  comparable,
  Dict,
  Generator,
  isNone,
  isNumber,
  itemsOf,
  NO_CONTENT,
  Tuple,
  typeName,
  Undefined,
} from './values.js';

/** @typedef {import('./budget.js').Budget} Budget */
/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./values.js').NumberValue} NumberValue */

const MAX_NESTING = 100;

/** @param {Value} left @param {Value} right @param {Budget} budget @returns {boolean} */
export function isEqual(left, right, budget, depth = 0) {
  budget.charge(1);
  if (depth > MAX_NESTING) throw new TemplateError('compares values that nest too deeply');
  if (isText(left) && isText(right)) {
    budget.charge(plain(left).length >>> 6);
    return plain(left) === plain(right);
  }
  if (isNumber(left) && isNumber(right)) return compareNumbers(left, right) === 0;
  if (isNone(left)) return isNone(right);
  if (left instanceof Undefined) return right instanceof Undefined;
  if (Array.isArray(left) && Array.isArray(right)) {
    const isSameKind = left instanceof Tuple === right instanceof Tuple;
    return (
      isSameKind &&
      left.length === right.length &&
      left.every((each, index) => isEqual(each, right[index], budget, depth + 1))
    );
  }
  if (left instanceof Dict && right instanceof Dict) {
    return (
      left.size === right.size &&
      left.entries().every(([key, value]) => {
        const other = right.get(key);
        return other !== undefined && isEqual(value, other, budget, depth + 1);
      })
    );
  }
  return left === right;
}

/** NaN where one of them is NaN. @param {NumberValue} left @param {NumberValue} right */
function compareNumbers(left, right) {
  const [a, b] = [comparable(left), comparable(right)];
  if (a < b) return -1;
  if (a > b) return 1;
  return a >= b ? 0 : NaN;
}

/** Code point by code point, as Python compares, and not unit by unit. @param {string} left @param {string} right */
function compareTexts(left, right) {
  if (left === right) return 0;
  const shorter = Math.min(left.length, right.length);
  let at = 0;
  while (at < shorter && left[at] === right[at]) at++;
  if (at === shorter) return left.length - right.length;
  const [a, b] = [left.charCodeAt(at), right.charCodeAt(at)];
  const isSurrogate = (/** @type {number} */ unit) => unit >= 0xd800 && unit < 0xe000;
  if (isSurrogate(a) !== isSurrogate(b)) return isSurrogate(a) ? 1 : -1;
  return a - b;
}

/**
 * Negative, 0 or positive; an error for values that have no order.
 * @param {Value} left @param {Value} right @param {string} operator for the error @param {Budget} budget
 * @returns {number}
 */
export function compare(left, right, operator, budget, depth = 0) {
  budget.charge(1);
  if (depth > MAX_NESTING) throw new TemplateError('compares values that nest too deeply');
  if (isNumber(left) && isNumber(right)) return compareNumbers(left, right);
  if (isText(left) && isText(right)) {
    budget.charge(Math.min(plain(left).length, plain(right).length) >>> 6);
    return compareTexts(plain(left), plain(right));
  }
  if (Array.isArray(left) && Array.isArray(right) && left instanceof Tuple === right instanceof Tuple) {
    const place = left.findIndex((each, index) => index >= right.length || !isEqual(each, right[index], budget));
    if (place === -1 || place >= right.length) return left.length - right.length;
    return compare(left[place], right[place], operator, budget, depth + 1);
  }
  for (const each of [left, right]) if (each instanceof Undefined) each.fail();
  throw new TemplateError(
    `'${operator}' not supported between instances of '${typeName(left)}' and '${typeName(right)}'`,
  );
}

/** `item in container` @param {Value} container @param {Value} item @param {Budget} budget @returns {boolean} */
export function contains(container, item, budget) {
  if (container === NO_CONTENT || container instanceof Undefined) return false;
  if (isText(container)) {
    if (item instanceof Undefined) item.fail();
    if (!isText(item)) {
      throw new TemplateError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
    }
    budget.charge(plain(container).length >>> 4);
    return plain(container).includes(plain(item));
  }
  if (container instanceof Dict) return container.has(item);
  if (Array.isArray(container) || container instanceof Generator) {
    return itemsOf(container, budget).some((each) => isEqual(each, item, budget));
  }
  throw new TemplateError(`argument of type '${typeName(container)}' is not iterable`);
}
