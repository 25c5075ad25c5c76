// The models panel: what is on this device, where more comes from, and the room there is.

import { codeOf, describeProblem } from '../engine/problem.js';
import { isStoreKind } from '../engine/read-rates.js';
import { make } from '../ui/dom.js';
import { Downloads } from './downloads.js';
import { createFormat } from './format.js';
import { ModelList } from './list.js';
import { ModelSources } from './sources.js';
import { ModelSpace } from './space.js';

const INCLUDED = 'models/nibble-tiny.gguf';

/** @typedef {import('../nibble/index.js').ModelStore} ModelStore */
/** @typedef {import('../engine/engine-room.js').Model} Model */
/** @typedef {import('../settings/settings.js').StoreKind} StoreKind */
/** @typedef {import('./downloads.js').Wanted} Wanted */

/**
 * @typedef {object} PanelContext
 * @property {import('../ui/i18n.js').Translate} t
 * @property {string | (() => string)} locale the tag of the language
 * @property {() => ModelStore | Promise<ModelStore>} store may throw or reject where the browser refuses one
 * @property {() => string | null} currentId of the model in use, as the store has it; of the included one, its address
 * @property {(model: Model, how?: { keeps?: boolean }) => void} onUse `keeps` false: it is not to be stored
 * @property {(text: string) => void} announce to a screen reader
 * @property {import('../engine/read-rates.js').ReadRates} rates
 * @property {(id: string, name: string, kind: ModelStore['kind']) => void} [onDeleted] by id and name: a model is stored
 *   no more in a place
 * @property {() => void} [onStored] what is stored has changed
 * @property {import('./hub-access.js').HubAccess} hub
 * @property {() => import('../engine/engine-room.js').Options} engineOptions those that a model would be loaded with
 * @property {() => boolean} [isBusy] whether an answer is being written, or a model loaded
 * @property {(codes: string[]) => string[]} describeWarnings sentences about those of a model that matter
 * @property {(bytes: number) => void} onMemoryBudget a model is to take no more memory
 * @property {(kind: StoreKind) => void | Promise<void>} [onStoreKind] another place for models was chosen;
 *   store() has to give that one from then on
 */

/**
 * Fills an element with the panel.
 * @param {HTMLElement} root
 * @param {PanelContext} context
 * @returns {{ refresh: () => Promise<void>, render: () => void, offerFile: (file: File | File[]) => void }} `refresh`: the panel
 *   is being opened, or what is stored has changed; `render`: the language or the model in use has changed
 */
export function createModelsPanel(root, context) {
  const panel = new Panel(root, context);
  return {
    refresh: () => panel.refresh(),
    render: () => panel.render(),
    offerFile: (file) => panel.offerFile(file),
  };
}

/** What the sections of the panel know of each other. */
export class Panel {
  #context;
  #list;
  #sources;
  #space;
  /** The store that is listed: another tab may have chosen another place since. @type {ModelStore | null} */
  #listed = null;
  /** The ids that the store has, or would have, for the addresses that the panel offers. @type {Map<string, string>} */
  #ids = new Map();
  #problem = make('p', { class: 'models-problem bad', role: 'alert', hidden: true });

