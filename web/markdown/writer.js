// Draws a model's Markdown as it comes. What is complete stays as it was drawn; only the last block is read again.
import { directionOf } from '../ui/direction.js';
import { make } from '../ui/dom.js';
import { Blocks, isShown } from './blocks.js';
import { CodeBlock } from './code-block.js';
import { definitionsIn, lex } from './lexer.js';
import { LinkReferences } from './references.js';

export { safeAddress } from './inline.js';

/** @typedef {import('./lexer.js').Token} Token */

// The library may need the square of a block's length. So a block that is slow to draw is drawn again only once it has
// grown by a part of itself or time has passed; and one longer than any that people write is cut into several.
const QUICK_MILLISECONDS = 4;
const SHARE_OF_TIME = 1 / 8;
const GROWTH = 1 / 16;
const MOST_OF_BLOCK = 30_000;
const MOST_AT_ONCE = 10_000;
const FENCE = /^( {0,3})(`{3,}(?!`)|~{3,}(?!~))[^\n]*\n/;
// A line that may make a heading of those before it, which then are no part of what stands above them.
const UNDERLINE = /^ {0,3}(?:-+|=+)[ \t]*$/;
const ENDED_BY_BLANK = ['paragraph', 'heading', 'table', 'hr', 'blockquote'];

/** Appends Markdown to an element, which it only ever adds to. */
export class MarkdownWriter {
  #root;
  #blocks;
  #references = new LinkReferences();
  /** What is not complete yet: the last block, as a rule. */
  #rest = '';
  #drawn = { length: 0, at: 0, milliseconds: 0 };
  #definitions = '';
  /** @type {{ block: CodeBlock, line: string, closing: RegExp } | null} */
  #openCode = null;
  /** @type {Text | null} */
  #unread = null;
  /** @type {Text | null} */
  #cutLine = null;
  /** @type {Text | null} */
  #plain = null;
  #endsInReturn = false;

  /** @param {HTMLElement} root empty @param {import('../ui/i18n.js').Translate} t */
  constructor(root, t) {
    this.#root = root;
    this.#blocks = new Blocks(root, t, { isOutermost: true });
  }

  /** @param {string} text any piece of the Markdown, in order */
  write(text) {
    for (let start = 0; start < text.length; start += MOST_AT_ONCE) {
      const lines = this.#growLine(this.#unifyLines(text.slice(start, start + MOST_AT_ONCE)));
      if (lines === '') continue;
      this.#rest += lines;
      if (this.#plain !== null) grow(this.#plain, lines);
      else if (!this.#growCode(lines)) {
        if (this.#isDue) this.#draw();
        else this.#showUnread(lines);
      }
    }
  }

  /** Nothing comes any more. */
  end() {
    if (this.#plain === null) this.#draw(true);
  }

  /** @param {string} text */
  #unifyLines(text) {
    // The two characters that end a line may come in two pieces.
    const lines = this.#endsInReturn && text.startsWith('\n') ? text.slice(1) : text;
    this.#endsInReturn = text.endsWith('\r');
    return lines.replace(/\r\n?/g, '\n').replaceAll('\0', '\uFFFD');
  }

  get #isDue() {
    const { length, at, milliseconds } = this.#drawn;
    if (milliseconds <= QUICK_MILLISECONDS || this.#rest.length >= length * (1 + GROWTH)) return true;
    return (performance.now() - at) * SHARE_OF_TIME >= milliseconds;
  }

  /** What is not read as Markdown yet must not be missing. @param {string} text */
  #showUnread(text) {
    this.#unread ??= this.#addPlain();
    grow(this.#unread, text);
  }

  /** What stands behind the cut in a line begins no block. @param {string} text @returns {string} what follows that line */
  #growLine(text) {
    if (this.#cutLine === null) return text;
    const end = text.indexOf('\n');
    grow(this.#cutLine, end === -1 ? text : text.slice(0, end));
    if (end === -1) return '';
    this.#cutLine = null;
    return text.slice(end + 1);
  }

  #addPlain(text = '') {
    const node = document.createTextNode(text);
    this.#root.append(make('p', { class: 'plain', dir: directionOf(text) }, node));
    return node;
  }

  #draw(isEnd = false) {
    const begun = performance.now();
    this.#unread?.parentElement?.remove();
    this.#unread = null;
    try {
      const tokens = this.#show(this.#rest);
      if (isEnd) this.#references.resolve(definitionsIn(tokens));
      else {
        this.#settle(tokens);
        if (this.#rest.length > MOST_OF_BLOCK && this.#openCode === null) this.#cut();
      }
    } catch {
      this.#showPlain();
    }
    const at = performance.now();
    this.#drawn = { length: this.#rest.length, at, milliseconds: at - begun };
  }

  /** @param {string} text */
  #show(text) {
    const tokens = lex(text, this.#references.known);
    const definitions = definitionsIn(tokens)
      .map(({ tag, href }) => `${tag} ${href}`)
      .join('\n');
    this.#blocks.show(tokens, definitions !== this.#definitions);
    this.#definitions = definitions;
    return tokens;
  }

  /** Ends a block before its end, where a line does if there are any. */
  #cut() {
    const length = this.#rest.lastIndexOf('\n') + 1;
    const text = length === 0 ? this.#rest : this.#rest.slice(0, length);
    this.#settleAll(this.#show(text));
    this.#rest = this.#rest.slice(text.length);
    if (length === 0) this.#cutLine = this.#addPlain();
  }

  /** Whatever went wrong in reading a text, the text is not lost. */
  #showPlain() {
    this.#blocks.show([]);
    this.#plain = this.#addPlain(this.#rest);
  }

