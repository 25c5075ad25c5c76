// Where conversations are: in IndexedDB, or in the page where a browser refuses that.
import { openDB } from 'idb';

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

  /** @param {any} cause what the browser says */
  constructor(cause) {
    super(`The browser cannot read what it has stored of this conversation: ${cause.message}`, { cause });
  }
}

/** Whether it may be that the connection was closed, as where site data is cleared: that is no record's fault. */
export const isOfConnection = (error) => ['InvalidStateError', 'AbortError'].includes(error.name);

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
    blocking: (_current, _next, event) => event.target.close(),
  });
}

/** Heads are listed without their messages, which may be many. */
export class DatabaseStore {
  /** Of what was saved in another database, which was cleared, not by this page. */
  #isRefilled;
  #present = new Set();

  /** @param {import('idb').IDBPDatabase} database @param {boolean} [isRefilled] it has taken the place of one that was cleared */
  constructor(database, isRefilled = false) {
    this.database = database;
    this.#isRefilled = isRefilled;
  }

  /** Opens it, by default the first time. @param {DatabaseStore} [closed] that was in use before */
  static async open(closed) {
    const database = await openDatabase();
    const identity = await database.get('messages', IDENTITY).catch(() => undefined);
    const store = new DatabaseStore(database, closed !== undefined && closed.identity !== identity);
    store.identity = identity;
    return store;
  }

  get isOpen() {
    try {
      this.database.transaction('heads');
      return true;
    } catch {
      return false;
    }
  }

  /** One that cannot be read is listed without a title, and hides no other. */
  async heads() {
    try {
      return await this.#begin('heads').store.getAll();
    } catch (error) {
      if (isOfConnection(error)) throw error;
    }
    const ids = await this.#begin('heads').store.getAllKeys();
    const blank = { title: '', renamed: false, createdAt: 0, updatedAt: 0, start: 0 };
    const read = async (id) => {
      try {
        return await this.#begin('heads').store.get(id);
      } catch (error) {
        if (isOfConnection(error)) throw error;
        return { ...blank, id };
      }
    };
    return (await Promise.all(ids.map(read))).filter(Boolean);
  }

  /** @throws {ConversationUnreadable} */
  async get(id) {
    const [head, messages] = await readable(() => this.#read(id));
    if (!head) return null;
    this.#present.add(id);
    return soundOf(head, messages);
  }

  #begin(names, mode) {
    const transaction = this.database.transaction(names, mode);
    // What breaks it off, as a record that cannot be read does, is told by the request that failed.
    transaction.done.catch(() => {});
    return transaction;
  }

  /** Both as they are at one moment. */
  #read(id) {
    const transaction = this.#begin(['heads', 'messages']);
    return Promise.all([transaction.objectStore('heads').get(id), transaction.objectStore('messages').get(id)]);
  }

  async put({ messages, ...head }) {
    const transaction = this.#begin(['heads', 'messages'], 'readwrite');
    const kept = await transaction.objectStore('heads').get(head.id);
    // What was deleted does not come back by somebody who goes on with it.
    const wasElsewhere = this.#isRefilled && !this.#present.has(head.id);
    if (kept === undefined && revisionOf(head) > 0 && !wasElsewhere) throw new ConversationDeleted();
    // Two tabs may write in it where the browser has no locks.
    if (revisionOf(kept) > revisionOf(head)) throw new ConversationChanged();
    // A name that a reader has given it, in whichever tab, stays.
    const { title, renamed } = kept?.renamed ? kept : head;
    const changes = { title, renamed, revision: revisionOf(kept) + 1 };
    await Promise.all([
      transaction.objectStore('heads').put({ ...head, ...changes }),
      transaction.objectStore('messages').put(messages, head.id),
      transaction.done,
    ]);
    this.#present.add(head.id);
    return changes;
  }

  async rename(id, title) {
    const transaction = this.#begin('heads', 'readwrite');
    const head = await transaction.store.get(id);
    if (head) await transaction.store.put({ ...head, title, renamed: true });
    await transaction.done;
  }

  async remove(id) {
    const transaction = this.#begin(['heads', 'messages'], 'readwrite');
    await Promise.all([
      transaction.objectStore('heads').delete(id),
      transaction.objectStore('messages').delete(id),
      transaction.done,
    ]);
  }
}

async function readable(read) {
  try {
    return await read();
  } catch (error) {
    throw isOfConnection(error) ? error : new ConversationUnreadable(error);
  }
}

/** @param {any} error of reading a conversation */
export const isUnreadable = (error) => error?.code === 'CONVERSATION_UNREADABLE';

const revisionOf = (head) => head?.revision ?? 0;

const isMessage = (value) =>
  typeof value?.id === 'string' && ['user', 'assistant'].includes(value.role) && typeof value.content === 'string';

/** What is no message, as a damaged record or another version of the page may have it, is left out: the others can be read. */
function soundOf(head, kept) {
  const messages = Array.isArray(kept) ? kept.filter(isMessage) : [];
  const title = typeof head.title === 'string' ? head.title : '';
  const start = Number.isInteger(head.start) && head.start >= 0 && head.start < messages.length ? head.start : 0;
  return { ...head, title, start, messages };
}

/** For this visit only. */
export class PageStore {
  #all = new Map();

  async heads() {
    return [...this.#all.values()].map(({ messages, ...head }) => head);
  }

  async get(id) {
    return structuredClone(this.#all.get(id) ?? null);
  }

  async put(conversation) {
    const kept = this.#all.get(conversation.id);
    const revision = Math.max(revisionOf(kept), revisionOf(conversation)) + 1;
    this.#all.set(conversation.id, structuredClone({ ...conversation, revision }));
    return { revision };
  }

  async rename(id, title) {
    const conversation = this.#all.get(id);
    if (conversation) Object.assign(conversation, { title, renamed: true });
  }

  async remove(id) {
    this.#all.delete(id);
  }
}
