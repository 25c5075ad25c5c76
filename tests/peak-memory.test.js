// What loading a model takes at its peak, by the browser's own figures: the weights, and little besides.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pagePeakBytes } from './bench/machine.js';
import { serveBenchmark } from './bench/server.js';
import { openChromium } from './chromium.js';
import { writeSmallModel } from './small-model.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const FOLDERS = { '/nibble/': path('../build/web'), '/test/': path('.') };
// Some 150 MB of weights in three chunks, and next to nothing in one.
const LARGE = { width: 1024, ffn: 4096, layers: 16, heads: 16, kvHeads: 16, headSize: 64, vocabulary: 2000 };
const CHUNK_BYTES = 64 << 20;
// Ranges of a download that wait for their turn: js/download.js, connections + 1 times rangeBytes.
const DOWNLOAD_BYTES = 5 * (8 << 20);

let servers;

before(async () => {
  const serve = (shape) => serveBenchmark({ folders: FOLDERS, modelPath: writeSmallModel(shape) });
  servers = { large: await serve(LARGE), small: await serve({}) };
});

after(() => Promise.all(Object.values(servers ?? {}).map((server) => server.close())));

/** Loads a model in a page and a process of their own. */
async function load(browser, server, store) {
  const page = await browser.context.newPage();
  try {
    await page.goto(`${server.url}/test/library-page.html`);
    await page.waitForFunction(() => 'nibble' in globalThis);
    const found = await page.evaluate(
      async ([model, kind]) => {
        const engine = await globalThis.nibble.createEngine({ model, store: kind, threads: 2 });
        const loaded = await engine.memory();
        await engine.complete({ prompt: 'Once', maxTokens: 16, ignoreEos: true }).result;
        const memory = await engine.memory();
        const told = await performance.measureUserAgentSpecificMemory();
        const { state } = engine.info.storage;
        return { state, loaded, memory, toldBytes: told.bytes };
      },
      [server.modelUrl, store],
    );
    return { ...found, peakBytes: pagePeakBytes() };
  } finally {
    await page.close();
  }
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

describe('the most memory that loading takes', { skip: process.platform !== 'linux' && 'only Linux tells it' }, () => {
  let browser;

  before(async () => {
    browser = await openChromium({ args: ['--enable-blink-features=ForceEagerMeasureMemory'] });
  });

  after(() => browser?.close());

  // What is in flight beside the weights does not depend on the size of a model; the margin of a tenth does.
  for (const [name, store, state, inFlight] of [
    ['from a server, without a store', null, 'none', DOWNLOAD_BYTES],
    ['from a server into IndexedDB', 'indexeddb', 'imported', DOWNLOAD_BYTES + 2 * CHUNK_BYTES],
    ['from IndexedDB', 'indexeddb', 'stored', 0],
    ['from a server into the private file system', 'opfs', 'imported', DOWNLOAD_BYTES + 2 * CHUNK_BYTES],
    ['from the private file system', 'opfs', 'stored', 0],
  ]) {
    test(`${name}: weights, KV cache and a tenth, beside what an engine takes without any`, async (t) => {
      const small = await load(browser, servers.small, store);
      const large = await load(browser, servers.large, store);
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
