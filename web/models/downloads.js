// Imports into the store that this page has begun. Each goes on in the background whether or not the panel is open;
// what has come of a paused one stays in the store, from its first chunk on, and so it goes on after a reload.
import { nameOf } from '../engine/model-files.js';
import { Pace } from '../engine/pace.js';
import { codeOf } from '../engine/problem.js';

/** @typedef {import('../nibble/index.js').ModelStore} ModelStore */
/** @typedef {{ model: URL | File | File[], name: string, sha256?: string | null }} Wanted what is to be downloaded or kept */
/** @typedef {Parameters<NonNullable<import('../nibble/index.js').ImportOptions['onProgress']>>[0]} ImportProgress */
/** @typedef {'begun' | 'ended' | 'failed' | 'paused' | 'cancelled'} DownloadEvent what has become of one */

/**
 * @typedef {object} Entry
 * @property {Download} download
 * @property {AbortController} controller
 * @property {Promise<ModelStore>} store
 * @property {boolean} wasWhole
 * @property {Promise<void> | null} ended
 */

/**
 * @typedef {object} Download
 * @property {string} id as the store will have it
 * @property {URL | File | File[]} model
 * @property {string} name
 * @property {string | null} [sha256]
 * @property {'running' | 'paused' | 'failed'} state
 * @property {ImportProgress | null} progress
 * @property {unknown} problem why it failed
 * @property {boolean} isPausing it was told to stop, and what has come is being written
 * @property {boolean} isWaiting nothing has come for a while
 */

const CANCELLED = 'cancelled';
// For so long nothing has come before a download is said to wait.
const WAITING_MILLISECONDS = 2000;

export class Downloads {
  #store;
  #onChange;
  #onProgress;
  /** By its id. @type {Map<string, Entry>} */
  #running = new Map();

  /**
   * @param {object} context
   * @param {() => Promise<ModelStore>} context.store
   * @param {(event: { download: Download, kind: DownloadEvent }) => void} context.onChange
   * @param {(download: Download) => void} context.onProgress
   */
  constructor({ store, onChange, onProgress }) {
    this.#store = store;
    this.#onChange = onChange;
    this.#onProgress = onProgress;
  }

  /** @returns {Download[]} */
  get all() {
    return [...this.#running.values()].map(({ download }) => download);
  }

  /** @param {string} id @returns {Download | undefined} */
  get(id) {
    return this.#running.get(id)?.download;
  }

  /**
   * Begins a download, or goes on with an interrupted one.
   * @param {Wanted} wanted
   */
  async begin({ model, name, sha256 }) {
    // Another place for models may be chosen meanwhile.
    const store = this.#store();
    // Where there is no store, that is told as any other failure of a download is.
    const place = model instanceof URL ? model.href : nameOf(model);
    const id = await store.then((opened) => opened.idOf(model)).catch(() => place);
    // Of a stored model, what comes is a newer file.
    const wasWhole = await store.then((opened) => opened.has(id)).catch(() => false);
    if (this.get(id)?.state === 'running') return;
    const controller = new AbortController();
    /** @type {Download} */
    const download = {
      ...{ id, model, name, sha256, state: 'running', progress: null, problem: null },
      ...{ isPausing: false, isWaiting: false },
    };
    /** @type {Entry} */
    const entry = { download, controller, store, wasWhole, ended: null };
    this.#running.set(id, entry);
    this.#onChange({ download, kind: 'begun' });
    entry.ended = this.#run(entry);
    await entry.ended;
  }

  /** Stops; what has come is kept. @param {string} id */
  async pause(id) {
    const entry = this.#running.get(id);
    if (!entry) return;
    entry.controller.abort();
    entry.download.isPausing = entry.download.state === 'running';
    this.#onProgress(entry.download);
    await entry.ended;
  }

  /**
   * Stops, and drops what has come. A model that is whole stays, also where another tab has made it so meanwhile, and so
   * does one that another tab is storing now.
   * @param {string} id
   */
  async cancel(id) {
    const entry = this.#running.get(id);
    if (!entry) return;
    const { download, controller } = entry;
    controller.abort(CANCELLED);
    await entry.ended;
    try {
      const store = await entry.store.catch(() => null);
      if (store !== null) for (const part of await partsOf(store, entry)) await dropPart(store, part);
    } finally {
      this.#running.delete(id);
      this.#onChange({ download, kind: 'cancelled' });
    }
  }

  /** @param {Entry} entry */
  async #run({ download, controller, store: opening }) {
    const { signal } = controller;
    /** @type {'ended' | 'paused' | 'failed'} */
    let kind = 'ended';
    const stopWatching = this.#watch(download);
    try {
      const store = await opening;
      const pace = new Pace();
      /** @param {ImportProgress} progress */
      const onProgress = (progress) => {
        download.progress = pace.settle(progress);
        this.#onProgress(download);
      };
      await store.import(download.model, {
        signal,
        onProgress,
        ...(download.sha256 ? { sha256: download.sha256 } : {}),
      });
    } catch (error) {
      kind = signal.aborted ? 'paused' : 'failed';
      download.problem = error;
    } finally {
      stopWatching();
    }
    if (signal.reason === CANCELLED) return;
    if (kind === 'ended') this.#running.delete(download.id);
    else download.state = kind;
    this.#onChange({ download, kind });
  }

  /** Tells when nothing comes any more, which no progress does. @param {Download} download @returns {() => void} ends it */
  #watch(download) {
    if (!(download.model instanceof URL)) return () => {};
    let seen = -1;
    let since = performance.now();
    const look = () => {
      const { phase = 'download', loaded = 0, total = 0 } = download.progress ?? {};
      const now = performance.now();
      if (loaded !== seen) since = now;
      seen = loaded;
      const isWaiting = phase === 'download' && !(total > 0 && loaded >= total) && now - since >= WAITING_MILLISECONDS;
      if (isWaiting === download.isWaiting) return;
      download.isWaiting = isWaiting;
      this.#onProgress(download);
    };
    const timer = setInterval(look, WAITING_MILLISECONDS / 4);
    return () => clearInterval(timer);
  }
}

/** The ids of what there is in part of a download: a part of a newer file has one of its own. @param {ModelStore} store @param {Entry} entry */
async function partsOf(store, { download: { id, model }, wasWhole }) {
  const parts = (await store.list()).filter(({ state }) => state === 'importing');
  /** @param {import('../nibble/index.js').StoredModel} part */
  const isOfIt = ({ id: given, source }) => {
    if (!wasWhole) return given === id;
    return model instanceof URL && source !== null && 'url' in source && source.url === model.href;
  };
  return parts.filter(isOfIt).map((part) => part.id);
}

/** @param {ModelStore} store @param {string} id */
async function dropPart(store, id) {
  try {
    await store.delete(id);
  } catch (error) {
    // Another tab stores it: it waited for this one, or this one for it.
    if (codeOf(error) !== 'STORE_BUSY') throw error;
  }
}
