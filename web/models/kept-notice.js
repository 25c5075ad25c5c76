// Tells that a file which was dropped on the page is kept by the browser now, and where that can be undone.
import { find } from '../ui/dom.js';
import { formatBytes } from '../ui/units.js';

export class KeptNotice {
  #t;
  /** @type {{ name: string, bytes: number } | null} */
  #kept = null;

  /**
   * @param {import('../ui/i18n.js').Translate} t
   * @param {{ onModels: () => void }} handlers to the models on this device
   */
  constructor(t, { onModels }) {
    this.#t = t;
    const close = () => {
      this.#kept = null;
      this.render();
      find('prompt').focus();
    };
    find('close-kept').addEventListener('click', close);
    find('kept-models').addEventListener('click', () => {
      close();
      onModels();
    });
  }

  /** @param {{ name: string, bytes: number } | null} kept null: nothing to tell any more */
  tell(kept) {
    this.#kept = kept;
    this.render();
  }

  render() {
    find('kept').hidden = this.#kept === null;
    if (this.#kept === null) return;
    const { name, bytes } = this.#kept;
    find('kept-text').textContent = this.#t('kept.text', { name, size: formatBytes(bytes) });
  }
}
