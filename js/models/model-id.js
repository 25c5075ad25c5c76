// What a model is stored under, so that the same one is found again and no other: where it comes from, or what it holds.
//
//   url:<address>                              without what a server is not asked for, or only told who may ask
//   url:<address>#<version>                    a newer file of that address, where an older one was stored before it
//   file:<name>:<size>:<last modified>:<sample>    older stores have them without the sample
//   bytes:<checksum>

import { createSha256 } from '#sha256';
import { toHex } from '../base/hex.js';
import { Checksum } from '../core/packer.js';
import { nextPiece } from '../sources/source.js';
import { isAddress } from './manifest.js';
import { openModelSource, partsOf } from './parts.js';

/** @typedef {import('../core/runtime.js').Runtime} Runtime */
/** @typedef {import('../sources/source.js').Source} Source */
/** @typedef {import('../sources/descriptor.js').Descriptor} Descriptor */

// What is looked at of a file: so many pieces of so many bytes, spread evenly over it, the first and the last among them.
const SAMPLES = 64;
const SAMPLE_BYTES = 16 << 10;
const DIGITS = 16;
const VERSION = /#[0-9a-f]{16}$/;

// Parts of a query that say how a file is sent, or who may have it and for how long; never which file it is.
const SENDING = /^(download|dl|response-content-(disposition|type)|utm_[a-z]+|x-(amz|goog|oss|cos)-.*)$/i;
// Those of schemes without a prefix count only beside a signature.
/** @type {[signature: string, names: RegExp][]} */
const SIGNED = [
  ['Signature', /^(Expires|Signature|Key-Pair-Id|Policy|AWSAccessKeyId|GoogleAccessId)$/],
  ['sig', /^(sv|se|st|sr|sp|sip|spr|ss|srt|sig|skoid|sktid|skt|ske|sks|skv)$/],
];

/**
 * An address without its fragment, and without what of its query says nothing of the file; null for what is none.
 * @param {string} url
 * @returns {string | null}
 */
export function addressOf(url) {
  const address = parsed(url);
  if (address === null) return null;
  address.hash = '';
  const { searchParams, search } = address;
  const signed = SIGNED.filter(([signature]) => searchParams.has(signature)).map(([, names]) => names);
  const isSending = (/** @type {string} */ pair) => {
    const [name = ''] = new URLSearchParams(pair).keys();
    return [SENDING, ...signed].some((names) => names.test(name));
  };
  // What stays is left in the letters it was written in.
  const kept = search.slice(1).split('&');
  address.search = kept.filter((pair) => pair === '' || !isSending(pair)).join('&');
  return address.href;
}

/** @param {string} url */
function parsed(url) {
  try {
    return new URL(url);
  } catch {
    return null;
  }
}

/** The id, where nothing has to be opened to know it; null otherwise. @param {Descriptor} descriptor */
export function knownId({ stored, url }) {
  if (typeof stored === 'string') return stored;
  return isAddress(url) ? `url:${addressOf(url) ?? url}` : null;
}

/** The ids of addresses. @param {string[]} [addresses] */
export const idsOf = (addresses = []) => addresses.flatMap((url) => knownId({ url }) ?? []);

/**
 * @param {Descriptor} descriptor as describeSource() makes it
 * @param {{ runtime: import('../core/runtime.js').Runtime, openPath?: (path: string) => Promise<import('../sources/source.js').Source>,
 *   signal?: AbortSignal }} platform
 * @returns {Promise<string>} see above
 */
export async function modelId(descriptor, { runtime, openPath, signal }) {
  const known = knownId(descriptor);
  if (known !== null) return known;
  const parts = partsOf(descriptor) ?? [descriptor];
  const open = (/** @type {Descriptor} */ model) => openModelSource(model, { openPath, signal, runtime });
  if (parts.every(({ path, blob }) => typeof path === 'string' || (blob !== undefined && 'lastModified' in blob)))
    return fileId(await open(descriptor));
  if (parts.every(({ port, again }) => port === undefined || again !== undefined)) {
    const again = parts.map((part) => (part.port === undefined ? part : { ...part, port: part.again }));
    return contentId(await open(descriptor.parts === undefined ? again[0] : { parts: again }), runtime, signal);
  }
  // A stream cannot be read twice: each is a model of its own.
  const random = crypto.getRandomValues(new Uint8Array(8));
  return `bytes:${toHex(random)}`;
}

/** What ids of one file have in common, whether or not they were made with a sample. @param {string} id */
export const fileFacts = (id) => /^file:.*:\d+:\d+(?=(?::[0-9a-f]{16})?$)/s.exec(id)?.[0] ?? null;

/** @param {Source} source */
async function fileId(source) {
  try {
    return `file:${source.name}:${source.size}:${source.lastModified}:${await sampleOf(source)}`;
  } finally {
    await source.close();
  }
}

/**
 * Tells files of one name, size and time from each other: by where they lie, where that is known, and by pieces of what
 * is in them.
 * @param {Source} source
 */
async function sampleOf(source) {
  const { path = '', readAt } = source;
  const size = source.size ?? 0;
  const hash = await createSha256();
  hash.init();
  hash.update(`${path}\0`);
  const last = Math.max(0, size - SAMPLE_BYTES);
  const starts = Array.from({ length: SAMPLES }, (_, index) => Math.floor((last * index) / (SAMPLES - 1)));
  for (const start of new Set(starts)) {
    // All sources of files have it.
    if (readAt !== undefined) hash.update(await readAt(start, Math.min(SAMPLE_BYTES, size - start)));
  }
  return hash.digest('hex').slice(0, DIGITS);
}

/**
 * The id of a newer file of an address.
 * @param {string} url
 * @param {import('../download/http-headers.js').Validators} validators
 * @param {string} [older] the id of the file that it is newer than, where validators do not tell the two from each other
 */
export async function versionId(url, { etag, lastModified, size }, older) {
  const hash = await createSha256();
  hash.init();
  hash.update(JSON.stringify([etag, lastModified, size, ...(older === undefined ? [] : [older])]));
  return `url:${addressOf(url)}#${hash.digest('hex').slice(0, DIGITS)}`;
}

/** Whether an id is that of an address, or of a newer file there. @param {string} id @param {string} url */
export const isVersionOf = (id, url) => id.replace(VERSION, '') === `url:${addressOf(url)}`;

/** @param {Source} source @param {Runtime} runtime @param {AbortSignal} [signal] */
async function contentId(source, runtime, signal) {
  const checksum = new Checksum(runtime);
  try {
    for (;;) {
      const piece = await nextPiece(source, signal);
      if (piece === null) break;
      checksum.update(piece);
    }
    return `bytes:${checksum.hex()}`;
  } finally {
    checksum.close();
    await source.close();
  }
}
