// What TypeScript says of the sources by the types in their comments (npm run types), folder by folder.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { GLUE_TYPES } from '../wasm/build.js';
import { BuildError, ROOT } from '../wasm/shell.js';

/** The folders that nothing may be said about. Of any other it is counted what is left to mend. */
export const CHECKED = ['js', 'web', 'wasm'];

const COMPILER = join(ROOT, 'node_modules/typescript-7/bin/tsc');

// "path(line,column): error TS1234: …"; what concerns no place begins with "error", and further lines are indented.
const PLACE = /^(?<folder>[^/\\(]+)[/\\][^(]*\(\d+,\d+\): error /;

/**
 * Sorts what the compiler says.
 * @param {string} output
 * @returns {{ held: string[], toGo: Map<string, number> }} `held`: the lines about folders of CHECKED, and about no folder
 *   at all; `toGo`: how many errors there are in each of the others
 */
export function sortMessages(output) {
  /** @type {string[]} */
  const held = [];
  /** @type {Map<string, number>} */
  const toGo = new Map();
  let isHeld = true;
  for (const line of output.split(/\r?\n/)) {
    if (line.trim() === '') continue;
    if (!/^\s/.test(line)) {
      const folder = PLACE.exec(line)?.groups?.folder;
      isHeld = folder === undefined || CHECKED.includes(folder);
      if (folder !== undefined && !isHeld) toGo.set(folder, (toGo.get(folder) ?? 0) + 1);
    }
    if (isHeld) held.push(line);
  }
  return { held, toGo };
}

/**
 * Checks the sources below a folder that has a tsconfig.json, and prints what is said of them.
 * @param {string} [folder]
 * @throws {BuildError} where something is said about a folder of CHECKED, or the check itself fails
 */
export function checkTypes(folder = ROOT) {
  // Without it the glue that Emscripten writes would be checked as if it were a source.
  if (!existsSync(join(ROOT, GLUE_TYPES))) {
    throw new BuildError(`${GLUE_TYPES} is missing, which the types need; "npm run build" writes it.`);
  }
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    [COMPILER, '--project', 'tsconfig.json', '--pretty', 'false'],
    { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  const { held, toGo } = sortMessages(`${stdout ?? ''}\n${stderr ?? ''}`);
  for (const [name, count] of toGo) console.log(`${name}/: ${count} to go`);
  if (held.length > 0) {
    console.log(held.join('\n'));
    throw new BuildError(`TypeScript found something (above) in ${CHECKED.join('/, ')}/, or cannot check them.`);
  }
  if (error || status === null || (status !== 0 && toGo.size === 0)) {
    throw new BuildError(`TypeScript's check did not end (${error?.message ?? `exit code ${status}`}).`);
  }
}
