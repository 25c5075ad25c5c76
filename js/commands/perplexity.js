// nibble perplexity: how well a model predicts a text, by llama.cpp's method, so that the figures can be compared: the
// text is cut into chunks of the context's size, each begins with BOS where the model wants one, and the second half
// of each chunk is scored, so that every scored token has at least half a context before it.
import { NibbleError } from '../index.node.js';
import { ENGINE, UsageError } from './arguments.js';
import { loadEngine } from './model.js';
import { readTextFile } from './tokenize.js';
import { duration } from './units.js';

const DEFAULT_CHUNK = 512;
// The first token that is scored in a chunk of n is n / 2 + 1: a chunk of 2 has none.
const LEAST_CHUNK = 4;
const LEAST_WHOLE_CHUNK = 2;
const CONTEXT_HELP =
  `tokens in a chunk: an even number from ${LEAST_CHUNK} up, any from ${LEAST_WHOLE_CHUNK} up with --all; ` +
  '512, or as many as the model was trained for';

/** @type {import('./arguments.js').Command} */
export default {
  bare: 'file',
  usage: '--file FILE [OPTIONS]',
  examples: [
    'nibble perplexity -m model.gguf --file wiki.test.raw',
    'nibble perplexity -m model.gguf -f text.txt -c 1024 --chunks 20',
  ],
  options: {
    file: { kind: 'text', short: 'f', value: 'FILE', required: true, help: 'the text' },
    chunks: { kind: 'integer', value: 'N', least: 1, help: 'only the first N chunks' },
    all: { kind: 'flag', help: 'score the first half of each chunk too' },
    ...ENGINE,
    context: { ...ENGINE.context, help: CONTEXT_HELP },
  },

  async run({ values, terminal }) {
    checkContext(values);
    const text = await readTextFile(values.file);
    const engine = await loadEngine(values, terminal);
    try {
      const { trainedContext } = engine.info;
      const size = values.context ?? Math.min(DEFAULT_CHUNK, trainedContext - (trainedContext % 2));
      checkContext({ context: size, all: values.all });
      // A document is text, whatever stands in it.
      const tokens = await engine.tokenize(text, { parseSpecial: false });
      const result = await measure(engine, tokens, size, values, terminal);
      if (values.json) terminal.json(result);
      else terminal.write(`Final estimate: PPL = ${result.perplexity.toFixed(4)} +/- ${result.error.toFixed(5)}\n`);
    } finally {
      await engine.unload();
    }
  },
};

/** Refuses chunks in which nothing could be scored. @param {import('./arguments.js').Values} values */
export function checkContext({ context, all }) {
  if (context === undefined) return;
  const least = all ? LEAST_WHOLE_CHUNK : LEAST_CHUNK;
  if (!all && context % 2 !== 0) {
    throw new UsageError(
      `--context is ${context}; expected an even number from ${least} up, since each chunk's second half is scored.`,
    );
  }
  if (context >= least) return;
  const hint = all ? '' : `, or from ${LEAST_WHOLE_CHUNK} up with --all`;
  throw new UsageError(`--context is ${context}: so short a chunk scores nothing; expected ${least} or more${hint}.`);
}

/** The sentence for a text of fewer than two chunks. @param {number} count @param {number} size @param {boolean} all */
export function tooShort(count, size, all) {
  const [step, least] = all ? [1, LEAST_WHOLE_CHUNK] : [2, LEAST_CHUNK];
  const largest = Math.floor(count / 2 / step) * step;
  const shortest = `a longer text; with -c ${least}, ${2 * least} tokens are enough`;
  const way = largest >= least ? `a longer text, or -c ${largest}` : shortest;
  const has = `The text has ${count} ${count === 1 ? 'token' : 'tokens'}`;
  return `${has}; two chunks of ${size}, ${2 * size} tokens, are needed. Use ${way}.`;
}

/**
 * @param {import('../client/engine.js').Engine} engine @param {number[]} tokens @param {number} size of a chunk
 * @param {import('./arguments.js').Values} values @param {import('./terminal.js').Terminal} terminal
 */
async function measure(engine, tokens, size, { all, chunks: limit, json }, terminal) {
  if (tokens.length < 2 * size) throw new NibbleError('TEXT_TOO_SHORT', tooShort(tokens.length, size, all));
  const chunks = Math.min(limit ?? Infinity, Math.floor(tokens.length / size));
  const { addBos, specialTokens } = engine.info;
  const from = all ? 1 : size / 2 + 1;
  const estimate = createEstimate();
  const start = performance.now();
  for (let chunk = 0; chunk < chunks; chunk++) {
    const piece = tokens.slice(chunk * size, (chunk + 1) * size);
    if (addBos && specialTokens.bos !== undefined) piece[0] = specialTokens.bos;
    estimate.add(await engine.score(piece, { from, reusePrefix: false, signal: terminal.interrupted }));
    const seconds = (performance.now() - start) / 1000;
    const rate = ((chunk + 1) * size) / seconds;
    const left = (seconds / (chunk + 1)) * (chunks - chunk - 1);
    const { perplexity, error } = estimate.result();
    const figures = `PPL ${perplexity.toFixed(4)} +/- ${error.toFixed(4)}`;
    if (!json)
      terminal.progress(`[${chunk + 1}/${chunks}] ${figures}, ${rate.toFixed(0)} tok/s, ${duration(left)} left`);
  }
  terminal.clear();
  const seconds = (performance.now() - start) / 1000;
  return {
    ...estimate.result(),
    chunks,
    context: size,
    tokens: tokens.length,
    seconds,
    tokensPerSecond: (chunks * size) / seconds,
    kernelSet: engine.info.kernelSet,
    exact: engine.info.exact,
  };
}

/** Mean negative log likelihood, and perplexity with the standard error that follows from its variance. */
export function createEstimate() {
  let count = 0;
  let sum = 0;
  let squares = 0;
  return {
    /** @param {Iterable<number>} logProbabilities */
    add(logProbabilities) {
      for (const logP of logProbabilities) {
        count++;
        sum -= logP;
        squares += logP * logP;
      }
    },
    result() {
      const mean = sum / count;
      const variance = squares / count - mean * mean;
      const perplexity = Math.exp(mean);
      const error = variance > 0 && count > 1 ? Math.sqrt(variance / (count - 1)) * perplexity : 0;
      return { perplexity, error, negativeLogLikelihood: mean, scoredTokens: count };
    },
  };
}
