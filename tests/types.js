// What TypeScript says of the sources by the types in their comments (npm run types).
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { GLUE_TYPES } from '../wasm/build.js';
import { BuildError, ROOT } from '../wasm/shell.js';

/** The folders that nothing may be said about. */
export const CHECKED = ['js', 'web', 'wasm', 'tests'];

const COMPILER = join(ROOT, 'node_modules/typescript-7/bin/tsc');

/**
 * Checks the sources below a folder that has a tsconfig.json, and prints what is said of them.
 * @param {string} [folder]
 * @throws {BuildError} where something is said, or the check itself fails
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
  const said = `${stdout ?? ''}\n${stderr ?? ''}`.trim();
  if (said !== '') {
    console.log(said);
    throw new BuildError('TypeScript found something (above), or cannot check the sources.');
  }
  if (error || status !== 0) {
    throw new BuildError(`TypeScript's check did not end (${error?.message ?? `exit code ${status}`}).`);
  }
}
