// Renders a chat template that nobody vouches for. @huggingface/jinja runs to the end or not at all, so the bounds are
// set around its one public step, `evaluate`: work, depth, the size of every text and list it makes, and the clock.
// What cannot be seen there (a filter or method that multiplies texts inside one step) is checked just before it runs.

import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';

/**
 * @typedef {object} Limits
 * @property {number} steps work units: one per syntax node evaluated, more for what grows with its operands
 * @property {number} depth nested evaluations
 * @property {number} text UTF-16 units of any text made, and of any value turned into text
 * @property {number} items entries of any list or mapping made
 * @property {number} milliseconds
 */

/** The longest template that is read, in UTF-16 units. The longest in use are below 20 000. */
export const MAX_TEMPLATE_LENGTH = 1 << 18;

/** @param {number} inputLength UTF-16 units in the messages and tools @returns {Limits} */
export const limitsFor = (inputLength) => ({
  steps: 4e6,
  depth: 1000,
  text: (1 << 20) + 4 * inputLength,
  items: 1 << 18,
  milliseconds: 5000,
});

/** A bound was hit. The message completes "the template ...". */
export class LimitError extends Error {}

/**
 * @typedef {object} CompiledTemplate
 * @property {any} program
 * @property {Set<object>} outputs nodes whose value becomes text
 */

/**
 * @param {string} source
 * @returns {CompiledTemplate}
 * @throws {Error} of any kind: syntax errors, and stack overflow for deep nesting (which is not always a RangeError)
 */
export function compile(source) {
  if (source.length > MAX_TEMPLATE_LENGTH) {
    throw new LimitError(`is ${source.length} characters long; the limit is ${MAX_TEMPLATE_LENGTH}`);
  }
  // The lexer takes time in the square of the longest run of white space.
  if (/\s{2048}/.test(source)) throw new LimitError('has a run of more than 2000 white-space characters');
  const program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
  return { program, outputs: prepare(program) };
}

/**
 * @param {CompiledTemplate} template
 * @param {Record<string, unknown>} variables
 * @param {Limits} limits
 * @returns {string}
 * @throws {Error} LimitError, and whatever the template raises
 */
export function run({ program, outputs }, variables, limits) {
  const environment = new Environment();
  const interpreter = new BoundedInterpreter(environment, outputs, limits);
  const globals = {
    ...{ true: true, false: false, none: null, True: true, False: false, None: null },
    range: (/** @type {any[]} */ ...bounds) => interpreter.range(bounds),
    ...variables,
  };
  for (const [name, value] of Object.entries(globals)) environment.set(name, value);
  return /** @type {string} */ (interpreter.run(program).value);
}

/**
 * Finds the nodes whose value is printed, and turns filter blocks into filter expressions over a sub-program, so that
 * what they are applied to passes through `evaluate` like everything else.
 * @param {any} program
 * @returns {Set<object>}
 */
function prepare(program) {
  const outputs = new Set();
  const pending = [program];
  while (pending.length > 0) {
    const node = pending.pop();
    if (node === null || typeof node !== 'object') continue;
    if (node instanceof Map) {
      for (const [key, value] of node) pending.push(key, value);
      continue;
    }
    if (node.type === 'FilterStatement') {
      node.operand = new program.constructor(node.body);
      node.type = 'FilterExpression';
      delete node.body;
    }
    for (const [name, child] of Object.entries(node)) {
      const block = name === 'body' || name === 'alternate' || name === 'defaultBlock';
      if (block && Array.isArray(child)) for (const statement of child) outputs.add(statement);
      pending.push(child);
    }
  }
  return outputs;
}

const CONTAINERS = new Set(['ArrayValue', 'TupleValue', 'ObjectValue', 'NamespaceValue', 'KeywordArgumentsValue']);
const LISTS = new Set(['ArrayValue', 'TupleValue']);
const PRINTING_FILTERS = new Set(['tojson', 'string', 'join', 'indent', 'replace']);
/** Filters that know what to do with an undefined value. */
const UNDEFINED_FILTERS = new Set(['default', 'd', 'tojson', 'safe']);
const LIST_FILTERS = new Set(['list', 'map', 'selectattr', 'rejectattr']);
const MAX_NESTING = 200;
const MAX_INDENT = 32;
const CLOCK_INTERVAL = 4096;

