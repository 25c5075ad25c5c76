// The record of a stored model: what a store knows of it beside its chunks. What is read back is untrusted: a record is
// used only after readManifest() has looked at every field.
import { NibbleError, shortened } from '../base/errors.js';
import { nameOf } from '../download/http-headers.js';
import { quantizationOf } from '../gguf/quantization.js';
import { wholeName } from '../sources/part-names.js';

/** @typedef {import('../core/header.js').Header} Header */
/** @typedef {import('../store/record.js').Record} StoredRecord */

/** The format of records and of what they describe. */
export const FORMAT = 1;
/** The index under which the bytes of the file before its tensor data are stored. */
export const HEADER = -1;

/**
 * @typedef {object} Manifest
 * @property {string} id see model-id.js
 * @property {string[]} [aliases] further ids that this model is known by
 * @property {number} format
 * @property {number} layout of packed bytes; see src/model.h
 * @property {'importing' | 'complete'} state
 * @property {string} name
 * @property {{ url: string } | { file: string }} source
 * @property {string | null} etag of the URL's file, and the same for lastModified
 * @property {string | null} lastModified
 * @property {number | null} fileBytes null while nobody knows
 * @property {number} headerBytes
 * @property {string} headerChecksum
 * @property {number} packedBytes of the whole model
 * @property {number} chunkBytes of every chunk but the last
 * @property {{ bytes: number, checksum: string }[]} chunks what is stored, from the front of the packed bytes on
 * @property {number} filePosition how far the file has been read
 * @property {string | null} architecture
 * @property {string | null} quantization
 * @property {number | null} contextLength
 * @property {number} createdAt milliseconds since 1970, and the same for usedAt
 * @property {number} usedAt
 * @property {string | null} sha256 what the file's has to be
 * @property {{ position: number, state: string } | null} [hash] SHA-256 under way
 */

// More than the loader reads of a header, and as much as the option store.chunkBytes takes.
const MOST_HEADER_BYTES = 512 << 20;
const MOST_CHUNK_BYTES = 1 << 30;

/** Whether a model can be got again from an address: what it stands for in this process, or in itself, is none. @param {unknown} url @returns {url is string} */
export const isAddress = (url) => typeof url === 'string' && !/^(data|blob):/i.test(url);

/** @typedef {(value: unknown) => boolean} Check */

