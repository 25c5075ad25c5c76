// Options of the commands that chat: what the template is given beside the messages.
import { readFile } from 'node:fs/promises';
import { parseExactly } from '../base/exact-json.js';
import { reasonOf } from '../base/system-errors.js';
import { UsageError } from './arguments.js';
import { faultOfJson } from './json-fault.js';
import { withoutMark } from './plain-text.js';

/** @type {import('./arguments.js').Options} */
export const CHAT = {
  tools: {
    kind: 'text',
    value: 'FILE',
    help: 'a JSON file with the tools that the model may call, as a list of schemas',
  },
  template: {
    kind: 'text',
    value: 'NAME',
    help: "the chat template to use, where the file has several, as nibble info lists them; with --tools 'tool_use' if there",
  },
  'template-file': {
    kind: 'text',
    value: 'FILE',
    help: "a file with a chat template (Jinja) to use in place of the model's own",
  },
  variable: {
    kind: 'text',
    value: 'NAME=VALUE',
    multiple: true,
    help: 'a variable of the chat template, such as enable_thinking=false; may be repeated',
  },
};

/**
 * @param {{ tools?: string, template?: string, 'template-file'?: string, variable?: string[] }} values parsed CHAT options
 * @returns {Promise<{ tools?: object[], template?: string, chatTemplate?: string, templateVariables?: Record<string, unknown> }>} as complete() takes them
 */
export async function chatOptions({ tools, template, 'template-file': file, variable = [] }) {
  if (template !== undefined && file !== undefined)
    throw new UsageError(
      "--template names one of the model's own, and --template-file has another; one of them is meant.",
    );
  return {
    ...(tools !== undefined && { tools: await readTools(tools) }),
    ...(template !== undefined && { template }),
    ...(file !== undefined && { chatTemplate: await readTemplate(file) }),
    ...(variable.length > 0 && { templateVariables: Object.fromEntries(variable.map(readVariable)) }),
  };
}

/** @param {string} option @param {string} file @param {string} expected @returns {Promise<string>} */
async function readText(option, file, expected) {
  try {
    return withoutMark(await readFile(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`${option} "${file}" could not be read: ${reasonOf(error)}; ${expected}.`);
  }
}

/** @param {string} file @returns {Promise<string>} */
async function readTemplate(file) {
  const expected = 'expected a file with a chat template';
  const text = await readText('--template-file', file, expected);
  if (text.trim() === '') throw new UsageError(`--template-file "${file}" is empty; ${expected}.`);
  return text;
}

/** @param {string} file @returns {Promise<object[]>} */
async function readTools(file) {
  const expected = 'expected a file with a JSON list of tools';
  const text = await readText('--tools', file, expected);
  let list;
  try {
    list = parseExactly(text);
  } catch (error) {
    const found = error instanceof RangeError ? error.message : faultOfJson(text);
    throw new UsageError(`--tools "${file}" cannot be used: ${found}; ${expected}.`);
  }
  if (Array.isArray(list) && list.every((tool) => typeof tool === 'object' && tool !== null)) return list;
  throw new UsageError(`--tools "${file}" holds something else; expected a JSON list of tools, each an object.`);
}

/** @param {string} given @returns {[name: string, value: unknown]} */
function readVariable(given) {
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(given) ?? [];
  if (name === undefined) throw new UsageError(`--variable is ${JSON.stringify(given)}; expected NAME=VALUE.`);
  try {
    return [name, parseExactly(value)];
  } catch {
    // What is no JSON is a text.
    return [name, value];
  }
}
