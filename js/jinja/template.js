// Chat templates in Jinja: the language as Jinja2 3.1 has it, in the sandbox that transformers runs it in. No other
// library keeps track of which part of the output the template wrote and which its input, or can be stopped.
// What differs from Jinja2, on purpose: a loop over none is empty; a message's missing content is an empty text that `is
// none`; `safe` changes nothing, so that nothing is escaped for HTML; whole numbers end at 2^53; there are no other templates
// to include, no autoescape, and none of lipsum, random, pprint, striptags, urlize, wordwrap and xmlattr.
import { Budget } from './budget.js';
import { LimitError, RaisedError, TemplateError } from './errors.js';
import { hasFilter } from './filters.js';
import { createGlobals } from './globals.js';
import { Interpreter } from './interpreter.js';
import { parse } from './parser.js';
import { Scope } from './scope.js';
import { hasTest } from './tests.js';
import { isText, markLike, plain } from './text.js';
import { Callable, fromJavaScript } from './values.js';

export { LimitError, RaisedError, TemplateError } from './errors.js';

/** @typedef {import('./budget.js').Limits} Limits */
/** @typedef {import('./values.js').Value} Value */
/** @typedef {(value: unknown, isText: boolean) => Value} ToValue makes a value of JavaScript's one of the template's */

/** The longest template that is read, in UTF-16 units. The longest in use are below 20 000. */
export const MAX_TEMPLATE_LENGTH = 1 << 18;

/**
 * @param {string} source
 * @returns {import('./syntax-tree.js').Statement[]}
 * @throws {TemplateError | LimitError}
 */
export function compile(source) {
  if (source.length > MAX_TEMPLATE_LENGTH) {
    throw new LimitError(`is ${source.length} characters long; the limit is ${MAX_TEMPLATE_LENGTH}`);
  }
  const { body, uses } = parse(source);
  // What stands in a branch may never be reached.
  for (const { name, line } of uses.filters) check(hasFilter(name), 'filter', name, line);
  for (const { name, line } of uses.tests) check(hasTest(name), 'test', name, line);
  return body;
}

/** @param {boolean} isKnown @param {string} what @param {string} name @param {number} line */
function check(isKnown, what, name, line) {
  if (!isKnown) throw new TemplateError(`there is no ${what} '${name.slice(0, 60)}', which stands in line ${line}`);
}

/**
 * @param {import('./syntax-tree.js').Statement[]} template of compile()
 * @param {(toValue: ToValue) => Record<string, Value>} variables names and values; it is
 *   given what makes a value of JavaScript's one of the template's, whose strings are marked as said or are not
 * @param {Limits} limits
 * @returns {import('./text.js').Text}
 * @throws {Error} LimitError, TemplateError, RaisedError, and what JavaScript throws for deep nesting
 */
export function render(template, variables, limits) {
  const budget = new Budget(limits);
  const interpreter = new Interpreter(budget);
  const outer = new Scope(null);
  const given = variables((value, isSaid) => fromJavaScript(value, { budget, isText: isSaid }));
  for (const [name, value] of Object.entries({ ...createGlobals(budget), ...given })) outer.set(name, value);
  return interpreter.render(template, new Scope(outer));
}

/** `raise_exception()`, which a template reports by. */
export const raiseException = new Callable('raise_exception', ([message]) => {
  throw new RaisedError(isText(message) ? plain(message).slice(0, 1000) : 'no reason given');
});

/** A function that takes one string and gives one. @param {string} name @param {(given: string) => string} call */
export const stringFunction = (name, call) =>
  new Callable(name, ([given]) => {
    if (!isText(given)) throw new TemplateError(`${name}() takes a string`);
    return markLike(call(plain(given)), given);
  });
