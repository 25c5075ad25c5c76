// The list of messages on the screen. It grows at its end only, at most once a frame.

import { make } from '../ui/dom.js';
import { Drafts } from './drafts.js';
import { MessageView } from './message.js';
import { isPassedOver } from './prompt.js';

// How near to its end the list counts as being read at the end, in CSS pixels.
const NEAR_END = 48;
// A long conversation is shown by its last messages; the others come when they are asked for.
const SHOWN = 40;
// A frame should draw no more than this; an answer that came all at once takes several.
const CHARACTERS_A_FRAME = 4000;

/** @typedef {import('../conversations/conversations.js').Conversation} Conversation */
/** @typedef {import('../conversations/conversations.js').Message} Message */
/** @typedef {import('./message.js').MessagePlace} MessagePlace */
/** @typedef {{ message: Message, content: string }} Edit what the reader has made of a message */
/** @typedef {{ label: string, action: () => void, accent?: boolean }} NoticeButton */
/** @typedef {{ text: string, detail?: string, buttons?: NoticeButton[] }} Notice a sentence, and what can be done about it */

/** @param {string} conversationId @param {Message} [message] without it, what the places of all its messages begin with */
const placeOf = (conversationId, message) => `${conversationId}/${message?.id ?? ''}`;

export class ConversationView {
  #log;
  #scroller;
  #context;
  /** What is being made of the reader's messages. One that is sent stays kept until the answer to it is stored. */
  #edits = new Drafts('nibble.edits');
  /** The places of those that are sent. @type {Set<string>} */
  #sent = new Set();
  #conversationId = '';
  /** By the message's id. @type {Map<string, MessageView>} */
  #views = new Map();
  /** What is still to be drawn, by the message's id. @type {Map<string, string>} */
  #pending = new Map();
  #frame = 0;
  #atEnd = true;
  /** @type {HTMLElement | null} */
  #notice = null;

  /**
   * @param {HTMLElement} log
   * @param {HTMLElement} scroller the element that scrolls it
   * @param {Omit<import('./message.js').MessageContext, 'edits'>} context
   * @param {(atEnd: boolean) => void} onScroll told whether the end is in sight
   */
  constructor(log, scroller, context, onScroll) {
    this.#log = log;
    this.#scroller = scroller;
    const place = (/** @type {Message} */ message) => placeOf(this.#conversationId, message);
    const edits = {
      get: (/** @type {Message} */ message) => this.#editOf(place(message)),
      set: (/** @type {Message} */ message, /** @type {string} */ text) => this.#edits.set(place(message), text),
      delete: (/** @type {Message} */ message) => this.#edits.delete(place(message)),
    };
    this.#context = { ...context, edits };
    const look = () => {
      this.#atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END;
      onScroll(this.#atEnd);
    };
    scroller.addEventListener('scroll', look, { passive: true });
    new ResizeObserver(() => {
      if (this.#atEnd) this.scrollToEnd();
      else look();
    }).observe(scroller);
  }

  /** @param {import('../conversations/conversations.js').Conversation} conversation an answer that has not ended is left open */
  show(conversation) {
    this.#keepingFocus(() => {
      this.#reset();
      this.#conversationId = conversation.id;
      const { messages } = conversation;
      const from = Math.max(0, messages.length - SHOWN);
      this.#log.append(...this.#elementsFor(conversation, { from, to: messages.length }));
      this.#showEarlier(conversation, from);
      this.scrollToEnd();
    });
  }

  /**
   * What is made of a message is sent, and is drawn as its text.
   * @param {Conversation} conversation
   * @param {Edit} edit
   */
  sendEdit(conversation, { message, content }) {
    const place = placeOf(conversation.id, message);
    this.#edits.set(place, content);
    this.#sent.add(place);
  }

  /** What was made of a message is its text for good. @param {Conversation} conversation @param {Message} message */
  endEdit(conversation, message) {
    const place = placeOf(conversation.id, message);
    this.#edits.delete(place);
    this.#sent.delete(place);
  }

  /**
   * Something is made of a message, when it is drawn next.
   * @param {Conversation} conversation
   * @param {Edit} edit
   */
  beginEdit(conversation, { message, content }) {
    const place = placeOf(conversation.id, message);
    this.#edits.set(place, content);
    this.#sent.delete(place);
  }

  /** @param {string} place @returns {string | undefined} */
  #editOf(place) {
    return this.#sent.has(place) ? undefined : this.#edits.get(place);
  }

  /** A conversation is deleted, and what was begun of its messages. @param {string} conversationId */
  forget(conversationId) {
    this.#edits.deleteAll(placeOf(conversationId));
  }

  /** Draws anew; whoever was typing in a message goes on there. @param {() => void} draw */
  #keepingFocus(draw) {
    const edited = [...this.#views.values()].find(({ field }) => field !== null && field === document.activeElement);
    const { selectionStart = 0, selectionEnd = 0 } = edited?.field ?? {};
    draw();
    const field = edited && this.viewOf(edited.message)?.field;
    if (!field || field === document.activeElement) return;
    field.focus();
    field.setSelectionRange(selectionStart, selectionEnd);
  }

  /**
   * Shows what has become of the conversation that is shown.
   * @param {import('../conversations/conversations.js').Conversation} conversation
   * @param {number} same how many of its first messages are as they were
   */
  update(conversation, same) {
    const { messages } = conversation;
    const kept = new Set(messages.slice(0, same));
    this.clearNotice();
    this.#follow(() => {
      for (const { message } of [...this.#views.values()]) if (!kept.has(message)) this.remove(message);
      this.viewOf(messages[same - 1])?.showFoot({ isLast: same === messages.length });
      this.#log.append(...this.#elementsFor(conversation, { from: same, to: messages.length }));
    });
  }

