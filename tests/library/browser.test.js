// The library in a real browser against the library in Node: the same file, the same seed, the same text.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { createEngine } from '../../js/index.node.js';
import { serve } from '../../web/serve.js';
import { serveBenchmark } from '../bench/server.js';
import { openChromium } from '../chromium.js';
import { serveModels } from '../model-server.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';

/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('../../js/base/public-types.js').CompletionOptions} CompletionOptions */

const LIBRARY = fileURLToPath(new URL('../../build/web/', import.meta.url));
const MODEL = fileURLToPath(new URL('../../models/nibble-tiny.gguf', import.meta.url));
const COMPLETION = { prompt: 'Once there was', maxTokens: 60, temperature: 1.3, seed: 11, ignoreEos: true };

/** @type {{ url: string, others: string[], close: () => Promise<void> }} */
let server;
/** @type {Chromium} */
let browser;

before(async () => {
  server = await serve({ port: 0 });
  browser = await openChromium();
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/**
 * Runs a function in a page of the server; it imports the library itself, as a page does.
 * @template A, R
 * @param {(argument: A) => R | Promise<R>} use
 * @param {A} argument
 * @returns {Promise<R>}
 */
async function inPage(use, argument) {
  const page = await browser.context.newPage();
  try {
    await page.goto(server.url);
    return await page.evaluate(/** @type {(argument: unknown) => R | Promise<R>} */ (use), argument);
  } finally {
    await page.close();
  }
}

/** @param {object} options */
async function inNode(options) {
  const engine = await createEngine({ model: MODEL, threads: 2, ...options });
  try {
    const { tokens } = await engine.complete(COMPLETION).result;
    return { tokens, kernelSet: engine.info.kernelSet };
  } finally {
    await engine.unload();
  }
}

test('the same seed gives the same text in Chromium and in Node, by every kernel set', async () => {
  const found = [await inNode({}), await inNode({ kernelSet: 'simd128' }), await inNode({ kernelSet: 'reference' })];
  for (const kernelSet of [undefined, 'relaxed-i16', 'relaxed-i32', 'simd128']) {
    const result = await inPage(
      async (/** @type {{ options: object, completion: CompletionOptions }} */ { options, completion }) => {
        const { createEngine: create } = await import('/nibble/index.js');
        const engine = await create({ model: '/models/nibble-tiny.gguf', ...options });
        const { tokens } = await engine.complete(completion).result;
        const { kernelSet: name } = engine.info;
        await engine.unload();
        return { tokens, kernelSet: name };
      },
      { options: { kernelSet }, completion: COMPLETION },
    );
    if (kernelSet !== undefined) assert.equal(result.kernelSet, kernelSet);
    found.push(result);
  }
  for (const { tokens, kernelSet } of found) assert.deepEqual(tokens, found[0].tokens, kernelSet);
});

test('two engines live side by side in one page', async () => {
  const texts = await inPage(async (/** @type {CompletionOptions} */ completion) => {
    const { createEngine: create } = await import('/nibble/index.js');
    const engines = await Promise.all([1, 2].map(() => create({ model: '/models/nibble-tiny.gguf', threads: 2 })));
    const results = await Promise.all(engines.map((engine) => engine.complete(completion).result));
    await Promise.all(engines.map((engine) => engine.unload()));
    return results.map(({ text }) => text);
  }, COMPLETION);
  assert.equal(texts[0], texts[1]);
  assert.ok(texts[0].length > 0);
});

test('a model from an address is kept in IndexedDB unless told otherwise, and comes from there the next time', async () => {
  // Not the file that the page itself stores: under any address that is one model.
  const site = await serveModels({ '/own.gguf': { bytes: readFileSync(writeSmallModel()) } });
  const found = await inPage(
    async (/** @type {{ model: string, completion: CompletionOptions }} */ { model, completion }) => {
      const { createEngine: create, openModelStore } = await import('/nibble/index.js');
      const models = await openModelStore();
      const results = [];
      for (const store of /** @type {const} */ ([null, 'opfs', 'opfs', undefined, undefined])) {
        const engine = await create({ model, store });
        const { text } = await engine.complete(completion).result;
        results.push({ text, storage: engine.info.storage, milliseconds: engine.info.loadMilliseconds });
        await engine.unload();
      }
      const own = async () => (await models.list()).filter(({ id }) => id.endsWith('own.gguf'));
      const [{ id }] = await own();
      const verified = await models.verify(id);
      await models.delete(id);
      const left = await own();
      await models.close();
      return { results, id, verified, left };
    },
    { model: `${site.url}own.gguf`, completion: COMPLETION },
  ).finally(site.close);
  const states = found.results.map(({ storage }) => [storage.kind, storage.state]);
  assert.deepEqual(states, [
    [null, 'not-stored'],
    ['opfs', 'imported'],
    ['opfs', 'stored'],
    ['indexeddb', 'imported'],
    ['indexeddb', 'stored'],
  ]);
  for (const { text, storage } of found.results) {
    assert.equal(text, found.results[0].text);
    assert.equal(storage.problem, null);
  }
  assert.match(found.id, /^url:http.*\/own\.gguf$/);
  assert.deepEqual(found.verified.damaged, []);
  assert.deepEqual(found.left, []);
});

test('relaxed and plain builds give equal logits, bit for bit', async () => {
  // In Node 20 only one of the two runs, so the browser compares them; a random model's logits are all different.
  const path = writeSmallModel();
  const bytes = [...readFileSync(path)];
  const logits = await inPage(async (/** @type {number[]} */ model) => {
    const { createEngine: create } = await import('/nibble/index.js');
    const all = [];
    for (const kernelSet of ['relaxed-i16', 'relaxed-i32', 'simd128', 'reference']) {
      const engine = await create({ model: new Uint8Array(model), kernelSet, threads: 2 });
      const { top } = await engine.evaluate(
        [...Array(100).keys()].map((i) => (i * 7) % 256),
        { top: 0 },
      );
      all.push(top.sort((a, b) => a.id - b.id).map(({ logit }) => logit));
      await engine.unload();
    }
    return all;
  }, bytes);
  for (const each of logits) assert.deepEqual(each, logits[0]);
  assert.ok(new Set(logits[0]).size > 200);
});

test('bundled by esbuild, which moves no files, the library is told where its own are', async () => {
  const folder = temporaryFolder();
  await build({
    stdin: {
      contents: `globalThis.nibble = await import(${JSON.stringify(`${LIBRARY}index.js`)});`,
      resolveDir: LIBRARY,
    },
    outfile: `${folder}/bundle.js`,
    bundle: true,
    format: 'esm',
    logLevel: 'silent',
  });
  writeFileSync(`${folder}/index.html`, '<!doctype html><script type="module" src="bundle.js"></script>');
  const own = await serveBenchmark({ folders: { '/app/': folder, '/vendor/': LIBRARY }, modelPath: MODEL });
  const page = await browser.context.newPage();
  try {
    await page.goto(`${own.url}/app/index.html`);
    await page.waitForFunction(() => 'nibble' in globalThis);
    /** @param {{ workerUrl?: string, wasmUrl?: string }} places */
    const written = (places) =>
      page.evaluate(
        async ({ given, completion }) => {
          const engine = await globalThis.nibble.createEngine({ store: null, ...given });
          const { tokens } = await engine.complete(completion).result;
          await engine.unload();
          return tokens;
        },
        { given: { model: own.modelUrl, ...places }, completion: COMPLETION },
      );
    const { tokens } = await inNode({});
    // Addresses may be relative to the page.
    assert.deepEqual(await written({ workerUrl: '/vendor/worker.js', wasmUrl: '../vendor' }), tokens);
    await assert.rejects(written({ workerUrl: '/vendor/worker.js' }), /bundle\.js|nibble-\w+\.wasm gave 404/);
  } finally {
    await page.close();
    await own.close();
  }
});
