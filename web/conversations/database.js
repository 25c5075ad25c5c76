// Where conversations are: in IndexedDB, or in the page where a browser refuses that.
import { openDB } from 'idb';
import { headOf, isIndexOf, isMessage } from './record.js';

/** @typedef {import('./conversations.js').Head} Head */
/** @typedef {import('./conversations.js').Conversation} Conversation */

export const NAME = 'nibble-conversations';
const VERSION = 1;

/** Another tab has changed a conversation since this one read it. */
export class ConversationChanged extends Error {
  code = 'CONVERSATION_CHANGED';

  constructor() {
    super('Another tab has saved this conversation meanwhile; what it has saved was left as it is.');
  }
}

/** Another tab has deleted a conversation since this one read it. */
export class ConversationDeleted extends Error {
  code = 'CONVERSATION_DELETED';

  constructor() {
    super('Another tab has deleted this conversation meanwhile; it was not stored again.');
  }
}

/** The browser can no longer read what it has stored of a conversation, as where a file of its own is gone. */
export class ConversationUnreadable extends Error {
  code = 'CONVERSATION_UNREADABLE';

  /** @param {unknown} cause what the browser says */
  constructor(cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    super(`The browser cannot read what it has stored of this conversation: ${said}`, { cause });
  }
}

/** Whether it may be that the connection was closed, as where site data is cleared: that is no record's fault. @param {unknown} error */
export const isOfConnection = (error) =>
  error instanceof Error && ['InvalidStateError', 'AbortError'].includes(error.name);

// Beside the messages, whose keys are texts: which database this is, so that one that was cleared is known by it.
const IDENTITY = 0;

/** @returns {Promise<import('idb').IDBPDatabase>} */
export function openDatabase() {
  return openDB(NAME, VERSION, {
    upgrade(opened) {
      opened.createObjectStore('heads', { keyPath: 'id' });
      opened.createObjectStore('messages').put(crypto.getRandomValues(new Uint32Array(4)).join(), IDENTITY);
    },
    // A newer page in another tab may change what is stored; this one reads no more of it then.
    blocking: (_current, _next, { target }) => target instanceof IDBDatabase && target.close(),
  });
}

/** Heads are listed without their messages, which may be many. */
export class DatabaseStore {
  /** Of what was saved in another database, which was cleared, not by this page. */
  #isRefilled;
  /** Ids of what was read here or written. @type {Set<string>} */
  #present = new Set();

  /**
   * @param {import('idb').IDBPDatabase} database
   * @param {unknown} [identity] which it is
   * @param {boolean} [isRefilled] it has taken the place of one that was cleared
   */
  constructor(database, identity, isRefilled = false) {
    this.database = database;
    this.identity = identity;
    this.#isRefilled = isRefilled;
  }

  /** Opens it, by default the first time. @param {DatabaseStore} [closed] that was in use before */
  static async open(closed) {
    const database = await openDatabase();
    const identity = await database.get('messages', IDENTITY).catch(() => undefined);
    return new DatabaseStore(database, identity, closed !== undefined && closed.identity !== identity);
  }

  get isOpen() {
    try {
      this.database.transaction('heads');
      return true;
    } catch {
      return false;
    }
  }

  /** One that cannot be read is listed without a title, and hides no other. @returns {Promise<Head[]>} */
  async heads() {
    /** @type {unknown[]} */
    let found;
    try {
      found = await this.#heads().getAll();
    } catch (error) {
      if (isOfConnection(error)) throw error;
      const ids = await this.#heads().getAllKeys();
      found = await Promise.all(ids.map((id) => this.#headOr(id)));
    }
    return found.map(headOf).filter((head) => head !== null);
  }

  /** @param {IDBValidKey} id @returns {Promise<unknown>} */
  async #headOr(id) {
    try {
      return await this.#heads().get(id);
    } catch (error) {
      if (isOfConnection(error)) throw error;
      return { id };
    }
  }

  #heads() {
    return this.#begin(['heads']).objectStore('heads');
  }

  /** @param {string} id @returns {Promise<Conversation | null>} @throws {ConversationUnreadable} */
  async get(id) {
    const [head, messages] = await readable(() => this.#read(id));
    const sound = headOf(head);
    if (sound === null) return null;
    this.#present.add(id);
    return soundOf(sound, messages);
  }

  /**
   * @template {IDBTransactionMode} [Mode='readonly']
   * @param {string[]} names
   * @param {Mode} [mode]
   * @returns {import('idb').IDBPTransaction<unknown, string[], Mode>}
   */
  #begin(names, mode) {
    const transaction = this.database.transaction(names, mode);
    // What breaks it off, as a record that cannot be read does, is told by the request that failed.
    transaction.done.catch(() => {});
    return transaction;
  }

