// Runs a parsed template. Expressions give values, statements write into the output; how a loop's body ended is what a
// statement returns: nothing, or BREAK or CONTINUE.
import { getAttribute, getItem, getSlice } from './access.js';
import { compare, contains, isEqual } from './compare.js';
import { TemplateError } from './errors.js';
import { createRuntime } from './filters.js';
import { BREAK, CONTINUE, runLoop } from './loop.js';
import { createMacro } from './macro.js';
import { concatenate, operate, signed } from './operators.js';
import { Scope } from './scope.js';
import { isText, TextWriter } from './text.js';
import { Callable, Dict, Float, isTrue, itemsOf, Named, Namespace, Tuple, typeName, Undefined } from './values.js';

/** @typedef {import('./syntax-tree.js').Expression} Expression */
/** @typedef {import('./syntax-tree.js').Statement} Statement */
/** @typedef {import('./syntax-tree.js').ExpressionParts} ExpressionParts */
/** @typedef {import('./syntax-tree.js').StatementParts} StatementParts */
/** @typedef {import('./syntax-tree.js').Arguments} Arguments */
/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./text.js').Text} Text */
/** @typedef {import('./budget.js').Budget} Budget */

/** @type {Readonly<Record<string, (order: number) => boolean>>} */
const ORDERS = Object.freeze({
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
});

export class Interpreter {
  #runtime;

  /** @param {Budget} budget */
  constructor(budget) {
    this.budget = budget;
    this.#runtime = createRuntime(budget);
  }

  newWriter() {
    return new TextWriter(this.budget.checkText);
  }

  /** What a body writes. @param {Statement[]} body @param {Scope} scope @returns {Text} */
  render(body, scope) {
    const writer = this.newWriter();
    this.execute(body, scope, writer);
    return writer.text;
  }

  /** @param {Statement[]} body @param {Scope} scope @param {TextWriter} writer @returns {symbol | void} */
  execute(body, scope, writer) {
    this.budget.enter();
    for (const node of body) {
      this.budget.charge(1);
      const ended = /** @type {Run<any>} */ (STATEMENTS[node.kind])(this, node, scope, writer);
      if (ended !== undefined) {
        this.budget.leave();
        return ended;
      }
    }
    this.budget.leave();
    return undefined;
  }

  /** @param {Expression} node @param {Scope} scope */
  evaluate(node, scope) {
    this.budget.enter();
    const value = /** @type {Evaluate<any>} */ (EXPRESSIONS[node.kind])(this, node, scope);
    this.budget.leave();
    return value;
  }

  /** The arguments of a call, a filter or a test. @param {Arguments} given @param {Scope} scope */
  argumentsOf({ positional, named, list, mapping }, scope) {
    const args = positional.map((node) => this.evaluate(node, scope));
    const byName = new Named();
    for (const { name, value } of named) byName.add(name, this.evaluate(value, scope));
    if (list !== null) args.push(...itemsOf(this.evaluate(list, scope), this.budget));
    if (mapping !== null) {
      const given = this.evaluate(mapping, scope);
      if (!(given instanceof Dict)) throw new TemplateError('what stands behind ** has to be a mapping');
      this.budget.charge(given.size);
      for (const [key, value] of given.entries()) {
        if (!isText(key)) throw new TemplateError('what is passed by name has a text for its name');
        byName.add(key, value);
      }
    }
    return { args, named: byName };
  }

  /** @param {Value} callee @param {Value[]} args @param {Named} named @returns {Value} */
  call(callee, args, named) {
    if (callee instanceof Undefined) callee.fail();
    if (!(callee instanceof Callable)) throw new TemplateError(`'${typeName(callee)}' object is not callable`);
    return callee.call(args, named);
  }

