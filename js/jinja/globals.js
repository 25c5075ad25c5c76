// The functions that every template has.
import { bind } from './arguments.js';
import { TemplateError } from './errors.js';
import { isText } from './text.js';
import { Callable, Dict, itemsOf, Named, Namespace, Range, Record, wholeNumber } from './values.js';

/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./budget.js').Budget} Budget */

/** As Jinja's sandbox has it. */
const MAX_RANGE = 100_000;

/** @param {Value[]} args @param {Budget} budget */
function range(args, budget) {
  if (args.length < 1 || args.length > 3) throw new TemplateError('range() takes one to three whole numbers');
  const bounds = args.map((bound) => wholeNumber(bound, 'an argument of range()'));
  const [start, stop, step = 1] = bounds.length === 1 ? [0, bounds[0]] : bounds;
  if (step === 0) throw new TemplateError('range() arg 3 must not be zero');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > MAX_RANGE) throw new TemplateError(`Range too big. The sandbox blocks ranges larger than ${MAX_RANGE}.`);
  budget.chargeItems(length);
  const items = /** @type {Range} */ (Range.from({ length }, (_, i) => start + i * step));
  items.name = `range(${[start, stop, ...(step === 1 ? [] : [step])].join(', ')})`;
  return items;
}

/** The entries that dict() and namespace() take: of a mapping or of pairs, and named ones. */
/** @param {Value[]} args @param {Named} named @param {Budget} budget @returns {[Value, Value][]} */
function entriesOf(args, named, budget) {
  if (args.length > 1) throw new TemplateError('one mapping at most is expected');
  const entries = args.flatMap((given) =>
    given instanceof Dict ? given.entries() : itemsOf(given, budget).map((pair) => pairOf(pair, budget)),
  );
  for (const [name] of entries) budget.chargeValue(name);
  return [...entries, ...named.entriesAsSaid()];
}

/** @param {Value} value @param {Budget} budget @returns {[Value, Value]} */
function pairOf(value, budget) {
  const items = itemsOf(value, budget);
  if (items.length !== 2) throw new TemplateError(`an entry has ${items.length} values where a pair is expected`);
  return [items[0], items[1]];
}

/** @param {Value[]} args @param {Named} named @param {Budget} budget */
function namespace(args, named, budget) {
  const attributes = new Named();
  for (const [name, value] of entriesOf(args, named, budget)) {
    if (!isText(name)) throw new TemplateError('the attributes of a namespace have names');
    attributes.add(name, value);
  }
  return new Namespace(attributes);
}

/** @param {Value[]} items */
function cycler(items) {
  if (items.length === 0) throw new TemplateError('at least one item has to be provided');
  let place = 0;
  const next = new Callable('next', () => items[place++ % items.length]);
  const reset = new Callable('reset', () => {
    place = 0;
    return null;
  });
  return new Record('Cycler', { current: () => items[place % items.length], next: () => next, reset: () => reset });
}

/** @param {Value[]} args @param {Named} named */
function joiner(args, named) {
  const [separator] = bind('joiner', { sep: ', ' }, args, named);
  let isUsed = false;
  return new Callable('joiner', () => {
    const text = isUsed ? separator : '';
    isUsed = true;
    return text;
  });
}

/** @param {Budget} budget @returns {{ [name: string]: Callable }} */
export function createGlobals(budget) {
  /** @type {{ [name: string]: Callable['call'] }} */
  const all = {
    range: (args) => range(args, budget),
    dict: (args, named) => new Dict(entriesOf(args, named, budget)),
    namespace: (args, named) => namespace(args, named, budget),
    cycler: (args) => cycler(args),
    joiner,
  };
  return Object.fromEntries(Object.entries(all).map(([name, call]) => [name, new Callable(name, call)]));
}
