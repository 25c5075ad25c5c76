// Weights that stream under a memory budget in Chromium, from both of its stores, with and without shared memory: the
// logits are those of Node with everything in memory.
import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createEngine, describeModel } from '../../js/index.node.js';
import { serveBenchmark } from '../bench/server.js';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { SMALL_SHAPE, temporaryFolder, writeSmallModel } from '../small-model.js';

/** @typedef {import('../bench/server.js').BenchmarkServer} BenchmarkServer */
/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('playwright-core').Page} Page */

const LIBRARY = fileURLToPath(new URL('../../build/web/', import.meta.url));
const FILES = ['index.js', 'worker.js', 'nibble-relaxed.wasm', 'nibble-simd128.wasm'];
const TOKENS = Array.from({ length: 70 }, (_, i) => (i * 37) % 256);
// A page of it has no Web Locks: it is this machine, and not so by its name.
const PLAIN_HOST = 'nibble.test';
const DEEP = { ...SMALL_SHAPE, name: 'deep', layers: 12, width: 128, ffn: 512, heads: 8, tied: false };

/** @type {Chromium} */
let browser;
/** @type {BenchmarkServer} */
let isolated;
/** @type {BenchmarkServer} */
let plain;
/** @type {number[]} */
let expected;
/** @type {{ alone: number, threads: number }} */
let budgets;

before(async () => {
  const path = writeSmallModel(DEEP);
  const folder = temporaryFolder();
  for (const name of FILES) copyFileSync(join(LIBRARY, name), join(folder, name));
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>Streams</title>');
  /** @param {number} threads */
  const budgetOf = async (threads) => {
    const { model } = await describeModel(path, { threads, memoryBudget: 2 ** 40 });
    return Math.ceil(present(present(model).budget).leastBytes + 0.4 * present(model).packedBytes);
  };
  budgets = { alone: await budgetOf(1), threads: await budgetOf(2) };
  const engine = await createEngine({ model: path, threads: 2 });
  expected = await logits(engine);
  await engine.unload();
  const places = { folders: { '/app/': folder }, modelPath: path };
  isolated = await serveBenchmark(places);
  plain = await serveBenchmark({ ...places, isolated: false });
  browser = await openChromium({ args: [`--host-resolver-rules=MAP ${PLAIN_HOST} localhost`] });
});

after(async () => {
  await browser?.close();
  await isolated?.close();
  await plain?.close();
});

/** @param {Engine} engine */
async function logits(engine) {
  const { top } = await engine.evaluate(TOKENS, { top: 0 });
  return top.sort((a, b) => a.id - b.id).map(({ logit }) => logit);
}

/** @template T @param {string} url @param {(page: Page) => Promise<T>} use */
async function withPage(url, use) {
  const page = await browser.context.newPage();
  try {
    await page.goto(url);
    return await use(page);
  } finally {
    await page.close();
  }
}

/**
 * Loads twice, so that the second comes from the store; computes a prompt, a single token behind it, and the prompt.
 * @param {Page} page
 * @param {{ model: string, store: 'opfs' | 'indexeddb', memoryBudget: number, threads?: number }} options
 */
function run(page, options) {
  return page.evaluate(
    async ({ tokens, ...given }) => {
      /** @type {typeof globalThis.nibble} */
      const { createEngine: create } = await import(new URL('index.js', location.href).href);
      const found = [];
      for (let turn = 0; turn < 2; turn++) {
        const engine = await create(given);
        const { info } = engine;
        const evaluate = async () => {
          const { top } = await engine.evaluate(tokens, { top: 0 });
          return top.sort((a, b) => a.id - b.id).map(({ logit }) => logit);
        };
        const first = await evaluate();
        await engine.complete({ tokens, maxTokens: 3, ignoreEos: true }).result;
        found.push({ first, again: await evaluate(), info, memory: await engine.memory() });
        await engine.unload();
      }
      return { found, shared: crossOriginIsolated };
    },
    { tokens: TOKENS, ...options },
  );
}

