#!/usr/bin/env node
// How long a stored model takes to load, beside reading its chunks from the same store and dropping them, and beside a
// build of the library that takes no checksums.
// usage: node tests/bench/warm-start.js --model FILE [--rounds 5] [--stores indexeddb,opfs] [--threads 2] [--out FILE]
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildLibrary } from '../../js/bundle.js';
import { isMain, main, readOptions } from '../../wasm/shell.js';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { temporaryFolder } from '../small-model.js';
import { bundleForWorker } from '../store/page.js';
import { busyProcessors, loadAverage, machineFacts, modelFacts, pagePeakBytes, sourceFacts } from './machine.js';
import { serveBenchmark } from './server.js';
import { summary } from './statistics.js';

/** @typedef {import('./server.js').BenchmarkServer} BenchmarkServer */
/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('playwright-core').Page} Page */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
/** @type {StoreKind[]} */
const STORES = ['indexeddb', 'opfs'];

// What the library does to compare a chunk with its checksum, and what it does here instead.
const CHECKS = [
  ['signal: ending.signal, state }', 'signal: ending.signal }'],
  ['taken ?? checksumOf(position, bytes)', '{ checksum: expected, milliseconds: 0 }'],
];

const UNCHECKED = {
  name: 'unchecked',
  /** @param {import('esbuild').PluginBuild} build */
  setup({ onLoad }) {
    onLoad({ filter: /models[\\/]read-weights\.js$/ }, ({ path: file }) => {
      let contents = readFileSync(file, 'utf8');
      for (const [check, instead] of CHECKS) {
        if (!contents.includes(check)) throw new Error(`${check} is not in ${file}.`);
        contents = contents.replace(check, instead);
      }
      return { contents, loader: 'js' };
    });
  },
};

/** The library without checks, in a folder. */
async function buildUnchecked() {
  const folder = temporaryFolder();
  const built = path('../../build/web');
  for (const name of readdirSync(built))
    if (name.endsWith('.wasm')) copyFileSync(join(built, name), join(folder, name));
  await buildLibrary(folder, [UNCHECKED]);
  return folder;
}

/** @param {Chromium} browser @param {BenchmarkServer} server */
async function openLibrary(browser, server) {
  const page = await browser.context.newPage();
  await page.goto(`${server.url}/test/library-page.html`);
  await page.waitForFunction(() => 'nibble' in globalThis);
  return page;
}

/** @typedef {'indexeddb' | 'opfs'} StoreKind */

/** @param {Page} page @param {string} url @param {StoreKind} kind */
const importModel = (page, url, kind) =>
  page.evaluate(
    async ({ address, store }) => {
      const models = await globalThis.nibble.openModelStore({ store });
      const { id } = await models.import(address);
      await models.close();
      return id;
    },
    { address: url, store: kind },
  );

/** @param {Page} page @param {StoreKind} kind @param {string} id @param {number} threads @param {string} library */
const load = (page, kind, id, threads, library) =>
  page.evaluate(
    async ({ store, stored, threads: count, address }) => {
      /** @type {typeof globalThis.nibble} */
      const { createEngine } = await import(address);
      const start = performance.now();
      const engine = await createEngine({ model: { stored }, store, threads: count });
      const milliseconds = performance.now() - start;
      const { storage, loadMilliseconds } = engine.info;
      const { wasm } = await engine.memory();
      await engine.unload();
      return { milliseconds, loadMilliseconds, storage, heapBytes: wasm };
    },
    { store: kind, stored: id, threads, address: library },
  );

/**
 * @param {Page} page
 * @param {import('./warm-start-worker.js').ReadCall} call
 * @returns {Promise<{ milliseconds: number, bytes: number }>}
 */
const readAndDrop = (page, call) =>
  page.evaluate(
    (given) =>
      new Promise((resolve, reject) => {
        const worker = new Worker('/workers/warm-start.js', { type: 'module' });
        worker.onmessage = ({ data }) => {
          worker.terminate();
          resolve(data);
        };
        worker.onerror = ({ message }) => {
          worker.terminate();
          reject(new Error(message));
        };
        worker.postMessage(given);
      }),
    call,
  );

/**
 * One load or one read, in a page and so a process of its own.
 * @template {object} T
 * @param {Chromium} browser
 * @param {BenchmarkServer} server
 * @param {(page: Page) => Promise<T>} use
 */
async function inPage(browser, server, use) {
  const page = await openLibrary(browser, server);
  try {
    return { ...(await use(page)), peakBytes: pagePeakBytes() };
  } finally {
    await page.close();
  }
}

/**
 * @typedef {Awaited<ReturnType<typeof load>>} Loaded
 * @typedef {{ milliseconds: number, storage?: Loaded['storage'], peakBytes: number | null }} Sample
 */

/**
 * @param {Chromium} browser
 * @param {BenchmarkServer} server
 * @param {{ kind: StoreKind, rounds: number, threads: number, log: (line: string) => void }} options
 */
