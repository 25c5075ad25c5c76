// The models on this device: those stored, those under way, those that came only in part, and the one included.

import { chooseFiles, fileNameIn, nameOf, withoutPart } from '../engine/model-files.js';
import { codeOf } from '../engine/problem.js';
import { confirm } from '../ui/dialog.js';
import { make, seek } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { isOfInputMethod } from '../ui/keys.js';
import { keepFocus, makeButton, makeSection, seekKey } from './section.js';

/** @typedef {import('../nibble/index.js').StoredModel} StoredModel */
/** @typedef {import('./downloads.js').Download} Download */
/** @typedef {import('../engine/engine-room.js').Model} Model */

// Two readings of the clock, one after the other, are no further apart.
const IMPORT_MILLISECONDS = 50;

/** Models may have one name and come from several files. @param {StoredModel} model @returns {string | null} */
function fileNameOf({ name, source }) {
  if (source === null) return null;
  const file = 'file' in source ? source.file : fileNameIn(new URL(source.url));
  return file !== '' && file !== name ? withoutPart(file) : null;
}

export class ModelList {
  #panel;
  #section = makeSection('models-here');
  /** @type {StoredModel[]} */
  #models = [];
  /** @type {import('../settings/settings.js').StoreKind | undefined} */
  #kind;
  /** By the id of a download. @type {Map<string, { bar: HTMLProgressElement, text: HTMLElement }>} */
  #bars = new Map();
  /** What a row says beside its facts: a check under way, the outcome of one, a problem. @type {Map<string, { text: string, isBad: boolean }>} */
  #notes = new Map();
  /** The model that gets another name, and what is typed of it. @type {{ id: string, text: string } | null} */
  #renaming = null;
  /** The picker that asks for the file of an interrupted import. */
  #picker = make('input', { type: 'file', accept: '.gguf', multiple: true, hidden: true });

  /** @param {import('./panel.js').Panel} panel */
  constructor(panel) {
    this.#panel = panel;
    this.#section.root.append(this.#picker);
  }

  get root() {
    return this.#section.root;
  }

  /** @returns {StoredModel[]} */
  get models() {
    return this.#models;
  }

  /** @param {StoredModel[]} models @param {'indexeddb' | 'opfs'} [kind] of the store that has them */
  show(models, kind) {
    this.#kind = kind;
    this.#models = [...models].sort((a, b) => (b.usedAt ?? 0) - (a.usedAt ?? 0));
    this.render();
  }

