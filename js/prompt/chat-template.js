// Chat templates: from messages to the text a model was trained on, by the Jinja template in its GGUF.

import { ended, NibbleError } from '../base/errors.js';
import { strftime } from '../jinja/strftime.js';
import { compile, LimitError, RaisedError, raiseException, render, stringFunction } from '../jinja/template.js';
import { Marked, plain } from '../jinja/text.js';
import { Callable, NO_CONTENT } from '../jinja/values.js';
import { writeLines } from './fallback-template.js';
import { findFamily } from './family-templates.js';
import { readTemplates } from './file-templates.js';
import { checkMessages, inParts, isSystem, joined, withSystemInFront } from './messages.js';
import { findCallManners, haveCalls, withFittingArguments } from './tool-calls.js';

/** @typedef {import('../tokenizer/tokenizer.js').Tokenizer} Tokenizer */
/** @typedef {import('../tokenizer/tokenizer.js').Metadata} Metadata */
/** @typedef {import('./messages.js').Message} Message */
/** @typedef {import('../jinja/text.js').Text} Text */
/** @typedef {import('../jinja/values.js').Value} Value */
/** @typedef {import('../jinja/template.js').ToValue} ToValue */
/** @typedef {{ code: string, message: string }} Warning */

/**
 * @typedef {object} WriteOptions
 * @property {boolean} [addGenerationPrompt] end with the opening of the assistant's turn; true unless given
 * @property {object[] | null} [tools] JSON schemas of functions, as the OpenAI API has them
 * @property {string | null} [template] the name of one of the file's templates; by default 'tool_use' where there are tools
 *   and it has that, and else 'default'
 * @property {string | null} [chatTemplate] the source of a template to use in place of the file's
 * @property {Record<string, unknown> | null} [templateVariables] more variables, e.g. `{ enable_thinking: false }`
 */

/**
 * @typedef {object} ChatTemplate
 * @property {'model' | 'fallback'} source 'fallback' where the file has no template. Then chats are written as the family
 *   does of which the vocabulary has the tokens, and else as one line of `User: ...`, `Assistant: ...` or the like for
 *   each message.
 * @property {string[]} names of the file's templates, 'default' the one that has no name of its own
 * @property {boolean} [hasNames] chats are such lines
 * @property {Warning[]} warnings what is odd about it
 * @property {(messages: Message[], options?: WriteOptions) => { text: Text, warnings: Warning[] }} write the text of a
 *   chat, in which everything that was said is marked: contents, names, tools, their calls and results, and variables.
 *   warnings: SYSTEM_MOVED, TOOLS_IGNORED
 */

const NEEDLE = 'needle';
const MOST_GIVEN = 4;
const SYSTEM_MOVED = Object.freeze({
  code: 'SYSTEM_MESSAGE_MOVED',
  message: "The model's chat template takes no system message; its text goes in front of the first user message.",
});

const TOOLS_IGNORED = Object.freeze({
  code: 'TOOLS_IGNORED',
  message: "The model's chat template knows no tools; those that were given are left out.",
});

/** What is said of tools that a template does not know. @param {unknown} source @param {WriteOptions} options @returns {Warning[]} */
const ofTools = (source, { tools }) =>
  tools && tools.length > 0 && !(typeof source === 'string' && /\btools\b/.test(source)) ? [TOOLS_IGNORED] : [];

/**
 * Some templates look through all messages for each of them. 4 million steps take a quarter of a second, and the time ends
 * what has been given more.
 * @param {number} inputLength UTF-16 units in the messages and tools
 * @param {number} messageCount
 * @returns {import('../jinja/budget.js').Limits}
 */
const limitsFor = (inputLength, messageCount) => ({
  steps: 4e6 + 2e4 * messageCount + inputLength,
  depth: 600,
  text: (1 << 20) + 4 * inputLength,
  items: 1 << 18,
  milliseconds: 5000,
});
/** For what is tried out when a model is loaded. */
const PROBE_LIMITS = Object.freeze({ steps: 2e5, depth: 600, text: 1 << 18, items: 1 << 16, milliseconds: 5000 });

