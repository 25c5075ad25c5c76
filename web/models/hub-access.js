// Where the page asks for models of Hugging Face's hub, and by which access token. Both last for this visit, and longer
// only where the reader wants it. A token goes to the address that it was given with, and to no other.
import { detailsOf } from '../engine/problem.js';
import { readHubAddress } from '../nibble/index.js';

const KEY = 'nibble.hub';
const USUAL = 'https://huggingface.co';

export class HubAccess {
  #url = USUAL;
  #token = '';
  #isKept = false;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  constructor() {
    try {
      const { url, token } = JSON.parse(localStorage.getItem(KEY) ?? '{}');
      if (typeof url === 'string' && typeof token === 'string') this.#isKept = this.#take({ url, token }) === null;
    } catch {
      // What cannot be read is as good as nothing.
    }
  }

  /** As the library takes it. @returns {import('../nibble/index.js').HubOptions} */
  get options() {
    return { url: this.#url, ...(this.#token !== '' && { token: this.#token }) };
  }

  get url() {
    return this.#url;
  }

  get hasToken() {
    return this.#token !== '';
  }

  get isKept() {
    return this.#isKept;
  }

  /** Whether anything is other than it was at first. */
  get isOwn() {
    return this.hasToken || this.#url !== USUAL;
  }

  /**
   * @param {{ url: string, token: string, keeps: boolean }} given `url` '': that of the hub itself; `token` '': none
   * @returns {'url' | 'token' | null} what of it is none; null: all is taken
   */
  change({ url, token, keeps }) {
    const wrong = this.#take({ url: url.trim(), token: token.trim() });
    if (wrong !== null) return wrong;
    this.#isKept = keeps && this.isOwn;
    try {
      if (this.#isKept) localStorage.setItem(KEY, JSON.stringify({ url: this.#url, token: this.#token }));
      else localStorage.removeItem(KEY);
    } catch {
      // It lasts for this visit then.
      this.#isKept = false;
    }
    for (const listener of this.#listeners) listener();
    return null;
  }

  /** @param {() => void} listener called after each change */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** Back to the hub itself, without a token. */
  forget() {
    this.change({ url: '', token: '', keeps: false });
  }

  /** @param {{ url: string, token: string }} given @returns {'url' | 'token' | null} what of it is none */
  #take({ url, token }) {
    const address = (url || USUAL).replace(/(?<!\/)\/+$/, '');
    try {
      readHubAddress('owner/name', { hub: { url: address, token } });
    } catch (error) {
      return detailsOf(error).option === 'hub.token' ? 'token' : 'url';
    }
    this.#url = address;
    this.#token = token;
    return null;
  }
}
