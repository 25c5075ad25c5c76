#!/usr/bin/env node
// Nibble in Chromium, Firefox and WebKit, on the same file and in the same run: what each of them has, and how fast it
// writes beside Chromium. It takes turns in rounds, a fresh browser each time.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle } from '../../js/bundle.js';
import { BuildError, isMain, main, ROOT } from '../../wasm/shell.js';
import { openBrowser, skipWithoutBrowser } from '../browsers.js';
import { present } from '../present.js';
import { writeRandomModel } from '../random-model.js';
import { findAbilities } from './abilities.js';
import { busyProcessors, loadAverage, machineFacts, modelFacts, sourceFacts } from './machine.js';
import { planTurns } from './peers.js';
import { serveBenchmark } from './server.js';
import { median, summary } from './statistics.js';

/** @typedef {import('./server.js').BenchmarkServer} BenchmarkServer */

const USAGE = `Measures Nibble in Chromium, Firefox and WebKit on one GGUF file, in rounds in which each has its turn.

Usage: node tests/bench/browsers.js [OPTIONS]

  --model FILE   a GGUF file; by default random weights in the shape of SmolLM2 135M
  --rounds N     how often each browser has its turn; 3
  --threads N    where memory can be shared; as many as there are processors, at most 8
  --tokens N     to write in a measurement; 64
  --out PATH     where PATH.json and PATH.md go; build/bench/browsers-DATE
  --help
`;

const BASELINE = 'Chromium';
/**
 * @typedef {{ name: string, browser: string, options?: { env: Record<string, string> } }} Setup
 * @typedef {Awaited<ReturnType<typeof measure>>} Measured
 * @typedef {{ engine: string, round: number, othersBusy: number, loadAverage: number | null, error?: string }} Turn
 * @typedef {Turn & { version: string, abilities: Awaited<ReturnType<typeof findAbilities>>, alone: Measured, together: Measured,
 *   error?: undefined }} GoodTurn
 * @typedef {GoodTurn | Turn & { error: string }} Run
 *
 * @typedef {object} BrowserRecord what is written as JSON
 * @property {string} date
 * @property {ReturnType<typeof sourceFacts>} nibble
 * @property {ReturnType<typeof machineFacts>} machine
 * @property {Awaited<ReturnType<typeof modelFacts>>} model
 * @property {number} rounds
 * @property {number} tokens
 * @property {Setup[]} setups
 * @property {Record<string, string>} missing why one cannot be measured
 * @property {Run[]} runs
 */

/** @type {Setup[]} */
const SETUPS = [
  { name: 'Chromium', browser: 'Chromium' },
  { name: 'Firefox', browser: 'Firefox' },
  { name: 'WebKit', browser: 'WebKit' },
  // Debian's WebKit has shared memory switched off, which Safari has.
  { name: 'WebKit with shared memory', browser: 'WebKit', options: { env: { JSC_useSharedArrayBuffer: '1' } } },
];

function parse() {
  const string = /** @type {const} */ ({ type: 'string' });
  const options = { model: string, rounds: string, threads: string, tokens: string, out: string };
  try {
    return parseArgs({ options: { ...options, help: { type: 'boolean' } } }).values;
  } catch (error) {
    throw new BuildError(`${String(error instanceof Error ? error.message : error).split('\n', 1)[0]}\n\n${USAGE}`);
  }
}

function readOptions() {
  /** @param {string} name @param {string} text */
  const whole = (name, text) => {
    if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
    throw new BuildError(`--${name} is '${text}'; a whole number from 1 to 9999 is expected.`);
  };
  const values = parse();
  const date = new Date().toISOString().slice(0, 16).replace(/\D/g, '');
  return {
    help: values.help ?? false,
    model: values.model === undefined ? null : resolve(values.model),
    rounds: whole('rounds', values.rounds ?? '3'),
    threads: whole('threads', values.threads ?? String(Math.min(8, availableParallelism()))),
    tokens: whole('tokens', values.tokens ?? '64'),
    out: resolve(values.out ?? join(ROOT, `build/bench/browsers-${date}`)),
  };
}

