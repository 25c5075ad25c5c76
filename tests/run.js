#!/usr/bin/env node
// The whole test suite (npm test): format, the builds, C tests plain and under sanitizers, and every *.test.js.
// usage: node tests/run.js [--only STEP[,STEP...]] [--fix]
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import {
  BuildError,
  filesBelow,
  has,
  main,
  PROCESSORS,
  ROOT,
  readOptions,
  requireCmake,
  requireCompiler,
  requireNode,
  requirePackages,
  run,
} from '../wasm/shell.js';
import { BROWSERS, skipWithoutBrowser } from './browsers.js';
import { requireChromium } from './chromium.js';
import { FIXTURES } from './fixtures.js';
import { ALL_ROUNDS } from './rounds.js';
import { printResults, runTestFiles } from './test-files.js';
import { checkTypes } from './types.js';
import { untyped } from './untyped.js';
import { readVerdicts, summariseVerdicts } from './verdicts.js';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */
/** @typedef {import('./verdicts.js').Verdict} Verdict */

const FORMATTER = ['clang-format-14', 'clang-format'];

// Browsers wait for each other, for timers and for the disk: two lanes more than processors keep these busy.
const LANES = Number(PROCESSORS) + 2;
// Chromium answers about memory a minute after it is asked; imports come as fast as a server sends them, or stall.
const WAITING = ['models/peak-memory', 'models/import-kills', 'models/same-model', 'library/unload'].map(
  (name) => `tests/${name}.test.js`,
);
// Begun first, the longest before the others, so that none of them is left alone at the end.
const LONG = [
  'models/weight-stream',
  'golden/golden',
  'core/native-wasm',
  'package/any-browser',
  'golden/families',
  'library/engine-death',
  'page/models-panel',
  'offline/offline',
  'page/conversations',
  'gguf/fuzz',
  'saves/save-kills',
  'page/budget',
  'page/tabs',
  'commands/hub',
].map((name) => `tests/${name}.test.js`);

// Those in which threads meet: the pool's, and one that computes while another loads.
const THREADED = ['threads_test', 'arrival_test'];

/**
 * What a step does: it returns what came of its tests, if it has any, and throws a BuildError where something is wrong.
 * `execute(command, args, env)` runs a command. Those that are `beside` take turns while the others do, with what these
 * leave of the processors.
 * @typedef {(command: string, args: string[], env?: NodeJS.ProcessEnv) => Promise<void>} Execute
 * @type {Record<string, { perform: (execute: Execute) => Promise<any> | any, beside?: boolean }>}
 */
const STEPS = {
  format: { perform: () => checkFormat(false) },
  build: {
    perform: (execute) => execute(process.execPath, ['js/bundle.js']),
  },
  types: { perform: () => checkTypes() },
  node: { perform: testNode },
  native: { perform: (execute) => testNative(execute, 'build/native', []), beside: true },
  sanitize: {
    perform: (execute) => testNative(execute, 'build/sanitize', ['-DNIBBLE_SANITIZE=ON']),
    beside: true,
  },
  races: {
    perform: (execute) => testNative(execute, 'build/thread', ['-DNIBBLE_SANITIZE=thread'], THREADED),
    beside: true,
  },
};

const { values } = readOptions({ options: { only: { type: 'string' }, fix: { type: 'boolean' } } });

await main(async () => {
  requireNode();
  requirePackages();
  if (values.fix) return checkFormat(true);
  const names = values.only?.split(',') ?? Object.keys(STEPS);
  const unknown = names.find((name) => !Object.hasOwn(STEPS, name));
  if (unknown) throw new BuildError(`There is no step '${unknown}'; the steps are ${Object.keys(STEPS).join(', ')}.`);
  /** @type {Awaited<ReturnType<typeof step>>[]} */
  const results = [];
  /** @param {string[]} steps @param {Execute} executor */
  const takeTurns = async (steps, executor) => {
    for (const name of steps) results.push(await step(name, executor));
  };
  const [beside, others] = [true, false].map((is) => names.filter((name) => (STEPS[name].beside ?? false) === is));
  // What these need is installed before anything else begins.
  const turns = takeTurns(beside, others.length > 0 ? executeQuietly : execute);
  await Promise.all([turns, takeTurns(others, execute)]);
  summarise(results);
});

/** @param {string} name @param {Execute} executor */
async function step(name, executor) {
  console.log(`\n== ${name}`);
  const start = performance.now();
  let problem = null;
  let results = [];
  try {
    results = (await STEPS[name].perform(executor)) ?? [];
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    problem = error.message;
    results = untyped(error).results ?? [];
    console.error(problem);
  }
  return { name, problem, results, seconds: (performance.now() - start) / 1000 };
}

