// The conversation that is shown, and all that can be done in it.

import { isSameMessage, newConversation, newMessage } from '../conversations/conversations.js';
import { codeOf, describeProblem } from '../engine/problem.js';
import { confirm } from '../ui/dialog.js';
import { ConversationView } from './conversation-view.js';
import { FullContextNotice } from './full-context-notice.js';
import { withoutReasoning } from './reasoning.js';
import { replacedIn } from './replaced-answer.js';
import { SoleWriter } from './sole-writer.js';
import { removeTurn, truncate } from './turns.js';
import { UnkeptChat } from './unkept.js';

/** @typedef {import('../conversations/conversations.js').Conversation} Conversation */
/** @typedef {import('../conversations/conversations.js').Message} Message */
/** @typedef {import('./answers.js').Job} Job */
/** @typedef {import('./replaced-answer.js').Replaced} Replaced */

/**
 * @typedef {object} ChatContext
 * @property {HTMLElement} log
 * @property {HTMLElement} scroller
 * @property {import('./answers.js').Answers} answers
 * @property {import('../conversations/conversations.js').Conversations} conversations
 * @property {import('../engine/engine-room.js').EngineRoom} room
 * @property {import('../settings/settings.js').Settings} settings
 * @property {import('../ui/i18n.js').Translate} t
 * @property {(text: string) => void} announce
 * @property {(atEnd: boolean) => void} onScroll
 * @property {() => void} onChange another conversation is shown, or something about it is different
 * @property {(text: string) => void} onNewChat begin another conversation with this text in the composer
 * @property {(name: import('../settings/settings.js').SettingName) => void} onSettings to one of them
 * @property {() => void} onFocusLost what the reader was on is gone
 */

export class Chat {
  #context;
  #view;
  #full;
  #writer;
  #unkept;

