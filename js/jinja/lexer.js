// Splits a template into the text between tags and the words inside of them, as Jinja2 does with trim_blocks and
// lstrip_blocks: the line break behind a block tag goes, and so does the blank before one that begins its line.
import { TemplateError } from './errors.js';
import { endOfText, SPACES } from './text.js';

/**
 * @typedef {'data' | 'print' | 'print_end' | 'block' | 'block_end' | 'name' | 'string' | 'operator' | 'end'} WordKind
 * @typedef {{ kind: WordKind, value: string, line: number } | { kind: 'integer' | 'float', value: number, line: number }} Token
 * @typedef {{ groups: RegExpExecArray | null, end: number }} Match `end`: where the text goes on behind it
 */

const ONLY_SPACE = new RegExp(`^[${SPACES}]*$`);
/** @type {Match} */
const NO_MATCH = Object.freeze({ groups: null, end: 0 });
/** A lexer's own: such patterns know where they stand. */
const createPatterns = () => ({
  space: new RegExp(`[${SPACES}]*`, 'y'),
  tag: /\{\{|\{%|\{#/g,
  raw: new RegExp(`\\{%([-+]?)[${SPACES}]*raw[${SPACES}]*(-?)%\\}`, 'y'),
  endRaw: new RegExp(`\\{%([-+]?)[${SPACES}]*endraw[${SPACES}]*([-+]?)%\\}`, 'g'),
  float: /(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy,
  integer: /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy,
  name: /[\p{L}\p{N}_][\p{L}\p{N}\p{M}_]*/uy,
  string: /'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"/y,
  operator: /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y,
});
/** @type {Readonly<Record<string, string>>} */
const CLOSES = Object.freeze({ ')': '(', ']': '[', '}': '{' });

/** @param {string} source @returns {Token[]} with one of kind 'end' behind the last */
export function tokenize(source) {
  return new Lexer(source.replace(/\r\n?/g, '\n').replace(/\n$/, '')).run();
}

class Lexer {
  #source;
  #at = 0;
  #line = 1;
  #counted = 0;
  /** @type {Token[]} */
  #tokens = [];
  #patterns = createPatterns();

  /** @param {string} source */
  constructor(source) {
    this.#source = source;
  }

  run() {
    const source = this.#source;
    while (this.#at < source.length) {
      this.#patterns.tag.lastIndex = this.#at;
      const tag = this.#patterns.tag.exec(source);
      if (tag === null) {
        this.#push('data', source.slice(this.#at));
        break;
      }
      this.#data(tag[0], tag.index);
      if (tag[0] === '{#') this.#comment();
      else if (tag[0] === '{{') this.#tag('print', 'print_end', '}}');
      else if (!this.#raw()) this.#tag('block', 'block_end', '%}');
    }
    this.#at = source.length;
    this.#push('end', '');
    return this.#tokens;
  }

  /** The text before a tag, without what the tag takes of it. @param {string} tag @param {number} end */
  #data(tag, end) {
    const text = this.#stripped(this.#source.slice(this.#at, end), tag, this.#source[end + 2], this.#at);
    if (text !== '') this.#push('data', text);
    this.#at = end;
  }

  /** @param {string} text @param {string} tag @param {string | undefined} sign @param {number} start */
  #stripped(text, tag, sign, start) {
    if (sign === '-') return text.slice(0, endOfText(text));
    if (sign === '+' || tag === '{{') return text;
    const line = text.lastIndexOf('\n') + 1;
    const beginsLine = line > 0 || start === 0 || this.#source[start - 1] === '\n';
    return beginsLine && ONLY_SPACE.test(text.slice(line)) ? text.slice(0, line) : text;
  }

  #comment() {
    const end = this.#source.indexOf('#}', this.#at + 2);
    if (end === -1) throw this.#error('a comment is not closed');
    const sign = end > this.#at + 2 ? this.#source[end - 1] : '';
    this.#at = end + 2;
    this.#behind(sign);
  }

  /** What a block's or comment's end takes of the text behind it. @param {string} sign */
  #behind(sign) {
    if (sign === '-') this.#at = this.#match(this.#patterns.space).end;
    else if (sign !== '+' && this.#source[this.#at] === '\n') this.#at++;
  }

  #raw() {
    const raw = this.#match(this.#patterns.raw);
    if (raw.groups === null) return false;
    this.#at = raw.end;
    if (raw.groups[2] === '-') this.#at = this.#match(this.#patterns.space).end;
    this.#patterns.endRaw.lastIndex = this.#at;
    const end = this.#patterns.endRaw.exec(this.#source);
    if (end === null) throw this.#error('a raw block is not closed');
    const text = this.#stripped(this.#source.slice(this.#at, end.index), '{%', end[1], this.#at);
    if (text !== '') this.#push('data', text);
    this.#at = this.#patterns.endRaw.lastIndex;
    this.#behind(end[2]);
    return true;
  }

  /** @param {WordKind} kind @param {WordKind} endKind @param {string} closing */
  #tag(kind, endKind, closing) {
    this.#push(kind, '');
    this.#at += 2;
    if ('-+'.includes(this.#source[this.#at])) this.#at++;
    /** @type {string[]} */
    const open = [];
    for (;;) {
      this.#at = this.#match(this.#patterns.space).end;
      if (this.#at >= this.#source.length) throw this.#error('a tag is not closed');
      if (open.length === 0 && this.#closed(endKind, closing)) return;
      this.#word(open);
    }
  }

  /** @param {WordKind} kind @param {string} closing */
  #closed(kind, closing) {
    const source = this.#source;
    const sign = source.startsWith(closing, this.#at) ? '' : source[this.#at];
    const isSign = sign === '-' || (sign === '+' && kind === 'block_end');
    if (sign !== '' && !(isSign && source.startsWith(closing, this.#at + 1))) return false;
    this.#push(kind, '');
    this.#at += sign.length + closing.length;
    if (kind === 'block_end') this.#behind(sign);
    else if (sign === '-') this.#at = this.#match(this.#patterns.space).end;
    return true;
  }

  /** @param {string[]} open */
  #word(open) {
    // A float does not follow a point: a.0.1 are two indices.
    const afterPoint = this.#source[this.#at - 1] === '.';
    const float = afterPoint ? NO_MATCH : this.#match(this.#patterns.float);
    if (float.groups) return this.#take('float', Number(float.groups[0].replaceAll('_', '')), float.end);
    const integer = this.#match(this.#patterns.integer);
    if (integer.groups) return this.#take('integer', this.#whole(integer.groups[0]), integer.end);
    const name = this.#match(this.#patterns.name);
    if (name.groups) return this.#take('name', name.groups[0], name.end);
    const string = this.#match(this.#patterns.string);
    if (string.groups) return this.#take('string', unescaped(string.groups[0].slice(1, -1)), string.end);
    const operator = this.#match(this.#patterns.operator);
    if (!operator.groups) throw this.#error(`${JSON.stringify(this.#source[this.#at])} is unexpected`);
    const [value] = operator.groups;
    if ('([{'.includes(value)) open.push(value);
    else if (CLOSES[value] !== undefined && open.pop() !== CLOSES[value]) throw this.#error(`${value} closes nothing`);
    return this.#take('operator', value, operator.end);
  }

  /** @param {string} digits */
  #whole(digits) {
    const value = Number(digits.replaceAll('_', ''));
    if (!Number.isSafeInteger(value)) throw this.#error('a whole number is beyond 2^53');
    return value;
  }

  /** @param {RegExp} pattern @returns {Match} */
  #match(pattern) {
    pattern.lastIndex = this.#at;
    const groups = pattern.exec(this.#source);
    return { groups, end: groups === null ? this.#at : pattern.lastIndex };
  }

  /** @param {Token['kind']} kind @param {string | number} value @param {number} end */
  #take(kind, value, end) {
    this.#push(kind, value);
    this.#at = end;
  }

  /** @param {Token['kind']} kind @param {string | number} value */
  #push(kind, value) {
    this.#tokens.push(/** @type {Token} */ ({ kind, value, line: this.#lineHere() }));
  }

  #lineHere() {
    for (; this.#counted < this.#at; this.#counted++) if (this.#source[this.#counted] === '\n') this.#line++;
    return this.#line;
  }

  /** @param {string} found */
  #error(found) {
    return new TemplateError(`${found} in line ${this.#lineHere()}`);
  }
}

/** @type {Readonly<Record<string, string>>} */
const ESCAPES = Object.freeze({ n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v', '\n': '' });

/** The escapes of Python's string literals; what is none stays as it is. @param {string} text */
function unescaped(text) {
  return text.replace(
    /\\(?:([0-7]{1,3})|x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|([\s\S]))/g,
    (whole, octal, ...rest) => {
      if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
      const [byte, unit, point, other] = rest;
      const hex = byte ?? unit ?? point;
      if (hex !== undefined) {
        const code = Number.parseInt(hex, 16);
        if (code > 0x10ffff) throw new TemplateError(`${whole} is no character`);
        return String.fromCodePoint(code);
      }
      if ('xuUN'.includes(other))
        throw new TemplateError(`${whole} is an escape that is not complete or not supported`);
      if ('\\\'"'.includes(other)) return other;
      return ESCAPES[other] ?? whole;
    },
  );
}
