// nibble bench: speed, in llama-bench's form and under its field names, so that its readers take our figures too.
import { ENGINE, UsageError } from './arguments.js';
import { csvTable, jsonRows, markdownTable, statistics } from './bench-report.js';
import { machineFacts, packageFacts } from './machine.js';
import { loadEngine } from './model.js';
import { sizeLabel } from './units.js';

/** @typedef {{ prompt: number, gen: number, depth: number }} Test tokens of a prompt, to generate, and beforehand */

/** @type {Record<string, (rows: import('./bench-report.js').Row[]) => string>} */
const FORMATS = { md: markdownTable, csv: csvTable, json: jsonRows };

/** @type {import('./arguments.js').Command} */
export default {
  bare: 'model',
  usage: '[OPTIONS]',
  examples: ['nibble bench -m model.gguf', 'nibble bench -m model.gguf -p 128,512 -n 64 -d 0,2000 -r 3 -t 1,2 -o json'],
  options: {
    'n-prompt': {
      kind: 'integers',
      short: 'p',
      value: 'LIST',
      default: [512],
      help: 'tokens of a prompt; 0: no prompts; 512',
    },
    'n-gen': { kind: 'integers', short: 'n', value: 'LIST', default: [128], help: 'tokens to generate; 0: none; 128' },
    'n-depth': {
      kind: 'integers',
      short: 'd',
      value: 'LIST',
      default: [0],
      help: 'tokens in the context beforehand; 0',
    },
    repetitions: { kind: 'integer', short: 'r', value: 'N', least: 1, default: 5, help: 'how often to measure; 5' },
    output: { kind: 'text', short: 'o', value: 'FORMAT', choices: Object.keys(FORMATS), help: 'md, csv or json; md' },
    profile: { kind: 'flag', help: 'tell where the time goes, operation by operation' },
    'no-warmup': { kind: 'flag', help: 'do not run once before measuring' },
    ...ENGINE,
    threads: { ...ENGINE.threads, kind: 'integers', value: 'LIST' },
  },

  async run({ values, terminal }) {
    const tests = testsOf(values);
    if (tests.length === 0) throw new UsageError('There is nothing to measure: --n-prompt and --n-gen are both 0.');
    if (values.json && values.output !== undefined && values.output !== 'json') {
      throw new UsageError(`--json and --output ${values.output} ask for two formats; give one of them.`);
    }
    const contextSize = values.context ?? Math.max(...tests.map((test) => test.depth + test.prompt + test.gen));
    const rows = [];
    for (const threads of values.threads ?? [undefined]) {
      const engine = await loadEngine({ ...values, threads }, terminal, { contextSize });
      try {
        for (const test of tests) rows.push(await measure(engine, test, values, terminal));
      } finally {
        await engine.unload();
      }
    }
    const format = values.output ?? (values.json ? 'json' : 'md');
    terminal.write(FORMATS[format](rows));
  },
};

/**
 * Every depth with every prompt length, then with every number of generated tokens.
 * @param {import('./arguments.js').Values} values
 * @returns {Test[]}
 */
export function testsOf({ 'n-prompt': prompts, 'n-gen': generations, 'n-depth': depths }) {
  const some = (/** @type {number[]} */ counts) => counts.filter((count) => count > 0);
  return depths.flatMap((/** @type {number} */ depth) => [
    ...some(prompts).map((prompt) => ({ prompt, gen: 0, depth })),
    ...some(generations).map((gen) => ({ prompt: 0, gen, depth })),
  ]);
}

/**
 * Runs a test; gives its row of the report.
 * @param {import('../client/engine.js').Engine} engine @param {Test} test
 * @param {import('./arguments.js').Values} values @param {import('./terminal.js').Terminal} terminal
 */
export async function measure(engine, { prompt, gen, depth }, values, terminal) {
  const { info } = engine;
  terminal.progress(`measuring ${prompt > 0 ? `pp${prompt}` : `tg${gen}`}${depth > 0 ? ` @ d${depth}` : ''}`);
  const testTime = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  const { nanoseconds, memory, readRate, profile } = await engine.benchmark({
    promptTokens: prompt,
    generatedTokens: gen,
    depth,
    repetitions: values.repetitions,
    warmUp: !values['no-warmup'],
    profile: values.profile,
    signal: terminal.interrupted,
  });
  terminal.clear();
  const rates = nanoseconds.map((time) => ((prompt + gen) * 1e9) / time);
  const [time, rate] = [statistics(nanoseconds), statistics(rates)];
  const cacheType = info.kvType;
  return {
    ...packageFacts(),
    ...machineFacts(),
    model_filename: values.model ?? info.file.name,
    model_type: `${info.architecture} ${sizeLabel(info.parameters)} ${info.quantization.label}`,
    model_size: info.tensorBytes,
    model_n_params: info.parameters,
    n_batch: info.batchSize,
    n_ubatch: info.batchSize,
    n_threads: info.threads,
    thread_rates: info.threadRates,
    type_k: cacheType,
    type_v: cacheType,
    n_gpu_layers: 0,
    n_prompt: prompt,
    n_gen: gen,
    n_depth: depth,
    test_time: testTime,
    avg_ns: Math.round(time.mean),
    stddev_ns: Math.round(time.deviation),
    avg_ts: rate.mean,
    stddev_ts: rate.deviation,
    samples_ns: nanoseconds,
    samples_ts: rates,
    // Generating reads every weight for each token; a prompt shares the reading, so that the figure would say nothing.
    gb_per_s: gen > 0 ? (info.bytesPerToken * rate.mean) / 1e9 : null,
    read_gb_per_s: readRate / 1e9,
    load_ms: info.loadMilliseconds,
    peak_memory: process.resourceUsage().maxRSS * 1024,
    wasm_memory: memory.wasm,
    kv_cache: memory.kvCache,
    kernel_set: info.kernelSet,
    kernel_rates: info.kernelRates,
    tile_streams: info.tileStreams,
    wasm: info.wasm,
    exact: info.exact,
    ...(profile && { profile }),
  };
}
