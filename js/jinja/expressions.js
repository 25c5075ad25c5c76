// The grammar of Jinja's expressions. What binds least stands first: if-else, or, and, not, comparisons, + -, ~,
// * / // %, **, signs, and what follows a value: .name [index] (call) | filter, is test.

/** @typedef {import('./syntax-tree.js').Expression} Expression */
/** @typedef {import('./syntax-tree.js').Arguments} Arguments */
/** @typedef {import('./syntax-tree.js').Parts} Parts */

/**
 * @typedef {{ filters: { name: string, line: number }[], tests: { name: string, line: number }[], soft: number }} Uses names
 *   that are looked up where the template is compiled; those in branches, only where they are reached
 */

/** @type {Readonly<Record<string, boolean | null>>} */
const CONSTANTS = Object.freeze({ true: true, True: true, false: false, False: false, none: null, None: null });
const COMPARISONS = ['==', '!=', '<', '<=', '>', '>='];

/** @returns {Arguments} */
const noArguments = () => ({ positional: [], named: [], list: null, mapping: null });

export class ExpressionParser {
  /** @param {import('./token-stream.js').TokenStream} tokens */
  constructor(tokens) {
    this.tokens = tokens;
    /** @type {Uses} */
    this.uses = { filters: [], tests: [], soft: 0 };
  }

  /**
   * @template {keyof Parts} Kind
   * @param {Kind} kind
   * @param {Parts[Kind]} parts
   * @returns {import('./syntax-tree.js').NodeOf<Kind>}
   */
  node(kind, parts) {
    return { kind, line: this.tokens.current.line, ...parts };
  }

