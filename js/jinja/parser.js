// The grammar of Jinja's blocks.
import { ExpressionParser } from './expressions.js';
import { tokenize } from './lexer.js';
import { TokenStream } from './token-stream.js';

/** @typedef {import('./syntax-tree.js').Expression} Expression */
/** @typedef {import('./syntax-tree.js').Statement} Statement */
/** @typedef {import('./syntax-tree.js').Target} Target */
/** @typedef {import('./syntax-tree.js').Parameter} Parameter */
/** @typedef {import('./syntax-tree.js').Signature} Signature */

const OTHER_TEMPLATES = ['include', 'import', 'from', 'extends'];

/**
 * @param {string} source
 * @returns {{ body: Statement[], uses: import('./expressions.js').Uses }}
 * @throws {TemplateError}
 */
export function parse(source) {
  const tokens = new TokenStream(tokenize(source));
  const parser = new Parser(tokens);
  const body = parser.body([]);
  if (!tokens.is('end')) throw tokens.error('the template ends too early');
  return { body, uses: parser.uses };
}

class Parser extends ExpressionParser {
  // What is open around here, for `break`, `caller` and the like.
  #loops = 0;
  /** Of each macro around here, the special names that it uses. @type {Set<string>[]} */
  #macros = [];

  /** Statements up to a block that has one of these names, which is not taken. @param {string[]} ends @returns {Statement[]} */
  body(ends) {
    return this.tokens.nested(() => this.#statements(ends));
  }

  /** @param {string[]} ends @returns {Statement[]} */
  #statements(ends) {
    const { tokens } = this;
    /** @type {Statement[]} */
    const body = [];
    for (;;) {
      if (tokens.is('data')) body.push(this.node('Data', { value: tokens.expect('data').value }));
      else if (tokens.skip('print')) {
        body.push(this.node('Print', { value: this.tuple() }));
        tokens.expect('print_end');
      } else if (tokens.is('block')) {
        if (tokens.following.kind === 'name' && ends.includes(tokens.following.value)) return body;
        tokens.next();
        body.push(this.#statement());
        tokens.expect('block_end');
      } else if (ends.length === 0) return body;
      else throw tokens.error(`expected ${ends.join(' or ')}, found the end of the template`);
    }
  }

  /** @returns {Statement} */
  #statement() {
    const { tokens } = this;
    const name = tokens.expect('name').value;
    switch (name) {
      case 'for':
        return this.#for();
      case 'if':
        return this.#if();
      case 'set':
        return this.#set();
      case 'macro':
        return this.#macro();
      case 'call':
        return this.#call();
      case 'filter':
        return this.#filter();
      case 'with':
        return this.#with();
      case 'print':
        return this.#print();
      case 'break':
      case 'continue':
        if (this.#loops === 0) throw tokens.error(`${name} stands in no loop`);
        return this.node(name === 'break' ? 'Break' : 'Continue', {});
      case 'generation':
        return this.node('Scope', { body: this.#until('endgeneration') });
      case 'autoescape':
        return this.#autoescape();
      case 'block':
        return this.#block();
      default:
        if (OTHER_TEMPLATES.includes(name)) throw tokens.error(`${name} asks for another template, and there is none,`);
        throw tokens.error(`there is no block ${JSON.stringify(name.slice(0, 40))}, which stands`);
    }
  }

  #print() {
    const parts = [this.expression()];
    while (this.tokens.skip('operator', ',')) parts.push(this.expression());
    return this.node('Print', { value: this.node('Concat', { parts }) });
  }

  /** The rest of a block that ends with `end`, which is taken but for its closing. @param {string} end */
  #until(end) {
    this.tokens.expect('block_end');
    const body = this.body([end]);
    this.tokens.next();
    this.tokens.next();
    return body;
  }

  #for() {
    const { tokens } = this;
    const target = this.#target((t) => t.isName('in'));
    tokens.expect('name', 'in');
    const iterable = this.tuple({ withCondition: false, isEnd: () => tokens.isName('recursive') });
    const test = tokens.skip('name', 'if') ? this.expression() : null;
    const isRecursive = tokens.skip('name', 'recursive');
    tokens.expect('block_end');
    this.#loops++;
    const body = this.body(['endfor', 'else']);
    this.#loops--;
    tokens.next();
    const otherwise = tokens.next().value === 'else' ? this.#until('endfor') : [];
    return this.node('For', { target, iterable, test, isRecursive, body, otherwise });
  }

