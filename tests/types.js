// What TypeScript says of the sources by the types in their comments (npm run types), folder by folder.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GLUE_TYPES } from '../wasm/build.js';
import { BuildError, ROOT } from '../wasm/shell.js';

/** The folders that nothing may be said about. */
export const CHECKED = ['js', 'web', 'wasm', 'tests'];

/** Files of them that have errors still. One that has none any more is to be taken off the list. */
export const TO_GO = JSON.parse(readFileSync(new URL('./types-to-go.json', import.meta.url), 'utf8'));

const COMPILER = join(ROOT, 'node_modules/typescript-7/bin/tsc');

// "path(line,column): error TS1234: …"; what concerns no place begins with "error", and further lines are indented.
const PLACE = /^(?<path>[^(]+)\(\d+,\d+\): error /;

/**
 * Sorts what the compiler says.
 * @param {string} output
 * @param {readonly string[]} files that have errors still
 * @returns {{ held: string[], toGo: Map<string, number> }} `held`: the lines about all else; `toGo`: how many errors each of
 *   those files has
 */
export function sortMessages(output, files) {
  /** @type {string[]} */
  const held = [];
  /** @type {Map<string, number>} */
  const toGo = new Map();
  let isHeld = true;
  for (const line of output.split(/\r?\n/)) {
    if (line.trim() === '') continue;
    if (!/^\s/.test(line)) {
      const path = PLACE.exec(line)?.groups?.path.replaceAll('\\', '/');
      isHeld = path === undefined || !files.includes(path);
      if (path !== undefined && !isHeld) toGo.set(path, (toGo.get(path) ?? 0) + 1);
    }
    if (isHeld) held.push(line);
  }
  return { held, toGo };
}

/**
 * Checks the sources below a folder that has a tsconfig.json, and prints what is said of them.
 * @param {string} [folder]
 * @param {readonly string[]} [files] that have errors still
 * @throws {BuildError} where something is said about any other file, one of them has no error, or the check itself fails
 */
export function checkTypes(folder = ROOT, files = TO_GO) {
  // Without it the glue that Emscripten writes would be checked as if it were a source.
  if (!existsSync(join(ROOT, GLUE_TYPES))) {
    throw new BuildError(`${GLUE_TYPES} is missing, which the types need; "npm run build" writes it.`);
  }
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    [COMPILER, '--project', 'tsconfig.json', '--pretty', 'false'],
    { cwd: folder, encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  const { held, toGo } = sortMessages(`${stdout ?? ''}\n${stderr ?? ''}`, files);
  if (toGo.size > 0) {
    const errors = [...toGo.values()].reduce((sum, count) => sum + count, 0);
    console.log(`${errors} errors to go, in ${toGo.size} files of tests/types-to-go.json`);
  }
  if (held.length > 0) {
    console.log(held.join('\n'));
    throw new BuildError('TypeScript found something (above), or cannot check the sources.');
  }
  if (error || status === null || (status !== 0 && toGo.size === 0)) {
    throw new BuildError(`TypeScript's check did not end (${error?.message ?? `exit code ${status}`}).`);
  }
  const right = files.filter((path) => !toGo.has(path));
  if (right.length > 0)
    throw new BuildError(`Without errors, so take them off tests/types-to-go.json: ${right.join(', ')}`);
}
