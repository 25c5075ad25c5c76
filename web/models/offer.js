// What a model would be on this device, shown before it is downloaded or kept, and the buttons to go on.

import { isOfFiles } from '../engine/model-files.js';
import { describeProblem, isRetriable } from '../engine/problem.js';
import { readHubAddress } from '../nibble/index.js';
import { findIn, focusedElement, make } from '../ui/dom.js';
import { estimateModel } from './estimate.js';
import { makeHubForm, mayWantAccess } from './hub-form.js';
import { makeButton } from './section.js';

// A server that took as long will hardly answer at all.
const SILENT_MILLISECONDS = 10_000;

/** @typedef {import('./estimate.js').Estimate} Estimate */
/** @typedef {import('./estimate.js').Streaming} Streaming */

export class Offer {
  #panel;
  #controller = new AbortController();
  /** What came of the look. @type {{ estimate: Estimate, problem?: undefined } | { problem: unknown } | null} */
  #settled = null;
  /** @type {HTMLFormElement | null} */
  #access = null;
  #isSilent = false;

  /**
   * @param {import('./panel.js').Panel} panel
   * @param {import('./downloads.js').Wanted & { onClose: () => void }} wanted
   */
  constructor(panel, wanted) {
    this.#panel = panel;
    this.wanted = wanted;
    this.root = make('div', { class: 'models-offer', role: 'group' });
    this.render();
  }

  /** What is stored has changed, so that there may be room now where there was none. */
  followStore() {
    const settled = this.#settled;
    if (settled !== null && 'estimate' in settled && settled.estimate.lacksRoom) this.look({ takesFocus: false });
  }

  /** Looks at the model and the device. Never rejects. @param {{ takesFocus?: boolean }} [how] */
  async look({ takesFocus = true } = {}) {
    const { model } = this.wanted;
    const { signal } = this.#controller;
    const focused = focusedElement();
    this.#isSilent = false;
    const timer = setTimeout(() => this.#tellOfSilence(), SILENT_MILLISECONDS);
    try {
      const panel = this.#panel;
      const store = await panel.store().catch(() => null);
      const readRate = store && (panel.rates.get(store.kind)?.bytesPerSecond ?? null);
      this.#settled = {
        estimate: await estimateModel(model, {
          store,
          options: panel.engineOptions(),
          readRate,
          isBusy: panel.isBusy,
          signal,
        }),
      };
    } catch (problem) {
      if (signal.aborted) return;
      this.#settled = { problem };
    } finally {
      clearTimeout(timer);
    }
    this.render();
    this.#panel.announce(findIn(this.root, 'p').textContent);
    // Whoever has gone on to something else meanwhile stays there.
    const isFree = focusedElement() === focused || !focused?.isConnected;
    if (takesFocus && isFree) findIn(this.root, 'button').focus();
  }

