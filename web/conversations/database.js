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

/** @returns {Promise<import('idb').IDBPDatabase>} */
export function openDatabase() {
  return openDB(NAME, VERSION, {
    upgrade(opened) {
      opened.createObjectStore('heads', { keyPath: 'id' });
      opened.createObjectStore('messages');
    },
    // A newer page in another tab may change what is stored; this one reads no more of it then.
    blocking: (_current, _next, event) => event.target.close(),
  });
}

/** Heads are listed without their messages, which may be many. */
export class DatabaseStore {
  /** @param {import('idb').IDBPDatabase} database @param {boolean} [isRefilled] its data was cleared, not by this page */
  constructor(database, isRefilled = false) {
    this.database = database;
    this.isRefilled = isRefilled;
  }

  heads() {
    return this.database.getAll('heads');
  }

  async get(id) {
    const transaction = this.database.transaction(['heads', 'messages']);
    const [head, messages] = await Promise.all([
      transaction.objectStore('heads').get(id),
      transaction.objectStore('messages').get(id),
    ]);
    return head ? soundOf(head, messages) : null;
  }

  async put({ messages, ...head }) {
    const transaction = this.database.transaction(['heads', 'messages'], 'readwrite');
    const kept = await transaction.objectStore('heads').get(head.id);
    // What was deleted does not come back by somebody who goes on with it.
    if (kept === undefined && revisionOf(head) > 0 && !this.isRefilled) throw new ConversationDeleted();
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
    return changes;
  }

  async rename(id, title) {
    const transaction = this.database.transaction('heads', 'readwrite');
    const head = await transaction.store.get(id);
    if (head) await transaction.store.put({ ...head, title, renamed: true });
    await transaction.done;
  }

  async remove(id) {
    const transaction = this.database.transaction(['heads', 'messages'], 'readwrite');
    await Promise.all([
      transaction.objectStore('heads').delete(id),
      transaction.objectStore('messages').delete(id),
      transaction.done,
    ]);
  }
}

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
