// Opens the model of a call: out of a store, into one, or past it. Whatever is wrong with the store, a model that has a
// source can be loaded from it.
import { NibbleError, notStored, shortened, storeNeeded } from '../base/errors.js';
import { hashedSource } from '../sources/hashed.js';
import { CHUNK_BYTES, storeKind } from '../store/backends.js';
import { openFromSource } from './loader.js';
import { isAddress, unhashable } from './manifest.js';
import { modelId } from './model-id.js';
import { isStored, openStored } from './open-stored.js';
import { openModelSource } from './parts.js';
import { storedAs } from './stored-id.js';

/** @typedef {import('./open-stored.js').Opening} Opening */
/** @typedef {import('./loader.js').OpenedModel} OpenedModel */
/** @typedef {import('../store/backends.js').Backend} Backend */
/** @typedef {import('../sources/descriptor.js').Descriptor} Descriptor */

// Somebody waits for what a header tells, and has nothing to lose yet.
const HEADER_DOWNLOAD = { stallMilliseconds: 8000, retries: 2 };

const STORE_PROBLEMS = ['STORE_UNAVAILABLE', 'STORE_FULL', 'STORE_VERSION'];

/** @typedef {import('../base/public-types.js').Storage} Storage */

/** @param {string | null} kind @returns {Storage} as it is before anything has happened */
const noStorage = (kind) => ({
  kind,
  id: null,
  state: 'not-stored',
  bytesPerSecond: null,
  verifyMilliseconds: null,
  repairedChunks: 0,
  restarted: false,
  problem: null,
});

/**
 * What a model is asked for by. `prefetch`: null where there is no store; `headerOnly`: the weights are not asked for, so
 * nothing is to be stored.
 * @typedef {Pick<Opening, 'runtime' | 'platform' | 'signal' | 'onProgress' | 'sha256' | 'toldSha256' | 'addresses'> &
 *   { descriptor: Descriptor, storeId?: string | null, store: import('../store/backends.js').StoreChoice | null, headerOnly: boolean,
 *   prefetch: import('./prefetch.js').Prefetch | null }} Call
 */

/**
 * With a store.
 * @typedef {Omit<Call, 'headerOnly' | 'store' | 'prefetch'> & Partial<Pick<Call, 'headerOnly' | 'prefetch'>> &
 *   { store: import('../store/backends.js').StoreChoice }} StoreCall
 */

/** @param {Call} call @returns {Promise<OpenedModel>} the caller closes it */
export async function openModel(call) {
  const { descriptor, store, prefetch } = call;
  const storage = noStorage(store === null ? null : storeKind(store));
  if (store === null || prefetch === null) return openPastStore(call, storage);
  try {
    return await openThroughStore({ ...call, store }, await prefetch.backend, storage);
  } catch (error) {
    const isOfStore = error instanceof NibbleError && STORE_PROBLEMS.includes(error.code);
    if (descriptor.stored !== undefined || !isOfStore) throw error;
    storage.problem = { code: error.code, message: error.message };
    return openPastStore(call, storage);
  }
}

/** @param {Omit<Call, 'prefetch'>} call @param {Storage} storage */
function openPastStore(call, storage) {
  if (call.descriptor.stored !== undefined) {
    throw storeNeeded('A stored model was asked for without a store to take it from.');
  }
  return openFromSource({ ...call, open: () => openToLoad(call), storage });
}

/** The source of weights that go nowhere but into the heap: an import would compare what is told of them. @param {Omit<Call, 'prefetch'>} call */
async function openToLoad(call) {
  const { sha256 = null, toldSha256, headerOnly } = call;
  const source = await sourceOpener(call, call.descriptor)();
  const expected = sha256 ?? toldSha256;
  if (headerOnly || typeof expected !== 'string') return source;
  if (!source.isJoined) return hashedSource(source, expected);
  await source.close();
  throw unhashable(source.name);
}

/** @param {StoreCall & Pick<Call, 'headerOnly'>} call @param {Backend} backend @param {Storage} storage */
async function openThroughStore(call, backend, storage) {
  const opening = await openingOf(call, backend, storage);
  const isOnlyLookedAt = call.headerOnly && opening.descriptor !== null && !(await isStored(opening));
  return isOnlyLookedAt ? openPastStore(call, storage) : openStored(opening);
}

/**
 * @param {Pick<StoreCall, 'platform' | 'headerOnly' | 'signal' | 'runtime' | 'toldSha256'>} call
 * @param {Descriptor | null} descriptor null: there is nobody to ask
 * @returns {Opening['open']}
 */
function sourceOpener({ platform, headerOnly, signal, runtime, toldSha256 }, descriptor) {
  const download = headerOnly ? { ...HEADER_DOWNLOAD, ...platform.download } : platform.download;
  const how = {
    openPath: platform.openPath,
    download,
    signal,
    runtime,
    memo: {},
    ...(Array.isArray(toldSha256) && { hashes: toldSha256 }),
  };
  return (from) => openModelSource(descriptor ?? {}, { ...how, from });
}

/** What a call comes to, for open-stored.js. @param {StoreCall} call @param {Backend} backend @param {Storage} [storage] @returns {Promise<import('./open-stored.js').Opening>} */
export async function openingOf(call, backend, storage = noStorage(backend.kind)) {
  const { runtime, platform, signal, store } = call;
  // A caller that names it has another one for another file, whatever addresses both have.
  const addresses = call.storeId ? [] : call.addresses;
  const given = { ...call, addresses, backend, chunkBytes: store.chunkBytes ?? CHUNK_BYTES, storage };
  const how = { runtime, openPath: platform.openPath, signal };
  const wanted = call.storeId ?? (await modelId(call.descriptor, how));
  const id = await storedAs({ ...given, open: sourceOpener(call, call.descriptor) }, wanted);
  const descriptor = call.descriptor.stored === undefined ? call.descriptor : await sourceOfStored(backend, id);
  Object.assign(storage, { kind: backend.kind, id });
  return { ...given, id, descriptor, open: sourceOpener(call, descriptor) };
}

/** Where a stored model came from, if that can be asked again; null otherwise. @param {Backend} backend @param {string} id @returns {Promise<Descriptor | null>} */
async function sourceOfStored(backend, id) {
  const record = await backend.get(id);
  if (record === null) {
    throw notStored(shortened(id), id);
  }
  const { url: known } = /** @type {{ url?: unknown }} */ (record.source ?? {});
  const url = known ?? (id.startsWith('url:') ? id.slice(4) : null);
  return isAddress(url) ? { url } : null;
}
