// The arguments of tool calls. The OpenAI API has them as JSON in a text; most templates want the object that it holds, and
// write a text as JSON in JSON, or fail.

import { exactJson } from '../base/exact-json.js';
import { JsonText } from '../jinja/values.js';

/** @typedef {import('./messages.js').Message} Message */

/** @param {Message[]} messages */
export const haveCalls = (messages) => messages.some(({ tool_calls: calls }) => Array.isArray(calls));

/**
 * A chat with a call, to try a template on.
 * @param {string} needle an argument's name and value
 * @param {boolean} asText
 * @returns {Message[]}
 */
function chatWithCall(needle, asText) {
  const given = { [needle]: needle };
  const call = { name: 'f', arguments: asText ? JSON.stringify(given) : given };
  // Some templates want ids of nine characters.
  const id = 'call00001';
  return [
    { role: 'user', content: 'x' },
    { role: 'assistant', content: null, tool_calls: [{ id, type: 'function', function: call }] },
    { role: 'tool', tool_call_id: id, name: 'f', content: 'x' },
  ];
}

/**
 * Which kinds of arguments a template writes as they are meant.
 * @param {string} needle
 * @param {(messages: Message[]) => string | null} shown what it makes of messages; null: nothing that has the needle in it
 */
export function findCallManners(needle, shown) {
  const text = shown(chatWithCall(needle, true));
  return {
    takesTexts: text !== null && !text.includes(`\\"${needle}`),
    takesObjects: shown(chatWithCall(needle, false)) !== null,
  };
}

/**
 * @param {Message[]} messages
 * @param {{ takesTexts: boolean, takesObjects: boolean }} manners
 * @returns {Message[]} with arguments of the other kind where the template takes only that. An empty text is what some
 *   servers send for no arguments, and stands for an object without any
 */
export function withFittingArguments(messages, { takesTexts, takesObjects }) {
  /** @type {(given: unknown) => unknown} */
  const change = takesTexts === takesObjects ? (given) => given : takesObjects ? parsed : asText;
  const fitting = (/** @type {unknown} */ given) =>
    change(typeof given === 'string' && given.trim() === '' ? '{}' : given);
  return messages.map((message) =>
    Array.isArray(message.tool_calls)
      ? { ...message, tool_calls: message.tool_calls.map((call) => withArguments(call, fitting)) }
      : message,
  );
}

/** @param {any} call as somebody gives it @param {(given: unknown) => unknown} fitting */
function withArguments(call, fitting) {
  const inner = call?.function;
  if (inner?.arguments === undefined || inner.arguments === null) return call;
  return { ...call, function: { ...inner, arguments: fitting(inner.arguments) } };
}

/** What stands for the object that a text holds as JSON; whatever else is given stays. @param {unknown} given */
function parsed(given) {
  if (typeof given !== 'string') return given;
  try {
    const value = JSON.parse(given);
    return typeof value === 'object' && value !== null ? new JsonText(given) : given;
  } catch {
    return given;
  }
}

/** @param {unknown} given */
const asText = (given) => (typeof given === 'string' ? given : exactJson(given));
