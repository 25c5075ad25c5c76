// A model in several files as one source: the header that joinHeaders() makes of theirs, and behind it the data of each.
import { createSha256 } from '#sha256';
import { checkCancelled } from '../base/cancel.js';
import { codeOf, hashMismatch, NibbleError } from '../base/errors.js';
import { changed, failureOf } from '../download/errors.js';
import { sameVersion } from '../download/http-headers.js';
import { addressesOfParts, missingParts, namesOfParts, partOf, wholeName } from '../sources/part-names.js';
import { nextPiece, openSource, unreadable } from '../sources/source.js';
import { parseHeader } from './loader.js';
import { inOrder, joinHeaders, partHeader } from './part-tables.js';

/** @typedef {import('../sources/source.js').Source} Source */
/** @typedef {import('../sources/descriptor.js').Descriptor} Descriptor */
/** @typedef {import('../download/http-headers.js').Validators} Validators */
/** @typedef {import('../core/runtime.js').Runtime} Runtime */

// How many headers are read at a time.
const AT_ONCE = 4;
const GONE = [404, 410];
// After so many that are not there the others are not looked for.
const MOST_GONE = 5;

/** The parts that a descriptor stands for; null: it is one file. @param {Descriptor} descriptor @returns {Descriptor[] | null} */
export function partsOf({ parts, url, path }) {
  if (parts !== undefined) return parts;
  if (url !== undefined) return addressesOfParts(url)?.map((each) => ({ url: each })) ?? null;
  return path === undefined ? null : (namesOfParts(path)?.map((each) => ({ path: each })) ?? null);
}

/** @typedef {Parameters<typeof openSource>[1]} How a source is opened */
/** @typedef {(part: Descriptor, more?: Pick<How, 'from' | 'download'>) => Promise<Source>} Open opens a part */

/**
 * Opens a descriptor of a file, or of a model in parts, in the worker.
 * @param {Descriptor} descriptor
 * @param {How & { runtime: Runtime, memo?: { layout?: Layout },
 *   hashes?: (string | null)[] }} how as
 *   openSource() takes it; `memo`: where it stays for the next time what the headers of parts told; `hashes`: the SHA-256 that each
 *   part has to have, as far as it is read from its front
 * @returns {Promise<import('../sources/source.js').Source>}
 * @throws {NibbleError} as openSource(); MODEL_PARTS_MISSING, MODEL_PARTS_MIXED; read() also HASH_MISMATCH
 */
export async function openModelSource(descriptor, how) {
  const parts = partsOf(descriptor);
  if (parts === null) return openSource(descriptor, how);
  const { memo = {}, from, signal, hashes = [] } = how;
  /** @type {Open} */
  const open = (part, more) =>
    openSource(part, { ...how, from: undefined, ...more, download: { ...how.download, ...more?.download } });
  memo.layout ??= await readLayout(parts, {
    isListed: descriptor.parts !== undefined,
    open,
    runtime: how.runtime,
    signal,
  });
  const { layout } = memo;
  const isOther = from !== undefined && !sameVersion(from, layout.validators);
  const begin = isOther || layout.isOnce ? 0 : (from?.position ?? 0);
  if (begin > 0) await letGo(layout);
  const joined = new Joined(layout, { open, signal, hashes, position: begin, end: from?.end ?? Infinity });
  const { name, kind, size, validators, ranged, path } = layout;
  return {
    ...{ name, kind, ...validators, size, ranged, path },
    ...{ position: layout.isOnce ? undefined : begin, restarted: isOther, isJoined: true },
    ...(layout.parts.every(({ canReadAt }) => canReadAt) && {
      /** @type {NonNullable<Source['readAt']>} */
      readAt: (start, length) => joined.readAt(start, length),
    }),
    read: () => joined.read(),
    close: () => joined.close(),
  };
}

