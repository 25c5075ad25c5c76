// Locks by name: shared by readers or held by one writer. In browsers they hold between tabs, by the Web Locks API, and
// end with their tab or worker. Where there are none see leases.js.
import { codeOf } from '../base/errors.js';
import { lockCancelled, lockTaken } from './errors.js';

/**
 * @typedef {object} LockOptions
 * @property {boolean} [shared] together with other shared holders; alone otherwise
 * @property {boolean} [wait] false: STORE_BUSY where it is taken; by default the lock is waited for
 * @property {AbortSignal} [signal] ends the waiting, with CANCELLED; no longer of use once the lock is held
 * @property {(holder: import('./leases.js').Holder) => void} [onWait] told once where the lock has to be waited for
 */

/**
 * Runs `use` while it holds the lock of that name, and gives what that gives.
 * @typedef {<T>(name: string, options: LockOptions | undefined, use: () => T | Promise<T>) => Promise<T>} Lock
 */

/** @typedef {{ shared: boolean, resolve: () => void }} Request of a lock of processLock() */
/** @typedef {{ holders: Request[], waiting: Request[] }} State of one */

/**
 * @param {string} prefix keeps the names apart from other stores'
 * @param {LockManager | undefined} [manager]
 * @returns {Lock}
 */
export function createLock(prefix, manager = globalThis.navigator?.locks) {
  if (!manager) return processLock();
  const take = webLock(prefix, manager);
  return async (name, options = {}, use) => {
    if (options.onWait === undefined || options.wait === false) return take(name, options, use);
    let held = false;
    const begin = () => {
      held = true;
      return use();
    };
    try {
      return await take(name, { ...options, wait: false }, begin);
    } catch (error) {
      if (held || codeOf(error) !== 'STORE_BUSY') throw error;
    }
    options.onWait({});
    return take(name, options, use);
  };
}

/**
 * Takes a lock that is held until it is released, for what does not end where it began.
 * @param {(use: () => Promise<void>) => Promise<void>} take takes it, and runs `use` while it holds it
 * @returns {Promise<{ release: () => Promise<void> }>} `release` resolves when it is free again
 */
export async function holdLock(take) {
  const released = promiseParts();
  /** @type {Promise<void>} */
  let held = Promise.resolve();
  await new Promise((resolve, reject) => {
    held = take(() => {
      resolve(undefined);
      return released.promise;
    });
    held.catch(reject);
  });
  return {
    release: async () => {
      released.resolve();
      await held;
    },
  };
}

/** @param {string} prefix @param {LockManager} manager @returns {Lock} without onWait */
function webLock(prefix, manager) {
  return async (name, { shared = false, wait = true, signal } = {}, use) => {
    if (signal?.aborted) throw lockCancelled(signal.reason);
    let held = false;
    /** @type {(reason: unknown) => void} */
    let reject = () => {};
    /** @type {Promise<never>} */
    const cancelled = new Promise((_, no) => {
      reject = no;
    });
    const giveUp = () => held || reject(lockCancelled(signal?.reason));
    signal?.addEventListener('abort', giveUp);
    // A signal and ifAvailable exclude each other.
    /** @type {globalThis.LockOptions} */
    const options = { mode: shared ? 'shared' : 'exclusive', ...(wait ? { signal } : { ifAvailable: true }) };
    const request = manager.request(`${prefix}:${name}`, options, (lock) => {
      if (lock === null) throw lockTaken(name);
      if (signal?.aborted) throw lockCancelled(signal.reason);
      held = true;
      return use();
    });
    try {
      // Chromium does not always answer a request that is aborted as soon as it was made.
      return await (signal ? Promise.race([cancelled, request]) : request);
    } catch (error) {
      throw signal?.aborted && !held ? lockCancelled(error) : error;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  };
}

/** Locks between the callers of this one function. First come, first served. @returns {Lock} */
export function processLock() {
  /** @type {Map<string, State>} */
  const states = new Map();
  /** @param {State} state @param {boolean} shared */
  const free = (state, shared) => state.holders.length === 0 || (shared && state.holders.every((one) => one.shared));

  /** @param {string} name @param {State} state */
  function admit(name, state) {
    for (let next = state.waiting[0]; next !== undefined && free(state, next.shared); next = state.waiting[0]) {
      state.waiting.shift();
      state.holders.push(next);
      next.resolve();
    }
    if (state.holders.length === 0) states.delete(name);
  }

  return async (name, { shared = false, wait = true, signal, onWait } = {}, use) => {
    if (signal?.aborted) throw lockCancelled(signal.reason);
    const state = states.get(name) ?? { holders: [], waiting: [] };
    states.set(name, state);
    if (!wait && !(free(state, shared) && state.waiting.length === 0)) throw lockTaken(name);
    const { promise, resolve, reject } = promiseParts();
    const request = { shared, resolve };
    const giveUp = () => {
      const place = state.waiting.indexOf(request);
      if (place < 0) return;
      state.waiting.splice(place, 1);
      reject(lockCancelled(signal?.reason));
      admit(name, state);
    };
    signal?.addEventListener('abort', giveUp);
    state.waiting.push(request);
    admit(name, state);
    if (state.waiting.includes(request)) onWait?.({});
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
    try {
      return await use();
    } finally {
      state.holders.splice(state.holders.indexOf(request), 1);
      admit(name, state);
    }
  };
}

/** A promise, and what settles it. */
function promiseParts() {
  /** @type {() => void} */
  let resolve = () => {};
  /** @type {(reason: unknown) => void} */
  let reject = () => {};
  /** @type {Promise<void>} */
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
