// Draws Markdown's blocks, and redraws of them only what has changed: who reads or selects is not disturbed.

import { directionOf } from '../ui/direction.js';
import { make } from '../ui/dom.js';
import { CodeBlock } from './code-block.js';
import { checkbox, InlineText, setText } from './inline.js';

const UNSHOWN = ['space', 'def'];
// The page's own heading is the first.
const HEADINGS = /** @type {const} */ (['h2', 'h3', 'h4', 'h5', 'h6', 'h6']);

/** @typedef {import('./lexer.js').Token} Token */
/** @typedef {import('./lexer.js').Cell} Cell */
/** @typedef {import('../ui/i18n.js').Translate} Translate */
/** @typedef {'p' | 'span' | typeof HEADINGS[number]} TextName of the element that a text stands in */

/**
 * @typedef {object} Block
 * @property {HTMLElement} element
 * @property {(token: Token, isAnew: boolean) => boolean} update false where a token of its type asks for another element
 */

/** The blocks of an element, in order. */
export class Blocks {
  #parent;
  #t;
  #isOutermost;
  /** @type {{ type: string, raw: string, block: Block }[]} */
  #drawn = [];

  /**
   * @param {HTMLElement} parent
   * @param {import('../ui/i18n.js').Translate} t
   * @param {{ isOutermost?: boolean }} [place] whether they stand in no other block: such a one is written from the side
   *   that its first letter asks for
   */
  constructor(parent, t, { isOutermost = false } = {}) {
    this.#parent = parent;
    this.#t = t;
    this.#isOutermost = isOutermost;
  }

