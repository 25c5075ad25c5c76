// The list of conversations. On a narrow screen it is a drawer over the page.

import { confirm } from '../ui/dialog.js';
import { find, focusedElement, make, seek } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { isOfInputMethod } from '../ui/keys.js';
import { addressOf } from './address.js';

const SEARCH_MILLISECONDS = 150;
const NARROW = matchMedia('(max-width: 760px)');

/** @typedef {import('./conversations.js').Head} Head */

/**
 * @typedef {object} SidebarContext
 * @property {import('./conversations.js').Conversations} conversations
 * @property {import('../settings/settings.js').Settings} settings
 * @property {import('../chat/answers.js').Answers} answers
 * @property {import('../ui/i18n.js').Translate} t
 * @property {() => string} tag of the language, for Intl
 * @property {() => string} currentId
 * @property {(id: string) => void} onOpen
 * @property {(id: string) => void} onDelete told before it is deleted
 * @property {(id: string) => void} onRename told afterwards
 * @property {(say: () => string, error: unknown) => void} onRefused told that one was not renamed or deleted, or that they could not be listed
 */

export class Sidebar {
  #context;
  #list = find('conversations');
  #search = find('search', 'input');
  #searching = new AbortController();
  #isStale = false;
  /** @type {Promise<void> | null} */
  #refreshing = null;
  #open = false;
  /** Of the row that gets the focus when the list is next drawn. @type {string | null} */
  #focusNext = null;
  /** What was drawn last, by its conversation's id. @type {Map<string, { state: string, row: HTMLLIElement }>} */
  #rows = new Map();
  /** The field that somebody types a new name into, in one of the rows. @type {HTMLInputElement | null} */
  #renaming = null;

