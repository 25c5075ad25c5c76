// What of a conversation the model is shown, and whether it fits into its context.
import { withoutReasoning } from './reasoning.js';

/** @typedef {import('../nibble/index.js').Engine} Engine */
/** @typedef {{ role: string, content: string }[]} Prompt the messages as the model is shown them */
/** @typedef {ReturnType<import('../settings/settings.js').Settings['chat']>} ChatOptions */

/**
 * Whether the reader went on from a message that got no answer, as one that is too long. The model is not shown it: it
 * would not fit any better now, and many chat templates refuse two messages of one side in a row.
 * @param {import('../conversations/conversations.js').Message[]} messages
 * @param {number} index
 */
export const isPassedOver = (messages, index) =>
  messages[index].role === 'user' && messages[index + 1]?.role === 'user';

/**
 * The messages as complete() takes them.
 * @param {import('../conversations/conversations.js').Conversation} conversation
 * @param {object} options
 * @param {string} options.systemPrompt
 * @param {number} [options.start] index of the first message
 * @param {number} options.end index of the answer that is to come
 * @param {boolean} [options.continues] the answer has begun already
 * @returns {Prompt}
 */
export function promptOf({ messages, start: kept }, { systemPrompt, start = kept, end, continues = false }) {
  const seen = messages.slice(start, end).filter((_, offset) => !isPassedOver(messages, start + offset));
  /** @type {Prompt} */
  const shown = seen.map(({ role, content }) => ({
    role,
    content: role === 'assistant' ? withoutReasoning(content) : content,
  }));
  if (continues) shown.push({ role: 'assistant', content: messages[end].content });
  if (systemPrompt.trim() !== '') shown.unshift({ role: 'system', content: systemPrompt });
  return shown;
}

/** How many tokens a chat is as the prompt of its next answer. @param {Engine} engine @param {Prompt} messages @param {ChatOptions} chat */
export const countTokens = (engine, messages, chat) => engine.countTokens({ ...chat, messages });

/**
 * How many tokens of the context a conversation has taken: with its last answer, and without what would open the next.
 * @param {Engine} engine
 * @param {import('../conversations/conversations.js').Conversation} conversation
 * @param {{ systemPrompt: string, chat: ChatOptions }} options
 */
export async function countUsed(engine, conversation, { systemPrompt, chat }) {
  const { messages: written } = conversation;
  const last = written.at(-1);
  if (last === undefined) return 0;
  const answer = last.role === 'assistant' ? last.content : '';
  const end = answer === '' ? written.length : written.length - 1;
  const continues = answer !== '';
  const messages = promptOf(conversation, { systemPrompt, end, continues });
  return engine.countTokens({ ...chat, messages, continueLast: continues });
}

/**
 * The first message to go on from when the oldest turns are dropped: as many turns stay as the library lets stay.
 * @param {Engine} engine
 * @param {import('../conversations/conversations.js').Conversation} conversation
 * @param {{ systemPrompt: string, end: number, continues?: boolean, chat: ChatOptions }} options those of promptOf()
 * @returns {Promise<number | null>} null: not even the last turn fits
 */
export async function startThatFits(engine, conversation, options) {
  const messages = promptOf(conversation, options);
  const { leftOut, tokens } = await engine.fitMessages(messages, { ...options.chat, continueLast: options.continues });
  return leftOut === 0 || tokens >= engine.info.contextSize ? null : placeOf(conversation, options, leftOut);
}

/**
 * Which message of a conversation stands behind the first `count` that the model is shown.
 * @param {import('../conversations/conversations.js').Conversation} conversation
 * @param {{ end: number }} options that of promptOf()
 * @param {number} count
 * @returns {number | null} its index; null: none does
 */
export function placeOf({ messages, start }, { end }, count) {
  let left = count;
  for (let index = start; index < end; index++) {
    if (isPassedOver(messages, index)) continue;
    if (left-- === 0) return index;
  }
  return null;
}
