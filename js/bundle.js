#!/usr/bin/env node
// Builds build/web/, what the package gives a page: index.js is the public entry, worker.js holds the engine and the
// Emscripten glue in one file, because a worker that is one file starts under every bundler and every server. Then
// build/node/, the worker in Node, which as one file starts in half the time; and build/site/, the whole page with library
// and included model: a folder for any static host.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { buildWasm, OUTPUTS as WASM_OUTPUTS } from '../wasm/build.js';
import { filesBelow, isMain, main, printSizes, ROOT, requireNode, requirePackages, Stamp } from '../wasm/shell.js';
import { buildTypes } from './declarations.js';
import { notices } from './notices.js';
import { buildReference, REFERENCE } from './reference.js';

// The checksum's is in worker.js.
const WASM = WASM_OUTPUTS.filter((path) => /nibble-\w+\.wasm$/.test(path));
const LIBRARY = 'build/web';
// The worker is a classic script: module workers are newer than all else that is asked of a browser, and what some bundlers
// make of a worker cannot be one.
/** @typedef {import('esbuild').Format} Format */
/** @type {Record<string, string>} */
const LIBRARY_ENTRIES = { index: 'js/index.web.js', worker: 'js/worker.web.js' };
/** @type {Record<string, Format>} */
const LIBRARY_FORMATS = { index: 'esm', worker: 'iife' };
const LIBRARY_OUTPUTS = [
  ...Object.keys(LIBRARY_ENTRIES).map((name) => `${LIBRARY}/${name}.js`),
  ...WASM.map((path) => path.replace('build/wasm', LIBRARY)),
];
// Read by what is not bundled: see js/base/release.node.js.
const RELEASE_NOTE = 'build/wasm/node/release.json';
const NODE_WORKER = 'build/node/worker.js';
const NODE_WORKER_ENTRY = 'js/worker.node.js';
const NODE_GLUE = 'build/node/nibble.mjs';
const NODE_GLUE_SOURCE = 'build/wasm/node/nibble.mjs';

export const SITE = 'build/site';
const SERVICE_WORKER = 'sw.js';
const SERVICE_WORKER_ENTRY = 'web/offline/service-worker.js';
// As it is: what would be made of it may be too new for the browsers that it is for.
const START = 'start.js';
const SERVICE_WORKER_SOURCES = [SERVICE_WORKER_ENTRY, 'web/offline/headers.js'];
const PAGE_ENTRIES = [
  { in: 'web/app.js', out: 'app' },
  { in: 'web/app.css', out: 'app' },
];
const MODEL = 'models/nibble-tiny.gguf';
const CATALOGUE = 'models/catalog.json';
const MANIFEST = 'manifest.webmanifest';
const DOCS = 'docs/';
const DOCS_LIST = `${DOCS}files.json`;

/** @typedef {{ name: string | null, wasm: string[] }} Release */

/** @type {import('esbuild').BuildOptions} */
const SHARED = {
  absWorkingDir: ROOT,
  bundle: true,
  minify: true,
  target: 'es2022',
  platform: 'browser',
  charset: 'utf8',
  logLevel: 'warning',
};

/** Brings build/wasm/, build/web/, build/node/ and build/site/ up to date. @throws {BuildError} */
export async function bundle() {
  requireNode();
  requirePackages();
  buildWasm();
  await bundleLibrary();
  await buildTypes();
  await buildReference();
  await bundleSite();
}

/**
 * Makes the library's two scripts.
 * @param {string} outdir
 * @param {import('esbuild').Plugin[]} [plugins]
 * @param {Release} [release] that the two say they are of: see js/base/release.web.js
 */
