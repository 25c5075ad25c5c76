#!/usr/bin/env node
import { execFile } from 'node:child_process';
// A page of a user's, made by each bundler from the packed package, as js/PAGES.md says, and run in Chromium.
// usage: npm run test:bundlers [-- NAME...]
import { once } from 'node:events';
import { cpSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundle } from '../js/bundle.js';
import { createEngine } from '../js/index.node.js';
import { BuildError, isMain, main } from '../wasm/shell.js';
import { serveBenchmark } from './bench/server.js';
import { ChildProcess } from './child-process.js';
import { openChromium } from './chromium.js';
import { createProject, packPackage } from './package.js';
import { portOf } from './port.js';
import { temporaryFolder } from './small-model.js';

const MODEL = fileURLToPath(new URL('../models/nibble-tiny.gguf', import.meta.url));
const COMPLETION = { prompt: 'Once there was', maxTokens: 8, temperature: 0 };
const BUILD_MILLISECONDS = 240_000;
const SERVER_MILLISECONDS = 90_000;
const HEADERS = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

/** The page's script: it writes into its window what became of it. */
const script = (places = '') => `import { createEngine } from 'nibble-llm';
${body(places)}
`;

/** @param {string} places */
const body = (places) => `window.write = async (model, completion) => {
  const engine = await createEngine({ model, store: null, threads: 2${places} });
  const { tokens } = await engine.complete(completion).result;
  const { threads } = engine.info;
  await engine.unload();
  return { tokens, threads };
};`;

/** @param {string} address */
const html = (address, type = 'module') =>
  `<!doctype html><title>A page</title><script type="${type}" src="${address}"></script>`;

// What js/PAGES.md names for bundlers that leave files where they are.
const COPIED = ", workerUrl: '/nibble/worker.js', wasmUrl: '/nibble/'";
const NEXT = {
  packages: { next: '16.4.6', react: '19.3.1', 'react-dom': '19.3.1' },
  files: {
    'app/layout.js': 'export default ({ children }) => <html lang="en"><body>{children}</body></html>;',
    'app/page.js': `'use client';
import { createEngine } from 'nibble-llm';
import { useEffect } from 'react';
export default function Page() {
  useEffect(() => {
    ${body('')}
  }, []);
  return <p>A page</p>;
}`,
    'next.config.mjs': `const headers = ${JSON.stringify(Object.entries(HEADERS).map(([key, value]) => ({ key, value })))};
export default { headers: async () => [{ source: '/:path*', headers }] };`,
  },
  /** @param {any} port */
  serve: (port) => ['next', 'start', '-p', port],
};

/**
 * Each with what stands in a project and the commands that build and, where the result is no folder of files, serve it.
 * @type {Record<string, { packages: Record<string, string>, files: Record<string, string>, build?: string[], copies?: boolean, folder?: string, serve?: (port: string) => string[] }>}
 */
export const BUNDLERS = {
  esbuild: {
    packages: { esbuild: '0.28.2' },
    files: { 'app.js': script(COPIED), 'dist/index.html': html('app.js') },
    build: ['esbuild', 'app.js', '--bundle', '--format=esm', '--outfile=dist/app.js', '--log-level=warning'],
    copies: true,
  },
  rollup: {
    packages: { rollup: '4.68.8', '@rollup/plugin-node-resolve': '16.0.3' },
    files: { 'app.js': script(COPIED), 'dist/index.html': html('app.js') },
    build: ['rollup', 'app.js', '-d', 'dist', '-p', '@rollup/plugin-node-resolve={browser:true}'],
    copies: true,
  },
  webpack: {
    packages: { webpack: '5.113.0', 'webpack-cli': '7.3.1' },
    files: { 'src/index.js': script(), 'dist/index.html': html('main.js', 'text/javascript') },
    build: ['webpack', '--mode', 'production'],
  },
  vite: {
    packages: { vite: '8.4.0' },
    files: { 'app.js': script(), 'index.html': html('/app.js') },
    build: ['vite', 'build'],
  },
  'vite in development': {
    packages: { vite: '8.4.0' },
    files: {
      'app.js': script(),
      'index.html': html('/app.js'),
      'vite.config.js': `export default { server: { headers: ${JSON.stringify(HEADERS)} } };`,
    },
    serve: (port) => ['vite', '--host', '127.0.0.1', '--port', port, '--strictPort'],
  },
  parcel: {
    packages: { parcel: '2.16.4' },
    files: { 'app.js': script(), 'index.html': html('./app.js') },
    build: ['parcel', 'build', 'index.html', '--no-cache'],
  },
  next: { ...NEXT, build: ['next', 'build'] },
  'next with webpack': { ...NEXT, build: ['next', 'build', '--webpack'] },
};

/** Told apart from a fault: what a bundler needs could not be had. */
export class NotInstalled extends Error {}

