// Whether there is a newer file at the address that a stored model came from, and how it takes the older one's place: it
// is stored beside it, known by its names too, and only when it is whole the older one goes.
import { sameVersion, strongEtag } from './http-headers.js';
import { isAddress } from './manifest.js';
import { versionId } from './model-id.js';
import { seemsSame } from './same-file.js';
import { removeSavesOf } from './session-store.js';
import { withStored } from './store.js';
import { knownAs, validatorsAt } from './stored-id.js';

/** @typedef {import('./public-types.js').Freshness} Freshness */

/**
 * @param {import('./store.js').Opening} opening of the stored model
 * @param {import('./manifest.js').Manifest} record
 * @returns {Promise<Freshness>}
 * @throws {NibbleError} as openDownload()
 */
export async function checkFile(opening, record) {
  const { id, etag, lastModified, fileBytes: size } = record;
  const stored = { etag, lastModified, size };
  const { descriptor } = opening;
  if (!isAddress(descriptor?.url)) return { id, isNewer: null, stored, found: null };
  const { ranged, ...found } = await validatorsAt(descriptor.url, opening);
  return { id, isNewer: !(await isSameFile(opening, record, stored, { ...found, ranged })), stored, found };
}

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
 * until the newer one is whole, and where somebody is using it then, until the next call.
 * @param {import('./store.js').Opening} opening of the stored model
 * @param {import('./manifest.js').Manifest} record
 * @returns {Promise<string>} the id of what is there now
 */
export async function fetchNewer(opening, record) {
  const { isNewer, stored, found } = await checkFile(opening, record);
  if (!isNewer) return record.id;
  const { backend, descriptor, signal } = opening;
  const id = await idOfNewer(descriptor.url, record.id, stored, found);
  const storage = { ...opening.storage, id };
  await withStored({ ...opening, id, storage, name: opening.name ?? record.name }, async ({ storage: made, load }) => {
    if (made.state !== 'stored') await load(null);
  });
  await backend.lock(id, { signal }, async () => {
    const newer = await backend.get(id);
    if (newer === null) return;
    const aliases = [...new Set([...(newer.aliases ?? []), record.id, ...(record.aliases ?? [])])];
    await backend.put({ ...newer, aliases });
  });
  await removeOlder(backend, record.id);
  return knownAs(backend, id);
}

/** Never the older one's: a server that tells little, or another thing each time, may tell of both the same. */
async function idOfNewer(url, older, stored, found) {
  const id = await versionId(url, found);
  return id === older || sameVersion(stored, found) ? versionId(url, found, older) : id;
}

async function removeOlder(backend, id) {
  try {
    await backend.lock(id, { wait: false }, async () => {
      await backend.remove(id);
      await removeSavesOf(backend, id);
    });
  } catch (error) {
    if (error.code !== 'STORE_BUSY') throw error;
  }
}
