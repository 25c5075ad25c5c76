// What the build and test scripts share: running commands, saying what is missing in one sentence, doing work only
// where its inputs changed. Node's own modules only, since these scripts run before `npm ci` has.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** How many jobs `cmake --build --parallel` starts; without a number, make would start all of them at once. */
export const PROCESSORS = String(availableParallelism());

/** A failure that is explained by its message alone: what is missing or broke, and what to do. */
export class BuildError extends Error {}

/**
 * Runs a command in the checkout, its output shown as it comes.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, capture?: boolean, why?: string }} [options] `capture` returns stdout instead of
 *   showing it; `why` replaces the sentence of the error.
 * @returns {string} what was captured, '' otherwise
 * @throws {BuildError} if the command cannot be started or does not end with 0
 */
export function run(command, args, { env = process.env, capture = false, why } = {}) {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    env,
    encoding: 'utf8',
    stdio: ['inherit', capture ? 'pipe' : 'inherit', 'inherit'],
  });
  if (result.error) throw new BuildError(why ?? `${command} could not be started (${result.error.message}).`);
  if (result.status !== 0) {
    const end = result.signal ? `was stopped by ${result.signal}` : `failed with exit code ${result.status}`;
    throw new BuildError(why ?? `'${command} ${args.join(' ')}' ${end}; its output above says why.`);
  }
  return result.stdout ?? '';
}

/** Whether a command can be started: `args` must make it end quickly with 0. @param {string} command */
export function has(command, args = ['--version']) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** @throws {BuildError} if this Node.js is too old for the scripts */
export function requireNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= 20) return;
  throw new BuildError(`Node.js 20 or newer is needed and this is ${process.versions.node}; install a newer one.`);
}

/** @throws {BuildError} naming what this machine lacks to build with CMake */
export function requireCmake() {
  if (!has('cmake')) throw new BuildError('cmake is missing; install it (on Debian: apt-get install cmake).');
  if (process.env.CMAKE_GENERATOR || has('make') || installDebian('make')) return;
  throw new BuildError('make is missing; install it (on Debian: apt-get install make).');
}

/** @throws {BuildError} if no C compiler is there */
export function requireCompiler() {
  if ([process.env.CC ?? 'cc', 'gcc', 'clang'].some((compiler) => has(compiler))) return;
  throw new BuildError('A C compiler is missing; install one (on Debian: apt-get install gcc libc6-dev).');
}

/** Installs the packages of package-lock.json, unless each is there in its version. */
export function requirePackages() {
  const read = (/** @type {string} */ path) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));
  /** @param {[path: string, entry: { version: string, optional?: boolean }]} of the lock */
  const installed = ([path, { version, optional }]) => {
    if (path === '' || optional) return true;
    return existsSync(join(ROOT, path)) && read(join(path, 'package.json')).version === version;
  };
  if (Object.entries(read('package-lock.json').packages).every(installed)) return;
  run('npm', ['ci', '--no-audit', '--no-fund'], {
    why: "'npm ci' could not install the packages of package-lock.json; its output above says why.",
  });
}

/** Whether packages can be installed here: Debian's apt-get, run by root or through sudo without a password. */
function aptCommand() {
  if (!has('apt-get')) return null;
  if (process.getuid?.() === 0) return ['apt-get'];
  return has('sudo', ['-n', 'true']) ? ['sudo', 'apt-get'] : null;
}

/**
 * Installs Debian packages where that is possible.
 * @param {string[]} packages
 * @returns {boolean} whether they are installed now
 */
