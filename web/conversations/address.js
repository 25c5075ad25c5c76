// Which conversation a tab shows, as its address says: by an id, and nothing of what was said in it. So Back and Forward
// go from one to the other, a reload stays where it is, and a conversation can be opened in another tab.

const PREFIX = '#chat-';

/** @param {string} id of a conversation; one that earlier versions took out of a file may hold half a character */
export const addressOf = (id) => PREFIX + encodeURIComponent(id.replace(/\p{Surrogate}/gu, '\uFFFD'));

export class Address {
  /** @type {string | null} */
  #shown = null;
  /** @type {string | null} */
  #wanted = null;

  /** @param {(id: string | null) => void} onMove the reader has gone to another address; null: to a new chat */
  constructor(onMove) {
    addEventListener('popstate', () => {
      if (!this.#clean()) onMove(this.id);
    });
    this.#clean();
  }

  /** The id of the conversation that the address names; null: a new chat. */
  get id() {
    if (!location.hash.startsWith(PREFIX)) return null;
    try {
      return decodeURIComponent(location.hash.slice(PREFIX.length));
    } catch {
      return null;
    }
  }

  /** What names no conversation must not stand in the address as if it did. @returns {boolean} whether it had */
  #clean() {
    const isStray = location.hash !== '' && this.id === null;
    if (isStray) history.replaceState(null, '', this.#hrefOf(this.#wanted));
    return isStray;
  }

  /**
   * Makes the address that of the conversation that is shown. One without messages has none.
   * @param {import('./conversations.js').Conversation} conversation
   */
  follow({ id, messages }) {
    const isSame = this.#shown === null || this.#shown === id;
    this.#shown = id;
    const wanted = messages.length > 0 ? id : null;
    this.#wanted = wanted;
    if (wanted === this.id) return;
    // A chat that has got its first message is still the same place.
    if (isSame) history.replaceState(null, '', this.#hrefOf(wanted));
    else history.pushState(null, '', this.#hrefOf(wanted));
  }

  /** The conversation that is shown is no more, so its address must not be one to come back to. */
  leave() {
    this.#shown = this.#wanted = null;
  }

  /** @param {string | null} id */
  #hrefOf(id) {
    return id === null ? location.pathname + location.search : addressOf(id);
  }
}