/** @param {any} value @returns {any[]} what a list or mapping holds */
const childrenOf = (value) => (LISTS.has(value.type) ? value.value : [...value.value.values()]);

/** @param {any} expression a filter expression @returns {string} */
const filterName = ({ filter }) => (filter.type === 'CallExpression' ? filter.callee.value : filter.value);

class BoundedInterpreter extends Interpreter {
  /** @param {Environment} environment @param {Set<object>} outputs @param {Limits} limits */
  constructor(environment, outputs, limits) {
    super(environment);
    this.outputs = outputs;
    this.limits = limits;
    this.deadline = performance.now() + limits.milliseconds;
    this.steps = 0;
    this.nextClock = CLOCK_INTERVAL;
    this.depth = 0;
    /** @type {{ node: any, first?: any } | undefined} the evaluation in progress, and its first operand */
    this.frame = undefined;
    this.guarded = new WeakSet();
  }

  /** @param {number} work */
  charge(work) {
    this.steps += work;
    if (this.steps > this.limits.steps) throw new LimitError('does too much work');
    if (this.steps < this.nextClock) return;
    this.nextClock = this.steps + CLOCK_INTERVAL;
    if (performance.now() > this.deadline) throw new LimitError('takes too long');
  }

  /** @param {number} length */
  checkText(length) {
    if (length > this.limits.text) throw new LimitError(`makes a text of ${length} characters, which is too long`);
  }

  /** @param {number} length */
  checkItems(length) {
    if (length > this.limits.items) throw new LimitError(`makes a list of ${length} entries, which is too long`);
  }

  /** @override @param {any} node @param {any} environment @returns {any} */
  evaluate(node, environment) {
    if (!node) return super.evaluate(node, environment);
    if (++this.depth > this.limits.depth) throw new LimitError('nests too deeply');
    const parent = this.frame;
    this.frame = { node };
    this.charge(1);
    let value;
    try {
      value = super.evaluate(node, environment);
    } finally {
      this.frame = parent;
      this.depth--;
    }
    value = this.complete(value, node, parent?.node, environment);
    this.inspect(value, node, parent);
    return value;
  }

  /**
   * Jinja is more forgiving than the library: `[] | first` is undefined, and an undefined value is an empty list to a
   * loop and an empty text to a filter. Lists that are none, an error in Jinja, are let pass: `tools` so often is.
   * @param {any} value @param {any} node @param {any} parent @param {any} environment
   */
  complete(value, node, parent, environment) {
    if (value === undefined) return super.evaluate(undefined, environment);
    if (value.type !== 'UndefinedValue' && value.type !== 'NullValue') return value;
    if (parent?.type === 'For' && (parent.iterable === node || parent.iterable.lhs === node))
      return this.empty('Array');
    if (parent?.type !== 'FilterExpression' || parent.operand !== node) return value;
    const name = filterName(parent);
    if (LIST_FILTERS.has(name)) return this.empty('Array');
    return value.type === 'NullValue' || UNDEFINED_FILTERS.has(name) ? value : this.empty('String');
  }

  /** @param {'Array' | 'String'} type @returns {any} */
  empty(type) {
    const literal = { type: `${type}Literal`, value: type === 'Array' ? [] : '' };
    return super.evaluate(/** @type {any} */ (literal), this.global);
  }

  /** @param {any} value @param {any} node @param {{ node: any, first?: any } | undefined} parent */
  inspect(value, node, parent) {
    if (value.type === 'StringValue') {
      this.checkText(value.value.length);
      this.charge(value.value.length >>> 6);
    } else if (CONTAINERS.has(value.type)) {
      const length = value.value.length ?? value.value.size;
      this.checkItems(length);
      this.charge(length >>> 3);
      if (this.outputs.has(node)) this.measure(value);
    }
    if (parent === undefined) return;
    switch (parent.node.type) {
      case 'MemberExpression':
        if (parent.node.object === node) this.guardReplace(value);
        break;
      case 'FilterExpression':
        this.inspectFilter(value, node, parent);
        break;
      case 'BinaryExpression':
        this.inspectOperand(value, node, parent);
        break;
      case 'For':
        // The list of a filtered loop (`for x in list if ...`) is one node further down.
        if (parent.node.iterable === node || parent.node.iterable.lhs === node) this.chargeLoop(value);
        break;
    }
  }

