// The conversations, in IndexedDB; for this visit only where a browser refuses it.
import { codeOf } from '../engine/problem.js';
import { readArchive, writeArchive } from './archive.js';
import { DatabaseStore, isOfConnection, isUnreadable, NAME, PageStore } from './database.js';
import { holds, nameOf } from './versions.js';

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

/** @typedef {Omit<Conversation, 'messages'>} Head what a list of conversations shows */
/** @typedef {DatabaseStore | PageStore} Store */

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

/** A conversation of its own with the messages of another one. @param {Conversation} conversation @returns {Conversation} */
export const copyOf = (conversation) => ({ ...conversation, id: newId(), revision: 0 });

/** Whether a conversation was not kept since another tab has changed or deleted it. @param {unknown} error of save() */
export const isOfOtherTab = (error) => isChanged(error) || codeOf(error) === 'CONVERSATION_DELETED';

/** @param {unknown} error */
const isChanged = (error) => codeOf(error) === 'CONVERSATION_CHANGED';

/** @returns {Promise<Conversations>} `isKept` false: only for this visit */
export async function openConversations() {
  const channel = new BroadcastChannel(NAME);
  try {
    return new Conversations(await DatabaseStore.open(), channel, true);
  } catch {
    return new Conversations(new PageStore(), channel, false);
  }
}

/** @typedef {{ conversation: Conversation, error: unknown }} Unkept `error`: why it was not kept when that was last tried */

/** @typedef {'added' | 'updated' | 'beside'} Outcome of a conversation that a file has */

/**
 * How many conversations an import has brought.
 * @typedef {object} Imported
 * @property {number} added
 * @property {number} updated they were here, and the file had more of them
 * @property {number} beside they were gone on with here as in the file: both are here now
 * @property {number} left what of the file did not come any more
 * @property {unknown} error why; null where nothing is left
 */

export class Conversations {
  /** @type {Store} */
  #store;
  #channel;
  /** @type {Promise<DatabaseStore | null> | null} */
  #reopened = null;
  /** @type {Promise<unknown>} */
  #changing = Promise.resolve();
  #onLost = () => {};
  /** What could not be kept as it is in this page. @type {Map<string, Unkept>} by its id */
  #unkept = new Map();
  #onUnkept = () => {};

  /** @param {Store} store @param {BroadcastChannel} channel to other tabs @param {boolean} isKept */
  constructor(store, channel, isKept) {
    this.#store = store;
    this.#channel = channel;
    this.isKept = isKept;
  }

  /** @param {() => void} listener told when the browser has taken the storage away: from then on `isKept` is false */
  onLost(listener) {
    this.#onLost = listener;
  }

  /** @param {() => void} listener told when there is more in `unkept`, or less */
  onUnkept(listener) {
    this.#onUnkept = listener;
  }

