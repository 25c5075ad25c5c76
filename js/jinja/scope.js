// Names and what they stand for, each block's before those around it.
import { Undefined } from './values.js';

export class Scope {
  #names = new Map();
  #outer;

  /** @param {Scope | null} outer */
  constructor(outer) {
    this.#outer = outer;
  }

  /** The outermost but one, where a template's own top level stands. @returns {Scope} */
  get top() {
    let scope = this;
    while (scope.#outer !== null && scope.#outer.#outer !== null) scope = scope.#outer;
    return scope;
  }

  set(name, value) {
    this.#names.set(name, value);
  }

  get(name) {
    for (let scope = this; scope !== null; scope = scope.#outer) {
      const value = scope.#names.get(name);
      if (value !== undefined) return value;
    }
    return new Undefined(`'${name}' is undefined`);
  }
}
