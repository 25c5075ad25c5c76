// Tells that a newer version of the page is there, and begins with it when the reader wants to.
import { find } from '../ui/dom.js';

export class UpdateNotice {
  #offline;
  #t;
  #isBusy;
  /** @type {'none' | 'ready' | 'elsewhere'} */
  #state = 'none';

  /**
   * @param {object} context
   * @param {import('./registration.js').Offline} context.offline
   * @param {import('../ui/i18n.js').Translate} context.t
   * @param {() => boolean} context.isBusy whether something goes on that a reload would break off
   */
  constructor({ offline, t, isBusy }) {
    this.#offline = offline;
    this.#t = t;
    this.#isBusy = isBusy;
    find('update-apply').addEventListener('click', () => this.#apply());
    find('update-later').addEventListener('click', () => {
      this.#tell('none');
      find('prompt').focus();
    });
  }

  /** A newer version waits. */
  offer() {
    this.#tell('ready');
  }

  /** Shows it where that disturbs nothing. */
  render() {
    find('update').hidden = this.#state === 'none' || this.#isBusy();
    if (this.#state !== 'none') find('update-text').textContent = this.#t(`update.${this.#state}`);
  }

  async #apply() {
    const button = find('update-apply', 'button');
    button.disabled = true;
    // Where it begins, the page is on its way out.
    const begins = await this.#offline.applyUpdate();
    button.disabled = false;
    if (!begins) this.#tell('elsewhere');
  }

  /** @param {'none' | 'ready' | 'elsewhere'} state */
  #tell(state) {
    this.#state = state;
    this.render();
  }
}
