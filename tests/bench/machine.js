// What a benchmark was run on, how busy that was, and what memory the processes took. Linux tells most of it in /proc;
// what another system does not tell is null.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs';
import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageFacts } from '../../js/commands/machine.js';
import { ROOT } from '../../wasm/shell.js';

/** @param {string} path */
const readText = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};

function uncommittedChanges() {
  try {
    const args = ['-C', ROOT, 'status', '--porcelain', '--', 'src', 'wasm', 'js', 'CMakeLists.txt', 'emscripten.cmake'];
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() !== '';
  } catch {
    return null;
  }
}

export function machineFacts() {
  const processors = cpus();
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readText('/proc/cpuinfo') ?? '')?.[1].split(' ') ?? null;
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cpuFlags: flags,
    cores: processors.length,
    memoryBytes: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.versions.node,
    v8: process.versions.v8,
  };
}

/** Version, commit, and whether the sources differ from it. */
export function sourceFacts() {
  const { nibble_version: version, build_commit: commit } = packageFacts();
  return { version, commit, uncommittedChanges: uncommittedChanges() };
}

/** @param {string} path @returns {Promise<{ name: string, bytes: number, sha256: string }>} */
export async function modelFacts(path) {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 22 })) hash.update(piece);
  return { name: basename(path), bytes: statSync(path).size, sha256: hash.digest('hex') };
}

/** The load average over the last minute; null on Windows, which has none. */
export const loadAverage = () => (platform() === 'win32' ? null : loadavg()[0]);

/** How many processors are at work while we are not: the mean over half a second. */
export async function busyProcessors() {
  const sum = () =>
    cpus().reduce(
      (total, { times }) => {
        const all = times.user + times.nice + times.sys + times.idle + times.irq;
        return { busy: total.busy + all - times.idle, all: total.all + all };
      },
      { busy: 0, all: 0 },
    );
  const before = sum();
  await sleep(500);
  const after = sum();
  return ((after.busy - before.busy) / Math.max(after.all - before.all, 1)) * cpus().length;
}

/** @returns {{ id: number, parent: number, command: string[] }[]} the processes that descend from one, by default ours */
function descendants(ancestor = process.pid) {
  let names;
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  /** @type {Map<number, number[]>} */
  const children = new Map();
  for (const name of names) {
    // The command's name stands in parentheses and may hold anything, so the parent is looked for behind it.
    const parent = Number(/.*\) \S (\d+)/s.exec(readText(`/proc/${name}/stat`) ?? '')?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
  }
  const found = [];
  for (const queue = [ancestor]; queue.length > 0; ) {
    const parent = /** @type {number} */ (queue.shift());
    for (const id of children.get(parent) ?? []) {
      // Chromium rewrites its command line, with spaces for the zeros between arguments.
      const command = (readText(`/proc/${id}/cmdline`) ?? '').split(/\0| (?=--)/).filter(Boolean);
      found.push({ id, parent, command });
      queue.push(id);
    }
  }
  return found;
}

/**
 * A line of /proc/ID/status of each process of a browser's pages, in bytes.
 * @param {string} line
 * @param {number | undefined} [ancestor]
 */
const pageBytes = (line, ancestor) =>
  descendants(ancestor)
    .filter(({ command }) => command.includes('--type=renderer'))
    .map(
      ({ id }) =>
        1024 * Number(new RegExp(`^${line}:\\s+(\\d+) kB$`, 'm').exec(readText(`/proc/${id}/status`) ?? '')?.[1]),
    )
    .filter((bytes) => bytes > 0);

/**
 * The most memory that a page's process of our browser has taken.
 * @param {number} [ancestor] the process that the browser is, or that started it; ours
 * @returns {number | null} in bytes; null where nobody tells
 */
export function pagePeakBytes(ancestor) {
  const peaks = pageBytes('VmHWM', ancestor);
  return peaks.length === 0 ? null : Math.max(...peaks);
}

/** The memory that all processes of our browser's pages take, in bytes; null where nobody tells. */
export function pagesResidentBytes() {
  const sizes = pageBytes('VmRSS');
  return sizes.length === 0 ? null : sizes.reduce((sum, size) => sum + size, 0);
}

/** The flags that our browser was started with, without its profile's folder; null where nobody tells. */
export function browserFlags() {
  const browser = descendants().find(
    ({ command }) => command.some((word) => word.startsWith('--headless')) && !/--type=/.test(command.join(' ')),
  );
  return (
    browser?.command.slice(1).filter((flag) => flag.startsWith('--') && !flag.startsWith('--user-data-dir')) ?? null
  );
}
