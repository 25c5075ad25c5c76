// Python's two ways of writing values into a text: '%s of %d' % values, and '{} of {:>4}'.format(values).
import { TemplateError } from './errors.js';
import { floatText, toRepr, toText } from './print.js';
import { countCharacters, isText, plain, slice, TextWriter } from './text.js';
import { Dict, Float, floatOf, isNumber, Tuple, typeName, Undefined, wholeNumber } from './values.js';

/** @typedef {import('./budget.js').Budget} Budget */
/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./text.js').Text} Text */

const MAX_WIDTH = 1000;
const PERCENT = /%(?:\(([^)]*)\))?([-+ 0#]*)((?:[1-9]\d*)?)(?:\.(\d*))?([a-zA-Z%])/y;

/** @param {Text} text @param {Value} given @param {Budget} budget @returns {Text} */
export function formatPercent(text, given, budget) {
  const pattern = plain(text);
  const directive = new RegExp(PERCENT);
  const values = given instanceof Tuple ? [...given] : [given];
  const writer = new TextWriter(budget.checkText);
  let next = 0;
  let end = 0;
  for (let at = pattern.indexOf('%'); at !== -1; at = pattern.indexOf('%', end)) {
    budget.charge(1);
    writer.add(slice(text, end, at));
    directive.lastIndex = at;
    const found = directive.exec(pattern);
    if (found === null) throw new TemplateError('incomplete format');
    end = directive.lastIndex;
    const [, key, flags, width, precision, letter] = found;
    if (letter === '%') writer.add('%');
    else {
      if (key === undefined && next >= values.length) throw new TemplateError('not enough arguments for format string');
      const value = key === undefined ? values[next++] : namedValue(given, key);
      writer.add(formatted(value, { flags, width: bounded(width), precision, letter }, budget));
    }
  }
  writer.add(slice(text, end));
  // Python asks whether it has items, which lists have, too.
  const isMapping =
    given instanceof Dict || given instanceof Undefined || (Array.isArray(given) && !(given instanceof Tuple));
  if (next < values.length && !isMapping)
    throw new TemplateError('not all arguments converted during string formatting');
  return writer.text;
}

/** @param {Value} given @param {string} key @returns {Value} */
function namedValue(given, key) {
  if (!(given instanceof Dict)) throw new TemplateError('format requires a mapping');
  const value = given.get(key);
  if (value === undefined) throw new TemplateError(`there is no '${key}' to format`);
  return value;
}

/** @param {string | undefined} digits */
function bounded(digits) {
  const number = Number(digits || 0);
  if (number > MAX_WIDTH) throw new TemplateError(`a format asks for more than ${MAX_WIDTH} characters`);
  return number;
}

/**
 * @param {Value} value
 * @param {{ flags: string, width: number, precision: string | undefined, letter: string }} how
 * @param {Budget} budget
 * @returns {Text}
 */
function formatted(value, { flags, width, precision, letter }, budget) {
  const digits = precision === undefined ? undefined : bounded(precision);
  if ('sra'.includes(letter)) {
    const text = letter === 's' ? toText(value, budget) : toRepr(value, budget);
    const cut = digits === undefined ? text : slice(text, 0, digits);
    return padded(cut, width, flags.includes('-') ? '<' : '>', ' ');
  }
  if (letter === 'c') return padded(isText(value) ? value : characterOf(value), width, '>', ' ');
  const text = numberText(value, letter, digits ?? 6, budget);
  const sign = text.startsWith('-') ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  const bare = text.replace(/^-/, '');
  if (flags.includes('0') && !flags.includes('-')) return sign + bare.padStart(width - sign.length, '0');
  return padded(sign + bare, width, flags.includes('-') ? '<' : '>', ' ');
}

/** The character of a number. @param {Value} value */
function characterOf(value) {
  const code = wholeNumber(value, 'what %c writes');
  if (code < 0 || code > 0x10ffff) throw new TemplateError(`there is no character ${code}`);
  return String.fromCodePoint(code);
}

/**
 * A number in the way that a letter stands for.
 * @param {Value} value @param {string} letter @param {number} digits @param {Budget} budget
 * @returns {string}
 */
function numberText(value, letter, digits, budget) {
  if (value instanceof Undefined) value.fail();
  if (!isNumber(value)) throw new TemplateError(`%${letter} format: a number is required, not ${typeName(value)}`);
  const number = floatOf(value);
  const whole = typeof value === 'bigint' ? value : Math.trunc(number);
  budget.charge(1);
  if ('diu'.includes(letter)) return String(whole);
  if ('xXo'.includes(letter)) {
    const text = whole.toString(letter === 'o' ? 8 : 16);
    return letter === 'X' ? text.toUpperCase() : text;
  }
  if ('fF'.includes(letter)) return fixed(number, digits);
  if ('eE'.includes(letter)) {
    const text = number.toExponential(Math.min(digits, 100)).replace(/e([-+])(\d)$/, 'e$10$2');
    return letter === 'E' ? text.toUpperCase() : text;
  }
  if (letter === 'g') return general(number, digits || 1);
  if (letter === 'G') return general(number, digits || 1).toUpperCase();
  throw new TemplateError(`unsupported format character '${letter}'`);
}

/**
 * With so many places, the last rounded to even where it is in the middle, as Python does.
 * @param {number} number @param {number} digits
 */
export function fixed(number, digits) {
  if (!Number.isFinite(number)) return floatText(number);
  if (Math.abs(number) >= 1e21)
    return digits === 0 ? String(BigInt(number)) : `${BigInt(number)}.${'0'.repeat(digits)}`;
  const places = Math.min(digits, 100);
  const rounded = number.toFixed(places);
  const [, rest] = number.toFixed(Math.min(100, places + 60)).split('.');
  const isMiddle = /^50*$/.test(rest?.slice(places) ?? '');
  if (!isMiddle || (Number(rounded.at(-1)) & 1) === 0) return rounded;
  // JavaScript has taken the one that is farther from zero; the last digit of that is odd, so nothing is carried.
  return `${rounded.slice(0, -1)}${Number(rounded.at(-1)) - 1}`;
}

/** @param {number} number @param {number} digits */
function general(number, digits) {
  if (!Number.isFinite(number)) return floatText(number);
  const power = number === 0 ? 0 : Number(number.toExponential(Math.min(digits, 100) - 1).split('e')[1]);
  if (power < -4 || power >= digits) {
    const [mantissa, exponent] = number.toExponential(Math.min(digits, 100) - 1).split('e');
    const bare = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
    return `${bare}e${exponent.replace(/^([-+])(\d)$/, '$10$2')}`;
  }
  const text = number.toFixed(Math.max(0, Math.min(100, digits - 1 - power)));
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** @param {Text} text @param {number} width @param {string} align `<`, `^` or `>` @param {string} fill @returns {Text} */
export function padded(text, width, align, fill) {
  const missing = width - countCharacters(plain(text));
  if (missing <= 0) return text;
  const left = align === '<' ? 0 : align === '^' ? Math.floor(missing / 2) : missing;
  const writer = new TextWriter();
  writer.add(fill.repeat(left));
  writer.add(text);
  writer.add(fill.repeat(missing - left));
  return writer.text;
}

/** @typedef {(object: Value, key: string | number, isAttribute: boolean) => Value} Get an attribute or an item */

const FIELD = /\{\{|\}\}|\{([^{}!:]*)(?:!([rsa]))?(?::([^{}]*))?\}|[{}]/g;
const SPEC = /^(?:(.)?([<>^=]))?([-+ ]?)(0?)(\d*)(,?)(?:\.(\d+))?([a-zA-Z%]?)$/su;

/**
 * @param {Text} text @param {Value[]} args @param {Map<string, Value>} named @param {Budget} budget
 * @param {Get} get
 */
export function formatBraces(text, args, named, budget, get) {
  const pattern = plain(text);
  const writer = new TextWriter(budget.checkText);
  let next = 0;
  let end = 0;
  for (const found of pattern.matchAll(FIELD)) {
    budget.charge(1);
    writer.add(slice(text, end, found.index));
    end = found.index + found[0].length;
    const [whole, name, conversion, spec = ''] = found;
    if (whole === '{{' || whole === '}}') writer.add(whole[0]);
    else if (name === undefined) throw new TemplateError("a single '{' or '}' stands in a format string");
    else {
      const value = field(name === '' || /^[.[]/.test(name) ? `${next++}${name}` : name, args, named, get);
      writer.add(specified(conversion === 'r' ? toRepr(value, budget) : value, spec, budget));
    }
  }
  writer.add(slice(text, end));
  return writer.text;
}

/** @param {string} path @param {Value[]} args @param {Map<string, Value>} named @param {Get} get @returns {Value} */
function field(path, args, named, get) {
  if (path.length > MAX_WIDTH) throw new TemplateError(`a format names a value by more than ${MAX_WIDTH} characters`);
  const [first, ...rest] = path.match(/^[^.[]+|\.[^.[]+|\[[^\]]*\]/g) ?? [path];
  const isIndex = /^\d+$/.test(first);
  let value = isIndex ? args[Number(first)] : named.get(first);
  if (value === undefined) throw new TemplateError(`there is no '${first}' to format`);
  for (const step of rest) {
    const key = step.replace(/^[.[]|\]$/g, '');
    value = get(value, /^\d+$/.test(key) && step[0] === '[' ? Number(key) : key, step[0] === '.');
  }
  return value;
}

/** Digits with a comma before each three of their end. @param {string} digits */
function inThousands(digits) {
  const first = digits.length % 3;
  const threes = digits.slice(first).match(/.../g) ?? [];
  return [...(first > 0 ? [digits.slice(0, first)] : []), ...threes].join(',');
}

/** @param {Value} value @param {string} spec @param {Budget} budget @returns {Text} */
function specified(value, spec, budget) {
  if (spec === '') return toText(value, budget);
  const found = SPEC.exec(spec);
  if (found === null) throw new TemplateError('Invalid format specifier');
  const [, fill = ' ', align, sign, zero, width, comma, precision, letter] = found;
  if (!isNumber(value) || letter === 's') {
    const text = toText(value, budget);
    const cut = precision === undefined ? text : slice(text, 0, bounded(precision));
    return padded(cut, bounded(width), align ?? '<', fill);
  }
  const isDefault = letter === '' || letter === 'd';
  const percent = letter === '%';
  let digits = isDefault && precision === undefined ? plain(toText(value, budget)) : '';
  if (digits === '') {
    const number = percent ? new Float(floatOf(value) * 100) : value;
    const how = percent ? 'f' : letter === '' ? 'g' : letter;
    digits = numberText(number, how, precision === undefined ? 6 : bounded(precision), budget);
  }
  const bare = digits.replace(/^-/, '');
  const grouped = comma === '' ? bare : bare.replace(/^\d+/, inThousands);
  const text = `${grouped}${percent ? '%' : ''}`;
  const signText = digits.startsWith('-') ? '-' : sign === '-' ? '' : sign;
  if (zero !== '' || align === '=') {
    const filler = zero === '' ? fill : '0';
    return signText + text.padStart(bounded(width) - signText.length, filler);
  }
  return padded(signText + text, bounded(width), align ?? '>', fill);
}
