// Above the composer: how far the loading of a model is, or why it failed and what to do.
import { find } from '../ui/dom.js';
import { formatBytes } from '../ui/units.js';
import { INCLUDED_MODEL, isIncluded } from './engine-room.js';
import { describeLoadProblem, isOfMemory, isRetriable } from './problem.js';

/** @typedef {import('./engine-room.js').LoadProgress} LoadProgress */
// Those that say nothing of how much there is.
/** @type {(LoadProgress['phase'] | 'start')[]} */
const WITHOUT_AMOUNTS = ['start', 'prepare', 'wait', 'answer'];

export class LoadPanel {
  #room;
  #t;
  #problems;
  #onSettings;
  /** The room's problem that was told last. @type {import('./engine-room.js').LoadProblem | null} */
  #told = null;

  /**
   * @param {import('./engine-room.js').EngineRoom} room
   * @param {import('../ui/i18n.js').Translate} t
   * @param {import('../ui/problem-notice.js').ProblemNotice} problems
   * @param {{ onCancelled: () => void, onSettings: () => void }} handlers `onSettings`: to those of the memory
   */
  constructor(room, t, problems, { onCancelled, onSettings }) {
    this.#room = room;
    this.#t = t;
    this.#problems = problems;
    this.#onSettings = onSettings;
    room.onChange(() => this.render());
    find('cancel-loading').addEventListener('click', () => {
      room.cancel();
      onCancelled();
    });
  }

  render() {
    const { isLoading, progress, problem, engine } = this.#room;
    find('loading').hidden = !isLoading;
    if (isLoading) this.#showProgress(progress);
    find('cancel-loading').hidden = engine === null;
    if (problem === this.#told) return this.#problems.render();
    this.#told = problem;
    if (problem === null) return this.#problems.close('model');
    const describe = () => this.#describeProblem(problem);
    this.#problems.tell('model', describe, () => this.#room.forgetProblem());
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

  /** @param {import('./engine-room.js').LoadProblem} problem @returns {import('../ui/problem-notice.js').Problem} */
  #describeProblem(problem) {
    const t = this.#t;
    const room = this.#room;
    const { code, text, detail } = describeLoadProblem(problem, t);
    const { model } = problem;
    const remains = room.engine === null ? '' : ` ${t('problem.remains', { name: room.engine.info.name })}`;
    const again = { label: t('retry'), action: () => room.load(model, problem) };
    const included = { label: t('problem.included'), action: () => room.load(INCLUDED_MODEL) };
    /** @type {import('../ui/problem-notice.js').Remedy | null} */
    let remedy = isIncluded(model) ? again : included;
    // A model that still works is no worse than the one included.
    if (room.engine !== null && !isIncluded(model)) remedy = isRetriable(problem.error) ? again : null;
    if (isOfMemory(code)) remedy = { label: t('problem.settings'), action: this.#onSettings };
    // Nothing works before there is a model.
    return { code, text: text + remains, detail, remedy, isLasting: room.engine === null };
  }
}