/** @param {unknown} value @returns {value is string} */
const isText = (value) => typeof value === 'string' && value !== '';
/** @param {unknown} value @returns {value is number} */
const isCount = (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
/** @param {unknown} value @returns {value is number} */
const isSize = (value) => isCount(value) && value > 0;
/** Of what is read into memory as one. @param {number} most */
const isSizeTo = (most) => (/** @type {unknown} */ value) => isSize(value) && value <= most;
/** @type {Check} */
const isChecksum = (value) => typeof value === 'string' && /^[0-9a-f]{16}$/.test(value);
/** @param {Check} check @returns {Check} */
const orNull = (check) => (value) => value === null || check(value);
/** @type {Check} */
const isSource = (value) => isText(fieldsOf(value).url) || isText(fieldsOf(value).file);
/** @type {Check} */
const isHash = (value) => {
  const { position, state } = fieldsOf(value);
  return isCount(position) && typeof state === 'string' && /^(?:[0-9a-f]{2})+$/.test(state);
};

/** What stands in a part of a record, which may be anything. @param {unknown} value @returns {Record<string, unknown>} */
const fieldsOf = (value) => ({ ...(typeof value === 'object' && value) });

/** @type {Record<keyof Manifest, Check>} */
const FIELDS = {
  id: isText,
  aliases: (value) => value === undefined || (Array.isArray(value) && value.every(isText)),
  format: (value) => value === FORMAT,
  layout: isCount,
  state: (value) => value === 'importing' || value === 'complete',
  name: isText,
  source: isSource,
  etag: orNull(isText),
  lastModified: orNull(isText),
  fileBytes: orNull(isSize),
  headerBytes: isSizeTo(MOST_HEADER_BYTES),
  headerChecksum: isChecksum,
  packedBytes: isSize,
  chunkBytes: isSizeTo(MOST_CHUNK_BYTES),
  chunks: Array.isArray,
  filePosition: isCount,
  architecture: orNull(isText),
  quantization: orNull(isText),
  contextLength: orNull(isCount),
  createdAt: isCount,
  usedAt: isCount,
  sha256: orNull((value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)),
  hash: (value) => value === undefined || value === null || isHash(value),
};

/** Bytes in the chunks of a record. @param {Pick<Manifest, 'chunks'>} record */
export const storedBytes = (record) => record.chunks.reduce((sum, { bytes }) => sum + bytes, 0);

/** @param {Manifest} record whose other fields are right */
function chunksFit({ chunks, chunkBytes, packedBytes, state }) {
  const fits = chunks.every((chunk, index) => {
    const { checksum, bytes } = fieldsOf(chunk);
    const isLast = index === chunks.length - 1;
    return isChecksum(checksum) && isSize(bytes) && (isLast ? bytes <= chunkBytes : bytes === chunkBytes);
  });
  if (!fits) return false;
  const stored = storedBytes({ chunks });
  return state === 'complete' ? stored === packedBytes : stored <= packedBytes;
}

/**
 * A record as a store gave it, if it is one of this format in which everything fits together; null otherwise.
 * @param {StoredRecord | null | undefined} record
 * @returns {Manifest | null}
 * @throws {NibbleError} STORE_VERSION where a newer Nibble wrote it
 */
export function readManifest(record) {
  if (record === null || record === undefined) return null;
  if (isCount(record.format) && record.format > FORMAT) {
    throw new NibbleError(
      'STORE_VERSION',
      `The stored model "${shortened(record.id)}" was written by a newer version (format ${record.format}; this one ` +
        `reads ${FORMAT}). Reload the page or update, or delete the stored model.`,
    );
  }
  if (!Object.entries(FIELDS).every(([name, check]) => check(record[name]))) return null;
  const manifest = /** @type {Manifest} */ (/** @type {unknown} */ (record));
  return chunksFit(manifest) ? manifest : null;
}

/** The name of the file that a stored model came from. @param {Manifest} record */
export const fileNameOf = ({ source }) => ('file' in source ? source.file : wholeName(nameOf(source.url)));

/**
 * The record of an import that begins.
 * @param {{ id: string, aliases?: string[], descriptor: import('../sources/descriptor.js').Descriptor | null, name?: string | null, sha256?: string | null, header: Header,
 *   source: import('../sources/source.js').Source, headerChecksum: string, fileBytes: number | null, layout: number,
 *   packedBytes: number, chunkBytes: number }} facts
 * @returns {Manifest}
 */
export function newManifest({ id, aliases = [], descriptor, name, sha256, header, source, ...sizes }) {
  const text = (/** @type {string} */ key) => {
    const value = header.get(key);
    return isText(value) ? value : null;
  };
  const url = descriptor?.url;
  const architecture = text('general.architecture');
  const contextLength = header.get(`${architecture}.context_length`);
  return {
    id,
    ...(aliases.length > 0 && { aliases }),
    format: FORMAT,
    state: 'importing',
    name: name ?? text('general.name') ?? source.name,
    source: isAddress(url) ? { url } : { file: source.name },
    etag: source.etag ?? null,
    lastModified: source.lastModified ?? null,
    headerBytes: header.dataOffset,
    ...sizes,
    chunks: [],
    filePosition: header.dataOffset,
    architecture,
    quantization: quantizationOf(header).label,
    contextLength: isCount(contextLength) ? contextLength : null,
    createdAt: Date.now(),
    usedAt: Date.now(),
    sha256: sha256 ?? null,
  };
}

/** Nobody can say what the file's SHA-256 is. @param {string} name */
export const unhashable = (name) =>
  new NibbleError(
    'INVALID_ARGUMENT',
    `"${name}" comes in parts, so that no SHA-256 is that of its file. Leave sha256 out, or give a file that is whole.`,
    { details: { option: 'sha256' } },
  );

/**
 * Throws where a model is stored already, and not with the SHA-256 that is expected: its file cannot be looked at again,
 * since only its packed weights are there.
 * @param {Pick<Manifest, 'id' | 'name' | 'sha256'> | null} record null: it is gone
 * @param {string | null} [expected] null: any will do
 * @throws {NibbleError} HASH_MISMATCH
 */
export function checkHash(record, expected) {
  if (!expected || record === null || record.sha256 === expected) return;
  const known =
    record.sha256 === null ? 'was stored without a SHA-256' : `was stored with the SHA-256 ${record.sha256}`;
  throw new NibbleError(
    'HASH_MISMATCH',
    `The stored model "${record.name}" ${known}, and ${expected} is expected now. Delete it and import it again to have it checked.`,
    { details: { id: record.id } },
  );
}

/**
 * What list() tells of a record, whatever it holds.
 * @param {StoredRecord | Manifest} record
 * @returns {import('../client/model-store.js').StoredModel}
 */
export function summaryOf(record) {
  let manifest = null;
  try {
    manifest = readManifest(/** @type {StoredRecord} */ (record));
  } catch {
    // Its id is all that this version knows of it.
  }
  const { id } = record;
  if (manifest === null) {
    const nothing = {
      source: null,
      etag: null,
      lastModified: null,
      fileBytes: null,
      receivedBytes: 0,
      storedBytes: 0,
      architecture: null,
    };
    const unknown = { quantization: null, contextLength: null, createdAt: null, usedAt: null };
    return { id, aliases: [], name: isText(record.name) ? record.name : id, state: 'damaged', ...nothing, ...unknown };
  }
  const { aliases = [], name, source, etag, lastModified, state, fileBytes, filePosition } = manifest;
  const receivedBytes = state === 'complete' ? (fileBytes ?? filePosition) : filePosition;
  const { architecture, quantization, contextLength, createdAt, usedAt } = manifest;
  const sizes = { fileBytes, receivedBytes, storedBytes: manifest.headerBytes + storedBytes(manifest) };
  return {
    id,
    aliases,
    name,
    source,
    etag,
    lastModified,
    state,
    ...sizes,
    architecture,
    quantization,
    contextLength,
    createdAt,
    usedAt,
  };
}
