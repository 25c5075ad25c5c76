// Reads the metadata of a GGUF file, for tests only: it trusts the file's container.

import { readFileSync } from 'node:fs';

/**
 * @typedef {Uint8ArrayConstructor | Int8ArrayConstructor | Uint16ArrayConstructor | Int16ArrayConstructor
 *   | Uint32ArrayConstructor | Int32ArrayConstructor | Float32ArrayConstructor | BigUint64ArrayConstructor
 *   | BigInt64ArrayConstructor | Float64ArrayConstructor} NumbersConstructor
 * @type {Record<number, [NumbersConstructor, number]>}
 */
const TYPED = {
  0: [Uint8Array, 1],
  1: [Int8Array, 1],
  2: [Uint16Array, 2],
  3: [Int16Array, 2],
  4: [Uint32Array, 4],
  5: [Int32Array, 4],
  6: [Float32Array, 4],
  10: [BigUint64Array, 8],
  11: [BigInt64Array, 8],
  12: [Float64Array, 8],
};

/**
 * @param {string} path
 * @returns {{ get(key: string): any, keys(): string[] }} whose values are of the types that the file names
 */
export function readMetadata(path) {
  const file = readFileSync(path);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let offset = 24;
  const count = Number(view.getBigUint64(16, true));
  /** @param {number} bytes */
  const take = (bytes) => {
    offset += bytes;
    return offset - bytes;
  };
  const string = () => {
    const length = Number(view.getBigUint64(take(8), true));
    const start = take(length);
    return file.toString('utf8', start, start + length);
  };
  /** @param {bigint} value */
  const integer = (value) => {
    const safe = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
    return safe ? Number(value) : value;
  };
  const array = () => {
    const type = view.getUint32(take(4), true);
    const length = Number(view.getBigUint64(take(8), true));
    if (!(type in TYPED)) return Array.from({ length }, () => value(type));
    const [Type, size] = TYPED[type];
    const start = file.byteOffset + take(size * length);
    return new Type(file.buffer.slice(start, start + size * length));
  };
  /** @type {Record<number, () => unknown>} */
  const readers = {
    0: () => view.getUint8(take(1)),
    1: () => view.getInt8(take(1)),
    2: () => view.getUint16(take(2), true),
    3: () => view.getInt16(take(2), true),
    4: () => view.getUint32(take(4), true),
    5: () => view.getInt32(take(4), true),
    6: () => view.getFloat32(take(4), true),
    7: () => view.getUint8(take(1)) !== 0,
    8: string,
    9: array,
    10: () => integer(view.getBigUint64(take(8), true)),
    11: () => integer(view.getBigInt64(take(8), true)),
    12: () => view.getFloat64(take(8), true),
  };
  /** @param {number} type @returns {unknown} */
  const value = (type) => {
    if (!(type in readers)) throw new Error(`${path}: value type ${type}`);
    return readers[type]();
  };
  const entries = new Map();
  for (let i = 0; i < count; i++) {
    const key = string();
    entries.set(key, value(view.getUint32(take(4), true)));
  }
  return { get: (key) => entries.get(key), keys: () => [...entries.keys()] };
}
