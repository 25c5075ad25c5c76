#!/usr/bin/env node
// The peer benchmark: `npm run bench:peers -- --model FILE`. Exit codes: 0 done, 1 something was not measured, 2 used
// wrongly, 130 stopped by Ctrl-C (what was measured until then is kept).
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../../js/bundle.js';
import { createTerminal } from '../../js/commands/terminal.js';
import { BuildError, ROOT } from '../../wasm/shell.js';
import { present } from '../present.js';
import { chart } from './chart.js';
import { ENGINES, requireNewestNode, requirePeer } from './engines.js';
import { busyProcessors, loadAverage, machineFacts, modelFacts, sourceFacts } from './machine.js';
import { readOptions, USAGE, UsageError } from './options.js';
import { createProgress } from './progress.js';
import { figure, report } from './report.js';
import { runInPage, runInProcess } from './runners.js';
import { serveBenchmark } from './server.js';

/** @typedef {import('./options.js').BenchmarkOptions} BenchmarkOptions */
/** @typedef {import('./statistics.js').Run} Run */
/** @typedef {ReturnType<typeof createTerminal>} Terminal */
/** @typedef {{ note: (sentence: string) => void, signal: AbortSignal }} Context */
/**
 * @typedef {import('./engines.js').EngineKind & { name: string, rounds: number, execPath?: string, packagePath?: string }} Engine
 */

const QUIET_LOAD = 0.5;
const QUIET_PROCESSORS = 0.2;
// Filling a context and loading a model take time that the cap of a measurement does not cover.
/** @param {number} capSeconds */
const patience = (capSeconds) => capSeconds * 4 + 240;

/** @param {string} path */
const fileBeside = (path) => fileURLToPath(new URL(path, import.meta.url));

/**
 * The engines that can be measured here, and those that cannot with the reason.
 * @param {BenchmarkOptions} options
 * @param {Context} context
 */
async function gather({ peers, complete, node, rounds }, context) {
  /** @type {Engine[]} */
  const engines = [{ name: 'nibble', rounds, ...ENGINES.nibble }];
  if (complete) engines.push({ name: 'nibble-complete', rounds, ...ENGINES['nibble-complete'] });
  const missing = [];
  if (node) {
    const execPath = await requireNewestNode(context);
    engines.push({ name: 'nibble-node', rounds, ...ENGINES['nibble-node'], execPath });
  }
  for (const { name, rounds: most } of peers) {
    try {
      const { path, version } = await requirePeer(name, context);
      engines.push({ name, ...ENGINES[name], rounds: most, packagePath: path, version });
    } catch (error) {
      if (context.signal.aborted || !(error instanceof Error)) throw error;
      missing.push({ name, reason: error.message });
      context.note(`${name} is left out: ${error.message}.`);
    }
  }
  return { engines, missing };
}

/**
 * Every engine once a round, the order turned round from one to the next so that none always follows the same one.
 * @param {{ name: string, rounds: number }[]} engines
 * @param {number} rounds
 */
export function planTurns(engines, rounds) {
  return Array.from({ length: rounds }, (_, index) => {
    const round = index + 1;
    const taking = engines.filter((engine) => round <= engine.rounds);
    const ordered = index % 2 === 0 ? taking : taking.toReversed();
    return ordered.map((engine) => ({ engine: engine.name, round }));
  }).flat();
}

/**
 * One engine's turn. Its failure is a result too.
 * @param {{ engine: Engine, round: number, options: BenchmarkOptions, server: Awaited<ReturnType<typeof serveBenchmark>>,
 *   progress: ReturnType<typeof createProgress>, signal: AbortSignal }} turn
 * @returns {Promise<Run | null>} null where it was stopped
 */
async function takeTurn({ engine, round, options, server, progress, signal }) {
  const date = new Date().toISOString();
  const othersBusy = await busyProcessors();
  const run = { engine: engine.name, round, date, othersBusy, loadAverage: loadAverage() };
  /** @type {Record<string, number | null>} */
  const loads = {};
  /** @param {import('./measure.js').MeasureEvent} event */
  const onEvent = (event) => {
    if (event.phase === 'measure' && event.test) loads[event.test] = loadAverage();
    progress.event(event);
  };
  const plan = {
    driver: engine.driver,
    setup: {
      modelUrl: server.modelUrl,
      modelPath: options.model,
      packageUrl: engine.package ? `${server.url}/peers/${engine.name}/node_modules/${engine.package}/` : null,
      packagePath: engine.packagePath ?? null,
      threads: options.threads,
      contextSize: options.contextSize,
    },
    tests: options.tests,
    capSeconds: options.capSeconds,
  };
  const shared = { plan, onEvent, signal, patienceSeconds: patience(options.capSeconds) };
  try {
    const runner = engine.runsIn === 'page' ? runInPage : runInProcess;
    const result = await runner({ ...shared, url: server.url, execPath: engine.execPath ?? process.execPath });
    const results = result.results.map((each) => ({ ...each, loadAverage: loads[each.test] ?? null }));
    return { ...run, ...result, results };
  } catch (error) {
    if (signal.aborted) return null;
    return { ...run, error: (error instanceof Error ? error.message : String(error)).replace(/\.$/, '') };
  }
}

