// The engines that can be measured, and how a peer gets here: npm installs it into build/peers/, when it is asked for
// and missing. None of them is a dependency of the package.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../../wasm/shell.js';
import { present } from '../present.js';

const PEERS = join(ROOT, 'build/peers');
const INSTALL_MINUTES = 10;

/**
 * @typedef {object} EngineKind
 * @property {string} label
 * @property {'page' | 'process'} runsIn
 * @property {string} driver its file in drivers/
 * @property {string} [package] what npm installs
 * @property {string} [version]
 */

/** @type {Record<string, EngineKind>} */
export const ENGINES = {
  nibble: { label: 'Nibble', runsIn: 'page', driver: 'nibble-page' },
  'nibble-complete': { label: 'Nibble, complete()', runsIn: 'page', driver: 'nibble-complete' },
  'nibble-node': { label: 'Nibble in Node', runsIn: 'process', driver: 'nibble-node' },
  'wllama-2': { label: 'wllama 2', runsIn: 'page', driver: 'wllama-2', package: '@wllama/wllama', version: '2.3.1' },
  'wllama-3': { label: 'wllama 3', runsIn: 'page', driver: 'wllama-3', package: '@wllama/wllama', version: '3.13.0' },
  'llama.cpp': {
    label: 'node-llama-cpp',
    runsIn: 'process',
    driver: 'llama-cpp',
    package: 'node-llama-cpp',
    version: '3.22.1',
  },
};

export const PEER_NAMES = Object.keys(ENGINES).filter((name) => ENGINES[name].package !== undefined);

// node-llama-cpp's binaries are packages of their own. Naming the one for the CPU leaves out those for GPUs: 600 MB.
/** @type {Record<string, string>} */
const LLAMA_BINARIES = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'darwin-x64': 'mac-x64',
  'darwin-arm64': 'mac-arm64-metal',
  'win32-x64': 'win-x64',
};

const platform = `${process.platform}-${process.arch}`;

/** @param {string} name */
function packagesOf(name) {
  const { package: main, version } = ENGINES[name];
  const binary = name === 'llama.cpp' ? LLAMA_BINARIES[platform] : undefined;
  if (!binary) return { wanted: [`${main}@${version}`], options: [] };
  return { wanted: [`${main}@${version}`, `@node-llama-cpp/${binary}@${version}`], options: ['--omit=optional'] };
}

/** The line of npm's that says most; it also prints codes, places of logs and advice. @param {{ stderr?: unknown, message: string }} error */
function npmReason({ stderr, message }) {
  const lines = [...`${stderr ?? ''}`.matchAll(/^npm error (.*)$/gm)].map(([, line]) => line);
  const telling = lines.find((line) =>
    /request to .* failed|no matching|not found|ENOTFOUND|ENOSPC|EACCES/i.test(line),
  );
  return (telling ?? lines[0] ?? message).trim().replace(/\.$/, '');
}

/** @param {string} folder @param {string[]} wanted @param {string[]} options @param {AbortSignal | undefined} signal */
async function install(folder, wanted, options, signal) {
  mkdirSync(folder, { recursive: true });
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--fetch-retries=1'];
  const args = ['install', '--prefix', folder, ...quiet, ...options, ...wanted];
  try {
    await promisify(execFile)('npm', args, { signal, timeout: INSTALL_MINUTES * 60_000, cwd: folder });
  } catch (reason) {
    // As execFile() says it.
    const error = /** @type {import('node:child_process').ExecFileException} */ (reason);
    const cause = error.killed ? `npm took more than ${INSTALL_MINUTES} minutes` : npmReason(error);
    throw new Error(`npm could not install ${wanted.join(' ')}: ${cause}`);
  }
}

/** @param {string} folder @param {string | undefined} name */
const installedVersion = (folder, name) => {
  const file = join(folder, 'node_modules', present(name), 'package.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : null;
};

/**
 * The folder of a peer's package, installed first where it is missing.
 * @param {string} name in PEER_NAMES
 * @param {{ note: (sentence: string) => void, signal?: AbortSignal }} context
 * @returns {Promise<{ path: string, version: string }>}
 * @throws {Error} whose message says why it cannot be had
 */
export async function requirePeer(name, { note, signal }) {
  const folder = join(PEERS, name);
  const { package: main, version } = ENGINES[name];
  if (installedVersion(folder, main) !== version) {
    const { wanted, options } = packagesOf(name);
    note(`Installing ${wanted.join(' ')} into build/peers/${name}.`);
    await install(folder, wanted, options, signal);
  }
  return { path: join(folder, 'node_modules', present(main)), version: installedVersion(folder, main) };
}

/**
 * The newest Node that npm has for this machine, or else the running one.
 * @param {{ note: (sentence: string) => void, signal?: AbortSignal }} context
 * @returns {Promise<string>} the path of its executable
 */
export async function requireNewestNode({ note, signal }) {
  const folder = join(PEERS, 'node');
  const name = `node-${platform.replace('win32', 'win')}`;
  const executable = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  try {
    if (!existsSync(executable)) {
      note(`Installing ${name} into build/peers/node.`);
      await install(folder, [name], [], signal);
    }
    if (existsSync(executable)) return executable;
    note(`The package ${name} has no Node in it; the running one, ${process.versions.node}, is measured.`);
  } catch (/** @type {any} */ error) {
    if (signal?.aborted) throw error;
    note(`${error.message}. The running Node, ${process.versions.node}, is measured.`);
  }
  return process.execPath;
}
