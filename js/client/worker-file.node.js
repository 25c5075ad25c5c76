// Which file a worker runs in Node. The package has only what the build makes of worker.node.js and all that it imports,
// one file, which starts in half the time. In a checkout the sources run where one of them is newer than that.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** When a file was last changed; 0: it is not there. @param {string} path */
const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** @param {string} folder @param {number} time @returns {boolean} whether something below is newer */
const hasNewer = (folder, time) =>
  readdirSync(folder, { withFileTypes: true }).some((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? hasNewer(path, time) : changed(path) > time;
  });

/** @param {URL} [root] the folder of the package @returns {URL} */
export function workerFile(root = new URL('../../', import.meta.url)) {
  const folder = fileURLToPath(root);
  const bundle = join(folder, 'build', 'node', 'worker.js');
  const sources = join(folder, 'js');
  const entry = join(sources, 'worker.node.js');
  const isBundled = changed(entry) === 0 || !hasNewer(sources, changed(bundle));
  return pathToFileURL(isBundled ? bundle : entry);
}
