// A store of models, as the page or the program sees it: the caller's half. It has a worker of its own.

import { reasonOf, toldOf } from '../base/cancel.js';
import { NibbleError, notStored } from '../base/errors.js';
import {
  checkCallbacks,
  checkSignal,
  invalid,
  optionsOf,
  readImportOptions,
  readStore,
  readStoredName,
} from '../base/options.js';
import { rising } from '../base/progress.js';
import { readAll } from '../base/readers.js';
import { checkWorker } from '../base/release.js';
import { lendAccess, readAccess } from '../download/access.js';
import { hubAddressOf, resolveModel, storedIdOf } from '../hub/repository.js';
import { Client } from '../protocol/client.js';
import { describeSource, refuseTwoIds } from '../sources/descriptor.js';
import { endedBy } from './disposal.js';

/**
 * @typedef {object} StoredModel
 * @property {string} id
 * @property {string[]} aliases further ids that it is known by
 * @property {string} name
 * @property {{ url: string } | { file: string } | null} source
 * @property {string | null} etag what the server told of the file, and the same for lastModified, the date as it wrote it
 * @property {string | null} lastModified
 * @property {'importing' | 'complete' | 'damaged'} state importing: an import that is under way or was interrupted, and
 *   goes on when it is asked for again; damaged: its record cannot be read by this version, or by any, and then its
 *   id is not what it was, but names what is there for delete()
 * @property {number | null} fileBytes
 * @property {number} receivedBytes of the file
 * @property {number} storedBytes
 * @property {string | null} architecture
 * @property {string | null} quantization
 * @property {number | null} contextLength
 * @property {number | null} createdAt milliseconds since 1970, as usedAt
 * @property {number | null} usedAt
 */

/**
 * @typedef {ImportSettings & import('../download/access.js').AccessOptions} ImportOptions how a model is stored, and asked for
 *
 * @typedef {object} ImportSettings
 * @property {AbortSignal} [signal] stops the import; what came is kept
 * @property {(progress: { phase: 'download' | 'load' | 'wait' | 'retry', loaded: number, total: number, fraction: number, bytesPerSecond: number, secondsLeft: number | null, restarted?: boolean, attempt?: number, holder?: import('../store/leases.js').Holder }) => void} [onProgress]
 *   as createEngine() tells it; `restarted`: an interrupted import began anew, since the file has changed
 * @property {string} [name] instead of the one in the file
 * @property {string} [id] what it is stored under, as for createEngine(); of a model that is stored under it, the server of
 *   the address that is given now is asked for a newer file
 * @property {string} [sha256] what the file's has to be: 64 hexadecimal digits
 * @property {boolean} [keepPartial] false: an import that is interrupted leaves nothing behind; true
 */

/**
 * What is stored, in a worker of its own. Signals end its calls as they do those of an Engine.
 */
export class ModelStore {
  #client;
  #locate;
  #persistence;
  #isPath;
  #asker;

  /**
   * What openModelStore() makes; not for others to call.
   * @internal
   * @param {Client} client
   * @param {'indexeddb' | 'opfs' | 'folder' | 'memory'} kind
   * @param {Pick<import('./platform.js').Platform, 'locate' | 'persistence' | 'isPath'>} platform
   * @param {Omit<import('../hub/repository.js').Asker, 'signal'>} asker
   */
  constructor(client, kind, { locate, persistence, isPath }, asker) {
    this.#client = client;
    this.#locate = locate;
    this.#persistence = persistence;
    this.#isPath = isPath;
    this.#asker = asker;
    /** What keeps it. @type {'indexeddb' | 'opfs' | 'folder' | 'memory'} */
    this.kind = kind;
    /** As Engine.closed: undefined after close(), otherwise why no call is answered any more. @type {Promise<NibbleError | undefined>} */
    this.closed = client.ended.then((reason) => (reason.code === CLOSED ? undefined : reason));
  }

  /** @returns {Promise<StoredModel[]>} */
  list() {
    return this.#client.call('storeList', {});
  }

  /** Whether a model is stored as a whole. Asks no server. @param {import('../index.js').EngineOptions['model']} model as for createEngine(), or an id @returns {Promise<boolean>} */
  async has(model) {
    const known = await this.#known(model);
    return known !== null && this.#callWithModel('storeHas', known, {}, {});
  }

  /**
   * The id that a model is stored under here, or would be. Asks no server. A stream has another one each time.
   * @param {import('../index.js').EngineOptions['model']} model as for createEngine(), or an id
   * @returns {Promise<string>}
   * @throws {NibbleError} STORE_MISSING where it is a repository of Hugging Face's hub of which nothing is stored
   */
  async idOf(model) {
    const known = await this.#known(model);
    if (known === null) throw notStored(String(model), '');
    return this.#callWithModel('storeIdOf', known, {}, {});
  }

