// A tab or a whole browser that dies in the middle of an import: what was stored is kept, is not taken for a model, and
// only what is missing is fetched the next time.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createEngine } from '../../js/index.node.js';
import { serveBenchmark } from '../bench/server.js';
import { openChromium } from '../chromium.js';
import { crashPage, killBrowser } from '../killing.js';
import { serveModels } from '../model-server.js';
import { present } from '../present.js';
import { writeSmallModel } from '../small-model.js';

/** @typedef {import('../bench/server.js').BenchmarkServer} BenchmarkServer */
/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('../model-server.js').ModelServer} ModelServer */
/** @typedef {import('playwright-core').Page} Page */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const MIB = 1 << 20;
// Some 9 MB, in chunks of a quarter MiB: enough of them to be killed among.
const SHAPE = { width: 512, ffn: 1536, layers: 4, heads: 8, kvHeads: 8, headSize: 64, vocabulary: 4000 };
const CHUNK_BYTES = MIB / 4;
const COMPLETION = { prompt: 'ab', maxTokens: 24, temperature: 0, ignoreEos: true };

const modelPath = writeSmallModel(SHAPE);
const bytes = readFileSync(modelPath);
const WHOLE = { pause: 0, limit: bytes.length };
// Not all of it comes, however long the kill takes.
const PART = { pause: 20, limit: Math.floor(bytes.length * 0.75) };
const file = { bytes, ...WHOLE };

/** @type {BenchmarkServer} */
let own;
/** @type {ModelServer} */
let models;
/** @type {number[]} */
let expected;

before(async () => {
  own = await serveBenchmark({ folders: { '/nibble/': path('../../build/web'), '/test/': path('..') }, modelPath });
  models = await serveModels({ '/model.gguf': file });
  const engine = await createEngine({ model: modelPath });
  expected = (await engine.complete(COMPLETION).result).tokens;
  await engine.unload();
  assert.equal(expected.length, COMPLETION.maxTokens);
});

after(async () => {
  await own?.close();
  await models?.close();
});

/** @param {Chromium} browser */
async function openLibrary(browser) {
  const page = await browser.context.newPage();
  await page.goto(`${own.url}/test/library-page.html`);
  await page.waitForFunction(() => 'nibble' in globalThis);
  return page;
}

const STORES = /** @type {const} */ (['indexeddb', 'opfs']);
/** @param {'indexeddb' | 'opfs'} kind */
const storeOf = (kind) => ({ kind, chunkBytes: CHUNK_BYTES });

/**
 * Begins the import, and ends while it goes on, as soon as so many bytes of the file have come.
 * @param {Page} page
 * @param {ReturnType<typeof storeOf>} store
 * @param {number} wanted
 */
async function beginImport(page, store, wanted) {
  await page.evaluate(
    async ({ url, where }) => {
      globalThis.received = 0;
      const models = await globalThis.nibble.openModelStore({ store: where });
      /** @param {{ loaded: number }} options */
      const onProgress = ({ loaded }) => {
        globalThis.received = loaded;
      };
      models.import(url, { onProgress }).catch(() => {});
    },
    { url: `${models.url}model.gguf`, where: store },
  );
  await page.waitForFunction((least) => globalThis.received >= least, wanted);
}

/**
 * What the store tells of the model, and what comes of using it as if it were whole.
 * @param {Page} page
 * @param {ReturnType<typeof storeOf>} store
 */
const look = (page, store) =>
  page.evaluate(
    async ({ url, where }) => {
      const stored = await globalThis.nibble.openModelStore({ store: where });
      const list = await stored.list();
      const has = await stored.has(url);
      await stored.close();
      const estimate = list.map(({ state, receivedBytes, fileBytes }) => ({ state, receivedBytes, fileBytes }));
      return { ids: list.map(({ id }) => id), has, estimate };
    },
    { url: `${models.url}model.gguf`, where: store },
  );

/** @param {Page} page @param {ReturnType<typeof storeOf>} store */
const finish = (page, store) =>
  page.evaluate(
    async ({ url, where, completion }) => {
      const stored = await globalThis.nibble.openModelStore({ store: where });
      const { id, state } = await stored.import(url);
      const { damaged } = await stored.verify(id);
      await stored.close();
      const engine = await globalThis.nibble.createEngine({ model: { stored: id }, store: where, threads: 2 });
      const { tokens } = await engine.complete(completion).result;
      await engine.unload();
      return { state, damaged, tokens };
    },
    { url: `${models.url}model.gguf`, where: store, completion: COMPLETION },
  );

/** The parts of the file that the server was asked for since then, as [start, end). @param {number} count */
const askedSince = (count) =>
  models.requests.slice(count).map(({ range }) => {
    const [, start, end] = present(/^bytes=(\d+)-(\d*)$/.exec(range ?? 'bytes=0-'));
    return [Number(start), end === '' ? bytes.length : Number(end) + 1];
  });

/** @param {Page} page @param {ReturnType<typeof storeOf>} store */
async function checkResumed(page, store) {
  const found = await look(page, store);
  assert.equal(found.has, false, 'what came in part is no model');
  assert.equal(found.ids.length, 1);
  const [{ state, receivedBytes, fileBytes }] = found.estimate;
  assert.equal(state, 'importing');
  assert.equal(fileBytes, bytes.length);
  assert.ok(receivedBytes >= bytes.length / 4, `${receivedBytes} of ${bytes.length} bytes were kept`);
  assert.ok(receivedBytes < bytes.length, 'not all had come');

  const before = models.requests.length;
  const { state: last, damaged, tokens } = await finish(page, store);
  assert.equal(last, 'complete');
  assert.deepEqual(damaged, []);
  assert.deepEqual(tokens, expected);
  const asked = askedSince(before);
  // A group of rows that the last chunk ended in is made whole again, so a little comes twice.
  const first = Math.min(...asked.map(([start]) => start));
  assert.ok(first > receivedBytes - CHUNK_BYTES, `asked for bytes from ${first} on; ${receivedBytes} were there`);
  assert.ok(asked.length > 0);
}

for (const kind of STORES) {
  const store = storeOf(kind);

  describe(`an import into ${kind}`, () => {
    /** @type {string} */
    let profile;

    before(() => {
      profile = mkdtempSync(join(tmpdir(), 'nibble-killed-'));
    });

    after(() => rmSync(profile, { recursive: true, force: true, maxRetries: 5 }));

    test('goes on where it was after its tab was killed', async () => {
      const browser = await openChromium();
      try {
        Object.assign(file, PART);
        const page = await openLibrary(browser);
        await beginImport(page, store, bytes.length / 2);
        await crashPage(page);
        Object.assign(file, WHOLE);
        await checkResumed(await openLibrary(browser), store);
      } finally {
        await browser.close();
      }
    });

    test('goes on where it was after the whole browser was killed', async () => {
      Object.assign(file, PART);
      const killed = await openChromium({ profile });
      const page = await openLibrary(killed);
      await beginImport(page, store, bytes.length / 2);
      await killBrowser(killed);
      Object.assign(file, WHOLE);
      const browser = await openChromium({ profile });
      try {
        await checkResumed(await openLibrary(browser), store);
      } finally {
        await browser.close();
      }
    });
  });
}
