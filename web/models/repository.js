// The files of a repository of Hugging Face's hub, to choose one of, with what each would be on this device.

import { withoutPart } from '../engine/model-files.js';
import { codeOf, describeProblem, detailsOf, isRetriable } from '../engine/problem.js';
import { listRepository } from '../nibble/index.js';
import { findIn, focusedElement, make } from '../ui/dom.js';
import { rememberedProbe, wordsOf } from './estimate.js';
import { makeHubForm, mayWantAccess } from './hub-form.js';
import { makeButton } from './section.js';

/** @typedef {import('../nibble/index.js').HubFile} HubFile */
/** @typedef {import('../nibble/index.js').Repository} Repository */

/** Rounds to what an estimate knows. @param {number} value */
const roughly = (value) => Number(value.toPrecision(value < 10 ? 1 : 2));

export class RepositoryChoice {
  #panel;
  #controller = new AbortController();
  /** What the hub has answered. @type {{ listing?: Repository, problem?: unknown }} */
  #settled = {};
  /** @type {HTMLFormElement | null} */
  #access = null;
  #onClose;
  #onChoose;
  #name;

  /**
   * @param {import('./panel.js').Panel} panel
   * @param {object} wanted
   * @param {import('../nibble/index.js').HubAddress} wanted.address
   * @param {string} wanted.text it was written as
   * @param {() => void} wanted.onClose
   * @param {(file: HubFile) => void} wanted.onChoose
   */
  constructor(panel, { address, text, onClose, onChoose }) {
    this.#panel = panel;
    this.#onClose = onClose;
    this.#onChoose = onChoose;
    this.#name = address.repository;
    this.address = address;
    this.text = text;
    this.root = make('div', { class: 'models-offer', role: 'group', 'aria-label': this.#name });
    this.render();
  }

  /** Asks the hub. Never rejects. A file that the address names, or the only one, is chosen at once. */
  async look() {
    const { signal } = this.#controller;
    const focused = focusedElement();
    try {
      const probe = (await rememberedProbe(this.#panel.isBusy, signal)) ?? undefined;
      this.#settled = { listing: await listRepository(this.text, { hub: this.#panel.hub.options, probe, signal }) };
    } catch (problem) {
      if (signal.aborted) return;
      this.#settled = { problem };
    }
    const { listing } = this.#settled;
    const only = listing && this.#mayHave(listing) ? this.#onlyOf(listing) : null;
    if (only !== null) return this.#onChoose(only);
    this.render();
    this.#panel.announce(findIn(this.root, 'p').textContent);
    // Whoever has gone on to something else meanwhile stays there.
    if (focusedElement() === focused || !focused?.isConnected) findIn(this.root, 'button').focus();
  }

  /** What is gated is given to nobody unknown. @param {Repository} listing */
  #mayHave({ isGated }) {
    return !isGated || this.#panel.hub.hasToken;
  }

  /** @param {Repository} listing @returns {HubFile | null} */
  #onlyOf({ files, recommended }) {
    const whole = files.filter(({ problem }) => problem === null);
    const isNamed = this.address.url !== null || this.address.type !== null;
    const file = isNamed ? recommended : whole.length === 1 ? whole[0] : null;
    return file?.problem === null ? file : null;
  }

  close() {
    this.#controller.abort();
    this.root.remove();
    this.#onClose();
  }

  render() {
    const { t } = this.#panel;
    const { listing, problem } = this.#settled;
    if (problem) return this.#showProblem(problem);
    if (!listing) return this.#show([make('p', {}, t('models.repository.busy', { name: this.#name }))], 'cancel');
    if (!this.#mayHave(listing)) return this.#showGated(listing.page);
    const whole = listing.files.filter((file) => file.problem === null);
    const left = this.#leftOut(listing.files);
    if (whole.length === 0) {
      const nothing = t('models.repository.nothing', { name: this.#name });
      return this.#show([make('p', { class: 'bad' }, nothing), left], 'close');
    }
    const warning = t('models.repository.none');
    const none = listing.recommended === null ? make('p', { class: 'models-warning' }, warning) : null;
    const first = whole.filter((file) => file.path === listing.recommended?.path);
    const rows = [...first, ...whole.filter((file) => !first.includes(file))].map((file, index) =>
      this.#row(file, index === 0 && first.length > 0),
    );
    const { recommended } = listing;
    const question = recommended?.problem
      ? make('p', { class: 'bad' }, t('models.repository.unfit', { name: recommended.path }))
      : make('p', {}, t('models.repository', { name: this.#name }));
    this.#show([question, none, make('ul', { class: 'models-list' }, ...rows), left], 'cancel');
  }

  /** @param {HubFile} file @param {boolean} isBest whether it is the one for this device */
  #row(file, isBest) {
    const { t, format } = this.#panel;
    const { bytes, list } = format();
    const { type, memoryBytes, fits, tokensPerSecond, parts } = file;
    const path = withoutPart(file.path);
    // What does not fit is read from storage for every token, if it runs at all.
    const speed = tokensPerSecond !== null && fits ? this.#speed(tokensPerSecond) : null;
    const cut = parts > 1 ? t('models.repository.parts', { count: parts }) : null;
    const facts = [bytes(file.bytes), cut, t('models.repository.memory', { memory: bytes(memoryBytes) }), speed];
    const note = isBest ? make('span', { class: 'models-current' }, t('models.repository.best')) : null;
    const choose = makeButton({
      label: t('models.repository.choose'),
      name: t('models.repository.choose.name', { name: path, size: bytes(file.bytes) }),
      key: `choose ${path}`,
      kind: isBest ? 'accent' : '',
      action: () => this.#onChoose(file),
    });
    const about = make(
      'div',
      { class: 'models-about' },
      make('p', { class: 'models-name' }, type ?? path, note),
      make('p', { class: 'models-facts' }, list(facts)),
      type === null ? null : make('p', { class: 'models-facts models-path' }, path),
      fits ? null : make('p', { class: 'models-facts' }, t('models.repository.large')),
    );
    return make('li', { class: 'models-row' }, make('div', { class: 'models-line' }, about, choose));
  }

  /** @param {number} tokensPerSecond */
  #speed(tokensPerSecond) {
    const { t } = this.#panel;
    const words = t('models.estimate.words', { count: roughly(wordsOf(tokensPerSecond)) });
    return t('models.repository.speed', { words });
  }

  /** What else there is, by why it runs not by itself. @param {HubFile[]} files */
  #leftOut(files) {
    const { t, format } = this.#panel;
    const kinds = files.flatMap(({ problem }) => (problem === null ? [] : [problem.kind]));
    if (kinds.length === 0) return null;
    const named = [...new Set(kinds)].map((kind) =>
      t(`models.repository.left.${kind}`, { count: kinds.filter((each) => each === kind).length }),
    );
    return make('p', { class: 'models-facts' }, t('models.repository.left', { files: format().list(named) }));
  }

  /** Where people accept a licence. @param {string} page */
  #linkTo(page) {
    const words = this.#panel.t('models.repository.page');
    return make('p', {}, make('a', { href: page, target: '_blank', rel: 'noreferrer' }, words));
  }

  /** @param {string} page */
  #showGated(page) {
    const { t } = this.#panel;
    const text = make('p', {}, t('models.repository.gated', { name: this.#name }));
    this.#show([text, this.#linkTo(page), this.#hubForm()], 'close');
  }

  /** @param {unknown} problem */
  #showProblem(problem) {
    const { t } = this.#panel;
    const { detail } = describeProblem(problem, t);
    const again = makeButton({ label: t('retry'), key: 'offer again', action: () => this.#lookAgain() });
    /** @type {HTMLElement[]} */
    const lines = [make('p', { class: 'bad' }, this.#panel.sentence(problem))];
    if (detail !== '') lines.push(make('p', { class: 'models-facts' }, detail));
    const { page } = detailsOf(problem);
    if (codeOf(problem) === 'HUB_GATED' && typeof page === 'string') lines.push(this.#linkTo(page));
    if (mayWantAccess(problem)) lines.push(this.#hubForm());
    this.#show(lines, 'close', isRetriable(problem) ? [again] : []);
  }

  /** What is written in it stays while all else is drawn anew. */
  #hubForm() {
    const { t, hub } = this.#panel;
    this.#access ??= makeHubForm({ t, hub, asksAddress: true, onChange: () => this.#lookAgain() });
    return this.#access;
  }

  #lookAgain() {
    this.#access = null;
    this.#settled = {};
    this.render();
    findIn(this.root, 'button').focus();
    this.look();
  }

  /** @param {(HTMLElement | null)[]} lines @param {'close' | 'cancel'} leave @param {HTMLElement[]} [buttons] */
  #show(lines, leave, buttons = []) {
    const close = makeButton({ label: this.#panel.t(leave), key: 'offer close', action: () => this.close() });
    const row = make('div', { class: 'buttons start' }, ...buttons, close);
    this.root.replaceChildren(...lines.filter((line) => line !== null), row);
  }
}
