// The header of a model in parts: the metadata of its first part, and the tensors of all, as one file would have them. The
// data of each part follow those of the part before it.
import { NibbleError } from '../base/errors.js';
import { missingParts, partOf } from '../sources/part-names.js';

// Parts may have one each.
const ALIGNMENT_KEY = 'general.alignment';
const ALIGNMENT = 32;
const U32 = 4;
// Numbers and counts of parts have 16 bits.
const MOST_PARTS = 65535;

/**
 * @typedef {object} PartHeader what the header of a part tells
 * @property {string} name of its file
 * @property {number | null} number from 1; null: it is no part
 * @property {number} count of parts; 0: it is no part
 * @property {number | null} tensorCount of all parts together; null: it does not say so
 * @property {number} version of GGUF
 * @property {number} alignment
 * @property {number} dataOffset
 * @property {number} dataBytes behind that, up to the end of the last tensor
 * @property {Map<string, Uint8Array>} pairs each metadata pair as it stands in the file, without those of parts
 * @property {{ name: string, entry: Uint8Array, offset: number }[]} tensors `entry`: as it stands in the file, up to the
 *   offset; `offset`: in the part's data
 */

/** What a file says of its place among the parts. @param {string} name @param {import('../core/header.js').Header} header */
function placeOf(name, header) {
  const whole = (/** @type {string} */ key, /** @type {number} */ most) => {
    const value = header.get(key);
    if (value === undefined) return null;
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most) return value;
    const found = typeof value === 'number' || typeof value === 'bigint' ? value : 'no number';
    throw mixed(`${key} of "${name}" is ${found}, where a whole number from 0 to ${most} was expected`);
  };
  const count = whole('split.count', MOST_PARTS) ?? 0;
  if (count <= 1) return { number: null, count, tensorCount: null };
  const number = whole('split.no', MOST_PARTS - 1);
  const tensorCount = whole('split.tensors.count', Number.MAX_SAFE_INTEGER);
  return { number: number === null ? null : number + 1, count, tensorCount };
}

/**
 * Copies what is needed of a header.
 * @param {string} name @param {import('../core/header.js').Header} header
 * @returns {PartHeader}
 * @throws {NibbleError} MODEL_PARTS_MIXED
 */
export function partHeader(name, header) {
  const { pairs, tensors } = header.entries();
  const { dataOffset } = header;
  const ends = tensors.map(({ offset, bytes }) => offset + bytes);
  return {
    name,
    ...placeOf(name, header),
    version: header.version,
    // The core has seen that it is a number, where it is there.
    alignment: Number(header.get(ALIGNMENT_KEY) ?? ALIGNMENT),
    dataOffset,
    dataBytes: ends.reduce((most, end) => Math.max(most, end), dataOffset) - dataOffset,
    pairs: new Map(pairs.filter(({ key }) => !key.startsWith('split.')).map((pair) => [pair.key, pair.entry])),
    tensors: tensors.map((tensor) => ({ name: tensor.name, entry: tensor.entry, offset: tensor.offset - dataOffset })),
  };
}

/** Throws where a file that was given alone is a part of a model. @param {string} name @param {import('../core/header.js').Header} header */
export function checkWhole(name, header) {
  const { number, count } = placeOf(name, header);
  if (count <= 1) return;
  const part = partOf(name) ?? { stem: name.replace(/\.gguf$/i, ''), count, ending: '.gguf' };
  const others = Array.from({ length: count }, (_, index) => index + 1).filter((one) => one !== number);
  const place = number === null ? `one of ${count} parts` : `part ${number} of ${count}`;
  throw missingParts(others, { ...part, count }, `"${name}" is ${place} of a model`);
}

const mixed = (/** @type {string} */ found) =>
  new NibbleError(
    'MODEL_PARTS_MIXED',
    `${found}. Give the parts of one model, each once, all from the same place; get those again that may be damaged or renamed.`,
  );

/**
 * Parts in their order.
 * @param {PartHeader[]} given
 * @throws {NibbleError} MODEL_PARTS_MISSING, MODEL_PARTS_MIXED
 */
