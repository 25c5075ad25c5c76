// What was typed and not sent, by the place it is meant for, as long as the tab lives: a reload, also one that the page
// does by itself, loses nothing of it.

const KEY = 'nibble.drafts';
const KEEP_MILLISECONDS = 250;

/** The place of a chat that has no message yet. */
export const NEW_CHAT = '';

export class Drafts {
  #texts = read();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  constructor() {
    // The last moments at which a page can be sure to do something.
    addEventListener('pagehide', () => this.#keep());
    document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && this.#keep());
  }

  /** @param {string} place @returns {string} '' where there is none */
  get(place) {
    return this.#texts.get(place) ?? '';
  }

  /** @param {string} place a conversation's id, or NEW_CHAT @param {string} text '' where nothing is left of it */
  set(place, text) {
    if (text === '') this.#texts.delete(place);
    else this.#texts.set(place, text);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#keep(), KEEP_MILLISECONDS);
  }

  #keep() {
    clearTimeout(this.#timer);
    try {
      if (this.#texts.size === 0) sessionStorage.removeItem(KEY);
      else sessionStorage.setItem(KEY, JSON.stringify([...this.#texts]));
    } catch {
      // Where nothing can be kept, or not so much, it lasts as long as the page.
    }
  }
}

/** @returns {Map<string, string>} */
function read() {
  try {
    /** @type {unknown} */
    const entries = JSON.parse(sessionStorage.getItem(KEY) ?? '[]');
    return new Map(Array.isArray(entries) ? entries.filter(isEntry) : []);
  } catch {
    return new Map();
  }
}

/** @param {unknown} value @returns {value is [place: string, text: string]} */
const isEntry = (value) => Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'string';
