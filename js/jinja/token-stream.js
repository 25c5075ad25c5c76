// The words of a template, one after the other, and what a parser asks of them.
import { TemplateError } from './errors.js';

// Enough for what people write; the evaluation has a bound of its own.
const MAX_NESTING = 200;

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

  /** Whether the current token is an operator, or of that kind. */
  is(kind, value) {
    return this.current.kind === kind && (value === undefined || this.current.value === value);
  }

  isOperator(...values) {
    return this.current.kind === 'operator' && values.includes(this.current.value);
  }

  isName(...values) {
    return this.current.kind === 'name' && values.includes(this.current.value);
  }

  skip(kind, value) {
    if (!this.is(kind, value)) return false;
    this.next();
    return true;
  }

  expect(kind, value) {
    if (!this.is(kind, value)) throw this.error(`expected ${value ?? wordFor(kind)}, found ${this.#found()}`);
    return this.next();
  }

  #found() {
    const { kind, value } = this.current;
    return ['name', 'operator', 'string', 'integer', 'float'].includes(kind)
      ? JSON.stringify(String(value).slice(0, 40))
      : wordFor(kind);
  }

  error(found) {
    return new TemplateError(`${found} in line ${this.current.line}`);
  }

  /** Parses what may hold itself. */
  nested(parse) {
    if (++this.#nesting > MAX_NESTING) throw this.error(`more than ${MAX_NESTING} things stand in each other`);
    try {
      return parse();
    } finally {
      this.#nesting--;
    }
  }
}

const WORDS = Object.freeze({
  data: 'text',
  print: 'another print tag',
  print_end: 'the end of the print tag',
  block: 'another block',
  block_end: 'the end of the block',
  end: 'the end of the template',
  name: 'a name',
});
const wordFor = (kind) => WORDS[kind] ?? `a ${kind}`;