export function inOrder(given) {
  const [{ count, tensorCount, name: first }] = given;
  for (const part of given) {
    const { name, number } = part;
    if (number === null || part.count <= 1) throw mixed(`"${name}" is no part of a model, but a whole file`);
    if (number > part.count) throw mixed(`"${name}" says that it is part ${number} of ${part.count}`);
    if (part.count !== count) throw mixed(`"${first}" is one of ${count} parts, and "${name}" one of ${part.count}`);
    if (part.tensorCount !== tensorCount)
      throw mixed(
        `"${first}" belongs to a model of ${tensorCount} tensors, and "${name}" to one of ${part.tensorCount}`,
      );
    checkName(part, partOf(name), partOf(first));
  }
  const sorted = [...given].sort((a, b) => (a.number ?? 0) - (b.number ?? 0));
  const twice = sorted.findIndex(({ number }, index) => sorted[index + 1]?.number === number);
  if (twice >= 0) {
    const [a, b] = sorted.slice(twice);
    throw mixed(`"${a.name}" and "${b.name}" are both part ${a.number} of ${count}`);
  }
  const there = new Set(sorted.map(({ number }) => number));
  const missing = Array.from({ length: count }, (_, index) => index + 1).filter((number) => !there.has(number));
  const stem = partOf(first)?.stem ?? first.replace(/\.gguf$/i, '');
  if (missing.length > 0) throw missingParts(missing, { stem, count, ending: '.gguf' });
  return sorted;
}

/** @param {PartHeader} part @param {ReturnType<typeof partOf>} told @param {ReturnType<typeof partOf>} first */
function checkName({ name, number, count }, told, first) {
  if (told === null) return;
  if (told.number !== number || told.count !== count)
    throw mixed(`"${name}" holds part ${number} of ${count}, which is not what its name says`);
  if (first !== null && told.stem.split(/[\\/]/).pop() !== first.stem.split(/[\\/]/).pop())
    throw mixed(`"${name}" belongs to another model than "${first.stem}"`);
}

/**
 * @param {PartHeader[]} parts in their order
 * @returns {{ header: Uint8Array, starts: number[], size: number }} `header`: with all bytes before the first data;
 *   `starts`: where the data of each part begin; `size`: of it all
 * @throws {NibbleError} MODEL_PARTS_MIXED
 */
export function joinHeaders(parts) {
  checkTensors(parts);
  const [{ pairs, version }, ...others] = parts;
  for (const other of others) checkMetadata(parts[0], other);
  const alignment = Math.min(...parts.map((part) => part.alignment));
  const aligned = (/** @type {number} */ position) => Math.ceil(position / alignment) * alignment;
  /** @type {number[]} */
  const offsets = [];
  let end = 0;
  for (const { dataBytes } of parts) {
    const offset = aligned(end);
    offsets.push(offset);
    end = offset + dataBytes;
  }
  const tensors = parts.flatMap((part, index) =>
    part.tensors.flatMap(({ entry, offset }) => [entry, u64(offsets[index] + offset)]),
  );
  const metadata = new Map(pairs);
  if (alignment !== parts[0].alignment) metadata.set(ALIGNMENT_KEY, alignmentPair(alignment));
  const counts = [u64(tensors.length / 2), u64(metadata.size)];
  const start = [new TextEncoder().encode('GGUF'), u32(version), ...counts, ...metadata.values(), ...tensors];
  const dataOffset = aligned(start.reduce((sum, { length }) => sum + length, 0));
  const header = new Uint8Array(dataOffset);
  let position = 0;
  for (const piece of start) {
    header.set(piece, position);
    position += piece.length;
  }
  return { header, starts: offsets.map((offset) => dataOffset + offset), size: dataOffset + end };
}

/** @param {PartHeader[]} parts */
function checkTensors(parts) {
  const owners = new Map();
  for (const part of parts) {
    for (const { name } of part.tensors) {
      const other = owners.get(name);
      if (other !== undefined) throw mixed(`The tensor "${name}" stands in "${other}" and in "${part.name}"`);
      owners.set(name, part.name);
    }
  }
  const [{ tensorCount }] = parts;
  if (owners.size === tensorCount) return;
  throw mixed(`The parts have ${owners.size} tensors together, and each says that they have ${tensorCount}`);
}

/** Later parts have no metadata of their own, or the same. @param {PartHeader} first @param {PartHeader} other */
function checkMetadata(first, { name, version, pairs }) {
  if (version !== first.version)
    throw mixed(`"${first.name}" is GGUF version ${first.version}, and "${name}" ${version}`);
  for (const [key, entry] of pairs) {
    if (key === ALIGNMENT_KEY) continue;
    const same = first.pairs.get(key);
    if (same?.length !== entry.length || same.some((byte, index) => byte !== entry[index]))
      throw mixed(`The metadata "${key}" of "${name}" are not those of "${first.name}"`);
  }
}

const u32 = (/** @type {number} */ value) => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (/** @type {number} */ value) => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);

/** @param {number} alignment */
function alignmentPair(alignment) {
  const key = new TextEncoder().encode(ALIGNMENT_KEY);
  return Uint8Array.of(...u64(key.length), ...key, ...u32(U32), ...u32(alignment));
}
