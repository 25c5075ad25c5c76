// The loop, and what is called `loop` inside of it.
import { isEqual } from './compare.js';
import { TemplateError } from './errors.js';
import { Scope } from './scope.js';
import { Callable, isTrue, itemsOf, Loop, Record, Undefined } from './values.js';

/** @typedef {import('./interpreter.js').Interpreter} Interpreter */
/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./text.js').TextWriter} TextWriter */
/** @typedef {import('./syntax-tree.js').Loop} LoopNode */
/** @typedef {{ items: Value[], index: number, depth: number, last: Value[] | undefined }} State `last`: of `changed` */

/** How the body of a loop may end before its end. */
export const BREAK = Symbol('break');
export const CONTINUE = Symbol('continue');

/** An iteration costs even if the body is empty. */
const WORK = 10;

/** @param {Interpreter} interpreter @param {LoopNode} node @param {Scope} scope @param {TextWriter} writer */
export function runLoop(interpreter, node, scope, writer) {
  iterate(interpreter, node, scope, writer, { given: interpreter.evaluate(node.iterable, scope), depth: 0 });
}

/**
 * @param {Interpreter} interpreter @param {LoopNode} node @param {Scope} scope @param {TextWriter} writer
 * @param {{ given: Value, depth: number }} walk
 */
function iterate(interpreter, node, scope, writer, { given, depth }) {
  const { budget } = interpreter;
  // Jinja2 fails where a list is none; `tools` so often is that it counts as empty here.
  const all = given === null ? [] : itemsOf(given, budget);
  const { target, test } = node;
  const items = test === null ? all : all.filter((item) => passes(interpreter, { target, test }, scope, item));
  if (items.length === 0) {
    interpreter.execute(node.otherwise, new Scope(scope), writer);
    return;
  }
  /** @type {State} */
  const state = { items, index: 0, depth, last: undefined };
  const loop = loopVariable(interpreter, node, scope, state);
  for (; state.index < items.length; state.index++) {
    budget.charge(WORK);
    const inner = new Scope(scope);
    inner.set('loop', loop);
    interpreter.assign(target, items[state.index], inner);
    const ended = interpreter.execute(node.body, inner, writer);
    if (ended === BREAK) break;
  }
}

/**
 * @param {Interpreter} interpreter
 * @param {{ target: LoopNode['target'], test: import('./syntax-tree.js').Expression }} node
 * @param {Scope} scope @param {Value} item
 */
function passes(interpreter, { target, test }, scope, item) {
  const inner = new Scope(scope);
  interpreter.budget.charge(1);
  interpreter.assign(target, item, inner);
  return isTrue(interpreter.evaluate(test, inner));
}

/** @param {Interpreter} interpreter @param {LoopNode} node @param {Scope} scope @param {State} state */
function loopVariable(interpreter, node, scope, state) {
  const { items } = state;
  const beyond = (/** @type {string} */ name) => new Undefined(`there is no ${name} item`);
  const cycle = new Callable('cycle', (args) => {
    if (args.length === 0) throw new TemplateError('no items for cycling given');
    return args[state.index % args.length];
  });
  const changed = new Callable('changed', (args) => {
    const isSame = state.last !== undefined && isEqual(state.last, args, interpreter.budget);
    state.last = args;
    return !isSame;
  });
  const loop = new Loop('loop', ([given]) => {
    if (!node.isRecursive)
      throw new TemplateError("The loop must have the 'recursive' marker to be called recursively.");
    const writer = interpreter.newWriter();
    iterate(interpreter, node, scope, writer, { given, depth: state.depth + 1 });
    return writer.text;
  });
  loop.attributes = new Record('LoopContext', {
    index: () => state.index + 1,
    index0: () => state.index,
    revindex: () => items.length - state.index,
    revindex0: () => items.length - state.index - 1,
    first: () => state.index === 0,
    last: () => state.index === items.length - 1,
    length: () => items.length,
    depth: () => state.depth + 1,
    depth0: () => state.depth,
    previtem: () => (state.index === 0 ? beyond('previous') : items[state.index - 1]),
    nextitem: () => (state.index === items.length - 1 ? beyond('next') : items[state.index + 1]),
    cycle: () => cycle,
    changed: () => changed,
  });
  return loop;
}
