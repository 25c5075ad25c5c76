// Tells what is odd about the model in use until that is closed: a smaller context than the settings ask for, a template
// or a vocabulary that are not what they should be.
import { find } from '../ui/dom.js';
import { describeWarnings } from './warnings.js';

export class ContextNotice {
  #room;
  #settings;
  #t;
  /** What was told when it was closed. @type {string | null} */
  #closed = null;
  /** What answers have told of the engine that wrote them. @type {WeakMap<object, Set<string>>} */
  #told = new WeakMap();

  /**
   * @param {import('./engine-room.js').EngineRoom} room
   * @param {import('../settings/settings.js').Settings} settings
   * @param {import('../ui/i18n.js').Translate} t
   */
  constructor(room, settings, t) {
    this.#room = room;
    this.#settings = settings;
    this.#t = t;
    room.onChange(() => this.render());
    settings.onChange(() => this.render());
    find('close-shortened').addEventListener('click', () => {
      this.#closed = this.text;
      this.render();
      find('prompt').focus();
    });
  }

  /** What there is to tell of the engine in use; empty: nothing. */
  get text() {
    const { engine } = this.#room;
    if (engine === null) return '';
    const codes = [...engine.info.warnings.map(({ code }) => code), ...(this.#told.get(engine) ?? [])];
    if (this.#hasFewerThreads) codes.push('THREADS_FEWER');
    return [this.#shortened, ...describeWarnings(codes, this.#settings, this.#t)].filter(Boolean).join(' ');
  }

  /** Some templates refuse instructions only in some chats. @param {import('../chat/answers.js').Job} job that has ended */
  take({ engine, warnings }) {
    if (engine === null || warnings.length === 0) return;
    this.#told.set(engine, new Set([...(this.#told.get(engine) ?? []), ...warnings]));
    this.render();
  }

  /** Whether threads did not start, or there are fewer than the settings ask for. That a page has none is told with its read-outs. */
  get #hasFewerThreads() {
    const { engine, options } = this.#room;
    const problem = engine?.info.threadProblem ?? null;
    if (engine === null || problem === null) return false;
    return problem.code !== 'PLATFORM_UNSUPPORTED' || (options?.threads ?? 1) > engine.info.threads;
  }

  get #shortened() {
    const { engine, options } = this.#room;
    const asked = options?.contextSize;
    if (engine === null || asked === undefined || asked <= engine.info.trainedContext) return '';
    const { name, trainedContext } = engine.info;
    return this.#t('context.shortened', { name, size: trainedContext, asked });
  }

  render() {
    const { text } = this;
    const isShown = text !== '' && text !== this.#closed;
    find('shortened').hidden = !isShown;
    find('shortened-text').textContent = isShown ? text : '';
  }
}