  #tellOfSilence() {
    if (!(this.wanted.model instanceof URL)) return;
    this.#isSilent = true;
    // The button that is there keeps its focus.
    const line = findIn(this.root, 'p');
    line.textContent = this.#busyText();
    this.#panel.announce(line.textContent);
  }

  #busyText() {
    const key = this.#isSilent ? 'models.estimate.silent' : 'models.estimate.busy';
    return this.#panel.t(key, { name: this.wanted.name });
  }

  close() {
    this.#controller.abort();
    this.root.remove();
    this.wanted.onClose();
  }

  render() {
    const { name } = this.wanted;
    this.root.setAttribute('aria-label', name);
    if (this.#settled === null) return this.#show([make('p', {}, this.#busyText())], []);
    if (!('estimate' in this.#settled)) return this.#showProblem(this.#settled.problem);
    const { estimate } = this.#settled;
    this.#show(this.#describe(estimate), this.#actions(estimate));
  }

  /** @param {unknown} problem */
  #showProblem(problem) {
    const { t } = this.#panel;
    const { detail } = describeProblem(problem, t);
    /** @type {HTMLElement[]} */
    const lines = [make('p', { class: 'bad' }, this.#panel.sentence(problem))];
    if (detail !== '') lines.push(make('p', { class: 'models-facts' }, detail));
    if (this.#isOfHub() && mayWantAccess(problem)) lines.push(this.#hubForm());
    const again = makeButton({ label: t('retry'), key: 'offer again', action: () => this.#lookAgain() });
    this.#show(lines, isRetriable(problem) ? [again] : []);
  }

  #isOfHub() {
    const { model } = this.wanted;
    return model instanceof URL && readHubAddress(model.href, { hub: this.#panel.hub.options }) !== null;
  }

  /** What is written in it stays while all else is drawn anew. */
  #hubForm() {
    const { t, hub } = this.#panel;
    this.#access ??= makeHubForm({ t, hub, asksAddress: false, onChange: () => this.#lookAgain() });
    return this.#access;
  }

  #lookAgain() {
    this.#access = null;
    this.#settled = null;
    this.render();
    findIn(this.root, 'button').focus();
    this.look();
  }

  /** @param {HTMLElement[]} lines @param {HTMLElement[]} buttons */
  #show(lines, buttons) {
    const { t } = this.#panel;
    // What has failed cannot be called off any more.
    const label = t(this.#settled?.problem ? 'close' : 'cancel');
    const close = makeButton({ label, key: 'offer close', action: () => this.close() });
    this.root.replaceChildren(...lines, make('div', { class: 'buttons start' }, ...buttons, close));
  }

  /** @param {Estimate} estimate @returns {HTMLElement[]} */
  #describe(estimate) {
    const { t, format, describeWarnings } = this.#panel;
    const { name, type, memory, wordsPerSecond, streaming, remedy, fileBytes, warnings } = estimate;
    const { bytes } = format();
    const size = fileBytes === null ? t('models.estimate.sizeless') : bytes(fileBytes);
    return [
      make('p', {}, this.#inPlainWords(memory, wordsPerSecond)),
      streaming ? make('p', {}, t('models.estimate.streams', this.#amounts(streaming))) : null,
      make('p', { class: 'models-facts' }, format().list([name, type, size])),
      ...describeWarnings(warnings).map((text) => make('p', {}, text)),
      ...this.#shortages(estimate).map((text) => make('p', { class: 'models-warning' }, text)),
      remedy ? make('p', {}, this.#describeRemedy(remedy)) : null,
    ].filter((line) => line !== null);
  }

  /** @param {Estimate} estimate @returns {string[]} */
  #shortages({ lacksMemory, lacksRoom, keptBytes, free }) {
    const { t, format } = this.#panel;
    const { bytes } = format();
    return [
      lacksMemory ? t('models.estimate.memory') : '',
      lacksRoom ? t('models.estimate.room', { size: bytes(keptBytes), free: bytes(free ?? 0) }) : '',
    ].filter(Boolean);
  }

  /** @param {number} memory @param {number | null} wordsPerSecond */
  #inPlainWords(memory, wordsPerSecond) {
    const { t, format } = this.#panel;
    const needed = format().bytes(memory);
    if (wordsPerSecond === null) return t('models.estimate.plain', { memory: needed });
    return t('models.estimate', { memory: needed, words: this.#words(wordsPerSecond) });
  }

  /** @param {NonNullable<Estimate['remedy']>} remedy */
  #describeRemedy(remedy) {
    const { t } = this.#panel;
    const { wordsPerSecond } = remedy;
    const how = t('models.estimate.remedy', this.#amounts(remedy));
    const words = wordsPerSecond !== null && this.#words(wordsPerSecond);
    return `${how} ${words ? t('models.estimate.remedy.speed', { words }) : t('models.estimate.remedy.unknown')}`;
  }

  /** @param {Streaming} streaming */
  #amounts({ budget, bytesPerToken }) {
    const { bytes } = this.#panel.format();
    return { limit: bytes(budget), read: bytes(bytesPerToken) };
  }

  /** @param {number} wordsPerSecond */
  #words(wordsPerSecond) {
    const count = wordsPerSecond < 1 ? Number(wordsPerSecond.toPrecision(1)) : roundPlainly(wordsPerSecond);
    return this.#panel.t('models.estimate.words', { count });
  }

  /** @param {Estimate} estimate */
  #actions({ fileBytes, lacksRoom, remedy, streaming }) {
    const { t, format, use } = this.#panel;
    const { model } = this.wanted;
    const isFile = isOfFiles(model);
    const size = fileBytes === null ? null : format().bytes(fileBytes);
    const label = isFile
      ? t('models.estimate.keep')
      : size === null
        ? t('models.estimate.downloadPlain')
        : t('models.estimate.download', { size });
    const keep = makeButton({
      label,
      key: 'offer keep',
      kind: 'accent',
      action: () => {
        this.close();
        this.#panel.download(this.wanted);
      },
    });
    keep.disabled = lacksRoom;
    const once = makeButton({
      label: t('models.estimate.once'),
      key: 'offer once',
      action: () => {
        this.close();
        use(model, { keeps: false });
      },
    });
    // What streams has to be stored somewhere.
    const canDoWithout = streaming === null && (isFile || lacksRoom);
    const made = canDoWithout ? [keep, once] : [keep];
    return remedy ? [this.#limitButton(remedy), ...made] : made;
  }

  /** @param {Streaming} remedy */
  #limitButton({ budget }) {
    const { t, format, onMemoryBudget } = this.#panel;
    const action = () => {
      onMemoryBudget(budget);
      this.#lookAgain();
    };
    return makeButton({
      label: t('models.estimate.limit', { limit: format().bytes(budget) }),
      key: 'offer limit',
      action,
    });
  }
}

/** Two digits are all that an estimate knows. @param {number} value */
const roundPlainly = (value) => Number(value.toPrecision(value < 10 ? 1 : 2));
