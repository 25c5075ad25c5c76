// Under which id a store has a model: one file has one record, whatever address or folder it was asked for by, and each
// record holds one file. What is stored is found without its source where that can be, and else by asking the source.
import { codeOf } from '../base/errors.js';
import { openDownload } from '../download/download.js';
import { strongEtag } from '../download/http-headers.js';
import { isSavedSession } from '../saves/record.js';
import { isAddress, readManifest } from './manifest.js';
import { addressOf, fileFacts, idsOf } from './model-id.js';
import { joinValidators, partsOf } from './parts.js';
import { isSame, seemsSame } from './same-file.js';

/** @typedef {import('../store/backends.js').Backend} Backend */
/** @typedef {import('./manifest.js').Manifest} Manifest */
/** @typedef {import('../store/record.js').Record} StoredRecord */
/** @typedef {import('./open-stored.js').Opening} Opening */
/** @typedef {import('../sources/descriptor.js').Descriptor} Descriptor */

// As many names as one model is remembered by.
const MOST_ALIASES = 32;
/** Somebody waits, and can do without the answer. */
export const BRIEFLY = Object.freeze({ stallMilliseconds: 8000, retries: 0 });
// What hashes look like in ETags: MD5, SHA-1, SHA-256. Others may be made of a time and a size alone.
const HASH = /^"[0-9a-f]{32}([0-9a-f]{8}|[0-9a-f]{32})?"$/i;

/**
 * The record's id, as far as the store alone tells; the id itself where it tells nothing.
 * @param {import('../store/backends.js').Backend} backend
 * @param {string} id as modelId() makes it, or one that was told before
 * @returns {Promise<string>}
 */
export async function knownAs(backend, id) {
  if ((await backend.get(id)) !== null) return id;
  return find(await modelsOf(backend), id)?.id ?? id;
}

/** @param {Manifest[]} records @param {string} id */
function find(records, id) {
  const alias = records.find(({ aliases }) => aliases?.includes(id));
  if (alias !== undefined || !id.startsWith('url:')) return alias;
  const address = addressOf(id.slice(4));
  if (address === null) return undefined;
  return records.find((record) => addressOf(urlOf(record) ?? '') === address);
}

/** The address that a stored model came from; null where it came from none. @param {Manifest} record */
const urlOf = ({ source }) => ('url' in source && isAddress(source.url) ? source.url : null);

/** Whole ones first, and of those the newest. @param {Backend} backend */
async function modelsOf(backend) {
  const records = (await backend.list())
    .filter((record) => !isSavedSession(record))
    .flatMap((record) => readable(record) ?? []);
  /** @param {Manifest} record */
  const rank = ({ state, createdAt }) => (state === 'complete' ? Number.MAX_SAFE_INTEGER / 2 : 0) + createdAt;
  return records.sort((a, b) => rank(b) - rank(a));
}

/** A record, where this version can read it; null otherwise. @param {StoredRecord | null} record */
function readable(record) {
  try {
    return readManifest(record);
  } catch {
    return null;
  }
}

/** @typedef {Omit<Opening, 'id' | 'descriptor'> & { descriptor: Descriptor }} OfSource an opening of the source */

/**
 * The same, also where only the source can tell that its file is one which is stored; that is remembered.
 * @param {OfSource} opening
 * @param {string} id as modelId() makes it
 * @returns {Promise<string>}
 */
export async function storedAs(opening, id) {
  const { backend, descriptor } = opening;
  const others = idsOf(opening.addresses);
  const known = await knownAs(backend, id);
  if (descriptor.stored !== undefined || (await backend.get(known)) !== null) {
    await remember(backend, known, { aliases: others, url: descriptor.url });
    return known;
  }
  const elsewhere = await firstStored(backend, others);
  if (elsewhere !== null) {
    await remember(backend, elsewhere, { aliases: [id, ...others] });
    return elsewhere;
  }
  const records = await modelsOf(backend);
  const same = isAddress(descriptor.url)
    ? (sameHash(opening, records) ?? (await sameDownload(opening, records)))
    : await sameOnDisk(opening, records, fileFacts(id));
  if (same === null) return id;
  await remember(backend, same, { aliases: [id, ...others] });
  return same;
}

/** What has the SHA-256 that is told of the file is that file, under whatever name it was got. @param {OfSource} opening @param {Manifest[]} records */
function sameHash({ toldSha256 = null }, records) {
  if (typeof toldSha256 !== 'string') return null;
  return records.find(({ sha256 }) => sha256 === toldSha256)?.id ?? null;
}

