// How a command asks servers: the headers that a person gives, and whose token goes along.
import { readFileSync } from 'node:fs';
import { reasonOf } from '../base/system-errors.js';
import { UsageError } from './arguments.js';
import { tokenReader } from './hub.js';

/** @typedef {import('./arguments.js').Values} Values */

/**
 * Parsed ACCESS options as the library takes them.
 * @param {Values} values
 * @returns {{ headers?: [name: string, value: string][] }}
 */
export function accessOptions({ header = [] }) {
  if (header.length === 0) return {};
  return { headers: header.flatMap(linesOf).map(readHeader) };
}

/** Secrets are better not in the list of processes. @param {string} given @returns {string[]} */
function linesOf(given) {
  if (!given.startsWith('@')) return [given];
  try {
    const lines = readFileSync(given.slice(1), 'utf8').split(/\r?\n/);
    return lines.filter((line) => line.trim() !== '');
  } catch (error) {
    throw new UsageError(
      `--header "${given}" could not be read: ${reasonOf(error)}; expected @ and a file of lines NAME: VALUE.`,
    );
  }
}

/** What may be a secret is not shown. @param {string} line @returns {[name: string, value: string]} */
function readHeader(line) {
  const [, name, value] = /^([^:\s]+):\s*(.*?)\s*$/.exec(line) ?? [];
  if (name === undefined)
    throw new UsageError('--header is no NAME: VALUE; expected such as "Authorization: Bearer …".');
  return [name, value];
}

/**
 * Says where an access token of the environment goes, and never the token.
 * @param {string | undefined} model an address, or the id of a stored model
 * @param {import('./terminal.js').Terminal} terminal
 */
export function tellToken(model, terminal) {
  const server = model === undefined ? null : tokenReader(model);
  if (server !== null) terminal.note(`The access token of HF_TOKEN is sent to ${server}, and nowhere else.`);
}
