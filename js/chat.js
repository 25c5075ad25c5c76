// Chat templates: from messages to the text a model was trained on, by the Jinja template in its GGUF.

import { compile, LimitError, limitsFor, run } from './chat-sandbox.js';
import { NibbleError } from './errors.js';
import { nearestName } from './options.js';

/** @typedef {import('./tokenizer.js').Tokenizer} Tokenizer */
/** @typedef {import('./tokenizer.js').Metadata} Metadata */

/**
 * @typedef {{ type: string, text?: string, [key: string]: unknown }} ContentPart
 * @typedef {{ role: string, content?: string | ContentPart[] | null, [key: string]: unknown }} Message
 */

/**
 * @typedef {object} RenderOptions
 * @property {boolean} [addGenerationPrompt] end with the opening of the assistant's turn; true unless given
 * @property {object[]} [tools] JSON schemas of functions, as the OpenAI API has them
 * @property {Record<string, unknown>} [variables] more template variables, e.g. `{ enable_thinking: false }`
 */

/**
 * @typedef {object} ChatTemplate
 * @property {'model' | 'fallback'} source 'fallback' where the file has no template. Then ChatML is written if the
 *   vocabulary has its tokens, and else one line of `User: ...`, `Assistant: ...` or the like for each message.
 * @property {(messages: Message[], options?: RenderOptions) => string} render
 */

const KEY = 'tokenizer.chat_template';
/** The roles that a chat may always have; others are for a template that names them, as some do 'developer'. */
const ROLES = Object.freeze(['system', 'user', 'assistant', 'tool']);

/**
 * The template is compiled when first rendered, so a broken one does not keep a model from completing plain text.
 * With tools, `tokenizer.chat_template.tool_use` is taken where the file has it.
 * @param {Metadata} metadata
 * @param {Tokenizer} tokenizer
 * @param {{ now?: () => Date }} [options] the clock behind `strftime_now`
 * @returns {ChatTemplate} `render` throws CHAT_BAD_MESSAGES, as for a role that neither is one of ROLES nor stands in the
 *   template, and CHAT_TEMPLATE_FAILED with the reason in
 *   `details.reason` for a template that is damaged, raises an error or goes beyond its bounds
 */
export function createChatTemplate(metadata, tokenizer, { now = () => new Date() } = {}) {
  const plain = metadata.get(KEY);
  const withTools = metadata.get(`${KEY}.tool_use`);
  if (plain === undefined && withTools === undefined) return createFallback(tokenizer);
  const specialTokens = {
    bos_token: tokenText(tokenizer, tokenizer.ids.bos),
    eos_token: tokenText(tokenizer, tokenizer.ids.eos),
    unk_token: tokenText(tokenizer, tokenizer.ids.unknown),
    pad_token: tokenText(tokenizer, tokenizer.ids.padding),
  };
  /** @type {Map<unknown, import('./chat-sandbox.js').CompiledTemplate>} */
  const compiled = new Map();

  /** @type {ChatTemplate['render']} */
  function render(messages, { addGenerationPrompt = true, tools, variables = {} } = {}) {
    checkMessages(messages);
    const source = (tools !== undefined ? withTools : undefined) ?? plain ?? withTools;
    checkRoles(messages, source);
    try {
      if (typeof source !== 'string') throw new LimitError(`is a ${typeof source} and not a string`);
      let template = compiled.get(source);
      if (template === undefined) {
        template = compile(source);
        compiled.set(source, template);
      }
      const given = {
        ...specialTokens,
        strftime_now: (/** @type {unknown} */ format) => strftime(now(), format),
        raise_exception: raiseException,
        ...variables,
        messages: readsParts(source) ? messages : messages.map(joinParts),
        tools: tools ?? null,
        add_generation_prompt: addGenerationPrompt,
      };
      return run(template, given, limitsFor(textLength([messages, tools, variables])));
    } catch (error) {
      throw failure(error);
    }
  }
  return { source: 'model', render };
}

/**
 * Tokens of a rendered chat. Exactly one BOS where the model wants one, whether the template wrote it or not, and no
 * EOS, since the text is to be continued.
 * @param {Tokenizer} tokenizer
 * @param {string} text what `render` returned
 * @returns {number[]}
 */
export function encodeChat(tokenizer, text) {
  const ids = tokenizer.encode(text, { addSpecial: false, parseSpecial: true });
  const { bos } = tokenizer.ids;
  if (tokenizer.addBos && bos !== undefined && ids[0] !== bos) ids.unshift(bos);
  return ids;
}

/** @param {Tokenizer} tokenizer @param {number | undefined} id */
const tokenText = (tokenizer, id) => (id === undefined ? '' : tokenizer.text(id));

/** What a template itself reports by `raise_exception`. */
class RaisedError extends Error {}

/** @param {unknown} message @returns {never} */
function raiseException(message) {
  throw new RaisedError(typeof message === 'string' ? message.slice(0, 1000) : 'no reason given');
}

/** @param {any} error */
function failure(error) {
  const message = String(error?.message ?? error).slice(0, 1000);
  let reason = `it could not be run: ${message}`;
  if (error instanceof RaisedError) reason = `it refuses these messages: ${message}`;
  else if (error instanceof LimitError) reason = `it ${message}`;
  else if (error instanceof RangeError || error?.name === 'InternalError') reason = 'it nests or grows too far';
  return new NibbleError('CHAT_TEMPLATE_FAILED', `The model's chat template failed; ${reason}.`, {
    cause: error,
    details: { reason },
  });
}

