// Whether a conversation still fits into the model's context, how much of it is taken, and from which message on it fits
// again. The library counts, and decides how many turns have to go (engine.fitMessages()).
import { placeOf, promptOf } from './prompt.js';

/** @typedef {import('../nibble/index.js').Engine} Engine */
/** @typedef {import('./prompt.js').Prompt} Prompt */
/** @typedef {ReturnType<import('../settings/settings.js').Settings['chat']>} ChatOptions */

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
 * The first message to go on from when the oldest turns are dropped: as many turns stay as the library lets stay. It is
 * the conversation's own first one where all fit.
 * @param {Engine} engine
 * @param {import('../conversations/conversations.js').Conversation} conversation
 * @param {{ systemPrompt: string, end: number, continues?: boolean, chat: ChatOptions }} options those of promptOf()
 * @returns {Promise<number | null>} null: not even the last turn fits
 */
export async function startThatFits(engine, conversation, options) {
  const messages = promptOf(conversation, options);
  const { leftOut, tokens } = await engine.fitMessages(messages, { ...options.chat, continueLast: options.continues });
  if (tokens >= engine.info.contextSize) return null;
  return leftOut === 0 ? conversation.start : placeOf(conversation, options, leftOut);
}
