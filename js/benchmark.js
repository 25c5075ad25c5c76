// Measures prompt processing and generation as llama-bench does: made-up tokens, no tokenizer and no sampler, each
// repetition on an empty timeline or, with a depth, behind that many tokens.
import { NibbleError } from './errors.js';
import { checkCancelled } from './loader.js';

/**
 * @param {{ model: import('./engine.js').Model, timeline: import('./timeline.js').Timeline, turn: object }} context
 * @param {object} options as readBenchmarkOptions() gives them
 * @param {AbortSignal} signal
 * @returns {Promise<{ promptTokens: number, generatedTokens: number, depth: number, nanoseconds: number[], memory: object }>}
 *   the time of each repetition, and the memory in use at the end
 */
export async function benchmark({ model, timeline, turn }, options, signal) {
  const { promptTokens, generatedTokens, repetitions, depth, warmUp } = options;
  const { vocabularySize, contextSize } = model.info;
  const needed = depth + promptTokens + generatedTokens;
  if (promptTokens + generatedTokens === 0) {
    throw new NibbleError(
      'INVALID_ARGUMENT',
      'The benchmark has nothing to measure: ask for prompt or generated tokens.',
    );
  }
  if (needed > contextSize) {
    throw new NibbleError(
      'CONTEXT_FULL',
      `The benchmark takes ${needed} tokens, and the context holds ${contextSize}. Create the engine with a larger contextSize.`,
    );
  }
  const random = randomTokens(vocabularySize);
  const whole = { turn, signal, wholeBatches: true };
  const generate = async (count) => {
    for (let index = 0; index < count; index++) {
      checkCancelled(signal);
      timeline.extend([random()]);
      await turn.next();
    }
  };
  const prompt = (count) => Array.from({ length: count }, random);

  timeline.truncate(0);
  if (warmUp) {
    await timeline.append(prompt(Math.min(promptTokens, model.batchSize)), whole);
    await generate(Math.min(generatedTokens, 1));
    timeline.truncate(0);
  }
  await timeline.append(prompt(depth), whole);
  const nanoseconds = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    timeline.truncate(depth);
    const tokens = prompt(promptTokens);
    const start = performance.now();
    await timeline.append(tokens, whole);
    await generate(generatedTokens);
    nanoseconds.push(Math.round((performance.now() - start) * 1e6));
  }
  const memory = model.memory();
  timeline.truncate(0);
  return { promptTokens, generatedTokens, depth, nanoseconds, memory };
}

/** The same made-up tokens in every run. Constants: Numerical Recipes' 32-bit generator. */
function randomTokens(vocabularySize) {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabularySize);
  };
}
