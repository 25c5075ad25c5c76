// Markdown's text as tokens: CommonMark and GFM, with formulas kept as they were written, and within bounds, since a
// model's text may be anything. What goes beyond them is a text like any other.
import { Lexer, Tokenizer } from 'marked';
import markedCjkFriendly from 'marked-cjk-friendly';

/**
 * @typedef {object} Token what a text is made of, as far as it is drawn: the library's Token, and 'formula' among blocks and
 *   within lines
 * @property {string} type
 * @property {string} raw
 * @property {string} [text]
 * @property {Token[]} [tokens] what is within it
 * @property {number} [depth] of a heading
 * @property {string} [lang] of code
 * @property {boolean} [ordered] of a list, as the next three
 * @property {number | ''} [start]
 * @property {boolean} [loose]
 * @property {Token[]} [items]
 * @property {boolean} [checked] of a task
 * @property {(string | null)[]} [align] of a table, as the next two
 * @property {Cell[]} [header]
 * @property {Cell[][]} [rows]
 * @property {string} [href] of a link, as the next three
 * @property {string | null} [title]
 * @property {boolean} [autolink] it is the address itself
 * @property {string} [tag] the label that a definition is of
 */

/** @typedef {import('marked').Token} LibraryToken */
/** @typedef {{ tokens: Token[] }} Cell of a table */
/** @typedef {Record<string, { href: string, title: string | null }>} Definitions of links, by label */
/** @typedef {import('marked').Tokens.Em | import('marked').Tokens.Strong | import('marked').Tokens.Del | undefined | false} Marked */
/** @typedef {(this: Tokenizer, source: string, line: string, before?: string) => Marked} ReadMarks */
/** @typedef {{ emStrong: ReadMarks, del: ReadMarks }} CjkTokenizer what the second library puts in the place of the first one's */

// A text that nests deeper than this is no text for people.
const MOST_NESTED = 20;
// How often a text may be read anew on the way into its depths, on average over its characters.
const MOST_READINGS = 16;
const FREE_CHARACTERS = 4000;
const MOST_COLUMNS = 64;
// The library may compare each mark of a line of text with all that follows it.
const MOST_COMPARED = 3_000_000;
const OF_MAILBOX = /[\w.!#$%&'*+/=?`{|}~-]/;
const MARK = /[*_~`[\]<>!\\$&@:]/g;

const DISPLAYED_FORMULA = /^ {0,3}(\$\$|\\\[)[ \t]*(?:\n|$)/;
const FORMULA = /^(?:\\\((?:[^\\]|\\(?!\)))+\\\)|\\\[(?:[^\\]|\\(?!\]))+\\\]|\$\$[^$]+\$\$)/;
// Between single dollars, which are mostly of prices, stars are taken for products only where there are no blanks, or
// where more of it tells a formula.
const SHORT_FORMULA = /^\$(?![\s$])(?:[^$*`\n]*|[^\s$`]*|(?=[^$`\n]*[\\^_={}])[^$`\n]*)[^\s$`\\]\$(?!\d)/;
// Where a line has such letters, marks beside them need no blank: **注意：**这 is bold, as it is meant.
const EAST_ASIAN = /[\u1100-\u11ff\u2e80-\uffef\u{1b000}-\u{1b2fb}\u{20000}-\u{3fffd}]/u;
const { emStrong, del } = /** @type {CjkTokenizer} */ (markedCjkFriendly().tokenizer);
/** @type {Record<string, string>} */
const CLOSING = { $$: '$$', '\\[': '\\]' };
// Chinese needs no space behind an address.
const ADDRESS = /^[^\s<，。、；：！？（）【】《》“”「」]+/;

/** What looks like a formula is often a price or a variable, and is shown as it was written. */
const EXTENSIONS = {
  renderers: {},
  childTokens: {},
  block: [displayedFormula],
  inline: [formula],
};

/** @param {string} source */
function displayedFormula(source) {
  const opening = DISPLAYED_FORMULA.exec(source);
  if (opening === null) return undefined;
  const blank = source.search(/\n[ \t]*(?:\n|$)/);
  const block = blank === -1 ? source : source.slice(0, blank);
  const closing = block.indexOf(CLOSING[opening[1]], opening[0].length);
  const end = closing === -1 ? -1 : block.indexOf('\n', closing);
  const raw = end === -1 ? block : block.slice(0, end);
  return { type: 'formula', raw, text: raw };
}

/** @param {string} source */
function formula(source) {
  if (source[0] !== '$' && source[0] !== '\\') return undefined;
  const found = FORMULA.exec(source) ?? SHORT_FORMULA.exec(source);
  return found ? { type: 'formula', raw: found[0], text: found[0] } : undefined;
}

class PageTokenizer extends Tokenizer {
  /** @param {string} source */
  list(source) {
    return this.#count(super.list(source));
  }

