// The engine as it lives in its worker: one model, one timeline, and the calls of protocol.js.
import { benchmark } from './benchmark.js';
import { createChatTemplate, encodeChat } from './chat.js';
import { complete } from './completion.js';
import { describeHeader, identityOf, settleContext } from './describe.js';
import { NibbleError } from './errors.js';
import { checkCancelled } from './loader.js';
import { openModel } from './open-model.js';
import * as read from './options.js';
import { mostLikely } from './probabilities.js';
import { probe } from './probe.js';
import { checkKernelSet } from './simd.js';
import { Timeline } from './timeline.js';
import { createTokenizer } from './tokenizer.js';
import { createTurn } from './turn.js';

// Where a model without a template chats by names, it would write the user's next line itself.
const FALLBACK_STOPS = ['\nUser:'];

/**
 * @typedef {object} Platform
 * @property {(build: { threads: number, kernelSet?: string | null }, wasm: any) => Promise<{ runtime: import('./engine.js').Runtime, variant: string, threads: number }>} startRuntime
 *   `threads`: how many it has, which may be fewer
 * @property {(path: string, position?: number) => Promise<import('./source.js').Source>} [openPath]
 * @property {(path: string) => Promise<import('./store-backends.js').Backend>} [openFolder]
 * @property {import('./download.js').DownloadOptions} [download] other habits of downloads than the usual
 * @property {() => Promise<void>} [threadsEnded] resolves when threads that were told to end have done so
 * @property {number} threads how many threads to use where none are asked for
 * @property {number} maxThreads
 */

export class Host {
  #platform;
  #runtime = null;
  #model = null;
  #timeline = null;
  #tokenizer = null;
  #chat = null;
  #turn = createTurn();
  #hasThreads = false;

  /** @param {Platform} platform */
  constructor(platform) {
    this.#platform = platform;
  }

