// Measures a machine in about a second, before there is a model: what decode and prefill make of synthetic weights.

import { readBenchmarkOptions } from '../base/options.js';
import { Timeline } from '../generate/timeline.js';
import { loadWeights, readHeader } from '../models/loader.js';
import { benchmark } from './benchmark.js';
import { syntheticModel } from './synthetic-model.js';

// As few tokens as prefill takes at full speed.
const BATCH = 32;
// A browser makes hot code faster while it runs: the first round only warms it up.
const WARM_UP_ROUNDS = 1;
const MEASURE_MILLISECONDS = 250;
const LEAST_ROUNDS = 2;
const MOST_ROUNDS = 200;

/** @typedef {import('../base/public-types.js').Probe} Probe */

/**
 * @param {import('../core/runtime.js').Runtime} runtime stays the caller's
 * @param {{ threads: number, chooseThreads: boolean, scheduler: import('../base/scheduler.js').Scheduler, signal: AbortSignal }} options
 * @returns {Promise<Probe>}
 */
export async function probe(runtime, { threads, chooseThreads, scheduler, signal }) {
  const start = performance.now();
  const { source, weightBytes, weights } = syntheticModel();
  const { header, pieces, fileSize } = await readHeader(runtime, source, signal);
  let model;
  let timeline;
  try {
    const chosen = { exact: false, kernelSet: null, tileStreams: 0 };
    model = header.createModel({ threads, chooseThreads, contextSize: 0, batchSize: BATCH, ...chosen });
    const { dataOffset } = header;
    header.close();
    await loadWeights({ runtime, model, source, pieces, dataOffset, fileSize, signal, onProgress: () => {} });
    timeline = new Timeline(model);
    const context = { model, timeline, scheduler };
    const decode = await secondsOf(context, { promptTokens: 0, generatedTokens: 1 }, signal);
    const prefill = await secondsOf(context, { promptTokens: BATCH, generatedTokens: 0 }, signal);
    return {
      decodeBytesPerSecond: weightBytes / decode,
      prefillWeightsPerSecond: (weights * BATCH) / prefill,
      threads: model.threads,
      kernelSet: model.kernels.kernelSet,
      milliseconds: performance.now() - start,
    };
  } finally {
    timeline?.close();
    model?.close();
    header.close();
  }
}

/** The median time of as many rounds as fit. @param {Parameters<typeof benchmark>[0]} context @param {{ promptTokens: number, generatedTokens: number }} tokens @param {AbortSignal} signal */
async function secondsOf(context, tokens, signal) {
  /** @param {number} repetitions */
  const run = async (repetitions) => {
    const options = readBenchmarkOptions({ ...tokens, repetitions, warmUp: false });
    const { nanoseconds } = await benchmark(context, options, signal);
    return nanoseconds.sort((a, b) => a - b)[(nanoseconds.length - 1) >> 1] / 1e9;
  };
  const fitting = Math.floor(MEASURE_MILLISECONDS / 1000 / (await run(WARM_UP_ROUNDS)));
  return run(Math.min(MOST_ROUNDS, Math.max(LEAST_ROUNDS, fitting)));
}
