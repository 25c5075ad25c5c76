// "Any browser" as a promise: the library in Chromium, Firefox and WebKit, with all that they have and with what they
// refuse. Each of them has to write what Node writes, token by token.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createEngine } from '../js/index.node.js';
import { KERNEL_SETS } from '../js/simd.js';
import { findAbilities } from './bench/abilities.js';
import { serveBenchmark } from './bench/server.js';
import { BROWSERS, openBrowser, skipWithoutBrowser } from './browsers.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const MODEL = path('../models/nibble-tiny.gguf');
const PLACES = { folders: { '/nibble/': path('../build/web'), '/test/': path('.') }, modelPath: MODEL };
const COMPLETION = { prompt: 'Once there was', maxTokens: 40, temperature: 0, ignoreEos: true };

let isolated;
let plain;
let expected;

before(async () => {
  isolated = await serveBenchmark(PLACES);
  plain = await serveBenchmark({ ...PLACES, isolated: false });
  const engine = await createEngine({ model: MODEL });
  expected = (await engine.complete(COMPLETION).result).tokens;
  await engine.unload();
  assert.equal(expected.length, COMPLETION.maxTokens);
});

after(async () => {
  await isolated?.close();
  await plain?.close();
});

async function openLibrary(browser, server) {
  const page = await browser.open(`${server.url}/test/library-page.html`);
  await page.waitFor(() => 'nibble' in globalThis);
  return page;
}

/** Loads the model in a page, writes, unloads. `refusals`: what refusals.js tells. */
const write = (page, server, options = {}) =>
  page.evaluate(
    async (given, completion) => {
      const refusals = [];
      const channel = new BroadcastChannel('refusals');
      channel.onmessage = ({ data }) => refusals.push(data);
      const engine = await globalThis.nibble.createEngine(given);
      const { tokens } = await engine.complete(completion).result;
      const { threads, kernelSet, wasm } = engine.info;
      await engine.unload();
      channel.close();
      return { tokens, threads, kernelSet, wasm, isolated: globalThis.crossOriginIsolated, refusals };
    },
    { model: server.modelUrl, ...options },
    COMPLETION,
  );

for (const name of BROWSERS) {
  describe(name, { skip: skipWithoutBrowser(name) }, () => {
    let browser;

    before(async () => {
      browser = await openBrowser(name);
    });

    after(() => browser?.close());

    test('an isolated page writes what Node writes, on threads and relaxed SIMD where they exist', async (t) => {
      const page = await openLibrary(browser, isolated);
      const has = await findAbilities(page);
      const found = await write(page, isolated, { threads: 2 });
      t.diagnostic(
        `${name} ${browser.version}: ${found.threads} thread(s), ${found.kernelSet}, the ${found.wasm} build`,
      );
      assert.deepEqual(found.tokens, expected);
      assert.equal(found.isolated, true);
      assert.equal(found.threads, has.sharedMemory ? 2 : 1);
      assert.equal(found.wasm, has.relaxed ? 'relaxed' : 'simd128');
      assert.ok(KERNEL_SETS.includes(found.kernelSet) && found.kernelSet !== 'reference', found.kernelSet);
      await page.close();
    });

    test('a page that is not isolated writes the same on one thread', async () => {
      const page = await openLibrary(browser, plain);
      const found = await write(page, plain, { threads: 2 });
      assert.deepEqual(found.tokens, expected);
      assert.equal(found.isolated, false);
      assert.equal(found.threads, 1);
      await page.close();
    });

    test('an answer stops in the middle, the next one comes, and an unloaded engine says so', async () => {
      const page = await openLibrary(browser, isolated);
      const found = await page.evaluate(
        async (model, completion) => {
          const engine = await globalThis.nibble.createEngine({ model, threads: 2 });
          const endless = engine.complete({ ...completion, maxTokens: 500 });
          let heard = 0;
          for await (const _ of endless) if (++heard === 3) break;
          const stopped = await endless.result;
          const next = await engine.complete(completion).result;
          await engine.unload();
          const refused = await engine.complete(completion).result.catch(({ code }) => code);
          return { heard, reason: stopped.finishReason, written: stopped.tokens.length, next: next.tokens, refused };
        },
        isolated.modelUrl,
        COMPLETION,
      );
      assert.equal(found.heard, 3);
      assert.equal(found.reason, 'cancelled');
      assert.ok(found.written >= 3 && found.written < 500, `${found.written} tokens were written`);
      assert.deepEqual(found.next, expected);
      assert.equal(found.refused, 'UNLOADED');
      await page.close();
    });

    test('where threads do not start, the engine runs on one', async () => {
      const page = await openLibrary(browser, isolated);
      const { sharedMemory } = await findAbilities(page);
      for (const refusal of ['?post', '?file']) {
        const found = await write(page, isolated, { threads: 2, workerUrl: `/test/refusing-worker.js${refusal}` });
        assert.deepEqual(
          found.refusals,
          sharedMemory ? [refusal] : [],
          'threads are tried once, where there may be any',
        );
        assert.equal(found.threads, 1, refusal);
        assert.deepEqual(found.tokens, expected, refusal);
      }
      await page.close();
    });

    test('where the whole address space cannot be reserved, the engine runs in a part of it', async () => {
      const page = await openLibrary(browser, isolated);
      const found = await write(page, isolated, { workerUrl: '/test/refusing-worker.js?reserve' });
      assert.deepEqual(found.refusals, ['?reserve', '?reserve'], '4 GiB and 2 GiB are refused');
      assert.deepEqual(found.tokens, expected);
      await page.close();
    });

    test('a model that is missing is an error with its code', async () => {
      const page = await openLibrary(browser, isolated);
      const created = page.evaluate(() => globalThis.nibble.createEngine({ model: '/no-such-model.gguf' }));
      await assert.rejects(created, ({ code, message }) => /^[A-Z_]+$/.test(code) && message.includes('404'));
      await page.close();
    });
  });
}

// Safari has shared memory on isolated pages; Debian's WebKit has it switched off.
test('WebKit with shared memory runs threads, and writes the same', {
  skip: skipWithoutBrowser('WebKit'),
}, async () => {
  const browser = await openBrowser('WebKit', { env: { JSC_useSharedArrayBuffer: '1' } });
  try {
    const page = await openLibrary(browser, isolated);
    const found = await write(page, isolated, { threads: 2 });
    assert.equal(found.threads, 2);
    assert.deepEqual(found.tokens, expected);
  } finally {
    await browser.close();
  }
});
