// Draws what stands within a line of Markdown. Elements are made one by one, none from HTML; nothing is fetched; a link
// leads to http, https or mailto.
import { make } from '../ui/dom.js';

/** @typedef {import('./lexer.js').Token} Token */
/** @typedef {import('../ui/i18n.js').Translate} Translate */
/** @typedef {{ type: string, raw: string, node: Text | HTMLElement }} Drawn */

const SAFE_PROTOCOLS = ['http:', 'https:', 'mailto:'];
/** @type {Record<string, 'strong' | 'em' | 's'>} */
const ELEMENTS = { strong: 'strong', em: 'em', del: 's' };
const LINE_BREAK = /^<br\s*\/?>$/i;
const REFERENCE = /&(?:#x[\da-f]{1,6}|#\d{1,7}|[a-z][a-z\d]{1,31});/gi;

/** The address if a link may lead there, else null. @param {string} text */
export function safeAddress(text) {
  try {
    const { protocol, href } = new URL(text.trim());
    return SAFE_PROTOCOLS.includes(protocol) ? href : null;
  } catch {
    return null;
  }
}

/** What has been drawn into an element; what has not changed keeps its nodes, and a text that grew only grows. */
export class InlineText {
  #parent;
  #t;
  /** @type {Drawn[]} */
  #drawn = [];

  /** @param {HTMLElement} parent @param {import('../ui/i18n.js').Translate} t */
  constructor(parent, t) {
    this.#parent = parent;
    this.#t = t;
  }

  /** @param {Token[]} tokens all there is now @param {boolean} [isAnew] whether equal text may mean something else */
  show(tokens, isAnew = false) {
    tokens.forEach((token, index) => {
      const beginsLine = index === 0 || tokens[index - 1].type === 'br';
      const unindented = beginsLine && token.type === 'text' ? { ...token, raw: token.raw.trimStart() } : token;
      this.#drawn[index] = this.#show(unindented, this.#drawn[index], isAnew);
    });
    for (const { node } of this.#drawn.splice(tokens.length)) node.remove();
  }

  /** @param {Token} token @param {Drawn | undefined} drawn in its place @param {boolean} isAnew @returns {Drawn} */
  #show(token, drawn, isAnew) {
    const { type, raw } = token;
    const isSame = drawn?.type === type;
    if (isSame && !isAnew && drawn.raw === raw) return drawn;
    if (isSame && drawn.node instanceof Text && type === 'text') {
      setText(drawn.node, decode(raw));
      return { type, raw, node: drawn.node };
    }
    const node = draw(token, this.#t);
    if (drawn) drawn.node.replaceWith(node);
    else this.#parent.append(node);
    return { type, raw, node };
  }
}

/** Gives a text node its text and keeps what is selected in it where the text only grows. @param {Text} node @param {string} text */
export function setText(node, text) {
  if (text.startsWith(node.data)) {
    if (text.length > node.data.length) node.appendData(text.slice(node.data.length));
  } else node.data = text;
}

/** @param {Token} token */
export const checkbox = ({ checked }) => make('span', { class: 'task' }, checked ? '☑' : '☐');

/** @param {Token} token @param {Translate} t @param {boolean} [isInLink] @returns {Text | HTMLElement} */
function draw(token, t, isInLink = false) {
  const { type, raw, text = '' } = token;
  if (type === 'text') return document.createTextNode(decode(raw));
  if (type === 'escape') return document.createTextNode(text);
  if (type === 'br' || (type === 'html' && LINE_BREAK.test(raw))) return make('br');
  if (type === 'codespan') return make('code', { dir: 'ltr' }, text);
  if (type === 'formula') return make('span', { class: 'formula', dir: 'ltr' }, raw);
  if (type === 'checkbox') return checkbox(token);
  if (type === 'image') return drawImage(token, t, isInLink);
  if (type === 'link') return drawLink(token, t, isInLink);
  if (type in ELEMENTS) return make(ELEMENTS[type], {}, ...drawAll(token, t, isInLink));
  // HTML, and what the library may know some day, is shown as it was written.
  return document.createTextNode(raw);
}

/** @param {Token} token @param {Translate} t @param {boolean} isInLink */
const drawAll = ({ tokens = [] }, t, isInLink) => tokens.map((token) => draw(token, t, isInLink));

/** @param {Token} token */
const addressOf = ({ href = '', autolink }) => safeAddress(autolink ? href : decode(href));

/** It says where it leads: what a model calls it may be anything. @param {string} href @param {...(Node | string)} children */
const link = (href, ...children) =>
  make('a', { href, rel: 'noopener noreferrer', target: '_blank', title: href }, ...children);

/** @param {Token} token @param {Translate} t @param {boolean} isInLink */
function drawLink(token, t, isInLink) {
  const address = isInLink ? null : addressOf(token);
  const children = drawAll(token, t, isInLink || address !== null);
  if (address === null) return make('span', { class: 'no-link' }, ...children);
  const made = link(address, ...children);
  if (made.textContent.trim() === '') made.textContent = address;
  return made;
}

/** A picture is not fetched: a link says that there is one. @param {Token} token @param {Translate} t @param {boolean} isInLink */
function drawImage(token, t, isInLink) {
  const address = isInLink ? null : addressOf(token);
  const words = make('span', {}, ...drawAll(token, t, true)).textContent;
  const text = `${t('image')} ${words}`;
  return address === null ? make('span', { class: 'no-link' }, text) : link(address, text);
}

/** Puts the characters in the place of references to them, such as `&amp;`. @param {string} text */
function decode(text) {
  if (!text.includes('&')) return text;
  /** @type {Map<string, string>} */
  const known = new Map();
  return text.replace(REFERENCE, (reference) => {
    const character = known.get(reference) ?? characterOf(reference);
    known.set(reference, character);
    return character;
  });
}

/** @param {string} reference */
function characterOf(reference) {
  // The browser knows their two thousand names. What it parses holds no tag, and belongs to no page.
  const { body } = new DOMParser().parseFromString(`.${reference}`, 'text/html');
  const character = body.textContent.slice(1);
  // Of names that it does not know it takes what they begin with, such as `&not`.
  return character.length > 1 && character.endsWith(';') ? reference : character;
}