/**
 * A template that cannot be used does not keep a model from completing plain text: `warnings` tells it, and `write` throws.
 * @param {Metadata} metadata
 * @param {Tokenizer} tokenizer
 * @param {{ now?: () => Date }} [options] the clock behind `strftime_now`
 * @returns {ChatTemplate} `write` throws CHAT_BAD_MESSAGES, as for a part that is no text or a role that neither is one of
 *   the usual nor stands in the template, CHAT_TEMPLATE_FAILED with the reason in `details.reason` for a template that
 *   is damaged, raises an error or goes beyond its bounds, and INVALID_ARGUMENT for the name of a template that is not there
 */
export function createChatTemplate(metadata, tokenizer, { now = () => new Date() } = {}) {
  const templates = readTemplates(metadata);
  const variables = variablesOf(tokenizer, now);
  if (templates.choose({}) !== undefined) return new ModelTemplate(templates, variables);
  const family = findFamily(tokenizer);
  const how = family === undefined ? 'lines such as "User: Hello"' : `${family.name} has them`;
  const message = `The model file has no chat template; chats are written as ${how}, which the model may not have learnt.`;
  const missing = [{ code: 'CHAT_TEMPLATE_MISSING', message }];
  const choose = (/** @type {WriteOptions} */ options) => templates.choose(options) ?? family?.template;
  const template = new ModelTemplate({ ...templates, choose }, variables, missing);
  if (family !== undefined) return template;
  return {
    source: 'fallback',
    names: templates.names,
    hasNames: true,
    warnings: missing,
    write(messages, options = {}) {
      // A name may still be that of a template for something else.
      if (typeof options.chatTemplate === 'string' || choose(options) !== undefined)
        return template.write(messages, options);
      return { text: writeLines(messages, options), warnings: ofTools(null, options) };
    },
  };
}

/** What every template finds beside the chat. @param {Tokenizer} tokenizer @param {() => Date} now */
function variablesOf(tokenizer, now) {
  const text = (/** @type {number | undefined} */ id) => (id === undefined ? '' : tokenizer.text(id));
  const { bos, eos, unknown, padding } = tokenizer.ids;
  return {
    ...{ bos_token: text(bos), eos_token: text(eos), unk_token: text(unknown), pad_token: text(padding) },
    strftime_now: stringFunction('strftime_now', (format) => strftime(now(), format)),
    raise_exception: raiseException,
  };
}

/**
 * @typedef {object} Manners what a template does with messages
 * @property {boolean} takesSystem
 * @property {boolean} wantsParts a content has to be a list of parts
 * @property {boolean} takesParts it may be one
 */

/** @implements {ChatTemplate} */
class ModelTemplate {
  #templates;
  #missing;
  #variables;
  /** @type {Map<unknown, ReturnType<typeof compile>>} */
  #compiled = new Map();
  /** @type {Warning[] | null} */
  #warnings = null;
  /** Of each source, what it makes of a system message and of texts. @type {Map<unknown, Manners>} */
  #manners = new Map();
  /** @type {Map<unknown, ReturnType<typeof findCallManners>>} */
  #callManners = new Map();
  /** Templates of callers, the one used last at the end. @type {string[]} */
  #given = [];

  /** @param {import('./file-templates.js').Templates} templates @param {Record<string, unknown>} variables @param {Warning[]} [missing] */
  constructor(templates, variables, missing = []) {
    this.#templates = templates;
    this.#variables = variables;
    this.#missing = missing;
  }

  /** @returns {'model' | 'fallback'} */
  get source() {
    return this.#missing.length > 0 ? 'fallback' : 'model';
  }

  /** @returns {string[]} */
  get names() {
    return this.#templates.names;
  }

  /** @returns {Warning[]} */
  get warnings() {
    this.#warnings ??= [...this.#missing, ...this.#findWarnings()];
    return this.#warnings;
  }

