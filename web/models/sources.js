// Where further models come from: the catalogue, an address, a file.

import { bytesOf, chooseFiles, fileNameIn, isModelFile, nameOf, withoutPart } from '../engine/model-files.js';
import { readHubAddress } from '../nibble/index.js';
import { findIn, focusedElement, make } from '../ui/dom.js';
import { readAddress } from './address.js';
import { Offer } from './offer.js';
import { RepositoryChoice } from './repository.js';
import { keepFocus, makeButton, makeSection, seekKey } from './section.js';

const CATALOGUE = 'models/catalog.json';
// Entries by the memory that they take, in bytes.
/** @type {[name: 'small' | 'middle' | 'large', from: number, to: number][]} */
const GROUPS = [
  ['small', 0, 1e9],
  ['middle', 1e9, 2e9],
  ['large', 2e9, Infinity],
];
// As many languages as are named where there are more than MOST_LANGUAGES.
const NAMED_LANGUAGES = 4;
const MOST_LANGUAGES = 6;

/**
 * @typedef {object} Entry of the catalogue
 * @property {string} name
 * @property {string} url
 * @property {number} bytes
 * @property {number} memory bytes
 * @property {number} parameters
 * @property {number} context tokens
 * @property {string[]} languages
 * @property {string} licence
 * @property {string | null} sha256
 * @property {Record<string, string>} notes by language
 */

/** @typedef {import('./downloads.js').Wanted} Wanted */

/** @param {DragEvent} event */
const filesOf = ({ dataTransfer }) => (dataTransfer?.types.includes('Files') ? dataTransfer : null);

export class ModelSources {
  #panel;
  #section = makeSection('models-get');
  /** @type {Entry[] | null} */
  #catalogue = null;
  #failed = false;
  /** @type {Offer | RepositoryChoice | null} */
  #offer = null;
  #address = '';
  #hubLine = make('div', { class: 'models-line' });