/** The record of the first of several ids under which a model is stored as a whole. @param {Backend} backend @param {string[]} ids */
async function firstStored(backend, ids) {
  for (const id of ids) {
    const known = await knownAs(backend, id);
    if (readable(await backend.get(known))?.state === 'complete') return known;
  }
  return null;
}

/** Files of one name, size and time: whether they are one is seen by reading them. @param {OfSource} opening @param {Manifest[]} records @param {string | null} facts */
async function sameOnDisk(opening, records, facts) {
  if (facts === null) return null;
  for (const record of records) {
    if (fileFacts(record.id) === facts && (await isSame(opening, record))) return record.id;
  }
  return null;
}

/** The same ETag and size under another query of an address, or the same hash for an ETag anywhere. @param {OfSource} opening @param {Manifest[]} records */
async function sameDownload(opening, records) {
  const { descriptor, platform, signal } = opening;
  const place = placeOf(descriptor.url ?? '');
  /** @param {Manifest} record */
  const isCandidate = (record) => {
    const { etag, fileBytes } = record;
    const url = urlOf(record);
    if (fileBytes === null || etag === null || strongEtag({ etag }) === null || url === null) return false;
    return HASH.test(etag) || placeOf(url) === place;
  };
  const candidates = records.filter(isCandidate);
  if (candidates.length === 0) return null;
  try {
    const found = await validatorsAt(descriptor, { platform, signal });
    // One that gives no parts would send all of the file for each place.
    const how = found.ranged ? {} : { spots: 0 };
    for (const record of candidates) {
      const matches = record.etag === found.etag && record.fileBytes === found.size;
      if (matches && (await seemsSame(opening, record, how))) return record.id;
    }
  } catch (error) {
    if (codeOf(error) === 'CANCELLED') throw error;
    // Whoever loads the model will be told.
  }
  return null;
}

/** An address without its query. @param {string} url */
const placeOf = (url) => addressOf(url)?.split('?', 1)[0];

/**
 * What a server tells of a file now, or of all parts of one; their size together nobody tells.
 * @param {Descriptor} descriptor of an address
 * @param {{ platform: import('../worker/engine-host.js').Platform, signal?: AbortSignal }} call
 * @returns {Promise<import('../download/http-headers.js').Validators & { ranged: boolean }>} `ranged`: it gives parts of it
 */
export async function validatorsAt(descriptor, { platform, signal }) {
  const parts = partsOf(descriptor);
  if (parts === null) return validatorsOf(descriptor, { platform, signal });
  const each = await Promise.all(parts.map((part) => validatorsOf(part, { platform, signal })));
  return { ...joinValidators(each, null), ranged: each.every(({ ranged }) => ranged) };
}

/** @param {Descriptor} descriptor @param {Parameters<typeof validatorsAt>[1]} call */
async function validatorsOf({ url = '' }, { platform, signal }) {
  const source = await openDownload(url, { ...BRIEFLY, ...platform.download, signal, end: 1 });
  await source.close();
  const { etag, lastModified, size, ranged } = source;
  return { etag, lastModified, size, ranged };
}

/**
 * Notes further names of a model, or the address that it was got by last. Nice to have: where it cannot be, it is not.
 * @param {Backend} backend
 * @param {string} id
 * @param {{ aliases?: string[], url?: string }} names
 */
async function remember(backend, id, { aliases: more = [], url }) {
  /** @param {Manifest | null} record @returns {Manifest | null} null: there is nothing to note */
  const changed = (record) => {
    if (record?.state !== 'complete') return null;
    const { aliases = [] } = record;
    const from = urlOf(record);
    const isNews = isAddress(url) && from !== null && from !== url;
    const news = more.filter((alias) => alias !== record.id && !aliases.includes(alias));
    if (!isNews && news.length === 0) return null;
    const named = news.length === 0 ? {} : { aliases: [...aliases, ...new Set(news)].slice(-MOST_ALIASES) };
    return { ...record, ...named, ...(isNews && { source: { url } }) };
  };
  if (changed(readable(await backend.get(id))) === null) return;
  const write = async () => {
    const record = changed(readable(await backend.get(id)));
    if (record !== null) await backend.put({ ...record });
  };
  await backend.lock(id, { wait: false }, write).catch(() => {});
}
