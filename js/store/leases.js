// Locks by name where nobody keeps them for us: between processes that share a folder, and between pages of plain http.
// Whoever wants a lock announces itself by an entry of its own, then looks whether an announced one stands in the way; if
// so it takes its entry back. Of two that come at once at least one sees the other, so no two hold what excludes them.
//
//   held by a process:  entry --beat--beat--beat-- removed
//   ended by force:     entry --beat--   nothing ...   whoever waits has watched it long enough, and removes it
//   stopped for long:   entry --beat--   nothing ...   removed by another;  goes on --check: lost--> writes nothing
//
// Entries are watched, not dated: clocks of two machines may differ, or jump. What a medium knows to be gone (a process
// that has ended) need not be watched.
import { attempt, lockCancelled, lockLost, lockTaken } from './errors.js';

/**
 * Where entries lie: short texts by name. A name has the lock's key, the kind of its hold and its owner, apart by blanks.
 * @typedef {object} Medium
 * @property {string} owner of this worker's entries; without blanks
 * @property {(name: string) => string} keyOf a lock's name as part of an entry's; without blanks
 * @property {() => Promise<string[]>} list the names of all entries
 * @property {(entry: string) => Promise<{ text: string, age: number } | null>} read `age`: milliseconds since it was
 *   written, as far as clocks agree
 * @property {(entry: string, text: string) => Promise<void>} add
 * @property {(entry: string, text: string) => Promise<boolean>} renew writes it again; false where it is gone
 * @property {(entry: string) => Promise<void>} remove
 * @property {(owner: string) => Promise<boolean>} isGone whether it is certain that who announced itself has ended
 */

/**
 * Who holds a lock, as far as is known.
 * @typedef {object} Holder
 * @property {string} [name] of the process or the page
 * @property {number} [since] milliseconds since 1970, by its own clock
 */

/** @typedef {{ name: string, entry: string, since: number, isLost: boolean }} Held an entry of this worker's */

/**
 * What stands in the way of a lock; `isDoubtful`: it was not written for long.
 * @typedef {{ holder: Holder, isDoubtful: boolean }} Obstacle
 */

/** How long is long, in milliseconds. */
export const LEASE_TIMES = Object.freeze({
  beat: 2500,
  // Without a beat: longer than anything keeps a worker busy that holds a lock, and than a disk takes for a chunk.
  stale: 25_000,
  // The same for an entry that was not written for as long before it was first seen, unless clocks differ.
  confirm: 6000,
  look: 400,
});
const FIRST_PAUSE_MILLISECONDS = 25;
// Two that came at once may both have stepped back: this often is tried before the lock counts as taken.
const TRIES = 3;

export class Leases {
  #medium;
  #holder;
  #times;
  /** @type {Set<Held>} */
  #held = new Set();
  #last = 0;

  /** @param {Medium} medium @param {string | undefined} holder how errors call this process or page @param {typeof LEASE_TIMES} [times] */
  constructor(medium, holder, times = LEASE_TIMES) {
    this.#medium = medium;
    this.#holder = holder;
    this.#times = times;
    /** @type {import('./locks.js').Lock} */
    this.lock = (name, options, use) => this.#lock(name, options ?? {}, use);
  }

