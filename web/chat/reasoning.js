// Tells a model's reasoning, such as <think>…</think> at the head of an answer, from the answer itself.

/** What stands around it, of most models, of Mistral's and of Command R's. */
const TAGS = [
  { open: '<think>', close: '</think>' },
  { open: '[THINK]', close: '[/THINK]' },
  { open: '<|START_THINKING|>', close: '<|END_THINKING|>' },
];

/** @typedef {{ kind: 'reasoning' | 'answer', text: string }} Part of an answer */

/** Splits an answer as it comes, wherever its pieces are cut. */
export class ReasoningSplitter {
  #state = 'start';
  #close = '';
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
      if (TAGS.some(({ open }) => begun.length < open.length && open.startsWith(begun))) {
        this.#held = rest;
        return parts;
      }
      const tag = TAGS.find(({ open }) => begun.startsWith(open));
      this.#state = tag === undefined ? 'answer' : 'opened';
      if (tag !== undefined) {
        this.#close = tag.close;
        rest = begun.slice(tag.open.length);
      }
    }
    if (this.#state === 'opened') {
      rest = rest.trimStart();
      if (rest === '') return parts;
      this.#state = 'reasoning';
    }
    if (this.#state === 'reasoning') {
      const end = rest.indexOf(this.#close);
      if (end === -1) {
        const certain = rest.length - overlap(rest, this.#close);
        if (certain > 0) parts.push({ kind: 'reasoning', text: rest.slice(0, certain) });
        this.#held = rest.slice(certain);
        return parts;
      }
      parts.push({ kind: 'reasoning', text: rest.slice(0, end) });
      rest = rest.slice(end + this.#close.length);
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

/**
 * What an answer begins with: where the prompt ends inside of reasoning, as some templates have it, the tag that opens it.
 * @param {string | undefined} opening as the library tells it
 */
export const openingOf = (opening) => (TAGS.some(({ open }) => open === opening) ? `${opening}\n` : '');
