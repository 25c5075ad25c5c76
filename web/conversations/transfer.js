// Conversations out of the page into a file, and out of a file into the page.
import { find, make } from '../ui/dom.js';

// The download has begun with the next turn of the event loop at the latest.
const EXPORT_MILLISECONDS = 10_000;

export class Transfer {
  #context;
  /** What the last import brought, until that is closed. @type {import('./conversations.js').Imported | null} */
  #imported = null;

  /**
   * @param {object} context
   * @param {import('./conversations.js').Conversations} context.conversations
   * @param {import('../ui/i18n.js').Translate} context.t
   * @param {(text: string) => void} context.announce
   * @param {(unreadable: import('./conversations.js').Head[]) => void} context.onExported told what the
   *   export lacks, since the browser cannot read it any more
   * @param {(error: unknown) => void} context.onNotExported
   * @param {() => void} context.onImported
   * @param {(error: unknown) => void} context.onRefused
   */
  constructor(context) {
    this.#context = context;
    find('export').addEventListener('click', () => this.export());
    const picker = find('import-file', 'input');
    find('import').addEventListener('click', () => picker.click());
    picker.addEventListener('change', () => {
      const [file] = picker.files ?? [];
      picker.value = '';
      if (file) this.import(file);
    });
    find('close-imported').addEventListener('click', () => {
      this.#show(null);
      find('import').focus();
    });
  }

  async export() {
    const { conversations, onExported, onNotExported } = this.#context;
    /** @type {Awaited<ReturnType<typeof conversations.export>>} */
    let exported;
    try {
      exported = await conversations.export();
    } catch (error) {
      return onNotExported(error);
    }
    const { json, unreadable } = exported;
    const href = URL.createObjectURL(new Blob([json], { type: 'application/json' }));
    const name = `nibble-${new Date().toISOString().slice(0, 10)}.json`;
    make('a', { href, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(href), EXPORT_MILLISECONDS);
    onExported(unreadable);
  }

  /** @param {File} file an export of conversations */
  async import(file) {
    const { conversations, announce, onImported, onRefused } = this.#context;
    try {
      const imported = await conversations.import(await file.text());
      this.#show(imported);
      announce(this.#text);
      onImported();
      // What is there is there: it is told beside what went wrong.
      if (imported.error !== null) onRefused(imported.error);
    } catch (error) {
      this.#show(null);
      onRefused(error);
    }
  }

  render() {
    find('imported').hidden = this.#imported === null;
    if (this.#imported !== null) find('imported-text').textContent = this.#text;
  }

  /** @param {import('./conversations.js').Imported | null} imported */
  #show(imported) {
    this.#imported = imported;
    this.render();
  }

  get #text() {
    const { t } = this.#context;
    const { added = 0, updated = 0, beside = 0, left = 0 } = this.#imported ?? {};
    const brought = [
      added > 0 && t('imported.added', { count: added }),
      updated > 0 && t('imported.updated', { count: updated }),
      beside > 0 && t('imported.beside', { count: beside }),
      left > 0 && t('imported.left', { count: left }),
    ].filter(Boolean);
    return brought.length === 0 ? t('imported.nothing') : brought.join(' ');
  }
}