  /** @param {SidebarContext} context */
  constructor(context) {
    this.#context = context;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    this.#search.addEventListener('input', () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.refresh(), SEARCH_MILLISECONDS);
    });
    this.#search.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || this.#search.value === '') return;
      event.stopPropagation();
      this.#search.value = '';
      this.refresh();
    });
    for (const id of ['open-sidebar', 'close-sidebar']) find(id).addEventListener('click', () => this.toggle());
    find('veil').addEventListener('click', () => this.#setOpen(false));
    NARROW.addEventListener('change', () => this.#setOpen(!NARROW.matches && this.#isWanted));
    this.#setOpen(!NARROW.matches && this.#isWanted);
  }

  toggle() {
    if (!NARROW.matches) this.#context.settings.set('sidebar', this.#open ? 'hidden' : 'shown');
    this.#setOpen(!this.#open);
    if (this.#open) find('close-sidebar').focus();
    else find('open-sidebar').focus();
  }

  /** @returns {boolean} whether there was one to close */
  closeDrawer() {
    if (!NARROW.matches || !this.#open) return false;
    this.toggle();
    return true;
  }

  focusSearch() {
    this.#setOpen(true);
    this.#search.focus();
  }

  /**
   * Reads the list again; while a name is being typed into it, once that is done. However many changes come while it is
   * read, as from another tab that imports, it is read once more behind that.
   */
  refresh() {
    this.#isStale = true;
    this.#searching.abort();
    this.#refreshing ??= this.#follow().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #follow() {
    while (this.#isStale) {
      this.#isStale = false;
      await this.#read();
    }
  }

  async #read() {
    this.#searching = new AbortController();
    const { signal } = this.#searching;
    const { conversations, t, onRefused } = this.#context;
    const query = this.#search.value.trim();
    /** @type {Awaited<ReturnType<typeof conversations.list>>} */
    let heads;
    try {
      heads = await (query === '' ? conversations.list() : conversations.search(query, signal));
    } catch (error) {
      if (!signal.aborted) onRefused(() => t('sidebar.not-read'), error);
      return;
    }
    if (signal.aborted || this.#renaming !== null) return;
    const empty = find('no-conversations');
    empty.hidden = heads.length > 0;
    empty.textContent = t(query === '' ? 'sidebar.empty' : 'sidebar.nothing');
    const active = focusedElement();
    const focused = this.#focusNext ?? (this.#list.contains(active) && active?.dataset.id);
    this.#focusNext = null;
    this.#draw(heads);
    if (focused) seek(this.#list, `[data-id="${CSS.escape(focused)}"]`)?.focus();
  }

  /** Makes anew the rows that are different now, and moves only what stands elsewhere: there may be thousands. @param {Head[]} heads */
  #draw(heads) {
    const { tag, currentId, answers } = this.#context;
    const language = tag();
    const format = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' });
    const drawn = this.#rows;
    const current = currentId();
    this.#rows = new Map(
      heads.map((head) => {
        const { id, title, updatedAt } = head;
        const isWritten = Boolean(answers.jobOf(id));
        const state = JSON.stringify([title, updatedAt, id === current, isWritten, language]);
        const before = drawn.get(id);
        return [id, before?.state === state ? before : { state, row: this.#row(head, format) }];
      }),
    );
    const rows = Array.from(this.#rows.values(), ({ row }) => row);
    /** @type {Set<Element>} */
    const stay = new Set(rows);
    for (const row of [...this.#list.children]) if (!stay.has(row)) row.remove();
    let next = this.#list.firstElementChild;
    for (const row of rows) {
      if (row === next) next = row.nextElementSibling;
      else this.#list.insertBefore(row, next);
    }
  }

  get #isWanted() {
    return this.#context.settings.get('sidebar') === 'shown';
  }

  /** @param {boolean} open */
  #setOpen(open) {
    this.#open = open;
    const drawer = NARROW.matches;
    document.body.classList.toggle('sidebar-open', open);
    find('sidebar').inert = !open;
    find('main').inert = drawer && open;
    find('veil').hidden = !(drawer && open);
    find('open-sidebar').setAttribute('aria-expanded', String(open));
    find('open-sidebar').hidden = open && !drawer;
  }

  /** @param {Head} head @param {Intl.DateTimeFormat} format @returns {HTMLLIElement} */
  #row(head, format) {
    const { t, currentId, onOpen, answers } = this.#context;
    const title = head.title || t('chat.untitled');
    const isCurrent = head.id === currentId();
    const open = make(
      'a',
      {
        href: addressOf(head.id),
        class: 'open',
        'data-id': head.id,
        'aria-current': isCurrent ? 'page' : null,
        title: `${title}\n${when(head.updatedAt, format)}`,
        on: {
          click: (event) => {
            // A click that means another tab or window is the browser's.
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            onOpen(head.id);
          },
        },
      },
      make('span', { class: 'title', dir: 'auto' }, title),
      answers.jobOf(head.id)
        ? make('span', { class: 'writing', role: 'img', 'aria-label': t('sidebar.writing') })
        : null,
    );
    const row = make(
      'li',
      { class: isCurrent ? 'current' : false },
      open,
      this.#button('pencil', t('sidebar.rename', { title }), () => this.#rename(row, head)),
      this.#button('trash', t('sidebar.delete', { title }), () => this.#delete(head, title, row)),
    );
    return row;
  }

  /** @param {import('../ui/icons.js').IconName} drawing @param {string} label @param {() => void} click */
  #button(drawing, label, click) {
    return make(
      'button',
      { type: 'button', class: 'icon', 'aria-label': label, title: label, on: { click } },
      icon(drawing),
    );
  }

  /** @param {HTMLLIElement} row @param {Head} head */
  #rename(row, head) {
    const { t, conversations, onRename, onRefused } = this.#context;
    const field = make('input', {
      type: 'text',
      class: 'rename',
      maxlength: 200,
      dir: 'auto',
      'aria-label': t('sidebar.name'),
    });
    field.value = head.title;
    let done = false;
    /** @param {boolean} keep */
    const finish = async (keep) => {
      if (done) return;
      done = true;
      // Whoever has clicked elsewhere stays there.
      if (document.activeElement === field) this.#focusNext = head.id;
      try {
        if (keep && field.value.trim() !== '') await conversations.rename(head.id, field.value);
      } catch (error) {
        onRefused(() => t('sidebar.not-renamed', { title: head.title || t('chat.untitled') }), error);
      }
      if (this.#renaming === field) this.#renaming = null;
      onRename(head.id);
    };
    field.addEventListener('keydown', (event) => {
      if (isOfInputMethod(event)) return;
      if (event.key === 'Enter') finish(true);
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      finish(false);
    });
    field.addEventListener('blur', () => finish(true));
    this.#renaming = field;
    // What stands in its place is gone: it is drawn anew afterwards.
    this.#rows.delete(head.id);
    row.replaceChildren(field);
    field.select();
    field.focus();
  }

  /** @param {Head} head @param {string} title @param {HTMLLIElement} row */
  async #delete(head, title, row) {
    const { t, conversations, onDelete, onRefused } = this.#context;
    const sure = await confirm({
      title: t('confirm.conversation.title'),
      text: t('confirm.conversation.text', { title }),
      action: t('confirm.conversation.action'),
      cancel: t('cancel'),
    });
    if (!sure) return;
    const next = row.nextElementSibling ?? row.previousElementSibling;
    this.#focusNext = (next && seek(next, '.open')?.dataset.id) ?? null;
    // What is being written there ends first: nothing of it is kept any more.
    onDelete(head.id);
    try {
      await conversations.delete(head.id);
    } catch (error) {
      onRefused(() => t('sidebar.not-deleted', { title }), error);
    }
    if (next === null) find('new-chat').focus();
    this.refresh();
  }
}

/** Earlier versions took any number out of a file. @param {number} time @param {Intl.DateTimeFormat} format */
const when = (time, format) => (Number.isNaN(new Date(time).getTime()) ? '' : format.format(time));
