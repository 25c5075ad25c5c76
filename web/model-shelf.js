// Joins the models panel to the page: the store it shows is opened when the panel first is, and the one of another
// place when that is chosen.
import { isIncluded } from './engine-room.js';
import { createModelsPanel } from './models.js';
import { openModelStore } from './nibble/index.js';

export class ModelShelf {
  #context;
  #panel;
  #stores = new Map();

  /**
   * @param {object} context
   * @param {HTMLElement} context.root
   * @param {HTMLDialogElement} context.dialog
   * @param {import('./i18n.js').Language} context.language
   * @param {import('./settings.js').Settings} context.settings
   * @param {import('./engine-room.js').EngineRoom} context.room
   * @param {import('./read-rates.js').ReadRates} context.rates
   * @param {(model: import('./engine-room.js').Model) => void} context.onUse
   * @param {(text: string) => void} context.announce
   */
  constructor(context) {
    this.#context = context;
    const { root, dialog, language, settings, room, rates, announce } = context;
    this.#panel = createModelsPanel(root, {
      t: language.t,
      locale: () => language.tag,
      store: () => this.#store(),
      currentId: () => this.#currentId(),
      onUse: (model) => {
        dialog.close();
        context.onUse(model);
      },
      announce,
      rates,
      engineOptions: () => {
        const { store, ...options } = settings.engine();
        return options;
      },
      onMemoryBudget: (bytes) => settings.set('memoryBudget', bytes),
      // The next visit would look for it in vain.
      onDeleted: (id) => settings.get('model')?.stored === id && settings.set('model', null),
      onStoreKind: (kind) => settings.set('store', kind),
    });
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

  render() {
    this.#panel.render();
  }

  /** Each place has its store, which stays open: a download into it may be under way. One refused is asked for again. */
  #store() {
    const kind = this.#context.settings.get('store');
    if (!this.#stores.has(kind)) {
      const opened = openModelStore({ store: kind });
      this.#stores.set(kind, opened);
      opened.catch(() => this.#stores.delete(kind));
    }
    return this.#stores.get(kind);
  }

  #currentId() {
    const { engine, model } = this.#context.room;
    if (engine === null) return null;
    return isIncluded(model) ? `url:${model.href}` : engine.info.storage.id;
  }
}
