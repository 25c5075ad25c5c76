// What a model reads and writes: its vocabulary, its chat template, and the prompts that are made with them.
import { createChatTemplate, encodeChat } from './chat.js';
import { NibbleError } from './errors.js';
import { createTokenizer } from './tokenizer.js';

// Where a model without a template chats by names, it would write the user's next line itself.
const FALLBACK_STOPS = ['\nUser:'];

/** The texts of one model. A model without a vocabulary runs by token ids; one with a damaged vocabulary does not run. */
export class Texts {
  #chat = null;

  /** @param {import('./header.js').Header} header */
  constructor(header) {
    /** @type {import('./tokenizer.js').Tokenizer | null} */
    this.tokenizer = null;
    if (['no_vocab', 'none', undefined].includes(header.get('tokenizer.ggml.model'))) return;
    this.tokenizer = createTokenizer(header);
    this.#chat = createChatTemplate(header, this.tokenizer);
  }

  /** What `engine.info` tells of them. */
  get info() {
    return {
      chatTemplate: this.#chat?.source ?? null,
      specialTokens: this.tokenizer?.ids ?? {},
      addBos: this.tokenizer?.addBos ?? false,
      warnings: this.tokenizer?.warnings ?? [],
    };
  }

  /** The tokenizer, of a model that has one. @throws {NibbleError} TOKENIZER_MISSING */
  get vocabulary() {
    this.#check();
    return this.tokenizer;
  }

  #check() {
    if (this.tokenizer !== null) return;
    throw new NibbleError(
      'TOKENIZER_MISSING',
      'The model file has no vocabulary, so it can neither read nor write text. Pass token ids, or use another file.',
    );
  }

  /** Texts that end an answer to a chat beside those that the caller names. */
  get chatStops() {
    return this.#chat?.source === 'fallback' ? FALLBACK_STOPS : [];
  }

  /** The text that a chat becomes. */
  render(messages, options) {
    this.#check();
    return this.#chat.render(messages, options);
  }

  /**
   * The tokens that a chat becomes.
   * @param {object[]} messages
   * @param {{ continueLast?: boolean, addGenerationPrompt?: boolean }} [options] continueLast: the last message is the
   *   beginning of the answer
   */
  chatTokens(messages, { continueLast = false, ...options } = {}) {
    const { vocabulary } = this;
    if (!continueLast) return encodeChat(vocabulary, this.render(messages, options));
    return encodeChat(vocabulary, this.render(messages.slice(0, -1)) + messages.at(-1).content);
  }

  /** A token's own text; empty where there is none. */
  tokenText(id) {
    return this.tokenizer !== null && id < this.tokenizer.vocabularySize ? this.tokenizer.text(id) : '';
  }
}