export function installDebian(...packages) {
  const apt = aptCommand();
  if (!apt) return false;
  const [command, ...first] = apt;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync(command, [...first, 'update', '-q'], { stdio: 'ignore', env });
  const install = ['install', '-y', '-q', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', ...packages];
  console.log(`Installing ${packages.join(', ')}.`);
  return spawnSync(command, [...first, ...install], { stdio: ['ignore', 'ignore', 'inherit'], env }).status === 0;
}

/**
 * Every file below `folders` (or the file itself, where one is named) whose name `wanted` accepts, sorted.
 * @param {string[]} folders relative to the checkout
 * @param {(path: string) => boolean} [wanted] asked with whole paths
 * @returns {string[]} whole paths
 */
export function filesBelow(folders, wanted = () => true) {
  /** @type {string[]} */
  const found = [];
  const visit = (/** @type {string} */ path) => {
    if (!existsSync(path)) return;
    if (!statSync(path).isDirectory()) {
      if (wanted(path)) found.push(path);
      return;
    }
    for (const name of readdirSync(path)) {
      if (!name.startsWith('.') && name !== 'node_modules') visit(join(path, name));
    }
  };
  for (const folder of folders) visit(join(ROOT, folder));
  return found.sort();
}

/**
 * A record of the inputs that a result was made from. It is written after the result is complete, so work that was cut
 * short counts as not done.
 */
export class Stamp {
  /**
   * @param {string} path of the record, relative to the checkout
   * @param {(string|Uint8Array)[]} inputs paths of files, or contents
   * @param {string[]} [outputs] what must exist for the result to count, relative to the checkout
   */
  constructor(path, inputs, outputs = []) {
    this.path = join(ROOT, path);
    this.outputs = outputs;
    const hash = createHash('sha256');
    for (const input of inputs) {
      hash.update(typeof input === 'string' ? `\n${relative(ROOT, input)}\n` : '\n');
      hash.update(typeof input === 'string' ? readFileSync(input) : input);
    }
    this.digest = hash.digest('hex');
  }

  fresh() {
    if (!this.outputs.every((path) => existsSync(join(ROOT, path)))) return false;
    return existsSync(this.path) && readFileSync(this.path, 'utf8') === this.digest;
  }

  clear() {
    rmSync(this.path, { force: true });
  }

  write() {
    mkdirSync(dirname(this.path), { recursive: true });
    writeFileSync(this.path, this.digest);
  }
}

/** Prints the size of each file, as it is and compressed as a server would send it. @param {string[]} paths relative to the checkout */
export function printSizes(paths) {
  for (const path of paths) {
    const bytes = readFileSync(join(ROOT, path));
    const raw = bytes.length.toLocaleString('en').padStart(9);
    const gzip = gzipSync(bytes, { level: 9 }).length.toLocaleString('en').padStart(9);
    console.log(`  ${path.padEnd(34)} ${raw} bytes ${gzip} gzip`);
  }
}

/** Runs a script's main function; a BuildError becomes its one sentence and exit code 1. @param {() => unknown} action */
export async function main(action) {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

/**
 * The options of the script that was started, by parseArgs() of Node. --help tells how it is used, which is what its
 * first comment says, and a wrong option is told with that: the process ends then, with exit code 0 or 1.
 * @template {import('node:util').ParseArgsConfig} Config
 * @param {Config} config
 */
export function readOptions(config) {
  const use = heading(process.argv[1]);
  if (process.argv.slice(2).includes('--help')) {
    console.log(use);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    console.error(`${message.split('. ')[0].replace(/\.$/, '')}.\n${use}`);
    process.exit(1);
  }
}

/** The comment that a script begins with, behind the line for the shell. @param {string} path */
function heading(path) {
  const lines = readFileSync(path, 'utf8').split('\n');
  const start = lines[0].startsWith('#!') ? 1 : 0;
  const end = lines.findIndex((line, place) => place >= start && !line.startsWith('//'));
  return lines
    .slice(start, end)
    .join('\n')
    .replaceAll(/^\/\/ ?/gm, '');
}

/** Whether a module (its import.meta.url) is the script that was started. @param {string} url */
export function isMain(url) {
  return process.argv[1] !== undefined && fileURLToPath(url) === process.argv[1];
}
