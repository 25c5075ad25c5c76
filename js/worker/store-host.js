// A store as it lives in its worker: the calls of protocol/messages.js that a ModelStore makes. They run side by side; locks keep
// them out of each other's way.

import { checkCancelled } from '../base/cancel.js';
import { codeOf, NibbleError, notStored, shortened } from '../base/errors.js';
import { readImportOptions, readStoredName } from '../base/options.js';
import { withAccess } from '../download/access.js';
import { withRetries } from '../download/retry-progress.js';
import { HEADER, isAddress, readManifest, summaryOf } from '../models/manifest.js';
import { knownId, modelId } from '../models/model-id.js';
import { checkFile, fetchNewer } from '../models/newer-file.js';
import { openingOf } from '../models/open.js';
import { changeRecord, isStored, openStored } from '../models/open-stored.js';
import { damagedChunks, repairChunk, repairHeader } from '../models/repair.js';
import { knownAs } from '../models/stored-id.js';
import { isSavedSession, readSaved } from '../saves/record.js';
import { removeSavesOf } from '../saves/store.js';
import { openStore } from '../store/backends.js';

// As much as a rate is measured on, at most.
const RATE_BYTES = 512 << 20;

// How a server says nothing of its file: what is stored is as good as before.
const UNREACHED = ['DOWNLOAD_FAILED', 'DOWNLOAD_STALLED', 'DOWNLOAD_OFFLINE', 'DOWNLOAD_NOT_A_MODEL'];

/** @typedef {import('../protocol/calls.js').StoreCalls} Calls */
/** @typedef {{ signal: AbortSignal, onEvent?: (event: any) => void }} Control */
/** @typedef {import('../base/options.js').StoreSettings} StoreSettings */
/** @typedef {import('../store/backends.js').Backend} Backend */
/** @typedef {import('../sources/descriptor.js').Descriptor} Descriptor */
/** @typedef {import('../models/open-stored.js').Opening} Opening */

export class StoreHost {
  #platform;
  /** @type {{ store: StoreSettings, backend: Backend } | null} The store that is open, and what it was opened by. */
  #opened = null;
  /** @type {import('../protocol/calls.js').WasmPlace} */
  #wasm = {};
  /** @type {ReturnType<import('./engine-host.js').Platform['startRuntime']> | null} */
  #starting = null;
  #closed = false;