  render() {
    const { t, downloads, includedId } = this.#panel;
    const { heading, body, root } = this.#section;
    heading.textContent = t('models.here');
    this.#bars.clear();
    const stored = this.#models.filter(({ id }) => id !== includedId && !downloads.get(id));
    keepFocus(root, heading, () => {
      const rows = [
        ...downloads.all.map((download) => this.#downloadRow(download)),
        this.#includedRow(),
        ...stored.map((model) => (model.state === 'complete' ? this.#storedRow(model) : this.#partialRow(model))),
      ];
      body.replaceChildren(make('ul', { class: 'models-list' }, ...rows));
    });
    for (const download of downloads.all) this.follow(download);
  }

  /** Shows how far a download is; its row stays as it is. @param {Download} download */
  follow(download) {
    const found = this.#bars.get(download.id);
    if (!found) return;
    const { progress } = download;
    found.text.textContent = this.#describeProgress(download);
    if (download.state === 'paused') {
      found.bar.value = progress !== null && progress.total > 0 ? this.#loadedOf(download) / progress.total : 0;
    } else if (progress !== null && progress.fraction > 0) found.bar.value = progress.fraction;
    else found.bar.removeAttribute('value');
  }

  /** Brings a download that has just begun before the eyes. @param {string} id */
  reveal(id) {
    const button = seekKey(this.#section.root, `resume ${id}`);
    button?.closest('.models-row')?.scrollIntoView({ block: 'nearest' });
    button?.focus({ preventScroll: true });
  }

  #includedRow() {
    const { t, format, included, includedId } = this.#panel;
    const facts = [included.bytes === undefined ? null : format().bytes(included.bytes), t('models.included')];
    const use = this.#useButton({ id: includedId, name: included.name }, included.url);
    return this.#row(includedId, included.name, facts, [use]);
  }

  /** @param {StoredModel} model */
  #storedRow(model) {
    const { t, format } = this.#panel;
    const { id, name, storedBytes, quantization, createdAt, usedAt } = model;
    // The store notes the time of an import as that of its use.
    const wasUsed = usedAt !== null && usedAt - (createdAt ?? 0) > IMPORT_MILLISECONDS;
    const facts = [
      fileNameOf(model),
      format().bytes(storedBytes),
      quantization,
      wasUsed ? t('models.used', { ago: format().ago(usedAt) }) : null,
    ];
    if (this.#renaming?.id === id) return this.#renameRow(model, this.#renaming);
    /** @type {(what: 'rename' | 'verify' | 'delete', drawing: import('../ui/icons.js').IconName, action: () => void) => HTMLElement} */
    const button = (what, drawing, action) =>
      makeButton({
        label: t(`models.${what}`),
        name: t(`models.${what}.name`, { name }),
        key: `${what} ${id}`,
        drawing,
        action,
      });
    return this.#row(id, name, facts, [
      this.#useButton(model, { stored: id, kind: this.#kind }),
      button('rename', 'pencil', () => this.#rename(model)),
      button('verify', 'shield', () => this.#verify(model)),
      button('delete', 'trash', () => this.#delete(model)),
    ]);
  }

  /** @param {StoredModel} model */
  #partialRow(model) {
    const { t, format } = this.#panel;
    const { id, name, state, source, receivedBytes, fileBytes, storedBytes } = model;
    const isUnreadable = state === 'damaged';
    const amounts = { loaded: format().bytes(receivedBytes), total: fileBytes ? format().bytes(fileBytes) : '' };
    const fact = isUnreadable
      ? t('models.unreadable')
      : t(fileBytes ? 'models.partial' : 'models.partial.unknown', amounts);
    const from = source ?? null;
    const isFile = from !== null && 'file' in from;
    const resume = makeButton({
      label: t('models.resume'),
      name: t('models.resume.name', { name }),
      key: `resume ${id}`,
      action: () => {
        if (from === null || 'file' in from) this.#askForFile();
        else this.#panel.download({ model: new URL(from.url), name });
      },
    });
    const remove = makeButton({
      label: t('models.delete'),
      name: t('models.delete.name', { name }),
      key: `delete ${id}`,
      drawing: 'trash',
      action: () => this.#delete({ ...model, storedBytes: storedBytes || receivedBytes }),
    });
    const canResume = !isUnreadable && from !== null;
    const facts = [fact, isFile && canResume ? t('models.file.again') : null];
    return this.#row(id, name, facts, canResume ? [resume, remove] : [remove]);
  }

  /** @param {Download} download */
  #downloadRow(download) {
    const { t } = this.#panel;
    const { id, name, state, problem } = download;
    if (state === 'failed') this.#notes.set(id, { text: this.#panel.sentence(problem), isBad: true });
    else this.#notes.delete(id);
    const bar = make('progress', { max: 1, 'aria-label': t('models.progress', { name }) });
    const text = make('p', { class: 'models-facts' });
    if (state !== 'failed') this.#bars.set(id, { bar, text });
    const more = state === 'failed' ? [] : [bar, text];
    const facts = state === 'failed' ? this.#keptOf(download) : [];
    const once = state === 'failed' && codeOf(problem) === 'STORE_FULL' ? this.#onceButton(download) : null;
    return this.#row(id, name, facts, [this.#pauseButton(download), once, this.#cancelButton(download)], more);
  }

  /** What there is of a download that broke off, if it is of use. @param {Download} download */
  #keptOf({ id, problem }) {
    const { t, format } = this.#panel;
    const { state, receivedBytes = 0, fileBytes = null } = this.#models.find((model) => model.id === id) ?? {};
    if (state !== 'importing' || receivedBytes <= 0 || codeOf(problem) === 'DOWNLOAD_CHANGED') return [];
    const amounts = { loaded: format().bytes(receivedBytes), total: fileBytes ? format().bytes(fileBytes) : '' };
    return [t(fileBytes ? 'models.partial' : 'models.partial.unknown', amounts), t('models.retry.kept')];
  }

  /** What has come; of a paused download, what is kept of that. @param {Download} download */
  #loadedOf({ id, state, progress }) {
    const loaded = progress?.loaded ?? 0;
    if (state !== 'paused') return loaded;
    return this.#models.find((model) => model.id === id)?.receivedBytes ?? loaded;
  }

