// Models that are cut into several files, each named by its number and by how many there are, as llama-gguf-split does it:
// name-00001-of-00003.gguf.
import { NibbleError } from '../base/errors.js';

const PART = /^(.*)-(\d{5})-of-(\d{5})(\.gguf)$/is;
// As many missing parts as a sentence names.
const NAMED = 5;

/**
 * What a name says of a part; null where it is the name of a whole file.
 * @param {string} name a file's name, a path, or an address without its query
 * @returns {{ stem: string, number: number, count: number, ending: string } | null} `number`: from 1; `stem`: what stands before it
 */
export function partOf(name) {
  const [, stem = '', digits, total, ending = ''] = PART.exec(name) ?? [];
  const [number, count] = [Number(digits), Number(total)];
  return count > 1 && number >= 1 && number <= count ? { stem, number, count, ending } : null;
}

/** The name of another part. @param {NonNullable<ReturnType<typeof partOf>>} part @param {number} number */
export function partName({ stem, count, ending }, number) {
  const digits = (/** @type {number} */ value) => String(value).padStart(5, '0');
  return `${stem}-${digits(number)}-of-${digits(count)}${ending}`;
}

/** What the model would be called in one file. @param {string} name @returns {string} the name itself where it is no part's */
export function wholeName(name) {
  const part = partOf(name);
  return part === null ? name : part.stem + part.ending;
}

/** The names of all parts of which one is named; null where it is the name of a whole file. @param {string} name */
export function namesOfParts(name) {
  const part = partOf(name);
  return part && Array.from({ length: part.count }, (_, index) => partName(part, index + 1));
}

/** The same for an address, whose query is that of each. @param {string} url */
export function addressesOfParts(url) {
  const [place] = url.split(/[?#]/, 1);
  const names = /^https?:/i.test(url) ? namesOfParts(place) : null;
  return names?.map((name) => name + url.slice(place.length)) ?? null;
}

/** The name of the first part, by which a model in parts is known; a whole file's own. @param {string} name */
export const firstName = (name) => namesOfParts(name)?.[0] ?? name;

/** @param {string} url */
export const firstAddress = (url) => addressesOfParts(url)?.[0] ?? url;

/**
 * @param {number[]} numbers of the parts that are not there
 * @param {{ stem: string, count: number, ending: string }} part
 * @param {string} [found] the beginning of the sentence
 */
export function missingParts(numbers, part, found = `A model in ${part.count} parts is not whole`) {
  const names = numbers.map((number) =>
    partName({ number, ...part }, number)
      .split(/[\\/]/)
      .pop(),
  );
  const listed = names
    .slice(0, NAMED)
    .map((name) => `"${name}"`)
    .join(', ');
  const more = names.length > NAMED ? ' and others' : '';
  const message = `${found}; missing ${names.length === 1 ? 'is' : 'are'} ${listed}${more}. Give all parts together, or keep them under their names at one place and give any of them.`;
  return new NibbleError('MODEL_PARTS_MISSING', message, { details: { missing: names, count: part.count } });
}
