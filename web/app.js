// The page: one engine, one conversation. It knows the library by its public entry only.
import { Conversation } from './conversation.js';
import * as display from './display.js';
import { element } from './display.js';
import { acceptDrops } from './drop.js';
import { createEngine, describeModel } from './nibble/index.js';
import { Offline } from './register.js';

const DEFAULT_MODEL = new URL('models/nibble-tiny.gguf', document.baseURI);
// A small model keeps to what it knows better when it is not tempted far from its likeliest words.
const SAMPLING = { temperature: 0.3 };
// From this size on a machine may not hold two models at once, in bytes.
const LARGE_FILE = 1e9;

class Page {
  #engine = null;
  /** What the engine was made from. */
  #model = null;
  #messages = [];
  #completion = null;
  #loading = null;
  #conversation = new Conversation(element.log, element.scroller);

  start() {
    element.composer.addEventListener('submit', (event) => {
      event.preventDefault();
      this.send();
    });
    element.prompt.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.send();
    });
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#completion?.stop();
    });
    element.stop.addEventListener('click', () => this.#completion?.stop());
    element.clear.addEventListener('click', () => this.clear());
    element.dismiss.addEventListener('click', () => {
      display.hideProblem();
      element.prompt.focus();
    });
    element.file.addEventListener('change', () => {
      const [file] = element.file.files;
      element.file.value = '';
      if (file) this.load(file);
    });
    acceptDrops(element.drop, (file) => this.load(file));
    return this.load(DEFAULT_MODEL);
  }

  /**
   * Puts another model in the place of the one there is, which works on until the other has loaded. A load under way
   * gives up.
   * @param {URL | File} model
   */
  async load(model) {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    display.hideProblem();
    display.showProgress();
    this.#refresh();
    try {
      const engine = await this.#open(model, loading);
      if (this.#loading !== loading) return await engine?.unload();
      const previous = this.#engine;
      this.#forget();
      this.#engine = engine;
      this.#model = model;
      display.showEngine(engine.info);
      display.announce('The model is ready.');
      if (matchMedia('(hover: hover)').matches) element.prompt.focus();
      await previous?.unload();
    } catch (error) {
      if (this.#loading === loading) this.#refuse(model, error);
    } finally {
      if (this.#loading === loading) {
        this.#loading = null;
        display.hideProgress();
        this.#refresh();
      }
    }
  }

  async #open(model, loading) {
    const { signal } = loading;
    if (this.#engine !== null && model.size >= LARGE_FILE) {
      // Only a file that the engine can run is worth giving up the model there is.
      const { problem } = await describeModel(model, { signal });
      if (problem) throw problem;
      if (this.#loading !== loading) return null;
      await this.#close();
    }
    const onProgress = (progress) => {
      if (this.#loading === loading) display.showProgress(progress);
    };
    return createEngine({ model, signal, onProgress });
  }

  async #close() {
    const engine = this.#engine;
    this.#engine = this.#model = null;
    this.#forget();
    display.forgetEngine();
    this.#refresh();
    await engine.unload();
  }

  /** Says why a model was not loaded, and offers the one that should. */
  #refuse(model, error) {
    const { code, name, message } = error;
    const remains = this.#engine === null ? '' : ` ${this.#engine.info.name} is still loaded.`;
    const label = model === DEFAULT_MODEL ? 'Try again' : 'Use the included model';
    const useful = model === DEFAULT_MODEL || this.#model !== DEFAULT_MODEL;
    display.showProblem(
      { code, name, message: message + remains },
      { remedy: useful ? { label, action: () => this.load(DEFAULT_MODEL) } : null, canClose: this.#engine !== null },
    );
  }

  async send() {
    const content = element.prompt.value.trim();
    if (content === '' || this.#engine === null || this.#completion !== null) return;
    element.prompt.value = '';
    display.hideProblem();
    element.welcome.hidden = true;
    await this.#answer(content);
  }

  async #answer(content) {
    const engine = this.#engine;
    const messages = this.#messages;
    messages.push({ role: 'user', content });
    const question = this.#conversation.add('user', content);
    const answer = this.#conversation.open();
    display.announce('Nibble is writing.');
    try {
      this.#completion = engine.complete({ messages, ...SAMPLING });
      this.#refresh();
      await stream(this.#completion, answer);
      const result = await this.#completion.result;
      // A conversation that was cleared, or a model that was changed meanwhile, has no use for the answer.
      if (messages !== this.#messages) return;
      messages.push({ role: 'assistant', content: result.text });
      this.#note(result);
      if (result.decode.tokens > 0) display.showSpeed(result.decode.tokensPerSecond);
      display.announce(result.text || 'The model gave no answer.');
    } catch (error) {
      if (messages !== this.#messages) return;
      // An engine that is gone by now cannot count tokens; what it said first is what matters.
      const advice = await this.#advise(error, engine, messages).catch(() => ({ problem: error, remedy: null }));
      if (messages !== this.#messages) return;
      messages.pop();
      question.remove();
      answer.discard();
      element.welcome.hidden = messages.length > 0;
      // What was typed meanwhile stays too.
      element.prompt.value = [content, element.prompt.value].filter((text) => text !== '').join('\n');
      display.showProblem(advice.problem, { remedy: advice.remedy });
    } finally {
      answer.close();
      this.#completion = null;
      if (element.stop === document.activeElement) element.prompt.focus();
      this.#refresh();
    }
  }

  /** The library's error for who calls it becomes a sentence and a way on for who sits in front of the page. */
  async #advise(error, engine, messages) {
    const { code } = error;
    if (code !== 'CONTEXT_FULL') {
      const broken = ['ENGINE_CRASHED', 'WORKER_FAILED'].includes(code);
      const model = this.#model;
      return { problem: error, remedy: broken ? { label: 'Load it again', action: () => this.load(model) } : null };
    }
    const { contextSize } = engine.info;
    const alone = await engine.tokenize(await engine.render(messages.slice(-1)), { parseSpecial: true });
    if (alone.length >= contextSize) {
      const message = `The message is too long for this model: it has ${alone.length} tokens, ${contextSize} fit. Shorten it.`;
      return { problem: { code, message }, remedy: null };
    }
    const message = 'This conversation is full. Start a new chat to ask this; your message is kept.';
    return { problem: { code, message }, remedy: this.#newChat() };
  }

  #newChat() {
    return { label: 'New chat', action: () => this.clear() };
  }

  /** Says what the answer itself does not show. */
  #note({ text, finishReason }) {
    if (finishReason === 'cancelled') this.#conversation.add('note', 'Stopped.');
    else if (finishReason === 'context')
      this.#conversation.add('note', 'This conversation is full, so the answer ends here.', this.#newChat());
    else if (text === '') this.#conversation.add('note', 'The model gave no answer.');
  }

  clear() {
    this.#forget();
    display.hideProblem();
    display.announce('New chat.');
    element.prompt.focus();
  }

  #forget() {
    this.#completion?.stop();
    this.#messages = [];
    this.#conversation.clear();
    element.welcome.hidden = false;
  }

  /** Shows what can be done now. */
  #refresh() {
    const answering = this.#completion !== null;
    const idle = this.#engine === null ? 'The model is not loaded' : 'Ready';
    element.state.textContent = this.#loading ? 'Loading' : answering ? 'Answering' : idle;
    element.send.disabled = element.clear.disabled = this.#engine === null;
    element.send.hidden = answering;
    element.stop.hidden = !answering;
  }
}

/** Appends the tokens as they come, at most once a frame, and shows their rate. */
async function stream(completion, answer) {
  let pending = '';
  let frame = 0;
  let first = 0;
  let tokens = 0;
  const flush = () => {
    frame = 0;
    if (pending !== '') answer.append(pending);
    pending = '';
    const seconds = (performance.now() - first) / 1000;
    if (tokens > 1 && seconds > 0) display.showSpeed((tokens - 1) / seconds);
  };
  try {
    for await (const { text } of completion) {
      if (tokens++ === 0) first = performance.now();
      pending += text;
      // A page in the background gets no frames; its text must not be lost, only late.
      frame ||= requestAnimationFrame(flush);
    }
  } finally {
    cancelAnimationFrame(frame);
    flush();
  }
}

await new Offline().settled;
await new Page().start();
