// The words of a template, one after the other, and what a parser asks of them.
import { TemplateError } from './errors.js';

// Enough for what people write; the evaluation has a bound of its own.
const MAX_NESTING = 200;

/** @typedef {import('./lexer.js').Token} Token */

export class TokenStream {
  #tokens;
  #at = 0;
  #nesting = 0;

  /** @param {import('./lexer.js').Token[]} tokens */
  constructor(tokens) {
    this.#tokens = tokens;
  }

  get current() {
    return this.#tokens[this.#at];
  }

  get following() {
    return this.#tokens[Math.min(this.#at + 1, this.#tokens.length - 1)];
  }

  next() {
    const token = this.current;
    if (token.kind !== 'end') this.#at++;
    return token;
  }

  /** Whether the current token is of that kind, and that one. @param {Token['kind']} kind @param {string} [value] */
  is(kind, value) {
    return this.current.kind === kind && (value === undefined || this.current.value === value);
  }

  /** @param {...string} values */
  isOperator(...values) {
    const { kind, value } = this.current;
    return kind === 'operator' && values.includes(value);
  }

  /** @param {...string} values */
  isName(...values) {
    const { kind, value } = this.current;
    return kind === 'name' && values.includes(value);
  }

  /** @param {Token['kind']} kind @param {string} [value] */
  skip(kind, value) {
    if (!this.is(kind, value)) return false;
    this.next();
    return true;
  }

  /**
   * @template {Token['kind']} Kind
   * @param {Kind} kind
   * @param {string} [value]
   * @returns {Token & { kind: Kind }}
   */
  expect(kind, value) {
    if (!this.is(kind, value)) throw this.error(`expected ${value ?? wordFor(kind)}, found ${this.#found()}`);
    return /** @type {Token & { kind: Kind }} */ (this.next());
  }

  #found() {
    const { kind, value } = this.current;
    return ['name', 'operator', 'string', 'integer', 'float'].includes(kind)
      ? JSON.stringify(String(value).slice(0, 40))
      : wordFor(kind);
  }

  /** @param {string} found */
  error(found) {
    return new TemplateError(`${found} in line ${this.current.line}`);
  }

  /** Parses what may hold itself. @template Result @param {() => Result} parse @returns {Result} */
  nested(parse) {
    if (++this.#nesting > MAX_NESTING) throw this.error(`more than ${MAX_NESTING} things stand in each other`);
    try {
      return parse();
    } finally {
      this.#nesting--;
    }
  }
}

/** @type {Readonly<Record<string, string>>} */
const WORDS = Object.freeze({
  data: 'text',
  print: 'another print tag',
  print_end: 'the end of the print tag',
  block: 'another block',
  block_end: 'the end of the block',
  end: 'the end of the template',
  name: 'a name',
});
/** @param {Token['kind']} kind */
const wordFor = (kind) => WORDS[kind] ?? `a ${kind}`;
