// Runs test files beside each other, each in a process of its own, and tells what came of them.
import { spawn } from 'node:child_process';
import { ROOT } from '../wasm/shell.js';

// A browser that hangs must end as a failed test, not as a run that never ends: far above the slowest file on a slow
// machine, first for what runs in the file, then for its process.
const TEST_MILLISECONDS = 8 * 60 * 1000;
const FILE_MILLISECONDS = 10 * 60 * 1000;
const LEFT_BEHIND_MILLISECONDS = 10_000;
const SLOWEST = 10;

/**
 * @typedef {object} FileResult
 * @property {string} path
 * @property {boolean} passed
 * @property {number} seconds
 * @property {Record<string, number>} counts of the tests: `tests`, `pass`, `fail`, `cancelled`, `skipped`, `todo`
 * @property {string} output
 */

/**
 * Runs each file, and prints what it says as soon as it has ended.
 * @param {string[]} paths in this order
 * @param {{ lanes: number, beside?: string[] }} options how many at a time; and which of them mostly wait, so that they
 *   all begin at once and take no lane
 * @returns {Promise<FileResult[]>} as they ended
 */
export async function runTestFiles(paths, { lanes, beside = [] }) {
  const results = [];
  const runOne = async (path) => {
    const result = await runFile(path);
    results.push(result);
    const { counts, seconds, output } = result;
    console.log(`\n${path}: ${counts.tests ?? 0} tests, ${seconds.toFixed(1)} s\n${output}`);
  };
  const queue = paths.filter((path) => !beside.includes(path));
  const lane = async () => {
    while (queue.length > 0) await runOne(queue.shift());
  };
  await Promise.all([...beside.map(runOne), ...Array.from({ length: lanes }, lane)]);
  return results;
}

/** @returns {Promise<FileResult>} */
function runFile(path) {
  const start = performance.now();
  const args = ['--test', '--test-reporter=spec', `--test-timeout=${TEST_MILLISECONDS}`, path];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
  }
  const timer = setTimeout(() => {
    text += `\nThe file had not ended after ${FILE_MILLISECONDS / 60_000} minutes and was stopped.\n`;
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 5000).unref();
  }, FILE_MILLISECONDS);
  return new Promise((resolve) => {
    const end = (status) => {
      clearTimeout(timer);
      const { counts, output } = readSummary(text);
      // A file that ends well without a test has not been run.
      const passed = status === 0 && counts.tests > 0;
      resolve({ path, passed, counts, output, seconds: (performance.now() - start) / 1000 });
    };
    child.once('error', (error) => {
      text += String(error);
      end(null);
    });
    child.once('close', end);
    // What a test has left behind may hold the output open for ever.
    child.once('exit', (status) => setTimeout(end, LEFT_BEHIND_MILLISECONDS, status).unref());
  });
}

/** Takes the counts at the end of what the spec reporter writes from its text. */
function readSummary(text) {
  const counts = {};
  const lines = text.split('\n').filter((line) => {
    const found = /^ℹ (tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)$/.exec(line);
    if (found) counts[found[1]] = Number(found[2]);
    return !found;
  });
  return { counts, output: lines.join('\n').trim() };
}

/** Prints the counts of all, which files took longest, and what failed. */
export function printResults(results) {
  const sum = (name) => results.reduce((total, { counts }) => total + (counts[name] ?? 0), 0);
  const names = ['tests', 'pass', 'fail', 'cancelled', 'skipped', 'todo'];
  console.log(`\n${results.length} files: ${names.map((name) => `${name} ${sum(name)}`).join(', ')}`);
  console.log('The longest:');
  const slowest = [...results].sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
  for (const { path, seconds } of slowest) console.log(`  ${seconds.toFixed(1).padStart(7)} s  ${path}`);
  for (const { path, output } of results.filter(({ passed }) => !passed)) {
    const failures = output.indexOf('✖ failing tests:');
    console.log(`\nFAILED ${path}\n${failures < 0 ? output : output.slice(failures)}`);
  }
}
