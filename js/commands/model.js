// Loading a model for a command.
import { createEngine, defaultModel } from '../index.node.js';
import { readSamplingOptions } from '../options.js';
import { bytes, duration } from './units.js';

/**
 * @param {Record<string, any>} values parsed ENGINE options
 * @param {object} terminal
 * @param {object} [overrides] options of createEngine()
 */
export async function loadEngine(values, terminal, overrides = {}) {
  const engine = await createEngine({
    model: values.model ?? defaultModel,
    threads: values.threads,
    contextSize: values.context,
    batchSize: values.batch,
    kvType: values['kv-type'],
    memoryBudget: values.budget,
    ...(values.store !== undefined && { store: { folder: values.store } }),
    kernelSet: values.kernels,
    tileStreams: values['tile-streams'],
    exact: values.exact,
    signal: terminal.interrupted,
    onProgress: (progress) => terminal.progress(progressLine(progress)),
    ...overrides,
  }).finally(terminal.clear);
  const problem = values.store === undefined ? null : engine.info.storage.problem;
  if (problem !== null) terminal.note(`The model is not stored: ${problem.message}`);
  return engine;
}

/** One line for a progress event. */
export function progressLine({ phase, loaded, total, bytesPerSecond, secondsLeft }) {
  if (phase === 'prepare') return 'preparing the model';
  if (phase === 'retry') return `nothing comes from the server; asking again in ${duration(secondsLeft)}`;
  const percent = total === 0 ? 100 : Math.floor((loaded * 100) / total);
  const verb = phase === 'download' ? 'downloading' : 'loading';
  const left = secondsLeft > 1 ? `, ${duration(secondsLeft)} left` : '';
  return `${verb} ${percent}% of ${bytes(total)}, ${bytes(Math.round(bytesPerSecond))}/s${left}`;
}

/** Parsed SAMPLING options as options of engine.complete(), checked before a model is loaded for them. */
export function samplingOptions(values) {
  const options = {
    maxTokens: values['max-tokens'],
    temperature: values.temperature,
    topK: values['top-k'],
    topP: values['top-p'],
    minP: values['min-p'],
    repetitionPenalty: values['repetition-penalty'],
    presencePenalty: values['presence-penalty'],
    frequencyPenalty: values['frequency-penalty'],
    penaltyWindow: values['penalty-window'],
    seed: values.seed,
    stop: values.stop,
    logitBias: values['logit-bias'],
    ignoreEos: values['ignore-eos'],
  };
  readSamplingOptions(options);
  return options;
}

/** What a completion took, in one line. */
export function timingsLine({ prefill, decode, promptTokens, reusedTokens, completionTokens, finishReason, seed }) {
  const rate = ({ tokensPerSecond }) => `${tokensPerSecond.toFixed(1)} tok/s`;
  const reused = reusedTokens > 0 ? ` (${reusedTokens} reused)` : '';
  return (
    `prompt ${promptTokens} tokens${reused}, ${rate(prefill)}; ` +
    `answer ${completionTokens} tokens, ${rate(decode)}; ended by ${finishReason}; seed ${seed}`
  );
}
