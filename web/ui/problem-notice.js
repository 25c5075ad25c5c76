// The problems above the composer: the latest is shown, and closing it shows the one before. Each stays until the reader
// closes it or what it is about is over, whatever happens to anything else.
import { find } from './dom.js';

/** @typedef {'model' | 'storage' | 'file' | 'oddity' | 'import' | 'export' | 'conversation'} Subject what a problem is about; a later one about the same takes its place */
/** @typedef {{ label: string, action: () => void }} Remedy what the reader can do about it by one button */

/**
 * @typedef {object} Problem
 * @property {string} code
 * @property {string} text in the reader's language
 * @property {string} detail
 * @property {Remedy | null} [remedy]
 * @property {boolean} [isLasting] whether the reader cannot close it
 */

/** @typedef {{ describe: () => Problem, onDismiss: () => void }} Told */

export class ProblemNotice {
  /** The latest at the end. @type {Map<Subject, Told>} */
  #told = new Map();

  constructor() {
    find('dismiss').addEventListener('click', () => {
      const [subject, told] = this.#latest ?? [];
      if (subject !== undefined) this.close(subject);
      told?.onDismiss();
      find('prompt').focus();
    });
  }

  /**
   * @param {Subject} subject
   * @param {() => Problem} describe asked anew by render()
   * @param {() => void} [onDismiss] told when the reader has closed it
   */
  tell(subject, describe, onDismiss = () => {}) {
    this.#told.delete(subject);
    this.#told.set(subject, { describe, onDismiss });
    this.render();
  }

  /** What these problems are about is over. @param {...Subject} subjects */
  close(...subjects) {
    for (const subject of subjects) this.#told.delete(subject);
    this.render();
  }

  /** Also in another language, and where what the page can do about it has changed. */
  render() {
    const [, told] = this.#latest ?? [];
    find('problem').hidden = told === undefined;
    if (told === undefined) return;
    const { code, text, detail, remedy = null, isLasting = false } = told.describe();
    find('problem').dataset.code = code;
    write('problem-text', text);
    write('problem-detail', detail);
    write('remedy', remedy?.label ?? '');
    find('remedy').hidden = remedy === null;
    find('remedy').onclick = remedy?.action ?? null;
    find('dismiss').hidden = isLasting;
  }

  get #latest() {
    return [...this.#told].at(-1);
  }
}

/** What is written anew is read out anew. @param {string} id @param {string} text */
function write(id, text) {
  if (find(id).textContent !== text) find(id).textContent = text;
}
