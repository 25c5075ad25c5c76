// What of a conversation the model is shown.
import { withoutReasoning } from './reasoning.js';

/** @typedef {{ role: string, content: string }[]} Prompt the messages as the model is shown them */

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
