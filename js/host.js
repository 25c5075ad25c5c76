// The engine as it lives in its worker: one model, one timeline, and the calls of protocol.js.
import { benchmark } from './benchmark.js';
import { createChatTemplate, encodeChat } from './chat.js';
import { complete } from './completion.js';
import { describeHeader, identityOf, settleContext } from './describe.js';
import { NibbleError } from './errors.js';
import { checkCancelled, loadWeights, readHeader } from './loader.js';
import * as read from './options.js';
import { mostLikely } from './probabilities.js';
import { probe } from './probe.js';
import { checkKernelSet } from './simd.js';
import { openSource } from './source.js';
import { Timeline } from './timeline.js';
import { createTokenizer } from './tokenizer.js';
import { createTurn } from './turn.js';

// Where a model without a template chats by names, it would write the user's next line itself.
const FALLBACK_STOPS = ['\nUser:'];

/**
 * @typedef {object} Platform
 * @property {(build: { threads: number, kernelSet?: string | null }, wasm: any) => Promise<{ runtime: import('./engine.js').Runtime, variant: string }>} startRuntime
 * @property {(path: string) => Promise<import('./source.js').Source>} [openPath]
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
      this.unload();
      throw error;
    }
  }

  async #load({ source: descriptor, wasm, options: given }, { signal, onProgress }) {
    const start = performance.now();
    const options = this.#settleThreads(read.readEngineOptions(given));
    checkKernelSet(options.kernelSet);
    const build = { threads: options.vocabularyOnly ? 1 : options.threads, kernelSet: options.kernelSet };
    return this.#withHeader({ descriptor, wasm, build, signal }, async (opened) => {
      const { runtime, variant, header, source, fileSize, pieces } = opened;
      const info = { ...identityOf(header, source, fileSize), wasm: variant, exact: options.exact };
      const { dataOffset } = header;
      const model = options.vocabularyOnly ? null : header.createModel(settleContext(header, options));
      this.#model = model;
      onProgress({ phase: 'prepare', loaded: 0, total: fileSize, bytesPerSecond: 0, secondsLeft: null });
      this.#readTexts(header);
      header.close();
      checkCancelled(signal);
      if (model !== null) {
        await loadWeights({ runtime, model, source, pieces, dataOffset, fileSize, signal, onProgress });
        this.#timeline = new Timeline(model);
        Object.assign(info, model.info, { threads: model.threads, batchSize: model.batchSize }, model.kernels);
      }
      return { ...info, ...this.#textInfo(), loadMilliseconds: performance.now() - start };
    });
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
  async describe({ source: descriptor, wasm, options: given }, { signal }) {
    const options = this.#settleThreads(read.readEngineOptions(given));
    try {
      return await this.#withHeader(
        { descriptor, wasm, build: { threads: 1 }, signal },
        ({ header, source, fileSize }) => describeHeader(header, source, fileSize, options),
      );
    } finally {
      this.unload();
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
    return complete(context, prompt, { ...options, stop }, { signal, onToken: onEvent });
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
    const { threads } = this.#settleThreads(read.readEngineOptions(given));
    try {
      const { runtime } = await this.#platform.startRuntime({ threads }, wasm);
      this.#runtime = runtime;
      return await probe(runtime, { threads, turn: this.#turn, signal });
    } finally {
      this.unload();
    }
  }

  memory() {
    return this.#loaded().memory();
  }

  /** Gives everything back. */
  unload() {
    this.#timeline?.close();
    this.#model?.close();
    this.#runtime?.close();
    this.#turn.close();
    this.#timeline = this.#model = this.#runtime = this.#tokenizer = this.#chat = null;
    return null;
  }

  /** Opens the source and its header, and closes both after `use`. */
  async #withHeader({ descriptor, wasm, build, signal }, use) {
    const source = await openSource(descriptor, { openPath: this.#platform.openPath, signal });
    let header;
    try {
      const { runtime, variant } = await this.#platform.startRuntime(build, wasm);
      this.#runtime = runtime;
      const parsed = await readHeader(runtime, source, signal);
      header = parsed.header;
      return await use({ runtime, variant, source, ...parsed });
    } finally {
      header?.close();
      await source.close();
    }
  }

  #settleThreads(options) {
    const { threads, maxThreads } = this.#platform;
    return { ...options, threads: Math.min(options.threads ?? threads, maxThreads) };
  }

  /** A model without a vocabulary runs by token ids; one with a damaged vocabulary does not run. */
  #readTexts(header) {
    if (['no_vocab', 'none', undefined].includes(header.get('tokenizer.ggml.model'))) return;
    this.#tokenizer = createTokenizer(header);
    this.#chat = createChatTemplate(header, this.#tokenizer);
  }

  #promptTokens({ prompt, messages, tokens }) {
    if (tokens !== undefined) return this.#knownTokens(tokens);
    const { tokenizer, chat } = this.#texts();
    return messages === undefined ? tokenizer.encode(prompt) : encodeChat(tokenizer, chat.render(messages));
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