  /** @param {import('../conversations/conversations.js').Message} message a new one, at the end */
  add(message) {
    this.clearNotice();
    for (const view of this.#views.values()) {
      if (view.element !== this.#log.lastElementChild) continue;
      view.showFoot({ isLast: false, isPassedOver: isPassedOver([view.message, message], 0) });
    }
    const view = this.#make(message);
    this.#log.append(view.element);
    this.scrollToEnd();
    return view;
  }

  /** Begins a message's view anew, for an answer that goes on. @param {Message} message */
  renew(message) {
    const old = this.#views.get(message.id);
    const view = this.#make(message);
    old?.element.replaceWith(view.element);
    return view;
  }

  /** @param {import('../conversations/conversations.js').Message} message @returns {MessageView | undefined} */
  viewOf(message) {
    return this.#views.get(message.id);
  }

  /** More of an answer, drawn with the next frame. @param {import('../conversations/conversations.js').Message} message @param {string} text */
  write(message, text) {
    if (text === '') return;
    this.#pending.set(message.id, (this.#pending.get(message.id) ?? '') + text);
    // A page in the background gets no frames; its text must not be lost, only late.
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** Draws all that waits, and ends the message. @param {Message} message @param {MessagePlace} place */
  end(message, place) {
    const view = this.viewOf(message);
    if (view === undefined) return;
    const rest = this.#pending.get(message.id) ?? '';
    this.#pending.delete(message.id);
    this.#follow(() => {
      view.write(rest);
      view.end(place);
    });
  }

  /** @param {Message} message */
  remove(message) {
    this.#views.get(message.id)?.element.remove();
    this.#views.delete(message.id);
    this.#pending.delete(message.id);
  }

  /**
   * Shows a notice at the end of the list.
   * @param {Notice} notice
   */
  notify({ text, detail, buttons = [] }) {
    this.clearNotice();
    const made = buttons.map(({ label, action, accent }) =>
      make('button', { type: 'button', class: accent ? 'accent' : false, on: { click: action } }, label),
    );
    const shown = make(
      'div',
      { class: 'notice' },
      make('p', {}, text),
      detail ? make('p', { class: 'detail' }, detail) : null,
      made.length > 0 ? make('div', { class: 'buttons' }, ...made) : null,
    );
    this.#notice = shown;
    this.#follow(() => this.#log.append(shown), true);
    return shown;
  }

  clearNotice() {
    this.#notice?.remove();
    this.#notice = null;
  }

  scrollToEnd() {
    this.#atEnd = true;
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #reset() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#views.clear();
    this.#pending.clear();
    this.#notice = null;
    this.#log.replaceChildren();
  }

  /** @param {Conversation} conversation @param {{ from: number, to: number }} range @returns {HTMLElement[]} */
  #elementsFor(conversation, { from, to }) {
    const { messages, start } = conversation;
    return messages.slice(from, to).flatMap((message, offset) => {
      const index = from + offset;
      const view = this.#make(message);
      const isLast = index === messages.length - 1;
      // An earlier version of the page may have left one open in the midst.
      const hasEnded = message.role === 'user' || message.finish !== undefined || !isLast;
      if (hasEnded) view.end({ isLast, isPassedOver: isPassedOver(messages, index) });
      // One that was sent before a reload, and has been stored.
      if (this.#edits.isOfBefore(placeOf(this.#conversationId, message), message.content))
        this.#context.edits.delete(message);
      if (this.#context.edits.get(message) !== undefined) view.edit({ takesFocus: false });
      view.element.classList.toggle('dropped', index < start);
      const divider = start > 0 && index === start ? [this.#divider()] : [];
      return [...divider, view.element];
    });
  }

  #divider() {
    return make('p', { class: 'divider' }, this.#context.t('context.dropped'));
  }

  /** @param {Conversation} conversation @param {number} from */
  #showEarlier(conversation, from) {
    if (from === 0) return;
    const more = () => {
      const begin = Math.max(0, from - SHOWN);
      const height = this.#scroller.scrollHeight;
      button.remove();
      this.#log.prepend(...this.#elementsFor(conversation, { from: begin, to: from }));
      this.#showEarlier(conversation, begin);
      this.#scroller.scrollTop += this.#scroller.scrollHeight - height;
    };
    const label = this.#context.t('chat.earlier', { count: from });
    const button = make('button', { type: 'button', class: 'earlier quiet', on: { click: more } }, label);
    this.#log.prepend(button);
  }

  /** @param {Message} message */
  #make(message) {
    const view = new MessageView(message, this.#context);
    this.#views.set(message.id, view);
    return view;
  }

  #draw() {
    this.#frame = 0;
    this.#follow(() => {
      for (const [id, text] of this.#pending) {
        this.#views.get(id)?.write(text.slice(0, CHARACTERS_A_FRAME));
        if (text.length > CHARACTERS_A_FRAME) this.#pending.set(id, text.slice(CHARACTERS_A_FRAME));
        else this.#pending.delete(id);
      }
    });
    if (this.#pending.size > 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  /** Changes the list; who was reading its end still is afterwards, who had scrolled away stays there. @param {() => void} change */
  #follow(change, always = false) {
    const atEnd = this.#atEnd;
    change();
    if (always || atEnd) this.scrollToEnd();
  }
}
