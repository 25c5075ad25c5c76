// The bounds of a template that nobody vouches for: whatever it does is counted before it is done.
import { LimitError } from './errors.js';
import { isText, weightOf } from './text.js';

/**
 * @typedef {object} Limits
 * @property {number} steps work units: one per syntax node evaluated, more for what grows with its operands
 * @property {number} depth nested evaluations
 * @property {number} text UTF-16 units of any text made, and of any value turned into text
 * @property {number} items entries of any list or mapping made
 * @property {number} milliseconds
 */

const CLOCK_INTERVAL = 4096;

export class Budget {
  #limits;
  #deadline;
  #steps = 0;
  #nextClock = CLOCK_INTERVAL;
  #depth = 0;

  /** @param {Limits} limits */
  constructor(limits) {
    this.#limits = limits;
    this.#deadline = performance.now() + limits.milliseconds;
    /** For writers of texts. */
    this.checkText = (/** @type {number} */ length) => {
      if (length > limits.text) throw new LimitError(`makes a text of ${length} characters, which is too long`);
    };
  }

  /** @param {number} work */
  charge(work) {
    this.#steps += work;
    if (this.#steps > this.#limits.steps) throw new LimitError('does too much work');
    if (this.#steps < this.#nextClock) return;
    this.#nextClock = this.#steps + CLOCK_INTERVAL;
    if (performance.now() > this.#deadline) throw new LimitError('takes too long');
  }

  /** A text is about to be made, or looked through. @param {number} length */
  chargeText(length) {
    this.checkText(length);
    this.charge(length >>> 6);
  }

  /** A value is about to be given to something that goes through all of it where it is a text. @param {unknown} value */
  chargeValue(value) {
    this.charge(isText(value) ? 1 + (weightOf(value) >>> 6) : 1);
  }

  /** A list or mapping is about to be made, or walked. @param {number} length */
  chargeItems(length) {
    if (length > this.#limits.items) throw new LimitError(`makes a list of ${length} entries, which is too long`);
    this.charge(length >>> 3);
  }

  enter() {
    this.charge(1);
    if (++this.#depth > this.#limits.depth) throw new LimitError('nests too deeply');
  }

  leave() {
    this.#depth--;
  }
}
