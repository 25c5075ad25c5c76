// How what a template passes becomes a function's parameters.
import { TemplateError } from './errors.js';
import { isText, plain } from './text.js';
import { Undefined } from './values.js';

/** A parameter without a default. */
export const REQUIRED = Symbol('required');

/**
 * @param {string} name of the function, for errors
 * @param {Record<string, any>} parameters names in order, with their defaults
 * @param {any[]} args
 * @param {Map<string, any>} named
 * @returns {any[]} a value for each parameter
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
    if (named.has(each)) return named.get(each);
    if (parameters[each] === REQUIRED) throw new TemplateError(`${name}() misses its argument '${each}'`);
    return parameters[each];
  });
}

/** A string that is passed, as JavaScript's. */
export function stringOf(value, what) {
  if (isText(value)) return plain(value);
  if (value instanceof Undefined) value.fail();
  throw new TemplateError(`${what} has to be a string`);
}