/** A step without tests of its own counts as one. @param {Awaited<ReturnType<typeof step>>[]} steps */
function summarise(steps) {
  console.log('\n== summary');
  for (const { name, problem, seconds } of steps) {
    console.log(
      `  ${name.padEnd(10)} ${problem ? 'FAILED' : 'passed'} ${seconds.toFixed(1).padStart(7)} s  ${problem ?? ''}`,
    );
  }
  const counted = steps.flatMap(({ name, problem, results }) => {
    const told = results.some((/** @type {{ verdicts: Verdict[] }} */ { verdicts }) =>
      verdicts.some((/** @type {{ verdict: string }} */ { verdict }) => !problem || verdict === 'failed'),
    );
    const whole = { place: name, verdicts: [{ verdict: problem ? 'failed' : 'passed', name: 'the step' }] };
    return told ? results : [...results, whole];
  });
  for (const line of summariseVerdicts(counted)) console.log(line);
  if (steps.some(({ problem }) => problem)) process.exitCode = 1;
}

/**
 * Runs a command that says what it does as it goes.
 * @param {string} command
 * @param {string[]} args
 * @throws {BuildError}
 */
async function execute(command, args, env = process.env) {
  const child = spawn(command, args, { cwd: ROOT, env, stdio: 'inherit' });
  const status = await statusOf(child);
  if (status !== 0) throw failure(command, args, status);
}

/**
 * Runs a command at a low priority, and shows what it says when it has ended.
 * @param {string} command
 * @param {string[]} args
 * @throws {BuildError}
 */
async function executeQuietly(command, args, env = process.env) {
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
  }
  if (child.pid) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  const status = await statusOf(child);
  console.log(`\n${command} ${args.join(' ')}\n${text.trim()}`);
  if (status !== 0) throw failure(command, args, status);
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @returns {Promise<number | string>} its exit code, the signal that ended it, or why it did not start
 */
function statusOf(child) {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    // One of both is there.
    child.once('close', (code, signal) => resolve(/** @type {number | string} */ (code ?? signal)));
  });
}

/** @param {string} command @param {string[]} args @param {string | number} status */
function failure(command, args, status) {
  return new BuildError(`'${command} ${args.join(' ')}' failed (${status}); its output above says why.`);
}

// Other versions of clang-format break lines differently, so only Debian 12's is asked.
/** @param {boolean} fix */
function checkFormat(fix) {
  const formatter = FORMATTER.find((name) => has(name) && / 14\./.test(run(name, ['--version'], { capture: true })));
  const sources = filesBelow(['src', 'wasm', 'tests'], (path) => /\.[ch]$/.test(path)).map((path) =>
    relative(ROOT, path),
  );
  const why = "The C sources are not in the project's format; 'npm run format' mends that.";
  if (formatter) run(formatter, fix ? ['-i', ...sources] : ['--dry-run', '-Werror', ...sources], { why });
  const biome = 'node_modules/@biomejs/biome/bin/biome';
  run(process.execPath, [biome, 'check', ...(fix ? ['--write'] : ['--error-on-warnings']), '.'], {
    why: "Biome found something (above); 'npm run format' mends what it can.",
  });
  const reason = 'clang-format 14 is not installed';
  const missing = { verdict: 'skipped', name: 'the format of the C sources', reason };
  return [{ place: 'format', verdicts: [{ verdict: 'passed', name: 'the step' }, ...(formatter ? [] : [missing])] }];
}

/** @param {Execute} executor @param {string} folder @param {string[]} options @param {string[] | null} [tests] */
async function testNative(executor, folder, options, tests = null) {
  requireCmake();
  requireCompiler();
  await executor('cmake', ['-B', folder, `-DNIBBLE_ALL_ROUNDS=${ALL_ROUNDS ? 'ON' : 'OFF'}`, ...options]);
  await executor('cmake', ['--build', folder, '--parallel', PROCESSORS, ...(tests ? ['--target', ...tests] : [])]);
  const records = mkdtempSync(join(tmpdir(), 'nibble-verdicts-'));
  const record = join(records, 'native');
  const test = ['--test-dir', folder, '--parallel', PROCESSORS, '--output-on-failure', '--no-tests=error'];
  if (tests) test.push('--tests-regex', `^(${tests.join('|')})$`);
  const read = () => [{ place: folder, verdicts: readVerdicts(record) }];
  try {
    await executor('ctest', test, { NIBBLE_FIXTURES: FIXTURES, ...process.env, NIBBLE_VERDICTS: record });
    return read();
  } catch (error) {
    throw Object.assign(untyped(error), { results: read() });
  } finally {
    rmSync(records, { recursive: true, force: true });
  }
}

async function testNode() {
  requireChromium();
  // Installed before anything is measured by a clock, and its absence told once more by what is skipped.
  for (const browser of BROWSERS) {
    const missing = skipWithoutBrowser(browser);
    if (missing) console.log(missing);
  }
  const files = filesBelow(['tests'], (path) => path.endsWith('.test.js')).map((path) => relative(ROOT, path));
  const ordered = [...LONG.filter((path) => files.includes(path)), ...files.filter((path) => !LONG.includes(path))];
  const results = await runTestFiles(ordered, { lanes: LANES, beside: WAITING });
  printResults(results);
  const failed = results.filter(({ passed }) => !passed).map(({ place }) => place);
  if (failed.length === 0) return results;
  throw Object.assign(new BuildError(`A test failed (above) in ${failed.join(', ')}.`), { results });
}