/** @param {Awaited<ReturnType<typeof run>>} ran @param {string} store @param {boolean} isShared */
function checkRuns({ found, shared }, store, isShared) {
  assert.equal(shared, isShared);
  assert.deepEqual(
    found.map(({ info }) => [info.storage.kind, info.storage.state]),
    [
      [store, 'imported'],
      [store, 'stored'],
    ],
  );
  for (const { first, again, info, memory } of found) {
    const budget = present(info.budget);
    assert.ok(budget.streamedBlocks > 0 && budget.pinnedBlocks > 0, JSON.stringify(budget));
    assert.deepEqual(first, expected);
    assert.deepEqual(again, expected);
    assert.equal(memory.ring, budget.ringBytes);
    assert.ok(memory.total <= budget.bytes);
  }
}

for (const store of /** @type {const} */ (['opfs', 'indexeddb'])) {
  describe(`weights stream from ${store}`, () => {
    test('with shared memory, read by workers of their own', async () => {
      const model = isolated.modelUrl;
      const result = await withPage(`${isolated.url}/app/index.html`, (page) =>
        run(page, { model, store, memoryBudget: budgets.threads, threads: 2 }),
      );
      checkRuns(result, store, true);
    });

    test('without it, read by the engine itself', async () => {
      const model = plain.modelUrl;
      const result = await withPage(`${plain.url}/app/index.html`, (page) =>
        run(page, { model, store, memoryBudget: budgets.alone }),
      );
      checkRuns(result, store, false);
      for (const { info } of result.found) assert.equal(info.threads, 1);
    });

    test('site data that is cleared meanwhile is an error, and the engine can be unloaded', async () => {
      const codes = await withPage(`${isolated.url}/app/index.html`, async (page) => {
        await page.evaluate(
          async (given) => {
            /** @type {typeof globalThis.nibble} */
            const { createEngine: create } = await import(new URL('index.js', location.href).href);
            self.engine = await create(given);
          },
          { model: isolated.modelUrl, store, memoryBudget: budgets.threads, threads: 2 },
        );
        const session = await browser.context.newCDPSession(page);
        const { origin } = new URL(isolated.url);
        const storageTypes = store === 'opfs' ? 'file_systems' : 'indexeddb';
        await session.send('Storage.clearDataForOrigin', { origin, storageTypes });
        return page.evaluate(async (tokens) => {
          const found = [];
          for (let turn = 0; turn < 3; turn++) {
            found.push(
              await self.engine.evaluate(tokens).then(
                () => null,
                ({ code }) => code,
              ),
            );
          }
          const memory = await self.engine.memory();
          await self.engine.unload();
          return { found, weights: memory.weights };
        }, TOKENS);
      });
      assert.ok(codes.weights > 0);
      // A read under way, or a file that is still open, may yet succeed.
      assert.match(String(codes.found.at(-1)), /^STORE_/, JSON.stringify(codes.found));
    });
  });
}

test('over plain http, a model can be deleted as soon as the engine that read it is unloaded', async () => {
  const [url, model] = [plain.url, plain.modelUrl].map((address) => address.replace('localhost', PLAIN_HOST));
  const given = { model, store: 'indexeddb', memoryBudget: budgets.alone };
  const found = await withPage(`${url}/app/index.html`, (page) =>
    page.evaluate(async (options) => {
      const { createEngine: create, openModelStore } = await import(new URL('index.js', location.href).href);
      const engine = await create(options);
      const models = await openModelStore({ store: options.store });
      const deleting = () =>
        models.delete(engine.info.storage.id).then(
          () => null,
          (/** @type {{ code: string }} */ { code }) => code,
        );
      const during = await deleting();
      await engine.unload();
      return ['locks' in navigator, engine.info.budget.streams, during, await deleting()];
    }, given),
  );
  assert.deepEqual(found, [false, true, 'STORE_BUSY', null]);
});