/**
 * @typedef {object} Part
 * @property {Descriptor} descriptor
 * @property {string} name
 * @property {number} start where its data begin in the whole
 * @property {number} end
 * @property {number} dataOffset where they begin in its file
 * @property {import('../download/http-headers.js').Validators} validators
 * @property {boolean} canReadAt
 * @property {Held | null} held what was read for the header, to be
 *   read on
 *
 * @typedef {{ header: Uint8Array, parts: Part[], size: number, name: string, kind: 'download' | 'load', ranged: boolean,
 *   isOnce: boolean, path: string | undefined, validators: import('../download/http-headers.js').Validators }} Layout `isOnce`: a part
 *   of it can be read only once
 */

/** @typedef {{ source: Source, pieces: Uint8Array[] }} Held a source of which something was read */

/**
 * What was found where a part may lie; `gone`: why there is none.
 * @typedef {{ descriptor: Descriptor, source: Source, tables: import('./part-tables.js').PartHeader, held: Held | null, gone?: undefined } |
 *   { gone: unknown, name: string, held: null, tables?: undefined }} Found
 */

/** @typedef {{ isListed: boolean, open: Open, runtime: Runtime, signal: AbortSignal | undefined }} Tools */

/** @param {Descriptor[]} descriptors @param {Tools} tools @returns {Promise<Layout>} */
async function readLayout(descriptors, tools) {
  /** @type {Found[]} */
  const found = [];
  try {
    for (let at = 0; at < descriptors.length && mayBeAll(found, descriptors, tools); at += AT_ONCE) {
      const some = descriptors
        .slice(at, at + AT_ONCE)
        .map((descriptor, index) => readPart(descriptor, at + index === 0, tools));
      const settled = await Promise.allSettled(some);
      found.push(...settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
      const failed = settled.find((one) => one.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
    }
    // What says itself that there are other parts than its name does is told so.
    if (!found.some((part) => isOdd(part, descriptors))) checkThere(found);
    return layoutOf(found);
  } catch (error) {
    for (const { held } of found) await held?.source.close();
    throw error;
  }
}

/** Whether it is worth while to look for further parts: a name may promise thousands that nobody has. @param {Found[]} found @param {Descriptor[]} descriptors @param {Tools} tools */
function mayBeAll(found, descriptors, { isListed }) {
  const gone = found.filter((part) => part.gone !== undefined);
  return isListed || (gone.length <= MOST_GONE && !found.some((part) => isOdd(part, descriptors)));
}

/** @param {Found} part @param {Descriptor[]} descriptors */
const isOdd = ({ tables }, { length }) => tables !== undefined && tables.count !== length;

/** @param {Descriptor} descriptor @param {boolean} isFirst @param {Tools} tools @returns {Promise<Found>} */
async function readPart(descriptor, isFirst, { open, runtime, signal }) {
  let source;
  try {
    source = await open(descriptor, { download: { connections: isFirst ? undefined : 1 } });
  } catch (error) {
    const { status = 0 } = failureOf(error);
    const isGone = GONE.includes(status) || (error instanceof Error && codeOf(error.cause) === 'ENOENT');
    if (!isGone) throw error;
    return { gone: error, name: descriptor.path ?? (descriptor.url ?? '').split(/[?#]/, 1)[0], held: null };
  }
  /** @type {Held | null} */
  let held = null;
  try {
    const { header, pieces } = await parseHeader(runtime, source, signal);
    const tables = partHeader(source.name, header);
    header.close();
    if (isFirst || descriptor.port !== undefined) held = { source, pieces };
    return { descriptor, source, tables, held };
  } catch (error) {
    if (!(error instanceof NibbleError) || !error.code.startsWith('GGUF_')) throw error;
    throw new NibbleError(error.code, `Of the model's parts, "${source.name}" cannot be read: ${error.message}`, {
      cause: error,
    });
  } finally {
    if (held === null) await source.close();
  }
}

/** Throws where parts are missing; where all are, what was said of the first. @param {Found[]} found */
function checkThere(found) {
  const gone = found.flatMap((one) => (one.tables === undefined ? [one] : []));
  if (gone.length === 0) return;
  const named = gone.flatMap(({ name }) => partOf(name) ?? []);
  if (gone.length === found.length || named.length < gone.length) throw gone[0].gone;
  throw missingParts(
    named.map(({ number }) => number),
    named[0],
  );
}

/** @param {Found[]} found @returns {Layout} */
function layoutOf(found) {
  const there = new Map(found.flatMap((one) => (one.tables === undefined ? [] : [[one.tables, one]])));
  const ordered = inOrder([...there.keys()]);
  const { header, starts, size } = joinHeaders(ordered);
  const parts = ordered.map((tables, index) => {
    // They are those that were given.
    const { descriptor, source, held } = /** @type {Found & { tables: object }} */ (there.get(tables));
    const { etag = null, lastModified = null, size: bytes } = source;
    const place = { start: starts[index], end: starts[index] + tables.dataBytes, dataOffset: tables.dataOffset };
    const validators = { etag, lastModified, size: bytes };
    return {
      descriptor,
      name: source.name,
      ...place,
      validators,
      canReadAt: source.readAt !== undefined,
      held,
      source,
    };
  });
  const sources = parts.map(({ source }) => source);
  return {
    ...{ header, size, parts, name: wholeName(parts[0].name), path: sources[0].path },
    kind: sources.some(({ kind }) => kind === 'download') ? 'download' : 'load',
    ranged: sources.every((source) => source.ranged),
    isOnce: parts.some(({ descriptor }) => descriptor.port !== undefined),
    validators: joinValidators(
      parts.map((part) => part.validators),
      size,
    ),
  };
}

/** What tells one version of all parts from another. @param {import('../download/http-headers.js').Validators[]} each @param {number | null} size */
export function joinValidators(each, size) {
  const all = (/** @type {(string | null)[]} */ values) => {
    const told = values.flatMap((value) => value ?? []);
    return told.length === values.length ? told : null;
  };
  const etags = all(each.map(({ etag }) => etag));
  const isWeak = etags?.some((etag) => etag.startsWith('W/'));
  const dates = all(each.map(({ lastModified }) => lastModified));
  const isNumber = dates?.every((date) => /^\d+$/.test(date));
  return {
    etag: etags && (isWeak ? 'W/' : '') + etags.map((etag) => etag.replace(/^W\//, '')).join(''),
    lastModified: dates && (isNumber ? String(Math.max(...dates.map(Number))) : dates.join(' ')),
    size,
  };
}

/** Closes what is held to be read on from the front. @param {Layout} layout */
async function letGo({ parts, isOnce }) {
  if (isOnce) return;
  for (const part of parts) {
    const { held } = part;
    part.held = null;
    await held?.source.close();
  }
}

/**
 * The part that is being read; `hasher` where all of it is.
 * @typedef {Held & { part: Part, position: number, hasher: import('hash-wasm').IHasher | null }} Current
 */

class Joined {
  #layout;
  #open;
  #signal;
  #hashes;
  #position;
  #end;
  /** @type {Current | null} */
  #current = null;

  /**
   * @param {Layout} layout
   * @param {{ open: Open, signal: AbortSignal | undefined, hashes: (string | null)[], position: number, end: number }} how
   */
  constructor(layout, { open, signal, hashes, position, end }) {
    this.#layout = layout;
    this.#open = open;
    this.#signal = signal;
    this.#hashes = hashes;
    this.#position = position;
    this.#end = Math.min(end, layout.size);
  }

  /** The next bytes; null at the end. @returns {Promise<Uint8Array | null>} */
  async read() {
    if (this.#position >= this.#end) return null;
    const { header, parts } = this.#layout;
    const at = this.#position;
    if (at === 0) await this.#checkWithoutData();
    const part = parts.find(({ end }) => at < end);
    const piece = at < header.length ? header.slice(at) : part === undefined ? null : await this.#pieceOf(part, at);
    this.#position += piece?.length ?? 0;
    return piece;
  }

  /** Compares the parts of which nothing is read but their headers: a first one may hold all the metadata and no more. */
  async #checkWithoutData() {
    for (const part of this.#layout.parts) {
      if (part.start < part.end || this.#hashOf(part) === null) continue;
      await this.#check(await this.#begin(part, part.start));
    }
  }

  /** What stands between a part and the one before it, or its data. @param {Part} part @param {number} at */
  #pieceOf(part, at) {
    return at < part.start ? new Uint8Array(part.start - at) : this.#readPart(part, at);
  }

  /** The next bytes of a part's data, of which the first is the one at a position of the whole. @param {Part} part @param {number} at */
  async #readPart(part, at) {
    const current = this.#current?.part === part ? this.#current : await this.#begin(part, at);
    const wanted = part.dataOffset + (at - part.start);
    for (;;) {
      const start = current.position;
      const piece = await this.#nextOf(current);
      if (piece === null) throw unreadable(part.name, 'it ends too early');
      if (current.position <= wanted) continue;
      const given = piece.subarray(wanted - start, wanted - start + (part.end - at));
      if (current.hasher === null || at + given.length < part.end) return given;
      // What follows takes the place of what was read.
      const last = given.slice();
      await this.#check(current);
      return last;
    }
  }

  /** @param {Current} current */
  async #nextOf(current) {
    const piece = current.pieces.shift() ?? (await nextPiece(current.source, this.#signal));
    if (piece !== null) current.hasher?.update(piece);
    current.position += piece?.length ?? 0;
    return piece;
  }

  /** Reads a part to its end, and compares all of it. @param {Current} current */
  async #check(current) {
    while ((await this.#nextOf(current)) !== null);
    const { part, hasher } = current;
    const found = hasher?.digest('hex') ?? null;
    const expected = this.#hashOf(part);
    if (found === expected || found === null || expected === null) return;
    throw hashMismatch(`The part "${part.name}"`, found, expected);
  }

  /** @param {Part} part */
  #hashOf(part) {
    return this.#hashes[this.#layout.parts.indexOf(part)] ?? null;
  }

  /** @param {Part} part @param {number} at @returns {Promise<Current>} */
  async #begin(part, at) {
    await this.#leave();
    const { held } = part;
    part.held = null;
    const isWhole = this.#hashOf(part) !== null && at === part.start && this.#end >= part.end;
    const hasher = isWhole ? await createSha256() : null;
    hasher?.init();
    if (held !== null) {
      this.#current = { part, ...held, position: 0, hasher };
      return this.#current;
    }
    if (isWhole) {
      const source = await this.#open(part.descriptor);
      this.#current = { part, source, pieces: [], position: 0, hasher };
      return this.#current;
    }
    const offset = part.dataOffset - part.start;
    const end = offset + Math.min(part.end, this.#end);
    const { validators } = part;
    const source = await this.#open(part.descriptor, {
      from: { position: offset + at, ...validators },
      download: { end },
    });
    this.#current = { part, source, pieces: [], position: source.position ?? 0, hasher: null };
    if (source.restarted) throw changed(part.descriptor.url ?? part.name);
    return this.#current;
  }

  /** Bytes from anywhere. @param {number} start @param {number} length */
  async readAt(start, length) {
    const { header, parts, size } = this.#layout;
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - start)));
    bytes.set(header.subarray(start, start + bytes.length));
    for (const part of parts) {
      const from = Math.max(start, part.start);
      const count = Math.min(start + bytes.length, part.end) - from;
      if (count <= 0) continue;
      checkCancelled(this.#signal);
      const source = await this.#open(part.descriptor);
      try {
        const read = await source.readAt?.(part.dataOffset + from - part.start, count);
        if (read === undefined) throw unreadable(part.name, 'it can be read from its front only');
        bytes.set(read, from - start);
      } finally {
        await source.close();
      }
    }
    return bytes;
  }

  async #leave() {
    await this.#current?.source.close();
    this.#current = null;
  }

  async close() {
    await this.#leave();
    for (const part of this.#layout.parts) {
      const { held } = part;
      part.held = null;
      await held?.source.close();
    }
  }
}
