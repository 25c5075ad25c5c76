// Where models are kept: how much room there is, whether the browser may clear it, and how fast it reads.

import { isStoreKind, STORES, tellsRate } from '../engine/read-rates.js';
import { make } from '../ui/dom.js';
import { keepFocus, makeButton, makeSection } from './section.js';

/** @type {import('../settings/settings.js').StoreKind[]} */
const KINDS = ['indexeddb', 'opfs'];

/** @typedef {import('../nibble/index.js').ModelStore} ModelStore */

export class ModelSpace {
  #panel;
  #section = makeSection('models-space');
  /** @type {Awaited<ReturnType<ModelStore['estimate']>> | null} */
  #estimate = null;
  /** @type {boolean | null} */
  #persisted = null;
  #asked = false;
  /** @type {ModelStore['kind']} */
  #kind = 'indexeddb';
  /** @type {unknown} */
  #problem = null;

  /** @param {import('./panel.js').Panel} panel */
  constructor(panel) {
    this.#panel = panel;
  }

  get root() {
    return this.#section.root;
  }

  /** Asks the store anew. */
  async refresh() {
    try {
      const store = await this.#panel.store();
      this.#kind = store.kind;
      [this.#estimate, this.#persisted] = await Promise.all([store.estimate(), store.persisted()]);
      this.#problem = null;
    } catch (error) {
      this.#problem = error;
    }
    this.render();
  }

  render() {
    const { t } = this.#panel;
    const { heading, body, root } = this.#section;
    heading.textContent = t('models.space');
    keepFocus(root, heading, () => {
      if (this.#problem) {
        body.replaceChildren(make('p', { class: 'help' }, t('models.storeRefused')));
        return;
      }
      const parts = [...this.#room(), this.#persistence(), this.#kinds(), this.#reading()];
      body.replaceChildren(...parts.filter((part) => part !== null));
    });
  }

  #room() {
    const { t, format } = this.#panel;
    if (this.#estimate === null) return [];
    const { usage, quota, models } = this.#estimate;
    const { bytes } = format();
    if (quota === null || !Number.isFinite(quota) || quota === 0) {
      return [make('p', {}, t('models.space.models', { models: bytes(models) }))];
    }
    const free = Math.max(0, quota - (usage ?? 0));
    return [
      make('p', {}, t('models.space.used', { models: bytes(models), free: bytes(free), quota: bytes(quota) })),
      make('meter', { min: 0, max: 1, value: (usage ?? 0) / quota, 'aria-label': t('models.space.meter') }),
    ];
  }

  #persistence() {
    const { t } = this.#panel;
    if (this.#persisted === null) return null;
    if (this.#persisted) return make('p', { class: 'help' }, t('models.persist.yes'));
    const ask = makeButton({ label: t('models.persist'), key: 'persist', action: () => this.#persist() });
    const help = t(this.#asked ? 'models.persist.no' : 'models.persist.help');
    return make('div', { class: 'models-line wrap' }, ask, make('p', { class: 'help', role: 'status' }, help));
  }

  #kinds() {
    const { t, onStoreKind } = this.#panel;
    if (!onStoreKind) return make('p', { class: 'help' }, `${t('models.kind')}: ${t(`models.kind.${this.#kind}`)}`);
    const options = KINDS.map((kind) =>
      make('option', { value: kind, selected: kind === this.#kind }, t(`models.kind.${kind}`)),
    );
    const change = async () => {
      if (isStoreKind(select.value)) await onStoreKind(select.value);
      await this.#panel.refresh();
    };
    const select = make('select', { id: 'models-kind', 'data-key': 'kind', on: { change } }, ...options);
    return make(
      'div',
      { class: 'field' },
      make('label', { for: 'models-kind' }, t('models.kind')),
      select,
      make('p', { class: 'help' }, t('models.kind.help')),
    );
  }

  #reading() {
    const { t } = this.#panel;
    const model = this.#largest();
    const measure = makeButton({
      label: t('models.rate.measure'),
      key: 'rate',
      action: () => model && this.#measure(model),
    });
    return make(
      'div',
      { class: 'field', role: 'group', 'aria-label': t('models.rate.title') },
      make('p', { class: 'models-label' }, t('models.rate.title')),
      make('dl', { class: 'models-rates' }, ...this.#rates()),
      model ? measure : make('p', { class: 'help' }, t('models.rate.none')),
    );
  }

  /** What each place was measured at, one below the other. */
  #rates() {
    return KINDS.flatMap((kind) => [make('dt', {}, STORES[kind]), make('dd', {}, this.#describeRate(kind))]);
  }

  /** @param {string} kind */
  #describeRate(kind) {
    const { t, format, rates } = this.#panel;
    const rate = rates.get(kind);
    if (rate === null) return t('models.rate.not');
    const { bytesPerSecond, name, bytes } = rate;
    const key = tellsRate(bytes) ? 'models.rate' : 'models.rate.small';
    return t(key, { rate: format().bytes(bytesPerSecond), name });
  }

  /** @returns {import('../nibble/index.js').StoredModel | undefined} */
  #largest() {
    const complete = this.#panel.stored().filter(({ state }) => state === 'complete');
    return complete.sort((a, b) => b.storedBytes - a.storedBytes)[0];
  }

  /** @param {import('../nibble/index.js').StoredModel} model */
  async #measure({ id, name, storedBytes: bytes }) {
    try {
      const store = await this.#panel.store();
      const bytesPerSecond = await store.readRate(id);
      this.#panel.rates.note(store.kind, { bytesPerSecond, name, bytes });
      this.#panel.announce(this.#describeRate(store.kind));
    } catch (error) {
      this.#panel.report(error);
    }
    this.render();
  }

  async #persist() {
    const store = await this.#panel.store();
    this.#persisted = await store.persist();
    this.#asked = true;
    this.render();
    this.#panel.announce(this.#panel.t(this.#persisted ? 'models.persist.yes' : 'models.persist.no'));
  }
}