  #if() {
    const { tokens } = this;
    const branches = [];
    /** @type {Statement[]} */
    let otherwise = [];
    this.uses.soft++;
    for (let isOpen = true; isOpen; ) {
      const test = this.tuple({ withCondition: false });
      tokens.expect('block_end');
      branches.push({ test, body: this.body(['elif', 'else', 'endif']) });
      tokens.next();
      const end = tokens.next().value;
      if (end === 'else') otherwise = this.#until('endif');
      isOpen = end === 'elif';
    }
    this.uses.soft--;
    return this.node('If', { branches, otherwise });
  }

  #set() {
    const { tokens } = this;
    const target = this.#target((t) => t.isOperator('='), true);
    if (tokens.skip('operator', '=')) return this.node('Set', { target, value: this.tuple() });
    const piped = this.node('Piped', {});
    const value = tokens.isOperator('|') ? this.filters(piped) : piped;
    return this.node('SetBlock', { target, value, body: this.#until('endset') });
  }

  /**
   * A name, several of them, or an attribute of a namespace.
   * @param {(tokens: TokenStream) => boolean} isEnd @param {boolean} [withNamespace]
   * @returns {Target}
   */
  #target(isEnd, withNamespace = false) {
    const { tokens } = this;
    if (withNamespace && tokens.is('name') && tokens.following.kind === 'operator' && tokens.following.value === '.') {
      const name = tokens.expect('name').value;
      tokens.next();
      return this.node('NamespaceTarget', { name, attribute: tokens.expect('name').value });
    }
    const value = this.#targets(isEnd);
    /** @type {(each: Expression) => boolean} */
    const isTarget = (each) =>
      each.kind === 'Name' || ((each.kind === 'Tuple' || each.kind === 'List') && each.items.every(isTarget));
    if (!isTarget(value)) throw tokens.error('nothing can be assigned to what stands there,');
    return /** @type {Target} */ (value);
  }

  /** @param {(tokens: TokenStream) => boolean} isEnd @returns {Expression} */
  #targets(isEnd) {
    const { tokens } = this;
    const items = [];
    let isTuple = false;
    while (!isEnd(tokens) && !tokens.is('block_end')) {
      items.push(this.primary());
      if (!tokens.skip('operator', ',')) break;
      isTuple = true;
    }
    if (items.length === 0) throw tokens.error('a name is missing');
    return isTuple || items.length > 1 ? this.node('Tuple', { items }) : items[0];
  }

  /** @returns {Expression} */
  primary() {
    const { tokens } = this;
    const { current } = tokens;
    if (current.kind === 'name') for (const used of this.#macros) used.add(current.value);
    return super.primary();
  }

  /** @returns {Parameter[]} */
  #signature() {
    const { tokens } = this;
    /** @type {Parameter[]} */
    const parameters = [];
    tokens.expect('operator', '(');
    while (!tokens.isOperator(')')) {
      if (parameters.length > 0) tokens.expect('operator', ',');
      if (tokens.isOperator(')')) break;
      const { value: name } = tokens.expect('name');
      const fallback = tokens.skip('operator', '=') ? this.expression() : null;
      if (fallback === null && parameters.at(-1)?.fallback) {
        throw tokens.error('a parameter without a default stands behind one with a default');
      }
      parameters.push({ name, fallback });
    }
    tokens.next();
    return parameters;
  }

  /**
   * A macro's parameters and body, and which special names it uses.
   * @param {Parameter[]} parameters @param {string} end @returns {Omit<Signature, 'name'>}
   */
  #callable(parameters, end) {
    /** @type {Set<string>} */
    const used = new Set();
    this.#macros.push(used);
    const loops = this.#loops;
    this.#loops = 0;
    const body = this.#until(end);
    this.#loops = loops;
    this.#macros.pop();
    const takes = (/** @type {string} */ name) => used.has(name) && !parameters.some((each) => each.name === name);
    return {
      ...{ parameters, body, takesCaller: takes('caller') },
      ...{ takesMore: takes('varargs'), takesOther: takes('kwargs') },
    };
  }

  #macro() {
    const name = this.tokens.expect('name').value;
    return this.node('Macro', { name, ...this.#callable(this.#signature(), 'endmacro') });
  }

  #call() {
    const { tokens } = this;
    const parameters = tokens.isOperator('(') ? this.#signature() : [];
    const call = this.expression();
    if (call.kind !== 'Call') throw tokens.error('expected a call');
    return this.node('CallBlock', { call, name: 'caller', ...this.#callable(parameters, 'endcall') });
  }

  #filter() {
    const value = this.filters(this.node('Piped', {}), true);
    return this.node('FilterBlock', { value, body: this.#until('endfilter') });
  }

  #with() {
    const { tokens } = this;
    const assignments = [];
    while (!tokens.is('block_end')) {
      if (assignments.length > 0) tokens.expect('operator', ',');
      const target = this.#target((t) => t.isOperator('='));
      tokens.expect('operator', '=');
      assignments.push({ target, value: this.expression() });
    }
    return this.node('With', { assignments, body: this.#until('endwith') });
  }

  /** Prompts are no HTML, so nothing is escaped by itself; a template that asks for it is refused. */
  #autoescape() {
    const on = this.expression();
    if (on.kind !== 'Constant' || on.value !== false) throw this.tokens.error('autoescape is not supported, it stands');
    return this.node('Scope', { body: this.#until('endautoescape') });
  }

  #block() {
    const { tokens } = this;
    const { value: name } = tokens.expect('name');
    const isScoped = tokens.skip('name', 'scoped');
    tokens.skip('name', 'required');
    tokens.expect('block_end');
    const body = this.body(['endblock']);
    tokens.next();
    tokens.next();
    tokens.skip('name', name);
    return this.node('Block', { isScoped, body });
  }
}
