// A GGUF v3 writer. Tensors are asked for one at a time, in pieces, so a file of any size needs little memory.
//
//   | magic, version, counts | metadata | tensor infos | padding | tensor 0 | padding | tensor 1 | padding | ...
//
// Offsets in the tensor infos count from the first tensor; they and it stand on multiples of the alignment.

import { createHash } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';
import { byteLength, FORMATS } from './weight-formats.js';

/** @type {Record<string, number>} */
const VALUE_TYPES = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  u64: 10,
  i64: 11,
  f64: 12,
};
const ARRAY = 9;
const ALIGNMENT = 32;
const PAGE = 1 << 16;

/**
 * @typedef {{ shape?: (number | bigint)[], dimensions?: number, type?: number, offset?: number | bigint }} Told
 * @typedef {[key: string, type: string, value: any]} KeyValue type is a scalar's name, or `name[]` for an array of them;
 *   the value is what that says, or is written wrongly on purpose
 * @typedef {KeyValue | Buffer} Entry bytes are written as they are
 * @typedef {{ name: string, type: import('./weight-formats.js').WeightType, shape: number[], told?: Told }} TensorInfo shape in
 *   the file's order: the length of a row first; `told`: what the file says of the tensor where that is not so, as
 *   `shape`, `dimensions` (their count), `type` (a number) and `offset`
 */

/**
 * `produce` gives a tensor's bytes in pieces of any size; a piece is read before the next is asked for, so one buffer may
 * serve for all.
 * @template {TensorInfo} T
 * @typedef {{ metadata: Entry[], tensors: T[], produce: (tensor: T) => Iterable<Uint8Array> }} GgufFile
 */

/** @type {Record<string, [size: number, write: (page: Buffer, at: number, value: any) => unknown]>} */
const SCALARS = {
  u8: [1, (page, at, value) => page.writeUInt8(value, at)],
  i8: [1, (page, at, value) => page.writeInt8(value, at)],
  u16: [2, (page, at, value) => page.writeUInt16LE(value, at)],
  i16: [2, (page, at, value) => page.writeInt16LE(value, at)],
  u32: [4, (page, at, value) => page.writeUInt32LE(value, at)],
  i32: [4, (page, at, value) => page.writeInt32LE(value, at)],
  f32: [4, (page, at, value) => page.writeFloatLE(value, at)],
  bool: [1, (page, at, value) => page.writeUInt8(Number(value), at)],
  u64: [8, (page, at, value) => page.writeBigUInt64LE(BigInt(value), at)],
  i64: [8, (page, at, value) => page.writeBigInt64LE(BigInt(value), at)],
  f64: [8, (page, at, value) => page.writeDoubleLE(value, at)],
};

class Header {
  /** @type {Buffer[]} */
  #full = [];
  #page = Buffer.alloc(PAGE);
  #used = 0;

  /** @param {number} size @param {(page: Buffer, at: number) => unknown} write */
  #append(size, write) {
    if (this.#used + size > this.#page.length) {
      this.#full.push(this.#page.subarray(0, this.#used));
      this.#page = Buffer.alloc(Math.max(PAGE, size));
      this.#used = 0;
    }
    write(this.#page, this.#used);
    this.#used += size;
  }

  /** @param {string} type @param {any} value */
  scalar(type, value) {
    if (type === 'string') {
      const size = Buffer.byteLength(value);
      this.scalar('u64', size);
      this.#append(size, (page, at) => page.write(value, at));
      return;
    }
    if (!SCALARS[type]) throw new TypeError(`Unknown metadata type "${type}".`);
    const [size, write] = SCALARS[type];
    this.#append(size, (page, at) => write(page, at, value));
  }

  /** @param {Entry} entry */
  entry(entry) {
    if (Buffer.isBuffer(entry)) {
      this.#append(entry.length, (page, at) => entry.copy(page, at));
      return;
    }
    const [key, type, value] = entry;
    this.scalar('string', key);
    const element = type.endsWith('[]') ? type.slice(0, -2) : type;
    if (element !== type) {
      this.scalar('u32', ARRAY);
      this.scalar('u32', VALUE_TYPES[element]);
      this.scalar('u64', value.length);
      for (const item of value) this.scalar(element, item);
    } else {
      this.scalar('u32', VALUE_TYPES[type]);
      this.scalar(type, value);
    }
  }

  bytes() {
    return Buffer.concat([...this.#full, this.#page.subarray(0, this.#used)]);
  }
}

/** @param {{ shape: number[] }} tensor */
const weightCount = (tensor) => tensor.shape.reduce((product, size) => product * size, 1);
/** @param {number} size */
const padding = (size) => (ALIGNMENT - (size % ALIGNMENT)) % ALIGNMENT;

/** @param {Entry[]} metadata @param {TensorInfo[]} tensors */
function headerBytes(metadata, tensors) {
  const header = new Header();
  header.scalar('u32', 0x46554747);
  header.scalar('u32', 3);
  header.scalar('u64', tensors.length);
  header.scalar('u64', metadata.length);
  for (const entry of metadata) header.entry(entry);
  let offset = 0;
  for (const tensor of tensors) {
    /** @type {Required<Omit<Told, 'dimensions'>> & Told} */
    const told = { shape: tensor.shape, type: FORMATS[tensor.type].id, offset, ...tensor.told };
    header.scalar('string', tensor.name);
    header.scalar('u32', told.dimensions ?? told.shape.length);
    for (const size of told.shape) header.scalar('u64', size);
    header.scalar('u32', told.type);
    header.scalar('u64', told.offset);
    const size = byteLength(tensor.type, weightCount(tensor));
    offset += size + padding(size);
  }
  return header.bytes();
}

/**
 * The file in pieces, in order.
 * @template {TensorInfo} T
 * @param {GgufFile<T>} file
 * @returns {Generator<Uint8Array>}
 */
export function* ggufPieces({ metadata, tensors, produce }) {
  const header = headerBytes(metadata, tensors);
  yield header;
  yield new Uint8Array(padding(header.length));
  for (const tensor of tensors) {
    const expected = byteLength(tensor.type, weightCount(tensor));
    let found = 0;
    for (const piece of produce(tensor)) {
      found += piece.length;
      yield piece;
    }
    if (found !== expected)
      throw new RangeError(`Tensor ${tensor.name}: ${found} bytes produced, ${expected} expected.`);
    yield new Uint8Array(padding(expected));
  }
}

/**
 * The whole file in memory.
 * @template {TensorInfo} T
 * @param {GgufFile<T>} file
 */
export function ggufBytes(file) {
  const pieces = [];
  for (const piece of ggufPieces(file)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

/**
 * Writes the file, replacing what was there.
 * @template {TensorInfo} T
 * @param {string} path
 * @param {GgufFile<T>} file
 * @param {{hash?: boolean}} [options] `hash`: also compute the SHA-256 (about 2 s for each GB)
 * @returns {{bytes: number, sha256: string | null}}
 */
export function writeGguf(path, file, { hash = false } = {}) {
  const digest = hash ? createHash('sha256') : null;
  const handle = openSync(path, 'w');
  let bytes = 0;
  try {
    for (const piece of ggufPieces(file)) {
      for (let at = 0; at < piece.length; ) at += writeSync(handle, piece, at);
      digest?.update(piece);
      bytes += piece.length;
    }
  } finally {
    closeSync(handle);
  }
  return { bytes, sha256: digest?.digest('hex') ?? null };
}
