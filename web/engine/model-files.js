// Files of this device that are a model: one, or all parts of one in a list.

// How the parts of a model are named.
const PART = /-\d{5}-of-\d{5}(?=\.gguf$)/i;

/** @param {unknown} model @returns {model is File | File[]} */
export const isOfFiles = (model) => model instanceof File || Array.isArray(model);

/** @param {File | File[]} model */
export const bytesOf = (model) => [model].flat().reduce((sum, { size }) => sum + size, 0);

/** What the model is called in one file. @param {string} name of one of its files */
export const withoutPart = (name) => name.replace(PART, '');

/** The last part of an address; as it stands there where that is no text, as with a single percent sign. @param {URL} url */
export function fileNameIn({ pathname }) {
  const last = pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** @param {File | File[]} model */
export const nameOf = (model) => withoutPart([model].flat()[0].name);

/** @param {string} name of a file */
export const isModelFile = (name) => /\.gguf$/i.test(name);

/**
 * The model that is meant where several files come at once: the only one among them, or the parts of one. Whether those
 * belong together is seen when they are read.
 * @param {Iterable<File>} files at least one
 * @returns {File | File[] | null} null: there is none, or more than one
 */
export function chooseFiles(files) {
  const all = [...files];
  if (all.length === 1) return all[0];
  const models = all.filter(({ name }) => isModelFile(name));
  if (models.length === 1) return models[0];
  return models.length > 1 && models.every(({ name }) => PART.test(name)) ? models : null;
}
