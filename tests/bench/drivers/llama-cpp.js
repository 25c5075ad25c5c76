// llama.cpp, native, by node-llama-cpp.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { present } from '../../present.js';
import { madeUpTokens } from './tokens.js';

const BATCH = 512;

/**
 * @param {import('../measure.js').EngineSetup} setup
 * @returns {Promise<import('../measure.js').MeasuredEngine>}
 */
export async function open({ modelPath, packagePath, threads, contextSize }) {
  const { getLlama } = await import(pathToFileURL(join(present(packagePath), 'dist/index.js')).href);
  const start = performance.now();
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: 'error' });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ threads, batchSize: BATCH, contextSize, sequences: 1 });
  const sequence = context.getSequence();
  const milliseconds = performance.now() - start;

  /**
   * The time from the start to the first generated token, and from there to the last of `more` others.
   * @param {number[]} prompt
   * @param {number} more
   */
  async function generate(prompt, more) {
    const begin = performance.now();
    let [count, first, last] = [0, begin, begin];
    for await (const _ of sequence.evaluate(prompt, { temperature: 0, topK: 1, yieldEogToken: true })) {
      last = performance.now();
      if (count === 0) first = last;
      if (count++ === more) break;
    }
    if (count !== more + 1) throw new Error(`asked for ${more + 1} tokens, and llama.cpp ended after ${count}`);
    return { prompt: first - begin, rest: last - first };
  }

  return {
    load: { milliseconds, from: 'the file, in the page cache' },
    facts: {
      threads: context.currentThreads,
      contextSize: context.contextSize,
      batchSize: context.batchSize,
      flashAttention: context.flashAttention,
      llamaCpp: JSON.parse(readFileSync(join(present(packagePath), 'llama/llama.cpp.info.json'), 'utf8')).tag,
      systemInfo: llama.systemInfo,
    },
    async prefill(tokens) {
      await sequence.clearHistory();
      const { prompt } = await generate(madeUpTokens(tokens), 0);
      return { tokens, milliseconds: prompt };
    },
    async decode(tokens, depth) {
      await sequence.clearHistory();
      const { rest } = await generate(madeUpTokens(Math.max(depth, 1)), tokens);
      return { tokens, milliseconds: rest };
    },
    memory: async () => ({ wasmBytes: null }),
    readRate: () => null,
    close: () => llama.dispose(),
  };
}