  /** @param {string} source */
  blockquote(source) {
    return this.#count(super.blockquote(source));
  }

  /** Where a quote goes on behind a list, the library reads the list again by itself. @template {{ raw: string } | undefined} Read @param {Read} token */
  #count(token) {
    if (token && this.lexer instanceof BoundedLexer) this.lexer.spend(token.raw.length);
    return token;
  }

  /** @param {string} source */
  table(source) {
    const columns = source.split('\n', 1)[0].split('|', MOST_COLUMNS + 1).length;
    return columns <= MOST_COLUMNS ? super.table(source) : undefined;
  }

  /** @param {string} source */
  url(source) {
    const address = ADDRESS.exec(source);
    return address ? super.url(address[0]) : undefined;
  }

  /** @param {string} source @param {string} line @param {string} [before] */
  emStrong(source, line, before) {
    if (!EAST_ASIAN.test(line)) return super.emStrong(source, line, before);
    const read = emStrong.call(this, source, line, before);
    return read && read.type !== 'del' ? read : undefined;
  }

  /** A single tilde is "about", or a range. @param {string} source @param {string} line @param {string} [before] */
  del(source, line, before) {
    if (!source.startsWith('~~')) return undefined;
    if (!EAST_ASIAN.test(line)) return super.del(source, line, before);
    const read = del.call(this, source, line, before);
    return read && read.type === 'del' ? read : undefined;
  }

  /** @param {string} source */
  inlineText(source) {
    const token = super.inlineText(source);
    const dollar = token ? token.raw.indexOf('$', 1) : -1;
    if (!token || dollar === -1) return token;
    const raw = token.raw.slice(0, dollar);
    return { ...token, raw, text: raw };
  }
}

class BoundedLexer extends Lexer {
  #blockDepth = 0;
  #inlineDepth = 0;
  #left;

  /** @param {number} length of the text */
  constructor(length) {
    super({ gfm: true, breaks: true, tokenizer: new PageTokenizer({}), extensions: EXTENSIONS });
    this.#left = length * MOST_READINGS + FREE_CHARACTERS;
  }

  /** @param {number} characters that were read */
  spend(characters) {
    this.#left -= characters;
  }

  /** @param {string} source @param {LibraryToken[]} [tokens] @param {boolean} [isContinued] @returns {any} what the library's own gives */
  blockTokens(source, tokens = [], isContinued = false) {
    this.spend(source.length);
    if (this.#blockDepth >= MOST_NESTED || this.#left < 0) {
      if (source !== '') tokens.push({ ...plain(source), tokens: [plain(source)] });
      return tokens;
    }
    this.#blockDepth++;
    try {
      return super.blockTokens(source, tokens, isContinued);
    } finally {
      this.#blockDepth--;
    }
  }

  /** @param {string} source @param {LibraryToken[]} [tokens] */
  inlineTokens(source, tokens = []) {
    this.spend(source.length);
    if (this.#inlineDepth >= MOST_NESTED || this.#left < 0 || isCostly(source)) {
      if (source !== '') tokens.push(plain(source));
      return tokens;
    }
    this.#inlineDepth++;
    try {
      return super.inlineTokens(source, tokens);
    } finally {
      this.#inlineDepth--;
    }
  }
}

/** @param {string} text */
const plain = (text) => ({ type: 'text', raw: text, text });

/** @param {string} source */
function isCostly(source) {
  if (source.length ** 2 <= MOST_COMPARED) return false;
  const marks = source.match(MARK)?.length ?? 0;
  return marks * source.length + comparedForMail(source) > MOST_COMPARED;
}

/** The library looks from each character of what may be the name of a mailbox to its end. @param {string} source */
function comparedForMail(source) {
  let compared = 0;
  for (let end = source.indexOf('@'); end !== -1; end = source.indexOf('@', end + 1)) {
    let start = end;
    while (start > 0 && OF_MAILBOX.test(source[start - 1])) start--;
    compared += (end - start) ** 2;
  }
  return compared;
}

/**
 * @param {string} source Markdown whose lines end in '\n'
 * @param {Definitions} definitions
 * @returns {Token[]}
 */
export function lex(source, definitions) {
  const lexer = new BoundedLexer(source.length);
  Object.assign(lexer.tokens.links, definitions);
  return [...lexer.lex(source)];
}

/** The definitions of links in blocks, those within quotes and lists too. @param {Token[]} tokens @returns {Token[]} */
export function definitionsIn(tokens) {
  return tokens.flatMap((token) => {
    if (token.type === 'def') return [token];
    if (token.type === 'list') return (token.items ?? []).flatMap((item) => definitionsIn(item.tokens ?? []));
    return token.type === 'blockquote' ? definitionsIn(token.tokens ?? []) : [];
  });
}

/** As the library compares labels. @param {string} label */
export const normalizeLabel = (label) => label.trim().replace(/\s+/g, ' ').toLowerCase().toUpperCase().toLowerCase();
