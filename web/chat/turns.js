// The turns of a conversation: a question and what answers it.

/** @typedef {import('../conversations/conversations.js').Conversation} Conversation */

/** @param {Conversation} conversation @param {import('../conversations/conversations.js').Message} message of the turn */
export function removeTurn(conversation, message) {
  const { messages } = conversation;
  let from = messages.indexOf(message);
  while (from > 0 && messages[from].role !== 'user') from--;
  let to = from + 1;
  while (to < messages.length && messages[to].role !== 'user') to++;
  messages.splice(from, to - from);
  if (conversation.start > from) conversation.start = Math.max(from, conversation.start - (to - from));
  if (conversation.start >= messages.length) conversation.start = 0;
}

/** @param {Conversation} conversation @param {number} length how many of its messages stay */
export function truncate(conversation, length) {
  conversation.messages.length = length;
  if (conversation.start >= length) conversation.start = 0;
}
