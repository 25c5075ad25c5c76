// Filters by name.
import { getAttribute } from './access.js';
import { bind } from './arguments.js';
import { TemplateError } from './errors.js';
import { CHOOSING_FILTERS, LIST_FILTERS } from './list-filters.js';
import { toText } from './print.js';
import { applyTest } from './tests.js';
import { formatFilter, TEXT_FILTERS } from './text-filters.js';
import { Callable } from './values.js';

/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./values.js').Named} Named */

/**
 * @typedef {object} Runtime what filters and tests work with
 * @property {import('./budget.js').Budget} budget
 * @property {(value: Value) => import('./text.js').Text} text any value as a text
 * @property {(name: string, value: Value, args: Value[], named: Named) => Value} filter
 * @property {(name: string, value: Value, args: Value[], named: Named) => boolean} test
 * @property {(name: string) => boolean} hasFilter
 * @property {(object: Value, name: string) => boolean} isMethod
 *
 * @typedef {(runtime: Runtime, value: Value, ...given: Value[]) => Value} Filter `given`: a value for each parameter
 * @typedef {readonly [import('./arguments.js').Parameters, Filter]} BoundFilter
 * @typedef {(runtime: Runtime, value: Value, args: Value[], named: Named) => Value} FreeFilter one that takes any arguments
 */

/** @type {Readonly<Record<string, FreeFilter>>} */
const FREE = Object.freeze({ ...CHOOSING_FILTERS, format: formatFilter });
/** @type {Readonly<Record<string, BoundFilter>>} */
const BOUND = Object.freeze({ ...TEXT_FILTERS, ...LIST_FILTERS });

/** @param {string} name */
export const hasFilter = (name) => Object.hasOwn(BOUND, name) || Object.hasOwn(FREE, name);

/** @param {import('./budget.js').Budget} budget @returns {Runtime} */
export function createRuntime(budget) {
  /** @type {Runtime} */
  const runtime = {
    budget,
    text: (value) => toText(value, budget),
    filter: (name, value, args, named) => applyFilter(runtime, name, value, args, named),
    test: (name, value, args, named) => applyTest(runtime, name, value, args, named),
    hasFilter,
    isMethod: (object, name) => getAttribute(object, name, budget) instanceof Callable,
  };
  return runtime;
}

/** @param {Runtime} runtime @param {string} name @param {Value} value @param {Value[]} args @param {Named} named */
function applyFilter(runtime, name, value, args, named) {
  if (!hasFilter(name)) throw new TemplateError(`there is no filter '${name}'`);
  runtime.budget.chargeValue(value);
  if (Object.hasOwn(FREE, name)) return FREE[name](runtime, value, args, named);
  const [parameters, filter] = BOUND[name];
  return filter(runtime, value, ...bind(name, parameters, args, named));
}
