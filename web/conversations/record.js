// What a stored record or a file says of a conversation, taken only where it is what it should be: another version of the
// page may have written it, or it may be damaged.

/** @typedef {import('./conversations.js').Message} Message */
/** @typedef {import('./conversations.js').Head} Head */

/** @param {unknown} value @returns {Record<string, unknown> | null} null: it has no properties */
export const asRecord = (value) =>
  typeof value === 'object' && value !== null ? /** @type {Record<string, unknown>} */ (value) : null;

/** @param {unknown} value @returns {value is Message['role']} */
export const isRole = (value) => value === 'user' || value === 'assistant';

/** @param {unknown} value @param {unknown[]} list @returns {value is number} */
export const isIndexOf = (value, list) =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < list.length;

/** @param {unknown} value @returns {value is Message} */
export function isMessage(value) {
  const { id, role, content } = asRecord(value) ?? {};
  return typeof id === 'string' && isRole(role) && typeof content === 'string';
}

/** What a list shows of a conversation; null: it is none. @param {unknown} value @returns {Head | null} */
export function headOf(value) {
  const { id, title, renamed, createdAt, updatedAt, start, revision, ...more } = asRecord(value) ?? {};
  if (typeof id !== 'string') return null;
  return {
    ...more,
    id,
    title: typeof title === 'string' ? title : '',
    renamed: renamed === true,
    createdAt: numberOr0(createdAt),
    updatedAt: numberOr0(updatedAt),
    start: numberOr0(start),
    revision: numberOr0(revision),
  };
}

/** @param {unknown} value */
const numberOr0 = (value) => (typeof value === 'number' ? value : 0);