  /** @param {any} value an iteration costs even if the body is empty */
  chargeLoop(value) {
    if (CONTAINERS.has(value.type)) this.charge(10 * (value.value.length ?? value.value.size));
  }

  /** @param {any} value @param {any} node @param {{ node: any, first?: any }} parent */
  inspectOperand(value, node, parent) {
    const operator = parent.node.operator.value;
    if (node === parent.node.left && parent.first === undefined) parent.first = value;
    else if (operator === '~' || operator === '+' || operator === '==' || operator === '!=') {
      const operands = [parent.first, value].filter((operand) => CONTAINERS.has(operand.type));
      // Two containers are joined or compared by identity; one beside something else is turned into text.
      if (operator === '~' || operands.length === 1) for (const operand of operands) this.measure(operand);
    }
  }

  /** @param {any} value @param {any} node @param {{ node: any, first?: any }} parent */
  inspectFilter(value, node, parent) {
    const name = filterName(parent.node);
    if (node !== parent.node.operand) {
      this.inspectFilterArgument(name, parent.first, value);
      return;
    }
    parent.first = value;
    this.guardReplace(value);
    if (PRINTING_FILTERS.has(name) && CONTAINERS.has(value.type)) this.measure(value);
  }

  /** @param {string} name @param {any} subject @param {any} value */
  inspectFilterArgument(name, subject, value) {
    if (CONTAINERS.has(value.type)) {
      for (const child of childrenOf(value)) this.inspectFilterArgument(name, subject, child);
    } else if (name === 'join' && value.type === 'StringValue') {
      this.checkText((subject.value?.length ?? 0) * value.value.length);
    } else if (name === 'indent' && value.type === 'IntegerValue' && subject.type === 'StringValue') {
      this.checkText(subject.value.split('\n').length * value.value + subject.value.length);
    } else if (name === 'tojson') {
      const size = value.type === 'StringValue' ? value.value.length : value.value;
      if (size > MAX_INDENT) throw new LimitError(`asks for JSON with an indent or separator above ${MAX_INDENT}`);
    }
  }

  /**
   * Turning a list or mapping into text walks it as a tree, so shared parts count each time they are reached.
   * @param {any} value
   */
  measure(value) {
    const pending = [{ value, depth: 0 }];
    let size = 0;
    while (pending.length > 0) {
      const top = /** @type {{ value: any, depth: number }} */ (pending.pop());
      if (top.depth > MAX_NESTING) throw new LimitError('prints a value that nests too deeply');
      size += 1 + top.depth + (top.value.type === 'StringValue' ? top.value.value.length : 0);
      this.checkText(size);
      if (!CONTAINERS.has(top.value.type)) continue;
      for (const child of childrenOf(top.value)) pending.push({ value: child, depth: top.depth + 1 });
    }
    this.charge(size >>> 3);
  }

  /** @param {any} subject a value; if it is a text, its `replace` checks how long the result will be */
  guardReplace(subject) {
    if (subject.type !== 'StringValue' || this.guarded.has(subject)) return;
    this.guarded.add(subject);
    const method = subject.builtins.get('replace');
    const replace = method.value;
    method.value = (/** @type {any[]} */ args, /** @type {any} */ scope) => {
      const [from, to] = args;
      if (from?.type === 'StringValue' && to?.type === 'StringValue') {
        const text = subject.value;
        const matches = from.value === '' ? text.length + 1 : text.split(from.value).length - 1;
        this.checkText(text.length + matches * Math.max(0, to.value.length - from.value.length));
      }
      return replace(args, scope);
    };
  }

  /** Python's `range`, bounded. @param {any[]} bounds @returns {number[]} */
  range(bounds) {
    if (bounds.length < 1 || bounds.length > 3 || !bounds.every(Number.isInteger)) {
      throw new Error('range() takes one to three integers');
    }
    const [start, stop, step = 1] = bounds.length === 1 ? [0, bounds[0]] : bounds;
    if (step === 0) throw new Error('range() step must not be zero');
    const length = Math.max(0, Math.ceil((stop - start) / step));
    this.checkItems(length);
    this.charge(length);
    return Array.from({ length }, (_, i) => start + i * step);
  }
}
