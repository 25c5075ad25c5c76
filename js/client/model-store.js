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

/** @typedef {import('../base/store-options.js').CheckOptions} CheckOptions */
/** @typedef {import('../base/store-options.js').ImportOptions} ImportOptions */
/** @typedef {import('../base/store-options.js').StoredModel} StoredModel */
/** @typedef {import('../base/store-options.js').StoreUse} StoreUse */
/** @typedef {import('../base/store-options.js').UpdateOptions} UpdateOptions */
/** @typedef {import('../base/store-options.js').Verification} Verification */
/** @typedef {import('../base/store-options.js').VerifyOptions} VerifyOptions */
/** @typedef {import('../base/call-options.js').CancelOptions} CancelOptions */
/** @typedef {import('../base/engine-options.js').ModelSource} ModelSource */

/**
 * A store of models, as {@link openModelStore} opens it, in a worker of its own. Several tabs and processes may have the same
 * store open: locks keep them apart. Whatever goes wrong with a call rejects it, and signals end its calls as they do those of an
 * {@link Engine}. After `close()` every call fails with `STORE_UNAVAILABLE`.
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
   * @param {() => Omit<import('../hub/repository.js').Asker, 'signal'>} asker
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

  /**
   * The models in the store, and what interrupted imports have left.
   * @returns {Promise<StoredModel[]>} All of them.
   */
  list() {
    return this.#client.call('storeList', {});
  }

  /**
   * Whether a model is stored as a whole. It asks no server.
   * @param {ModelSource} model As for {@link createEngine}, or an id.
   * @returns {Promise<boolean>} Whether it is.
   */
  async has(model) {
    const known = await this.#known(model);
    return known !== null && this.#callWithModel('storeHas', known, {}, {});
  }

  /**
   * The id that a model is stored under here, or would be. It asks no server. A stream has another one each time.
   * @param {ModelSource} model As for {@link createEngine}, or an id.
   * @returns {Promise<string>} The id.
   * @throws {NibbleError} `STORE_MISSING` where it is a repository of Hugging Face's hub of which nothing is stored.
   */
  async idOf(model) {
    const known = await this.#known(model);
    if (known === null) throw notStored(String(model), '');
    return this.#callWithModel('storeIdOf', known, {}, {});
  }

  /** What a model is, as far as can be told without the hub; null: a repository of which nothing is stored. @param {unknown} given @returns {Promise<unknown>} */
  async #known(given) {
    const model = storedOr(given);
    const { hub } = this.#asker();
    const address = hubAddressOf(model, hub, this.#isPath);
    if (address === null) return model;
    const id = storedIdOf(address, hub, await this.list());
    return id === null ? address.url : { stored: id };
  }

  /**
   * Whether there is a newer file at the address that a stored model came from.
   * @param {string} id The id of a stored model.
   * @param {CheckOptions} [options] How the server is asked.
   * @returns {Promise<import('../base/public-types.js').Freshness>} What it tells.
   * @throws {NibbleError} `STORE_MISSING`; `DOWNLOAD_…` and `HUB_…` where the server cannot be asked.
   */
  async check(id, options) {
    const { signal, ...how } = optionsOf(options);
    return this.#callAs('storeCheck', how, { id: readId(id) }, { signal });
  }

  /**
   * Gets the newer file, if there is one, in place of the stored one, which is there until the newer one is whole. What
   * was saved of its sessions goes with it. The new one has another id, and is found by the old one too.
   * @param {string} id The id of a stored model.
   * @param {UpdateOptions} [options] As {@link ModelStore.import} has them.
   * @returns {Promise<StoredModel>} What is there now.
   * @throws {NibbleError} As {@link ModelStore.import}; `STORE_MISSING`.
   */
  async update(id, options) {
    const { signal, onProgress, ...how } = optionsOf(options);
    checkCallbacks({ onProgress });
    return this.#callAs('storeUpdate', how, { id: readId(id) }, { signal, onEvent: rising(onProgress) });
  }

  /**
   * Stores a model, or goes on with an interrupted import of it. Of one that is stored already, its server is asked
   * whether it has a newer file, which then takes its place as update() does it. Otherwise it is read through, and what is
   * damaged is repaired from the model that is given. Of an address of Hugging Face's hub the
   * file has to have the SHA-256 that the hub tells.
   * @param {ModelSource} model As for {@link createEngine}.
   * @param {ImportOptions} [options] How it is stored, and asked for.
   * @returns {Promise<StoredModel>} What is stored.
   * @throws {NibbleError} `STORE_FULL`, which keeps what is whole; `STORE_DAMAGED` where it cannot be repaired from it, as
   *   from a stream; `HASH_MISMATCH`; `GGUF_…` and `MODEL_…` for a file that is
   *   damaged or does not run; `DOWNLOAD_…`, `HUB_…` and `SOURCE_UNREADABLE` for one that cannot be had.
   */
  async import(model, options) {
    const { signal, onProgress, headers, credentials, fetch, ...rest } = optionsOf(options);
    checkCallbacks({ onProgress });
    const asker = this.#asker();
    const access = accessOf(asker, { headers, credentials, fetch });
    const params = { options: readImportOptions(rest) };
    refuseTwoIds(model, params.options.id);
    const control = { signal, onEvent: rising(onProgress), access };
    // Whoever knows what the file has to be needs not ask.
    const address = hubAddressOf(model, asker.hub, this.#isPath);
    if (address === null || (address.url === /** @type {URL} */ (model).href && params.options.sha256 !== null))
      return this.#callWithModel('storeImport', model, params, control);
    checkSignal(signal);
    if (signal?.aborted) throw reasonOf(signal);
    const call = { ...asker, access, signal, isPath: this.#isPath, stored: () => this.list(), isImport: true };
    const resolving = resolveModel(model, call).catch((error) => {
      throw toldOf(error, signal);
    });
    const { model: found, sha256: toldSha256, addresses } = await resolving;
    return this.#callWithModel('storeImport', found, { ...params, toldSha256, addresses }, control);
  }

  /**
   * Reads a stored model and compares it with its checksums.
   * @param {string} id The id of a stored model.
   * @param {VerifyOptions} [options] How it is followed and ended.
   * @returns {Promise<Verification>} What was found.
   * @throws {NibbleError} `STORE_MISSING`.
   */
  async verify(id, options) {
    const { signal, onProgress } = optionsOf(options);
    checkCallbacks({ onProgress });
    return this.#client.call('storeVerify', { id: readId(id) }, { signal, onEvent: rising(onProgress) });
  }

  /**
   * Removes a stored model and its saved sessions, or what an import left.
   * @param {string} id The id of a stored model.
   * @returns {Promise<void>} Ends when it is gone.
   * @throws {NibbleError} `STORE_MISSING`; `STORE_BUSY` while it is being read or written.
   */
  async delete(id) {
    await this.#client.call('storeDelete', { id: readId(id) });
  }

  /**
   * Gives a stored model another name. Its id stays.
   * @param {string} id The id of a stored model.
   * @param {string} name The name: 1 to 200 characters on one line.
   * @returns {Promise<void>} Ends when it has it.
   * @throws {NibbleError} `STORE_MISSING`; `INVALID_ARGUMENT` for a name that is none.
   */
  async rename(id, name) {
    await this.#client.call('storeRename', { id: readId(id), name: readStoredName(name) });
  }

  /**
   * How much room is in use, and how much there is.
   * @returns {Promise<StoreUse>} Bytes.
   */
  estimate() {
    return this.#client.call('storeEstimate', {});
  }

  /**
   * Asks that the browser never clears the store by itself. It is to be called from a page, as workers cannot.
   * @returns {Promise<boolean>} Whether that is promised; true in Node.
   */
  persist() {
    return this.#persistence.persist();
  }

  /**
   * Whether the browser has promised never to clear the store by itself.
   * @returns {Promise<boolean>} Whether it has; true in Node.
   */
  persisted() {
    return this.#persistence.persisted();
  }

  /**
   * Measures how fast the store gives a stored model.
   * @param {string} id The id of a stored model.
   * @param {CancelOptions} [options] How it is ended.
   * @returns {Promise<number>} Bytes a second.
   * @throws {NibbleError} `STORE_MISSING`.
   */
  async readRate(id, options) {
    const { signal } = optionsOf(options);
    return this.#client.call('storeReadRate', { id: readId(id) }, { signal });
  }

  /**
   * Stops what runs, which fails with `CANCELLED` and keeps what has come, and ends the worker. What is stored stays. It may be
   * called twice.
   * @returns {Promise<void>} Ends when the worker has.
   */
  async close() {
    await this.#client.end('storeClose', storeClosed(), CLOSE_MILLISECONDS);
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
    const lent = lendAccess(accessOf(this.#asker(), how));
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

/** @param {Pick<import('../hub/repository.js').Asker, 'access'>} asker @param {import('../download/access.js').AccessOptions} options */
const accessOf = ({ access }, options) => readAccess(options, access?.hub);

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
 *   platform: import('./platform.js').Platform, store: unknown, asker: () => Omit<import('../hub/repository.js').Asker, 'signal'> }} parts
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
