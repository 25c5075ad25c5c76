// The field to write in, and the button that sends or stops.
import { find } from './dom.js';

const GROWS_BY_ITSELF = CSS.supports('field-sizing', 'content');

export class Composer {
  #field = find('prompt');
  #send = find('send');
  #stop = find('stop');

  /** @param {{ onSend: (text: string) => void, onStop: () => void, onEditLast: () => void }} handlers */
  constructor({ onSend, onStop, onEditLast }) {
    const submit = () => {
      const text = this.#field.value.trim();
      if (text === '' || !this.#stop.hidden) return;
      this.text = '';
      onSend(text);
    };
    find('composer').addEventListener('submit', (event) => {
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
