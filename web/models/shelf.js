// Joins the models panel to the page: the store it shows is opened when the panel first is, and the one of another
// place when that is chosen.
import { isIncluded } from '../engine/engine-room.js';
import { isStoreKind } from '../engine/read-rates.js';
import { describeWarnings } from '../engine/warnings.js';
import { openModelStore } from '../nibble/index.js';
import { createModelsPanel } from './panel.js';

const CHANNEL = 'nibble.models';

export class ModelShelf {
  #context;
  #panel;
  /** By place and hub. @type {Map<string, Promise<import('../nibble/index.js').ModelStore>>} */
  #stores = new Map();
  /** To the other tabs, and to other parts of this one. */
  #channel = new BroadcastChannel(CHANNEL);

  /**
   * @param {object} context
   * @param {HTMLElement} context.root
   * @param {HTMLDialogElement} context.dialog
   * @param {import('../ui/i18n.js').Language} context.language
   * @param {import('../settings/settings.js').Settings} context.settings
   * @param {import('../engine/engine-room.js').EngineRoom} context.room
   * @param {import('../engine/read-rates.js').ReadRates} context.rates
   * @param {import('./hub-access.js').HubAccess} context.hub
   * @param {(model: import('../engine/engine-room.js').Model, how?: { keeps?: boolean }) => void} context.onUse
   * @param {() => boolean} context.isBusy
   * @param {(text: string) => void} context.announce
   * @param {() => void} context.onStored what is stored has changed, here or in another tab
   */
  constructor(context) {
    this.#context = context;
    const { root, dialog, language, settings, room, rates, announce } = context;
    this.#panel = createModelsPanel(root, {
      t: language.t,
      locale: () => language.tag,
      store: () => this.#store(settings.get('store')),
      currentId: () => this.#currentId(),
      onUse: (model, how) => {
        dialog.close();
        context.onUse(model, how);
      },
      announce,
      rates,
      hub: context.hub,
      engineOptions: () => {
        const { store, ...options } = settings.engine();
        return { ...options, hub: context.hub.options };
      },
      isBusy: context.isBusy,
      describeWarnings: (codes) => describeWarnings(codes, settings, language.t),
      onMemoryBudget: (bytes) => settings.set('memoryBudget', bytes),
      onStored: () => {
        this.#channel.postMessage(null);
        context.onStored();
      },
      // The next visit would look for it in vain.
      onDeleted: (id, name, place) => {
        const last = settings.get('model');
        if (last === null || 'url' in last || last.stored !== id) return;
        if ((last.kind ?? settings.get('store')) !== place) return;
        settings.set('model', null);
        settings.set('deletedModel', name.slice(0, 200));
      },
      onStoreKind: (kind) => {
        settings.set('store', kind);
      },
    });
    this.#channel.addEventListener('message', () => {
      context.onStored();
      if (dialog.open) this.open();
    });
    // Another tab may choose another place for models too.
    settings.onChange((name) => name === 'store' && dialog.open && this.open());
    /** @type {import('../nibble/index.js').Engine | null} */
    let engine = null;
    room.onChange(() => {
      if (room.engine === engine) return;
      engine = room.engine;
      if (dialog.open) this.open();
    });
  }

  /** Shows what is stored now. */
  open() {
    return this.#panel.refresh();
  }

  /**
   * Whether the store that a model came from has it now; a store that cannot be read has nothing to start from.
   * @param {import('../nibble/index.js').Engine['info']} info
   */
  async has({ storage: { kind, id } }) {
    try {
      if (!isStoreKind(kind)) return false;
      const store = await this.#store(kind);
      return (await store.list()).some((model) => model.id === id && model.state === 'complete');
    } catch {
      return false;
    }
  }

  render() {
    this.#panel.render();
  }

  /**
   * Each place has its store, which stays open: a download into it may be under way. One refused is asked for again, and
   * where the hub is asked in another way, there is another.
   * @param {import('../settings/settings.js').StoreKind} kind
   */
  #store(kind) {
    const hub = this.#context.hub.options;
    const key = JSON.stringify([kind, hub]);
    const present = this.#stores.get(key);
    if (present !== undefined) return present;
    const opened = openModelStore({ store: kind, hub });
    this.#stores.set(key, opened);
    opened.catch(() => this.#stores.delete(key));
    return opened;
  }

  #currentId() {
    const { engine, model } = this.#context.room;
    if (engine === null) return null;
    if (isIncluded(model)) return model.href;
    const { id, kind } = engine.info.storage;
    return kind === this.#context.settings.get('store') ? id : null;
  }
}
