// Nibble, in a page and in Node: the public entry is all that differs.
import { madeUpTokens } from './tokens.js';

/** @typedef {import('../../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../../js/base/public-types.js').EngineOptions} EngineOptions */

/**
 * What complete() takes for a prompt and for an answer, as a caller sees it: messages, sampling and text included.
 * @param {Engine} engine
 */
function timeByComplete(engine) {
  /** @param {number[]} tokens @param {number} maxTokens */
  const complete = async (tokens, maxTokens) => {
    const start = performance.now();
    let prefilled = start;
    const onPrefill = () => {
      prefilled = performance.now();
    };
    const completion = engine.complete({ tokens, maxTokens, ignoreEos: true, reusePrefix: false, onPrefill });
    for await (const _ of completion);
    const { completionTokens } = await completion.result;
    if (completionTokens !== maxTokens) throw new Error(`asked for ${maxTokens} tokens, got ${completionTokens}`);
    return { prefill: prefilled - start, decode: performance.now() - prefilled };
  };
  return {
    /** @param {number} tokens */
    prefill: async (tokens) => (await complete(madeUpTokens(tokens), 1)).prefill,
    // The clock starts when the prompt has given the first token, so that one token more is asked for.
    /** @param {number} tokens @param {number} depth */
    decode: async (tokens, depth) => (await complete(madeUpTokens(Math.max(depth, 1)), tokens + 1)).decode,
  };
}

/**
 * @param {{ createEngine: (options: EngineOptions) => Promise<Engine>, modelUrl: string, threads: number, contextSize: number, loadedFrom: string,
 *   byComplete?: boolean }} options
 * @returns {Promise<import('../measure.js').MeasuredEngine>}
 */
export async function openNibble({ createEngine, modelUrl, threads, contextSize, loadedFrom, byComplete = false }) {
  const start = performance.now();
  const engine = await createEngine({ model: modelUrl, threads, contextSize, store: null });
  const loadMilliseconds = performance.now() - start;
  const { info } = engine;
  /** @type {number | null} */
  let readRate = null;
  /** @param {import('../../../js/base/public-types.js').BenchmarkOptions} options */
  const time = async (options) => {
    const result = await engine.benchmark({ repetitions: 1, warmUp: false, depth: 0, ...options });
    readRate = result.readRate ?? readRate;
    return result.nanoseconds[0] / 1e6;
  };
  const byBenchmark = {
    /** @param {number} promptTokens */
    prefill: (promptTokens) => time({ promptTokens, generatedTokens: 0 }),
    /** @param {number} generatedTokens @param {number} depth */
    decode: (generatedTokens, depth) => time({ promptTokens: 0, generatedTokens, depth }),
  };
  const measured = byComplete ? timeByComplete(engine) : byBenchmark;
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
    prefill: async (tokens) => ({ tokens, milliseconds: await measured.prefill(tokens) }),
    decode: async (tokens, depth) => ({ tokens, milliseconds: await measured.decode(tokens, depth) }),
    async memory() {
      const { wasm } = await engine.memory();
      return { wasmBytes: wasm };
    },
    readRate: () => readRate,
    close: () => engine.unload(),
  };
}
