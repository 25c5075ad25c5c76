// Above the composer: how far the loading of a model is, or why it failed and what to do.
import { find } from '../ui/dom.js';
import { formatBytes } from '../ui/units.js';
import { INCLUDED_MODEL, isIncluded } from './engine-room.js';
import { describeLoadProblem, isOfMemory, isRetriable } from './problem.js';

/** @typedef {import('./engine-room.js').LoadProgress} LoadProgress */
/** @typedef {{ code: string, text: string, detail: string }} Problem in the reader's language, with the library's sentence as its detail */
/** @typedef {{ label: string, action: () => void }} Remedy what the reader can do about it by one button */

// Those that say nothing of how much there is.
/** @type {(LoadProgress['phase'] | 'start')[]} */
const WITHOUT_AMOUNTS = ['start', 'prepare', 'wait', 'answer'];

export class LoadPanel {
  #room;
  #t;
  #onSettings;
  /** Whether a problem is shown that is none of the room's. */
  #isOther = false;
  /** The room's problem that was shown last. @type {import('./engine-room.js').LoadProblem | null} */
  #shown = null;

  /**
   * @param {import('./engine-room.js').EngineRoom} room
   * @param {import('../ui/i18n.js').Translate} t
   * @param {{ onCancelled: () => void, onSettings: () => void }} handlers `onSettings`: to those of the memory
   */
  constructor(room, t, { onCancelled, onSettings }) {
    this.#room = room;
    this.#t = t;
    this.#onSettings = onSettings;
    room.onChange(() => this.render());
    find('cancel-loading').addEventListener('click', () => {
      room.cancel();
      onCancelled();
    });
    find('dismiss').addEventListener('click', () => {
      if (this.#isOther) this.closeProblem();
      else room.forgetProblem();
      find('prompt').focus();
    });
  }

  render() {
    const { isLoading, progress, problem, engine } = this.#room;
    find('loading').hidden = !isLoading;
    if (isLoading) this.#showProgress(progress);
    find('cancel-loading').hidden = engine === null;
    if (problem !== this.#shown && problem !== null) this.#isOther = false;
    this.#shown = problem;
    if (this.#isOther) return;
    if (problem === null) find('problem').hidden = true;
    else this.#showLoadProblem(problem);
  }

  /**
   * Closes a problem that showProblem() has shown; one of the room that it covered is seen again.
   * @param {string} [code] only one of this code
   */
  closeProblem(code) {
    if (code !== undefined && find('problem').dataset.code !== code) return;
    this.#isOther = false;
    this.render();
  }

  /**
   * Shows a problem until it is closed, or until a load fails.
   * @param {Problem} problem
   * @param {Remedy | null} [remedy]
   */
  showProblem(problem, remedy = null) {
    this.#isOther = true;
    this.#show(problem, remedy);
  }

  /** @param {Problem} problem @param {Remedy | null} remedy */
  #show({ code, text, detail }, remedy) {
    find('problem').dataset.code = code;
    find('problem-text').textContent = text;
    find('problem-detail').textContent = detail;
    find('remedy').hidden = remedy === null;
    find('remedy').textContent = remedy?.label ?? '';
    find('remedy').onclick = remedy?.action ?? null;
    find('dismiss').hidden = false;
    find('problem').hidden = false;
  }

  /** @param {LoadProgress | null} progress */
  #showProgress(progress) {
    const bar = find('progress', 'progress');
    find('loading-text').textContent = this.#describe(progress);
    if (progress !== null && progress.fraction > 0) bar.value = progress.fraction;
    else bar.removeAttribute('value');
  }

  /** @param {LoadProgress | null} progress */
  #describe(progress) {
    const t = this.#t;
    const phase = progress?.phase ?? 'start';
    if (this.#room.isRenewing) return t('loading.again');
    if (progress === null || WITHOUT_AMOUNTS.includes(phase) || progress.total <= 0) return t(`loading.${phase}`);
    const { loaded, total, bytesPerSecond, secondsLeft } = progress;
    const parts = [t('loading.of', { loaded: formatBytes(loaded), total: formatBytes(total) })];
    if (bytesPerSecond > 0) parts.push(`${formatBytes(bytesPerSecond)}/s`);
    if (secondsLeft !== null && secondsLeft > 2 && phase !== 'retry')
      parts.push(t('loading.left', { count: Math.ceil(secondsLeft) }));
    return t('loading.line', { what: t(`loading.${phase}`), amounts: parts.join(', ') });
  }

  /** @param {import('./engine-room.js').LoadProblem} problem */
  #showLoadProblem(problem) {
    const t = this.#t;
    const room = this.#room;
    const { code, text, detail } = describeLoadProblem(problem, t);
    const { model } = problem;
    const remains = room.engine === null ? '' : ` ${t('problem.remains', { name: room.engine.info.name })}`;
    const again = { label: t('retry'), action: () => room.load(model, problem) };
    const included = { label: t('problem.included'), action: () => room.load(INCLUDED_MODEL) };
    /** @type {Remedy | null} */
    let remedy = isIncluded(model) ? again : included;
    // A model that still works is no worse than the one included.
    if (room.engine !== null && !isIncluded(model)) remedy = isRetriable(problem.error) ? again : null;
    if (isOfMemory(code)) remedy = { label: t('problem.settings'), action: this.#onSettings };
    this.#show({ code, text: text + remains, detail }, remedy);
    // Nothing works before there is a model.
    find('dismiss').hidden = room.engine === null;
  }
}