  #findWarnings() {
    const source = this.#templates.choose({});
    try {
      this.#compile(source);
    } catch (error) {
      const { code, message } = failure(error);
      return [{ code, message: `${message} Chats with it fail.` }];
    }
    return this.#mannersOf(source).takesSystem ? [] : [SYSTEM_MOVED];
  }

  /** @type {ChatTemplate['write']} */
  write(messages, options = {}) {
    const source = options.chatTemplate ?? this.#templates.choose(options);
    checkMessages(messages, source);
    try {
      const { takesSystem, wantsParts, takesParts } = this.#mannersOf(source);
      const fitting = haveCalls(messages) ? withFittingArguments(messages, this.#callMannersOf(source)) : messages;
      const shaped = fitting.map(wantsParts ? inParts : takesParts ? (message) => message : joined);
      const mayMove = isSystem(messages[0]);
      if (mayMove && !takesSystem) return this.#moved(source, shaped, options);
      return this.#written(source, shaped, options, mayMove);
    } catch (error) {
      throw failure(error, options.chatTemplate ? 'The chat template that was given' : undefined);
    } finally {
      if (options.chatTemplate) this.#keepFew(options.chatTemplate);
    }
  }

  /** What is known of a template that was given is kept for the next call, and of earlier ones only a few. @param {string} source */
  #keepFew(source) {
    this.#given = [...this.#given.filter((one) => one !== source), source];
    for (const old of this.#given.splice(0, this.#given.length - MOST_GIVEN)) {
      for (const known of [this.#compiled, this.#manners, this.#callManners]) known.delete(old);
    }
  }

  /**
   * @param {unknown} source @param {Message[]} messages @param {WriteOptions} options
   * @param {boolean} mayMove where the template refuses the messages, it may be the first that it refuses
   */
  #written(source, messages, options, mayMove) {
    try {
      return { text: this.#run(source, messages, options), warnings: ofTools(source, options) };
    } catch (error) {
      if (!mayMove || !(error instanceof RaisedError)) throw error;
      try {
        return this.#moved(source, messages, options);
      } catch {
        throw error;
      }
    }
  }

  /** @param {unknown} source @param {Message[]} messages @param {WriteOptions} options */
  #moved(source, messages, options) {
    const text = this.#run(source, withSystemInFront(messages), options);
    return { text, warnings: [SYSTEM_MOVED, ...ofTools(source, options)] };
  }

  /** @param {unknown} source */
  #compile(source) {
    let template = this.#compiled.get(source);
    if (template === undefined) {
      if (typeof source !== 'string') throw new LimitError(`is a ${typeof source} and not a string`);
      template = compile(source);
      this.#compiled.set(source, template);
    }
    return template;
  }

  /**
   * @param {unknown} source @param {Message[]} messages @param {WriteOptions} options
   * @param {import('../jinja/budget.js').Limits} [limits]
   */
  #run(source, messages, options, limits) {
    const { addGenerationPrompt = true, tools = null, templateVariables = null } = options;
    const given = templateVariables ?? {};
    return render(
      this.#compile(source),
      (toValue) => ({
        ...eachValue(this.#variables, (value) => toValue(value, false)),
        ...eachValue(given, (value) => toValue(value, true)),
        messages: messages.map((message) => messageValue(message, toValue)),
        tools: toValue(tools, true),
        add_generation_prompt: addGenerationPrompt,
      }),
      limits ?? limitsFor(textLength([messages, tools, given]), messages.length),
    );
  }

  /**
   * What a template makes of a system message, and of texts that are no lists; known by trying.
   * @param {unknown} source
   */
  #mannersOf(source) {
    let manners = this.#manners.get(source);
    if (manners === undefined) {
      manners = this.#tryOut(source);
      this.#manners.set(source, manners);
    }
    return manners;
  }

  /** @param {unknown} source */
  #callMannersOf(source) {
    let manners = this.#callManners.get(source);
    if (manners === undefined) {
      manners = findCallManners(NEEDLE, (messages) => this.#shown(source, messages));
      this.#callManners.set(source, manners);
    }
    return manners;
  }

  /**
   * What a template makes of messages with a needle in them; null: nothing in which that is found.
   * @param {unknown} source @param {Message[]} messages
   */
  #shown(source, messages) {
    try {
      const text = plain(this.#run(source, messages, {}, PROBE_LIMITS));
      return text.includes(NEEDLE) ? text : null;
    } catch {
      return null;
    }
  }

  /** @param {unknown} source @returns {Manners} */
  #tryOut(source) {
    const user = { role: 'user', content: NEEDLE };
    const shown = (/** @type {Message[]} */ messages) => this.#shown(source, messages);
    const [byText, byParts] = [shown([user]), shown([inParts(user)])];
    const wantsParts = byText === null && byParts !== null;
    const shape = wantsParts ? inParts : (/** @type {Message} */ message) => message;
    const other = shape({ role: 'user', content: 'x' });
    const isUsable = byText !== null || byParts !== null;
    const takesSystem = !isUsable || shown([shape({ role: 'system', content: NEEDLE }), other]) !== null;
    // A template that never looks at parts would print the list as it is.
    return { wantsParts, takesParts: byText !== null && byText === byParts, takesSystem };
  }
}