  /** @param {Token[]} tokens all there is now @param {boolean} [isAnew] whether equal text may mean something else */
  show(tokens, isAnew = false) {
    const shown = tokens.filter(isShown);
    shown.forEach((token, index) => {
      const drawn = this.#drawn[index];
      const isSame = drawn?.type === token.type;
      if (isSame) this.#direct(drawn.block, token);
      if (isSame && ((!isAnew && drawn.raw === token.raw) || drawn.block.update(token, isAnew))) drawn.raw = token.raw;
      else this.#replace(index, token);
    });
    for (const { block } of this.#drawn.splice(shown.length)) block.element.remove();
  }

  /** @returns {Block | undefined} */
  get first() {
    return this.#drawn[0]?.block;
  }

  /** Takes the first blocks from what `show` speaks of; they stay. @param {Token[]} tokens theirs @returns {Block[]} */
  settle(tokens) {
    return this.#drawn.splice(0, tokens.filter(isShown).length).map(({ block }) => block);
  }

  /** Code has a direction of its own. @param {Block} block @param {Token} token */
  #direct({ element }, { raw }) {
    if (!this.#isOutermost || element.dir === 'ltr') return;
    const direction = directionOf(raw);
    if (element.dir !== direction) element.dir = direction;
  }

  /** @param {number} index @param {Token} token */
  #replace(index, token) {
    const block = makeBlock(token, this.#t);
    this.#direct(block, token);
    block.update(token, true);
    if (this.#drawn[index]) this.#drawn[index].block.element.replaceWith(block.element);
    else this.#parent.append(block.element);
    this.#drawn[index] = { type: token.type, raw: token.raw, block };
  }
}

/** @param {Token} token */
export const isShown = ({ type }) => !UNSHOWN.includes(type);

/** @param {Token} token @param {Translate} t @returns {Block} */
function makeBlock(token, t) {
  const { type } = token;
  if (type === 'paragraph') return new TextBlock('p', t);
  if (type === 'text') return new TextBlock('span', t);
  if (type === 'heading') return new TextBlock(headingName(token), t, headingName);
  if (type === 'code') return new CodeBlock(t);
  if (type === 'blockquote') return new QuoteBlock(t);
  if (type === 'list') return new ListBlock(token, t);
  if (type === 'table') return new TableBlock(token, t);
  if (type === 'hr') return { element: make('hr'), update: () => true };
  if (type === 'checkbox') return { element: checkbox(token), update: () => false };
  // HTML, a formula, and what the library may know some day, is shown as it was written.
  return new PlainBlock();
}

/** @param {Token} token @returns {TextName} */
const headingName = ({ depth = 1 }) => HEADINGS[depth - 1];

class TextBlock {
  #text;
  #nameOf;

  /** @param {TextName} name @param {Translate} t @param {(token: Token) => TextName} [nameOf] that a token asks for */
  constructor(name, t, nameOf = () => name) {
    this.element = make(name);
    this.#nameOf = nameOf;
    this.#text = new InlineText(this.element, t);
  }

  /** @param {Token} token @param {boolean} isAnew */
  update(token, isAnew) {
    if (this.#nameOf(token) !== this.element.localName) return false;
    this.#text.show(token.tokens ?? [], isAnew);
    return true;
  }
}

class PlainBlock {
  #text = document.createTextNode('');

  constructor() {
    this.element = make('p', { class: 'plain' }, this.#text);
  }

  /** @param {Token} token */
  update({ raw }) {
    setText(this.#text, raw.trimEnd());
    return true;
  }
}

class QuoteBlock {
  #blocks;

  /** @param {Translate} t */
  constructor(t) {
    this.element = make('blockquote');
    this.#blocks = new Blocks(this.element, t);
  }

  /** @param {Token} token @param {boolean} isAnew */
  update({ tokens = [] }, isAnew) {
    this.#blocks.show(tokens, isAnew);
    return true;
  }
}

class ListBlock {
  #t;
  #start;
  /** @type {boolean | null} */
  #isLoose = null;
  /** @type {{ element: HTMLElement, raw: string | null, blocks: Blocks }[]} */
  #items = [];

  /** @param {Token} token @param {Translate} t */
  constructor({ ordered, start }, t) {
    this.#t = t;
    this.#start = start;
    this.element = make(ordered ? 'ol' : 'ul', { start: ordered && start !== 1 ? start : false });
  }

  /** @param {Token} token @param {boolean} isAnew */
  update({ start, loose = false, items = [] }, isAnew) {
    if (start !== this.#start) return false;
    // A blank line between two items parts the lines of all.
    const isAnewNow = isAnew || loose !== this.#isLoose;
    this.#isLoose = loose;
    for (const [index, item] of items.entries()) this.#showItem(item, index, isAnewNow);
    for (const { element } of this.#items.splice(items.length)) element.remove();
    return true;
  }

  /** @param {Token} token @param {number} index @param {boolean} isAnew */
  #showItem({ raw, tokens = [] }, index, isAnew) {
    this.#items[index] ??= this.#addItem();
    const item = this.#items[index];
    if (!isAnew && item.raw === raw) return;
    item.raw = raw;
    item.blocks.show(tokens, isAnew);
  }

  #addItem() {
    const element = this.element.appendChild(make('li'));
    return { element, raw: null, blocks: new Blocks(element, this.#t) };
  }
}

class TableBlock {
  #t;
  #align;
  #head = make('thead');
  #body = make('tbody');
  /** @type {{ element: HTMLElement, cells: InlineText[] }[]} */
  #rows = [];

  /** @param {Token} token @param {Translate} t */
  constructor({ align = [] }, t) {
    this.#t = t;
    this.#align = align;
    const table = make('table', {}, this.#head, this.#body);
    // What scrolls has to be reachable by the keyboard.
    this.element = make('div', { class: 'table', tabindex: 0, role: 'group', 'aria-label': t('table') }, table);
  }

  /** @param {Token} token @param {boolean} isAnew */
  update({ align = [], header = [], rows = [] }, isAnew) {
    if (align.join() !== this.#align.join()) return false;
    [header, ...rows].forEach((cells, index) => {
      this.#rows[index] ??= this.#addRow(index === 0 ? this.#head : this.#body, index === 0 ? 'th' : 'td');
      for (const [column, { tokens }] of cells.entries()) this.#rows[index].cells[column].show(tokens, isAnew);
    });
    for (const { element } of this.#rows.splice(rows.length + 1)) element.remove();
    return true;
  }

  /** @param {HTMLElement} section @param {'th' | 'td'} name */
  #addRow(section, name) {
    const element = section.appendChild(make('tr'));
    const cells = this.#align.map((align) => {
      const cell = element.appendChild(make(name, { class: align === null ? false : `align-${align}` }));
      return new InlineText(cell, this.#t);
    });
    return { element, cells };
  }
}
