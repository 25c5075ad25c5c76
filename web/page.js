// The page: one engine, one conversation. It knows the library by its public entry only.
import { Conversation } from './conversation.js';
import { createEngine } from './nibble/index.js';

const DEFAULT_MODEL = new URL('models/nibble-tiny.gguf', document.baseURI);
// A small model keeps to what it knows better when it is not tempted far from its likeliest words.
const SAMPLING = { temperature: 0.3 };
const PHASES = { download: 'Downloading the model', load: 'Reading the model', prepare: 'Preparing the model' };

const element = Object.fromEntries([...document.querySelectorAll('[id]')].map((found) => [found.id, found]));

class Page {
  #engine = null;
  #messages = [];
  #completion = null;
  #loading = null;
  #model = DEFAULT_MODEL;
  #conversation = new Conversation(element.log, element.scroller);

  start() {
    element.isolated.textContent = crossOriginIsolated ? 'yes' : 'no: one thread';
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
    element.retry.addEventListener('click', () => this.load(this.#model));
    element.file.addEventListener('change', () => {
      const [file] = element.file.files;
      element.file.value = '';
      if (file) this.load(file);
    });
    return this.load(DEFAULT_MODEL);
  }

  /** Puts another model in the place of the one there is; a load under way gives up. */
  async load(model) {
    this.#loading?.abort();
    const loading = new AbortController();
    this.#loading = loading;
    this.#model = model;
    const previous = this.#engine;
    this.#engine = null;
    forgetEngine();
    this.#forget();
    this.#show('Loading');
    hideProblem();
    showProgress({ text: 'Starting the engine' });
    await previous?.unload();
    try {
      const onProgress = (progress) => {
        if (this.#loading === loading) showProgress(describeProgress(progress));
      };
      const engine = await createEngine({ model, signal: loading.signal, onProgress });
      if (this.#loading !== loading) {
        await engine.unload();
        return;
      }
      this.#engine = engine;
      showEngine(engine.info);
      this.#show('Ready');
      announce('The model is ready.');
      if (matchMedia('(hover: hover)').matches) element.prompt.focus();
    } catch (error) {
      if (this.#loading !== loading) return;
      this.#show('The model is not loaded');
      showProblem(error, { canRetry: true });
    } finally {
      if (this.#loading === loading) {
        this.#loading = null;
        element.loading.hidden = true;
      }
    }
  }

  async send() {
    const content = element.prompt.value.trim();
    if (content === '' || this.#engine === null || this.#completion !== null) return;
    element.prompt.value = '';
    hideProblem();
    element.welcome.hidden = true;
    this.#messages.push({ role: 'user', content });
    this.#conversation.add('user', content);
    await this.#answer(this.#engine, this.#messages);
  }

  async #answer(engine, messages) {
    const answer = this.#conversation.open();
    this.#show('Answering');
    announce('Nibble is writing.');
    try {
      this.#completion = engine.complete({ messages, ...SAMPLING });
      element.send.hidden = true;
      element.stop.hidden = false;
      await stream(this.#completion, answer);
      const result = await this.#completion.result;
      // A conversation that was cleared, or a model that was changed meanwhile, has no use for the answer.
      if (messages !== this.#messages) return;
      messages.push({ role: 'assistant', content: result.text });
      this.#note(result);
      showSpeed(result);
      announce(result.text || 'The model gave no answer.');
    } catch (error) {
      if (messages === this.#messages) {
        messages.pop();
        showProblem(explain(error));
      }
    } finally {
      answer.close();
      this.#completion = null;
      if (element.stop === document.activeElement) element.prompt.focus();
      element.send.hidden = false;
      element.stop.hidden = true;
      if (this.#engine !== null) this.#show('Ready');
    }
  }

  /** Says what the answer itself does not show. */
  #note({ text, finishReason }) {
    if (finishReason === 'cancelled') this.#conversation.add('note', 'Stopped.');
    else if (finishReason === 'context')
      this.#conversation.add('note', 'The context is full; start a new chat to go on.');
    else if (text === '') this.#conversation.add('note', 'The model gave no answer.');
  }

  clear() {
    this.#forget();
    hideProblem();
    announce('New chat.');
    element.prompt.focus();
  }

  #forget() {
    this.#completion?.stop();
    this.#messages = [];
    this.#conversation.clear();
    element.welcome.hidden = false;
  }

  #show(state) {
    element.state.textContent = state;
    element.send.disabled = this.#engine === null;
    element.clear.disabled = this.#engine === null;
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
    if (tokens > 1 && seconds > 0) element.speed.textContent = rate((tokens - 1) / seconds);
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

function describeProgress({ phase, loaded, total, secondsLeft }) {
  const label = PHASES[phase] ?? 'Loading the model';
  if (phase === 'prepare' || !total) return { text: label };
  const left = secondsLeft > 2 ? `, ${Math.ceil(secondsLeft)} s left` : '';
  return { text: `${label}: ${megabytes(loaded)} of ${megabytes(total)}${left}`, fraction: loaded / total };
}

function showProgress({ text, fraction }) {
  element.loading.hidden = false;
  element['loading-text'].textContent = text;
  if (fraction === undefined) element.progress.removeAttribute('value');
  else element.progress.value = fraction;
}

function showEngine({ name, quantization, threads, kernelSet, wasm }) {
  element.model.textContent = `${name} (${quantization.label})`;
  element.threads.textContent = String(threads);
  element.kernels.textContent = kernelSet.startsWith(wasm) ? kernelSet : `${kernelSet} (${wasm})`;
}

function showSpeed({ decode }) {
  if (decode.tokens > 0) element.speed.textContent = rate(decode.tokensPerSecond);
}

function forgetEngine() {
  for (const name of ['speed', 'threads', 'kernels', 'model']) element[name].textContent = '–';
}

/** The library's sentence for who calls it becomes one for who sits in front of the page. */
function explain(error) {
  if (error.code !== 'CONTEXT_FULL') return error;
  return { code: error.code, message: "This conversation no longer fits into the model's context; start a new chat." };
}

function showProblem(error, { canRetry = false } = {}) {
  element['problem-code'].textContent = error.code ?? error.name;
  element['problem-text'].textContent = error.message;
  element.retry.hidden = !canRetry;
  element.problem.hidden = false;
}

function hideProblem() {
  element.problem.hidden = true;
}

/** Tells a screen reader, which is not read the answer token by token. */
function announce(text) {
  element.announcer.textContent = text;
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const rate = (tokensPerSecond) => `${tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0)} tok/s`;

await new Page().start();