/** @param {Run} run */
function outcomeOf({ error, results = [] }) {
  if (error) return `failed: ${error}`;
  return results
    .map((one) => ('skipped' in one ? `${one.test} skipped` : `${one.test} ${figure(one.tokensPerSecond)}`))
    .join(', ');
}

/**
 * Warns of a machine that is not quiet, since every figure then is worth less.
 * @param {Run} run
 * @param {{ kind: string, sentence: string }[]} warnings
 * @param {Terminal} terminal
 */
function noticeOthers(run, warnings, terminal) {
  if (run.othersBusy <= QUIET_PROCESSORS) return;
  const sentence = `Other work kept ${run.othersBusy.toFixed(1)} processors busy before ${run.engine}'s turn in round ${run.round}.`;
  warnings.push({ kind: 'busy', sentence });
  terminal.note(sentence);
}

/** @param {Engine} engine @returns {import('./statistics.js').RecordedEngine & { runsIn: string }} */
const recorded = ({ name, label, version, runsIn, rounds }) => ({
  name,
  label,
  version: version ?? null,
  runsIn,
  rounds,
});

/** @param {import('./statistics.js').PeerRecord} record @param {string} out */
function save(record, out) {
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(`${out}.json`, `${JSON.stringify(record, null, 2)}\n`);
  writeFileSync(`${out}.md`, report(record));
  writeFileSync(`${out}.svg`, chart(record));
}

/** @param {{ options: BenchmarkOptions, terminal: Terminal, signal: AbortSignal }} options */
async function measureAll({ options, terminal, signal }) {
  /** @param {string} sentence */
  const note = (sentence) => terminal.note(sentence);
  const warnings = [];
  const load = loadAverage();
  if (load !== null && load > QUIET_LOAD) {
    const sentence = `The load average is ${load.toFixed(2)}: other work takes time from all figures. Measure on a quiet machine.`;
    warnings.push({ kind: 'load', sentence });
    note(sentence);
  }
  if (options.build) await bundle();
  const { engines, missing } = await gather(options, { note, signal });
  const turns = planTurns(engines, options.rounds);
  const record = {
    format: 'nibble-peer-benchmark',
    formatVersion: 1,
    date: new Date().toISOString(),
    command: ['npm run bench:peers --', ...process.argv.slice(2)].join(' '),
    loadAverage: load,
    nibble: sourceFacts(),
    machine: machineFacts(),
    browser: /** @type {import('./statistics.js').PeerRecord['browser']} */ (null),
    model: await modelFacts(options.model),
    threads: options.threads,
    contextSize: options.contextSize,
    capSeconds: options.capSeconds,
    rounds: options.rounds,
    tests: options.tests,
    engines: engines.map(recorded),
    missing,
    warnings,
    runs: /** @type {Run[]} */ ([]),
  };
  const folders = {
    '/bench/': fileBeside('.'),
    '/nibble/': resolve(ROOT, 'build/web'),
    '/peers/': resolve(ROOT, 'build/peers'),
  };
  const server = await serveBenchmark({ folders, modelPath: options.model });
  const progress = createProgress(terminal, turns);
  try {
    for (const turn of turns) {
      progress.begin();
      const engine = present(engines.find(({ name }) => name === turn.engine));
      const run = await takeTurn({ engine, round: turn.round, options, server, progress, signal });
      if (run === null || signal.aborted) break;
      noticeOthers(run, warnings, terminal);
      record.runs.push(run);
      record.browser ??= run.browser ?? null;
      const entry = present(record.engines.find(({ name }) => name === run.engine));
      entry.facts ??= run.facts;
      entry.runtime ??= run.runtime;
      progress.end(outcomeOf(run));
      // Kept after every turn: what comes later may fail, and this need not be measured again.
      save(record, options.out);
    }
  } finally {
    terminal.clear();
    await server.close();
  }
  return record;
}

/** @param {string[]} args */
async function main(args) {
  const terminal = createTerminal(process);
  try {
    const options = readOptions(args);
    if (options.help) {
      terminal.write(USAGE);
      return 0;
    }
    if (!statSync(options.model, { throwIfNoEntry: false })?.isFile()) {
      throw new UsageError(`There is no file ${options.model}; --model names a GGUF file.`);
    }
    options.model = resolve(options.model);
    let interrupts = 0;
    const interrupt = () => (++interrupts > 1 ? process.exit(130) : terminal.interrupt());
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    const record = await measureAll({ options, terminal, signal: terminal.interrupted });
    const kept = record.runs.length > 0 ? `; what was measured is in ${options.out}.json` : '';
    if (terminal.interrupted.aborted) {
      terminal.note(`Stopped${kept}.`);
      return 130;
    }
    terminal.write(`${report(record)}\n`);
    terminal.note(`Written: ${options.out}.json, ${options.out}.md, ${options.out}.svg`);
    return record.runs.some((run) => run.error) || record.missing.length > 0 ? 1 : 0;
  } catch (error) {
    if (terminal.interrupted.aborted) return 130;
    if (!(error instanceof Error)) throw error;
    terminal.note(error instanceof UsageError || error instanceof BuildError ? error.message : `${error.stack}`);
    if (!(error instanceof UsageError)) return 1;
    terminal.note('"npm run bench:peers -- --help" tells the options.');
    return 2;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
