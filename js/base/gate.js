/** Several that wait for the same thing to change, and look again whenever it may have. */
export class Gate {
  #wake = () => {};
  /** @type {Promise<void> | null} */
  #next = null;

  /** Resolves at the next open(). @returns {Promise<void>} */
  wait() {
    this.#next ??= new Promise((resolve) => {
      this.#wake = resolve;
    });
    return this.#next;
  }

  open() {
    this.#next = null;
    this.#wake();
  }
}
