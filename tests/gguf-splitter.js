// Cuts a GGUF file into parts, as llama-gguf-split does: all metadata are in the first, each tells its number (from 0), how
// many there are and how many tensors all have. Of the file it trusts everything. tests/models/parts.test.js compares.

import { present } from './present.js';
import { byteLength, FORMATS } from './weight-formats.js';

const ALIGNMENT = 32;
/** @type {Record<string, number>} */
const SIZES = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };
const [STRING, ARRAY] = [8, 9];
const U16 = 2;
const I32 = 5;

/** @param {number} position */
const aligned = (position, alignment = ALIGNMENT) => Math.ceil(position / alignment) * alignment;
/** @param {Buffer<ArrayBuffer> | Buffer<ArrayBufferLike>} bytes @param {number} alignment */
const padded = (bytes, alignment) =>
  Buffer.concat([bytes, Buffer.alloc(aligned(bytes.length, alignment) - bytes.length)]);

/** @param {string} key @param {number} type @param {number} value */
function numberPair(key, type, value) {
  const bytes = Buffer.alloc(8 + key.length + 4 + SIZES[type]);
  bytes.writeBigUInt64LE(BigInt(key.length), 0);
  bytes.write(key, 8);
  bytes.writeUInt32LE(type, 8 + key.length);
  bytes.writeUIntLE(value, 12 + key.length, SIZES[type]);
  return bytes;
}

/**
 * The tables of a file: each metadata pair as it stands there, and of each tensor its entry up to the offset and its data.
 * @param {Buffer} file
 */
export function readTables(file) {
  let at = 24;
  /** @param {number} count */
  const take = (count) => {
    at += count;
    return at - count;
  };
  const string = () => {
    const length = Number(file.readBigUInt64LE(take(8)));
    return file.toString('utf8', take(length), at);
  };
  /** @param {number} type */
  const skip = (type) => (type === STRING ? string() : take(SIZES[type]));
  const pairs = Array.from({ length: Number(file.readBigUInt64LE(16)) }, () => {
    const start = at;
    const key = string();
    const type = file.readUInt32LE(take(4));
    if (type === ARRAY) {
      const element = file.readUInt32LE(take(4));
      for (let left = Number(file.readBigUInt64LE(take(8))); left > 0; left--) skip(element);
    } else skip(type);
    return { key, entry: file.subarray(start, at) };
  });
  const infos = Array.from({ length: Number(file.readBigUInt64LE(8)) }, () => {
    const start = at;
    const name = string();
    const shape = Array.from({ length: file.readUInt32LE(take(4)) }, () => Number(file.readBigUInt64LE(take(8))));
    const id = file.readUInt32LE(take(4));
    const entry = file.subarray(start, at);
    const offset = Number(file.readBigUInt64LE(take(8)));
    const [type] = present(Object.entries(FORMATS).find(([, format]) => format.id === id));
    return {
      name,
      entry,
      offset,
      bytes: byteLength(
        type,
        shape.reduce((product, size) => product * size, 1),
      ),
    };
  });
  const data = file.subarray(aligned(at));
  const tensors = infos.map(({ name, entry, offset, bytes }) => ({
    name,
    entry,
    data: data.subarray(offset, offset + bytes),
  }));
  return { pairs, tensors };
}

/**
 * A file of these metadata pairs and tensors.
 * @param {{ pairs: { key: string, entry: Buffer }[], tensors: { name: string, entry: Buffer, data: Buffer }[], alignment?: number }} options
 */
export function writeTables({ pairs, tensors, alignment = ALIGNMENT }) {
  const start = Buffer.alloc(24);
  start.write('GGUF', 0);
  start.writeUInt32LE(3, 4);
  start.writeBigUInt64LE(BigInt(tensors.length), 8);
  start.writeBigUInt64LE(BigInt(pairs.length), 16);
  let offset = 0;
  const infos = tensors.map(({ entry, data }) => {
    const place = Buffer.alloc(8);
    place.writeBigUInt64LE(BigInt(offset), 0);
    offset += aligned(data.length, alignment);
    return Buffer.concat([entry, place]);
  });
  const header = padded(Buffer.concat([start, ...pairs.map(({ entry }) => entry), ...infos]), alignment);
  return Buffer.concat([header, ...tensors.map(({ data }) => padded(data, alignment))]);
}

/** What each part tells of itself. @param {number} number @param {number} count @param {number} tensorCount */
export const splitPairs = (number, count, tensorCount) => [
  { key: 'split.no', entry: numberPair('split.no', U16, number) },
  { key: 'split.count', entry: numberPair('split.count', U16, count) },
  { key: 'split.tensors.count', entry: numberPair('split.tensors.count', I32, tensorCount) },
];

/**
 * @param {Buffer} file
 * @param {number} count of parts
 * @param {{ emptyFirst?: boolean }} [options] `emptyFirst`: the first has no tensors
 * @returns {Buffer[]} of about as many tensors each
 */
export function splitGguf(file, count, { emptyFirst = false } = {}) {
  const { pairs, tensors } = readTables(file);
  const filled = emptyFirst ? count - 1 : count;
  const each = Math.ceil(tensors.length / filled);
  return Array.from({ length: count }, (_, index) => {
    const place = emptyFirst ? index - 1 : index;
    return writeTables({
      pairs: [...(index === 0 ? pairs : []), ...splitPairs(index, count, tensors.length)],
      tensors: place < 0 ? [] : tensors.slice(place * each, (place + 1) * each),
    });
  });
}

/** The parts' names. @param {string} stem @param {number} count */
export const splitNames = (stem, count) =>
  Array.from(
    { length: count },
    (_, index) => `${stem}-${String(index + 1).padStart(5, '0')}-of-${String(count).padStart(5, '0')}.gguf`,
  );