  /** Pauses, resumes or tries again: it stays the same button. @param {Download} download */
  #pauseButton(download) {
    const { t, downloads } = this.#panel;
    const { id, name, state } = download;
    const isRunning = state === 'running';
    const described = t(isRunning ? 'models.pause.name' : 'models.resume.name', { name });
    const labels = { running: t('models.pause'), paused: t('models.resume'), failed: t('models.retry') };
    const action = () => (isRunning ? downloads.pause(id) : this.#panel.download(download));
    return makeButton({ label: labels[state], name: described, key: `resume ${id}`, action });
  }

  /** What finds no room here can still run from memory. @param {Download} download */
  #onceButton({ id, name, model }) {
    const { t, downloads, report, use } = this.#panel;
    return makeButton({
      label: t('models.estimate.once'),
      name: t('models.once.name', { name }),
      key: `once ${id}`,
      action: async () => {
        this.#notes.delete(id);
        await downloads.cancel(id).catch(report);
        use(model, { keeps: false });
      },
    });
  }

  /** @param {Download} download */
  #cancelButton(download) {
    const { t, downloads, report } = this.#panel;
    const { id, name } = download;
    return makeButton({
      label: t('models.cancel'),
      name: t('models.cancel.name', { name }),
      key: `cancel ${id}`,
      drawing: 'close',
      action: async () => {
        const words = { title: t('models.cancel.title'), text: t('models.cancel.text', { name }) };
        const answers = { action: t('models.cancel.drop'), cancel: t('models.cancel.keep') };
        // It goes on while the question is open, and may be done before it is answered.
        if (!(await confirm({ ...words, ...answers })) || !downloads.get(id)) return;
        this.#notes.delete(id);
        await downloads.cancel(id).catch(report);
      },
    });
  }

  /** @param {StoredModel} model @param {{ id: string, text: string }} renaming */
  #renameRow({ id, name }, renaming) {
    const { t } = this.#panel;
    const field = make('input', {
      type: 'text',
      value: renaming.text,
      maxlength: 120,
      required: true,
      'data-key': `name ${id}`,
      'aria-label': t('models.rename.label', { name }),
      on: {
        // The list may be drawn anew before it is all there.
        input: () => {
          if (this.#renaming?.id === id) this.#renaming.text = field.value;
        },
      },
    });
    const end = () => {
      this.#renaming = null;
      this.render();
      seekKey(this.#section.root, `rename ${id}`)?.focus();
    };
    /** @param {SubmitEvent} event */
    const submit = async (event) => {
      event.preventDefault();
      const wanted = field.value.trim();
      if (wanted !== '' && wanted !== name) await this.#panel.rename(id, wanted);
      end();
    };
    /** @param {KeyboardEvent} event */
    const keydown = (event) => {
      if (event.key !== 'Escape' || isOfInputMethod(event)) return;
      // The dialog around the panel would close as well.
      event.preventDefault();
      event.stopPropagation();
      end();
    };
    return make(
      'li',
      { class: 'models-row' },
      make(
        'form',
        { class: 'models-line', on: { submit, keydown } },
        field,
        make('button', { type: 'submit' }, t('models.rename.save')),
      ),
    );
  }

  /**
   * A row: a name, facts about it, what can be done, and what there is to say.
   * @param {string} id
   * @param {string} name
   * @param {(string | null)[]} facts
   * @param {(HTMLElement | null)[]} buttons
   * @param {HTMLElement[]} [more]
   */
  #row(id, name, facts, buttons, more = []) {
    const { t, format, isCurrent } = this.#panel;
    const note = this.#notes.get(id);
    const mark = isCurrent(id) ? make('span', { class: 'models-current' }, icon('check'), t('models.current')) : null;
    return make(
      'li',
      { class: 'models-row', 'data-id': id },
      make(
        'div',
        { class: 'models-line' },
        make(
          'div',
          { class: 'models-about' },
          make('p', { class: 'models-name' }, make('span', {}, name), mark),
          facts.length > 0 ? make('p', { class: 'models-facts' }, format().list(facts)) : null,
        ),
        make('div', { class: 'models-buttons' }, ...buttons),
      ),
      ...more,
      note ? make('p', { class: note.isBad ? 'models-note bad' : 'models-note' }, note.text) : null,
    );
  }

  /** @param {{ id: string, name: string }} row @param {Model} model */
  #useButton({ id, name }, model) {
    const { t, isCurrent, use } = this.#panel;
    if (isCurrent(id)) return null;
    return makeButton({
      label: t('models.use'),
      name: t('models.use.name', { name }),
      key: `use ${id}`,
      action: () => use(model),
    });
  }

  /** @param {Download} download */
  #describeProgress(download) {
    const { t, format } = this.#panel;
    const { state, progress, isPausing, isWaiting } = download;
    const isPaused = state === 'paused';
    const halt = isPaused ? t('models.halted') : isPausing ? t('models.pausing') : null;
    const nothingComes = isWaiting || progress?.phase === 'retry';
    const wait = nothingComes ? t(navigator.onLine ? 'models.waiting.server' : 'models.waiting.network') : null;
    if (progress === null) return halt ?? wait ?? t('models.starting');
    const { phase, total, bytesPerSecond, secondsLeft, restarted } = progress;
    const loaded = this.#loadedOf(download);
    if (phase === 'wait' && halt === null) return t('models.waiting');
    const amounts = { loaded: format().bytes(loaded), total: format().bytes(total || 0) };
    const amount = t(total > 0 ? 'models.partial' : 'models.partial.unknown', amounts);
    if (halt !== null) return format().list([halt, amount]);
    if (wait !== null) return format().list([amount, wait]);
    return format().list([
      amount,
      bytesPerSecond > 0 ? t('models.progress.rate', { rate: format().bytes(bytesPerSecond) }) : null,
      secondsLeft !== null && secondsLeft > 1
        ? t('models.progress.left', { time: format().duration(secondsLeft) })
        : null,
      restarted ? t('models.progress.restarted') : null,
    ]);
  }

  /** @param {StoredModel} model */
  #rename({ id, name }) {
    this.#renaming = { id, text: name };
    this.render();
    const field = seekKey(this.#section.root, `name ${id}`);
    if (field instanceof HTMLInputElement) field.select();
    field?.focus();
  }

  /** @param {StoredModel} model */
  async #verify(model) {
    const { t, format, announce } = this.#panel;
    const { id, name, source } = model;
    /** @param {string} text @param {boolean} [isBad] */
    const say = (text, isBad = false) => {
      this.#notes.set(id, { text, isBad });
      this.render();
    };
    /** @param {number} share */
    const part = (share) => t('models.verify.running', { percent: format().percent(share) });
    say(part(0));
    try {
      const store = await this.#panel.listedStore();
      /** @param {import('../nibble/index.js').Progress} progress */
      const onProgress = ({ fraction }) => {
        const line = seek(this.#section.root, `[data-id="${CSS.escape(id)}"] .models-note`);
        if (line) line.textContent = part(fraction);
      };
      const { damaged } = await store.verify(id, { onProgress });
      const bad = source && 'url' in source ? 'models.verify.bad' : 'models.verify.lost';
      const found = t(damaged.length === 0 ? 'models.verify.good' : bad, { name, count: damaged.length });
      say(found, damaged.length > 0);
      announce(found);
    } catch (error) {
      say(this.#panel.sentence(error), true);
    }
  }

  /** @param {StoredModel} model */
  async #delete({ id, name, storedBytes }) {
    const { t, format, isCurrent, listedStore } = this.#panel;
    // Another place may be listed by the time that the question is answered.
    const store = await listedStore();
    const text = t('models.delete.text', { name, size: format().bytes(storedBytes) });
    const more = isCurrent(id) ? ` ${t('models.delete.inUse')}` : '';
    const words = { title: t('models.delete.title'), text: text + more };
    if (!(await confirm({ ...words, action: t('models.delete'), cancel: t('cancel') }))) return;
    this.#notes.delete(id);
    await this.#panel.remove(id, name, store);
  }

  /** An interrupted import of a file goes on with the file only, which a page may not keep. */
  #askForFile() {
    this.#picker.onchange = () => {
      const files = [...(this.#picker.files ?? [])];
      this.#picker.value = '';
      const model = files.length > 0 ? chooseFiles(files) : null;
      if (model !== null) this.#panel.download({ model, name: nameOf(model) });
    };
    this.#picker.click();
  }
}
