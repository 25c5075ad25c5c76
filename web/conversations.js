// The conversations, in IndexedDB; for this visit only where a browser refuses it.
import { openDB } from 'idb';
import { readArchive, writeArchive } from './archive.js';

const NAME = 'nibble-conversations';
const VERSION = 1;
const LONGEST_TITLE = 60;

/**
 * @typedef {object} Message
 * @property {string} id
 * @property {'user' | 'assistant'} role
 * @property {string} content with the reasoning of an answer, in <think>…</think>
 * @property {number} createdAt milliseconds since 1970
 * @property {'stop' | 'length' | 'context' | 'cancelled' | 'failed'} [finish] how an answer ended; none: it is awaited
 * @property {string} [model] who wrote it
 * @property {number} [reasoningMilliseconds]
 * @property {number} [droppedTokens] how many left the context to make room for it
 * @property {{ prefill: number, decode: number, tokens: number }} [speed] tokens a second, and tokens written
 */

/**
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title '' until there is a message
 * @property {boolean} renamed whether the title is the reader's
 * @property {number} createdAt
 * @property {number} updatedAt
 * @property {number} start index of the first message that the model is shown: those before it were dropped
 * @property {number} [revision] how often it was saved, as this page knows it
 * @property {Message[]} messages
 */

/** @returns {Conversation} */
export function newConversation() {
  const now = Date.now();
  return { id: newId(), title: '', renamed: false, createdAt: now, updatedAt: now, start: 0, messages: [] };
}

/** @param {Message['role']} role @param {string} content @returns {Message} */
export const newMessage = (role, content) => ({ id: newId(), role, content, createdAt: Date.now() });

// randomUUID() exists in secure contexts only, and a page may be served without TLS.
const newId = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join('-');

/** A title for who has not given one. @param {string} text of the first message */
export function titleFrom(text) {
  const [line] = text.trim().split('\n', 1);
  const characters = [...line.replace(/\s+/g, ' ')];
  if (characters.length <= LONGEST_TITLE) return characters.join('');
  return `${characters
    .slice(0, LONGEST_TITLE - 1)
    .join('')
    .trimEnd()}…`;
}

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

/** A conversation of its own with the messages of another one. @param {Conversation} conversation @returns {Conversation} */
export const copyOf = (conversation) => ({ ...conversation, id: newId(), revision: 0 });

/** @returns {Promise<Conversations>} `isKept` false: only for this visit */
export async function openConversations() {
  const channel = new BroadcastChannel(NAME);
  try {
    return new Conversations(new Kept(await openDatabase()), channel, true);
  } catch {
    return new Conversations(new Unkept(), channel, false);
  }
}