  /**
   * Gives names to a value's parts, or to itself.
   * @param {import('./syntax-tree.js').Target} target @param {Value} value @param {Scope} scope
   */
  assign(target, value, scope) {
    if (target.kind === 'Name') scope.set(target.name, value);
    else if (target.kind === 'NamespaceTarget') {
      const namespace = scope.get(target.name);
      if (!(namespace instanceof Namespace)) {
        throw new TemplateError('cannot assign attribute on non-namespace object');
      }
      namespace.attributes.set(target.attribute, value);
    } else {
      const items = itemsOf(value, this.budget);
      if (items.length !== target.items.length) {
        throw new TemplateError(`${target.items.length} values to unpack were expected, there are ${items.length}`);
      }
      for (const [index, each] of target.items.entries()) this.assign(each, items[index], scope);
    }
  }

  /** @param {ExpressionParts['Filter']} node @param {Value} value @param {Scope} scope */
  filter(node, value, scope) {
    const { args, named } = this.argumentsOf(node, scope);
    return this.#runtime.filter(node.name, value, args, named);
  }

  /** @param {ExpressionParts['Test']} node @param {Value} value @param {Scope} scope */
  test(node, value, scope) {
    const { args, named } = this.argumentsOf(node, scope);
    return this.#runtime.test(node.name, value, args, named);
  }

  /** @param {Value} value */
  text(value) {
    return this.#runtime.text(value);
  }
}

/**
 * What filters of a block make of the text that it writes.
 * @param {Interpreter} interpreter @param {Expression} node @param {Text} text @param {Scope} scope
 */
function piped(interpreter, node, text, scope) {
  const inner = new Scope(scope);
  inner.set(PIPED, text);
  return interpreter.evaluate(node, inner);
}

/** No name that a template could use. */
const PIPED = '|';

/** @template Parts @typedef {(interpreter: Interpreter, node: Parts, scope: Scope) => Value} Evaluate */

/** @type {Readonly<{ [Kind in keyof ExpressionParts]: Evaluate<ExpressionParts[Kind]> }>} */
const EXPRESSIONS = Object.freeze({
  Constant: (_, { value }) => value,
  Number: (_, { number: { kind, value } }) => (kind === 'float' ? new Float(value) : value),
  Name: (_, { name }, scope) => scope.get(name),
  Piped: (_, _node, scope) => scope.get(PIPED),
  List: (interpreter, { items }, scope) => items.map((item) => interpreter.evaluate(item, scope)),
  Tuple: (interpreter, { items }, scope) => Tuple.from(items, (item) => interpreter.evaluate(item, scope)),
  Dict: (interpreter, { entries }, scope) =>
    new Dict(entries.map(({ key, value }) => [interpreter.evaluate(key, scope), interpreter.evaluate(value, scope)])),
  Conditional(interpreter, { test, value, otherwise }, scope) {
    if (isTrue(interpreter.evaluate(test, scope))) return interpreter.evaluate(value, scope);
    if (otherwise !== null) return interpreter.evaluate(otherwise, scope);
    return new Undefined('the inline if-expression evaluated to false and no else section was defined');
  },
  Or(interpreter, { left, right }, scope) {
    const value = interpreter.evaluate(left, scope);
    return isTrue(value) ? value : interpreter.evaluate(right, scope);
  },
  And(interpreter, { left, right }, scope) {
    const value = interpreter.evaluate(left, scope);
    return isTrue(value) ? interpreter.evaluate(right, scope) : value;
  },
  Not: (interpreter, { value }, scope) => !isTrue(interpreter.evaluate(value, scope)),
  Compare(interpreter, { first, rest }, scope) {
    let left = interpreter.evaluate(first, scope);
    for (const { operator, value } of rest) {
      const right = interpreter.evaluate(value, scope);
      if (!holds(operator, left, right, interpreter.budget)) return false;
      left = right;
    }
    return true;
  },
  Binary: (interpreter, { operator, left, right }, scope) =>
    operate(operator, interpreter.evaluate(left, scope), interpreter.evaluate(right, scope), interpreter.budget),
  Concat(interpreter, { parts }, scope) {
    const values = parts.map((part) => interpreter.evaluate(part, scope));
    return concatenate(values, interpreter.budget);
  },
  Sign: (interpreter, { sign, value }, scope) => signed(sign, interpreter.evaluate(value, scope)),
  Attribute: (interpreter, { object, name }, scope) =>
    getAttribute(interpreter.evaluate(object, scope), name, interpreter.budget),
  Item(interpreter, { object, key }, scope) {
    const value = interpreter.evaluate(object, scope);
    if (key.kind !== 'Slice') return getItem(value, interpreter.evaluate(key, scope), interpreter.budget);
    const bounds = [key.start, key.stop, key.step];
    const [start, stop, step] = bounds.map((bound) => (bound === null ? null : interpreter.evaluate(bound, scope)));
    return getSlice(value, { start, stop, step }, interpreter.budget);
  },
  Slice() {
    throw new TemplateError('a slice stands beside another index');
  },
  Call(interpreter, node, scope) {
    const callee = interpreter.evaluate(node.callee, scope);
    const { args, named } = interpreter.argumentsOf(node, scope);
    return interpreter.call(callee, args, named);
  },
  Filter: (interpreter, node, scope) => interpreter.filter(node, interpreter.evaluate(node.value, scope), scope),
  Test: (interpreter, node, scope) => interpreter.test(node, interpreter.evaluate(node.value, scope), scope),
});

