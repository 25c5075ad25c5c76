// What a model would be on this device, shown before it is downloaded or kept, and the buttons to go on.
import { make } from './dom.js';
import { estimateModel } from './models-estimate.js';
import { makeButton } from './models-section.js';

export class Offer {
  #panel;
  #controller = new AbortController();
  #settled = null;

  /**
   * @param {import('./models.js').Panel} panel
   * @param {{ model: URL | File, name: string, sha256?: string | null, onClose: () => void }} wanted
   */
  constructor(panel, wanted) {
    this.#panel = panel;
    this.wanted = wanted;
    this.root = make('div', { class: 'models-offer', role: 'group' });
    this.render();
  }

  /** Looks at the model and the device. Never rejects. */
  async look() {
    const { model } = this.wanted;
    const { signal } = this.#controller;
    const focused = document.activeElement;
    try {
      const store = await this.#panel.store().catch(() => null);
      this.#settled = { estimate: await estimateModel(model, { store, signal }) };
    } catch (problem) {
      if (signal.aborted) return;
      this.#settled = { problem };
    }
    this.render();
    this.#panel.announce(this.root.querySelector('p').textContent);
    // Whoever has gone on to something else meanwhile stays there.
    if (document.activeElement === focused || !focused.isConnected) this.root.querySelector('button').focus();
  }

  close() {
    this.#controller.abort();
    this.root.remove();
    this.wanted.onClose();
  }

  render() {
    const { t } = this.#panel;
    const { name } = this.wanted;
    this.root.setAttribute('aria-label', name);
    if (this.#settled === null) return this.#show([make('p', {}, t('models.estimate.busy', { name }))], []);
    const { estimate, problem } = this.#settled;
    if (problem) {
      const lines = [make('p', { class: 'bad' }, this.#panel.sentence(problem))];
      return this.#show([...lines, make('p', { class: 'models-facts' }, problem.message)], []);
    }
    this.#show(this.#describe(estimate), this.#actions(estimate));
  }

  #show(lines, buttons) {
    const { t } = this.#panel;
    // What has failed cannot be called off any more.
    const label = t(this.#settled?.problem ? 'close' : 'cancel');
    const close = makeButton({ label, key: 'offer close', action: () => this.close() });
    this.root.replaceChildren(...lines, make('div', { class: 'buttons start' }, ...buttons, close));
  }

  #describe({ name, type, memory, wordsPerSecond, tight, fileBytes, free }) {
    const { t, format } = this.#panel;
    const { bytes } = format();
    const warning =
      tight === 'room'
        ? t('models.estimate.room', { size: bytes(fileBytes), free: bytes(free) })
        : tight === 'memory' && t('models.estimate.memory');
    return [
      make('p', {}, this.#inPlainWords(memory, wordsPerSecond)),
      make('p', { class: 'models-facts' }, format().list([name, type, fileBytes && bytes(fileBytes)])),
      warning ? make('p', { class: 'models-warning' }, warning) : null,
    ].filter(Boolean);
  }

  #inPlainWords(memory, wordsPerSecond) {
    const { t, format } = this.#panel;
    const needed = format().bytes(memory);
    if (wordsPerSecond === null) return t('models.estimate.plain', { memory: needed });
    const count = wordsPerSecond < 1 ? Number(wordsPerSecond.toFixed(1)) : roundPlainly(wordsPerSecond);
    return t('models.estimate', { memory: needed, words: t('models.estimate.words', { count }) });
  }

  #actions({ fileBytes, tight }) {
    const { t, format, use } = this.#panel;
    const { model } = this.wanted;
    const isFile = model instanceof File;
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
    keep.disabled = tight === 'room';
    const once = makeButton({
      label: t('models.estimate.once'),
      key: 'offer once',
      action: () => {
        this.close();
        use(model);
      },
    });
    return isFile || tight === 'room' ? [keep, once] : [keep];
  }
}

/** Two digits are all that an estimate knows. */
const roundPlainly = (value) => Number(value.toPrecision(value < 10 ? 1 : 2));
