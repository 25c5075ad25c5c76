// The fuzz targets in C: built by clang with its sanitizers, driven by libFuzzer.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PROCESSORS, ROOT, requireCmake, run } from '../../wasm/shell.js';

const COMPILERS = ['clang', ...[20, 19, 18, 17, 16, 15, 14].map((version) => `clang-${version}`)];
const TARGET = 'int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return data == 0 && size > 0; }';
const BUILD = 'build/fuzz';
/** Where inputs that break a promise are kept. */
export const FINDINGS = `${BUILD}/findings`;

// Of one input: far above what any takes, also on a busy machine.
const PATIENCE_SECONDS = 60;
const MEGABYTES = 2048;
const SHOWN_LINES = 80;

/** A clang that has libFuzzer and the sanitizers, or null. */
function findCompiler() {
  const folder = mkdtempSync(join(tmpdir(), 'nibble-fuzz-'));
  const args = ['-fsanitize=fuzzer,address,undefined', '-x', 'c', '-', '-o', join(folder, 'target')];
  /** @param {string} compiler */
  const works = (compiler) => spawnSync(compiler, args, { input: TARGET }).status === 0;
  const found = COMPILERS.find(works) ?? null;
  rmSync(folder, { recursive: true, force: true });
  return found;
}

/**
 * Builds the targets.
 * @returns {string | null} what is missing, in a sentence, where they cannot be built here
 * @throws {import('../../wasm/shell.js').BuildError}
 */
export function buildTargets() {
  const compiler = findCompiler();
  if (compiler === null)
    return 'clang with libFuzzer is missing, which builds the fuzz targets in C (on Debian: apt-get install clang)';
  requireCmake();
  run('cmake', ['-B', BUILD, '-DNIBBLE_FUZZ=ON', `-DCMAKE_C_COMPILER=${compiler}`], { capture: true });
  run('cmake', ['--build', BUILD, '--parallel', PROCESSORS, '--target', 'fuzzers'], { capture: true });
  return null;
}

/** @param {string} name */
const programOf = (name) => `${BUILD}/${name.replaceAll('-', '_')}_fuzz`;

/**
 * Runs a target once, until it has tried so many inputs or one breaks a promise.
 * @param {string} name
 * @param {{ seed: number, first: number, count: number, longest: number | undefined, keep: boolean }} cases `keep`: inputs that reach
 *   something new are kept, and later runs begin from them; otherwise the seed gives the same inputs again
 * @returns {Promise<import('./fuzz.js').Fault[]>}
 */
export async function fuzzTarget(name, { seed, first, count, longest, keep }) {
  mkdirSync(join(ROOT, FINDINGS), { recursive: true });
  const grown = keep ? join(ROOT, BUILD, 'grown', name) : mkdtempSync(join(tmpdir(), 'nibble-fuzz-'));
  mkdirSync(grown, { recursive: true });
  const before = new Set(readdirSync(join(ROOT, FINDINGS)));
  // To libFuzzer, 0 means any.
  const options = { seed: (seed + first) % 2 ** 32 || 1, runs: count, max_len: longest, timeout: PATIENCE_SECONDS };
  Object.assign(options, { rss_limit_mb: MEGABYTES, artifact_prefix: `${FINDINGS}/${name}-` });
  const args = Object.entries(options).map(([key, value]) => `-${key}=${value}`);
  const { status, text } = await execute(programOf(name), [...args, grown, `tests/fuzz/corpus/${name}`]);
  if (!keep) rmSync(grown, { recursive: true, force: true });
  if (status === 0) return [];
  const lines = text.trim().split('\n');
  const report = lines.findIndex((line) => /broken promise|runtime error|^==\d+==|^ALARM/.test(line));
  const message = lines.slice(Math.max(report, 0)).slice(0, SHOWN_LINES).join('\n');
  const found = readdirSync(join(ROOT, FINDINGS)).filter((file) => !before.has(file) && file.startsWith(`${name}-`));
  const again = found.map((file) => `${programOf(name)} ${FINDINGS}/${file}`).join('\n');
  return [{ index: first, message: `${name} ended with ${status}.\n${message}`, ...(again && { again }) }];
}

/**
 * @param {string} program
 * @param {string[]} args
 * @returns {Promise<{ status: number | string | null, text: string }>} the exit code, or what ended it
 */
function execute(program, args) {
  const child = spawn(join(ROOT, program), args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece) => {
      text += piece;
    });
  }
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ status: error.message, text }));
    child.once('close', (code, signal) => resolve({ status: code ?? signal, text }));
  });
}