  /** What a model is, as far as can be told without the hub; null: a repository of which nothing is stored. @param {unknown} given @returns {Promise<unknown>} */
  async #known(given) {
    const model = storedOr(given);
    const address = this.#hubAddressOf(model);
    if (address === null) return model;
    const id = storedIdOf(address, this.#asker.hub, await this.list());
    return id === null ? address.url : { stored: id };
  }

  /** @param {unknown} model */
  #hubAddressOf(model) {
    return hubAddressOf(model, this.#asker.hub, this.#isPath);
  }

  /**
   * Whether there is a newer file at the address that a stored model came from.
   * @param {string} id
   * @param {{ signal?: AbortSignal } & import('../download/access.js').AccessOptions} [options]
   * @returns {Promise<import('../base/public-types.js').Freshness>}
   * @throws {NibbleError} where the server cannot be asked, as createEngine()
   */
  async check(id, options) {
    const { signal, ...how } = optionsOf(options);
    return this.#callAs('storeCheck', how, { id: readId(id) }, { signal });
  }

  /**
   * Gets the newer file, if there is one, in place of the stored one, which is there until the newer one is whole. What
   * was saved of its sessions goes with it. The new one has another id, and is found by the old one too.
   * @param {string} id
   * @param {Pick<ImportOptions, 'signal' | 'onProgress' | 'headers' | 'credentials' | 'fetch'>} [options] as import() has them
   * @returns {Promise<StoredModel>} what is there now
   */
  async update(id, options) {
    const { signal, onProgress, ...how } = optionsOf(options);
    checkCallbacks({ onProgress });
    return this.#callAs('storeUpdate', how, { id: readId(id) }, { signal, onEvent: rising(onProgress) });
  }

