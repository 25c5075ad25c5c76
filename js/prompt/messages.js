// The messages of a chat as callers give them: checked, and brought into the shape that a template wants.
import { NibbleError } from '../base/errors.js';
import { nearestName } from '../base/options.js';

/**
 * What every part of what a message says has.
 * @typedef {object} ContentFields
 * @property {string} type What it is. Only text can be read: parts of type `'text'`, and parts of other types that the template
 *   names and that are no images, sounds or the like. Error: `CHAT_BAD_MESSAGES`.
 * @property {string} [text] The text. Default: absent.
 */

/** @typedef {ContentFields & Record<string, unknown>} ContentPart A part of what a message says. What else it has is for the template. */

/**
 * What every message of a chat has.
 * @typedef {object} MessageFields
 * @property {string} role Who says it: `'system'`, `'user'`, `'assistant'`, `'tool'`, or one that the template names. Any other
 *   is refused with `CHAT_BAD_MESSAGES`, as it may be misspelt.
 * @property {string | ContentPart[] | null} [content] What is said. Default: nothing, which is an error without `tool_calls`.
 */

/**
 * A message of a chat. What else it has is for the template, such as `tool_calls`, whose arguments are objects or JSON.
 * @typedef {MessageFields & Record<string, unknown>} Message
 */

/** The roles that a chat may always have; others are for a template that names them, as some do 'developer'. */
const ROLES = Object.freeze(['system', 'user', 'assistant', 'tool']);
const SYSTEM_ROLES = Object.freeze(['system', 'developer']);

export const isSystem = (/** @type {Message} */ { role }) => SYSTEM_ROLES.includes(role);

/** @typedef {{ name: string, index: number, template: unknown }} Place of a message: what it is called, and for whom it is */

/** @param {string} found @returns {never} */
function badMessages(found) {
  throw new NibbleError('CHAT_BAD_MESSAGES', `${found}; expected a list of { role: 'user', content: 'text' }.`);
}

/**
 * @param {unknown} messages
 * @param {unknown} [template] the source of the template, if there is one: for the roles that it names
 * @throws {NibbleError} CHAT_BAD_MESSAGES
 */
export function checkMessages(messages, template) {
  if (!Array.isArray(messages)) badMessages(`The messages are ${messages === null ? 'null' : `a ${typeof messages}`}`);
  if (messages.length === 0) badMessages('The list of messages is empty');
  // forEach() would leave out the holes of a list.
  Array.from(messages).forEach((message, index) => {
    const name = `Message ${index + 1}`;
    if (message === null || typeof message !== 'object') badMessages(`${name} is not an object`);
    if (typeof message.role !== 'string' || message.role === '') badMessages(`${name} has no role`);
    checkContent(message, { name, index, template });
  });
  checkRoles(messages, template);
}

/** @param {{ content?: unknown, tool_calls?: unknown }} message @param {Place} place */
function checkContent({ content, tool_calls: toolCalls }, place) {
  const { name } = place;
  if (typeof content === 'string') return;
  if (content === undefined || content === null) {
    if (toolCalls === undefined) badMessages(`${name} has neither content nor tool_calls`);
  } else if (Array.isArray(content)) for (const part of content) checkPart(part, place);
  else badMessages(`${name} has content that is neither a string nor a list of parts`);
}

// What a model sees or hears; a template may have a place for it, and the engine has none.
const MEDIA = /image|audio|video|file|document/i;

/** @param {any} part as somebody gives it @param {Place} place */
function checkPart(part, { name, index, template }) {
  if (part === null || typeof part !== 'object' || typeof part.type !== 'string') {
    badMessages(`${name} has a content part without a type`);
  }
  if (part.type !== 'text' && (MEDIA.test(part.type) || !names(template, part.type))) {
    const type = part.type.slice(0, 60);
    const message = `${name} has a part of type ${JSON.stringify(type)}, and only text can be read; leave it out, or say in words what it shows.`;
    throw new NibbleError('CHAT_BAD_MESSAGES', message, { details: { index, type } });
  }
  if (part.type === 'text' && typeof part.text !== 'string') badMessages(`${name} has a text part without text`);
}

/**
 * Most templates write whatever role they are given, so that a misspelt one would only make the answers worse.
 * @param {Message[]} messages
 * @param {unknown} template
 */
function checkRoles(messages, template) {
  const index = messages.findIndex(({ role }) => !ROLES.includes(role) && !names(template, role));
  if (index === -1) return;
  const { role } = messages[index];
  const meant = role === 'developer' ? 'system' : nearestName(role, ROLES);
  const instead = meant === null ? `expected ${ROLES.join(', ')} or one that the template names` : `${meant} is meant?`;
  const message = `Message ${index + 1} has the role ${JSON.stringify(role.slice(0, 60))}; ${instead}`;
  throw new NibbleError('CHAT_BAD_MESSAGES', message.replace(/[^?]$/, '$&.'), {
    details: { index, role: role.slice(0, 60), roles: ROLES },
  });
}

/** Whether a word is one of a template's literals; its markers are none. @param {unknown} template @param {string} word */
const names = (template, word) =>
  typeof template === 'string' &&
  /^[\w .-]{1,60}$/.test(word) &&
  [`'${word}'`, `"${word}"`].some((literal) => template.includes(literal));

/** @param {Message['content']} content @returns {string} */
export const textOf = (content) =>
  typeof content === 'string' ? content : (content ?? []).flatMap(({ text }) => text ?? []).join('\n');

/** @param {Message} message with its text as one string, where it is nothing else */
export const joined = (message) =>
  Array.isArray(message.content) && message.content.every(({ type }) => type === 'text')
    ? { ...message, content: textOf(message.content) }
    : message;

/** @param {Message} message with its text as a list of parts */
export const inParts = (message) =>
  typeof message.content === 'string' ? { ...message, content: [{ type: 'text', text: message.content }] } : message;

/**
 * For a template that takes no system message: the text of those at the head goes in front of the first message of the
 * user's.
 * @param {Message[]} messages
 * @returns {Message[]}
 */
export function withSystemInFront(messages) {
  const first = messages.findIndex((message) => !isSystem(message));
  const head = first === -1 ? messages : messages.slice(0, first);
  const rest = messages.slice(head.length);
  const text = head.map(({ content }) => textOf(content)).join('\n\n');
  const place = rest.findIndex(({ role }) => role === 'user');
  if (place === -1) return [{ role: 'user', content: text }, ...rest];
  const { content } = rest[place];
  const fuller = Array.isArray(content)
    ? [{ type: 'text', text }, ...content]
    : [text, textOf(content)].filter((each) => each !== '').join('\n\n');
  return rest.map((message, index) => (index === place ? { ...message, content: fuller } : message));
}
