// Tells that a model has less context than the settings ask for, until that is closed.
import { find } from './dom.js';

export class ContextNotice {
  #room;
  #t;
  #closed = null;

  /**
   * @param {import('./engine-room.js').EngineRoom} room
   * @param {(key: string, values?: object) => string} t
   */
  constructor(room, t) {
    this.#room = room;
    this.#t = t;
    room.onChange(() => this.render());
    find('close-shortened').addEventListener('click', () => {
      this.#closed = this.text;
      this.render();
      find('prompt').focus();
    });
  }

  /** What there is to tell of the engine in use; empty: it has the context that is set. */
  get text() {
    const { engine, options } = this.#room;
    if (engine === null || !(options.contextSize > engine.info.trainedContext)) return '';
    const { name, trainedContext } = engine.info;
    return this.#t('context.shortened', { name, size: trainedContext, asked: options.contextSize });
  }

  render() {
    const { text } = this;
    const isShown = text !== '' && text !== this.#closed;
    find('shortened').hidden = !isShown;
    find('shortened-text').textContent = isShown ? text : '';
  }
}
