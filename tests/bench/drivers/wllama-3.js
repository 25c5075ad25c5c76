// wllama 3: a llama.cpp server in wasm. It times itself; a prompt may be a list of tokens.
import { madeUpTokens } from './tokens.js';
import { CONFIGURATION, loadFromStore } from './wllama-store.js';

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
    { n_threads: threads, n_ctx: contextSize, n_gpu_layers: 0, n_parallel: 1 },
  );
  const { n_ctx, n_batch, n_ubatch } = wllama.getLoadedContextInfo();

  async function complete(promptTokens, maxTokens) {
    const { timings } = await wllama.createCompletion({
      prompt: madeUpTokens(promptTokens),
      max_tokens: maxTokens,
      temperature: 0,
      top_k: 1,
      ignore_eos: true,
      cache_prompt: false,
    });
    if (timings?.prompt_n !== promptTokens || timings.predicted_n !== maxTokens) {
      throw new Error(
        `asked for ${promptTokens} prompt and ${maxTokens} generated tokens, wllama reports ${JSON.stringify(timings)}`,
      );
    }
    return timings;
  }

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
      const timings = await complete(tokens, 1);
      return { tokens, milliseconds: timings.prompt_ms, timings };
    },
    async decode(tokens, depth) {
      // The clock starts when the prompt has given the first token, so that one token more is asked for.
      const timings = await complete(Math.max(depth, 1), tokens + 1);
      return { tokens, milliseconds: timings.predicted_ms, timings };
    },
    memory: async () => ({ wasmBytes: null }),
    readRate: () => null,
    close: () => wllama.exit(),
  };
}
