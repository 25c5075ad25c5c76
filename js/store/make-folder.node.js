// Folders on disk.
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../base/errors.js';

/**
 * Makes a folder, and those that it is in, where they are absent. Node's own `recursive` never ends, and keeps a
 * processor busy, where a file system says that a folder is absent which it does not let be made, as /proc does.
 * @param {string} path
 */
export async function makeFolder(path) {
  try {
    await mkdir(path);
  } catch (error) {
    const parent = dirname(path);
    if (codeOf(error) !== 'ENOENT' || parent === path) return checkFolder(path, error);
    await makeFolder(parent);
    // Somebody else may have made it meanwhile.
    await mkdir(path).catch((again) => checkFolder(path, codeOf(again) === 'ENOENT' ? notMade(path) : again));
  }
}

/** The folder that it would be in is there, so the system's own "no such file" would be a riddle. @param {string} path */
const notMade = (path) =>
  Object.assign(new Error(`the system lets nothing be made in "${dirname(path)}"`), { syscall: 'mkdir' });

/** What a system calls a folder that is there already differs. @param {string} path @param {unknown} error */
async function checkFolder(path, error) {
  const found = await stat(path).catch(() => null);
  if (!found?.isDirectory()) throw error;
}
