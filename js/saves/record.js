// The record of a saved session, and where its bytes lie. Records of models and of saved sessions are in one store, and
// their ids tell which is which. What is read back is untrusted.
//
//   session:<key's length>:<key>:<model's id>           the record
//   session:<key's length>:<key>:<model's id>#0, #1     its chunks: a save writes the half that the last one did not,
//                                                      and only then the record, so there is always a whole one
//
// A "#" of the model's id is doubled, so that no half of one save is called as another save.

const PREFIX = 'session:';
/** Raise it whenever the record or the chunks change; the image in them has a version of its own. */
export const SAVE_FORMAT = 1;
const MOST_CHUNK_BYTES = 64 << 20;

/**
 * @typedef {object} SavedRecord
 * @property {string} id
 * @property {number} format
 * @property {string} model its id
 * @property {string} key
 * @property {0 | 1 | null} half where the chunks are; null: there is no whole save yet
 * @property {0 | 1 | null} writing the half that is being written, or was when that was interrupted
 * @property {number} bytes
 * @property {number} chunkBytes of every chunk but the last
 * @property {number} tokens on the timeline
 * @property {number} createdAt milliseconds since 1970, and the same for usedAt
 * @property {number} usedAt
 */

/** @param {string} model @param {string} key */
export const saveId = (model, key) => `${PREFIX}${key.length}:${key}:${model.replaceAll('#', '##')}`;

/** The id of a half's chunks. @param {string} id @param {number} half */
export const halfId = (id, half) => `${id}#${half}`;

/** Whether a record of a store is one of a saved session's. @param {{ id: string }} record */
export const isSavedSession = ({ id }) => id.startsWith(PREFIX);

/** The model that a saved session is of, by its id alone: its record may be unreadable. @param {string} id @returns {string | null} */
export function modelOfSave(id) {
  const [start = '', length] = /^session:(\d+):/.exec(id) ?? [];
  const end = start.length + Number(length);
  return id[end] === ':' ? id.slice(end + 1).replaceAll('##', '#') : null;
}

/** @typedef {(value: unknown) => boolean} Check */

/** @type {Check} */
const isCount = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
/** @type {Check} */
const isHalf = (value) => value === null || value === 0 || value === 1;

/** @type {Record<Exclude<keyof SavedRecord, 'id'>, Check>} */
const FIELDS = {
  format: (value) => value === SAVE_FORMAT,
  model: (value) => typeof value === 'string',
  key: (value) => typeof value === 'string',
  half: isHalf,
  writing: isHalf,
  bytes: isCount,
  chunkBytes: (value) => isCount(value) && Number(value) > 0 && Number(value) <= MOST_CHUNK_BYTES,
  tokens: isCount,
  createdAt: isCount,
  usedAt: isCount,
};

/**
 * A record as a store gave it, if everything in it fits together; null otherwise.
 * @param {import('../store/record.js').Record | null | undefined} record
 * @returns {SavedRecord | null}
 */
export function readSaved(record) {
  if (record === null || record === undefined) return null;
  if (!Object.entries(FIELDS).every(([name, check]) => check(record[name]))) return null;
  const saved = /** @type {SavedRecord} */ (/** @type {unknown} */ (record));
  return saved.id === saveId(saved.model, saved.key) ? saved : null;
}

/** @typedef {Pick<SavedRecord, 'key' | 'tokens' | 'bytes' | 'createdAt' | 'usedAt'>} Summary what is told of a save */

/** @param {SavedRecord} record @returns {Summary} */
export const savedSummary = ({ key, tokens, bytes, createdAt, usedAt }) => ({ key, tokens, bytes, createdAt, usedAt });

/** @typedef {Pick<SavedRecord, 'bytes' | 'chunkBytes'>} Sizes */

/** The size of a save's chunk. @param {Sizes} record @param {number} index */
export const chunkSize = ({ bytes, chunkBytes }, index) => Math.min(chunkBytes, bytes - index * chunkBytes);

/** @param {Sizes} record */
export const chunkCount = ({ bytes, chunkBytes }) => Math.ceil(bytes / chunkBytes);
