// Values of GGUF metadata, decoded from bytes that the core has checked: little-endian, unaligned, strings as a 64-bit
// length and UTF-8.
import { LENGTH_BYTES, TextTable } from './text-table.js';

/**
 * @typedef {object} Pair a key's value, by its types as numbered in the file
 * @property {number} type
 * @property {number} element of an array
 * @property {number} count of elements; 1 where it is no array
 * @property {number} [bytes] that the value takes in the file
 * @property {number} [value] where these are, for whoever reads them
 *
 * @typedef {number | bigint | boolean | string | string[] | boolean[] | NumberArray | null} MetadataValue null for an array
 *   of arrays
 * @typedef {Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array
 *   | BigUint64Array | BigInt64Array} NumberArray
 * @typedef {new (buffer: ArrayBuffer, start: number, count: number) => NumberArray} NumberArrayType
 */

/** @type {Record<number, { name: string, Array?: NumberArrayType }>} */
const TYPES = {
  0: { name: 'u8', Array: Uint8Array },
  1: { name: 'i8', Array: Int8Array },
  2: { name: 'u16', Array: Uint16Array },
  3: { name: 'i16', Array: Int16Array },
  4: { name: 'u32', Array: Uint32Array },
  5: { name: 'i32', Array: Int32Array },
  6: { name: 'f32', Array: Float32Array },
  7: { name: 'bool', Array: Uint8Array },
  8: { name: 'string' },
  9: { name: 'array' },
  10: { name: 'u64', Array: BigUint64Array },
  11: { name: 'i64', Array: BigInt64Array },
  12: { name: 'f64', Array: Float64Array },
};
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;

/** A value type's name, such as 'u32', and 'string[]' for arrays. @param {Pick<Pair, 'type' | 'element'>} pair */
export function typeName({ type, element }) {
  return type === ARRAY ? `${TYPES[element].name}[]` : TYPES[type].name;
}

/** @param {MetadataValue} value */
const plain = (value) => (typeof value === 'bigint' && BigInt.asIntN(54, value) === value ? Number(value) : value);

/** Where each of a number of strings ends. @param {Uint8Array} bytes @param {number} count */
function endsOf(bytes, count) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ends = new Uint32Array(count);
  for (let index = 0, position = 0; index < count; index++) {
    // The core has seen that all of it is there, so the upper half is zero.
    position += LENGTH_BYTES + view.getUint32(position, true);
    ends[index] = position;
  }
  return ends;
}

/** @param {Uint8Array} bytes @param {number} count */
function decodeStrings(bytes, count) {
  const ends = endsOf(bytes, count);
  return decodeAtOnce(bytes, ends) ?? decodeEach(bytes, ends);
}

/**
 * Whether each of the strings is well-formed UTF-8; their lengths become zeros.
 * @param {Uint8Array} bytes @param {Uint32Array} ends
 */
function isWellFormed(bytes, ends) {
  // No character goes on behind a zero, so none reaches from one string into the next.
  for (let index = 0, position = 0; index < ends.length; position = ends[index++]) {
    for (let place = 0; place < LENGTH_BYTES; place++) bytes[position + place] = 0;
  }
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/**
 * A call of the decoder takes longer than most strings, so all are decoded as one text and cut out of that: a third of
 * the time. Where one of them is no UTF-8, its end in the text is not known: null.
 */
/** @param {Uint8Array} given @param {Uint32Array} ends @returns {string[] | null} */
function decodeAtOnce(given, ends) {
  const bytes = given.slice(0, ends.at(-1) ?? 0);
  const cuts = new Uint32Array(ends.length);
  let units = 0;
  for (let index = 0, position = 0; index < ends.length; index++) {
    // No character goes on behind a zero, so none reaches from one string into the next.
    bytes.fill(0, position, position + LENGTH_BYTES);
    units += LENGTH_BYTES;
    for (position += LENGTH_BYTES; position < ends[index]; position++) {
      const byte = bytes[position];
      // UTF-16 units: one for a first byte, one more for the first of four, none for those that follow.
      if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1;
    }
    cuts[index] = units;
  }
  let text;
  try {
    text = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes);
  } catch {
    return null;
  }
  let start = 0;
  return Array.from(cuts, (end) => {
    const string = text.slice(start + LENGTH_BYTES, end);
    start = end;
    return string;
  });
}

