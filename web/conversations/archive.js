// Conversations as a JSON file, to keep elsewhere or to take to another browser.

const FORMAT = 'nibble-conversations';
const VERSION = 1;
const ROLES = ['user', 'assistant'];
const FINISHES = ['stop', 'length', 'context', 'cancelled', 'failed'];
// The last moment that a date can tell, in milliseconds since 1970.
const LAST_MOMENT = 8.64e15;

/** Why a file is no archive. `code`: ARCHIVE_BAD_JSON, ARCHIVE_UNKNOWN, ARCHIVE_VERSION or ARCHIVE_DAMAGED */
export class ArchiveError extends Error {
  constructor(code, message) {
    super(message);
    this.name = 'ArchiveError';
    this.code = code;
  }
}

/** @param {import('./conversations.js').Conversation[]} conversations @returns {string} */
export function writeArchive(conversations) {
  const archive = { format: FORMAT, version: VERSION, exportedAt: new Date().toISOString(), conversations };
  return JSON.stringify(archive, null, 2);
}

/**
 * Takes only what a conversation is made of, whatever else the file holds.
 * @param {string} json
 * @returns {import('./conversations.js').Conversation[]}
 * @throws {ArchiveError}
 */
export function readArchive(json) {
  let archive;
  try {
    archive = JSON.parse(json);
  } catch (error) {
    throw new ArchiveError('ARCHIVE_BAD_JSON', `The file is not JSON: ${error.message.replace(/\.$/, '')}.`);
  }
  if (archive?.format !== FORMAT) {
    throw new ArchiveError('ARCHIVE_UNKNOWN', `The file is no export of conversations: its format is not ${FORMAT}.`);
  }
  if (archive.version !== VERSION) {
    const message = `The file has version ${String(archive.version).slice(0, 20)}; this page reads version ${VERSION}.`;
    throw new ArchiveError('ARCHIVE_VERSION', message);
  }
  if (!Array.isArray(archive.conversations)) damaged('has no list of conversations');
  return archive.conversations.map(readConversation);
}

function damaged(found) {
  throw new ArchiveError('ARCHIVE_DAMAGED', `The file is damaged: it ${found}. Nothing was imported.`);
}

function readConversation(given, index) {
  const name = `conversation ${index + 1}`;
  if (given === null || typeof given !== 'object') damaged(`holds something else for ${name}`);
  const { id, title, renamed, createdAt, updatedAt, start, messages } = given;
  if (!isId(id) || typeof title !== 'string') damaged(`has no id or title for ${name}`);
  if (!Array.isArray(messages)) damaged(`has no messages for ${name}`);
  const read = messages.map((message, at) => readMessage(message, `message ${at + 1} of ${name}`));
  return {
    id,
    title,
    renamed: renamed === true,
    createdAt: time(createdAt),
    updatedAt: time(updatedAt),
    start: Number.isInteger(start) && start >= 0 && start < read.length ? start : 0,
    messages: read,
  };
}

function readMessage(given, name) {
  if (given === null || typeof given !== 'object') damaged(`holds something else for ${name}`);
  const { id, role, content, createdAt, finish, model, reasoningMilliseconds, droppedTokens, speed } = given;
  if (!isId(id) || !ROLES.includes(role) || typeof content !== 'string') damaged(`lacks a part of ${name}`);
  const message = { id, role, content, createdAt: time(createdAt) };
  if (FINISHES.includes(finish)) message.finish = finish;
  else if (role === 'assistant') message.finish = 'cancelled';
  if (typeof model === 'string') message.model = model;
  if (isAmount(reasoningMilliseconds)) message.reasoningMilliseconds = reasoningMilliseconds;
  if (isAmount(droppedTokens)) message.droppedTokens = droppedTokens;
  if (speed && [speed.prefill, speed.decode, speed.tokens].every(isAmount)) {
    message.speed = { prefill: speed.prefill, decode: speed.decode, tokens: speed.tokens };
  }
  return message;
}

// Ids become addresses, which half a character cannot.
const isId = (value) =>
  typeof value === 'string' && value !== '' && value.length <= 200 && !/\p{Surrogate}/u.test(value);
const isAmount = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const time = (value) => (isAmount(value) && value <= LAST_MOMENT ? value : Date.now());
