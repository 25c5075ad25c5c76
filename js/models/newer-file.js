// Whether there is a newer file at the address that a stored model came from, and how it takes the older one's place: it
// is stored beside it, known by its names too, and only when it is whole the older one goes.
import { codeOf } from '../base/errors.js';
import { sameVersion, strongEtag } from '../download/http-headers.js';
import { removeSavesOf } from '../saves/store.js';
import { isAddress, readManifest, summaryOf } from './manifest.js';
import { isVersionOf, versionId } from './model-id.js';
import { changeRecord, openStored, withLock } from './open-stored.js';
import { seemsSame } from './same-file.js';
import { knownAs, validatorsAt } from './stored-id.js';

/** @typedef {import('./open-stored.js').Opening} Opening */
/** @typedef {import('./manifest.js').Manifest} Manifest */
/** @typedef {import('../store/backends.js').Backend} Backend */
/** @typedef {import('../store/record.js').Record} StoredRecord */
/** @typedef {import('../download/http-headers.js').Validators} Validators */

/** @typedef {import('../base/public-types.js').Freshness} Freshness */

/**
 * @param {import('./open-stored.js').Opening} opening of the stored model
 * @param {import('./manifest.js').Manifest} record
 * @returns {Promise<Freshness>}
 * @throws {NibbleError} as openDownload()
 */
export async function checkFile(opening, record) {
  const { id, etag, lastModified, fileBytes: size } = record;
  const stored = { etag, lastModified, size };
  const { descriptor } = opening;
  if (descriptor === null || !isAddress(descriptor.url)) return { id, isNewer: null, stored, found: null };
  const { ranged, ...found } = await validatorsAt(descriptor, opening);
  return { id, isNewer: !(await isSameFile(opening, record, stored, { ...found, ranged })), stored, found };
}

/** @param {Opening} opening @param {Manifest} record @param {Validators} stored @param {Validators & { ranged: boolean }} found */
async function isSameFile(opening, record, stored, found) {
  const how = found.ranged ? {} : { spots: 0 };
  if (!sameVersion(stored, found)) {
    // Servers that share an address may each have an ETag of its own for one file.
    const mayBe =
      stored.size === found.size && found.lastModified !== null && stored.lastModified === found.lastModified;
    return mayBe && found.ranged && seemsSame(opening, record);
  }
  const told = strongEtag(stored) !== null && stored.etag === found.etag;
  const dated = found.lastModified !== null && stored.lastModified === found.lastModified;
  return told || dated || seemsSame(opening, record, how);
}

/**
 * Gets the newer file, if there is one. An interrupted one goes on when it is asked for again; the older model is there
 * until the newer one is whole, and where somebody is using it then, until the next call. What came of versions that the
 * server has no more goes.
 * @param {import('./open-stored.js').Opening} opening of the stored model
 * @param {import('./manifest.js').Manifest} record
 * @returns {Promise<string>} the id of what is there now
 * @throws {NibbleError} as openStored(); HASH_MISMATCH where the newer file is stored already, and not with the SHA-256
 *   that is expected: the older model is there still
 */
export async function fetchNewer(opening, record) {
  const { isNewer, stored, found } = await checkFile(opening, record);
  const { backend } = opening;
  const url = opening.descriptor?.url;
  if (isNewer === null || found === null || url === undefined) return record.id;
  const id = isNewer ? await idOfNewer(url, record.id, stored, found) : record.id;
  await removeParts(backend, url, id);
  if (!isNewer) return id;
  const newer = { ...opening, id, storage: { ...opening.storage, id }, name: opening.name ?? record.name };
  const opened = await openStored(newer);
  try {
    if (opened.storage.state !== 'stored') await opened.load(null);
  } finally {
    await opened.close();
  }
  const older = [record, ...(await versionsOf(backend, url)).filter((one) => ![id, record.id].includes(one.id))];
  const names = older.flatMap((one) => [one.id, ...(one.aliases ?? [])]);
  /** @param {StoredRecord} now */
  const named = (now) => ({ ...now, aliases: [...new Set([...(readManifest(now)?.aliases ?? []), ...names])] });
  // Shared: whoever reads the newer one already, as an engine does whose weights stream, is not waited for.
  await withLock(newer, { shared: true }, () => changeRecord(backend, id, named, opening));
  for (const one of older) await removeUnused(backend, one.id);
  return knownAs(backend, id);
}

/** Never the older one's: a server that tells little, or another thing each time, may tell of both the same. @param {string} url @param {string} older @param {Validators} stored @param {Validators} found */
async function idOfNewer(url, older, stored, found) {
  const id = await versionId(url, found);
  return id === older || sameVersion(stored, found) ? versionId(url, found, older) : id;
}

/** What is stored of files that were at an address one after the other, as far as this version knows records. @param {Backend} backend @param {string} url */
const versionsOf = async (backend, url) =>
  (await backend.list())
    .filter(({ id }) => isVersionOf(id, url))
    .map(summaryOf)
    .filter(({ state }) => state !== 'damaged');

/** Removes what came in part of other versions of an address' file: nobody has the rest of it any more. @param {Backend} backend @param {string} url @param {string} kept */
async function removeParts(backend, url, kept) {
  const parts = (await versionsOf(backend, url)).filter(({ id, state }) => id !== kept && state === 'importing');
  const isPart = (/** @type {StoredRecord | null} */ record) => readManifest(record)?.state === 'importing';
  for (const { id } of parts) await removeUnused(backend, id, isPart);
}

/** Removes a stored model and what was saved of its sessions, if nobody uses it. @param {Backend} backend @param {string} id @param {(record: StoredRecord | null) => boolean} isMeant */
async function removeUnused(backend, id, isMeant = () => true) {
  try {
    await backend.lock(id, { wait: false }, async () => {
      if (!isMeant(await backend.get(id))) return;
      await backend.remove(id);
      await removeSavesOf(backend, id);
    });
  } catch (error) {
    if (codeOf(error) !== 'STORE_BUSY') throw error;
  }
}
