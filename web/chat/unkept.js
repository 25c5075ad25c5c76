// Says below the conversation that is shown that it is not kept as it is, and what can be done about it.

import { copyOf, isOfOtherTab } from '../conversations/conversations.js';
import { describeProblem } from '../engine/problem.js';

/** @typedef {import('../conversations/conversations.js').Conversation} Conversation */

export class UnkeptChat {
  #chat;
  #view;
  #context;
  /** It stands there now. */
  #isTold = false;

  /**
   * @param {import('./chat.js').Chat} chat
   * @param {import('./conversation-view.js').ConversationView} view
   * @param {import('./chat.js').ChatContext} context
   */
  constructor(chat, view, context) {
    this.#chat = chat;
    this.#view = view;
    this.#context = context;
  }

  /** Why it is not kept; null: it is. */
  get failure() {
    return this.#context.conversations.failureOf(this.#chat.conversation.id);
  }

  tell() {
    const error = this.failure;
    this.#isTold = false;
    if (error !== null && !this.#chat.job) this.offerSave(error);
  }

  /** Something that was not kept may be now. @returns {boolean} whether what stood there is gone */
  follow() {
    if (!this.#isTold || this.failure !== null) return false;
    this.#isTold = false;
    if (this.#chat.job) return false;
    this.#view.clearNotice();
    return true;
  }

  /** What is shown could not be kept. Trying again keeps it, and writes nothing anew. @param {unknown} error */
  offerSave(error) {
    this.#isTold = true;
    if (isOfOtherTab(error)) return this.#offerCopy(error);
    const { t, announce } = this.#context;
    const { conversation } = this.#chat;
    const again = () => this.keep(conversation);
    const text = t('chat.unkept');
    const detail = describeProblem(error, t).text;
    this.#view.notify({ text, detail, buttons: [{ label: t('retry'), action: again, accent: true }] });
    announce(`${text} ${detail}`);
  }

  /** Keeps a conversation as it is shown now. Where that fails, it says so. @param {Conversation} conversation */
  async keep(conversation) {
    const { conversations, onChange } = this.#context;
    try {
      await conversations.save(conversation);
    } catch (error) {
      if (conversation === this.#chat.conversation && !this.#chat.job) this.offerSave(error);
    }
    onChange();
  }

  /** Whoever goes on with what another tab has changed goes on in a conversation of its own. */
  branchFromOtherTab() {
    if (isOfOtherTab(this.failure)) this.#branch();
  }

  /** Another tab has changed the conversation, which is kept as that tab has it, or has deleted it. @param {unknown} error */
  #offerCopy(error) {
    const { t, announce, conversations } = this.#context;
    const { text } = describeProblem(error, t);
    const keep = async () => {
      const copy = this.#branch();
      // Where it is not kept either, what is shown says so.
      await conversations.save(copy).catch(() => {});
      this.#chat.show(copy);
    };
    this.#view.notify({ text, buttons: [{ label: t('chat.copy'), action: keep, accent: true }] });
    announce(text);
  }

  /** What is shown becomes a conversation of its own; the one that another tab has changed is left to that tab. */
  #branch() {
    const chat = this.#chat;
    const { id } = chat.conversation;
    chat.conversation = copyOf(chat.conversation);
    this.#isTold = false;
    this.#context.conversations.letGo(id);
    return chat.conversation;
  }
}