/** @param {Uint8Array} bytes @param {Uint32Array} ends */
function decodeEach(bytes, ends) {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let position = 0;
  return Array.from(ends, (end) => {
    const string = decoder.decode(bytes.subarray(position + LENGTH_BYTES, end));
    position = end;
    return string;
  });
}

/** @param {Uint8Array} bytes @param {number} element @param {number} count */
function decodeNumbers(bytes, element, count) {
  const Numbers = /** @type {NumberArrayType} */ (TYPES[element].Array);
  // A copy at offset 0 is aligned for every type.
  const values = new Numbers(/** @type {ArrayBuffer} */ (bytes.slice().buffer), 0, count);
  if (element === BOOL) return Array.from(/** @type {Uint8Array} */ (values), (value) => value !== 0);
  return values;
}

/**
 * @param {Pair} pair a smaller count than the file's decodes the beginning of an array
 * @param {Uint8Array} bytes the value's bytes, not shared memory
 * @returns {MetadataValue}
 */
export function decodeValue({ type, element, count }, bytes) {
  if (type === ARRAY && element === ARRAY) return null;
  const values = element === STRING ? decodeStrings(bytes, count) : decodeNumbers(bytes, element, count);
  return type === ARRAY ? values : plain(values[0]);
}

/** The metadata of a header; its values are decoded when asked for. */
export class Metadata {
  #read;
  /** @type {Map<string, Pair>} */
  #pairs = new Map();
  /** @type {Map<string, MetadataValue>} */
  #values = new Map();

  /** @param {(pair: any) => Uint8Array} read gives a copy of the bytes of a pair that was added */
  constructor(read) {
    this.#read = read;
  }

  /** @param {string} key @param {Pair} pair */
  add(key, pair) {
    this.#pairs.set(key, pair);
  }

  /** @param {string} key */
  has(key) {
    return this.#pairs.has(key);
  }

  keys() {
    return [...this.#pairs.keys()];
  }

  /**
   * How many strings a list has, and their UTF-8 in bytes; none where there is no list of strings.
   * @param {string} key
   */
  sizeOf(key) {
    const { element, count = 0, bytes = 0 } = this.#pairs.get(key) ?? {};
    return element === STRING ? { count, textBytes: bytes - LENGTH_BYTES * count } : { count: 0, textBytes: 0 };
  }

  /**
   * The value of a key, undefined where it is absent: a number (a bigint past 2^53), boolean or string; for an array
   * of strings or booleans an Array, of numbers a typed array, of arrays null.
   * @param {string} key
   * @returns {MetadataValue | undefined} whatever the file says; whoever asks checks it
   */
  get(key) {
    const pair = this.#pairs.get(key);
    if (pair === undefined) return undefined;
    if (!this.#values.has(key)) this.#values.set(key, decodeValue(pair, this.#read(pair)));
    return this.#values.get(key);
  }

  /** The strings of a key whose value is an array of them; null for any other. @param {string} key @returns {TextTable | null} */
  texts(key) {
    const pair = this.#pairs.get(key);
    if (pair?.type !== ARRAY || pair.element !== STRING) return null;
    const given = this.#read(pair);
    const ends = endsOf(given, pair.count);
    const bytes = given.subarray(0, ends.at(-1) ?? 0);
    return isWellFormed(bytes, ends) ? new TextTable(bytes, ends) : TextTable.of(decodeEach(bytes, ends));
  }

  /**
   * { type, count, value } of a key that exists; of an array only its first `limit` elements.
   * @param {string} key @param {number} limit
   */
  preview(key, limit) {
    const pair = /** @type {Pair} */ (this.#pairs.get(key));
    const value = decodeValue({ ...pair, count: Math.min(pair.count, limit) }, this.#read(pair));
    return { type: typeName(pair), count: pair.count, value: ArrayBuffer.isView(value) ? [...value] : value };
  }

  clear() {
    this.#pairs.clear();
    this.#values.clear();
  }
}