  /** Both as they are at one moment. @param {string} id @returns {Promise<[head: unknown, messages: unknown]>} */
  #read(id) {
    const transaction = this.#begin(['heads', 'messages']);
    return Promise.all([transaction.objectStore('heads').get(id), transaction.objectStore('messages').get(id)]);
  }

  /** @param {Conversation} conversation @returns {Promise<Partial<Head>>} what is different of what is kept */
  async put({ messages, ...head }) {
    const transaction = this.#begin(['heads', 'messages'], 'readwrite');
    const kept = headOf(await transaction.objectStore('heads').get(head.id));
    // What was deleted does not come back by somebody who goes on with it.
    const wasElsewhere = this.#isRefilled && !this.#present.has(head.id);
    if (kept === null && revisionOf(head) > 0 && !wasElsewhere) throw new ConversationDeleted();
    // Two tabs may write in it where the browser has no locks.
    if (revisionOf(kept) > revisionOf(head)) throw new ConversationChanged();
    // A name that a reader has given it, in whichever tab, stays.
    const { title, renamed } = kept?.renamed ? kept : head;
    const changes = { title, renamed, revision: revisionOf(kept) + 1 };
    await allOrNone(transaction, [
      () => transaction.objectStore('heads').put({ ...head, ...changes }),
      () => transaction.objectStore('messages').put(messages, head.id),
    ]);
    this.#present.add(head.id);
    return changes;
  }

  /** @param {string} id @param {string} title */
  async rename(id, title) {
    const transaction = this.#begin(['heads'], 'readwrite');
    const heads = transaction.objectStore('heads');
    const head = headOf(await heads.get(id));
    if (head !== null) await heads.put({ ...head, title, renamed: true });
    await transaction.done;
  }

  /** @param {string} id */
  async remove(id) {
    const transaction = this.#begin(['heads', 'messages'], 'readwrite');
    await allOrNone(transaction, [
      () => transaction.objectStore('heads').delete(id),
      () => transaction.objectStore('messages').delete(id),
    ]);
  }
}

/**
 * What requests change is kept where none of them fails. One that is refused at once breaks off those before it.
 * @param {import('idb').IDBPTransaction<unknown, string[], 'readwrite'>} transaction
 * @param {(() => Promise<unknown>)[]} requests
 */
async function allOrNone(transaction, requests) {
  /** @type {Promise<unknown>[]} */
  const made = [];
  try {
    for (const request of requests) made.push(request());
    await Promise.all([...made, transaction.done]);
  } catch (error) {
    for (const result of made) result.catch(() => {});
    try {
      transaction.abort();
    } catch {
      // It has ended by itself.
    }
    throw error;
  }
}

/** @template Result @param {() => Promise<Result>} read */
async function readable(read) {
  try {
    return await read();
  } catch (error) {
    throw isOfConnection(error) ? error : new ConversationUnreadable(error);
  }
}

/** @param {unknown} error of reading a conversation */
export const isUnreadable = (error) => error instanceof ConversationUnreadable;

/** @param {Head | null | undefined} head */
const revisionOf = (head) => head?.revision ?? 0;

/** What is no message, as a damaged record or another version of the page may have it, is left out: the others can be read. @param {Head} head @param {unknown} kept @returns {Conversation} */
function soundOf(head, kept) {
  const messages = Array.isArray(kept) ? kept.filter(isMessage) : [];
  return { ...head, start: isIndexOf(head.start, messages) ? head.start : 0, messages };
}

/** For this visit only. */
export class PageStore {
  /** @type {Map<string, Conversation>} */
  #all = new Map();
  isOpen = true;

  /** @returns {Promise<Head[]>} */
  async heads() {
    return [...this.#all.values()].map(({ messages, ...head }) => head);
  }

  /** @param {string} id @returns {Promise<Conversation | null>} */
  async get(id) {
    return structuredClone(this.#all.get(id) ?? null);
  }

  /** @param {Conversation} conversation @returns {Promise<Partial<Head>>} */
  async put(conversation) {
    const kept = this.#all.get(conversation.id);
    const revision = Math.max(revisionOf(kept), revisionOf(conversation)) + 1;
    this.#all.set(conversation.id, structuredClone({ ...conversation, revision }));
    return { revision };
  }

  /** @param {string} id @param {string} title */
  async rename(id, title) {
    const conversation = this.#all.get(id);
    if (conversation) Object.assign(conversation, { title, renamed: true });
  }

  /** @param {string} id */
  async remove(id) {
    this.#all.delete(id);
  }
}
