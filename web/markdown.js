// Draws a model's Markdown as it comes. The text is hostile until shown otherwise: elements are made one by one, none
// from HTML; nothing is fetched; a link leads to http, https or mailto. What the library cannot parse within bounds is
// shown as plain text.
import * as markdown from 'streaming-markdown';
import { make } from './dom.js';
import { icon } from './icons.js';

// The library's own stack holds 24; a text that nests deeper than this is no text for people.
const MOST_NESTED = 20;
// What the library holds back is copied with every further character.
const MOST_PENDING = 2000;
const PIECE = 512;
const SAFE_PROTOCOLS = ['http:', 'https:', 'mailto:'];
const COPIED_MILLISECONDS = 1600;

const { Token } = markdown;
const ELEMENTS = {
  [Token.Paragraph]: 'p',
  [Token.Heading_1]: 'h2',
  [Token.Heading_2]: 'h3',
  [Token.Heading_3]: 'h4',
  [Token.Heading_4]: 'h5',
  [Token.Heading_5]: 'h6',
  [Token.Heading_6]: 'h6',
  [Token.Blockquote]: 'blockquote',
  [Token.Line_Break]: 'br',
  [Token.Rule]: 'hr',
  [Token.List_Unordered]: 'ul',
  [Token.List_Ordered]: 'ol',
  [Token.List_Item]: 'li',
  [Token.Italic_Ast]: 'em',
  [Token.Italic_Und]: 'em',
  [Token.Strong_Ast]: 'strong',
  [Token.Strong_Und]: 'strong',
  [Token.Strike]: 's',
  [Token.Code_Inline]: 'code',
  [Token.Table_Cell]: 'td',
};
const LITERAL = [
  ...[Token.Code_Inline, Token.Code_Block, Token.Code_Fence, Token.Raw_URL, Token.Image],
  ...[Token.Equation_Inline, Token.Equation_Block],
];
const UNDERLINED = [Token.Italic_Und, Token.Strong_Und];
const LETTER = /[\p{L}\p{N}]$/u;

/** The address if a link may lead there, else null. @param {string} text */
export function safeAddress(text) {
  try {
    const { protocol, href } = new URL(text.trim());
    return SAFE_PROTOCOLS.includes(protocol) ? href : null;
  } catch {
    return null;
  }
}

class NestedTooDeep extends Error {}

/** Appends Markdown to an element, which it only ever adds to. */
export class MarkdownWriter {
  #root;
  #t;
  #parser;
  #stack;
  #source = '';
  #plain = null;

