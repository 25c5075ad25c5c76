// wllama 2: its decode() takes tokens, and is timed from outside.
import { madeUpTokens } from './tokens.js';
import { CONFIGURATION, loadFromStore } from './wllama-store.js';

/**
 * @param {import('../measure.js').EngineSetup} setup
 * @returns {Promise<import('../measure.js').MeasuredEngine>}
 */
export async function open({ modelUrl, packageUrl, threads, contextSize }) {
  const { Wllama } = await import(`${packageUrl}esm/index.js`);
  const wllama = new Wllama(
    {
      'single-thread/wllama.wasm': `${packageUrl}esm/single-thread/wllama.wasm`,
      'multi-thread/wllama.wasm': `${packageUrl}esm/multi-thread/wllama.wasm`,
    },
    CONFIGURATION,
  );
  const load = await loadFromStore(wllama, modelUrl, { n_threads: threads, n_ctx: contextSize });
  const { n_ctx, n_batch, n_ubatch } = wllama.getLoadedContextInfo();
  /** @param {() => unknown} action */
  const timed = async (action) => {
    const start = performance.now();
    await action();
    return performance.now() - start;
  };
  return {
    load,
    facts: {
      threads: wllama.getNumThreads(),
      multiThread: wllama.isMultithread(),
      contextSize: n_ctx,
      batchSize: n_batch,
      microBatchSize: n_ubatch,
    },
    async prefill(tokens) {
      const prompt = madeUpTokens(tokens);
      await wllama.kvClear();
      return { tokens, milliseconds: await timed(() => wllama.decode(prompt, {})) };
    },
    async decode(tokens, depth) {
      const generated = madeUpTokens(tokens);
      await wllama.kvClear();
      if (depth > 0) await wllama.decode(madeUpTokens(depth), { skipLogits: true });
      const milliseconds = await timed(async () => {
        for (const token of generated) await wllama.decode([token], {});
      });
      return { tokens, milliseconds };
    },
    memory: async () => ({ wasmBytes: null }),
    readRate: () => null,
    close: () => wllama.exit(),
  };
}
