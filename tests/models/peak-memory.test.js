// What loading a model takes at its peak, by the browser's own figures: the weights, and little besides.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pagePeakBytes } from '../bench/machine.js';
import { serveBenchmark } from '../bench/server.js';
import { ChildProcess } from '../child-process.js';
import { FLAGS, requireChromium } from '../chromium.js';
import { portOf } from '../port.js';
import { writeSmallModel } from '../small-model.js';

/** @typedef {import('../bench/server.js').BenchmarkServer} BenchmarkServer */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const FOLDERS = { '/nibble/': path('../../build/web'), '/test/': path('..') };
// Some 150 MB of weights in three chunks, and next to nothing in one.
const LARGE = { width: 1024, ffn: 4096, layers: 16, heads: 16, kvHeads: 16, headSize: 64, vocabulary: 2000 };
const CHUNK_BYTES = 64 << 20;
// Ranges of a download that wait for their turn: js/download/download.js, connections + 1 times rangeBytes.
const DOWNLOAD_BYTES = 5 * (8 << 20);

/** @type {{ large: BenchmarkServer, small: BenchmarkServer }} */
let servers;
/** @type {Awaited<ReturnType<typeof openReports>>} */
let reports;

before(async () => {
  /** @param {object} shape */
  const serve = (shape) => serveBenchmark({ folders: FOLDERS, modelPath: writeSmallModel(shape) });
  reports = await openReports();
  servers = { large: await serve(LARGE), small: await serve({}) };
});

after(() => {
  reports?.close();
  return Promise.all(Object.values(servers ?? {}).map((server) => server.close()));
});

/** What pages post: each to an address of its own. */
async function openReports() {
  const awaited = new Map();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    response.end();
    awaited.get(request.url)?.(JSON.parse(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    next() {
      const path = `/${awaited.size}`;
      const report = new Promise((resolve) => awaited.set(path, resolve));
      return { url: `http://127.0.0.1:${portOf(server)}${path}`, report };
    },
    close: () => server.close(),
  };
}

/**
 * Loads a model in a browser of its own, and in a profile that may have it already. Nobody looks into that browser: one
 * that is driven keeps what it fetches, up to 200 MB in the page's process.
 * @param {string} profile
 * @param {BenchmarkServer} server
 * @param {string | null} store
 */
async function load(profile, server, store) {
  const { url, report } = reports.next();
  const page = new URL('/test/models/peak-page.html', server.url);
  page.search = String(new URLSearchParams({ model: server.modelUrl, store: store ?? '', report: url }));
  const flags = [...FLAGS, '--enable-blink-features=ForceEagerMeasureMemory', `--user-data-dir=${profile}`];
  const browser = new ChildProcess(requireChromium(), [...flags, page.href]);
  try {
    const early = browser.ended.then(() => ({ error: `the browser ended before it reported: ${browser.output}` }));
    const found = await Promise.race([report, early]);
    assert.equal(found.error, undefined);
    return { ...found, peakBytes: pagePeakBytes(browser.id) };
  } finally {
    await browser.end();
  }
}

/** @param {number} bytes */
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

describe('the most memory that loading takes', { skip: process.platform !== 'linux' && 'only Linux tells it' }, () => {
  /** @type {string[]} */
  const profiles = [];
  /** @type {Record<string, Promise<any>>} */
  let loads;

  // A page tells what it takes a minute after it is asked, as threads that wait do not answer: hence all at once, and
  // only what needs what another has stored after that.
  before(() => {
    /** @param {Parameters<typeof load>} args */
    const begin = (...args) => {
      const loading = load(...args);
      // Told by the test that awaits it.
      loading.catch(() => {});
      return loading;
    };
    const profile = () => {
      profiles.push(mkdtempSync(join(tmpdir(), 'nibble-peak-')));
      return profiles[profiles.length - 1];
    };
    loads = { small: begin(profile(), servers.small, null), 'not-stored': begin(profile(), servers.large, null) };
    for (const store of ['indexeddb', 'opfs']) {
      const kept = profile();
      loads[`${store} imported`] = begin(kept, servers.large, store);
      loads[`${store} stored`] = loads[`${store} imported`].then(() => load(kept, servers.large, store));
      loads[`${store} stored`].catch(() => {});
    }
  });

  after(async () => {
    await Promise.allSettled(Object.values(loads ?? {}));
    for (const profile of profiles) rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });

  // What is in flight beside the weights does not depend on the size of a model; the margin of a tenth does.
  for (const [name, loading, inFlight] of /** @type {[string, string, number][]} */ ([
    ['from a server, without a store', 'not-stored', DOWNLOAD_BYTES],
    ['from a server into IndexedDB', 'indexeddb imported', DOWNLOAD_BYTES + 2 * CHUNK_BYTES],
    ['from IndexedDB', 'indexeddb stored', 0],
    ['from a server into the private file system', 'opfs imported', DOWNLOAD_BYTES + 2 * CHUNK_BYTES],
    ['from the private file system', 'opfs stored', 0],
  ])) {
    test(`${name}: weights, KV cache and a tenth, beside what an engine takes without any`, async (t) => {
      const [small, large] = await Promise.all([loads.small, loads[loading]]);
      assert.equal(large.state, loading.split(' ').at(-1));
      const held = (/** @type {any} */ { memory }) =>
        memory.weights + memory.kvCache + memory.activations + memory.other;
      const allowed = 1.1 * (held(large) - held(small)) + inFlight;
      const peak = large.peakBytes - small.peakBytes;
      const told = large.toldBytes - small.toldBytes;
      t.diagnostic(
        `weights and the like ${megabytes(held(large))}, heap ${megabytes(large.memory.wasm)}; an engine without: peak ` +
          `${megabytes(small.peakBytes)}; with them ${megabytes(peak)} more, ${megabytes(allowed)} allowed; the page tells ` +
          `${megabytes(told)} more afterwards`,
      );
      assert.ok(held(large) > 100e6);
      assert.ok(peak > 0.9 * held(large), 'the weights are seen, so the figure is that of the right process');
      assert.ok(peak <= allowed, `${megabytes(peak)} at the peak, ${megabytes(allowed)} allowed`);
      assert.ok(told <= 1.1 * (held(large) - held(small)), `the page tells ${megabytes(told)} after loading`);
    });
  }
});
