// What of a conversation the model is shown, and whether it fits into its context.
import { OPENING, opensReasoning, withoutReasoning } from './reasoning.js';

/** The part of the context that is left for an answer when old turns are dropped. */
const ROOM_FOR_ANSWER = 0.25;

/**
 * Whether the reader went on from a message that got no answer, as one that is too long. The model is not shown it: it
 * would not fit any better now, and many chat templates refuse two messages of one side in a row.
 * @param {import('./conversations.js').Message[]} messages
 * @param {number} index
 */
export const isPassedOver = (messages, index) =>
  messages[index].role === 'user' && messages[index + 1]?.role === 'user';

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
  const seen = messages.slice(start, end).filter((_, offset) => !isPassedOver(messages, start + offset));
  const shown = seen.map(({ role, content }) => ({
    role,
    content: role === 'assistant' ? withoutReasoning(content) : content,
  }));
  if (continues) shown.push({ role: 'assistant', content: messages[end].content });
  if (systemPrompt.trim() !== '') shown.unshift({ role: 'system', content: systemPrompt });
  return shown;
}

/**
 * promptOf() for a model whose template may open the reasoning by itself: what such a prompt ends in is left out of an
 * answer that is written on.
 * @param {import('./nibble/index.js').Engine} engine
 * @param {import('./conversations.js').Conversation} conversation
 * @param {Parameters<typeof promptOf>[1]} options
 * @returns {Promise<{ messages: { role: string, content: string }[], isOpened: boolean }>} isOpened: it opens it
 */
export async function openedPrompt(engine, conversation, options) {
  const messages = promptOf(conversation, options);
  const begun = options.continues ? messages.pop() : null;
  const isOpened = opensReasoning(await engine.render(messages));
  const isDouble = isOpened && begun?.content.startsWith(OPENING);
  if (begun !== null) messages.push(isDouble ? { ...begun, content: begun.content.slice(OPENING.length) } : begun);
  return { messages, isOpened };
}

/** How many tokens a chat is as the prompt of its next answer. */
export async function countTokens(engine, messages) {
  return countText(engine, await engine.render(messages));
}

/**
 * How many tokens of the context a conversation has taken: with its last answer, and without what would open the next.
 * @param {import('./nibble/index.js').Engine} engine
 * @param {import('./conversations.js').Conversation} conversation
 * @param {string} systemPrompt
 */
export async function countUsed(engine, conversation, systemPrompt) {
  const { messages } = conversation;
  const answer = messages.at(-1)?.role === 'assistant' ? messages.at(-1).content : '';
  const end = answer === '' ? messages.length : messages.length - 1;
  const prompt = await engine.render(promptOf(conversation, { systemPrompt, end }));
  // Where the template opens the reasoning, the answer has its opening too.
  return countText(engine, prompt + (opensReasoning(prompt) ? answer.replace(OPENING, '') : answer));
}

/** The tokens of a rendered chat, as complete() makes them: with the one that begins a text, where the model has one. */
async function countText(engine, text) {
  const ids = await engine.tokenize(text, { addSpecial: false, parseSpecial: true });
  const [first] = await engine.tokenize('', { addSpecial: true });
  return ids.length + (first === undefined || first === ids[0] ? 0 : 1);
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