/** The file to measure on; the default one is made where it is missing. @param {string | null} path */
function modelFile(path) {
  if (path !== null) {
    if (existsSync(path)) return path;
    throw new BuildError(`There is no model ${path}.`);
  }
  const made = join(ROOT, 'build/models/135m.gguf');
  if (!existsSync(made)) writeRandomModel(made, { shape: 'smollm2-135m' });
  return made;
}

/**
 * Runs in the page: the tokens a second that are written on so many threads.
 * @param {string} model
 * @param {number} threads
 * @param {number} tokens
 */
async function measure(model, threads, tokens) {
  const start = performance.now();
  const engine = await globalThis.nibble.createEngine({ model, threads, contextSize: 256 });
  const loadMilliseconds = performance.now() - start;
  try {
    const { nanoseconds } = await engine.benchmark({ promptTokens: 0, generatedTokens: tokens, repetitions: 1 });
    const { threads: used, kernelSet, kernelRates, wasm, tileStreams } = engine.info;
    const tokensPerSecond = (tokens * 1e9) / nanoseconds[0];
    return { tokensPerSecond, loadMilliseconds, threads: used, kernelSet, kernelRates, wasm, tileStreams };
  } finally {
    await engine.unload();
  }
}

/**
 * One browser's turn. Its failure is a result too.
 * @param {{ setup: Setup, round: number, server: BenchmarkServer, options: ReturnType<typeof readOptions> }} options
 * @returns {Promise<Run>}
 */
async function takeTurn({ setup, round, server, options }) {
  const run = { engine: setup.name, round, othersBusy: await busyProcessors(), loadAverage: loadAverage() };
  let browser;
  try {
    browser = await openBrowser(setup.browser, setup.options);
    const page = await browser.open(`${server.url}/test/library-page.html`);
    await page.waitFor(() => 'nibble' in globalThis);
    const abilities = await findAbilities(page);
    const alone = await page.evaluate(measure, server.modelUrl, 1, options.tokens);
    const together = abilities.sharedMemory
      ? await page.evaluate(measure, server.modelUrl, options.threads, options.tokens)
      : alone;
    return { ...run, version: browser.version, abilities, alone, together };
  } catch (error) {
    return { ...run, error: error instanceof Error ? error.message : String(error) };
  } finally {
    await browser?.close();
  }
}

/** @param {BrowserRecord} record @param {string} engine */
const goodTurns = (record, engine) =>
  record.runs.flatMap((run) => (run.engine === engine && run.error === undefined ? [run] : []));

/**
 * The rate of a browser against the baseline's: of the medians, and the range over the rounds that both were in.
 * @param {BrowserRecord} record
 * @param {string} name
 * @param {'alone' | 'together'} kind
 */
function against(record, name, kind) {
  /** @param {string} engine @returns {[round: number, rate: number][]} */
  const rates = (engine) => goodTurns(record, engine).map((run) => [run.round, run[kind].tokensPerSecond]);
  const baseline = new Map(rates(BASELINE));
  const own = rates(name);
  const paired = own.flatMap(([round, rate]) => {
    const beside = baseline.get(round);
    return beside === undefined ? [] : [rate / beside];
  });
  const range = summary(paired);
  return range && { ...range, median: median(own.map(([, rate]) => rate)) / median([...baseline.values()]) };
}

/** @param {GoodTurn['abilities']['stores']} stores */
const storesOf = ({ blobs, buffers, files }) =>
  [blobs ? 'IndexedDB' : buffers ? 'IndexedDB without Blobs' : null, files ? 'OPFS' : null]
    .filter(Boolean)
    .join(', ') || 'memory only';