export async function buildLibrary(outdir, plugins = [], release = { name: null, wasm: [] }) {
  // Imported here, since it may have been installed a moment ago.
  const { build } = await import('esbuild');
  /** @type {import('esbuild').BuildOptions} */
  const settings = {
    ...SHARED,
    conditions: ['browser'],
    loader: { '.wasm': 'binary' },
    banner: { js: '"use strict";' }, // which a classic script, unlike a module, has to say
    define: told(release),
    outdir,
    plugins: [...plugins, notices({ compiled: true })],
  };
  for (const [name, format] of Object.entries(LIBRARY_FORMATS)) {
    await build({ ...settings, entryPoints: { [name]: LIBRARY_ENTRIES[name] }, format });
  }
}

/** @param {Release} release */
const told = ({ name, wasm }) => ({
  'self.NIBBLE_RELEASE': JSON.stringify(name),
  'self.NIBBLE_RELEASE_WASM': JSON.stringify(wasm),
});

/** @param {Release} release */
async function buildNodeWorker(release) {
  const { build } = await import('esbuild');
  await build({
    ...SHARED,
    platform: 'node',
    format: 'esm',
    entryPoints: [NODE_WORKER_ENTRY],
    outfile: NODE_WORKER,
    alias: { '#release': './js/base/release.web.js' },
    define: told(release),
    plugins: [notices({ elsewhere: '../web/worker.js.LEGAL.txt' })],
  });
  // What each thread loads, half as long: it takes less of the package.
  await build({
    entryPoints: [NODE_GLUE_SOURCE],
    outfile: NODE_GLUE,
    format: 'esm',
    minify: true,
    absWorkingDir: ROOT,
  });
}

// The library lies beside the page's script, from whichever folder of web/ it is imported.
/** @type {import('esbuild').Plugin} */
const LIBRARY_BESIDE = {
  name: 'library-beside',
  setup({ onResolve }) {
    onResolve({ filter: /\/nibble\/index\.js$/ }, () => ({ path: './nibble/index.js', external: true }));
  },
};

async function bundleLibrary() {
  const inputs = filesBelow(['js', 'package.json', 'package-lock.json', ...WASM_OUTPUTS]);
  const outputs = [...LIBRARY_OUTPUTS, NODE_WORKER, NODE_GLUE];
  const stamp = new Stamp(`${LIBRARY}/.sources`, inputs, [...outputs, RELEASE_NOTE]);
  const now = new Date();
  // It is seen to be of its sources by the time that it bears: see js/client/worker-file.node.js.
  if (stamp.fresh()) return utimesSync(join(ROOT, NODE_WORKER), now, now);
  stamp.clear();
  const release = releaseOf(stamp.digest);
  await buildLibrary(LIBRARY, [], release);
  await buildNodeWorker(release);
  writeFileSync(join(ROOT, RELEASE_NOTE), `${JSON.stringify(release)}\n`);
  for (const path of WASM) copy(path, path.replace('build/wasm', LIBRARY));
  stamp.write();
  printSizes(outputs);
}

/** What is built of the same sources is of one release. @param {string} digest of the sources */
function releaseOf(digest) {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const hashOf = (/** @type {string} */ path) => sha256(readFileSync(join(ROOT, path))).slice(0, 16);
  const wasm = WASM.map(hashOf);
  return { name: `${version}+${digest.slice(0, 12)}`, wasm };
}

