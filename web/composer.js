// The field to write in, and the button that sends or stops.
import { find } from './dom.js';

const GROWS_BY_ITSELF = CSS.supports('field-sizing', 'content');

export class Composer {
  #field = find('prompt');
  #send = find('send');
  #stop = find('stop');

  /** @param {{ onSend: (text: string) => Promise<boolean>, onStop: () => void, onEditLast: () => void }} handlers */
  constructor({ onSend, onStop, onEditLast }) {
    const form = find('composer');
    const submit = async () => {
      const text = this.#field.value.trim();
      if (text === '' || !this.#stop.hidden || form.ariaBusy === 'true') return;
      this.text = '';
      form.ariaBusy = 'true';
      const isSent = await onSend(text);
      form.ariaBusy = 'false';
      // What was not sent is not lost.
      if (!isSent) this.text = [text, this.text].filter(Boolean).join('\n');
    };
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      submit();
    });
    this.#field.addEventListener('keydown', (event) => {
      if (event.key === 'ArrowUp' && this.#field.value === '') {
        event.preventDefault();
        onEditLast();
      }
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      submit();
    });
    this.#field.addEventListener('input', () => this.#fit());
    this.#stop.addEventListener('click', onStop);
    this.#fit();
  }

  get text() {
    return this.#field.value;
  }

  set text(value) {
    this.#field.value = value;
    this.#fit();
  }

  /** @param {boolean} answering whether there is something to stop */
  show(answering) {
    if (this.#stop.hidden === !answering) return;
    const focused = [this.#send, this.#stop].includes(document.activeElement);
    this.#send.hidden = answering;
    this.#stop.hidden = !answering;
    if (focused) this.focus();
  }

  focus() {
    this.#field.focus();
  }

  #fit() {
    this.#send.disabled = this.#field.value.trim() === '';
    if (GROWS_BY_ITSELF) return;
    this.#field.style.height = 'auto';
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}
