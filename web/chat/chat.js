// The conversation that is shown, and all that can be done in it.

import { copyOf, isOfOtherTab, isSameMessage, newConversation, newMessage } from '../conversations/conversations.js';
import { describeProblem } from '../engine/problem.js';
import { confirm } from '../ui/dialog.js';
import { ConversationView } from './conversation-view.js';
import { FullContext } from './full-context.js';
import { withoutReasoning } from './reasoning.js';
import { replacedIn } from './replaced.js';
import { removeTurn, truncate } from './turns.js';

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
 * @property {(name: string) => void} onSettings to one of them
 * @property {() => void} onFocusLost what the reader was on is gone
 */

export class Chat {
  #context;
  #view;
  #full;
  #isClaiming = false;
  /** What was to be sent last was not, since another tab was writing here. */
  #isRefused = false;
  /** Below what is shown stands that it is not kept. */
  #isToldUnkept = false;

  /** @param {ChatContext} context */
  constructor(context) {
    this.#context = context;
    /** @type {import('../conversations/conversations.js').Conversation} */
    this.conversation = newConversation();
    const { log, scroller, t, onScroll } = context;
    const actions = {
      resend: (message, content) => this.#resend(message, content),
      regenerate: (message) => this.#regenerate(message),
      continue: (message) => this.#continue(message),
      delete: (message) => this.#delete(message),
    };
    const resumedTokensOf = (message) => context.answers.resumedTokensOf(message);
    this.#view = new ConversationView(log, scroller, { t, actions, resumedTokensOf }, onScroll);
    this.#full = new FullContext({
      ...context,
      current: () => this.conversation,
      notify: (notice) => this.#view.notify(notice),
      onDrop: (start, place) => this.#drop(start, place),
      onEdit: () => this.editLast(),
    });
    context.answers.onStep((job, text) => this.#step(job, text));
    context.room.onChange(() => {
      if (this.job?.phase === 'waiting') this.#noteProgress(this.job);
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
    return this.#failure !== null;
  }

  get #failure() {
    return this.#context.conversations.failureOf(this.conversation.id);
  }

  /** @param {import('../conversations/conversations.js').Conversation} [conversation] by default a new one */
  show(conversation = newConversation()) {
    const job = this.#context.answers.jobOf(conversation.id);
    this.conversation = job?.conversation ?? conversation;
    this.#isRefused = false;
    this.#draw();
    this.#tellUnkept();
    this.#context.onChange();
  }

  /**
   * Shows what another tab has made of the conversation that is shown; what is the same stays as it stands.
   * @param {import('../conversations/conversations.js').Conversation} kept
   */
  takeOver(kept) {
    const { messages, start } = this.conversation;
    const known = new Map(messages.map((message) => [message.id, message]));
    const merged = kept.messages.map((message) => {
      const present = known.get(message.id);
      return isSameMessage(present, message) ? present : message;
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
    if (this.#isRefused) this.#view.notify({ text: this.#context.t('chat.elsewhere') });
    this.#context.onChange();
  }

  /** Draws the conversation anew, as in another language. */
  redraw() {
    this.#draw();
    this.#tellUnkept();
  }

  /** Something that was not kept may be now. */
  followKept() {
    if (!this.#isToldUnkept || this.isUnkept) return;
    this.#isToldUnkept = false;
    if (this.job) return;
    this.#view.clearNotice();
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
    return this.#alone(() => {
      const message = newMessage('user', content);
      this.conversation.messages.push(message);
      this.#view.add(message).end({ isLast: true });
      this.#answer();
    });
  }

  stop() {
    this.job?.stop();
  }

  /** Lets the reader mend the last message. */
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
    else this.#offerAnswer();
  }

  /** An answer that has not ended: another tab is writing it, or whoever was is gone, with the tab it was written in. */
  async #followElsewhere(message) {
    const { answers, conversations, t } = this.#context;
    const { conversation } = this;
    const { id } = conversation;
    const view = this.#view.viewOf(message);
    view.begin();
    const isStale = () => this.conversation !== conversation || this.job || message.finish !== undefined;
    if (await answers.isTaken(id)) {
      if (isStale()) return;
      view.note(t('waiting.elsewhere'));
      await answers.untilFree(id);
      const kept = isStale() ? null : await conversations.get(id).catch(() => null);
      if (!isStale() && kept !== null) this.takeOver(kept);
      return;
    }
    if (isStale()) return;
    message.finish = 'cancelled';
    this.#view.end(message, { isLast: true });
  }

  /**
   * Does what starts an answer, while no other tab writes in this conversation.
   * @param {() => void} work
   * @param {import('../conversations/conversations.js').Message} [message] that must still be there
   * @param {() => boolean} [isAgreed] asked when all that other tabs wrote is shown: false, and it is not done
   * @returns {Promise<boolean>} whether it was done
   */
  async #alone(work, message, isAgreed = () => true) {
    if (this.job || this.#isClaiming) return false;
    // Whoever goes on with what is not kept goes on in a conversation of its own.
    if (isOfOtherTab(this.#failure)) this.#branch();
    const { answers, conversations, announce, t } = this.#context;
    const { id } = this.conversation;
    this.#isClaiming = true;
    try {
      this.#isRefused = !(await answers.claim(id));
      if (this.#isRefused) {
        this.#view.notify({ text: t('chat.elsewhere') });
        announce(t('chat.elsewhere'));
        return false;
      }
      // What another tab has just written may not have been told yet.
      const kept = await conversations.get(id).catch(() => null);
      const isNewer = !this.isUnkept && (kept?.revision ?? 0) > (this.conversation.revision ?? 0);
      if (this.conversation.id === id && isNewer) this.takeOver(kept);
      const isThere = message === undefined || this.#has(message);
      if (this.conversation.id === id && isThere && isAgreed()) work();
      this.#keepFocus();
      return isThere && Boolean(answers.jobOf(id));
    } finally {
      this.#isClaiming = false;
      if (!answers.jobOf(id)) answers.unclaim(id);
    }
  }

  #has(message) {
    return this.conversation.messages.includes(message);
  }

  #behind(message) {
    const { messages } = this.conversation;
    return messages.slice(messages.indexOf(message) + 1);
  }

  /** Does what goes on behind the last message, unless another tab has gone on there; then that is shown. */
  #goOn(message, work) {
    const known = this.#behind(message);
    return this.#alone(work, message, () => this.#behind(message).every((each) => known.includes(each)));
  }

  /**
   * Does what removes all that is behind a message. The reader is asked first, and once more where other messages are there
   * by then, as when another tab has gone on.
   * @param {import('../conversations/conversations.js').Message} message
   * @param {number} spared so few messages go without a question
   * @param {() => void} work
   */
  async #replace(message, spared, work) {
    let agreed = [];
    let isDone = false;
    const isAgreed = () => {
      const behind = this.#behind(message);
      return behind.length <= spared || behind.every((each) => agreed.includes(each));
    };
    while (!this.job && this.#has(message)) {
      if (!isAgreed()) {
        const asked = this.#behind(message);
        if (!(await this.#sure('resend', asked.length))) return;
        agreed = asked;
      }
      const doIt = () => {
        isDone = true;
        work();
      };
      await this.#alone(doIt, message, isAgreed);
      if (isDone || isAgreed()) return;
    }
  }

  /** @param {import('./replaced.js').Replaced | null} [replaced] */
  async #answer(replaced = null) {
    const { conversation } = this;
    const message = newMessage('assistant', '');
    conversation.messages.push(message);
    this.#view.add(message).begin();
    await this.#start(message, { replaced });
  }

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

  #step(job, text) {
    if (job.isRestored && job.replaced.sent) this.#view.beginEdit(job.replaced.sent.message, job.replaced.sent.content);
    if (job.conversation !== this.conversation) return;
    const view = this.#view.viewOf(job.message);
    if (text !== '') this.#view.write(job.message, text);
    if (job.phase === 'ended') this.#ended(job);
    else if (view && job.tokens === 0) this.#noteProgress(job);
  }

  /** What there is to say while there is no text yet. */
  #noteProgress(job) {
    const view = this.#view.viewOf(job.message);
    const { t, room } = this.#context;
    const { phase, prefill } = job;
    const reading = phase === 'prefill' && prefill.total > 0;
    if (phase === 'waiting') view?.note(t(room.engine === null ? 'waiting.model' : 'waiting.turn'));
    else if (reading) view?.note(t('waiting.prefill', { tokens: prefill.tokens, total: prefill.total }));
  }

  #ended(job) {
    const { message, error, conversation } = job;
    const { announce, t } = this.#context;
    if (conversation.messages.includes(message)) this.#view.end(message, { isLast: true });
    else this.#view.remove(message);
    if (job.droppedTokens > 0 || job.isRestored) this.#draw();
    if (job.isWritten && error) this.#offerSave(error);
    else if (error) this.#explain(job);
    else if (message.finish === 'context') this.#full.tellCut(message);
    this.#keepFocus();
    const ending = job.isRestored ? 'announce.restored' : `ending.${message.finish}`;
    if (!error) announce(withoutReasoning(message.content) || t(ending));
    this.#context.onChange();
  }

  /** An answer failed: why, and what to do. */
  #explain(job) {
    const { error } = job;
    const { t, announce, room } = this.#context;
    if (error.code === 'CONTEXT_FULL' && job.engine !== null) return this.#full.tellTooLong(job);
    // What was wrong with a model that was not loaded stands below, with what else to do about it.
    const isUnloaded = error === room.problem?.error;
    const { text, detail } = isUnloaded ? { text: t('waiting.failed') } : describeProblem(error, t);
    const again = () => {
      const { engine, isLoading, problem } = room;
      if (engine === null && !isLoading && problem !== null) room.load(problem.model, problem);
      if (job.isRestored) job.replaced.again();
      else this.#retry();
    };
    this.#view.notify({ text, detail, buttons: [{ label: t('retry'), action: again, accent: true }] });
    announce(text);
  }

  #tellUnkept() {
    const error = this.#failure;
    this.#isToldUnkept = false;
    if (error !== null && !this.job) this.#offerSave(error);
  }

  /** What is shown could not be kept. Trying again keeps it, and writes nothing anew. */
  #offerSave(error) {
    this.#isToldUnkept = true;
    if (isOfOtherTab(error)) return this.#offerCopy(error);
    const { t, announce } = this.#context;
    const { conversation } = this;
    const again = () => this.#keep(conversation);
    const text = t('chat.unkept');
    const detail = describeProblem(error, t).text;
    this.#view.notify({ text, detail, buttons: [{ label: t('retry'), action: again, accent: true }] });
    announce(`${text} ${detail}`);
  }

  /** Keeps a conversation as it is shown now. Where that fails, it says so. */
  async #keep(conversation) {
    const { conversations, onChange } = this.#context;
    try {
      await conversations.save(conversation);
    } catch (error) {
      if (conversation === this.conversation && !this.job) this.#offerSave(error);
    }
    onChange();
  }

  /** Another tab has changed the conversation, which is kept as that tab has it, or has deleted it. */
  #offerCopy(error) {
    const { t, announce, conversations } = this.#context;
    const { text } = describeProblem(error, t);
    const keep = async () => {
      const copy = this.#branch();
      // Where it is not kept either, what is shown says so.
      await conversations.save(copy).catch(() => {});
      this.show(copy);
    };
    this.#view.notify({ text, buttons: [{ label: t('chat.copy'), action: keep, accent: true }] });
    announce(text);
  }

  /** What is shown becomes a conversation of its own; the one that another tab has changed is left to that tab. */
  #branch() {
    const { id } = this.conversation;
    this.conversation = copyOf(this.conversation);
    this.#isToldUnkept = false;
    this.#context.conversations.letGo(id);
    return this.conversation;
  }

  /** Goes on without the oldest turns. */
  #drop(start, { message, continues }) {
    const last = this.conversation.messages.findLast(({ role }) => role === 'user');
    return this.#goOn(continues ? message : last, () => {
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
    if (last?.role === 'user') this.#goOn(last, () => this.#answer());
    else if (last?.content === '') this.#regenerate(last);
    else if (last) this.#continue(last);
  }

  #regenerate(message) {
    return this.#replace(message, 0, () => {
      const place = this.conversation.messages.indexOf(message);
      const replaced = replacedIn(this.conversation, place, () => this.#regenerate(message));
      this.#truncate(place);
      this.#answer(replaced);
    });
  }

  #continue(message) {
    return this.#goOn(message, () => this.#writeOn(message));
  }

  #writeOn(message) {
    this.#view.renew(message).begin();
    this.#start(message, { continues: true });
  }

  /** The answer to what is mended goes without a question. */
  #resend(message, content) {
    return this.#replace(message, 1, () => {
      // Another tab may have deleted what stood before it.
      const length = this.conversation.messages.indexOf(message) + 1;
      const again = () => this.#resend(message, content);
      const replaced = replacedIn(this.conversation, length, again, { message, content });
      message.content = content;
      this.#view.endEdit(message);
      this.#truncate(length);
      this.#answer(replaced);
    });
  }

  /** Deletes a message together with its answer or its question. */
  async #delete(message) {
    if (this.job || !(await this.#sure('delete', 2))) return;
    // Another tab may have gone on in the conversation while the question was open.
    await this.#alone(() => this.#remove(message), message);
  }

  async #remove(message) {
    const { conversation } = this;
    removeTurn(conversation, message);
    this.#draw();
    this.#keepFocus();
    await this.#keep(conversation);
  }

  /** The button that was pressed may be gone with what it stood in. */
  #keepFocus() {
    if (document.activeElement === document.body) this.#context.onFocusLost();
  }

  #truncate(length) {
    truncate(this.conversation, length);
    this.#draw();
  }

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