  /** The conversations that are in this page as they are kept nowhere. @returns {Unkept[]} */
  get unkept() {
    return [...this.#unkept.values()];
  }

  /** Why a conversation is not kept as it is in this page; null: it is. @param {string} id */
  failureOf(id) {
    return this.#unkept.get(id)?.error ?? null;
  }

  /**
   * Site data that is cleared closes the database under the page: it is opened once more, and else done without.
   * @template Result
   * @param {(store: Store) => Promise<Result>} work
   * @returns {Promise<Result>}
   */
  async #use(work) {
    const store = this.#store;
    try {
      return await work(store);
    } catch (error) {
      // A browser breaks off a transaction for other reasons as well.
      if (!this.isKept || !isOfConnection(error) || store.isOpen) throw error;
    }
    if (this.#store === store && store instanceof DatabaseStore) {
      this.#reopened ??= DatabaseStore.open(store).catch(() => null);
      const reopened = await this.#reopened;
      this.#reopened = null;
      if (this.#store === store) this.#replace(reopened);
    }
    return work(this.#store);
  }

  /** @param {DatabaseStore | null} reopened */
  #replace(reopened) {
    this.#store = reopened ?? new PageStore();
    this.isKept = reopened !== null;
    if (!this.isKept) this.#onLost();
  }

  /** @param {(id: string) => void} listener told which conversation another tab has changed */
  onChangeElsewhere(listener) {
    this.#channel.addEventListener('message', ({ data }) => typeof data === 'string' && listener(data));
  }

  /** All, newest first, without their messages. @returns {Promise<Head[]>} */
  async list() {
    const heads = new Map((await this.#use((store) => store.heads())).map((head) => [head.id, head]));
    for (const { conversation } of this.unkept) {
      const { messages, ...head } = conversation;
      const kept = heads.get(head.id);
      // A name that was given to it in another tab.
      const { title, renamed } = kept?.renamed ? kept : head;
      heads.set(head.id, { ...head, title, renamed });
    }
    return [...heads.values()].sort((a, b) => b.updatedAt - a.updatedAt);
  }

  /** What is kept of a conversation. @param {string} id @returns {Promise<Conversation | null>} */
  get(id) {
    return this.#use((store) => store.get(id));
  }

  /** A conversation as it is in this page, kept or not. @param {string} id @returns {Promise<Conversation | null>} */
  async open(id) {
    return this.#unkept.get(id)?.conversation ?? this.get(id);
  }

  /**
   * Where this fails, the conversation stays in this page: it is in the list, is opened and exported as it is here, and
   * kept as soon as there is room.
   * @param {Conversation} conversation replaces what is kept of it; one without messages is kept no more
   * @throws {ConversationChanged} where another tab has changed it meanwhile; then what that tab has saved stays
   * @throws {ConversationDeleted} where it was deleted meanwhile; then it stays so
   */
  async save(conversation) {
    await this.#inTurn(() => this.#keep(conversation));
    this.retry();
  }

  /** Tries again to keep what could not be. Never fails: what still is not stays in `unkept`. */
  async retry() {
    /** @param {Unkept} each */
    const keep = async ({ conversation, error }) => {
      const isSame = this.#unkept.get(conversation.id)?.conversation === conversation;
      // What to do about another tab is for the reader to say.
      if (isSame && !isOfOtherTab(error)) await this.#keep(conversation);
    };
    for (const each of this.unkept) await this.#inTurn(() => keep(each)).catch(() => {});
  }

  /** What another tab has made of a conversation stands; what is here of it goes on elsewhere. @param {string} id */
  letGo(id) {
    if (this.#unkept.delete(id)) this.#onUnkept();
  }

  /** @param {Conversation} conversation */
  async #keep(conversation) {
    const { id } = conversation;
    try {
      if (conversation.messages.length > 0) await this.#save(conversation);
      else await this.#remove(id);
      // What is written in it next begins it anew.
      if (conversation.messages.length === 0) conversation.revision = 0;
    } catch (error) {
      this.#unkept.set(id, { conversation, error });
      this.#onUnkept();
      throw error;
    }
    this.letGo(id);
  }

  /** One change after the other, as they were asked for. @template Result @param {() => Promise<Result>} work @returns {Promise<Result>} */
  #inTurn(work) {
    const done = this.#changing.then(work);
    this.#changing = done.catch(() => {});
    return done;
  }

  /** @param {Conversation} conversation */
  async #save(conversation) {
    const first = conversation.messages.find(({ role }) => role === 'user');
    if (!conversation.renamed && first) conversation.title = titleFrom(first.content);
    Object.assign(conversation, await this.#use((store) => store.put(conversation)));
    this.#channel.postMessage(conversation.id);
  }

  /** @param {string} id @param {string} title */
  async rename(id, title) {
    const name = title.trim();
    await this.#inTurn(() => this.#use((store) => store.rename(id, name)));
    const unkept = this.#unkept.get(id);
    if (unkept) Object.assign(unkept.conversation, { title: name, renamed: true });
    this.#channel.postMessage(id);
  }

  /** Behind the saves that wait: none of them brings it back. @param {string} id */
  async delete(id) {
    await this.#inTurn(async () => {
      await this.#remove(id);
      this.letGo(id);
    });
    this.retry();
  }

