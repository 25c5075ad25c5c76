// What an answer that is asked for anew takes the place of. It is kept until the first word of the new one has come.

/**
 * @typedef {object} Replaced
 * @property {() => void} restore puts everything back
 * @property {() => void} again asks once more
 * @property {{ message: import('../conversations/conversations.js').Message, content: string } | null} sent what the
 *   reader has made of a message
 */

/**
 * @param {import('../conversations/conversations.js').Conversation} conversation as it is before
 * @param {number} length how many of its messages stay
 * @param {Replaced['again']} again
 * @param {Replaced['sent']} [sent]
 * @returns {Replaced | null} null: no answer goes for it
 */
export function replacedIn(conversation, length, again, sent = null) {
  const { start } = conversation;
  const messages = [...conversation.messages];
  const content = sent?.message.content ?? '';
  if (messages.slice(length).every((message) => message.content === '')) return null;
  const restore = () => {
    Object.assign(conversation, { messages, start });
    if (sent !== null) sent.message.content = content;
  };
  return { restore, again, sent };
}
