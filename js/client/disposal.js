// What becomes of objects that nobody closes, or that a block closes by `await using`.

/**
 * Lets `await using` end objects of a class, where there is such a thing.
 * @param {{ prototype: object }} kind
 * @param {string} method that ends one
 */
export function endedBy(kind, method) {
  if (Symbol.asyncDispose === undefined) return;
  Object.defineProperty(kind.prototype, Symbol.asyncDispose, {
    async value() {
      await this[method]();
    },
    configurable: true,
    writable: true,
  });
}

/**
 * Keeps an object in reach until a call on it has ended.
 * @template T
 * @param {object} owner
 * @param {Promise<T>} running
 * @returns {Promise<T>}
 */
export const keeping = (owner, running) => running.finally(() => void owner);

/** Ends what its objects stand for, once nobody can reach them any more. */
export class Forgotten {
  #registry;

  /** @param {(held: any) => void} end what to do with what register() was given */
  constructor(end) {
    this.#registry = typeof FinalizationRegistry === 'function' ? new FinalizationRegistry(end) : null;
  }

  /** @param {object} object @param {any} held not the object itself, nor anything that leads to it */
  add(object, held) {
    this.#registry?.register(object, held, object);
  }

  /** The object was ended by who has it. @param {object} object */
  drop(object) {
    this.#registry?.unregister(object);
  }
}