async function bundleSite() {
  const library = namesIn(LIBRARY).map((name) => `${LIBRARY}/${name}`);
  const inputs = filesBelow(['web', 'js/bundle.js', 'package-lock.json', MODEL, CATALOGUE, ...library, REFERENCE]);
  const stamp = new Stamp(`${SITE}/.sources`, inputs, [`${SITE}/index.html`, `${SITE}/${SERVICE_WORKER}`]);
  if (stamp.fresh()) return;
  // What an earlier build left must not be taken for a part of this one.
  rmSync(join(ROOT, SITE), { recursive: true, force: true });
  // Before the page's script, whose notices name the library's.
  for (const path of library) copy(path, path.replace(LIBRARY, `${SITE}/nibble`));
  const { build } = await import('esbuild');
  await build({
    ...SHARED,
    entryPoints: PAGE_ENTRIES,
    outdir: SITE,
    format: 'esm',
    plugins: [LIBRARY_BESIDE, notices({ elsewhere: 'nibble/worker.js.LEGAL.txt' })],
  });
  for (const name of namesIn(REFERENCE)) copy(`${REFERENCE}/${name}`, `${SITE}/${DOCS}${name}`);
  if (existsSync(join(ROOT, MODEL))) copy(MODEL, `${SITE}/${MODEL}`);
  copyJson(CATALOGUE, `${SITE}/${CATALOGUE}`);
  copyJson(`web/${MANIFEST}`, `${SITE}/${MANIFEST}`);
  for (const name of namesIn('web')) {
    if (name === START || /\.png$/.test(name)) copy(`web/${name}`, `${SITE}/${name}`);
    if (/\.(html|svg)$/.test(name)) copyWithoutIndents(`web/${name}`, `${SITE}/${name}`);
  }
  await sealSite(join(ROOT, SITE));
  stamp.write();
  printSizes(
    namesIn(SITE)
      .filter((name) => !name.startsWith(DOCS))
      .map((name) => `${SITE}/${name}`),
  );
}

/**
 * Writes the service worker of a complete site: it knows each file by its content, and so the version of the whole. Of the
 * reference it knows a list, which knows the files.
 * @param {string} folder
 */
export async function sealSite(folder) {
  const hashed = (/** @type {string} */ path) => ({ path, sha256: sha256(readFileSync(join(folder, path))) });
  const names = namesIn(relative(ROOT, folder)).filter((name) => name !== SERVICE_WORKER && name !== DOCS_LIST);
  const files = names.filter((name) => !name.startsWith(DOCS)).map(hashed);
  const docs = names.filter((name) => name.startsWith(DOCS)).map(hashed);
  if (docs.length > 0) writeFileSync(join(folder, DOCS_LIST), JSON.stringify(docs));
  const reference = docs.length > 0 ? hashed(DOCS_LIST) : null;
  const sources = SERVICE_WORKER_SOURCES.map((path) => sha256(readFileSync(join(ROOT, path))));
  const version = sha256(JSON.stringify([files, reference, sources])).slice(0, 16);
  const { build } = await import('esbuild');
  await build({
    ...SHARED,
    entryPoints: [join(ROOT, SERVICE_WORKER_ENTRY)],
    outfile: join(folder, SERVICE_WORKER),
    format: 'iife',
    define: { 'self.SITE': JSON.stringify({ version, files, reference }) },
  });
}

const sha256 = (/** @type {string | Uint8Array} */ bytes) => createHash('sha256').update(bytes).digest('hex');

/** The files below a folder as paths in it, with '/' between their parts. @param {string} folder */
function namesIn(folder) {
  return filesBelow([folder]).map((path) => relative(join(ROOT, folder), path).split(sep).join('/'));
}

/** Of markup that has no text in which spaces count; its comments are for who edits it. @param {string} from @param {string} to */
function copyWithoutIndents(from, to) {
  mkdirSync(dirname(join(ROOT, to)), { recursive: true });
  const markup = readFileSync(join(ROOT, from), 'utf8');
  writeFileSync(join(ROOT, to), markup.replace(/\n\s+/g, '\n').replace(/^<!--[^>]*-->\n/gm, ''));
}

/** Its lines are for who edits it. @param {string} from @param {string} to */
function copyJson(from, to) {
  mkdirSync(dirname(join(ROOT, to)), { recursive: true });
  writeFileSync(join(ROOT, to), JSON.stringify(JSON.parse(readFileSync(join(ROOT, from), 'utf8'))));
}

/** @param {string} from @param {string} to */
function copy(from, to) {
  mkdirSync(dirname(join(ROOT, to)), { recursive: true });
  copyFileSync(join(ROOT, from), join(ROOT, to));
}

if (isMain(import.meta.url)) await main(bundle);