  /** @param {ChatContext} context */
  constructor(context) {
    this.#context = context;
    /** @type {Conversation} */
    this.conversation = newConversation();
    const { log, scroller, t, onScroll } = context;
    /** @type {import('./message.js').MessageActions} */
    const actions = {
      resend: (message, content) => this.#resend(message, content),
      regenerate: (message) => this.#regenerate(message),
      continue: (message) => this.#continue(message),
      delete: (message) => this.#delete(message),
    };
    /** @param {Message} message */
    const resumedTokensOf = (message) => context.answers.resumedTokensOf(message);
    this.#view = new ConversationView(log, scroller, { t, actions, resumedTokensOf }, onScroll);
    this.#full = new FullContextNotice({
      ...context,
      current: () => this.conversation,
      notify: (notice) => this.#view.notify(notice),
      onDrop: (start, place) => this.#drop(start, place),
      onAnswer: () => this.#retry(),
      onEdit: () => this.editLast(),
    });
    this.#unkept = new UnkeptChat(this, this.#view, context);
    this.#writer = this.#createWriter();
    context.answers.onStep((job, text) => this.#step(job, text));
    context.room.onChange(() => {
      if (this.job?.phase === 'waiting') this.#noteProgress(this.job);
    });
  }

  #createWriter() {
    const { answers, conversations, announce, t } = this.#context;
    return new SoleWriter({
      ...{ chat: this, answers, conversations },
      onBegin: () => this.#unkept.branchFromOtherTab(),
      onRefused: () => {
        this.#view.notify({ text: t('chat.elsewhere') });
        announce(t('chat.elsewhere'));
      },
      onDone: () => this.#keepFocus(),
      askToReplace: (count) => this.#sure('resend', count),
    });
  }

  /** The answer that is being written in this conversation. */
  get job() {
    return this.#context.answers.jobOf(this.conversation.id);
  }

  get isEmpty() {
    return this.conversation.messages.length === 0;
  }

  /** Whether what is shown is not what is kept, as where the storage is full, or where another tab has changed that. */
  get isUnkept() {
    return this.#unkept.failure !== null;
  }

  /** A conversation is deleted, and what was begun of its messages. @param {string} conversationId */
  forget(conversationId) {
    this.#view.forget(conversationId);
  }

  /** @param {Conversation} [conversation] by default a new one */
  show(conversation = newConversation()) {
    const job = this.#context.answers.jobOf(conversation.id);
    this.conversation = job?.conversation ?? conversation;
    this.#writer.isRefused = false;
    this.#draw();
    this.#unkept.tell();
    this.#context.onChange();
  }

  /**
   * Shows what another tab has made of the conversation that is shown; what is the same stays as it stands.
   * @param {Conversation} kept
   */
  takeOver(kept) {
    const { messages, start } = this.conversation;
    const known = new Map(messages.map((message) => [message.id, message]));
    const merged = kept.messages.map((message) => {
      const present = known.get(message.id);
      return present && isSameMessage(present, message) ? present : message;
    });
    const changed = merged.findIndex((message, index) => message !== messages[index]);
    const same = changed === -1 ? merged.length : changed;
    this.conversation = { ...kept, messages: merged };
    if (same === 0 || kept.start !== start) this.#draw();
    else {
      this.#view.update(this.conversation, same);
      this.#drawEnd();
    }
    // Why nothing was sent stays to be read.
    if (this.#writer.isRefused) this.#view.notify({ text: this.#context.t('chat.elsewhere') });
    this.#context.onChange();
  }

  /** Draws the conversation anew, as in another language. */
  redraw() {
    this.#draw();
    this.#unkept.tell();
  }

  /** Something that was not kept may be now. */
  followKept() {
    if (!this.#unkept.follow()) return;
    this.#offerAnswer();
    this.#keepFocus();
  }

  scrollToEnd() {
    this.#view.scrollToEnd();
  }

  /**
   * @param {string} content of the reader's message
   * @returns {Promise<boolean>} false: it was not sent
   */
  send(content) {
    return this.#writer.alone(() => {
      const message = newMessage('user', content);
      this.conversation.messages.push(message);
      this.#view.add(message).end({ isLast: true });
      this.#answer();
    });
  }

  stop() {
    this.job?.stop();
  }

  /** Lets the reader edit the last message. */
  editLast() {
    const message = this.conversation.messages.findLast(({ role }) => role === 'user');
    if (message && !this.job) this.#view.viewOf(message)?.edit();
  }

  #draw() {
    this.#view.show(this.conversation);
    this.#drawEnd();
  }

  #drawEnd() {
    const { job } = this;
    const last = this.conversation.messages.at(-1);
    if (job) {
      this.#view.viewOf(job.message)?.begin();
      this.#noteProgress(job);
    } else if (last?.role === 'assistant' && last.finish === undefined) this.#followElsewhere(last);
    else if (last?.finish !== 'context') this.#offerAnswer();
    else if (!this.isUnkept && !this.#writer.isRefused) this.#full.tellCut(last);
  }

  /** An answer that has not ended: another tab is writing it, or whoever was is gone, with the tab it was written in. @param {Message} message */
  async #followElsewhere(message) {
    const { answers, conversations, t } = this.#context;
    const { conversation } = this;
    const { id } = conversation;
    const view = this.#view.viewOf(message);
    view?.begin();
    const isStale = () => this.conversation !== conversation || this.job || message.finish !== undefined;
    if (await answers.isTaken(id)) {
      if (isStale()) return;
      view?.note(t('waiting.elsewhere'));
      await answers.untilFree(id);
      const kept = isStale() ? null : await conversations.get(id).catch(() => null);
      if (!isStale() && kept !== null) this.takeOver(kept);
      return;
    }
    if (isStale()) return;
    message.finish = 'cancelled';
    this.#view.end(message, { isLast: true });
  }

  /** @param {Replaced | null} [replaced] */
  async #answer(replaced = null) {
    const { conversation } = this;
    const message = newMessage('assistant', '');
    conversation.messages.push(message);
    this.#view.add(message).begin();
    await this.#start(message, { replaced });
  }

  /** @param {Message} message @param {{ continues?: boolean, replaced?: Replaced | null }} options those of Answers.start() */
  async #start(message, options) {
    const { answers, conversations, announce, t } = this.#context;
    const { conversation } = this;
    this.#view.clearNotice();
    conversation.updatedAt = Date.now();
    answers.start(conversation, message, options);
    announce(t('announce.writing'));
    this.#context.onChange();
    try {
      if (!options.replaced) await conversations.save(conversation);
    } catch (error) {
      // The conversation goes on, though it is not kept; whether it is in the end, the end of the answer tells.
      announce(describeProblem(error, t).text);
    }
    this.#context.onChange();
  }

  /** @param {Job} job @param {string} text */
  #step(job, text) {
    const sent = job.replaced?.sent;
    if (sent && job.isRestored) this.#view.beginEdit(job.conversation, sent);
    else if (sent && job.phase === 'ended' && job.error === null) this.#view.endEdit(job.conversation, sent.message);
    if (job.conversation !== this.conversation) return;
    const view = this.#view.viewOf(job.message);
    if (text !== '') this.#view.write(job.message, text);
    if (job.phase === 'ended') this.#ended(job);
    else if (view && job.tokens === 0) this.#noteProgress(job);
  }

  /** What there is to say while there is no text yet. @param {Job} job */
  #noteProgress(job) {
    const view = this.#view.viewOf(job.message);
    const { t, room } = this.#context;
    const { phase, prefill } = job;
    if (phase === 'waiting') view?.note(t(room.engine === null ? 'waiting.model' : 'waiting.turn'));
    else if (phase === 'prefill' && prefill && prefill.total > 0)
      view?.note(t('waiting.prefill', { tokens: prefill.tokens, total: prefill.total }));
  }

  /** @param {Job} job */
  #ended(job) {
    const { message, error, conversation } = job;
    const { announce, t } = this.#context;
    if (conversation.messages.includes(message)) this.#view.end(message, { isLast: true });
    else this.#view.remove(message);
    if (job.droppedTokens > 0 || job.isRestored) this.#draw();
    if (job.isWritten && error) this.#unkept.offerSave(error);
    else if (error) this.#explain(job);
    else if (message.finish === 'context') this.#full.tellCut(message);
    this.#keepFocus();
    const ending = t(job.isRestored ? 'announce.restored' : `ending.${message.finish ?? 'cancelled'}`);
    if (!error) announce(withoutReasoning(message.content) || ending);
    this.#context.onChange();
  }

  /** An answer failed: why, and what to do. @param {Job} job */
  #explain(job) {
    const { error } = job;
    const { t, announce, room } = this.#context;
    if (codeOf(error) === 'CONTEXT_FULL' && job.engine !== null) return this.#full.tellTooLong(job);
    // What was wrong with a model that was not loaded stands below, with what else to do about it.
    const isUnloaded = error === room.problem?.error;
    const { text, detail } = isUnloaded ? { text: t('waiting.failed'), detail: '' } : describeProblem(error, t);
    const again = () => {
      const { engine, isLoading, problem } = room;
      if (engine === null && !isLoading && problem !== null) room.load(problem.model, problem);
      if (job.isRestored) job.replaced?.again();
      else this.#retry();
    };
    this.#view.notify({ text, detail, buttons: [{ label: t('retry'), action: again, accent: true }] });
    announce(text);
  }

  /** Goes on without the oldest turns. @param {number} start @param {import('./full-context-notice.js').Place} place */
  async #drop(start, { message, continues }) {
    const last = continues ? message : this.conversation.messages.findLast(({ role }) => role === 'user');
    if (last === undefined) return;
    await this.#writer.goOn(last, () => {
      this.conversation.start = start;
      this.#draw();
      if (continues) this.#writeOn(message);
      else this.#answer();
    });
  }

  /** A message that was left without an answer can still get one. */
  #offerAnswer() {
    if (this.conversation.messages.at(-1)?.role !== 'user') return;
    const { t } = this.#context;
    const buttons = [{ label: t('chat.answer'), action: () => this.#retry(), accent: true }];
    this.#view.notify({ text: t('chat.unanswered'), buttons });
  }

  #retry() {
    if (this.job) return;
    const last = this.conversation.messages.at(-1);
    if (last?.role === 'user') this.#writer.goOn(last, () => this.#answer());
    else if (last?.content === '') this.#regenerate(last);
    else if (last) this.#continue(last);
  }

  /** @param {Message} message @returns {Promise<void>} */
  #regenerate(message) {
    return this.#writer.replace(message, 0, () => {
      const place = this.conversation.messages.indexOf(message);
      const replaced = replacedIn(this.conversation, place, () => this.#regenerate(message));
      this.#truncate(place);
      this.#answer(replaced);
    });
  }

  /** @param {Message} message */
  #continue(message) {
    return this.#writer.goOn(message, () => this.#writeOn(message));
  }

  /** @param {Message} message */
  #writeOn(message) {
    this.#view.renew(message).begin();
    this.#start(message, { continues: true });
  }

  /** The answer to a message that is edited goes without a question. @param {Message} message @param {string} content @returns {Promise<void>} */
  #resend(message, content) {
    return this.#writer.replace(message, 1, () => {
      // Another tab may have deleted what stood before it.
      const length = this.conversation.messages.indexOf(message) + 1;
      const again = () => this.#resend(message, content);
      const replaced = replacedIn(this.conversation, length, again, { message, content });
      message.content = content;
      if (replaced === null) this.#view.endEdit(this.conversation, message);
      else this.#view.sendEdit(this.conversation, { message, content });
      this.#truncate(length);
      this.#answer(replaced);
    });
  }

  /** Deletes a message together with its answer or its question. @param {Message} message */
  async #delete(message) {
    if (this.job || !(await this.#sure('delete', 2))) return;
    // Another tab may have gone on in the conversation while the question was open.
    await this.#writer.alone(() => this.#remove(message), message);
  }

  /** @param {Message} message */
  async #remove(message) {
    const { conversation } = this;
    removeTurn(conversation, message);
    this.#draw();
    this.#keepFocus();
    await this.#unkept.keep(conversation);
  }

  /** The button that was pressed may be gone with what it stood in. */
  #keepFocus() {
    if (document.activeElement === document.body) this.#context.onFocusLost();
  }

  /** @param {number} length */
  #truncate(length) {
    truncate(this.conversation, length);
    this.#draw();
  }

  /** @param {'resend' | 'delete'} what @param {number} count of messages */
  #sure(what, count) {
    const { t } = this.#context;
    return confirm({
      title: t(`confirm.${what}.title`),
      text: t(`confirm.${what}.text`, { count }),
      action: t(`confirm.${what}.action`),
      cancel: t('cancel'),
    });
  }
}
