// The field to write in, and the button that sends or stops.
import { followDirection } from '../ui/direction.js';
import { find, focusedElement } from '../ui/dom.js';
import { asMessage, enterKeyHint, sends } from '../ui/keys.js';
import { Drafts, NEW_CHAT } from './drafts.js';

// Who has typed nothing for so long does not notice that the page is loaded anew; who goes on and on does not keep it from
// that.
const PAUSE_MILLISECONDS = 700;
const LONGEST_MILLISECONDS = 10_000;
const GROWS_BY_ITSELF = CSS.supports('field-sizing', 'content');

export class Composer {
  #field = find('prompt', 'textarea');
  #send = find('send', 'button');
  #stop = find('stop', 'button');
  #form = find('composer');
  #put = followDirection(this.#field);
  /** By the id of a conversation, or NEW_CHAT. */
  #drafts = new Drafts('nibble.drafts');
  /** Of what is being written: the conversation's id, or NEW_CHAT. @type {string} */
  #place;
  #conversationId;
  /** What is on its way, and comes back where it was not sent. */
  #sending = '';
  #typedAt = Number.NEGATIVE_INFINITY;
  #isComposing = false;
  #onSend;

  /**
   * @param {object} context
   * @param {string | null} context.id of the conversation that will be shown first; null: a new one
   * @param {(text: string) => Promise<boolean>} context.onSend
   * @param {() => void} context.onStop
   * @param {() => void} context.onEditLast
   */
  constructor({ id, onSend, onStop, onEditLast }) {
    this.#onSend = onSend;
    this.#conversationId = id;
    this.#place = id ?? NEW_CHAT;
    this.#restore();
    this.#field.enterKeyHint = enterKeyHint();
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener('keydown', (event) => {
      if (event.key === 'ArrowUp' && this.#field.value === '') {
        event.preventDefault();
        onEditLast();
      }
      if (!sends(event)) return;
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener('input', () => {
      this.#typedAt = performance.now();
      this.#changed();
    });
    for (const type of ['compositionstart', 'compositionend']) {
      this.#field.addEventListener(type, () => {
        this.#isComposing = type === 'compositionstart';
      });
    }
    this.#stop.addEventListener('click', onStop);
  }

  get text() {
    return this.#field.value;
  }

  set text(value) {
    this.#put(value);
    this.#changed();
  }

  /** @param {boolean} answering whether there is something to stop */
  show(answering) {
    if (this.#stop.hidden === !answering) return;
    const active = focusedElement();
    const focused = active === this.#send || active === this.#stop;
    this.#send.hidden = answering;
    this.#stop.hidden = !answering;
    if (focused) this.focus();
  }

  /**
   * Shows what was begun in a conversation; what was in another one is kept for it.
   * @param {import('../conversations/conversations.js').Conversation} conversation
   */
  follow({ id, messages }) {
    const place = messages.length === 0 ? NEW_CHAT : id;
    // A new chat that has got its first message is still the same one.
    const isSame = id === this.#conversationId;
    this.#conversationId = id;
    if (place === this.#place) return;
    if (isSame) this.#drafts.delete(this.#place);
    this.#place = place;
    if (isSame) this.#changed();
    else this.text = this.#drafts.get(place) ?? '';
  }

  /** A conversation is deleted, and what was begun in it. @param {string} id */
  forget(id) {
    this.#drafts.delete(id);
  }

  focus() {
    this.#field.focus();
  }

  /** Resolves when nobody is in the midst of writing. */
  async untilPause() {
    const end = performance.now() + LONGEST_MILLISECONDS;
    for (let now = performance.now(); now < end; now = performance.now()) {
      const rest = this.#typedAt + PAUSE_MILLISECONDS - now;
      if (rest <= 0 && !this.#isComposing) return;
      await new Promise((resolve) => setTimeout(resolve, Math.max(rest, 50)));
    }
  }

  async #submit() {
    const text = asMessage(this.#field.value);
    if (text === '' || !this.#stop.hidden || this.#form.ariaBusy === 'true') return;
    const place = this.#place;
    this.#sending = text;
    this.text = '';
    this.#form.ariaBusy = 'true';
    let isSent = false;
    try {
      isSent = await this.#onSend(text);
    } finally {
      this.#form.ariaBusy = 'false';
      this.#sending = '';
      // What was not sent is not lost.
      if (!isSent && place === this.#place) this.text = join(text, this.text);
      else if (!isSent) this.#drafts.set(place, join(text, this.#drafts.get(place) ?? ''));
      else this.#changed();
    }
  }

  /** What was typed before the page was there, as during a reload, goes on with what was typed before that. */
  #restore() {
    const kept = this.#drafts.get(this.#place) ?? '';
    const typed = this.#field.value;
    if (typed !== '') this.#typedAt = performance.now();
    this.text = typed.startsWith(kept) ? typed : kept + typed;
  }

  #changed() {
    const text = join(this.#sending, this.#field.value);
    if (text === '') this.#drafts.delete(this.#place);
    else this.#drafts.set(this.#place, text);
    this.#send.disabled = this.#field.value.trim() === '';
    if (GROWS_BY_ITSELF) return;
    this.#field.style.height = 'auto';
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}

/** @param {...string} texts */
const join = (...texts) => texts.filter(Boolean).join('\n');
