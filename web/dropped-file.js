// A file that was dropped on the page: looked at, loaded, and told of where there is something odd about it, before it runs.

import { purposeOf } from './drop.js';
import { bytesOf, nameOf } from './engine/model-files.js';
import { describeWarnings, readWarnings } from './engine/warnings.js';

export class DroppedFile {
  #context;
  /** The one whose header is read before it is loaded. @type {File | File[] | null} */
  #wanted = null;
  // In which files have come, and that of the model among them that came last.
  #lastTurn = 0;
  #modelTurn = 0;

  /**
   * @param {object} context
   * @param {import('./engine/engine-room.js').EngineRoom} context.room
   * @param {import('./settings/settings.js').Settings} context.settings
   * @param {import('./conversations/transfer.js').Transfer} context.transfer
   * @param {import('./ui/problem-notice.js').ProblemNotice} context.problems
   * @param {import('./ui/i18n.js').Translate} context.t
   * @param {(file: File | File[]) => Promise<void>} context.onLoad resolves when it is loaded, or is not
   * @param {(kept: { name: string, bytes: number }) => void} context.onKept of which a copy was stored
   * @param {(text: string) => void} context.announce
   */
  constructor(context) {
    this.#context = context;
  }

  /** @param {File | File[]} file several are the parts of a model */
  async open(file) {
    const { t, settings, problems, transfer, announce } = this.#context;
    const turn = ++this.#lastTurn;
    const purpose = await purposeOf(file);
    // What is no model takes the place of none that is still looked at.
    if (purpose === 'archive' && file instanceof File) return transfer.import(file);
    if (purpose === 'other' && file instanceof File) {
      const detail = () => t('problem.document', { name: file.name });
      return this.#tell(() => ({ code: 'GGUF_BAD_MAGIC', text: t('problem.GGUF_BAD_MAGIC'), detail: detail() }));
    }
    // Another model was dropped, or chosen, while this one's beginning was read.
    if (turn < this.#modelTurn) return;
    this.#modelTurn = turn;
    this.#wanted = file;
    // What was wrong with another file is over.
    problems.close('file', 'oddity');
    const { store, ...options } = settings.engine();
    const codes = await readWarnings(file, options);
    // Something else was chosen meanwhile.
    if (this.#wanted !== file) return;
    if (describeWarnings(codes, settings, t).length === 0) return this.#load(file);
    const describe = () => {
      const detail = describeWarnings(codes, settings, t).join(' ');
      return { code: 'MODEL_ODD', text: t('dropped.odd', { name: nameOf(file) }), detail };
    };
    problems.tell('oddity', describe);
    announce(`${describe().text} ${describe().detail}`);
    await this.#load(file);
    // From now on the notice of the model that runs says it, or the problem of one that does not.
    if (this.#wanted === file) problems.close('oddity');
  }

  /** Several were dropped, and none of them is the one that is meant. */
  refuse() {
    this.#tell(() => ({ code: 'FILES_SEVERAL', text: this.#context.t('problem.several'), detail: '' }));
  }

  /** Another model was chosen: one that is still looked at is not loaded. */
  forget() {
    this.#modelTurn = ++this.#lastTurn;
    this.#wanted = null;
  }

  /** @param {() => import('./ui/problem-notice.js').Problem} describe */
  #tell(describe) {
    const { problems, announce } = this.#context;
    problems.tell('file', describe);
    announce(describe().text);
  }

  /** @param {File | File[]} file */
  async #load(file) {
    const { room, onLoad, onKept } = this.#context;
    await onLoad(file);
    const { engine, model } = room;
    if (engine === null || model !== file || engine.info.storage.state === 'not-stored') return;
    onKept({ name: engine.info.name, bytes: bytesOf(file) });
  }
}
