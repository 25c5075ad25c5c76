// A tab or a whole browser that dies in the middle of an import: what was stored is kept, is not taken for a model, and
// only what is missing is fetched the next time.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createEngine } from '../js/index.node.js';
import { serveBenchmark } from './bench/server.js';
import { openChromium } from './chromium.js';
import { serveModels } from './model-server.js';
import { writeSmallModel } from './small-model.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const MIB = 1 << 20;
// Some 9 MB, in chunks of a quarter MiB: enough of them to be killed among.
const SHAPE = { width: 512, ffn: 1536, layers: 4, heads: 8, kvHeads: 8, headSize: 64, vocabulary: 4000 };
const CHUNK_BYTES = MIB / 4;
const COMPLETION = { prompt: 'ab', maxTokens: 24, temperature: 0, ignoreEos: true };

const modelPath = writeSmallModel(SHAPE);
const bytes = readFileSync(modelPath);
const file = { bytes, pause: 0 };

let own;
let models;
let expected;

before(async () => {
  own = await serveBenchmark({ folders: { '/nibble/': path('../build/web'), '/test/': path('.') }, modelPath });
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

async function openLibrary(browser) {
  const page = await browser.context.newPage();
  await page.goto(`${own.url}/test/library-page.html`);
  await page.waitForFunction(() => 'nibble' in globalThis);
  return page;
}

/** Begins the import, and ends as soon as so many bytes of the file have come and several chunks are stored. */
async function importUntil(page, store, wanted) {
  await page.evaluate(
    async ([url, where]) => {
      globalThis.models = await globalThis.nibble.openModelStore({ store: where });
      const onProgress = ({ loaded }) => {
        globalThis.loaded = loaded;
      };
      globalThis.importing = globalThis.models.import(url, { onProgress });
      globalThis.importing.catch(() => {});
    },
    [`${models.url}model.gguf`, store],
  );
  await page.waitForFunction((least) => globalThis.loaded >= least, wanted);
}

/** What the store has, whether that can be taken for a model, and what the engine makes of it. */
function goOn(page, store) {
  return page.evaluate(
    async ([url, where, completion]) => {
      const { createEngine: create, openModelStore } = globalThis.nibble;
      const stored = await openModelStore({ store: where });
      const list = await stored.list();
      const has = await stored.has(url);
      const refused = await create({ model: { stored: list[0]?.id ?? 'none' }, store: { ...where, kind: where.kind } })
        .then((engine) => engine.unload().then(() => 'loaded'))
        .catch(({ code }) => code);
      await stored.close();
      return { list, has, refused, completion };
    },
    [`${models.url}model.gguf`, store, COMPLETION],
  );
}