  /** @param {HTMLElement} root @param {PanelContext} context */
  constructor(root, context) {
    this.#context = context;
    this.t = context.t;
    this.announce = context.announce;
    this.onStoreKind = context.onStoreKind;
    this.rates = context.rates;
    this.hub = context.hub;
    this.engineOptions = context.engineOptions;
    this.isBusy = context.isBusy ?? (() => false);
    this.describeWarnings = context.describeWarnings;
    this.onMemoryBudget = context.onMemoryBudget;
    this.includedUrl = new URL(INCLUDED, document.baseURI);
    this.downloads = new Downloads({
      store: () => this.store(),
      onChange: (event) => this.#follow(event),
      onProgress: (download) => this.#list.follow(download),
    });
    this.#list = new ModelList(this);
    this.#sources = new ModelSources(this);
    this.#space = new ModelSpace(this);
    root.classList.add('models');
    root.replaceChildren(this.#problem, this.#list.root, this.#sources.root, this.#space.root);
    this.render();
  }

  store = async () => this.#context.store();

  /** The store that has what is listed. */
  listedStore = async () => this.#listed ?? this.store();

  locale = () => {
    const { locale } = this.#context;
    return typeof locale === 'function' ? locale() : locale;
  };

  format = () => createFormat(this.locale());

  stored = () => this.#list.models;

  /** The id of a model that is offered here, as the store tells it; before it has, the address. */
  idOf = (/** @type {URL} */ address) => this.#ids.get(address.href) ?? address.href;

  get includedId() {
    return this.idOf(this.includedUrl);
  }

  isCurrent = (/** @type {string} */ id) => {
    const current = this.#context.currentId();
    return current === id || (id === this.includedId && current === this.includedUrl.href);
  };

  /** @type {(model: Model, how?: { keeps?: boolean }) => void} */
  use = (model, how) => this.#context.onUse(model, how);

  /** A problem that has no row of its own. */
  report = (/** @type {unknown} */ error) => {
    this.#problem.hidden = false;
    this.#problem.textContent = this.sentence(error);
  };

  /** A problem in the reader's language, with its code. @param {unknown} error */
  sentence(error) {
    const { code, text } = describeProblem(error, this.t);
    return this.t('models.problem', { text, code });
  }

  get included() {
    const entry = this.#sources.included;
    return { name: entry?.name ?? 'Nibble tiny', bytes: entry?.bytes, url: this.includedUrl };
  }

  async refresh() {
    await Promise.all([this.#sources.load(), this.#readStore()]);
    await this.#readIds(this.#sources.addresses);
    this.render();
    this.#sources.followStore();
  }

  render() {
    this.#list.render();
    this.#sources.render();
    this.#space.render();
  }

  /** @param {File | File[]} file */
  offerFile(file) {
    this.#sources.offerFile(file);
  }

  /** @param {Wanted} wanted */
  async download(wanted) {
    this.#problem.hidden = true;
    // Only a page may ask that the store be kept, and a download is the moment at which it matters.
    const store = await this.store().catch(() => null);
    store?.persist().then(
      () => this.#space.refresh(),
      () => {},
    );
    await this.downloads.begin(wanted);
  }

  /** @param {string} id @param {string} name */
  async rename(id, name) {
    await this.#attempt(async (store) => {
      await store.rename(id, name);
      this.announce(this.t('models.renamed', { name }));
    });
  }

  /** @param {string} id @param {string} name @param {ModelStore} store that has it */
  async remove(id, name, store) {
    await this.#attempt(async () => {
      await store.delete(id);
      this.#context.onDeleted?.(id, name, store.kind);
      this.#context.onStored?.();
      this.announce(this.t('models.deleted', { name }));
    });
  }

  /** @param {(store: ModelStore) => Promise<void>} action */
  async #attempt(action) {
    this.#problem.hidden = true;
    try {
      await action(await this.listedStore());
    } catch (error) {
      this.report(error);
    }
    await this.refresh();
  }

  async #readStore() {
    try {
      const store = await this.store();
      await this.#readIds([this.includedUrl]);
      const models = await store.list();
      this.#listed = store;
      this.#list.show(models, isStoreKind(store.kind) ? store.kind : undefined);
    } catch (error) {
      if (codeOf(error) !== 'STORE_UNAVAILABLE') this.report(error);
      this.#list.show([]);
    }
    await this.#space.refresh();
  }

  /** @param {URL[]} addresses */
  async #readIds(addresses) {
    const store = await this.store().catch(() => null);
    if (store === null) return;
    await Promise.all(
      addresses.map(async (url) => this.#ids.set(url.href, await store.idOf(url).catch(() => url.href))),
    );
  }

  /** @param {{ download: import('./downloads.js').Download, kind: import('./downloads.js').DownloadEvent }} event */
  async #follow({ download: { id, name }, kind }) {
    this.announce(this.t(`models.${kind}`, { name }));
    if (kind !== 'begun') {
      await this.refresh();
      if (kind === 'ended') this.#context.onStored?.();
      return;
    }
    this.render();
    this.#list.reveal(id);
  }
}