/** @param {Record<string, unknown>} object @param {(value: unknown) => Value} change @returns {Record<string, Value>} */
const eachValue = (object, change) =>
  Object.fromEntries(
    Object.entries(object).map(([name, value]) => [name, value instanceof Callable ? value : change(value)]),
  );

/** A message whose content is missing or null is one without content; its role is the template's own word. @param {Message} message @param {ToValue} toValue */
function messageValue(message, toValue) {
  const value = /** @type {import('../jinja/values.js').Dict} */ (toValue(message, true));
  value.set('role', message.role);
  if (message.content === undefined || message.content === null) value.set('content', NO_CONTENT);
  return value;
}

/**
 * Tokens of a chat. Exactly one BOS where the model wants one, whether the template wrote it or not, and no EOS, since
 * the text is to be continued. What somebody said becomes no control token.
 * @param {Tokenizer} tokenizer
 * @param {Text} text what `write` gave
 * @param {{ parseSpecial?: boolean }} [options] parseSpecial: control tokens that are said are ones, too
 * @returns {number[]}
 */
export function encodeChat(tokenizer, text, { parseSpecial = false } = {}) {
  const said = text instanceof Marked && !parseSpecial ? text.spans : [];
  const ids = tokenizer.encode(plain(text), { addSpecial: false, said });
  const { bos } = tokenizer.ids;
  if (tokenizer.addBos && bos !== undefined && ids[0] !== bos) ids.unshift(bos);
  return ids;
}

/** @param {any} error @param {string} [what] failed */
function failure(error, what = "The model's chat template") {
  if (error instanceof NibbleError) return error;
  const message = String(error?.message ?? error).slice(0, 1000);
  let reason = `it could not be run: ${message}`;
  if (error instanceof RaisedError) reason = `it refuses these messages: ${message}`;
  else if (error instanceof LimitError) reason = `it ${message}`;
  else if (error instanceof RangeError || error?.name === 'InternalError') reason = 'it nests or grows too far';
  return new NibbleError('CHAT_TEMPLATE_FAILED', `${what} failed; ${ended(reason)}`, {
    cause: error,
    details: { reason },
  });
}

/** @param {unknown} value @returns {number} characters in all strings, which is what a template may have to print */
function textLength(value) {
  let length = 0;
  const seen = new Set();
  const pending = [value];
  while (pending.length > 0) {
    const top = pending.pop();
    if (typeof top === 'string') length += top.length;
    if (top === null || typeof top !== 'object' || seen.has(top)) continue;
    seen.add(top);
    for (const [key, child] of Object.entries(top)) {
      length += key.length;
      pending.push(child);
    }
  }
  return length;
}
