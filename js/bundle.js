#!/usr/bin/env node
// Builds build/web/: what a page needs, complete in itself. index.js is the public entry, worker.js holds the engine
// and the Emscripten glue in one file, because a worker that is one file starts under every bundler and every server.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildWasm, OUTPUTS as WASM_OUTPUTS } from '../wasm/build.js';
import { filesBelow, isMain, main, printSizes, ROOT, requireNode, requirePackages, Stamp } from '../wasm/shell.js';

const ENTRIES = { index: 'js/index.web.js', worker: 'js/worker.web.js' };
const WASM = WASM_OUTPUTS.filter((path) => path.endsWith('.wasm'));
const OUTPUTS = [
  ...Object.keys(ENTRIES).map((name) => `build/web/${name}.js`),
  ...WASM.map((path) => path.replace('build/wasm/', 'build/web/')),
];

/** Brings build/wasm/ and build/web/ up to date. @throws {BuildError} */
export async function bundle() {
  requireNode();
  requirePackages();
  buildWasm();
  const inputs = filesBelow(['js', 'package-lock.json', ...WASM_OUTPUTS]);
  const stamp = new Stamp('build/web/.sources', inputs, OUTPUTS);
  if (stamp.fresh()) return;
  stamp.clear();
  // Imported here, since it may have been installed a moment ago.
  const { build } = await import('esbuild');
  await build({
    absWorkingDir: ROOT,
    entryPoints: ENTRIES,
    outdir: 'build/web',
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    platform: 'browser',
    conditions: ['browser'],
    charset: 'utf8',
    legalComments: 'linked',
    logLevel: 'warning',
  });
  for (const path of WASM) copyFileSync(join(ROOT, path), join(ROOT, path.replace('build/wasm/', 'build/web/')));
  stamp.write();
  printSizes(OUTPUTS);
}

if (isMain(import.meta.url)) await main(bundle);