/** @param {string} operator @param {Value} left @param {Value} right @param {Budget} budget */
function holds(operator, left, right, budget) {
  switch (operator) {
    case '==':
      return isEqual(left, right, budget);
    case '!=':
      return !isEqual(left, right, budget);
    case 'in':
      return contains(right, left, budget);
    case 'not in':
      return !contains(right, left, budget);
    default:
      return ORDERS[operator](compare(left, right, operator, budget));
  }
}

/**
 * @template Parts
 * @typedef {(interpreter: Interpreter, node: Parts, scope: Scope, writer: TextWriter) => symbol | void} Run
 */

/** @type {Readonly<{ [Kind in keyof StatementParts]: Run<StatementParts[Kind]> }>} */
const STATEMENTS = Object.freeze({
  Data: (_, { value }, _scope, writer) => writer.add(value),
  Print(interpreter, { value }, scope, writer) {
    writer.add(interpreter.text(interpreter.evaluate(value, scope)));
    interpreter.budget.charge(writer.length >>> 14);
  },
  If(interpreter, { branches, otherwise }, scope, writer) {
    const branch = branches.find(({ test }) => isTrue(interpreter.evaluate(test, scope)));
    return interpreter.execute(branch?.body ?? otherwise, scope, writer);
  },
  For: runLoop,
  Break: () => BREAK,
  Continue: () => CONTINUE,
  Set(interpreter, { target, value }, scope) {
    interpreter.assign(target, interpreter.evaluate(value, scope), scope);
  },
  SetBlock(interpreter, { target, value, body }, scope) {
    const text = interpreter.render(body, new Scope(scope));
    interpreter.assign(target, piped(interpreter, value, text, scope), scope);
  },
  FilterBlock(interpreter, { value, body }, scope, writer) {
    const text = interpreter.render(body, new Scope(scope));
    const filtered = piped(interpreter, value, text, scope);
    if (!isText(filtered)) throw new TemplateError('what the filters of a block make has to be a text');
    writer.add(filtered);
  },
  With(interpreter, { assignments, body }, scope, writer) {
    const inner = new Scope(scope);
    // Each value is that of the names outside.
    const values = assignments.map(({ value }) => interpreter.evaluate(value, scope));
    for (const [index, { target }] of assignments.entries()) interpreter.assign(target, values[index], inner);
    return interpreter.execute(body, inner, writer);
  },
  Scope: (interpreter, { body }, scope, writer) => interpreter.execute(body, new Scope(scope), writer),
  Block: (interpreter, { isScoped, body }, scope, writer) =>
    interpreter.execute(body, new Scope(isScoped ? scope : scope.top), writer),
  Macro(interpreter, node, scope) {
    scope.set(node.name, createMacro(interpreter, node, scope));
  },
  CallBlock(interpreter, node, scope, writer) {
    const caller = createMacro(interpreter, node, scope);
    const callee = interpreter.evaluate(node.call.callee, scope);
    const { args, named } = interpreter.argumentsOf(node.call, scope);
    named.set('caller', caller);
    writer.add(interpreter.text(interpreter.call(callee, args, named)));
  },
});
