// The text of a chat for a model whose file has no template, and whose tokens tell of no family: a line for each message,
// `User: ...`.

import { mark, TextWriter } from '../jinja/text.js';
import { checkMessages, textOf } from './messages.js';

/** @param {string} role */
const title = (role) => role[0].toUpperCase() + role.slice(1);

// A line that begins like a turn would be one: a blank before it makes it another.
const TURN = /^(?=(?:System|User|Assistant|Tool):)/gm;

/**
 * @param {import('./messages.js').Message[]} messages
 * @param {import('./chat-template.js').WriteOptions} [options]
 * @returns {import('../jinja/text.js').Text}
 */
export function writeLines(messages, { addGenerationPrompt = true } = {}) {
  checkMessages(messages);
  const writer = new TextWriter();
  for (const { role, content } of messages) {
    writer.add(`${title(role)}: `);
    writer.add(mark(textOf(content).replace(TURN, ' ')));
    writer.add('\n');
  }
  if (addGenerationPrompt) writer.add('Assistant:');
  return writer.text;
}