  /** @param {import('./panel.js').Panel} panel */
  constructor(panel) {
    this.#panel = panel;
    const { root } = this.#section;
    /** @param {boolean} on */
    const mark = (on) => root.classList.toggle('dropping', on);
    root.addEventListener('dragover', (event) => {
      const brought = filesOf(event);
      if (brought === null) return;
      event.preventDefault();
      brought.dropEffect = 'copy';
      mark(true);
    });
    root.addEventListener('dragleave', () => mark(false));
    root.addEventListener('drop', (event) => {
      mark(false);
      const brought = filesOf(event);
      if (brought === null) return;
      // Which tells the page too, which would load it at once, unasked.
      event.preventDefault();
      const { files } = brought;
      if (files.length > 0) this.offerFile(chooseFiles(files));
    });
    for (const type of ['online', 'offline']) addEventListener(type, () => this.render());
    panel.hub.onChange(() => this.#showHub());
  }

  get root() {
    return this.#section.root;
  }

  /** The entry that comes with the page, from the catalogue. */
  get included() {
    return this.#catalogue?.find(({ url }) => new URL(url, document.baseURI).href === this.#panel.includedUrl.href);
  }

  /** Addresses of the catalogue's entries. @returns {URL[]} */
  get addresses() {
    return (this.#catalogue ?? []).map((entry) => this.#addressOf(entry));
  }

  async load() {
    if (this.#catalogue !== null) return;
    try {
      const response = await fetch(CATALOGUE);
      if (!response.ok) throw new Error(`The server answered ${response.status}.`);
      this.#catalogue = await response.json();
      this.#failed = false;
    } catch {
      this.#failed = true;
    }
  }

  render() {
    const { t } = this.#panel;
    const { heading, body, root } = this.#section;
    heading.textContent = t('models.get');
    keepFocus(root, heading, () => {
      const isOnline = navigator.onLine;
      body.replaceChildren(
        isOnline ? this.#addressForm() : make('p', { class: 'help' }, t('models.offline')),
        this.#fileChooser(),
        ...(isOnline ? [this.#catalogueList()] : []),
      );
      this.#offer?.render();
      if (this.#offer && !this.#offer.root.isConnected) body.append(this.#offer.root);
    });
  }

  /** What is stored has changed. */
  followStore() {
    if (this.#offer instanceof Offer) this.#offer.followStore();
  }

  /** Looks at what was chosen or dropped. @param {File | File[] | null} model null: of several it is not clear which */
  offerFile(model) {
    const { t } = this.#panel;
    const place = findIn(this.#section.body, '.models-file');
    if (model === null) return this.#refuse(place, t('problem.several'));
    const name = nameOf(model);
    if (!isModelFile(name)) return this.#refuse(place, t('models.file.other', { name }));
    if (bytesOf(model) === 0) return this.#refuse(place, t('problem.empty', { name }));
    this.#open({ model, name }, place);
  }

  #catalogueList() {
    const { t } = this.#panel;
    if (this.#failed) return make('p', { class: 'help' }, t('models.catalogue.failed'));
    const entries = (this.#catalogue ?? []).filter((entry) => entry !== this.included);
    const groups = GROUPS.map(([name, from, to]) => {
      const rows = entries.filter(({ memory }) => memory >= from && memory < to).map((entry) => this.#entry(entry));
      const heading = make('h4', { class: 'models-group' }, t(`models.group.${name}`));
      return make('div', {}, heading, make('ul', { class: 'models-list' }, ...rows));
    });
    return make('div', { class: 'models-catalogue' }, ...groups);
  }

  /** Where an entry is; of Hugging Face, where the hub is asked now. @param {Entry} entry */
  #addressOf({ url }) {
    const place = readHubAddress(url, { hub: this.#panel.hub.options })?.url;
    return new URL(place ?? url, document.baseURI);
  }

  /** @param {string[]} codes */
  #languages(codes) {
    const { t, format } = this.#panel;
    if (codes.length <= MOST_LANGUAGES) return format().languages(codes);
    const named = codes.slice(0, NAMED_LANGUAGES);
    return t('models.languages', { languages: format().languages(named, 'unit'), count: codes.length - named.length });
  }

  /** @param {Entry} entry */
  #entry(entry) {
    const { t, format, locale, stored, downloads } = this.#panel;
    const { bytes, count, list } = format();
    const model = this.#addressOf(entry);
    const id = this.#panel.idOf(model);
    const facts = [
      bytes(entry.bytes),
      t('models.repository.memory', { memory: bytes(entry.memory) }),
      t('models.parameters', { count: count(entry.parameters) }),
      t('models.context', { count: entry.context }),
      this.#languages(entry.languages),
      entry.licence,
      entry.sha256 === null ? t('models.unchecked') : null,
    ];
    const download = makeButton({
      label: t('models.download'),
      name: t('models.download.name', { name: entry.name, size: bytes(entry.bytes) }),
      key: `get ${id}`,
      action: () => this.#open({ model, name: entry.name, sha256: entry.sha256 }, row),
    });
    const found = stored().find((model) => model.id === id);
    const isUnderWay = downloads.get(id) !== undefined || found?.state === 'importing';
    const stands = found === undefined ? null : t('models.stored');
    const place = isUnderWay ? t('models.listed') : stands;
    const offer = this.#offer;
    const isOffered =
      offer instanceof Offer && offer.wanted.model instanceof URL && offer.wanted.model.href === model.href;
    const row = make(
      'li',
      { class: 'models-row', 'data-entry': id },
      make(
        'div',
        { class: 'models-line' },
        make(
          'div',
          { class: 'models-about' },
          make('p', { class: 'models-name' }, entry.name),
          make('p', {}, entry.notes[locale().split('-')[0]] ?? entry.notes.en),
          make('p', { class: 'models-facts' }, list(facts)),
        ),
        place === null ? download : make('p', { class: 'models-facts' }, place),
      ),
      isOffered ? offer.root : null,
    );
    return row;
  }

  #addressForm() {
    const { t } = this.#panel;
    const problem = make('p', { id: 'models-url-problem', class: 'field-problem', role: 'alert' });
    const field = make('input', {
      id: 'models-url',
      type: 'text',
      inputmode: 'url',
      autocomplete: 'off',
      spellcheck: 'false',
      'data-key': 'url',
      value: this.#address,
      placeholder: 'https://…/model.gguf · owner/model',
      'aria-describedby': 'models-url-help models-url-problem',
      on: {
        input: () => {
          this.#address = field.value;
        },
      },
    });
    /** @param {SubmitEvent} event */
    const submit = (event) => {
      event.preventDefault();
      const address = readHubAddress(field.value, { hub: this.#panel.hub.options });
      const read = address ? null : readAddress(field.value, { isSecure: location.protocol === 'https:' });
      const fault = read?.fault;
      problem.textContent = fault ? t(fault) : '';
      field.setAttribute('aria-invalid', String(Boolean(fault)));
      if (fault) {
        // What was said of another address is over.
        this.#offer?.close();
        return field.focus();
      }
      if (address) this.#ask(address, field.value, place);
      else if (read && 'url' in read) {
        const { url } = read;
        this.#open({ model: url, name: withoutPart(fileNameIn(url)) || url.host }, place);
      }
    };
    const form = make(
      'form',
      { class: 'models-url field', novalidate: true, on: { submit } },
      make('label', { for: 'models-url' }, t('models.url')),
      make('div', { class: 'models-line' }, field, make('button', { type: 'submit' }, t('models.url.check'))),
      problem,
      make('p', { id: 'models-url-help', class: 'help' }, t('models.url.help')),
    );
    this.#showHub();
    const place = make('div', { class: 'models-address' }, form, this.#hubLine);
    return place;
  }

  /** Says what was entered for the hub, and forgets it. */
  #showHub() {
    const { t, hub } = this.#panel;
    if (!hub.isOwn) return this.#hubLine.replaceChildren();
    const key = hub.hasToken ? 'models.hub.token.inUse' : 'models.hub.inUse';
    const forget = makeButton({ label: t('models.hub.forget'), key: 'hub forget', action: () => hub.forget() });
    this.#hubLine.replaceChildren(make('p', { class: 'help' }, t(key, { address: hub.url })), forget);
  }

  #fileChooser() {
    const { t } = this.#panel;
    const picker = make('input', {
      type: 'file',
      accept: '.gguf',
      multiple: true,
      hidden: true,
      class: 'models-picker',
    });
    picker.addEventListener('change', () => {
      const files = [...(picker.files ?? [])];
      picker.value = '';
      if (files.length > 0) this.offerFile(chooseFiles(files));
    });
    const choose = makeButton({ label: t('models.file'), key: 'file', action: () => picker.click() });
    const line = make('div', { class: 'models-line' }, choose, make('p', { class: 'help' }, t('models.file.help')));
    return make('div', { class: 'models-file' }, picker, line);
  }

  /** @param {HTMLElement} place @param {string} text */
  #refuse(place, text) {
    this.#offer?.close();
    place.querySelector('.field-problem')?.remove();
    place.append(make('p', { class: 'field-problem', role: 'alert' }, text));
  }

  /** Asks the hub which files there are. @param {import('../nibble/index.js').HubAddress} address @param {string} text @param {HTMLElement} place */
  #ask(address, text, place) {
    /** @param {import('../nibble/index.js').HubFile} file */
    const onChoose = ({ url, path, sha256 }) =>
      this.#open({ model: new URL(url), name: withoutPart(path.slice(path.lastIndexOf('/') + 1)), sha256 }, place);
    this.#place((onClose) => new RepositoryChoice(this.#panel, { address, text, onClose, onChoose }), place);
  }

  /** @param {Wanted} wanted @param {HTMLElement} place */
  #open(wanted, place) {
    place.querySelector('.models-file > .field-problem')?.remove();
    this.#place((onClose) => new Offer(this.#panel, { ...wanted, onClose }), place);
  }

  /** @param {(onClose: () => void) => Offer | RepositoryChoice} create @param {HTMLElement} place */
  #place(create, place) {
    this.#offer?.close();
    const opener = focusedElement()?.dataset.key;
    const onClose = () => {
      this.#offer = null;
      const found = opener ? seekKey(this.#section.root, opener) : null;
      (found ?? this.#section.heading).focus();
    };
    const offer = create(onClose);
    this.#offer = offer;
    place.append(offer.root);
    offer.look();
  }
}
