// What of a conversation the model is shown, and whether it fits into its context.
import { withoutReasoning } from './reasoning.js';

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
 * @returns {{ role: string, content: string }[]}
 */
export function promptOf({ messages, start: kept }, { systemPrompt, start = kept, end, continues = false }) {
  const seen = messages.slice(start, end).filter((_, offset) => !isPassedOver(messages, start + offset));
  const shown = seen.map(({ role, content }) => ({
    role,
    content: role === 'assistant' ? withoutReasoning(content) : content,
  }));
  if (continues) shown.push({ role: 'assistant', content: messages[end].content });
  if (systemPrompt.trim() !== '') shown.unshift({ role: 'system', content: systemPrompt });
  return shown;
}

/** How many tokens a chat is as the prompt of its next answer; `chat`: what Settings.chat() gives. */
export const countTokens = (engine, messages, chat) => engine.countTokens({ ...chat, messages });

/**
 * How many tokens of the context a conversation has taken: with its last answer, and without what would open the next.
 * @param {import('../nibble/index.js').Engine} engine
 * @param {import('../conversations/conversations.js').Conversation} conversation
 * @param {{ systemPrompt: string, chat: object }} options chat: what Settings.chat() gives
 */
export async function countUsed(engine, conversation, { systemPrompt, chat }) {
  const { messages: written } = conversation;
  if (written.length === 0) return 0;
  const answer = written.at(-1).role === 'assistant' ? written.at(-1).content : '';
  const end = answer === '' ? written.length : written.length - 1;
  const continues = answer !== '';
  const messages = promptOf(conversation, { systemPrompt, end, continues });
  return engine.countTokens({ ...chat, messages, continueLast: continues });
}

/**
 * The first message to go on from when the oldest turns are dropped: as many turns stay as the library lets stay.
 * @param {import('../nibble/index.js').Engine} engine
 * @param {import('../conversations/conversations.js').Conversation} conversation
 * @param {{ systemPrompt: string, end: number, continues?: boolean, chat: object }} options those of promptOf(); chat: what Settings.chat() gives
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
