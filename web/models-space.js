// Where models are kept: how much room there is, whether the browser may clear it, and how fast it reads.
import { make } from './dom.js';
import { keepFocus, makeButton, makeSection } from './models-section.js';

const KINDS = ['indexeddb', 'opfs'];

export class ModelSpace {
  #panel;
  #section = makeSection('models-space');
  #estimate = null;
  #persisted = null;
  #asked = false;
  #kind = 'indexeddb';
  #rate = null;
  #problem = null;

  /** @param {import('./models.js').Panel} panel */
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
      if (store.kind !== this.#kind) this.#rate = null;
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
      body.replaceChildren(...[...this.#room(), this.#persistence(), this.#kinds(), this.#reading()].filter(Boolean));
    });
  }

  #room() {
    const { t, format } = this.#panel;
    if (this.#estimate === null) return [];
    const { usage, quota, models } = this.#estimate;
    const { bytes } = format();
    if (!Number.isFinite(quota) || quota === 0) {
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
    const change = async (event) => {
      await onStoreKind(event.target.value);
      await this.#panel.refresh();
    };
    return make(
      'div',
      { class: 'field' },
      make('label', { for: 'models-kind' }, t('models.kind')),
      make('select', { id: 'models-kind', 'data-key': 'kind', on: { change } }, ...options),
      make('p', { class: 'help' }, t('models.kind.help')),
    );
  }

  #reading() {
    const { t, format } = this.#panel;
    const model = this.#largest();
    if (!model) return make('p', { class: 'help' }, t('models.rate.none'));
    const measure = makeButton({ label: t('models.rate.measure'), key: 'rate', action: () => this.#measure(model) });
    const text = this.#rate && t('models.rate', { rate: format().bytes(this.#rate.rate), name: this.#rate.name });
    return make(
      'div',
      { class: 'models-line wrap' },
      measure,
      make('p', { class: 'help', role: 'status' }, text ?? ''),
    );
  }

  #largest() {
    const complete = this.#panel.stored().filter(({ state }) => state === 'complete');
    return complete.toSorted((a, b) => b.storedBytes - a.storedBytes)[0];
  }

  async #measure({ id, name }) {
    try {
      const store = await this.#panel.store();
      this.#rate = { rate: await store.readRate(id), name };
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