/** @param {string} found @returns {never} */
function badMessages(found) {
  throw new NibbleError('CHAT_BAD_MESSAGES', `${found}; expected a list of { role: 'user', content: 'text' }.`);
}

/** @param {unknown} messages */
function checkMessages(messages) {
  if (!Array.isArray(messages)) badMessages(`The messages are ${messages === null ? 'null' : `a ${typeof messages}`}`);
  if (messages.length === 0) badMessages('The list of messages is empty');
  messages.forEach((message, index) => {
    const name = `Message ${index + 1}`;
    if (message === null || typeof message !== 'object') badMessages(`${name} is not an object`);
    if (typeof message.role !== 'string' || message.role === '') badMessages(`${name} has no role`);
    const { content } = message;
    if (typeof content === 'string' || content === undefined || content === null) {
      const absent = typeof content !== 'string' && message.tool_calls === undefined;
      if (absent) badMessages(`${name} has neither content nor tool_calls`);
    } else if (Array.isArray(content)) for (const part of content) checkPart(part, name);
    else badMessages(`${name} has content that is neither a string nor a list of parts`);
  });
}

/**
 * Most templates write whatever role they are given, so that a misspelt one would only make the answers worse.
 * @param {Message[]} messages
 * @param {unknown} source of the template, if there is one
 */
function checkRoles(messages, source) {
  const index = messages.findIndex(({ role }) => !ROLES.includes(role) && !namesRole(source, role));
  if (index === -1) return;
  const { role } = messages[index];
  const meant = role === 'developer' ? 'system' : nearestName(role, ROLES);
  const instead = meant === null ? `expected ${ROLES.join(', ')} or one that the template names` : `${meant} is meant?`;
  const message = `Message ${index + 1} has the role ${JSON.stringify(role.slice(0, 60))}; ${instead}`;
  throw new NibbleError('CHAT_BAD_MESSAGES', message.replace(/[^?]$/, '$&.'), {
    details: { index, role: role.slice(0, 60), roles: ROLES },
  });
}

/** @param {unknown} source @param {string} role */
const namesRole = (source, role) =>
  typeof source === 'string' && [`'${role}'`, `"${role}"`].some((literal) => source.includes(literal));

/** @param {any} part @param {string} name */
function checkPart(part, name) {
  if (part === null || typeof part !== 'object' || typeof part.type !== 'string') {
    badMessages(`${name} has a content part without a type`);
  }
  if (part.type === 'text' && typeof part.text !== 'string') badMessages(`${name} has a text part without text`);
}

/** A template that never looks at a part's type would print a list as it is. */
const readsParts = (/** @type {string} */ source) => /\[\s*['"]type['"]\s*\]|\.type\b/.test(source);

/** @param {Message} message @returns {Message} with text parts joined; other parts are left to the template */
function joinParts(message) {
  if (!Array.isArray(message.content) || !message.content.every((part) => part.type === 'text')) return message;
  return { ...message, content: message.content.map((part) => part.text).join('\n') };
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

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/**
 * Python's strftime in its C locale and local time; a directive it does not know stays as it is.
 * @param {Date} date @param {unknown} format
 */
function strftime(date, format) {
  if (typeof format !== 'string') throw new Error('strftime_now() takes a format string');
  const two = (/** @type {number} */ value) => String(value).padStart(2, '0');
  const midnight = new Date(date.getFullYear(), 0, 1);
  /** @type {Record<string, () => string>} */
  const directives = {
    Y: () => String(date.getFullYear()),
    y: () => two(date.getFullYear() % 100),
    m: () => two(date.getMonth() + 1),
    d: () => two(date.getDate()),
    B: () => MONTHS[date.getMonth()],
    b: () => MONTHS[date.getMonth()].slice(0, 3),
    A: () => DAYS[date.getDay()],
    a: () => DAYS[date.getDay()].slice(0, 3),
    H: () => two(date.getHours()),
    I: () => two(date.getHours() % 12 || 12),
    p: () => (date.getHours() < 12 ? 'AM' : 'PM'),
    M: () => two(date.getMinutes()),
    S: () => two(date.getSeconds()),
    j: () => String(1 + Math.floor((date.getTime() - midnight.getTime()) / 86_400_000 + 1 / 24)).padStart(3, '0'),
    '%': () => '%',
  };
  return format.replace(/%([a-zA-Z%])/g, (whole, letter) => directives[letter]?.() ?? whole);
}

/** @param {Tokenizer} tokenizer @returns {ChatTemplate} */
function createFallback(tokenizer) {
  const isToken = (/** @type {string} */ text) => {
    const ids = tokenizer.encode(text, { addSpecial: false });
    return ids.length === 1 && tokenizer.text(ids[0]) === text;
  };
  const chatml = isToken('<|im_start|>') && isToken('<|im_end|>');
  return {
    source: 'fallback',
    render(messages, { addGenerationPrompt = true } = {}) {
      checkMessages(messages);
      checkRoles(messages, undefined);
      const turns = messages.map(({ role, content }) => {
        const text = typeof content === 'string' ? content : partsText(content);
        return chatml ? `<|im_start|>${role}\n${text}<|im_end|>\n` : `${title(role)}: ${text}\n`;
      });
      if (addGenerationPrompt) turns.push(chatml ? '<|im_start|>assistant\n' : 'Assistant:');
      return turns.join('');
    },
  };
}

/** @param {Message['content']} content @returns {string} */
const partsText = (content) =>
  (Array.isArray(content) ? content : []).flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');

/** @param {string} role */
const title = (role) => role[0].toUpperCase() + role.slice(1);