  /**
   * Stores a model, or goes on with an interrupted import of it. Of one that is stored already, its server is asked
   * whether it has a newer file, which then takes its place as update() does it. Of an address of Hugging Face's hub the
   * file has to have the SHA-256 that the hub tells.
   * @param {import('../index.js').EngineOptions['model']} model
   * @param {ImportOptions} [options]
   * @returns {Promise<StoredModel>}
   */
  async import(model, options) {
    const { signal, onProgress, headers, credentials, fetch, ...rest } = optionsOf(options);
    checkCallbacks({ onProgress });
    const access = this.#accessOf({ headers, credentials, fetch });
    const params = { options: readImportOptions(rest) };
    refuseTwoIds(model, params.options.id);
    const control = { signal, onEvent: rising(onProgress), access };
    // Whoever knows what the file has to be needs not ask.
    const address = this.#hubAddressOf(model);
    if (address === null || (address.url === /** @type {URL} */ (model).href && params.options.sha256 !== null))
      return this.#callWithModel('storeImport', model, params, control);
    checkSignal(signal);
    if (signal?.aborted) throw reasonOf(signal);
    const call = { ...this.#asker, access, signal, isPath: this.#isPath, stored: () => this.list(), isImport: true };
    const resolving = resolveModel(model, call).catch((error) => {
      throw toldOf(error, signal);
    });
    const { model: found, sha256: toldSha256, addresses } = await resolving;
    return this.#callWithModel('storeImport', found, { ...params, toldSha256, addresses }, control);
  }

  /**
   * Reads a stored model and compares it with its checksums.
   * @param {string} id
   * @param {{ signal?: AbortSignal, onProgress?: (progress: import('../base/public-types.js').Progress) => void }} [options]
   * @returns {Promise<{ id: string, state: string, chunks: number, damaged: number[] }>} damaged: indices of chunks, -1
   *   for the header; loading the model gets them again, where it came from a URL
   */
  async verify(id, options) {
    const { signal, onProgress } = optionsOf(options);
    checkCallbacks({ onProgress });
    return this.#client.call('storeVerify', { id: readId(id) }, { signal, onEvent: rising(onProgress) });
  }

  /** Removes a stored model and its saved sessions, or what an import left. STORE_BUSY while it is being read or written. @param {string} id */
  async delete(id) {
    return this.#client.call('storeDelete', { id: readId(id) });
  }

  /** @param {string} id @param {string} name */
  async rename(id, name) {
    return this.#client.call('storeRename', { id: readId(id), name: readStoredName(name) });
  }

  /** Bytes: used by the whole origin or disk, to be had, in stored models, and in saved sessions. @returns {Promise<{ usage: number | null, quota: number | null, models: number, sessions: number }>} */
  estimate() {
    return this.#client.call('storeEstimate', {});
  }

  /** Asks that the browser never clears the store by itself. To be called from a page. @returns {Promise<boolean>} */
  persist() {
    return this.#persistence.persist();
  }

  /** @returns {Promise<boolean>} */
  persisted() {
    return this.#persistence.persisted();
  }

  /** Bytes a second that the store gives of a stored model. @param {string} id @param {{ signal?: AbortSignal }} [options] */
  async readRate(id, options) {
    const { signal } = optionsOf(options);
    return this.#client.call('storeReadRate', { id: readId(id) }, { signal });
  }

  /**
   * Stops what runs (CANCELLED), which keeps what has come, and ends the worker; what is stored stays. May be called
   * twice.
   */
  async close() {
    await this.#client.end('storeClose', storeClosed(), CLOSE_MILLISECONDS);
  }

  /** @param {import('../download/access.js').AccessOptions} options @returns {import('../download/access.js').Access} */
  #accessOf(options) {
    return { ...this.#asker.access, ...readAccess(options, this.#asker.access?.authorization) };
  }

  /**
   * A call about a stored model, whose server is asked as its options say.
   * @template {'storeCheck' | 'storeUpdate'} Name
   * @param {Name} method
   * @param {Record<string, unknown>} how
   * @param {Omit<import('../protocol/calls.js').Calls[Name]['params'], 'access'>} params
   * @param {import('../protocol/client.js').CallOptions<Name>} control
   */
  async #callAs(method, how, params, control) {
    readNoOthers(how);
    const lent = lendAccess(this.#accessOf(how));
    try {
      const call = /** @type {any} */ ({ ...params, access: lent.params });
      return await this.#client.call(method, call, { ...control, transfer: lent.transfer });
    } finally {
      lent.close();
    }
  }

  /**
   * @template {'storeHas' | 'storeIdOf' | 'storeImport'} Name
   * @param {Name} method
   * @param {unknown} model
   * @param {Omit<import('../protocol/calls.js').Calls[Name]['params'], 'source' | 'access'>} params
   * @param {import('../protocol/client.js').CallOptions<Name> & { access?: import('../download/access.js').Access }} options
   */
  async #callWithModel(method, model, params, { access = {}, ...control }) {
    const source = describeSource(model, this.#locate);
    const lent = lendAccess(access);
    const transfer = [...source.transfer, ...lent.transfer];
    try {
      const call = /** @type {any} */ ({ ...params, source: source.descriptor, access: lent.params });
      return await this.#client.call(method, call, { ...control, transfer });
    } finally {
      source.close();
      lent.close();
    }
  }
}

endedBy(ModelStore, 'close');

/** An id as a model; anything else as it is. @param {unknown} model */
function storedOr(model) {
  const isId = typeof model === 'string' && /^(url|file|bytes):/.test(model) && !/^file:\/\//.test(model);
  return isId ? { stored: model } : model;
}

/** Refuses what a call on a stored model does not take. */
const readNoOthers = readAll({}, ['headers', 'credentials', 'fetch']);

const CLOSED = 'STORE_UNAVAILABLE';
const storeClosed = () => new NibbleError(CLOSED, 'The store was closed. Open it again.');
// How long interrupted imports may take to keep what they have.
const CLOSE_MILLISECONDS = 10_000;

/** @param {unknown} id */
function readId(id) {
  if (typeof id !== 'string' || id === '') throw invalid('id', id, 'the id of a stored model');
  return id;
}

/**
 * @internal
 * @param {{ startWorker: () => import('../protocol/client.js').WorkerPort, wasm: import('../protocol/calls.js').WasmPlace,
 *   platform: import('./platform.js').Platform, store: unknown, asker: Omit<import('../hub/repository.js').Asker, 'signal'> }} parts
 * @returns {Promise<ModelStore>}
 */
export async function startModelStore({ startWorker, wasm, platform, store, asker }) {
  const settings = readStore('store', store);
  if (settings === null) {
    const message =
      'No store is named. Pass { store: { folder } } in Node, { store: "indexeddb" } or "opfs" in a browser.';
    throw new NibbleError('INVALID_ARGUMENT', message, { details: { option: 'store' } });
  }
  const client = new Client(startWorker(), checkWorker);
  try {
    const { kind } = await client.call('storeOpen', { store: settings, wasm });
    return new ModelStore(client, kind, platform, asker);
  } catch (error) {
    await client.close(/** @type {NibbleError} */ (error));
    throw error;
  }
}
