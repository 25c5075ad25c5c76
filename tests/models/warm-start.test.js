// A stored model of several chunks in Chromium: read by workers of its own, and without them where they are refused.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serveBenchmark } from '../bench/server.js';
import { openChromium } from '../chromium.js';
import { writeSmallModel } from '../small-model.js';

/** @typedef {import('../bench/server.js').BenchmarkServer} BenchmarkServer */
/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('playwright-core').Page} Page */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const CHUNK_BYTES = 256 << 10;
const MODEL = { width: 256, ffn: 512, layers: 4, heads: 4, kvHeads: 4, headSize: 64, vocabulary: 2000 };

/** @type {Chromium} */
let browser;
/** @type {BenchmarkServer} */
let server;
/** @type {Page} */
let page;

before(async () => {
  browser = await openChromium();
  const folders = { '/nibble/': path('../../build/web'), '/test/': path('..') };
  server = await serveBenchmark({ folders, modelPath: writeSmallModel(MODEL) });
  page = await browser.context.newPage();
  await page.goto(`${server.url}/test/library-page.html`);
  await page.waitForFunction(() => 'nibble' in globalThis);
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/**
 * Loads the model and writes a little; `refusals`: what the worker of a platform that refuses something told.
 * @param {string} kind
 */
const write = (kind, options = {}) =>
  page.evaluate(
    async (/** @type {any[]} */ [model, store, given]) => {
      /** @type {string[]} */
      const refusals = [];
      const told = new BroadcastChannel('refusals');
      told.onmessage = ({ data }) => refusals.push(data);
      const engine = await globalThis.nibble.createEngine({ model, store, threads: 2, ...given });
      const completion = { prompt: 'Once', maxTokens: 8, ignoreEos: true, temperature: 0 };
      const { tokens } = await engine.complete(completion).result;
      const { storage, threads } = engine.info;
      await engine.unload();
      told.close();
      return { tokens, threads, state: storage.state, mended: storage.repairedChunks, refusals };
    },
    [server.modelUrl, { kind, chunkBytes: CHUNK_BYTES }, options],
  );

for (const kind of ['indexeddb', 'opfs']) {
  describe(`a model of several chunks in ${kind}`, () => {
    /** @type {Awaited<ReturnType<typeof write>>} */
    let first;

    before(async () => {
      first = await write(kind);
      assert.equal(first.state, 'imported');
    });

    test('is read again, and computes the same', async () => {
      const found = await write(kind);
      assert.deepEqual(found, { ...first, state: 'stored' });
    });

    test('is read without workers of its own where a browser gives none', async () => {
      for (const refusal of ['?post', '?file']) {
        const found = await write(kind, { workerUrl: `/test/refusing-worker.js${refusal}` });
        // One thread and two readers.
        assert.deepEqual(found.refusals, Array(3).fill(refusal));
        assert.deepEqual(found, { ...first, state: 'stored', threads: 1, refusals: found.refusals });
      }
    });

    test('with a chunk that is gone, comes again alone', async () => {
      await page.evaluate(
        async ([store, url]) => {
          if (store === 'opfs') {
            const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('nibble');
            for await (const model of folder.values())
              if (model instanceof FileSystemDirectoryHandle) await model.removeEntry('1.chunk');
            return;
          }
          /** @type {IDBDatabase} */
          const database = await new Promise((resolve) => {
            const opening = indexedDB.open('nibble');
            opening.onsuccess = () => resolve(opening.result);
          });
          await new Promise((resolve) => {
            const transaction = database.transaction('chunks', 'readwrite');
            transaction.objectStore('chunks').delete([`url:${url}`, 1]);
            transaction.oncomplete = resolve;
          });
          database.close();
        },
        [kind, server.modelUrl],
      );
      assert.deepEqual(await write(kind), { ...first, state: 'stored', mended: 1 });
      assert.deepEqual(await write(kind), { ...first, state: 'stored' });
    });
  });
}