async function measureStore(browser, server, { kind, rounds, threads, log }) {
  const { id } = await inPage(browser, server, async (page) => ({
    id: await importModel(page, server.modelUrl, kind),
  }));
  /** @type {Record<string, (page: Page) => Promise<{ milliseconds: number, storage?: Loaded['storage'] }>>} */
  const sides = {
    load: (page) => load(page, kind, id, threads, '/nibble/index.js'),
    unchecked: (page) => load(page, kind, id, threads, '/unchecked/index.js'),
    read: (page) => readAndDrop(page, { kind, id, way: 'whole' }),
    // The private file system has one way to be read.
    ...(kind === 'indexeddb' && { stream: (page) => readAndDrop(page, { kind, id, way: 'stream' }) }),
  };
  const names = Object.keys(sides);
  /** @type {Record<string, Sample[]>} */
  const samples = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const side of round % 2 === 0 ? names : names.toReversed()) {
      const sample = await inPage(browser, server, sides[side]);
      // The first round does not count: the files come into the system's cache, the wasm is compiled.
      if (round > 0) samples[side].push(sample);
      log(`${kind}, round ${round}: ${side} ${Math.round(sample.milliseconds)} ms`);
    }
  }
  /** @param {string} side */
  const ratiosTo = (side) =>
    samples.load.map(({ milliseconds }, round) => milliseconds / samples[side][round].milliseconds);
  const streamRatios = sides.stream ? ratiosTo('stream') : null;
  return { kind, samples, ratios: ratiosTo('read'), streamRatios, checkRatios: ratiosTo('unchecked') };
}

/** @param {number[]} values at least one */
function span(values, digits = 0) {
  const { median, low, high } = present(summary(values));
  return `${median.toFixed(digits)} (${low.toFixed(digits)}-${high.toFixed(digits)})`;
}

/** @param {Awaited<ReturnType<typeof measureStore>>} store */
function row({ kind, samples, ratios, streamRatios, checkRatios }) {
  /** @param {string} side */
  const times = (side) => samples[side].map(({ milliseconds }) => milliseconds);
  const shares = samples.load.map(
    ({ storage, milliseconds }) => (100 * present(present(storage).verifyMilliseconds)) / milliseconds,
  );
  const peaks = samples.load.map(({ peakBytes }) => Number(peakBytes) / 1e6);
  const cells = [span(times('load')), span(times('read')), span(ratios, 2)];
  cells.push(...(streamRatios ? [span(times('stream')), span(streamRatios, 2)] : ['', '']));
  return [kind, ...cells, span(checkRatios, 2), `${span(shares, 1)} %`, span(peaks)];
}

async function command() {
  const { values } = readOptions({
    options: {
      model: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      stores: { type: 'string', default: STORES.join(',') },
      threads: { type: 'string', default: '2' },
      out: { type: 'string' },
    },
  });
  const [rounds, threads] = [values.rounds, values.threads].map(Number);
  const stores = values.stores.split(',').flatMap((name) => STORES.filter((kind) => kind === name));
  if (!values.model) throw new RangeError('--model is missing: a GGUF file is expected.');
  if (!(Number.isSafeInteger(rounds) && rounds > 0)) throw new RangeError('--rounds is a whole number above 0.');
  if (!(Number.isSafeInteger(threads) && threads > 0)) throw new RangeError('--threads is a whole number above 0.');
  if (stores.length !== values.stores.split(',').length) throw new RangeError(`--stores are of ${STORES.join(', ')}.`);
  const workers = temporaryFolder();
  writeFileSync(join(workers, 'warm-start.js'), await bundleForWorker('../bench/warm-start-worker.js'));
  const library = path('../../build/web');
  const folders = {
    '/nibble/': library,
    '/unchecked/': await buildUnchecked(),
    '/test/': path('..'),
    '/workers/': workers,
  };
  const server = await serveBenchmark({ folders, modelPath: values.model });
  const facts = { loadAverage: loadAverage(), busyProcessors: await busyProcessors() };
  const results = [];
  let version;
  try {
    for (const kind of stores) {
      const browser = await openChromium();
      try {
        version = browser.context.browser()?.version();
        results.push(await measureStore(browser, server, { kind, rounds, threads, log: console.log }));
      } finally {
        await browser.close();
      }
    }
  } finally {
    await server.close();
  }
  const stamp = new Date().toISOString().slice(0, 16).replace(/\D/g, '');
  const out = values.out ?? `build/bench/warm-start-${stamp}.json`;
  const model = await modelFacts(values.model);
  const record = { machine: machineFacts(), source: sourceFacts(), browser: version, model, threads, rounds, ...facts };
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, JSON.stringify({ ...record, results }, null, 2));
  const head = [
    'store',
    'load, ms',
    'read and dropped, ms',
    'times',
    'by streams, ms',
    'times',
    'of a load without checks',
    'in checksums',
    'peak of the page, MB',
  ];
  const lines = [head, ['---', ...Array(head.length - 1).fill('--:')], ...results.map(row)];
  console.log(`\nmedian (range)\n\n${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n\n${out}`);
}

if (isMain(import.meta.url)) await main(command);
