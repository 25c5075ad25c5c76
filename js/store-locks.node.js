// Locks between processes that share a folder. Whoever wants a lock first announces itself by a file of its own, then
// looks whether an announced one stands in the way; if so it takes its file back. Of two that come at once at least one
// sees the other, so no two hold what excludes them. Files of ended processes are swept away.
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, uptime } from 'node:os';
import { join } from 'node:path';
import { attempt, lockCancelled } from './store-errors.js';
import { lockTaken } from './store-locks.js';

const PAUSE_MILLISECONDS = 25;
// Two that came at once may both have stepped back: without waiting, this often is tried before the lock counts as taken.
const TRIES = 3;

/**
 * @param {string} folder
 * @returns {import('./store-locks.js').Lock}
 */
export function folderLock(folder) {
  return async (name, { shared = false, wait = true, signal } = {}, use) => {
    const place = join(folder, createHash('sha256').update(name).digest('hex'));
    for (let tries = 1; ; tries++) {
      if (signal?.aborted) throw lockCancelled(signal.reason);
      const own = await attempt(`Locking "${name}"`, () => announce(place, shared));
      if (own !== null) {
        try {
          return await use();
        } finally {
          await rm(own, { force: true });
        }
      }
      if (!wait && tries === TRIES) throw lockTaken(name);
      await pause(PAUSE_MILLISECONDS * (0.5 + Math.random()), signal);
    }
  };
}

/** The path of the file that holds the lock; null where another stands in the way. */
async function announce(place, shared) {
  await mkdir(place, { recursive: true });
  const name = [shared ? 'shared' : 'alone', process.pid, encodeURIComponent(hostname()), randomUUID()].join(' ');
  const own = join(place, name);
  await writeFile(own, '');
  try {
    if (!(await isInTheWay(place, name, shared))) return own;
  } catch (error) {
    await rm(own, { force: true });
    throw error;
  }
  await rm(own, { force: true });
  return null;
}

/** Whether somebody else holds what excludes us; what is left of ended processes is swept away on the way. */
async function isInTheWay(place, name, shared) {
  const others = (await readdir(place)).filter((other) => other !== name);
  for (const other of others) {
    if (shared && other.startsWith('shared ')) continue;
    if (await isHeld(place, other)) return true;
    await rm(join(place, other), { recursive: true, force: true });
  }
  return false;
}

/** Whether the process that announced itself by this file still runs; of another machine's nobody here can tell. */
async function isHeld(place, name) {
  const [, pid, host] = name.split(' ');
  if (host !== encodeURIComponent(hostname())) return host !== undefined;
  const facts = await stat(join(place, name)).catch(() => null);
  if (facts === null) return false;
  // Process numbers are given again after a start of the machine.
  if (facts.mtimeMs < Date.now() - uptime() * 1000) return false;
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds);
    signal?.addEventListener('abort', done);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
  });
}
