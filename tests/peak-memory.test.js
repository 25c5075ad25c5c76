// What loading a model takes at its peak, by the browser's own figures: the weights, and little besides.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pagePeakBytes } from './bench/machine.js';
import { serveBenchmark } from './bench/server.js';
import { FLAGS, requireChromium } from './chromium.js';
import { writeSmallModel } from './small-model.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const FOLDERS = { '/nibble/': path('../build/web'), '/test/': path('.') };
// Some 150 MB of weights in three chunks, and next to nothing in one.
const LARGE = { width: 1024, ffn: 4096, layers: 16, heads: 16, kvHeads: 16, headSize: 64, vocabulary: 2000 };
const CHUNK_BYTES = 64 << 20;
// Ranges of a download that wait for their turn: js/download.js, connections + 1 times rangeBytes.
const DOWNLOAD_BYTES = 5 * (8 << 20);

let servers;
let reports;

before(async () => {
  const serve = (shape) => serveBenchmark({ folders: FOLDERS, modelPath: writeSmallModel(shape) });
  reports = await openReports();
  servers = { large: await serve(LARGE), small: await serve({}) };
});

after(() => {
  reports?.close();
  return Promise.all(Object.values(servers ?? {}).map((server) => server.close()));
});

/** What a page posts to this address, one report after the other. */
async function openReports() {
  let arrived;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const piece of request) body += piece;
    response.end();
    arrived(JSON.parse(body));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${server.address().port}/`;
  const next = () =>
    new Promise((resolve) => {
      arrived = resolve;
    });
  return { url, next, close: () => server.close() };
}

/**
 * Loads a model in a browser of its own, and in a profile that may have it already. Nobody looks into that browser: one
 * that is driven keeps what it fetches, up to 200 MB in the page's process.
 */
async function load(profile, server, store) {
  const report = reports.next();
  const page = new URL('/test/peak-page.html', server.url);
  page.search = new URLSearchParams({ model: server.modelUrl, store: store ?? '', report: reports.url });
  const flags = [...FLAGS, '--enable-blink-features=ForceEagerMeasureMemory', `--user-data-dir=${profile}`];
  const browser = spawn(requireChromium(), [...flags, page.href], { stdio: 'ignore' });
  const ended = once(browser, 'exit');
  try {
    const found = await Promise.race([report, ended.then(() => ({ error: 'the browser ended before it reported' }))]);
    assert.equal(found.error, undefined);
    return { ...found, peakBytes: pagePeakBytes() };
  } finally {
    browser.kill();
    await ended;
  }
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

describe('the most memory that loading takes', { skip: process.platform !== 'linux' && 'only Linux tells it' }, () => {
  let profile;
  let small;

  // The page tells what it takes a minute after it is asked, as threads that wait do not answer: hence only once.
  before(async () => {
    profile = mkdtempSync(join(tmpdir(), 'nibble-peak-'));
    small = await load(profile, servers.small, null);
  });

  after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));

  // What is in flight beside the weights does not depend on the size of a model; the margin of a tenth does.
  for (const [name, store, state, inFlight] of [
    ['from a server, without a store', null, 'none', DOWNLOAD_BYTES],
    ['from a server into IndexedDB', 'indexeddb', 'imported', DOWNLOAD_BYTES + 2 * CHUNK_BYTES],
    ['from IndexedDB', 'indexeddb', 'stored', 0],
    ['from a server into the private file system', 'opfs', 'imported', DOWNLOAD_BYTES + 2 * CHUNK_BYTES],
    ['from the private file system', 'opfs', 'stored', 0],
  ]) {
    test(`${name}: weights, KV cache and a tenth, beside what an engine takes without any`, async (t) => {
      const large = await load(profile, servers.large, store);
      assert.equal(large.state, state);
      const held = ({ memory }) => memory.weights + memory.kvCache + memory.activations + memory.other;
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
