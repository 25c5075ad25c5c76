// Macros, and the bodies of call blocks.
import { TemplateError } from './errors.js';
import { Scope } from './scope.js';
import { Callable, Dict, Tuple, Undefined } from './values.js';

/** @typedef {import('./interpreter.js').Interpreter} Interpreter */
/** @typedef {import('./syntax-tree.js').Signature} Signature */
/** @typedef {import('./values.js').Value} Value */
/** @typedef {import('./values.js').Named} Named */

/** @param {Interpreter} interpreter @param {Signature} node @param {Scope} scope */
export function createMacro(interpreter, node, scope) {
  const macro = new Callable(node.name, (args, named) => {
    const inner = new Scope(scope);
    bindParameters(interpreter, node, inner, args, named.copy());
    return interpreter.render(node.body, inner);
  });
  macro.isMacro = true;
  return macro;
}

/**
 * @param {Interpreter} interpreter @param {Signature} node @param {Scope} scope @param {Value[]} args @param {Named} named
 */
function bindParameters(interpreter, { name, parameters, takesCaller, takesMore, takesOther }, scope, args, named) {
  parameters.forEach((parameter, index) => {
    scope.set(parameter.name, parameterValue(interpreter, parameter, scope, { args, named, index, macro: name }));
    named.delete(parameter.name);
  });
  if (takesCaller) {
    scope.set('caller', named.get('caller') ?? new Undefined('No caller defined'));
    named.delete('caller');
  }
  if (takesOther) scope.set('kwargs', new Dict(named.entriesAsSaid()));
  else if (named.size > 0) {
    const [first] = named.keys();
    const found =
      first === 'caller'
        ? 'was invoked with two values for the special caller argument'
        : `takes no keyword argument '${first}'`;
    throw new TemplateError(`macro '${name}' ${found}`);
  }
  if (takesMore) scope.set('varargs', Tuple.from(args.slice(parameters.length)));
  else if (args.length > parameters.length) {
    throw new TemplateError(`macro '${name}' takes not more than ${parameters.length} argument(s)`);
  }
}

/**
 * @param {Interpreter} interpreter @param {import('./syntax-tree.js').Parameter} parameter @param {Scope} scope
 * @param {{ args: Value[], named: Named, index: number, macro: string }} given
 * @returns {Value}
 */
function parameterValue(interpreter, { name, fallback }, scope, { args, named, index, macro }) {
  if (index < args.length) {
    if (named.has(name)) throw new TemplateError(`macro '${macro}' got multiple values for argument '${name}'`);
    return args[index];
  }
  const value = named.get(name);
  if (value !== undefined) return value;
  if (fallback !== null) return interpreter.evaluate(fallback, scope);
  return new Undefined(`parameter '${name}' was not provided`);
}