function openDatabase() {
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
class Kept {
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

class Unkept {
  #all = new Map();

  async heads() {
    return [...this.#all.values()].map(({ messages, ...head }) => head);
  }

  async get(id) {
    return structuredClone(this.#all.get(id) ?? null);
  }

  async put(conversation) {
    this.#all.set(conversation.id, structuredClone(conversation));
    return {};
  }

  async rename(id, title) {
    const conversation = this.#all.get(id);
    if (conversation) Object.assign(conversation, { title, renamed: true });
  }

  async remove(id) {
    this.#all.delete(id);
  }
}

export class Conversations {
  #store;
  #channel;
  #reopened = null;
  #changing = Promise.resolve();
  #onLost = () => {};

  constructor(store, channel, isKept) {
    this.#store = store;
    this.#channel = channel;
    this.isKept = isKept;
  }

  /** @param {() => void} listener told when the browser has taken the storage away: from then on `isKept` is false */
  onLost(listener) {
    this.#onLost = listener;
  }

  /** Site data that is cleared closes the database under the page: it is opened once more, and else done without. */
  async #use(work) {
    const store = this.#store;
    try {
      return await work(store);
    } catch (error) {
      if (!this.isKept || !['InvalidStateError', 'AbortError'].includes(error.name)) throw error;
    }
    if (this.#store === store) {
      this.#reopened ??= openDatabase().then(
        (database) => new Kept(database, true),
        () => null,
      );
      const reopened = await this.#reopened;
      this.#reopened = null;
      if (this.#store === store) this.#replace(reopened);
    }
    return work(this.#store);
  }

  #replace(reopened) {
    this.#store = reopened ?? new Unkept();
    this.isKept = reopened !== null;
    if (!this.isKept) this.#onLost();
  }

  /** @param {(id: string) => void} listener told which conversation another tab has changed */
  onChangeElsewhere(listener) {
    this.#channel.addEventListener('message', ({ data }) => listener(data));
  }

  /** All, newest first, without their messages. @returns {Promise<Omit<Conversation, 'messages'>[]>} */
  async list() {
    return (await this.#use((store) => store.heads())).sort((a, b) => b.updatedAt - a.updatedAt);
  }

  /** @param {string} id @returns {Promise<Conversation | null>} */
  get(id) {
    return this.#use((store) => store.get(id));
  }

  /**
   * @param {Conversation} conversation replaces what is kept of it
   * @throws {ConversationChanged} where another tab has changed it meanwhile; then what that tab has saved stays
   * @throws {ConversationDeleted} where it was deleted meanwhile; then it stays so
   */
  save(conversation) {
    return this.#inTurn(() => this.#save(conversation));
  }

  /** One change after the other, as they were asked for. */
  #inTurn(work) {
    const done = this.#changing.then(work);
    this.#changing = done.catch(() => {});
    return done;
  }

  async #save(conversation) {
    const first = conversation.messages.find(({ role }) => role === 'user');
    if (!conversation.renamed && first) conversation.title = titleFrom(first.content);
    Object.assign(conversation, await this.#use((store) => store.put(conversation)));
    this.#channel.postMessage(conversation.id);
  }

  async rename(id, title) {
    await this.#inTurn(() => this.#use((store) => store.rename(id, title.trim())));
    this.#channel.postMessage(id);
  }

  /** Behind the saves that wait: none of them brings it back. */
  async delete(id) {
    await this.#inTurn(() => this.#use((store) => store.remove(id)));
    this.#channel.postMessage(id);
  }

  /**
   * Those whose title or text holds all words of a query, whatever their case.
   * @param {string} query
   * @param {AbortSignal} signal
   * @returns {Promise<Omit<Conversation, 'messages'>[]>}
   */
  async search(query, signal) {
    const words = query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (const head of await this.list()) {
      if (signal.aborted) return [];
      const conversation = await this.get(head.id);
      const texts = [head.title, ...(conversation?.messages ?? []).map(({ content }) => content)];
      const all = texts.join('\n').toLocaleLowerCase();
      if (words.every((word) => all.includes(word))) found.push(head);
    }
    return found;
  }

  /** All of them as one JSON text. */
  async export() {
    const heads = await this.list();
    const all = await Promise.all(heads.map(({ id }) => this.get(id)));
    return writeArchive(all.filter((conversation) => conversation !== null));
  }

  /**
   * Adds what an export holds; a conversation that is here already is replaced by one that is newer.
   * @param {string} json
   * @returns {Promise<number>} how many were added or replaced
   * @throws {Error} an ArchiveError, before anything is changed
   */
  async import(json) {
    let count = 0;
    for (const conversation of readArchive(json)) if (await this.#import(conversation)) count++;
    return count;
  }

  /** @returns {Promise<boolean>} whether it was added or replaced; not where another tab does something to it just now */
  async #import(conversation) {
    const present = await this.get(conversation.id);
    if (present !== null && present.updatedAt >= conversation.updatedAt) return false;
    try {
      await this.save({ ...conversation, revision: present?.revision });
      if (present?.renamed) await this.rename(conversation.id, conversation.title);
      return true;
    } catch (error) {
      if (!['CONVERSATION_CHANGED', 'CONVERSATION_DELETED'].includes(error.code)) throw error;
      return false;
    }
  }
}

/** Whether a message is what it was. @param {Message | undefined} one @param {Message} other */
export const isSameMessage = (one, other) =>
  one?.id === other.id && one.content === other.content && one.finish === other.finish && one.role === other.role;
