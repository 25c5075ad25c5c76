// Locks between processes that share a folder, of one machine or of several: leases whose entries are empty-handed files.
//
//   <store>/locks/<hash of the lock's name> alone <process>.<thread>.<its start>.<machine> <number>
//
// On one machine the system tells whether a process has ended, and by its start whether its number was given again. Of a
// worker that has ended in a process that goes on, the process itself tells: releaseThread().
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { open, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { codeOf, hasCode } from '../base/errors.js';
import { Leases } from './leases.js';
import { makeFolder } from './make-folder.node.js';

/** @param {string} text @param {number} digits */
const hash = (text, digits) => createHash('sha256').update(text).digest('hex').slice(0, digits);

/**
 * @param {string} folder
 * @param {typeof import('./leases.js').LEASE_TIMES} [times]
 * @returns {Leases}
 */
export function folderLeases(folder, times) {
  const machine = machineName();
  const owner = `${ownerPrefix(threadId)}${startOf(process.pid) ?? 0}.${machine}`;
  /** @param {string} entry */
  const pathOf = (entry) => join(folder, entry);
  return new Leases(
    {
      owner,
      keyOf: (name) => hash(name, 40),
      list: async () => (await orNull(readdir(folder))) ?? [],
      async read(entry) {
        const file = await orNull(open(pathOf(entry), 'r'));
        if (file === null) return null;
        try {
          // Opened anew each time: a network's file system then asks its server.
          const { mtimeMs } = await file.stat();
          return { text: await file.readFile('utf8'), age: Date.now() - mtimeMs };
        } finally {
          await file.close();
        }
      },
      async add(entry, text) {
        // As all else of a store it is made anew where somebody removed it.
        await makeFolder(folder);
        await writeFile(pathOf(entry), text);
      },
      async renew(entry, text) {
        const file = await orNull(open(pathOf(entry), 'r+'));
        if (file === null) return false;
        await file.write(text, 0).finally(() => file.close());
        return true;
      },
      remove: (entry) => rm(pathOf(entry), { recursive: true, force: true }),
      isGone: (other) => isGone(other, machine),
    },
    `process ${process.pid} on ${hostname()}`,
    times,
  );
}

/**
 * Removes what a thread of this process has left in a store's folder. To be called once it has ended.
 * @param {string} folder of the locks
 * @param {number} thread
 */
export async function releaseThread(folder, thread) {
  const machine = machineName();
  for (const entry of (await orNull(readdir(folder))) ?? []) {
    const owner = entry.split(' ')[2] ?? '';
    if (owner.startsWith(ownerPrefix(thread)) && owner.endsWith(`.${machine}`))
      await rm(join(folder, entry), { force: true });
  }
}

/** @param {number} thread */
const ownerPrefix = (thread) => `${process.pid}.${thread}.`;

/** Of processes that number one another alike: a machine since its start, and in it a container. */
function machineName() {
  const facts = [
    orUndefined(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    orUndefined(() => readlinkSync('/proc/self/ns/pid')),
  ];
  return hash(facts.includes(undefined) ? hostname() : facts.join(), 16);
}

/** When a process began, in the system's own units; undefined where the system does not tell. @param {number | string} pid */
function startOf(pid) {
  const stat = orUndefined(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The name of the program, in brackets, may hold anything.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

/** @param {string | undefined} owner @param {string} machine */
async function isGone(owner, machine) {
  const [pid = '', , start, itsMachine] = owner?.split('.') ?? [];
  if (itsMachine !== machine) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return true;
  }
  const found = startOf(pid);
  return found !== undefined && start !== '0' && found !== start;
}

/** @template T @param {() => T} read @returns {T | undefined} */
function orUndefined(read) {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** @template T @param {Promise<T>} promise @returns {Promise<T | null>} */
async function orNull(promise) {
  try {
    return await promise;
  } catch (error) {
    if (hasCode(error, ['ENOENT', 'EISDIR'])) return null;
    throw error;
  }
}
