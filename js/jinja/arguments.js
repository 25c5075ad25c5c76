// How what a template passes becomes a function's parameters.
import { TemplateError } from './errors.js';
import { isText, plain } from './text.js';
import { Undefined } from './values.js';

/** @typedef {import('./values.js').Value} Value */

/** A parameter without a default. */
export const REQUIRED = Symbol('required');

/** @typedef {{ readonly [name: string]: Value | typeof REQUIRED }} Parameters names in order, with their defaults */

/**
 * @param {string} name of the function, for errors
 * @param {Parameters} parameters
 * @param {Value[]} args
 * @param {Map<string, Value>} named
 * @returns {Value[]} a value for each parameter
 */
export function bind(name, parameters, args, named) {
  const names = Object.keys(parameters);
  if (args.length > names.length) throw new TemplateError(`${name}() takes at most ${names.length} arguments`);
  for (const given of named.keys()) {
    const place = names.indexOf(given);
    if (place === -1) throw new TemplateError(`${name}() got an unexpected keyword argument '${given}'`);
    if (place < args.length) throw new TemplateError(`${name}() got multiple values for argument '${given}'`);
  }
  return names.map((each, index) => {
    if (index < args.length) return args[index];
    const value = named.get(each);
    if (value !== undefined) return value;
    const fallback = parameters[each];
    if (fallback === REQUIRED) throw new TemplateError(`${name}() misses its argument '${each}'`);
    return fallback;
  });
}

/** A string that is passed, as JavaScript's. @param {Value} value @param {string} what it is @returns {string} */
export function stringOf(value, what) {
  if (isText(value)) return plain(value);
  if (value instanceof Undefined) value.fail();
  throw new TemplateError(`${what} has to be a string`);
}
