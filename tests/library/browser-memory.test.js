// What engine.memory() tells is what the browser measures: the heap, and what the vocabulary and the code take beside it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { serveBenchmark } from '../bench/server.js';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { writeSmallModel } from '../small-model.js';

/** @typedef {import('../bench/server.js').BenchmarkServer} BenchmarkServer */
/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('playwright-core').Page} Page */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
// Some 45 MB of weights, and as large a vocabulary as small models have.
const SHAPE = { width: 512, ffn: 2048, layers: 14, heads: 8, kvHeads: 8, headSize: 64, vocabulary: 50_000 };
const SHARE = 0.02;
// What was let go of goes with a collection, whose time is the browser's own.
const MEASUREMENTS = 25;
const PAUSE_MILLISECONDS = 200;

/** @param {number} bytes */
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;

describe('the memory that an engine of one thread tells', () => {
  /** @type {BenchmarkServer} */
  let server;
  /** @type {Chromium} */
  let browser;
  /** @type {Page} */
  let page;
  /** @type {number} */
  let pageAlone;

  before(async () => {
    const folders = { '/nibble/': path('../../build/web'), '/test/': path('..') };
    server = await serveBenchmark({ folders, modelPath: writeSmallModel(SHAPE) });
    // The browser measures a page's memory when it is asked to, not some time later.
    browser = await openChromium({ args: ['--enable-blink-features=ForceEagerMeasureMemory'] });
    page = await browser.context.newPage();
    await page.goto(`${server.url}/test/library-page.html`);
    await page.waitForFunction(() => 'nibble' in globalThis);
    pageAlone = await measured();
    await load({ store: null });
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** @param {{ store: 'opfs' | null, memoryBudget?: number }} options */
  const load = (options) =>
    page.evaluate(
      async (given) => {
        await globalThis.engine?.unload();
        // Threads that wait answer no measurement.
        globalThis.engine = await globalThis.nibble.createEngine({ threads: 1, ...given });
      },
      { model: server.modelUrl, ...options },
    );

  /** What the page takes. Each worker that has the shared heap is measured with it: `heap`, its bytes, counts once. */
  async function measured(heap = 0) {
    const { bytes, breakdown } = await page.evaluate(() =>
      /** @type {typeof performance & { measureUserAgentSpecificMemory: () => Promise<{ bytes: number, breakdown: { bytes: number }[] }> }} */ (
        performance
      ).measureUserAgentSpecificMemory(),
    );
    const holders = breakdown.filter((part) => part.bytes > heap).length;
    return bytes - Math.max(0, holders - 1) * heap;
  }

  /** Measures until the page has grown by what the engine tells. @param {test.TestContext} t */
  async function compare(t) {
    const memory = await page.evaluate(() => globalThis.engine.memory());
    /** @type {number[]} */
    const seen = [];
    const agrees = () => Math.abs(present(seen.at(-1)) - memory.total) <= SHARE * memory.total;
    do {
      if (seen.length > 0) await sleep(PAUSE_MILLISECONDS);
      seen.push((await measured(memory.wasm)) - pageAlone);
    } while (!agrees() && seen.length < MEASUREMENTS);
    const figures = `${megabytes(memory.total)} told, ${megabytes(memory.javascript)} of them JavaScript; measured: ${seen.map(megabytes).join(', ')}`;
    t.diagnostic(figures);
    assert.ok(agrees(), figures);
    assert.equal(memory.total, memory.wasm + memory.javascript);
    assert.ok(memory.javascript > SHARE * memory.total, 'the heap alone would not do');
    return memory;
  }

  test('is within 2% of what the page has grown by, with a model and with its context in use', async (t) => {
    const loaded = await compare(t);
    assert.ok(loaded.weights > 40e6);
    await page.evaluate(() => globalThis.engine.evaluate(Array(globalThis.engine.info.contextSize).fill(5)));
    const filled = await compare(t);
    assert.ok(filled.total > loaded.total * (1 + SHARE), 'and follows what grows');
  });

  test('is so with the workers that read weights which stream under a memory budget', async (t) => {
    const { javascript } = await page.evaluate(() => globalThis.engine.memory());
    const memoryBudget = await page.evaluate(async (model) => {
      const description = await globalThis.nibble.describeModel(model, { threads: 1, memoryBudget: 2 ** 40 });
      return (description.model?.budget?.leastBytes ?? NaN) + 20e6;
    }, server.modelUrl);
    await load({ store: 'opfs', memoryBudget });
    // A worker that has read nothing is not measured yet.
    await page.evaluate(() => globalThis.engine.evaluate([5, 6, 7]));
    const streams = await compare(t);
    assert.ok(streams.ring > 0 && streams.total <= memoryBudget);
    assert.ok(streams.javascript - javascript > SHARE * streams.total, 'without the readers it would not be');
  });
});