/** @param {BrowserRecord} record @returns {string} Markdown */
export function report(record) {
  const rows = record.setups.map(({ name }) => {
    const runs = record.runs.filter((run) => run.engine === name);
    const good = goodTurns(record, name);
    if (good.length === 0) {
      return [name, `not measured: ${record.missing[name] ?? runs[0]?.error ?? 'no turn'}`, '', '', '', '', '', '', ''];
    }
    const [{ version, abilities, alone, together }] = good;
    /** @param {'alone' | 'together'} kind */
    const rate = (kind) => {
      const rates = good.map((run) => run[kind].tokensPerSecond);
      const { median: middle, low, high } = present(summary(rates));
      const ratio = name === BASELINE ? null : against(record, name, kind);
      const beside = ratio ? `; ${ratio.median.toFixed(2)}x (${ratio.low.toFixed(2)}-${ratio.high.toFixed(2)})` : '';
      return `${middle.toFixed(1)} (${low.toFixed(1)}-${high.toFixed(1)})${beside}`;
    };
    return [
      name,
      version,
      abilities.isolated ? 'yes' : 'no',
      String(together.threads),
      `${alone.kernelSet}`,
      storesOf(abilities.stores),
      rate('alone'),
      together.threads > 1 ? rate('together') : '',
    ];
  });
  const columns = ['', 'version', 'isolation', 'threads', 'kernel set', 'stores', 'one thread', 'all threads'];
  /** @param {string[]} cells */
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const { machine, nibble, model } = record;
  const failures = record.runs
    .filter(({ error }) => error)
    .map((run) => `${run.engine} in round ${run.round}: ${run.error}`);
  const busy = record.runs.filter(({ othersBusy }) => othersBusy > 0.2).length;
  return [
    line(columns),
    line(columns.map(() => '---')),
    ...rows.map(line),
    '',
    `Tokens written a second: median (lowest-highest) of ${record.rounds} rounds, and times Chromium's. ${model.name}, ` +
      `${record.tokens} tokens, ${machine.cpu}, ${machine.cores} cores, Nibble ${nibble.version} (${nibble.commit}), ${record.date}.`,
    ...failures.map((sentence) => `Failed: ${sentence}.`),
    ...(busy > 0
      ? [`Other work was seen before ${busy} of ${record.runs.length} turns: the figures are worth less.`]
      : []),
    '',
  ].join('\n');
}

async function benchmark() {
  const options = readOptions();
  if (options.help) return console.log(USAGE);
  await bundle();
  const model = modelFile(options.model);
  /** @type {Record<string, string>} */
  const missing = {};
  for (const { name, browser } of SETUPS) {
    const reason = skipWithoutBrowser(browser);
    if (reason) missing[name] = reason;
  }
  const record = {
    format: 'nibble-browser-benchmark',
    formatVersion: 1,
    date: new Date().toISOString(),
    nibble: sourceFacts(),
    machine: machineFacts(),
    model: await modelFacts(model),
    ...{ rounds: options.rounds, threads: options.threads, tokens: options.tokens },
    ...{ setups: SETUPS, missing, runs: /** @type {Run[]} */ ([]) },
  };
  const taking = SETUPS.filter(({ name }) => !missing[name]).map((setup) => ({ ...setup, rounds: options.rounds }));
  const folders = { '/nibble/': join(ROOT, 'build/web'), '/test/': join(ROOT, 'tests') };
  const server = await serveBenchmark({ folders, modelPath: model });
  try {
    for (const { engine, round } of planTurns(taking, options.rounds)) {
      const setup = present(taking.find(({ name }) => name === engine));
      const run = await takeTurn({ setup, round, server, options });
      record.runs.push(run);
      const rates =
        run.error ?? `${run.alone.tokensPerSecond.toFixed(1)} / ${run.together.tokensPerSecond.toFixed(1)} tok/s`;
      console.error(`round ${round}, ${engine}: ${rates}`);
    }
  } finally {
    await server.close();
  }
  mkdirSync(resolve(options.out, '..'), { recursive: true });
  writeFileSync(`${options.out}.json`, `${JSON.stringify(record, null, 2)}\n`);
  writeFileSync(`${options.out}.md`, report(record));
  console.log(report(record));
  console.error(`Every figure: ${relative(process.cwd(), options.out)}.json`);
}

if (isMain(import.meta.url)) await main(benchmark);
