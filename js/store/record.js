// Records, as far as a store knows them: plain objects that JSON can hold, with a string `id`. What is read back is
// untrusted; what is something else in a record's place is listed as one that cannot be read, and counts as absent else.

/** @typedef {{ id: string, [name: string]: unknown }} Record */

/** @param {unknown} value @returns {value is Record} */
export const isRecord = (value) =>
  value !== null && typeof value === 'object' && !Array.isArray(value) && 'id' in value && typeof value.id === 'string';

/** @param {string} text @returns {unknown} null where the text is no JSON */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const UNREADABLE = /^unreadable:([0-9a-f]{64})$/;

/**
 * What stands for a record that cannot be read, so that what it takes can be seen and deleted. Its id is not known: such a
 * one is called by its folder, which is named by the SHA-256 of that.
 * @param {string} folder
 * @returns {Record}
 */
export const unreadableRecord = (folder) => ({ id: `unreadable:${folder}`, name: `unreadable ${folder.slice(0, 8)}` });

/**
 * What stands for a record that a database has lost, and whose id it knows all the same. For other keys there is none.
 * @param {unknown} key
 * @returns {Record | null}
 */
export const lostRecord = (key) => (typeof key === 'string' ? { id: key } : null);

/** The folder of a record that cannot be read; null for any other id. @param {string} id @returns {string | null} */
export const unreadableFolder = (id) => UNREADABLE.exec(id)?.[1] ?? null;

/** Whether a folder is named as those of a store are. @param {string} name */
export const isFolderName = (name) => /^[0-9a-f]{64}$/.test(name);

/** The record as it would come back: a copy, cut loose from the caller's. @param {Record} record @returns {Record} */
export const copyRecord = (record) => JSON.parse(JSON.stringify(record));
