// Records, as far as a store knows them: plain objects that JSON can hold, with a string `id`. What is read back is
// untrusted; something else in a record's place counts as absent.

/** @typedef {{ id: string, [name: string]: any }} Record */

/** @param {any} value @returns {value is Record} */
export const isRecord = (value) =>
  value !== null && typeof value === 'object' && !Array.isArray(value) && typeof value.id === 'string';

/** @param {string} text @returns {any} null where the text is no JSON */
export function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The record as it would come back: a copy, cut loose from the caller's. @param {Record} record @returns {Record} */
export const copyRecord = (record) => JSON.parse(JSON.stringify(record));
