// Conversations as a JSON file, to keep elsewhere or to take to another browser.
import { asRecord, isIndexOf, isRole } from './record.js';

const FORMAT = 'nibble-conversations';
const VERSION = 1;
/** @typedef {import('./conversations.js').Message} Message */
/** @typedef {import('./conversations.js').Conversation} Conversation */

const FINISHES = /** @type {const} */ (['stop', 'length', 'context', 'cancelled', 'failed']);
// The last moment that a date can tell, in milliseconds since 1970.
const LAST_MOMENT = 8.64e15;

/** Why a file is no archive. `code`: ARCHIVE_BAD_JSON, ARCHIVE_UNKNOWN, ARCHIVE_VERSION or ARCHIVE_DAMAGED */
export class ArchiveError extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.name = 'ArchiveError';
    this.code = code;
  }
}

/** @param {Conversation[]} conversations @returns {string} */
export function writeArchive(conversations) {
  const archive = { format: FORMAT, version: VERSION, exportedAt: new Date().toISOString(), conversations };
  return JSON.stringify(archive, null, 2);
}

/**
 * Takes only what a conversation is made of, whatever else the file holds.
 * @param {string} json
 * @returns {Conversation[]}
 * @throws {ArchiveError}
 */
export function readArchive(json) {
  const { format, version, conversations } = asRecord(parse(json)) ?? {};
  if (format !== FORMAT) {
    throw new ArchiveError('ARCHIVE_UNKNOWN', `The file is no export of conversations: its format is not ${FORMAT}.`);
  }
  if (version !== VERSION) {
    const message = `The file has version ${String(version).slice(0, 20)}; this page reads version ${VERSION}.`;
    throw new ArchiveError('ARCHIVE_VERSION', message);
  }
  if (!Array.isArray(conversations)) damaged('has no list of conversations');
  return conversations.map(readConversation);
}

/** @param {string} json @returns {unknown} */
function parse(json) {
  try {
    return JSON.parse(json);
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw new ArchiveError('ARCHIVE_BAD_JSON', `The file is not JSON: ${found.replace(/\.$/, '')}.`);
  }
}

/** @param {string} found @returns {never} */
function damaged(found) {
  throw new ArchiveError('ARCHIVE_DAMAGED', `The file is damaged: it ${found}. Nothing was imported.`);
}

/** @param {unknown} given @param {number} index @returns {Conversation} */
function readConversation(given, index) {
  const name = `conversation ${index + 1}`;
  const { id, title, renamed, createdAt, updatedAt, start, messages } =
    asRecord(given) ?? damaged(`holds something else for ${name}`);
  if (!isId(id) || typeof title !== 'string') damaged(`has no id or title for ${name}`);
  if (!Array.isArray(messages)) damaged(`has no messages for ${name}`);
  const read = messages.map((message, at) => readMessage(message, `message ${at + 1} of ${name}`));
  return {
    id,
    title,
    renamed: renamed === true,
    createdAt: time(createdAt),
    updatedAt: time(updatedAt),
    start: isIndexOf(start, read) ? start : 0,
    messages: withOwnIds(read),
  };
}

/** Whoever shows messages knows them by their ids. @param {Message[]} messages of which several may have one id */
function withOwnIds(messages) {
  const ids = new Set(messages.map(({ id }) => id));
  const seen = new Set();
  let count = 0;
  for (const message of messages) {
    while (seen.has(message.id)) {
      const id = `message-${++count}`;
      if (!ids.has(id)) message.id = id;
    }
    seen.add(message.id);
  }
  return messages;
}

/** @param {unknown} given @param {string} name @returns {Message} */
function readMessage(given, name) {
  const { id, role, content, createdAt, finish, model, reasoningMilliseconds, droppedTokens, ...more } =
    asRecord(given) ?? damaged(`holds something else for ${name}`);
  if (!isId(id) || !isRole(role) || typeof content !== 'string') damaged(`lacks a part of ${name}`);
  /** @type {Message} */
  const message = { id, role, content, createdAt: time(createdAt) };
  const known = FINISHES.find((each) => each === finish);
  if (known !== undefined) message.finish = known;
  else if (role === 'assistant') message.finish = 'cancelled';
  if (typeof model === 'string') message.model = model;
  if (isAmount(reasoningMilliseconds)) message.reasoningMilliseconds = reasoningMilliseconds;
  if (isAmount(droppedTokens)) message.droppedTokens = droppedTokens;
  const { prefill, decode, tokens } = asRecord(more.speed) ?? {};
  if (isAmount(prefill) && isAmount(decode) && isAmount(tokens)) message.speed = { prefill, decode, tokens };
  return message;
}

/** Ids become addresses, which half a character cannot. @param {unknown} value @returns {value is string} */
const isId = (value) =>
  typeof value === 'string' && value !== '' && value.length <= 200 && !/\p{Surrogate}/u.test(value);
/** @param {unknown} value @returns {value is number} */
const isAmount = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
/** @param {unknown} value */
const time = (value) => (isAmount(value) && value <= LAST_MOMENT ? value : Date.now());
