// Tells once that the model of the last visit was deleted, and that the one included has begun in its place.
import { find } from '../ui/dom.js';
import { isIncluded } from './engine-room.js';

export class DeletedModelNotice {
  #settings;
  #room;
  #t;
  #name;
  /** The first one that this page has seen. @type {import('../nibble/index.js').Engine | null} */
  #engine = null;

  /**
   * @param {object} context
   * @param {import('../settings/settings.js').Settings} context.settings
   * @param {import('./engine-room.js').EngineRoom} context.room
   * @param {import('../ui/i18n.js').Translate} context.t
   */
  constructor({ settings, room, t }) {
    this.#settings = settings;
    this.#room = room;
    this.#t = t;
    this.#name = settings.get('deletedModel');
    room.onChange(() => this.#follow());
    find('close-gone').addEventListener('click', () => {
      this.#name = null;
      this.render();
      find('prompt').focus();
    });
  }

  render() {
    const isShown = this.#name !== null && this.#engine !== null;
    find('gone').hidden = !isShown;
    find('gone-text').textContent = isShown ? this.#t('gone.text', { name: this.#name ?? '' }) : '';
  }

  /** With the first engine it is told. One of another model was chosen since, which leaves nothing to tell. */
  #follow() {
    const { engine, model } = this.#room;
    if (engine === null || engine === this.#engine) return;
    if (!isIncluded(model)) this.#name = null;
    this.#engine = engine;
    if (this.#settings.get('deletedModel') !== null) this.#settings.set('deletedModel', null);
    this.render();
  }
}