  /** @param {import('./engine-host.js').Platform} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  /** @param {Calls['storeOpen']['params']} params */
  async storeOpen({ store, wasm }) {
    this.#wasm = wasm;
    const backend = await openStore(store, this.#platform);
    this.#opened = { store, backend };
    return { kind: backend.kind };
  }

  async storeList() {
    const records = await this.#open().list();
    return records.filter((record) => !isSavedSession(record)).map(summaryOf);
  }

  /** @param {Calls['storeHas']['params']} params @param {Control} control */
  async storeHas({ source }, { signal }) {
    const backend = this.#open();
    const runtime = await this.#runtime();
    try {
      const id = await this.#idOf(source, { signal });
      return await isStored({ runtime, backend, id });
    } catch (error) {
      // A file that is not there cannot be told from others that might be stored.
      if (typeof (/** @type {any} */ (source).path) === 'string' && codeOf(error) === 'SOURCE_UNREADABLE') return false;
      throw error;
    }
  }

  /** The id that a model is stored under, or would be. Asks no server. @param {Calls['storeIdOf']['params']} params @param {Control} control */
  async storeIdOf({ source }, { signal }) {
    this.#open();
    return this.#idOf(source, { signal });
  }

  /** @param {Descriptor} source @param {Pick<Control, 'signal'>} control */
  async #idOf(source, { signal }) {
    const { openPath } = this.#platform;
    const id = knownId(source) ?? (await modelId(source, { runtime: await this.#runtime(), openPath, signal }));
    return knownAs(this.#open(), id);
  }

  /**
   * @param {Descriptor} descriptor
   * @param {Control} control
   * @param {Partial<Pick<Opening, 'toldSha256' | 'addresses'>> & { storeId?: string | null, access?: import('../download/access.js').AccessParams }} [known]
   */
  async #opening(
    descriptor,
    { signal, onEvent = () => {} },
    { toldSha256 = null, addresses = [], storeId = null, access } = {},
  ) {
    const { store, backend } = this.#place();
    const runtime = await this.#runtime();
    const call = {
      runtime,
      platform: withAccess(this.#platform, access),
      descriptor,
      toldSha256,
      addresses,
      storeId,
      store,
    };
    return openingOf(withRetries({ ...call, signal, onProgress: onEvent }), backend);
  }

  /** Whether there is a newer file at the address that a stored model came from. @param {Calls['storeCheck']['params']} params @param {Control} control */
  async storeCheck({ id, access }, control) {
    const opening = await this.#opening({ stored: id }, control, { access });
    return checkFile(opening, await this.#manifest(opening.id));
  }

  /** Gets the newer file, if there is one. @param {Calls['storeUpdate']['params']} params @param {Control} control @returns what list() tells of what is there now */
  async storeUpdate({ id, access }, control) {
    const opening = await this.#opening({ stored: id }, control, { access });
    const now = await fetchNewer(opening, await this.#manifest(opening.id));
    return summaryOf(await this.#record(now));
  }

  /**
   * Stores a model. One that is stored already is read through, and what is damaged is repaired, unless its address has a
   * newer file by now.
   * @returns what list() tells of it
   * @param {Calls['storeImport']['params']} params
   * @param {Control} control
   */
  async storeImport({ source: descriptor, toldSha256 = null, addresses, access, options }, control) {
    const { id: storeId, ...given } = readImportOptions(options);
    const known = { toldSha256, addresses, storeId, access };
    const opening = { ...(await this.#opening(descriptor, control, known)), toldSha256, ...given };
    const newer = await this.#newerOf(opening);
    if (newer !== null) return newer;
    const opened = await openStored(opening);
    try {
      if (opened.storage.state === 'stored') await this.#repair(opening);
      else await opened.load(null);
    } finally {
      await opened.close();
    }
    return summaryOf(await this.#record(opening.id));
  }

  /** @param {Opening} opening of a model that is stored, and open @throws {NibbleError} as repairChunk() */
  async #repair(opening) {
    const record = await this.#manifest(opening.id);
    for (const index of await damagedChunks(opening, record)) {
      if (index === HEADER) (await repairHeader(opening, record, { isOnlyStored: true })).close();
      else await repairChunk(opening, record, index, null);
    }
  }

  /** What a newer file was stored as; null where there is none, or nobody can tell now. @param {Opening} opening */
  async #newerOf(opening) {
    const { descriptor, id, sha256, toldSha256 } = opening;
    if (!isAddress(descriptor?.url) || !(await isStored(opening))) return null;
    const record = await this.#manifest(id);
    if (record.sha256 !== null && [sha256, toldSha256].includes(record.sha256)) return null;
    try {
      const now = await fetchNewer(opening, record);
      return now === id ? null : summaryOf(await this.#record(now));
    } catch (error) {
      if (UNREACHED.some((code) => code === codeOf(error))) return null;
      throw error;
    }
  }

  /** Reads all of a stored model. `damaged`: the chunks that are not what they were, -1 for the header. @param {Calls['storeVerify']['params']} params @param {Control} control */
  async storeVerify({ id: given }, { signal, onEvent = () => {} }) {
    const backend = this.#open();
    const id = await knownAs(backend, given);
    const runtime = await this.#runtime();
    return backend.lock(id, { shared: true, signal }, async () => {
      const record = await this.#manifest(id);
      const damaged = await damagedChunks({ backend, runtime, signal, onProgress: onEvent }, record);
      return { id, state: record.state, chunks: record.chunks.length, damaged };
    });
  }

  /** What was saved of its sessions goes with it. @param {Calls['storeDelete']['params']} params */
  async storeDelete({ id: known }) {
    const backend = this.#open();
    const id = await knownAs(backend, known);
    await backend.lock(id, { wait: false }, async () => {
      await backend.remove(id);
      await removeSavesOf(backend, id);
    });
    return null;
  }

  /** @param {Calls['storeRename']['params']} params */
  async storeRename({ id: known, name }) {
    const backend = this.#open();
    const id = await knownAs(backend, known);
    const given = readStoredName(name);
    await backend.lock(id, { shared: true, wait: false }, async () => {
      await this.#manifest(id);
      await changeRecord(backend, id, (record) => ({ ...record, name: given }));
    });
    return null;
  }

  async storeEstimate() {
    const backend = this.#open();
    const records = await backend.list('what is stored');
    const models = sum(
      records.filter((record) => !isSavedSession(record)).map((record) => summaryOf(record).storedBytes),
    );
    const sessions = sum(records.filter(isSavedSession).map((record) => readSaved(record)?.bytes ?? 0));
    return { ...(await backend.estimate()), models, sessions };
  }

  /** Bytes a second that the store gives of a model, read and dropped. @param {Calls['storeReadRate']['params']} params @param {Control} control */
  async storeReadRate({ id: given }, { signal }) {
    const backend = this.#open();
    const id = await knownAs(backend, given);
    return backend.lock(id, { shared: true, signal }, async () => {
      const { chunks } = await this.#manifest(id);
      const start = performance.now();
      let read = 0;
      const buffer = new Uint8Array(Math.max(0, ...chunks.map(({ bytes }) => bytes)));
      for (let index = 0; index < chunks.length && read < RATE_BYTES; index++) {
        checkCancelled(signal);
        await backend.readChunk(id, index, 0, buffer.subarray(0, chunks[index].bytes));
        read += chunks[index].bytes;
      }
      return read / Math.max(0.001, (performance.now() - start) / 1000);
    });
  }

  /** What runs has been told to stop; what an import has is kept, and its lock given back, before anything ends. @param {Calls['storeClose']['params']} _params @param {import('../protocol/calls.js').Control} control */
  async storeClose(_params, { untilAlone }) {
    this.#closed = true;
    await untilAlone();
    await this.#opened?.backend.close();
    (await this.#starting?.catch(() => null))?.runtime.close();
    this.#opened = this.#starting = null;
    return null;
  }

  #open() {
    return this.#place().backend;
  }

  #place() {
    if (this.#opened !== null) return this.#opened;
    throw new NibbleError('STORE_UNAVAILABLE', 'The store is closed. Open it again.');
  }

  /** Packing and checking is done by the same wasm; listing needs none. */
  async #runtime() {
    this.#starting ??= this.#platform.startRuntime({ threads: 1, kernelSet: null }, this.#wasm);
    const { runtime } = await this.#starting;
    if (this.#closed) this.#open();
    return runtime;
  }

  /** Another page may have deleted it a moment ago. @param {string} id */
  async #record(id) {
    const record = await this.#open().get(id);
    if (record === null) throw notStored(shortened(id), id);
    return record;
  }

  /** @param {string} id */
  async #manifest(id) {
    const manifest = readManifest(await this.#record(id));
    if (manifest !== null) return manifest;
    throw new NibbleError('STORE_DAMAGED', `The record of the stored model "${shortened(id)}" is damaged. Delete it.`);
  }
}

/** @param {number[]} values */
const sum = (values) => values.reduce((total, value) => total + value, 0);
