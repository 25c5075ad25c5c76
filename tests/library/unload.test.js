// unload() gives everything back: an engine that was let go of leaves no thread and no memory, round after round.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pagesResidentBytes } from '../bench/machine.js';
import { serveBenchmark } from '../bench/server.js';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { writeSmallModel } from '../small-model.js';

/** @typedef {import('../bench/server.js').BenchmarkServer} BenchmarkServer */
/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('playwright-core').Page} Page */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const TINY = path('../../models/nibble-tiny.gguf');
// Some 20 MB of weights: large beside what a browser takes and gives back by itself.
const LARGER = { width: 512, ffn: 2048, layers: 8, heads: 8, kvHeads: 8, headSize: 64, vocabulary: 4000 };
const ROUNDS = 20;
// What a browser keeps of the first rounds (compiled code, caches) is no leak.
const WARM = 10;
const PATIENCE_MILLISECONDS = 30_000;
// What a browser takes and gives back by itself; the least that ten leaked engines take is more.
const NOISE_BYTES = 16e6;

/** @type {Chromium} */
let browser;

before(async () => {
  // The browser measures a page's memory when it is asked to, not some time later.
  browser = await openChromium({ args: ['--enable-blink-features=ForceEagerMeasureMemory'] });
});

after(() => browser?.close());

/** @param {BenchmarkServer} server */
async function openLibrary(server) {
  const page = await browser.context.newPage();
  await page.goto(`${server.url}/test/library-page.html`);
  await page.waitForFunction(() => 'nibble' in globalThis);
  const session = await page.context().newCDPSession(page);
  const workers = async () => {
    const { targetInfos } = await session.send('Target.getTargets');
    return targetInfos.filter(({ type }) => type === 'worker').length;
  };
  return { page, workers };
}

/**
 * Loads the model, writes a little and unloads.
 * @param {Awaited<ReturnType<typeof openLibrary>>} library
 * @param {string} model
 * @returns {Promise<{ heap: number, during: number, threads: number }>}
 */
async function round({ page, workers }, model) {
  const found = await page.evaluate(async (given) => {
    globalThis.engine = await globalThis.nibble.createEngine({ model: given, threads: 2 });
    const { tokens } = await globalThis.engine.complete({ prompt: 'Once', maxTokens: 4, ignoreEos: true }).result;
    const { wasm } = await globalThis.engine.memory();
    return { heap: wasm, tokens: tokens.length, threads: globalThis.engine.info.threads };
  }, model);
  assert.equal(found.tokens, 4);
  const during = await untilThereAre(2, workers);
  await page.evaluate(() => globalThis.engine.unload());
  return { ...found, during };
}

/**
 * Waits until there are so many workers: a browser lists them, and takes them off its list, a moment after they begin and end.
 * @param {number} wanted
 * @param {() => Promise<number>} workers
 * @returns {Promise<number>} how many there are, which are others where they never become so many
 */
async function untilThereAre(wanted, workers) {
  const end = Date.now() + PATIENCE_MILLISECONDS;
  let found = await workers();
  for (; found !== wanted && Date.now() < end; found = await workers()) await sleep(20);
  return found;
}

/** @param {Page} page */
const measureMemory = (page) =>
  page.evaluate(async () => {
    const measuring =
      /** @type {typeof performance & { measureUserAgentSpecificMemory: () => Promise<{ bytes: number }> }} */ (
        performance
      );
    return (await measuring.measureUserAgentSpecificMemory()).bytes;
  });

for (const [name, make] of /** @type {[string, () => string][]} */ ([
  ['the included model', () => TINY],
  ['a larger model', () => writeSmallModel(LARGER)],
])) {
  test(`after ${ROUNDS} rounds of loading and unloading ${name}, no worker and no memory is left`, async (t) => {
    const modelPath = make();
    const folders = { '/nibble/': path('../../build/web'), '/test/': path('..') };
    const server = await serveBenchmark({ folders, modelPath });
    try {
      const opened = await openLibrary(server);
      const told = [];
      const resident = [];
      let heap = 0;
      for (let count = 1; count <= ROUNDS; count++) {
        const found = await round(opened, server.modelUrl);
        assert.equal(found.threads, 2);
        assert.equal(found.during, 2, 'the worker and its thread are seen while they are there');
        heap = found.heap;
        assert.equal(await untilThereAre(0, opened.workers), 0, 'workers that go on after unload()');
        if (count !== WARM && count !== ROUNDS) continue;
        told.push(await measureMemory(opened.page));
        resident.push(pagesResidentBytes());
      }
      /** @param {(null | number)[]} null */
      const grown = ([first, last]) =>
        `${(present(first) / 1e6).toFixed(1)} MB, then ${(present(last) / 1e6).toFixed(1)} MB`;
      t.diagnostic(
        `an engine's heap: ${(heap / 1e6).toFixed(1)} MB; after rounds ${WARM} and ${ROUNDS} the page tells`,
      );
      t.diagnostic(`${grown(told)}; its processes take ${resident[0] === null ? 'unknown' : grown(resident)}`);
      // Ten engines that leak leave more than ten heaps behind.
      const most = Math.max(heap, NOISE_BYTES);
      assert.ok(10 * heap > most);
      assert.ok(told[1] - told[0] < most, `by its own account, the page's memory has grown: ${grown(told)}`);
      if (resident[0] !== null) {
        assert.ok(
          present(resident[1]) - resident[0] < most,
          `the memory of the page's process has grown: ${grown(resident)}`,
        );
      }
      await opened.page.close();
    } finally {
      await server.close();
    }
  });
}
