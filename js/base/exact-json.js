// JSON to the last digit: JSON.parse() and JSON.stringify() round whole numbers beyond 2^53, take 1.0 for 1, put keys that
// look like indices first, and know no bigints.

/**
 * @typedef {object} Maker what becomes of each value, and of each key
 * @property {(literal: string) => any} number such as '-1.50e3'
 * @property {(text: string) => any} string
 * @property {(items: any[]) => any} list
 * @property {(entries: [any, any][]) => any} object in the text's order; a key may stand there twice
 * @property {(depth: number) => void} enter told before each value how many others it stands in; what it throws ends all
 */

/** So many digits are the most that Python reads, too. */
const MAX_DIGITS = 4300;

/**
 * @param {string} literal a number in JSON
 * @returns {number | bigint | null} a whole one, as a bigint where it is beyond 2^53; null: it has a point or an exponent
 * @throws {RangeError} for one of more than 4300 digits
 */
export function wholeLiteral(literal) {
  if (/[.eE]/.test(literal)) return null;
  if (literal.length > MAX_DIGITS) throw new RangeError(`a whole number has more than ${MAX_DIGITS} digits`);
  const number = Number(literal);
  return Number.isSafeInteger(number) ? number + 0 : BigInt(literal);
}

/** Whether a number is whole, and below where JavaScript writes such with an exponent. @param {number} number */
export const isWritten = (number) => Number.isInteger(number) && Math.abs(number) < 1e21;

/**
 * @param {string} text valid JSON: that is for JSON.parse() to tell
 * @param {Maker} make
 */
export function readJson(text, make) {
  const skipped = /[\s,:]*/y;
  const word = /[^\s,\]}]+/y;
  let at = 0;
  /** @param {RegExp} pattern one that finds something everywhere in valid JSON */
  const match = (pattern) => {
    pattern.lastIndex = at;
    const [found] = /** @type {RegExpExecArray} */ (pattern.exec(text));
    at = pattern.lastIndex;
    return found;
  };
  const string = () => {
    const start = at++;
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    return make.string(JSON.parse(text.slice(start, ++at)));
  };
  /** @template Item @param {string} end @param {() => Item} each */
  const all = (end, each) => {
    /** @type {Item[]} */
    const items = [];
    at++;
    for (match(skipped); text[at] !== end; match(skipped)) items.push(each());
    at++;
    return items;
  };
  /** @param {number} depth @returns {any} */
  const value = (depth) => {
    make.enter(depth);
    match(skipped);
    if (text[at] === '"') return string();
    if (text[at] === '[') return make.list(all(']', () => value(depth + 1)));
    /** @type {() => [any, any]} */
    const entry = () => [string(), value(depth + 1)];
    if (text[at] === '{') return make.object(all('}', entry));
    const literal = match(word);
    /** @type {Record<string, boolean | null>} */
    const constants = { true: true, false: false, null: null };
    const constant = constants[literal];
    return constant === undefined ? make.number(literal) : constant;
  };
  return value(0);
}

/** JSON as JavaScript's values, whole numbers beyond 2^53 as bigints. @param {string} text @throws {SyntaxError | RangeError} */
export function parseExactly(text) {
  JSON.parse(text);
  return readJson(text, {
    number: (literal) => wholeLiteral(literal) ?? Number(literal),
    string: (given) => given,
    list: (items) => items,
    object: (entries) => Object.fromEntries(entries),
    enter: () => {},
  });
}

/**
 * What JSON.parse(JSON.stringify(value)) gives, with bigints as they are.
 * @param {any} value
 * @returns {any}
 * @throws {RangeError} for one that has itself in it
 */
export function exactCopy(value) {
  if (typeof value === 'bigint') return value;
  if (typeof value !== 'object' || value === null) {
    const text = JSON.stringify(value);
    return text === undefined ? undefined : JSON.parse(text);
  }
  if (typeof value.toJSON === 'function') return exactCopy(value.toJSON());
  if (Array.isArray(value)) return Array.from(value, (each) => exactCopy(each) ?? null);
  const entries = Object.entries(value).map(([key, each]) => [key, exactCopy(each)]);
  return Object.fromEntries(entries.filter(([, each]) => each !== undefined));
}

/** What JSON.stringify() gives, with all digits of whole numbers and of bigints. @param {any} value @returns {string} */
export function exactJson(value) {
  /** @param {any} each @returns {string} */
  const write = (each) => {
    if (typeof each === 'bigint') return String(each);
    if (typeof each === 'number') return isWritten(each) ? String(BigInt(each)) : String(each);
    if (typeof each !== 'object' || each === null) return JSON.stringify(each);
    if (Array.isArray(each)) return `[${each.map(write).join()}]`;
    const entries = Object.entries(each).map(([key, item]) => `${JSON.stringify(key)}:${write(item)}`);
    return `{${entries.join()}}`;
  };
  return write(exactCopy(value));
}
