// Measures prompt processing and generation as llama-bench does: made-up tokens, no tokenizer and no sampler, each
// repetition on an empty timeline or, with a depth, behind that many tokens.

import { checkCancelled } from '../base/cancel.js';
import { contextFull, NibbleError } from '../base/errors.js';
import { readCompletionOptions } from '../base/options.js';

// A browser compiles hot code a second time, better, while it runs: what is measured is what a longer text will see.
const WARM_UP_MILLISECONDS = 500;
const WARM_UP_TOKENS = 8;
const READ_LOOPS = 5;

/**
 * @param {{ model: import('../core/runtime.js').Model, timeline: import('../generate/timeline.js').Timeline, scheduler: import('../base/scheduler.js').Scheduler }} context
 * @param {ReturnType<typeof import('../base/options.js').readBenchmarkOptions>} options as readBenchmarkOptions() gives them
 * @param {AbortSignal} signal
 * @returns {Promise<import('../base/public-types.js').BenchmarkResult>}
 *   the time of each repetition, the memory in use at the end, and
 *   the bytes a second that a plain loop on as many threads read of the weights in the same run; `profile`: where the threads' time went, or null; `streamed`: the weights that were read
 *   since the engine was created, how long was waited for them, and the bytes a second that reading alone gives,
 *   after each repetition; null where all of them stay in memory
 */
export async function benchmark({ model, timeline, scheduler }, options, signal) {
  const { promptTokens, generatedTokens, repetitions, depth, warmUp, profile } = options;
  const { vocabularySize, contextSize } = model.info;
  const needed = depth + promptTokens + generatedTokens;
  if (promptTokens + generatedTokens === 0) {
    throw new NibbleError(
      'INVALID_ARGUMENT',
      'The benchmark has nothing to measure: ask for prompt or generated tokens.',
    );
  }
  if (needed > contextSize) {
    const problem = `The benchmark takes ${needed} tokens, and the context holds ${contextSize}.`;
    throw contextFull(problem, { tokens: needed, contextSize, shorten: null });
  }
  const random = randomTokens(vocabularySize);
  const whole = { scheduler, signal, wholeBatches: true };
  /** @type {ReturnType<typeof createSampling> | null} */
  let sampling = null;
  /** @param {number} count */
  const generate = async (count) => {
    for (let index = 0; index < count; index++) {
      checkCancelled(signal);
      await timeline.extend([random()]);
      sampling?.sample(timeline);
      await scheduler.nextTask();
    }
  };
  /** @param {number} count */
  const prompt = (count) => Array.from({ length: count }, random);

  timeline.truncate(0);
  if (warmUp) {
    const start = performance.now();
    const first = Math.max(1, Math.min(promptTokens, model.batchSize));
    do {
      timeline.truncate(0);
      await timeline.append(prompt(first), whole);
      // A context that holds no more than what is measured has less room here: generating has no prompt there.
      await generate(Math.min(generatedTokens, WARM_UP_TOKENS, contextSize - first));
    } while (performance.now() - start < WARM_UP_MILLISECONDS);
    timeline.truncate(0);
  }
  await timeline.append(prompt(depth), whole);
  const nanoseconds = [];
  /** @type {number[]} */
  const storeRates = [];
  if (profile) model.profile(true);
  if (profile) sampling = createSampling(model);
  for (let repetition = 0; repetition < repetitions; repetition++) {
    if (timeline.truncate(depth) < depth) await timeline.append(prompt(depth), whole);
    const tokens = prompt(promptTokens);
    const start = performance.now();
    await timeline.append(tokens, whole);
    await generate(generatedTokens);
    nanoseconds.push(Math.round((performance.now() - start) * 1e6));
    if (model.weights !== null && model.ring.slots > 0) storeRates.push(await model.weights.measure());
  }
  const operations = sampling !== null ? profileOf(model, nanoseconds, sampling.milliseconds()) : null;
  sampling?.close();
  const memory = model.memory();
  const streamed = model.weights && {
    bytes: model.weights.bytesRead,
    waitMilliseconds: model.weights.waitMilliseconds,
    storeRates,
  };
  const readRate = median(Array.from({ length: READ_LOOPS }, () => model.readRate()));
  timeline.truncate(0);
  return { promptTokens, generatedTokens, depth, nanoseconds, memory, readRate, streamed, profile: operations };
}

/** @param {number[]} values */
function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

/** Chooses tokens as a completion does by default, and notes the time it takes; only a profile has it. @param {import('../core/runtime.js').Model} model */
function createSampling(model) {
  const sampler = model.createSampler({ ...readCompletionOptions({ tokens: [0] }), seed: 1 });
  let milliseconds = 0;
  return {
    /** @param {import('../generate/timeline.js').Timeline} timeline */
    sample(timeline) {
      const start = performance.now();
      timeline.sample(sampler);
      milliseconds += performance.now() - start;
    },
    milliseconds: () => milliseconds,
    close: () => sampler.close(),
  };
}

/** What the threads did while the repetitions ran; what is left of their time they spent outside the forward pass. @param {import('../core/runtime.js').Model} model @param {number[]} nanoseconds @param {number} sampling milliseconds */
function profileOf(model, nanoseconds, sampling) {
  const entries = [...model.profileEntries(), { operation: 'sampling', milliseconds: sampling }];
  model.profile(false);
  const inside = entries.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const whole = (nanoseconds.reduce((sum, time) => sum + time, 0) / 1e6) * model.threads;
  return [...entries, { operation: 'outside', milliseconds: Math.max(0, whole - inside) }];
}

/** The same made-up tokens in every run. Constants: Numerical Recipes' 32-bit generator. @param {number} vocabularySize */
function randomTokens(vocabularySize) {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabularySize);
  };
}
