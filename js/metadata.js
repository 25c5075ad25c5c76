// Values of GGUF metadata, decoded from bytes that the core has checked: little-endian, unaligned, strings as a 64-bit
// length and UTF-8.

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

/** A value type's name, such as 'u32', and 'string[]' for arrays. */
export function typeName({ type, element }) {
  return type === ARRAY ? `${TYPES[element].name}[]` : TYPES[type].name;
}

const plain = (value) => (typeof value === 'bigint' && BigInt.asIntN(54, value) === value ? Number(value) : value);

function decodeStrings(bytes, count) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const strings = new Array(count);
  let position = 0;
  for (let index = 0; index < count; index++) {
    const length = Number(view.getBigUint64(position, true));
    strings[index] = decoder.decode(bytes.subarray(position + 8, position + 8 + length));
    position += 8 + length;
  }
  return strings;
}

function decodeNumbers(bytes, element, count) {
  // A copy at offset 0 is aligned for every type.
  const values = new TYPES[element].Array(bytes.slice().buffer, 0, count);
  if (element === BOOL) return Array.from(values, (value) => value !== 0);
  return values;
}

/**
 * @param {{ type: number, element: number, count: number }} pair types as numbered in the file; a smaller count than
 *   the file's decodes the beginning of an array
 * @param {Uint8Array} bytes the value's bytes, not shared memory
 * @returns {number | bigint | boolean | string | Array | ArrayBufferView | null} null for an array of arrays
 */
export function decodeValue({ type, element, count }, bytes) {
  if (type === ARRAY && element === ARRAY) return null;
  const values = element === STRING ? decodeStrings(bytes, count) : decodeNumbers(bytes, element, count);
  return type === ARRAY ? values : plain(values[0]);
}

/** The metadata of a header; its values are decoded when asked for. */
export class Metadata {
  #read;
  #pairs = new Map();
  #values = new Map();

  /** @param {(pair: object) => Uint8Array} read gives a copy of the bytes of a pair that was added */
  constructor(read) {
    this.#read = read;
  }

  /** @param {string} key @param {{ type: number, element: number, count: number }} pair */
  add(key, pair) {
    this.#pairs.set(key, pair);
  }

  has(key) {
    return this.#pairs.has(key);
  }

  keys() {
    return [...this.#pairs.keys()];
  }

  /**
   * The value of a key, undefined where it is absent: a number (a bigint past 2^53), boolean or string; for an array
   * of strings or booleans an Array, of numbers a typed array, of arrays null.
   */
  get(key) {
    const pair = this.#pairs.get(key);
    if (pair === undefined) return undefined;
    if (!this.#values.has(key)) this.#values.set(key, decodeValue(pair, this.#read(pair)));
    return this.#values.get(key);
  }

  /** { type, count, value } of a key that exists; of an array only its first `limit` elements. */
  preview(key, limit) {
    const pair = this.#pairs.get(key);
    const value = decodeValue({ ...pair, count: Math.min(pair.count, limit) }, this.#read(pair));
    return { type: typeName(pair), count: pair.count, value: ArrayBuffer.isView(value) ? Array.from(value) : value };
  }

  clear() {
    this.#pairs.clear();
    this.#values.clear();
  }
}
