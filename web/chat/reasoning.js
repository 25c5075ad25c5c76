// Tells a model's reasoning, <think>…</think> at the head of an answer, from the answer itself.

const OPEN = '<think>';
const CLOSE = '</think>';

/** @typedef {{ kind: 'reasoning' | 'answer', text: string }} Part of an answer */

/** Splits an answer as it comes, wherever its pieces are cut. */
export class ReasoningSplitter {
  #state = 'start';
  #held = '';

  /**
   * @param {string} text the next piece of the answer
   * @returns {Part[]} what is certain by now, in order
   */
  push(text) {
    /** @type {Part[]} */
    const parts = [];
    let rest = this.#held + text;
    this.#held = '';
    if (this.#state === 'start') {
      const begun = rest.trimStart();
      if (begun.length < OPEN.length && OPEN.startsWith(begun)) {
        this.#held = rest;
        return parts;
      }
      this.#state = begun.startsWith(OPEN) ? 'opened' : 'answer';
      if (this.#state === 'opened') rest = begun.slice(OPEN.length);
    }
    if (this.#state === 'opened') {
      rest = rest.trimStart();
      if (rest === '') return parts;
      this.#state = 'reasoning';
    }
    if (this.#state === 'reasoning') {
      const end = rest.indexOf(CLOSE);
      if (end === -1) {
        const certain = rest.length - overlap(rest, CLOSE);
        if (certain > 0) parts.push({ kind: 'reasoning', text: rest.slice(0, certain) });
        this.#held = rest.slice(certain);
        return parts;
      }
      parts.push({ kind: 'reasoning', text: rest.slice(0, end) });
      rest = rest.slice(end + CLOSE.length);
      this.#state = 'between';
    }
    if (this.#state === 'between') {
      rest = rest.trimStart();
      if (rest === '') return parts;
      this.#state = 'answer';
    }
    if (rest !== '') parts.push({ kind: 'answer', text: rest });
    return parts;
  }

  /** What was held back because it could have become a tag. @returns {Part[]} */
  end() {
    const text = this.#held;
    this.#held = '';
    if (text.trim() === '') return [];
    return [{ kind: this.#state === 'reasoning' ? 'reasoning' : 'answer', text }];
  }

  get isReasoning() {
    return ['opened', 'reasoning'].includes(this.#state);
  }
}

/** How many characters at the end of `text` may be the beginning of `tag`. @param {string} text @param {string} tag */
function overlap(text, tag) {
  for (let length = Math.min(text.length, tag.length - 1); length > 0; length--) {
    if (tag.startsWith(text.slice(-length))) return length;
  }
  return 0;
}

/** An answer as the model is shown it later, and as it is copied. @param {string} content */
export function withoutReasoning(content) {
  const splitter = new ReasoningSplitter();
  const parts = [...splitter.push(content), ...splitter.end()];
  return parts.flatMap(({ kind, text }) => (kind === 'answer' ? [text] : [])).join('');
}

/** What an answer begins with where the prompt has opened its reasoning. */
export const OPENING = `${OPEN}\n`;

/** Whether a prompt ends inside of reasoning, as some templates have it. @param {string | undefined} opening as the library tells it */
export const opensReasoning = (opening) => opening === OPEN;
