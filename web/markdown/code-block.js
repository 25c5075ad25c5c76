// A block of code with its language and a button that copies it.
import { copyAndTell } from '../ui/clipboard.js';
import { make } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { setText } from './inline.js';

export class CodeBlock {
  #t;
  #text = document.createTextNode('');
  #language = document.createTextNode('');
  #lineEnd = '';

  /** @param {import('../ui/i18n.js').Translate} t */
  constructor(t) {
    this.#t = t;
    const copy = make('button', { type: 'button', class: 'quiet', 'aria-label': t('code.copy') }, icon('copy'));
    const label = document.createTextNode(t('code.copy'));
    copy.append(label);
    copy.addEventListener('click', () => this.#copy(label));
    const head = make('div', { class: 'code-head' }, make('span', { class: 'code-language' }, this.#language), copy);
    // What scrolls has to be reachable by the keyboard.
    const pre = make('pre', { tabindex: 0 }, make('code', {}, this.#text));
    this.element = make('div', { class: 'code', dir: 'ltr' }, head, pre);
  }

  /** @param {import('./lexer.js').Token} token */
  update({ text = '', lang = '' }) {
    setText(this.#language, lang.trim().split(/\s/, 1)[0]);
    this.show(text);
    return true;
  }

  /** @param {string} text all of the code */
  show(text) {
    setText(this.#text, this.#withoutEnd(text));
  }

  /** @param {string} text more of the code */
  append(text) {
    this.#text.appendData(this.#withoutEnd(this.#lineEnd + text));
  }

  /** A line feed at the end of all begins no further line. @param {string} text */
  #withoutEnd(text) {
    this.#lineEnd = text.endsWith('\n') ? '\n' : '';
    return text.slice(0, text.length - this.#lineEnd.length);
  }

  /** @param {Text} label of the button */
  #copy(label) {
    const t = this.#t;
    copyAndTell(this.#text.data, t, (told) => {
      label.data = told?.label ?? t('code.copy');
    });
  }
}