  /** @param {HTMLElement} root empty @param {(key: string) => string} t */
  constructor(root, t) {
    this.#root = root;
    this.#t = t;
    this.#stack = [{ token: Token.Document, element: root }];
    this.#parser = markdown.parser({
      data: null,
      add_token: (_, token) => this.#open(token),
      end_token: () => this.#close(),
      add_text: (_, text) => appendText(this.#top.element, text),
      set_attr: (_, name, value) => this.#set(name, value),
    });
  }

  /** @param {string} text any piece of the Markdown, in order */
  write(text) {
    this.#feed(text, () => {
      for (let start = 0; start < text.length; start += PIECE) {
        this.#writePiece(text.slice(start, start + PIECE));
        if (this.#parser.pending.length > MOST_PENDING) throw new NestedTooDeep();
      }
    });
  }

  /** Nothing comes any more. */
  end() {
    this.#feed('', () => markdown.parser_end(this.#parser));
  }

  get #top() {
    return this.#stack.at(-1);
  }

  #feed(text, parse) {
    this.#source += text;
    if (this.#plain !== null) {
      this.#plain.appendData(text);
      return;
    }
    try {
      parse();
    } catch {
      // The library's state is lost with whatever went wrong in it; the text is not.
      this.#plain = document.createTextNode(this.#source);
      this.#root.replaceChildren(make('p', { class: 'plain' }, this.#plain));
    }
  }

  /** An underscore within a word, as in snake_case, is no emphasis, which the library takes it for. */
  #writePiece(piece) {
    for (let start = 0; start < piece.length; ) {
      const underscore = piece.indexOf('_', start);
      const end = underscore === -1 ? piece.length : underscore;
      markdown.parser_write(this.#parser, piece.slice(start, end));
      if (underscore !== -1) markdown.parser_write(this.#parser, this.#isWithinWord(piece, underscore) ? '\\_' : '_');
      start = end + 1;
    }
  }

  #isWithinWord(piece, index) {
    const { token, pending } = this.#parser;
    if (LITERAL.includes(token) || pending.startsWith('](') || pending.startsWith('`')) return false;
    if (this.#stack.some((open) => UNDERLINED.includes(open.token))) return false;
    const before = index > 0 ? piece.slice(Math.max(0, index - 2), index) : this.#lastWritten(piece);
    return LETTER.test(before);
  }

  #lastWritten(piece) {
    const at = this.#source.length - piece.length;
    return this.#source.slice(Math.max(0, at - 2), at);
  }

  #open(token) {
    if (this.#stack.length > MOST_NESTED) throw new NestedTooDeep();
    const parent = this.#top.element;
    const open = { token, element: parent, address: null };
    this.#stack.push(open);
    if (token === Token.Code_Fence || token === Token.Code_Block) this.#openCode(open);
    else if (token === Token.Table) this.#openTable(open);
    else if (token === Token.Table_Row) open.element = tableSection(parent).appendChild(make('tr'));
    else if (token === Token.Table_Cell) open.element = parent.appendChild(make(cellName(parent)));
    else if (token === Token.Checkbox) open.element = parent.appendChild(make('span', { class: 'task' }, '☐ '));
    else if (token === Token.Equation_Inline || token === Token.Equation_Block) this.#openEquation(open);
    else if (token in ELEMENTS) open.element = parent.appendChild(make(ELEMENTS[token]));
    else open.element = parent.appendChild(make('span'));
  }

  #openCode(open) {
    const code = make('code');
    const language = make('span', { class: 'code-language' });
    const copy = make('button', { type: 'button', class: 'quiet' }, icon('copy'), this.#t('code.copy'));
    copy.addEventListener('click', () => this.#copy(copy, code.textContent));
    const head = make('div', { class: 'code-head' }, language, copy);
    // What scrolls has to be reachable by the keyboard.
    const pre = make('pre', { tabindex: 0 }, code);
    open.element.append(make('div', { class: 'code' }, head, pre));
    open.language = language;
    open.element = code;
  }

  async #copy(button, text) {
    const done = await navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
    const label = button.lastChild;
    label.data = this.#t(done ? 'copied' : 'copy.failed');
    setTimeout(() => {
      label.data = this.#t('code.copy');
    }, COPIED_MILLISECONDS);
  }

  #openTable(open) {
    const table = make('table');
    const label = this.#t('table');
    open.element.append(make('div', { class: 'table', tabindex: 0, role: 'group', 'aria-label': label }, table));
    open.element = table;
  }

  /** Formulas are shown as they were written: what looks like one is often a price or a variable. */
  #openEquation(open) {
    const { pending } = this.#parser;
    const [start, end] = pending.startsWith('\\')
      ? open.token === Token.Equation_Inline
        ? ['\\(', '\\)']
        : ['\\[', '\\]']
      : open.token === Token.Equation_Inline
        ? ['$', '$']
        : ['$$', '$$'];
    open.element = open.element.appendChild(make('span', { class: 'formula' }, start));
    open.end = end;
  }

  #close() {
    if (this.#stack.length === 1) return;
    const { token, element, address, end } = this.#stack.pop();
    if (end) appendText(element, end);
    if (token === Token.Link || token === Token.Image) finishLink(element, address, token === Token.Image, this.#t);
    else if (token === Token.Raw_URL) finishAddress(element);
  }

  #set(name, value) {
    const open = this.#top;
    if (name === markdown.LANG && open.language) open.language.textContent = value.trim().split(/\s/)[0].slice(0, 30);
    else if (name === markdown.CHECKED) open.element.textContent = '☑ ';
    else if (name === markdown.START && /^\d{1,9}$/.test(value)) open.element.setAttribute('start', value);
    else if (name === markdown.HREF || name === markdown.SRC) open.address = value;
  }
}

function appendText(element, text) {
  if (element.lastChild?.nodeType === Node.TEXT_NODE) element.lastChild.appendData(text);
  else element.append(text);
}

function tableSection(table) {
  if (table.childElementCount === 0) return table.appendChild(make('thead'));
  return table.children[1] ?? table.appendChild(make('tbody'));
}

const cellName = (row) => (row.parentElement.tagName === 'THEAD' ? 'th' : 'td');

const link = (href) => make('a', { href, rel: 'noopener noreferrer', target: '_blank', title: href });

/** A link or a picture is complete: `place` holds its text. */
function finishLink(place, written, isImage, t) {
  if (written === null) {
    place.prepend(isImage ? '![' : '[');
    place.append(']');
    return;
  }
  const address = safeAddress(written);
  if (isImage) place.prepend(`${t('image')} `);
  if (address === null) {
    place.classList.add('no-link');
    return;
  }
  const made = link(address);
  made.append(...place.childNodes);
  if (made.textContent.trim() === '') made.textContent = address;
  place.replaceWith(made);
}

/** A bare address: the full stop behind it is not part of it. */
function finishAddress(place) {
  const [, text, rest] = /^(.*?)([.,;:!?)\]}'"]*)$/s.exec(place.textContent);
  const address = safeAddress(text);
  if (address === null) return;
  const made = link(address);
  made.textContent = text;
  place.replaceWith(made, rest);
}
