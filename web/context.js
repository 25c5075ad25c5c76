// What of a conversation the model is shown, and whether it fits into its context.
import { withoutReasoning } from './reasoning.js';

/** The part of the context that is left for an answer when old turns are dropped. */
const ROOM_FOR_ANSWER = 0.25;

/**
 * The messages as complete() takes them.
 * @param {import('./conversations.js').Conversation} conversation
 * @param {object} options
 * @param {string} options.systemPrompt
 * @param {number} [options.start] index of the first message
 * @param {number} options.end index of the answer that is to come
 * @param {boolean} [options.continues] the answer has begun already
 * @returns {{ role: string, content: string }[]}
 */
export function promptOf({ messages, start: kept }, { systemPrompt, start = kept, end, continues = false }) {
  const shown = messages.slice(start, end).map(({ role, content }) => ({
    role,
    content: role === 'assistant' ? withoutReasoning(content) : content,
  }));
  if (continues) shown.push({ role: 'assistant', content: messages[end].content });
  if (systemPrompt.trim() !== '') shown.unshift({ role: 'system', content: systemPrompt });
  return shown;
}

/** How many tokens a chat is, about as complete() counts them. */
export async function countTokens(engine, messages) {
  const text = await engine.render(messages);
  return (await engine.tokenize(text, { addSpecial: false, parseSpecial: true })).length;
}

/**
 * The first message to go on from when the oldest turns are dropped: as many turns stay as leave room for an answer.
 * @param {import('./nibble/index.js').Engine} engine
 * @param {import('./conversations.js').Conversation} conversation
 * @param {{ systemPrompt: string, end: number, continues?: boolean }} options those of promptOf()
 * @returns {Promise<number | null>} null: not even the last turn fits
 */
export async function startThatFits(engine, conversation, options) {
  const { contextSize } = engine.info;
  const turns = conversation.messages
    .map(({ role }, index) => (role === 'user' && index > conversation.start && index < options.end ? index : -1))
    .filter((index) => index !== -1);
  if (turns.length === 0) return null;
  const tokensFrom = (start) => countTokens(engine, promptOf(conversation, { ...options, start }));
  // The later the start the fewer the tokens, so the first that fits is found by halves.
  let low = 0;
  let high = turns.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((await tokensFrom(turns[middle])) <= contextSize * (1 - ROOM_FOR_ANSWER)) high = middle;
    else low = middle + 1;
  }
  return (await tokensFrom(turns[low])) < contextSize ? turns[low] : null;
}
