// What was typed and not sent, by the place it is meant for, as long as the tab lives: a reload, also one that the page
// does by itself, loses nothing of it.

import { onLeaving } from '../ui/leaving.js';

const KEEP_MILLISECONDS = 250;

/** The place of a chat that has no message yet. */
export const NEW_CHAT = '';

export class Drafts {
  #key;
  #texts;
  /** As they were when the page was opened. */
  #before;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {string} key their name in the tab's storage */
  constructor(key) {
    this.#key = key;
    this.#texts = read(key);
    this.#before = new Map(this.#texts);
    onLeaving(() => this.#keep());
  }

  /** @param {string} place @returns {string | undefined} */
  get(place) {
    return this.#texts.get(place);
  }

  /** Whether a text has been kept since before the page was opened. @param {string} place @param {string} text @returns {boolean} */
  isOfBefore(place, text) {
    return this.#texts.has(place) && this.#before.get(place) === text;
  }

  /** @param {string} place @param {string} text */
  set(place, text) {
    this.#texts.set(place, text);
    this.#before.delete(place);
    this.#keepSoon();
  }

  /** @param {string} place */
  delete(place) {
    if (this.#texts.delete(place)) this.#keepSoon();
  }

  /** What was begun in any place whose name begins so is gone. @param {string} beginning */
  deleteAll(beginning) {
    for (const place of this.#texts.keys()) if (place.startsWith(beginning)) this.delete(place);
  }

  #keepSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#keep(), KEEP_MILLISECONDS);
  }

  #keep() {
    clearTimeout(this.#timer);
    try {
      if (this.#texts.size === 0) sessionStorage.removeItem(this.#key);
      else sessionStorage.setItem(this.#key, JSON.stringify([...this.#texts]));
    } catch {
      // Where nothing can be kept, or not so much, it lasts as long as the page.
    }
  }
}

/** @param {string} key @returns {Map<string, string>} */
function read(key) {
  try {
    /** @type {unknown} */
    const entries = JSON.parse(sessionStorage.getItem(key) ?? '[]');
    return new Map(Array.isArray(entries) ? entries.filter(isEntry) : []);
  } catch {
    return new Map();
  }
}

/** @param {unknown} value @returns {value is [place: string, text: string]} */
const isEntry = (value) => Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'string';