  /**
   * To be asked right before something of that id is changed.
   * @param {string} id the name of a lock, or one that belongs to it: with '#' and more behind
   * @throws {NibbleError} STORE_BUSY where a lock that is held here on it was lost: another has it now
   */
  async check(id) {
    for (const held of this.#held) {
      if (id !== held.name && !id.startsWith(`${held.name}#`)) continue;
      if (!held.isLost && (await this.#medium.read(held.entry)) === null) held.isLost = true;
      if (held.isLost) throw lockLost(id);
    }
  }

  /**
   * @template T
   * @param {string} name
   * @param {import('./locks.js').LockOptions} options
   * @param {() => T | Promise<T>} use
   * @returns {Promise<T>}
   */
  async #lock(name, { shared = false, wait = true, signal, onWait }, use) {
    const key = this.#medium.keyOf(name);
    const mode = shared ? 'shared' : 'alone';
    const entry = [key, mode, this.#medium.owner, `${++this.#last}-${Math.random().toString(36).slice(2)}`].join(' ');
    const watch = new Watch(this.#times);
    let isTold = false;
    for (let tries = 1; ; tries++) {
      if (signal?.aborted) throw lockCancelled(signal.reason);
      const since = Date.now();
      const obstacle = await attempt(`Locking "${name}"`, () => this.#announce(entry, this.#text(since, 0), watch));
      if (obstacle === null) return this.#hold({ name, entry, since, isLost: false }, use);
      if (tries >= TRIES && !wait && !obstacle.isDoubtful) throw lockTaken(name, obstacle.holder);
      if (tries >= TRIES && wait && !isTold) {
        isTold = true;
        onWait?.(obstacle.holder);
      }
      const most = Math.min(this.#times.look, FIRST_PAUSE_MILLISECONDS * tries);
      await pause(most * (0.5 + Math.random() / 2), signal);
    }
  }

  /**
   * @param {string} entry
   * @param {string} text
   * @param {Watch} watch
   * @returns {Promise<Obstacle | null>} null: the entry is there
   */
  async #announce(entry, text, watch) {
    const before = await this.#obstacle(entry, watch);
    if (before !== null) return before;
    await this.#medium.add(entry, text);
    try {
      const met = await this.#obstacle(entry, watch);
      if (met === null) return null;
      await this.#medium.remove(entry);
      return met;
    } catch (error) {
      await this.#medium.remove(entry);
      throw error;
    }
  }

  /**
   * What excludes an entry; what is left of those that have ended is swept away on the way.
   * @param {string} entry
   * @param {Watch} watch
   */
  async #obstacle(entry, watch) {
    const [key, mode] = entry.split(' ');
    /** @type {Obstacle | null} */
    let found = null;
    for (const other of await this.#medium.list()) {
      const [otherKey, otherMode, owner] = other.split(' ');
      if (otherKey !== key || other === entry || (mode === 'shared' && otherMode === 'shared')) continue;
      if (await this.#medium.isGone(owner)) {
        await this.#medium.remove(other);
        continue;
      }
      const seen = await this.#medium.read(other);
      if (seen === null) continue;
      const { isStale, isDoubtful } = watch.look(other, seen);
      // Whoever lost it may be about to write: the next look is a pause away.
      if (isStale) await this.#medium.remove(other);
      found ??= { holder: holderOf(seen.text), isDoubtful };
    }
    return found;
  }

  /** @template T @param {Held} held @param {() => T | Promise<T>} use */
  async #hold(held, use) {
    this.#held.add(held);
    let beats = 0;
    const beat = async () => {
      const isThere = await this.#medium.renew(held.entry, this.#text(held.since, ++beats)).catch(() => true);
      if (!isThere) held.isLost = true;
    };
    const timer = setInterval(beat, this.#times.beat);
    timer.unref?.();
    try {
      return await use();
    } finally {
      clearInterval(timer);
      this.#held.delete(held);
      await this.#medium.remove(held.entry).catch(() => {});
    }
  }

  /** @param {number} since @param {number} beats */
  #text(since, beats) {
    return JSON.stringify({ name: this.#holder, since, beats: String(beats).padStart(10) });
  }
}

/** Entries of others, as somebody who waits has seen them. */
class Watch {
  #times;
  /** @type {Map<string, { text: string, still: number, at: number, isAlive: boolean }>} */
  #seen = new Map();

  /** @param {typeof LEASE_TIMES} times */
  constructor(times) {
    this.#times = times;
  }

  /**
   * `isDoubtful`: it was not written for long, and it is not known yet whether only its clock says so.
   * @param {string} entry
   * @param {{ text: string, age: number }} written
   */
  look(entry, { text, age }) {
    const { stale, confirm, look } = this.#times;
    const at = performance.now();
    const seen = this.#seen.get(entry) ?? { text, still: 0, at, isAlive: false };
    this.#seen.set(entry, seen);
    if (seen.text !== text) Object.assign(seen, { text, still: 0, isAlive: true });
    // Who watches may have stood still itself, as a laptop that is closed does: that time does not count.
    else seen.still += Math.min(at - seen.at, 2 * look);
    seen.at = at;
    const isOld = !seen.isAlive && Math.abs(age) > stale;
    return { isStale: seen.still >= (isOld ? confirm : stale), isDoubtful: isOld };
  }
}

/** @param {string} text what an entry holds @returns {Holder} */
function holderOf(text) {
  try {
    const { name, since } = JSON.parse(text);
    return { ...(typeof name === 'string' && { name }), ...(Number.isSafeInteger(since) && { since }) };
  } catch {
    return {};
  }
}

/** @param {number} milliseconds @param {AbortSignal} [signal] @returns {Promise<void>} */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', done);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}
