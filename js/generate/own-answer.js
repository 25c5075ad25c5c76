// An answer that is continued goes on from the tokens that the model wrote, where they are still known. Its text says less:
// control tokens in it would be words, and words may be cut into other tokens, which are then computed anew.

import { commonPrefix } from './token-runs.js';

/**
 * @typedef {object} OwnAnswer
 * @property {number[]} prompt what it was written behind
 * @property {number} messages how many of a chat those are
 * @property {number[]} tokens
 * @property {string} text
 */

/** @param {number[]} tokens @param {number[]} head */
export const startsWith = (tokens, head) => commonPrefix(tokens, head) === head.length;

/**
 * Whether an answer is the one that the last message of a chat begins with: all of the message, but for the tag that opens
 * the model's thoughts.
 * @param {OwnAnswer} answer
 * @param {string} content of the message
 * @param {{ tokens: number[], opening: string }} head the chat before it, as the model reads it
 */
export function isOwnAnswer({ prompt, text }, content, { tokens, opening }) {
  const before = content.slice(0, content.length - text.length);
  return (
    content.endsWith(text) &&
    (before === '' || (opening !== '' && before.trim() === opening)) &&
    tokens.length === prompt.length &&
    startsWith(tokens, prompt)
  );
}
