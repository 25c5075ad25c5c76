// Writes build/types/: the declarations that a TypeScript project finds in the package, made from the comments.
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { filesBelow, ROOT, run, Stamp } from '../wasm/shell.js';

export const TYPES = 'build/types';
const ENTRIES = ['index.node.d.ts', 'index.web.d.ts'];
const CONFIGURATION = 'js/declarations.json';
// Of every file; most tell of what is inside.
const ALL = 'build/declarations';

/** Brings build/types/ up to date. @throws {BuildError} */
export function buildTypes() {
  const inputs = [...filesBelow(['js'], (path) => path.endsWith('.js')), join(ROOT, CONFIGURATION)];
  const stamp = new Stamp(`${TYPES}/.sources`, inputs, [`${TYPES}/${ENTRIES[0]}`]);
  if (stamp.fresh()) return;
  stamp.clear();
  for (const folder of [ALL, TYPES]) rmSync(join(ROOT, folder), { recursive: true, force: true });
  run(process.execPath, ['node_modules/typescript-7/bin/tsc', '--project', CONFIGURATION, '--outDir', ALL], {
    why: 'The declarations for TypeScript could not be written; the lines above say why.',
  });
  for (const path of reachable(ENTRIES)) cpSync(join(ROOT, ALL, path), join(ROOT, TYPES, path));
  stamp.write();
}

/** The declarations that those at `paths` name, directly or by others. @param {string[]} paths */
function reachable(paths) {
  /** @type {Set<string>} */
  const found = new Set();
  const visit = (/** @type {string} */ path) => {
    if (found.has(path)) return;
    found.add(path);
    const text = readFileSync(join(ROOT, ALL, path), 'utf8');
    for (const [, name] of text.matchAll(/(?:from |import\()['"](\.[^'"]+)\.js['"]/g)) {
      visit(join(dirname(path), `${name}.d.ts`));
    }
  };
  for (const path of paths) visit(path);
  return [...found];
}
