// Which weights of a model are in place while they arrive, for passes that begin before all are.

import { checkCancelled, untilAborted } from '../base/cancel.js';
import { Gate } from '../base/gate.js';
import { createScheduler } from '../base/scheduler.js';

export class ArrivedWeights {
  #gate = new Gate();
  /** Packed bytes that are in place, from the first on. */
  #position = 0;
  /** What is in place behind a gap: ends by their beginnings. @type {Map<number, number>} */
  #islands = new Map();
  /** @type {any} */
  #error = null;
  #busy = false;

  /** Says that packed bytes from `begin` to `end` are in place, and are right. @param {number} begin @param {number} end */
  land(begin, end) {
    // In order, as bytes of a download come, piece by piece.
    if (begin <= this.#position) this.#position = Math.max(this.#position, end);
    else this.#islands.set(begin, Math.max(end, this.#islands.get(begin) ?? 0));
    if (this.#islands.size > 0) this.#joinIslands();
    this.#gate.open();
  }

  #joinIslands() {
    for (const [first, last] of [...this.#islands].sort(([one], [other]) => one - other)) {
      if (first > this.#position) break;
      this.#position = Math.max(this.#position, last);
      this.#islands.delete(first);
    }
  }

  /** Says that all are in place. */
  finish() {
    this.land(0, Infinity);
  }

  /** Says that no more will come: whoever waits, or will, is rejected with the error. @param {unknown} error */
  fail(error) {
    this.#error = error;
    this.#gate.open();
  }

  /** Whether all packed bytes before `position` are in place. @param {number} position */
  has(position) {
    return this.#position >= position;
  }

  /**
   * Resolves when all packed bytes before `position` are in place; Infinity: when the model is complete.
   * @param {number} position
   * @param {AbortSignal} [signal]
   */
  async until(position, signal) {
    for (;;) {
      checkCancelled(signal);
      if (this.#error !== null) throw this.#error;
      if (this.has(position)) return;
      await untilAborted(this.#gate.wait(), signal).catch((error) => {
        checkCancelled(signal);
        throw error;
      });
    }
  }

  /**
   * Runs a pass; `scheduler` lets weights and messages in between two of its steps.
   * @template T
   * @param {(scheduler: import('../base/scheduler.js').Scheduler) => Promise<T>} pass
   */
  async during(pass) {
    const scheduler = createScheduler();
    this.#busy = true;
    try {
      return await pass(scheduler);
    } finally {
      scheduler.close();
      this.#busy = false;
      this.#gate.open();
    }
  }

  /** Resolves when no pass is under way. */
  async idle() {
    while (this.#busy) await this.#gate.wait();
  }
}
