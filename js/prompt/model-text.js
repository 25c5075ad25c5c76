// What a model reads and writes: its vocabulary, its chat template, and the prompts that are made with them.

import { NibbleError } from '../base/errors.js';
import { unusedBlockWarnings } from '../gguf/unused-blocks.js';
import { mark, plain, TextWriter } from '../jinja/text.js';
import { createTokenizer } from '../tokenizer/tokenizer.js';
import { createChatTemplate, encodeChat } from './chat-template.js';

// Where a model without a template chats by names, it would write the user's next line itself.
const FALLBACK_STOPS = ['\nUser:'];

/** A tag that opens the model's thoughts, at the end of a prompt or the head of an answer. */
const OPENED = /(<[a-z][a-z_-]*>|\[[A-Z]+\])\s*$/;
const MOST_OPENING = 200;

/** @typedef {import('./messages.js').Message} Message */

/**
 * @typedef {import('./chat-template.js').WriteOptions & { continueLast?: boolean, parseSpecial?: boolean }} ChatOptions
 *   continueLast: the last message is the beginning of the answer; parseSpecial: control tokens that are written out in
 *   messages are ones
 *
 * @typedef {object} ReadPrompt a prompt as the model reads it
 * @property {number[]} tokens
 * @property {{ code: string, message: string }[]} warnings what was done otherwise than one would expect
 * @property {string} opening the tag that a chat's prompt ends in, which opens the model's thoughts; '' where there is none
 */

/** What is odd about a file, told without loading it. @param {import('../core/header.js').Header} header */
export function textWarnings(header) {
  return new ModelText(header).info.warnings;
}

/** The texts of one model. A model without a vocabulary runs by token ids; one with a damaged vocabulary does not run. */
export class ModelText {
  /** @type {import('./chat-template.js').ChatTemplate | null} */
  #chat = null;
  #unused;

  /** @param {import('../core/header.js').Header} header */
  constructor(header) {
    /** @type {import('../tokenizer/tokenizer.js').Tokenizer | null} */
    this.tokenizer = null;
    this.#unused = unusedBlockWarnings(header);
    const kind = header.get('tokenizer.ggml.model');
    if (kind === undefined || kind === 'no_vocab' || kind === 'none') return;
    this.tokenizer = createTokenizer(header);
    this.#chat = createChatTemplate(header, this.tokenizer);
  }

  /** What `engine.info` tells of them. */
  get info() {
    return {
      chatTemplate: this.#chat?.source ?? null,
      chatTemplates: this.#chat?.names ?? [],
      specialTokens: this.tokenizer?.ids ?? {},
      addBos: this.tokenizer?.addBos ?? false,
      warnings: this.#warnings,
    };
  }

  /** @returns {{ code: string, message: string }[]} */
  get #warnings() {
    return [...(this.tokenizer?.warnings ?? []), ...(this.#chat?.warnings ?? []), ...this.#unused];
  }

  /** The tokenizer, of a model that has one. @throws {NibbleError} TOKENIZER_MISSING */
  get vocabulary() {
    if (this.tokenizer === null) throw missing();
    return this.tokenizer;
  }

  /** Texts that end an answer to a chat beside those that the caller names. @param {ChatOptions} options */
  chatStops({ chatTemplate = null }) {
    return this.#chat?.hasNames && chatTemplate === null ? FALLBACK_STOPS : [];
  }

  /** The text that a chat becomes. @param {Message[]} messages @param {ChatOptions} [options] @returns {string} */
  render(messages, options) {
    return plain(this.#write(messages, options).text);
  }

  /**
   * The tokens that a chat becomes, and what of it was done otherwise than one would expect.
   * @param {Message[]} messages
   * @param {ChatOptions} [options]
   * @returns {ReadPrompt}
   */
  readChat(messages, options = {}) {
    const { text, warnings } = this.#write(messages, options);
    const { parseSpecial = false, continueLast = false } = options;
    const opening = continueLast ? '' : (openedBy(plain(text))?.[1] ?? '');
    return { tokens: encodeChat(this.vocabulary, text, { parseSpecial }), warnings, opening };
  }

  /**
   * The tokens that a completion begins with: those of a prompt or of a chat.
   * @param {{ prompt?: string, messages?: Message[] } & ChatOptions} start
   * @returns {ReadPrompt}
   */
  readStart({ prompt, messages, ...options }) {
    if (messages !== undefined) return this.readChat(messages, options);
    // Of the two, one is given.
    const tokens = this.vocabulary.encode(/** @type {string} */ (prompt), {
      parseSpecial: options.parseSpecial ?? true,
    });
    return { tokens, warnings: [], opening: '' };
  }

  /** @param {Message[]} messages @param {ChatOptions} [options] */
  #write(messages, { continueLast = false, ...options } = {}) {
    const chat = this.#chat;
    if (chat === null) throw missing();
    if (!continueLast) return chat.write(messages, options);
    const { text, warnings } = chat.write(messages.slice(0, -1), options);
    // That it is a text has been checked.
    const begun = /** @type {string} */ (messages[messages.length - 1].content);
    const writer = new TextWriter();
    writer.add(text);
    writer.add(mark(withoutOpening(begun, plain(text))));
    return { text: writer.text, warnings };
  }

  /** A token's own text; empty where there is none. @param {number} id */
  tokenText(id) {
    return this.tokenizer !== null && id < this.tokenizer.vocabularySize ? this.tokenizer.text(id) : '';
  }
}

const missing = () =>
  new NibbleError(
    'TOKENIZER_MISSING',
    'The model file has no vocabulary, so it can neither read nor write text. Pass token ids, or use another file.',
  );

/** The tag that a prompt ends in, and white space behind it. @param {string} prompt */
const openedBy = (prompt) => OPENED.exec(prompt.slice(-MOST_OPENING));

/** An answer that has begun, without the tag that opens its thoughts where the prompt ends in that tag. @param {string} answer @param {string} prompt */
function withoutOpening(answer, prompt) {
  const tag = openedBy(prompt);
  if (tag === null || !answer.trimStart().startsWith(tag[1])) return answer;
  const rest = answer.trimStart().slice(tag[1].length);
  const space = tag[0].slice(tag[1].length);
  return space !== '' && rest.startsWith(space) ? rest.slice(space.length) : rest;
}
