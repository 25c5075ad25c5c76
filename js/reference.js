// Makes the reference of the library's calls, options, results and errors: pages for people, which TypeDoc makes of
// build/types/. They are part of build/site/, under docs/.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BuildError, filesBelow, ROOT, Stamp } from '../wasm/shell.js';
import { TYPES } from './declarations.js';

export const REFERENCE = 'build/reference';
/** What TypeDoc said of what it read: a list of sentences, which a test wants empty. */
export const REFERENCE_WARNINGS = 'build/reference-warnings.json';
const CONFIGURATION = 'js/reference.json';
const INTRODUCTION = 'js/reference.md';
const ICON = 'web/icons/icon.svg';
const STYLE = 'web/reference.css';
const SOURCES = ['js/reference.js', 'js/reference-pages.js', 'js/reference-theme.js', CONFIGURATION, INTRODUCTION];

/** Brings build/reference/ up to date. @throws {BuildError} */
export async function buildReference() {
  const inputs = filesBelow([TYPES, ...SOURCES, STYLE, 'web/ui/theme.css', ICON, 'package-lock.json']);
  const stamp = new Stamp(`${REFERENCE}/.sources`, inputs, [`${REFERENCE}/index.html`, REFERENCE_WARNINGS]);
  if (stamp.fresh()) return;
  stamp.clear();
  rmSync(join(ROOT, REFERENCE), { recursive: true, force: true });
  // Imported here, since what they import may have been installed a moment ago.
  const [{ makePages }, { build }] = await Promise.all([import('./reference-pages.js'), import('esbuild')]);
  const { warnings, isMade } = await makePages({
    tsconfig: join(ROOT, CONFIGURATION),
    entryPoints: [join(ROOT, TYPES, 'index.node.d.ts')],
    out: join(ROOT, REFERENCE),
    readme: join(ROOT, INTRODUCTION),
    favicon: join(ROOT, ICON),
  });
  if (!isMade) throw new BuildError(`The reference could not be made: ${warnings.join(' ')}`);
  await build({
    absWorkingDir: ROOT,
    entryPoints: [STYLE],
    outfile: `${REFERENCE}/assets/custom.css`,
    bundle: true,
    minify: true,
    target: 'es2022',
  });
  writeFileSync(join(ROOT, REFERENCE_WARNINGS), `${JSON.stringify(warnings, null, 2)}\n`);
  stamp.write();
}