  /** Loads the model; the result is the engine's info. On an error everything is given back. */
  async load(params, { signal, onEvent }) {
    if (this.#runtime !== null) throw new NibbleError('INVALID_ARGUMENT', 'This worker has a model already.');
    try {
      return await this.#load(params, { signal, onProgress: onEvent });
    } catch (error) {
      await this.unload();
      throw error;
    }
  }

  async #load({ source: descriptor, store = null, wasm, options: given }, { signal, onProgress }) {
    const start = performance.now();
    const options = this.#settleThreads(read.readEngineOptions(given));
    checkKernelSet(options.kernelSet);
    const headerOnly = options.vocabularyOnly;
    const build = { threads: headerOnly ? 1 : options.threads, kernelSet: options.kernelSet };
    return this.#withModel({ descriptor, store, wasm, build, headerOnly, signal, onProgress }, async (opened) => {
      const { variant, threads, header, fileName, fileSize, storage, load } = opened;
      const info = { ...identityOf(header, fileName, fileSize), wasm: variant, exact: options.exact };
      const model = headerOnly ? null : header.createModel({ ...settleContext(header, options), threads });
      this.#model = model;
      onProgress({ phase: 'prepare', loaded: 0, total: fileSize, bytesPerSecond: 0, secondsLeft: null });
      await this.#prepare(header, model, load, signal);
      if (model !== null) {
        this.#timeline = new Timeline(model);
        Object.assign(info, model.info, model.kernels);
        const { threads, threadRates, batchSize } = model;
        Object.assign(info, { threads, threadRates, batchSize });
      }
      return { ...info, ...this.#textInfo(), storage, loadMilliseconds: performance.now() - start };
    });
  }

  /** Weights and texts at once: reads from a store go on while the vocabulary is taken in. */
  async #prepare(header, model, load, signal) {
    // Whatever goes wrong, no read may go on into a heap that is given back.
    const loading = model === null ? null : load(model);
    try {
      this.#readTexts(header);
    } catch (error) {
      await loading?.catch(() => {});
      throw error;
    }
    header.close();
    checkCancelled(signal);
    await loading;
  }

  #textInfo() {
    return {
      chatTemplate: this.#chat?.source ?? null,
      specialTokens: this.#tokenizer?.ids ?? {},
      addBos: this.#tokenizer?.addBos ?? false,
      warnings: this.#tokenizer?.warnings ?? [],
    };
  }

  /** What describeModel() returns. */
  async describe({ source: descriptor, store = null, wasm, options: given }, { signal, onEvent }) {
    const options = this.#settleThreads(read.readEngineOptions(given));
    const call = { descriptor, store, wasm, build: { threads: 1 }, headerOnly: true, signal, onProgress: onEvent };
    try {
      return await this.#withModel(call, async ({ header, fileName, fileSize }) =>
        describeHeader(header, fileName, fileSize, options),
      );
    } finally {
      await this.unload();
    }
  }

  complete(given, { signal, onEvent }) {
    const options = read.readCompletionOptions(given);
    const stop = [...options.stop];
    if (options.messages && this.#texts().chat.source === 'fallback') stop.push(...FALLBACK_STOPS);
    const context = {
      model: this.#loaded(),
      timeline: this.#timeline,
      tokenizer: this.#tokenizer,
      turn: this.#turn,
    };
    const prompt = this.#promptTokens(options);
    const onPrefill = (prefill) => onEvent({ prefill });
    return complete(context, prompt, { ...options, stop }, { signal, onToken: onEvent, onPrefill });
  }

  tokenize({ text, options }) {
    return this.#texts().tokenizer.encode(read.readText('text', text), read.readTokenizeOptions(options));
  }

  detokenize({ tokens: given, options }) {
    const tokens = read.readTokens('tokens', given);
    const { tokenizer } = this.#texts();
    return read.readDetokenizeOptions(options).each
      ? tokens.map((token) => tokenizer.text(token))
      : tokenizer.decode(tokens);
  }

  render({ messages }) {
    return this.#texts().chat.render(read.readMessages(messages));
  }

  /** The likeliest next tokens after `tokens`. */
  async evaluate({ tokens: given, options }, { signal }) {
    const tokens = this.#knownTokens(given);
    const { top, reusePrefix } = read.readEvaluateOptions(options);
    this.#loaded();
    await this.#timeline.replace(tokens, { reuse: reusePrefix, turn: this.#turn, signal });
    const likely = mostLikely(this.#timeline.logits(), top === 0 ? Infinity : top);
    return { tokens, top: likely.map(({ id, p, logit }) => ({ id, token: this.#tokenText(id), p, logit })) };
  }

  /** ln p(token | the tokens before it) of tokens from..end, in order. */
  async score({ tokens: given, options }, { signal }) {
    const tokens = this.#knownTokens(given);
    const { from } = read.readScoreOptions(options);
    this.#loaded();
    if (tokens.length <= from) return new Float32Array(0);
    this.#timeline.truncate(0);
    const inputs = tokens.slice(0, -1);
    const targets = inputs.map((_, index) => (index + 1 < from ? -1 : tokens[index + 1]));
    const scores = await this.#timeline.append(inputs, { turn: this.#turn, signal, targets });
    return scores.slice(from - 1);
  }

  benchmark({ options }, { signal }) {
    const context = { model: this.#loaded(), timeline: this.#timeline, turn: this.#turn };
    return benchmark(context, read.readBenchmarkOptions(options), signal);
  }

  /** What probeSpeed() returns. */
  async probe({ wasm, options: given }, { signal }) {
    if (this.#runtime !== null) throw new NibbleError('INVALID_ARGUMENT', 'This worker has a model already.');
    const { threads: wanted, chooseThreads } = this.#settleThreads(read.readEngineOptions(given));
    try {
      const { runtime, threads } = await this.#platform.startRuntime({ threads: wanted }, wasm);
      this.#runtime = runtime;
      this.#hasThreads = threads > 1;
      return await probe(runtime, { threads, chooseThreads, turn: this.#turn, signal });
    } finally {
      await this.unload();
    }
  }

  memory() {
    return this.#loaded().memory();
  }

  /** Gives everything back; resolves when this worker may be ended. */
  async unload() {
    const hadThreads = this.#hasThreads;
    this.#timeline?.close();
    this.#model?.close();
    this.#runtime?.close();
    this.#turn.close();
    this.#timeline = this.#model = this.#runtime = this.#tokenizer = this.#chat = null;
    this.#hasThreads = false;
    if (hadThreads) await this.#platform.threadsEnded?.();
    return null;
  }

  /** Starts the wasm and opens the model's header. */
  async #withModel({ build: wanted, wasm, ...call }, use) {
    const { runtime, ...build } = await this.#platform.startRuntime(wanted, wasm);
    this.#runtime = runtime;
    this.#hasThreads = build.threads > 1;
    return openModel({ ...call, runtime, platform: this.#platform }, (opened) => use({ ...opened, ...build }));
  }

  #settleThreads(options) {
    const { threads, maxThreads } = this.#platform;
    const chooseThreads = options.threads === null;
    return { ...options, chooseThreads, threads: Math.min(options.threads ?? threads, maxThreads) };
  }

  /** A model without a vocabulary runs by token ids; one with a damaged vocabulary does not run. */
  #readTexts(header) {
    if (['no_vocab', 'none', undefined].includes(header.get('tokenizer.ggml.model'))) return;
    this.#tokenizer = createTokenizer(header);
    this.#chat = createChatTemplate(header, this.#tokenizer);
  }

  #promptTokens({ prompt, messages, tokens, continueLast }) {
    if (tokens !== undefined) return this.#knownTokens(tokens);
    const { tokenizer, chat } = this.#texts();
    if (messages === undefined) return tokenizer.encode(prompt);
    if (!continueLast) return encodeChat(tokenizer, chat.render(messages));
    return encodeChat(tokenizer, chat.render(messages.slice(0, -1)) + messages.at(-1).content);
  }

  #knownTokens(given) {
    const tokens = read.readTokens('tokens', given);
    const { vocabularySize } = this.#loaded().info;
    const unknown = tokens.find((token) => token >= vocabularySize);
    if (unknown === undefined) return tokens;
    throw new NibbleError('INVALID_ARGUMENT', `${unknown} is not a token: ids go from 0 to ${vocabularySize - 1}.`);
  }

  #tokenText(id) {
    return this.#tokenizer !== null && id < this.#tokenizer.vocabularySize ? this.#tokenizer.text(id) : '';
  }

  #loaded() {
    if (this.#model !== null) return this.#model;
    throw this.#runtime === null
      ? new NibbleError('UNLOADED', 'The engine was unloaded; create a new one.')
      : new NibbleError('MODEL_INCOMPLETE', 'Only the vocabulary was loaded; create an engine without vocabularyOnly.');
  }

  #texts() {
    if (this.#runtime === null) this.#loaded();
    if (this.#tokenizer !== null) return { tokenizer: this.#tokenizer, chat: this.#chat };
    throw new NibbleError(
      'TOKENIZER_MISSING',
      'The model file has no vocabulary, so it can neither read nor write text. Pass token ids, or use another file.',
    );
  }
}
