// Nibble, in a page and in Node: the public entry is all that differs.

/**
 * @param {{ createEngine: Function, modelUrl: string, threads: number, contextSize: number, loadedFrom: string }} options
 * @returns {Promise<import('../measure.js').MeasuredEngine>}
 */
export async function openNibble({ createEngine, modelUrl, threads, contextSize, loadedFrom }) {
  const start = performance.now();
  const engine = await createEngine({ model: modelUrl, threads, contextSize, store: null });
  const loadMilliseconds = performance.now() - start;
  const { info } = engine;
  let readRate = null;
  const time = async (options) => {
    const result = await engine.benchmark({ repetitions: 1, warmUp: false, depth: 0, ...options });
    readRate = result.readRate ?? readRate;
    return result.nanoseconds[0] / 1e6;
  };
  return {
    load: { milliseconds: loadMilliseconds, from: loadedFrom },
    facts: {
      threads: info.threads,
      contextSize: info.contextSize,
      batchSize: info.batchSize,
      kernelSet: info.kernelSet,
      kernelRates: info.kernelRates,
      tileStreams: info.tileStreams,
      wasm: info.wasm,
      bytesPerToken: info.bytesPerToken,
    },
    prefill: async (tokens) => ({
      tokens,
      milliseconds: await time({ promptTokens: tokens, generatedTokens: 0 }),
    }),
    decode: async (tokens, depth) => ({
      tokens,
      milliseconds: await time({ promptTokens: 0, generatedTokens: tokens, depth }),
    }),
    async memory() {
      const { wasm } = await engine.memory();
      return { wasmBytes: wasm };
    },
    readRate: () => readRate,
    close: () => engine.unload(),
  };
}
