// wllama 3: a llama.cpp server in wasm. It times itself, and takes prompts as text only.
import { CONFIGURATION, loadFromStore } from './wllama-store.js';

const DIGIT = '7';
const LOG_ERRORS = 4;

/**
 * @param {import('../measure.js').EngineSetup} setup
 * @returns {Promise<import('../measure.js').MeasuredEngine>}
 */
export async function open({ modelUrl, packageUrl, threads, contextSize }) {
  const { Wllama } = await import(`${packageUrl}esm/index.js`);
  const wllama = new Wllama({ default: `${packageUrl}esm/wasm/wllama.wasm` }, CONFIGURATION);
  // Otherwise a browser that lacks something would be given other files, from the network.
  wllama.setCompat(null);
  const load = await loadFromStore(
    wllama,
    { url: modelUrl },
    // One slot: with several, a new prompt would lie behind the old ones' tokens in the cache, which costs time.
    { n_threads: threads, n_ctx: contextSize, n_gpu_layers: 0, n_parallel: 1, log_level: LOG_ERRORS },
  );
  const { n_ctx, n_batch, n_ubatch } = wllama.getLoadedContextInfo();

  /** @param {number} digits @param {number} maxTokens */
  async function complete(digits, maxTokens) {
    const { timings } = await wllama.createCompletion({
      prompt: DIGIT.repeat(digits),
      max_tokens: maxTokens,
      temperature: 0,
      top_k: 1,
      ignore_eos: true,
      cache_prompt: false,
    });
    if (!(timings?.prompt_n > 0 && timings.predicted_n === maxTokens)) {
      throw new Error(
        `asked for ${maxTokens} tokens after ${digits} digits, wllama reports ${JSON.stringify(timings)}`,
      );
    }
    return timings;
  }

  // A vocabulary may join digits, by twos or threes, and put a token in front: two prompts tell.
  const few = (await complete(6, 1)).prompt_n;
  const perDigit = ((await complete(12, 1)).prompt_n - few) / 6;
  if (!(perDigit > 0)) throw new Error(`six digits more are no tokens more in this model's vocabulary`);
  /** @param {number} tokens */
  const digitsFor = (tokens) => Math.max(1, Math.round(6 + (tokens - few) / perDigit));

  return {
    load,
    facts: {
      threads: wllama.getNumThreads(),
      multiThread: wllama.isMultithread(),
      contextSize: n_ctx,
      batchSize: n_batch,
      microBatchSize: n_ubatch,
      llamaCpp: Wllama.getLibllamaVersion(),
    },
    async prefill(tokens) {
      const timings = await complete(digitsFor(tokens), 1);
      return { tokens: timings.prompt_n, milliseconds: timings.prompt_ms, timings };
    },
    async decode(tokens, depth) {
      // The clock starts when the prompt has given the first token, so that one token more is asked for.
      const timings = await complete(digitsFor(Math.max(depth, 1)), tokens + 1);
      return { tokens, milliseconds: timings.predicted_ms, timings };
    },
    memory: async () => ({ wasmBytes: null }),
    readRate: () => null,
    close: () => wllama.exit(),
  };
}