  /** Leaves the blocks that nothing can change any more as they are. @param {Token[]} tokens */
  #settle(tokens) {
    // What is to come of the line may make another one of it.
    if (UNDERLINE.test(lastLineOf(this.#rest))) return;
    const count = this.#countComplete(tokens);
    const complete = tokens.slice(0, count);
    const text = complete.map(({ raw }) => raw).join('');
    // The library is not bound to give every character back.
    if (this.#rest.startsWith(text)) {
      this.#settleAll(complete);
      // The last line may yet become an indented one.
      const length = count === tokens.length ? this.#rest.lastIndexOf('\n') + 1 : text.length;
      this.#rest = this.#rest.slice(length);
    }
    this.#openCode = this.#findOpenCode(tokens.slice(count));
  }

  /** @param {Token[]} tokens */
  #settleAll(tokens) {
    const blocks = this.#blocks.settle(tokens);
    this.#references.define(definitionsIn(tokens));
    for (const [index, token] of tokens.filter(isShown).entries()) this.#references.await(blocks[index], token);
  }

  /** @param {Token[]} tokens */
  #countComplete(tokens) {
    const last = tokens.findLastIndex(isBlock);
    if (last === -1) return 0;
    const { type, raw } = tokens[last];
    const space = this.#rest.slice(lengthWithoutBlanks(this.#rest));
    const isEnded = ENDED_BY_BLANK.includes(type)
      ? /\n[ \t]*\n/.test(space)
      : space.includes('\n') && isClosedCode(tokens[last]);
    if (isEnded) return tokens.length;
    // A block is told from the one before it by its first line, a table by its second.
    const lines = raw.slice(0, lengthWithoutBlanks(raw)).split('\n').length - (space.includes('\n') ? 0 : 1);
    let count = lines < (type === 'table' ? 2 : 1) ? tokens.slice(0, last).findLastIndex(isBlock) : last;
    // The title of a link may stand in the line below.
    while (count > 0 && tokens[count - 1].type === 'def') count--;
    return Math.max(count, 0);
  }

  /** Code that grows is not read: nothing in it means anything but the fence that ends it. @param {string} text */
  #growCode(text) {
    if (this.#openCode === null) return false;
    const { block, line, closing } = this.#openCode;
    const recent = line + text;
    if (closing.test(recent)) {
      this.#openCode = null;
      this.#drawn.length = 0;
      return false;
    }
    this.#openCode.line = lastLineOf(recent);
    block.append(text);
    return true;
  }

  /** @param {Token[]} tokens */
  #findOpenCode(tokens) {
    const isCode = tokens.length === 1 && tokens[0].type === 'code' && tokens[0].raw === this.#rest;
    const opening = isCode ? FENCE.exec(this.#rest) : null;
    if (opening === null || opening[1] !== '') return null;
    const closing = closingFence(opening[2]);
    const code = this.#rest.slice(opening[0].length);
    if (closing.test(code)) return null;
    const block = this.#blocks.first;
    if (!(block instanceof CodeBlock)) return null;
    block.show(code);
    return { block, line: lastLineOf(code), closing };
  }
}

/** @param {Text} node @param {string} text */
function grow(node, text) {
  node.appendData(text);
  const { parentElement } = node;
  if (parentElement?.dir === 'auto') parentElement.dir = directionOf(node.data);
}

/** @param {string} text */
const lastLineOf = (text) => text.slice(text.lastIndexOf('\n') + 1);

/** Up to the blanks at the end of a text, as Markdown has them: a space that keeps words together is none. @param {string} text */
function lengthWithoutBlanks(text) {
  let length = text.length;
  while (length > 0 && ' \t\n'.includes(text[length - 1])) length--;
  return length;
}

/** @param {Token} token */
const isBlock = ({ type, raw }) => type !== 'space' && raw.trim() !== '';

/** Whether the second fence of a block of code has come. @param {Token} token */
function isClosedCode({ type, raw }) {
  const opening = type === 'code' ? FENCE.exec(raw) : null;
  return opening !== null && closingFence(opening[2]).test(raw.slice(opening[0].length));
}

/** @param {string} fence */
const closingFence = (fence) => new RegExp(`^ {0,3}${fence}[~\`]* *$`, 'm');
