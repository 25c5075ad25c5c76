// Names and what they stand for, each block's before those around it.
import { Undefined } from './values.js';

/** @typedef {import('./values.js').Value} Value */

export class Scope {
  /** @type {Map<string, Value>} */
  #names = new Map();
  #outer;

  /** @param {Scope | null} outer */
  constructor(outer) {
    this.#outer = outer;
  }

  /** The outermost but one, where a template's own top level stands. @returns {Scope} */
  get top() {
    /** @type {Scope} */
    let scope = this;
    while (scope.#outer !== null && scope.#outer.#outer !== null) scope = scope.#outer;
    return scope;
  }

  /** @param {string} name @param {Value} value */
  set(name, value) {
    this.#names.set(name, value);
  }

  /** @param {string} name @returns {Value} */
  get(name) {
    for (let scope = /** @type {Scope | null} */ (this); scope !== null; scope = scope.#outer) {
      const value = scope.#names.get(name);
      if (value !== undefined) return value;
    }
    return new Undefined(`'${name}' is undefined`);
  }
}
