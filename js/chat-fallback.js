// The text of a chat for a model whose file has no template: ChatML where the vocabulary has its tokens, else a line for
// each message, `User: ...`.
import { checkMessages, textOf } from './chat-messages.js';
import { mark, TextWriter } from './jinja/text.js';

/** @param {string} role */
const title = (role) => role[0].toUpperCase() + role.slice(1);

// Where turns are lines of text, a line that begins like one would be one: a blank before it makes it another.
const TURN = /^(?=(?:System|User|Assistant|Tool):)/gm;

/**
 * @param {import('./tokenizer.js').Tokenizer} tokenizer
 * @returns {Omit<import('./chat.js').ChatTemplate, 'write'> & { write: (messages: import('./chat-messages.js').Message[],
 *   options?: import('./chat.js').WriteOptions) => import('./jinja/text.js').Text }}
 */
export function createFallback(tokenizer) {
  const isToken = (/** @type {string} */ text) => {
    const ids = tokenizer.encode(text, { addSpecial: false });
    return ids.length === 1 && tokenizer.text(ids[0]) === text;
  };
  const isChatMl = isToken('<|im_start|>') && isToken('<|im_end|>');

  function write(messages, { addGenerationPrompt = true } = {}) {
    checkMessages(messages);
    const writer = new TextWriter();
    for (const { role, content } of messages) {
      const text = textOf(content);
      writer.add(isChatMl ? `<|im_start|>${role}\n` : `${title(role)}: `);
      writer.add(mark(isChatMl ? text : text.replace(TURN, ' ')));
      writer.add(isChatMl ? '<|im_end|>\n' : '\n');
    }
    if (addGenerationPrompt) writer.add(isChatMl ? '<|im_start|>assistant\n' : 'Assistant:');
    return writer.text;
  }
  const how = isChatMl ? 'as ChatML' : 'as lines such as "User: Hello"';
  const message = `The model file has no chat template; chats are written ${how}, which the model may not have learnt.`;
  return {
    ...{ source: 'fallback', hasNames: !isChatMl, write },
    warnings: [{ code: 'CHAT_TEMPLATE_MISSING', message }],
  };
}