/**
 * Builds a page and runs it.
 * @param {string} name one of BUNDLERS
 * @param {string} tarball the package
 * @returns {Promise<{ found: { tokens: number[], threads: number }, errors: string[] }>} what the library wrote there, and
 *   what the page complained of
 * @throws {NotInstalled}
 */
export async function runBundled(name, tarball) {
  const { packages, files, build, copies = false, serve } = BUNDLERS[name];
  const { folder, problem } = createProject(tarball, { packages, files });
  if (problem) throw new NotInstalled(problem);
  if (build) await execute(folder, build);
  if (copies)
    cpSync(join(folder, 'node_modules/nibble-llm/build/web'), join(folder, 'dist/nibble'), { recursive: true });
  const server = serve ? await serveBy(folder, serve) : await serveFolder(join(folder, 'dist'));
  try {
    return await openPage(server.url);
  } finally {
    await server.close();
  }
}

/** What it has to write, as the library in Node does. */
export async function expectedTokens() {
  const engine = await createEngine({ model: MODEL });
  try {
    return (await engine.complete(COMPLETION).result).tokens;
  } finally {
    await engine.unload();
  }
}

const environment = { ...process.env, NO_COLOR: '1', NEXT_TELEMETRY_DISABLED: '1' };
/** @param {string} folder @param {string} name */
const binary = (folder, name) => join(folder, 'node_modules/.bin', name);

/** @param {string} cwd @param {string[]} string */
async function execute(cwd, [name, ...args]) {
  const options = { cwd, env: environment, timeout: BUILD_MILLISECONDS };
  await promisify(execFile)(binary(cwd, name), args, options).catch((error) => {
    throw new Error(`'${name} ${args.join(' ')}' failed: ${`${error.stderr}${error.stdout}`.slice(-2000)}`);
  });
}

/** @param {string} folder */
async function serveFolder(folder) {
  const { url, close } = await serveBenchmark({ folders: { '/': folder }, modelPath: MODEL });
  return { url: `${url}/index.html`, close };
}

/** @param {string} cwd @param {(port: string) => string[]} commandFor */
async function serveBy(cwd, commandFor) {
  const port = String(await freePort());
  const [name, ...args] = commandFor(port);
  const child = new ChildProcess(binary(cwd, name), args, { env: environment, cwd });
  const url = `http://127.0.0.1:${port}/`;
  const deadline = performance.now() + SERVER_MILLISECONDS;
  for (;;) {
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok) return { url, close: () => child.end() };
    if (!child.runs || performance.now() > deadline) {
      await child.end();
      throw new Error(`'${name} ${args.join(' ')}' serves nothing: ${child.output}`);
    }
    await sleep(200);
  }
}

async function freePort() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** @param {string} url */
async function openPage(url) {
  const browser = await openChromium();
  /** @type {string[]} */
  const errors = [];
  try {
    const page = await browser.context.newPage();
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('response', (answer) => {
      if (answer.status() >= 400 && !answer.url().endsWith('/favicon.ico'))
        errors.push(`${answer.status()} ${answer.url()}`);
    });
    await page.goto(url);
    await page.waitForFunction(() => 'write' in window);
    const found = await page.evaluate(({ model, completion }) => window.write(new Uint8Array(model), completion), {
      model: [...readFileSync(MODEL)],
      completion: COMPLETION,
    });
    return { found, errors };
  } finally {
    await browser.close();
  }
}

async function all() {
  await bundle();
  const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(BUNDLERS);
  const unknown = names.find((name) => !Object.hasOwn(BUNDLERS, name));
  if (unknown) throw new BuildError(`There is no bundler '${unknown}'; there are ${Object.keys(BUNDLERS).join(', ')}.`);
  const tokens = String(await expectedTokens());
  const { tarball } = packPackage(temporaryFolder());
  const failed = [];
  for (const name of names) {
    const start = performance.now();
    const verdict = await runBundled(name, tarball).then(
      ({ found, errors }) => {
        if (errors.length > 0) return errors.join('; ');
        return String(found.tokens) === tokens && found.threads === 2 ? null : `it wrote ${JSON.stringify(found)}`;
      },
      (error) => error.message,
    );
    const versions = Object.entries(BUNDLERS[name].packages).map((entry) => entry.join(' '));
    const seconds = ((performance.now() - start) / 1000).toFixed(0);
    console.log(`${verdict === null ? 'runs' : 'FAILS'}  ${name} (${versions.join(', ')}), ${seconds} s`);
    if (verdict !== null) console.log(`  ${verdict}`);
    if (verdict !== null) failed.push(name);
  }
  if (failed.length > 0) throw new BuildError(`Failed: ${failed.join(', ')}.`);
}

if (isMain(import.meta.url)) await main(all);