  /** @param {string} id */
  async #remove(id) {
    await this.#use((store) => store.remove(id));
    this.#channel.postMessage(id);
  }

  /** A conversation as it is in this page; something else where it cannot be read. @param {string} id @param {Conversation | null} instead */
  async #openOr(id, instead) {
    try {
      return await this.open(id);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return instead;
    }
  }

  /**
   * Those whose title or text holds all words of a query, whatever their case.
   * @param {string} query
   * @param {AbortSignal} signal
   * @returns {Promise<Head[]>}
   */
  async search(query, signal) {
    const words = query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (const head of await this.list()) {
      if (signal.aborted) return [];
      const conversation = await this.#openOr(head.id, null);
      const texts = [head.title, ...(conversation?.messages ?? []).map(({ content }) => content)];
      const all = texts.join('\n').toLocaleLowerCase();
      if (words.every((word) => all.includes(word))) found.push(head);
    }
    return found;
  }

  /**
   * All of them as one JSON text, as they are in this page, without those that the browser cannot read any more.
   * @returns {Promise<{ json: string, unreadable: Head[] }>}
   */
  async export() {
    const all = [];
    const unreadable = [];
    for (const head of await this.list()) {
      try {
        all.push(...(await this.#versions(head.id)));
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        unreadable.push(head);
      }
    }
    return { json: writeArchive(all), unreadable };
  }

  /** A conversation; and beside it what another tab has made of it. @param {string} id */
  async #versions(id) {
    const unkept = this.#unkept.get(id);
    const here = unkept && unkept.conversation.messages.length > 0 ? unkept.conversation : null;
    const isWanted = unkept === undefined || isOfOtherTab(unkept.error);
    const kept = isWanted ? await this.get(id).catch((error) => (here === null ? Promise.reject(error) : null)) : null;
    return [kept, kept && here ? copyOf(here) : here].filter((version) => version !== null);
  }

  /**
   * Adds what an export holds, and takes nothing away: a conversation that is here already is replaced only by one that
   * has all of its messages. Where both were gone on with, that of the file is added beside that which is here.
   * @param {string} json
   * @returns {Promise<Imported>}
   * @throws {Error} an ArchiveError, before anything is changed
   */
  async import(json) {
    const given = readArchive(json);
    /** @type {Imported} */
    const imported = { added: 0, updated: 0, beside: 0, left: 0, error: null };
    for (const [index, conversation] of given.entries()) {
      try {
        const outcome = await this.#import(conversation);
        if (outcome !== null) imported[outcome]++;
      } catch (error) {
        return { ...imported, left: given.length - index, error };
      }
    }
    return imported;
  }

  /** @param {Conversation} given @returns {Promise<Outcome | null>} null: it brought nothing, or another tab does something to it just now */
  async #import(given) {
    // What cannot be read is left to its reader to delete.
    const unknown = { ...given, messages: [] };
    const present = await this.#openOr(given.id, unknown);
    try {
      if (present === unknown) return await this.#importBeside(given, present);
      if (present === null) return await this.#bring(given, null);
      if (holds(present.messages, given.messages)) return await this.#takeName(given, present);
      if (holds(given.messages, present.messages)) return await this.#bring(given, present);
      return await this.#importBeside(given, present);
    } catch (error) {
      if (!isOfOtherTab(error)) throw error;
      // What is in this page only is not what that tab has.
      const isMissed = isChanged(error) || this.#unkept.has(given.id);
      return isMissed ? this.#importBeside(given, present ?? unknown) : null;
    }
  }

  /**
   * What was added beside another one before is found again, so that it is there once.
   * @param {Conversation} given
   * @param {Conversation} present
   * @returns {Promise<Outcome | null>}
   */
  async #importBeside(given, present) {
    // A copy is as old as what it was made of.
    const copies = (await this.list()).filter(({ id, createdAt }) => id !== given.id && createdAt === given.createdAt);
    for (const { id } of copies) {
      const other = await this.#openOr(id, null);
      if (other === null || other.messages.length === 0) continue;
      if (holds(other.messages, given.messages)) return null;
      const isEarlier = holds(given.messages, other.messages) && !holds(present.messages, other.messages);
      if (isEarlier) return this.#bring({ ...given, id }, other);
    }
    await this.#inTurn(() => this.#save(copyOf(given)));
    return 'beside';
  }

  /** Keeps what a file holds, in the place of an earlier version. @param {Conversation} given @param {Conversation | null} present @returns {Promise<'added' | 'updated'>} */
  async #bring(given, present) {
    const { id } = given;
    const name = nameOf(given, present);
    await this.#inTurn(() => this.#save({ ...given, ...name, revision: present?.revision }));
    if (present === null) return 'added';
    this.letGo(id);
    if (name.renamed) await this.rename(id, name.title);
    return 'updated';
  }

  /** @param {Conversation} given @param {Conversation} present @returns {Promise<'updated' | null>} */
  async #takeName(given, present) {
    if (present.renamed || !given.renamed) return null;
    await this.rename(given.id, given.title);
    return 'updated';
  }
}

/** Whether a message is what it was. @param {Message | undefined} one @param {Message} other */
export const isSameMessage = (one, other) =>
  one?.id === other.id && one.content === other.content && one.finish === other.finish && one.role === other.role;
