// One message as the reader sees it.

import { MarkdownWriter } from '../markdown/writer.js';
import { copyAndTell } from '../ui/clipboard.js';
import { directionOf, followDirection } from '../ui/direction.js';
import { findIn, focusedElement, make, seek } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { asMessage, enterKeyHint, isOfInputMethod, sends } from '../ui/keys.js';
import { ReasoningSplitter, withoutReasoning } from './reasoning.js';

/**
 * @typedef {object} MessageActions what the reader may do with a message; each takes the message
 * @property {(message: Message, content: string) => void} resend
 * @property {(message: Message) => void} regenerate
 * @property {(message: Message) => void} continue
 * @property {(message: Message) => void} delete
 */

/** @typedef {import('../conversations/conversations.js').Message} Message */
/** @typedef {{ isLast: boolean, isPassedOver?: boolean }} MessagePlace */

/**
 * @typedef {object} Edits what is being made of the reader's messages
 * @property {(message: Message) => string | undefined} get
 * @property {(message: Message, text: string) => void} set
 * @property {(message: Message) => void} delete
 */

/**
 * @typedef {object} MessageContext
 * @property {import('../ui/i18n.js').Translate} t
 * @property {MessageActions} actions
 * @property {(message: Message) => number} resumedTokensOf how many tokens an answer of this visit needed no reading of
 * @property {Edits} edits
 */

export class MessageView {
  #t;
  #actions;
  #resumedTokensOf;
  #edits;
  /** @type {MarkdownWriter | null} */
  #writer = null;
  #splitter = new ReasoningSplitter();
  /** @type {{ label: HTMLElement, writer: MarkdownWriter } | null} */
  #reasoning = null;

  /**
   * @param {Message} message
   * @param {MessageContext} context
   */
  constructor(message, { t, actions, resumedTokensOf, edits }) {
    this.message = message;
    /** That the message is edited in; null: it is not. @type {HTMLTextAreaElement | null} */
    this.field = null;
    this.#t = t;
    this.#actions = actions;
    this.#resumedTokensOf = resumedTokensOf;
    this.#edits = edits;
    const isUser = message.role === 'user';
    this.text = make('div', { class: isUser ? 'text' : 'text prose' });
    this.notice = make('p', { class: 'progress-note', hidden: true });
    this.foot = make('div', { class: 'foot' });
    this.element = make(
      'article',
      {
        class: `message ${message.role}`,
        tabindex: -1,
        'aria-label': t(isUser ? 'message.user' : 'message.assistant'),
      },
      this.text,
      this.notice,
      this.foot,
    );
    if (isUser) this.text.dir = directionOf(message.content);
    if (isUser) this.text.textContent = message.content;
    else this.write(message.content);
  }

  /** More of an answer. @param {string} text */
  write(text) {
    this.#append(this.#splitter.push(text));
    if (text !== '') this.note(null);
    this.#labelReasoning();
  }

  /** An answer is awaited or grows. */
  begin() {
    this.element.setAttribute('aria-busy', 'true');
    this.foot.replaceChildren();
    this.#labelReasoning();
  }

  /** What is happening before there is text; null: nothing. @param {string | null} text */
  note(text) {
    this.notice.hidden = text === null;
    this.notice.textContent = text ?? '';
  }

  /** Nothing comes any more. @param {MessagePlace} place */
  end(place) {
    this.note(null);
    this.element.removeAttribute('aria-busy');
    this.#append(this.#splitter.end());
    this.#reasoning?.writer.end();
    this.#writer?.end();
    this.#labelReasoning();
    this.showFoot(place);
  }

