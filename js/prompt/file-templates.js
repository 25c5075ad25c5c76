// The chat templates that a file has: one without a name, and others by their names, such as `tool_use`.

import { NibbleError } from '../base/errors.js';

/**
 * @typedef {object} Templates
 * @property {string[]} names 'default' is the one that has none of its own
 * @property {(options: { template?: string | null, tools?: object[] | null }) => unknown} choose the source of the template
 *   for what is given: 'tool_use' where there are tools and it is there, and else 'default'. undefined: there is none for
 *   chats. Throws INVALID_ARGUMENT for a name that is not there
 */

const KEY = 'tokenizer.chat_template';
const DEFAULT = 'default';
const TOOL_USE = 'tool_use';
// A file with more is no file of a model.
const MOST = 100;

/**
 * @param {import('../tokenizer/tokenizer.js').Metadata} metadata
 * @returns {Templates}
 */
export function readTemplates(metadata) {
  const sources = new Map();
  const add = (/** @type {string} */ name, /** @type {string} */ key) => {
    const source = metadata.get(key);
    if (source !== undefined && !sources.has(name)) sources.set(name, source);
  };
  add(DEFAULT, KEY);
  const listed = metadata.get(`${KEY}s`);
  const named = (Array.isArray(listed) ? listed.slice(0, MOST) : []).filter((name) => typeof name === 'string');
  for (const name of [...named, TOOL_USE]) add(name, `${KEY}.${name}`);
  const names = [...sources.keys()];
  return {
    names,
    choose({ template = null, tools = null }) {
      if (template !== null) {
        if (sources.has(template)) return sources.get(template);
        const shown = JSON.stringify(template.slice(0, 60));
        const found = names.length > 0 ? `this model has ${names.join(', ')}` : 'this model has none';
        const details = { option: 'template', templates: names };
        throw new NibbleError('INVALID_ARGUMENT', `The template is ${shown}; ${found}.`, { details });
      }
      return (tools !== null ? sources.get(TOOL_USE) : undefined) ?? sources.get(DEFAULT) ?? sources.get(TOOL_USE);
    },
  };
}