  /** @returns {Expression} */
  expression(withCondition = true) {
    return this.tokens.nested(() => (withCondition ? this.#conditional() : this.#or()));
  }

  /** @returns {Expression} */
  #conditional() {
    const { tokens, uses } = this;
    const before = { filters: uses.filters.length, tests: uses.tests.length };
    let value = this.#or();
    while (tokens.skip('name', 'if')) {
      // What stands before the condition is reached only where that holds.
      uses.filters.length = before.filters;
      uses.tests.length = before.tests;
      this.uses.soft++;
      const test = this.#or();
      const otherwise = tokens.skip('name', 'else') ? this.expression() : null;
      this.uses.soft--;
      value = this.node('Conditional', { test, value, otherwise });
    }
    return value;
  }

  /** @returns {Expression} */
  #or() {
    let left = this.#and();
    while (this.tokens.skip('name', 'or')) left = this.node('Or', { left, right: this.#and() });
    return left;
  }

  /** @returns {Expression} */
  #and() {
    let left = this.#not();
    while (this.tokens.skip('name', 'and')) left = this.node('And', { left, right: this.#not() });
    return left;
  }

  /** @returns {Expression} */
  #not() {
    if (!this.tokens.skip('name', 'not')) return this.#comparison();
    return this.tokens.nested(() => this.node('Not', { value: this.#not() }));
  }

  /** @returns {Expression} */
  #comparison() {
    const { tokens } = this;
    const first = this.#sum();
    const rest = [];
    for (;;) {
      if (tokens.isOperator(...COMPARISONS)) rest.push({ operator: this.#operator(), value: this.#sum() });
      else if (tokens.skip('name', 'in')) rest.push({ operator: 'in', value: this.#sum() });
      else if (tokens.isName('not') && tokens.following.kind === 'name' && tokens.following.value === 'in') {
        tokens.next();
        tokens.next();
        rest.push({ operator: 'not in', value: this.#sum() });
      } else break;
    }
    return rest.length === 0 ? first : this.node('Compare', { first, rest });
  }

  /** The operator that comes next. @returns {string} */
  #operator() {
    return this.tokens.expect('operator').value;
  }

  /** @param {string[]} operators @param {() => Expression} operand @returns {Expression} */
  #binary(operators, operand) {
    let left = operand();
    while (this.tokens.isOperator(...operators)) {
      const operator = this.#operator();
      left = this.node('Binary', { operator, left, right: operand() });
    }
    return left;
  }

  /** @returns {Expression} */
  #sum() {
    return this.#binary(['+', '-'], () => this.#concatenation());
  }

  /** @returns {Expression} */
  #concatenation() {
    const parts = [this.#product()];
    while (this.tokens.skip('operator', '~')) parts.push(this.#product());
    return parts.length === 1 ? parts[0] : this.node('Concat', { parts });
  }

  /** @returns {Expression} */
  #product() {
    return this.#binary(['*', '/', '//', '%'], () => this.#power());
  }

  /** @returns {Expression} */
  #power() {
    return this.#binary(['**'], () => this.unary());
  }

  /** @returns {Expression} */
  unary(withFilter = true) {
    const { tokens } = this;
    const sign = tokens.isOperator('-', '+') ? this.#operator() : null;
    const inner = sign === null ? this.primary() : tokens.nested(() => this.unary(false));
    const value = this.postfix(sign === null ? inner : this.node('Sign', { sign, value: inner }));
    return withFilter ? this.#filtersAndTests(value) : value;
  }

  /** @returns {Expression} */
  primary() {
    const { tokens } = this;
    const token = tokens.current;
    if (token.kind === 'integer' || token.kind === 'float') {
      tokens.next();
      return this.node('Number', { number: token });
    }
    if (token.kind === 'string') {
      let value = '';
      while (tokens.is('string')) value += tokens.next().value;
      return this.node('Constant', { value });
    }
    if (token.kind === 'name') {
      tokens.next();
      const isConstant = Object.hasOwn(CONSTANTS, token.value);
      return isConstant
        ? this.node('Constant', { value: CONSTANTS[token.value] })
        : this.node('Name', { name: token.value });
    }
    if (tokens.skip('operator', '(')) {
      const value = this.tuple({ explicit: true });
      tokens.expect('operator', ')');
      return value;
    }
    if (tokens.skip('operator', '[')) return this.node('List', { items: this.#items(']', () => this.expression()) });
    if (tokens.skip('operator', '{')) return this.node('Dict', { entries: this.#items('}', () => this.#entry()) });
    throw tokens.error(`${JSON.stringify(String(token.value))} is unexpected`);
  }

  /** @template Item @param {string} end @param {() => Item} read @returns {Item[]} */
  #items(end, read) {
    const { tokens } = this;
    const items = [];
    while (!tokens.isOperator(end)) {
      if (items.length > 0) tokens.expect('operator', ',');
      if (tokens.isOperator(end)) break;
      items.push(read());
    }
    tokens.next();
    return items;
  }

  #entry() {
    const key = this.expression();
    this.tokens.expect('operator', ':');
    return { key, value: this.expression() };
  }

  /**
   * One expression, or several with commas between them.
   * @param {{ withCondition?: boolean, explicit?: boolean, isEnd?: () => boolean }} [how]
   * @returns {Expression}
   */
  tuple({ withCondition = true, explicit = false, isEnd = () => false } = {}) {
    const { tokens } = this;
    const items = [];
    let isTuple = false;
    for (;;) {
      if (items.length > 0) tokens.expect('operator', ',');
      if (tokens.is('print_end') || tokens.is('block_end') || tokens.isOperator(')') || isEnd()) break;
      items.push(this.expression(withCondition));
      if (!tokens.isOperator(',')) break;
      isTuple = true;
    }
    if (!isTuple && items.length === 1) return items[0];
    if (items.length === 0 && !explicit) throw tokens.error('an expression is missing');
    return this.node('Tuple', { items });
  }

  /** @param {Expression} start @returns {Expression} */
  postfix(start) {
    const { tokens } = this;
    let value = start;
    for (;;) {
      if (tokens.skip('operator', '.')) value = this.#attribute(value);
      else if (tokens.skip('operator', '[')) value = this.#item(value);
      else if (tokens.isOperator('(')) value = this.node('Call', { callee: value, ...this.callArguments() });
      else return value;
    }
  }

  /** @param {Expression} object @returns {Expression} */
  #attribute(object) {
    const { tokens } = this;
    if (tokens.is('name')) return this.node('Attribute', { object, name: tokens.expect('name').value });
    if (tokens.is('integer')) {
      return this.node('Item', { object, key: this.node('Constant', { value: tokens.next().value }) });
    }
    throw tokens.error('expected a name behind the point');
  }

  /** @param {Expression} object @returns {Expression} */
  #item(object) {
    const keys = this.#items(']', () => this.#key());
    return this.node('Item', { object, key: keys.length === 1 ? keys[0] : this.node('Tuple', { items: keys }) });
  }

  /** An index, or `start:stop:step` of which each may be missing. @returns {Expression} */
  #key() {
    const { tokens } = this;
    /** @type {(Expression | null)[]} */
    const bounds = [null, null, null];
    let place = 0;
    while (place < 3 && !tokens.isOperator(',', ']')) {
      if (tokens.skip('operator', ':')) place++;
      else if (bounds[place] !== null) break;
      else bounds[place] = this.expression();
    }
    if (place === 0) return bounds[0] ?? this.expression();
    const [start, stop, step] = bounds;
    return this.node('Slice', { start, stop, step });
  }

  /** What stands in the parentheses of a call. @returns {Arguments} */
  callArguments() {
    const { tokens } = this;
    const parts = noArguments();
    tokens.expect('operator', '(');
    this.#items(')', () => this.#argument(parts));
    return parts;
  }

  /** @param {Arguments} parts */
  #argument(parts) {
    const { tokens } = this;
    if (tokens.skip('operator', '**')) {
      if (parts.mapping !== null) throw tokens.error('** stands twice in a call');
      parts.mapping = this.expression();
    } else if (tokens.skip('operator', '*')) {
      if (parts.list !== null || parts.mapping !== null) throw tokens.error('* is not possible here');
      parts.list = this.expression();
    } else if (tokens.is('name') && tokens.following.kind === 'operator' && tokens.following.value === '=') {
      if (parts.mapping !== null) throw tokens.error('** stands before another argument');
      const name = tokens.expect('name').value;
      tokens.next();
      parts.named.push({ name, value: this.expression() });
    } else {
      const isLate = parts.named.length > 0 || parts.list !== null || parts.mapping !== null;
      if (isLate) throw tokens.error('an argument without a name stands behind one with a name');
      parts.positional.push(this.expression());
    }
  }

  /** @param {Expression} start @returns {Expression} */
  #filtersAndTests(start) {
    const { tokens } = this;
    let value = start;
    for (;;) {
      if (tokens.isOperator('|')) value = this.filters(value);
      else if (tokens.isName('is')) value = this.#test(value);
      else if (tokens.isOperator('(')) value = this.node('Call', { callee: value, ...this.callArguments() });
      else return value;
    }
  }

  /**
   * @param {Expression} start what the filters are applied to
   * @param {boolean} [isFirst] the first has no `|` before it
   * @returns {Expression}
   */
  filters(start, isFirst = false) {
    const { tokens } = this;
    let value = start;
    let inline = isFirst;
    while (inline || tokens.skip('operator', '|')) {
      inline = false;
      const name = this.#dottedName();
      this.#use('filters', name);
      const given = tokens.isOperator('(') ? this.callArguments() : noArguments();
      value = this.node('Filter', { value, name, ...given });
    }
    return value;
  }

  /** @param {Expression} value @returns {Expression} */
  #test(value) {
    const { tokens } = this;
    tokens.next();
    const isNegated = tokens.skip('name', 'not');
    const name = this.#dottedName();
    this.#use('tests', name);
    let given = noArguments();
    if (tokens.isOperator('(')) given = this.callArguments();
    else if (this.#beginsValue()) {
      if (tokens.isName('is')) throw tokens.error('tests cannot stand behind each other');
      given = { ...given, positional: [this.postfix(this.primary())] };
    }
    const test = this.node('Test', { value, name, ...given });
    return isNegated ? this.node('Not', { value: test }) : test;
  }

  #beginsValue() {
    const { tokens } = this;
    if (['string', 'integer', 'float'].includes(tokens.current.kind)) return true;
    if (tokens.isOperator('(', '[', '{')) return true;
    return tokens.is('name') && !tokens.isName('else', 'or', 'and');
  }

  #dottedName() {
    let name = this.tokens.expect('name').value;
    while (this.tokens.skip('operator', '.')) name += `.${this.tokens.expect('name').value}`;
    return name;
  }

  /** @param {'filters' | 'tests'} kind @param {string} name */
  #use(kind, name) {
    if (this.uses.soft === 0) this.uses[kind].push({ name, line: this.tokens.current.line });
  }
}