  /** Shows how the answer ended, and what can be done with the message. @param {MessagePlace} place */
  showFoot({ isLast, isPassedOver = false }) {
    this.element.classList.toggle('last', isLast);
    const { message } = this;
    if (message.role === 'user') {
      this.foot.replaceChildren(
        ...(isPassedOver ? [make('span', { class: 'ending' }, this.#t('ending.unanswered'))] : []),
        this.#button('copy', 'message.copy', () => this.#copy(message.content)),
        this.#button('pencil', 'message.edit', () => this.edit()),
        this.#button('trash', 'message.delete', () => this.#actions.delete(message)),
      );
      return;
    }
    const isCut = ['length', 'cancelled', 'failed'].includes(message.finish ?? '');
    const cut = isLast && isCut && message.content !== '';
    this.foot.replaceChildren(
      ...this.#ending(),
      ...(cut ? [this.#continueButton()] : []),
      this.#button('copy', 'message.copy', () => this.#copy(withoutReasoning(message.content))),
      ...(isLast ? [this.#button('retry', 'message.regenerate', () => this.#actions.regenerate(message))] : []),
      this.#button('trash', 'message.delete', () => this.#actions.delete(message)),
      make('span', { class: 'facts' }, this.#facts(isLast)),
    );
  }

  /**
   * Puts a field in the place of the text. What is typed there stays to be gone on with, however often the message is
   * drawn anew, until it is sent or called off.
   * @param {{ takesFocus?: boolean }} [how]
   */
  edit({ takesFocus = true } = {}) {
    if (this.field !== null) return this.field.focus();
    const { message } = this;
    const edits = this.#edits;
    const field = make('textarea', {
      ...{ class: 'edit-field', 'aria-label': this.#t('message.edit'), rows: 1 },
      enterkeyhint: enterKeyHint(),
    });
    followDirection(field)(edits.get(message) ?? message.content);
    edits.set(message, field.value);
    this.field = field;
    const opener = focusedElement();
    const restore = () => {
      edits.delete(message);
      this.field = null;
      editor.replaceWith(this.text);
      this.foot.hidden = false;
      const isGone = opener === document.body || !opener?.isConnected;
      (isGone ? seek(this.foot, '.edit') : opener)?.focus();
    };
    const send = () => {
      const content = asMessage(field.value);
      if (content === '') restore();
      else this.#actions.resend(message, content);
    };
    const editor = make(
      'div',
      { class: 'editor' },
      field,
      make(
        'div',
        { class: 'buttons' },
        make('button', { type: 'button', on: { click: restore } }, this.#t('cancel')),
        make('button', { type: 'button', class: 'accent', on: { click: send } }, this.#t('message.resend')),
      ),
    );
    field.addEventListener('input', () => edits.set(message, field.value));
    field.addEventListener('keydown', (event) => {
      if (isOfInputMethod(event)) return;
      if (event.key === 'Escape') {
        event.stopPropagation();
        restore();
      } else if (sends(event)) {
        event.preventDefault();
        send();
      }
    });
    this.text.replaceWith(editor);
    this.foot.hidden = true;
    if (takesFocus) field.focus();
  }

  /** @param {import('./reasoning.js').Part[]} parts */
  #append(parts) {
    for (const { kind, text } of parts) {
      if (kind === 'reasoning') this.#openReasoning().write(text);
      else {
        this.#writer ??= new MarkdownWriter(this.text, this.#t);
        this.#writer.write(text);
      }
    }
  }

  #openReasoning() {
    if (this.#reasoning === null) {
      const label = make('span');
      const text = make('div', { class: 'reasoning-text prose' });
      const summary = make('summary', {}, icon('chevron'), label);
      this.element.prepend(make('details', { class: 'reasoning' }, summary, text));
      this.#reasoning = { label, writer: new MarkdownWriter(text, this.#t) };
    }
    return this.#reasoning.writer;
  }

  #labelReasoning() {
    if (this.#reasoning === null) return;
    const { label } = this.#reasoning;
    const busy = this.element.getAttribute('aria-busy') === 'true' && this.#splitter.isReasoning;
    const milliseconds = this.message.reasoningMilliseconds;
    if (busy) label.textContent = this.#t('reasoning.busy');
    else if (milliseconds === undefined) label.textContent = this.#t('reasoning');
    else label.textContent = this.#t('reasoning.done', { count: Math.max(1, Math.round(milliseconds / 1000)) });
  }

  /** How an answer ended where that is not by itself. */
  #ending() {
    const { finish, content } = this.message;
    const ending = content === '' && finish === 'stop' ? 'empty' : finish;
    if (ending === undefined || ending === 'stop') return [];
    return [make('span', { class: 'ending' }, this.#t(`ending.${ending}`))];
  }

  /** @param {boolean} isLast */
  #facts(isLast) {
    const { model, speed, droppedTokens = 0 } = this.message;
    const resumedTokens = isLast ? this.#resumedTokensOf(this.message) : 0;
    const facts = [model ?? ''];
    if (speed && speed.tokens > 0) {
      facts.push(this.#t('tokens', { count: speed.tokens }));
      if (speed.decode > 0) facts.push(this.#t('rate', { rate: Math.round(speed.decode) }));
    }
    if (resumedTokens > 0) facts.push(this.#t('facts.resumed', { count: resumedTokens }));
    if (droppedTokens > 0) facts.push(this.#t('facts.dropped', { count: droppedTokens }));
    return facts.filter(Boolean).join(' · ');
  }

  #continueButton() {
    const click = () => this.#actions.continue(this.message);
    return make('button', { type: 'button', class: 'quiet', on: { click } }, icon('continue'), this.#t('continue'));
  }

  /** @param {import('../ui/icons.js').IconName} drawing @param {import('../ui/i18n.js').StringKey} key @param {() => void} click */
  #button(drawing, key, click) {
    const label = this.#t(key);
    const name = key.split('.').at(-1);
    const properties = { type: 'button', class: `icon ${name}`, 'aria-label': label, title: label, on: { click } };
    return make('button', properties, icon(drawing));
  }

  /** @param {string} text */
  #copy(text) {
    const button = findIn(this.foot, '.copy');
    copyAndTell(text, this.#t, (told) => {
      button.title = told?.label ?? this.#t('message.copy');
      const drawing = told?.done ? 'check' : 'alert';
      button.replaceChildren(icon(told === null ? 'copy' : drawing));
    });
  }
}
