// Which conversation is shown: the one that the address names or the reader opens, as it is kept by now.

import { describeOutcome } from './engine/problem.js';
import { find, hovers } from './ui/dom.js';

/** @typedef {import('./conversations/conversations.js').Conversation} Conversation */

/**
 * @typedef {object} NavigationParts
 * @property {import('./conversations/address.js').Address} address
 * @property {import('./chat/answers.js').Answers} answers
 * @property {import('./chat/chat.js').Chat} chat
 * @property {import('./chat/composer.js').Composer} composer
 * @property {import('./conversations/conversations.js').Conversations} conversations
 * @property {import('./conversations/sidebar.js').Sidebar} sidebar
 * @property {import('./ui/problem-notice.js').ProblemNotice} problems
 * @property {import('./ui/i18n.js').Translate} t
 * @property {(text: string) => void} announce
 */

export class Navigation {
  #parts;
  #moves = 0;

  /** @param {NavigationParts} parts */
  constructor(parts) {
    this.#parts = parts;
  }

  /** Whether what the address names is being read, so that it is not shown yet. */
  get isMoving() {
    return this.#moves > 0;
  }

  /** @param {string} id of what the reader has chosen in the list */
  async open(id) {
    const { chat, composer, sidebar } = this.#parts;
    const conversation = await this.#read(id);
    if (conversation === null) return sidebar.refresh();
    sidebar.closeDrawer();
    if (conversation === undefined) return;
    chat.show(conversation);
    if (hovers()) composer.focus();
  }

  /** A conversation as it is in this page; undefined where it cannot be read, which is said. @param {string} id */
  async #read(id) {
    const { conversations, t } = this.#parts;
    try {
      return await conversations.open(id);
    } catch (error) {
      const heads = await conversations.list().catch(() => []);
      const title = heads.find((head) => head.id === id)?.title;
      this.tellUnreadable('conversation', () => t('chat.not-opened', { title: title || t('chat.untitled') }), error);
    }
  }

  /** @param {'conversation' | 'export'} subject @param {() => string} say what follows from it @param {unknown} error */
  tellUnreadable(subject, say, error) {
    const { problems, announce, t } = this.#parts;
    const describe = () => describeOutcome(say(), error, t);
    problems.tell(subject, describe);
    announce(`${describe().text} ${describe().detail}`);
  }

  /** Another tab has changed a conversation, or deleted it. @param {string} id */
  async takeOver(id) {
    const { answers, chat, conversations, sidebar } = this.#parts;
    sidebar.refresh();
    const kept = await conversations.get(id).catch(() => undefined);
    // What is in this page only is not missed elsewhere.
    if (kept === null && conversations.isKept) {
      answers.discard(id);
      answers.forget(id);
    }
    if (id !== chat.conversation.id || chat.isUnkept || kept === undefined) return;
    if (kept === null && conversations.isKept) {
      this.leave();
      find('missing').hidden = false;
    } else if (kept !== null && !chat.job) chat.takeOver(kept);
  }

  /** What is kept is newer than what is shown, as behind an import. */
  async followKept() {
    const { chat, conversations, sidebar } = this.#parts;
    sidebar.refresh();
    const { id } = chat.conversation;
    const kept = await conversations.get(id).catch(() => null);
    if (kept === null || chat.conversation.id !== id || chat.isUnkept || chat.job) return;
    if ((kept.revision ?? 0) > (chat.conversation.revision ?? 0)) chat.takeOver(kept);
  }

  /** A conversation has got another name, also where it is shown or being answered. @param {string} id */
  async followName(id) {
    const { answers, chat, conversations } = this.#parts;
    const named = await conversations.open(id).catch(() => null);
    const { conversation } = answers.jobOf(id) ?? chat;
    if (conversation.id === id && named) Object.assign(conversation, { title: named.title, renamed: named.renamed });
  }

  /** The conversation that is shown was deleted. What was being written for it is not. */
  leave() {
    const { address, chat, composer } = this.#parts;
    const { text } = composer;
    address.leave();
    chat.show();
    if (composer.text === '') composer.text = text;
  }

  /** Shows what an address names. @param {string | null} id null: a new chat */
  async moveTo(id) {
    const { address, chat } = this.#parts;
    const shown = chat.conversation;
    // What happens meanwhile must not bring back the address of the one that is still shown.
    this.#moves++;
    const kept = id === null ? null : await this.#read(id);
    this.#moves--;
    // Whoever has gone on meanwhile stays there.
    if (chat.conversation !== shown) address.follow(chat.conversation);
    if (address.id !== id || chat.conversation !== shown) return;
    if (kept) chat.show(kept);
    else if (id === null) chat.show();
    else this.leave();
    find('missing').hidden = id === null || kept !== null;
  }
}
