// What the model has computed of each conversation, so that its next answer begins without reading all of it again: in
// memory while the page is open, and beside the model in its store across a reload.

const PREFIX = 'chat:';
// Each holds up to a whole context in memory. A memory budget has room for one context: what another conversation keeps of
// it would be missing to the one that is answered.
const mostOpen = (/** @type {Engine} */ { info }) => (info.budget ? 1 : 2);
// A save waits for a pause; an answer that follows at once would only have to wait for it.
const SAVE_MILLISECONDS = 2000;

const keyOf = (/** @type {string} */ id) => PREFIX + id;

/** @typedef {import('../nibble/index.js').Engine} Engine */
/** @typedef {import('../nibble/index.js').Session} Session */

export class ChatSessions {
  /** By the conversation's id, those used last at the end. @type {Map<string, { engine: Engine, session: Session }>} */
  #open = new Map();
  /** @type {Set<string>} */
  #unsaved = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #onError;

  /** @param {(engine: Engine, error: unknown) => void} onError told what a save failed with */
  constructor(onError) {
    this.#onError = onError;
    // The last moment at which a page can be sure to do something.
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') this.#saveAll();
    });
  }

  /**
   * The session of a conversation: the one in memory, the one in the store, or a new one.
   * @param {Engine} engine
   * @param {string} id of the conversation
   * @returns {Promise<{ session: Session, isRestored: boolean }>} isRestored: it comes out of the store
   */
  async sessionOf(engine, id) {
    const present = this.#open.get(id);
    this.#open.delete(id);
    if (present?.engine === engine) {
      this.#open.set(id, present);
      return { session: present.session, isRestored: false };
    }
    await this.#closeOldest(engine, mostOpen(engine) - 1);
    // A save that cannot be used, for whatever reason, costs the time of reading again and nothing else.
    const restored = isKept(engine) ? await engine.restoreSession(keyOf(id)).catch(() => null) : null;
    const session = restored ?? (await engine.createSession());
    this.#open.set(id, { engine, session });
    return { session, isRestored: restored !== null };
  }

  /** An answer was written in a conversation; it is saved soon. @param {string} id */
  keep(id) {
    this.#unsaved.add(id);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#saveAll(), SAVE_MILLISECONDS);
  }

  /** An answer is about to be written. */
  hold() {
    clearTimeout(this.#timer);
  }

  /** A conversation was deleted. @param {Engine | null} engine @param {string} id */
  async forget(engine, id) {
    this.#unsaved.delete(id);
    const present = this.#open.get(id);
    this.#open.delete(id);
    await present?.session.close().catch(() => {});
    if (engine !== null) await engine.deleteSavedSession(keyOf(id)).catch(() => {});
  }

  /**
   * Deletes what is saved of conversations that are no more, as when they were deleted while another model was in use.
   * @param {Engine} engine
   * @param {(id: string) => Promise<boolean>} exists
   */
  async tidy(engine, exists) {
    const saves = isKept(engine) ? await engine.savedSessions().catch(() => []) : [];
    for (const { key } of saves) {
      if (!key.startsWith(PREFIX) || (await exists(key.slice(PREFIX.length)))) continue;
      await engine.deleteSavedSession(key).catch(() => {});
    }
  }

  /** Closes, of the sessions that are in memory, those used longest ago, until `most` are left. @param {Engine} engine @param {number} most */
  async #closeOldest(engine, most) {
    for (const [id, entry] of this.#open) {
      if (entry.engine !== engine) this.#open.delete(id);
    }
    for (const [id, { session }] of [...this.#open].slice(0, Math.max(0, this.#open.size - most))) {
      await this.#save(id);
      this.#open.delete(id);
      await session.close().catch(() => {});
    }
  }

  async #saveAll() {
    clearTimeout(this.#timer);
    for (const id of [...this.#unsaved]) await this.#save(id);
  }

  /** @param {string} id */
  async #save(id) {
    const entry = this.#open.get(id);
    if (!this.#unsaved.delete(id) || entry === undefined || !isKept(entry.engine)) return;
    // Where it cannot be saved, as when the storage is full, the conversation is read again after a reload.
    await entry.session.save(keyOf(id)).catch((error) => this.#onError(entry.engine, error));
  }
}

/** Whether there is a store that the model, and so what belongs to it, is kept in. @param {Engine} engine */
const isKept = ({ info }) => info.storage.state !== 'not-stored';
