// Runs test files beside each other, each in a process of its own, and tells what came of them.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve as resolvePath } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from '../wasm/shell.js';
import { present } from './present.js';
import { readVerdicts } from './verdicts.js';

/** @typedef {import('./verdicts.js').Verdict} Verdict */

// A browser that hangs must end as a failed test, not as a run that never ends: far above the slowest file on a slow
// machine, first for what runs in the file, then for its process.
const TEST_MILLISECONDS = 8 * 60 * 1000;
const FILE_MILLISECONDS = 10 * 60 * 1000;
const LEFT_BEHIND_MILLISECONDS = 10_000;
const SLOWEST = 15;
const REPORTER = fileURLToPath(new URL('verdicts.js', import.meta.url));

/**
 * @typedef {object} FileResult
 * @property {string} place the path of the file
 * @property {boolean} passed
 * @property {number} seconds
 * @property {import('./verdicts.js').Verdict[]} verdicts at least one; one that failed where the file did not pass
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
  /** @type {FileResult[]} */
  const results = [];
  const folder = mkdtempSync(join(tmpdir(), 'nibble-verdicts-'));
  /** @param {string | undefined} path */
  const runOne = async (path) => {
    const result = await runFile(present(path), join(folder, String(paths.indexOf(present(path)))));
    results.push(result);
    const { verdicts, seconds, output } = result;
    console.log(`\n${path}: ${verdicts.length} tests, ${seconds.toFixed(1)} s\n${output}`);
  };
  const queue = paths.filter((path) => !beside.includes(path));
  const lane = async () => {
    while (queue.length > 0) await runOne(queue.shift());
  };
  try {
    await Promise.all([
      ...paths.filter((path) => beside.includes(path)).map(runOne),
      ...Array.from({ length: lanes }, lane),
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return results;
}

/** @param {string} path @param {string} record where its verdicts are written @returns {Promise<FileResult>} */
function runFile(path, record) {
  const start = performance.now();
  const reporters = ['--test-reporter=spec', '--test-reporter-destination=stdout'];
  reporters.push(`--test-reporter=${REPORTER}`, `--test-reporter-destination=${record}`);
  const args = ['--test', ...reporters, `--test-timeout=${TEST_MILLISECONDS}`, path];
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
    /** @param {number | null} status */
    const end = (status) => {
      clearTimeout(timer);
      const seconds = (performance.now() - start) / 1000;
      resolve({ place: path, ...judge(path, status, readVerdicts(record)), output: text.trim(), seconds });
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

/**
 * A file without a test has not been run; what goes wrong outside of the tests is a failure of the file, and so is a test
 * that is skipped without a reason, which node:test lets pass.
 * @param {string} path
 * @param {number | null} status its exit code; null: it did not start, or was ended by a signal
 * @param {Verdict[]} written
 */
function judge(path, status, written) {
  const file = resolvePath(ROOT, path);
  const verdicts = written.filter(({ name }) => name !== file && name !== path);
  const isFailed = verdicts.some(({ verdict }) => verdict === 'failed');
  const passed = status === 0 && verdicts.length > 0 && !isFailed;
  if (!passed && !isFailed) {
    const name = status === 0 ? 'the file has no test' : `the file ended with ${status}`;
    verdicts.push({ verdict: 'failed', name });
  }
  return { passed, verdicts };
}

/** Prints which files took longest, and what failed. @param {FileResult[]} results */
export function printResults(results) {
  console.log(`\n${results.length} files. The longest:`);
  const slowest = [...results].sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
  for (const { place, seconds } of slowest) console.log(`  ${seconds.toFixed(1).padStart(7)} s  ${place}`);
  for (const { place, output, verdicts } of results.filter(({ passed }) => !passed)) {
    const failures = output.indexOf('✖ failing tests:');
    const failed = verdicts.filter(({ verdict }) => verdict === 'failed').map(({ name }) => `  ${name}`);
    console.log(`\nFAILED ${place}\n${failed.join('\n')}\n${failures < 0 ? output : output.slice(failures)}`);
  }
}
