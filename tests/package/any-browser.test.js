// "Any browser" as a promise: the library in Chromium, Firefox and WebKit, with all that they have and with what they
// refuse. Each of them has to write what Node writes, token by token.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SITE } from '../../js/bundle.js';
import { KERNEL_SETS } from '../../js/core/simd.js';
import { createEngine } from '../../js/index.node.js';
import { ROOT } from '../../wasm/shell.js';
import { serve } from '../../web/serve.js';
import { findAbilities } from '../bench/abilities.js';
import { serveBenchmark } from '../bench/server.js';
import { BROWSERS, openBrowser, skipWithoutBrowser } from '../browsers.js';
import { GOLDEN_MODELS, goldenBytes } from '../golden/models.js';
import { SCREENSHOTS } from '../page/driver.js';
import { servePlainly } from '../plain-server.js';
import { dealOut } from '../rounds.js';
import { temporaryFolder } from '../small-model.js';
import { PROMISES } from '../store/contract.js';
import { bundleForWorker } from '../store/page.js';

/** @typedef {import('../bench/server.js').BenchmarkServer} BenchmarkServer */
/** @typedef {import('../browsers.js').Browser} Browser */
/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../browsers.js').Page} Page */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const MODEL = path('../../models/nibble-tiny.gguf');
const WORKERS = temporaryFolder();
const FAMILIES = temporaryFolder();
const PLACES = {
  folders: { '/nibble/': path('../../build/web'), '/test/': path('..'), '/workers/': WORKERS, '/families/': FAMILIES },
  modelPath: MODEL,
};
const COMPLETION = { prompt: 'Once there was', maxTokens: 40, temperature: 0, ignoreEos: true };
const SEEDED = { ...COMPLETION, temperature: 1.3, seed: 12 };

/** @type {BenchmarkServer} */
let isolated;
/** @type {BenchmarkServer} */
let plain;
/** @type {number[]} */
let expected;
/** @type {number[]} */
let expectedOfSeed;

/** The kernels that all browsers and Node have. */
const COMMON_KERNELS = 'simd128';
// Longer than the windows of the golden models.
const FAMILY_TOKENS = Array.from({ length: 30 }, (_, i) => (i * 37) % 251);

/**
 * Runs in Node and in pages: a digest of a model's logits behind a prompt, and behind one token more.
 * @param {(options: any) => Promise<Engine>} createEngine
 * @param {Buffer | string} model
 * @param {string} kernelSet
 * @param {number[]} tokens
 */
async function digestLogits(createEngine, model, kernelSet, tokens) {
  const engine = await createEngine({ model, kernelSet, threads: 1, contextSize: 64, store: null });
  let all = '';
  for (const given of [tokens, [...tokens, 1]]) {
    const { top } = await engine.evaluate(given, { top: 0 });
    all += top.map(({ id, logit }) => `${id} ${logit}\n`).join('');
  }
  await engine.unload();
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(all));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @type {Promise<Record<string, string>> | undefined} */
let familyDigests;

/** What Node computes of one golden model of each family, which lies at /families/ from then on. */
async function computeFamilies() {
  /** @type {Record<string, string>} */
  const digests = {};
  const families = new Map(Object.entries(GOLDEN_MODELS).map(([name, { shape }]) => [shape.family ?? 'llama', name]));
  for (const name of families.values()) {
    const bytes = goldenBytes(name);
    writeFileSync(join(FAMILIES, name), bytes);
    digests[name] = await digestLogits(createEngine, bytes, COMMON_KERNELS, FAMILY_TOKENS);
  }
  return digests;
}

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  writeFileSync(join(WORKERS, 'store.js'), await bundleForWorker('relay.js'));
  isolated = await serveBenchmark(PLACES);
  plain = await serveBenchmark({ ...PLACES, isolated: false });
  const engine = await createEngine({ model: MODEL });
  expected = (await engine.complete(COMPLETION).result).tokens;
  expectedOfSeed = (await engine.complete(SEEDED).result).tokens;
  await engine.unload();
  assert.equal(expected.length, COMPLETION.maxTokens);
  assert.notDeepEqual(expectedOfSeed, expected);
});

after(async () => {
  await isolated?.close();
  await plain?.close();
});

/** @param {Page} page */
async function ready(page) {
  await page.waitFor(() => 'nibble' in globalThis);
  return page;
}

/** @param {any} store */
async function emptyStore(store) {
  const models = await globalThis.nibble.openModelStore({ store });
  for (const { id } of await models.list()) await models.delete(id);
  await models.close();
}

/** @param {Browser} browser @param {BenchmarkServer} server */
const openLibrary = async (browser, server) => ready(await browser.open(`${server.url}/test/library-page.html`));

/**
 * Loads the model in a page, writes, unloads. `refusals`: what refusals.js tells.
 * @param {Page} page
 * @param {BenchmarkServer} server
 * @returns {Promise<any>}
 */
const write = (page, server, options = {}, completion = COMPLETION) =>
  page.evaluate(
    async (/** @type {any} */ given, /** @type {typeof COMPLETION} */ wanted) => {
      /** @type {string[]} */
      const refusals = [];
      const channel = new BroadcastChannel('refusals');
      channel.onmessage = ({ data }) => refusals.push(data);
      const engine = await globalThis.nibble.createEngine(given);
      const { tokens } = await engine.complete(wanted).result;
      const { threads, threadProblem, kernelSet, wasm, storage } = engine.info;
      await engine.unload();
      channel.close();
      return {
        tokens,
        threads,
        threadProblem,
        kernelSet,
        wasm,
        storage,
        isolated: globalThis.crossOriginIsolated,
        refusals,
      };
    },
    { model: server.modelUrl, ...options },
    completion,
  );

/** Waits for the page's model, and fails with the page's own words where it does not come. @param {Page} page */
async function untilReady(page) {
  const problem = await page.waitFor(() => {
    const shown = /** @type {HTMLElement | null} */ (document.querySelector('#problem'));
    if (shown && !shown.hidden) return shown.textContent;
    const state = /** @type {HTMLElement | null} */ (document.querySelector('#model-state'));
    return state?.dataset.state === 'ready' && 'none';
  });
  assert.equal(problem, 'none');
}

/** Asks something in the page, and gives the text of the answer. @param {Page} page */
async function converse(page) {
  const count = () => document.querySelectorAll('.message.assistant:not([aria-busy]) .text').length;
  const before = await page.evaluate(count);
  await page.type('#prompt', 'Hello');
  await page.click('#send');
  return page.waitFor((/** @type {number} */ answered) => {
    /** @type {any} */
    const texts = document.querySelectorAll('.message.assistant:not([aria-busy]) .text');
    return (
      texts.length > answered &&
      /** @type {HTMLElement} */ (document.querySelector('#stop')).hidden &&
      [...texts].at(-1).textContent
    );
  }, before);
}

/** Runs in the page: what went wrong with the promises of the backends. @param {string[]} kinds @param {string[]} names */
async function checkPromises(kinds, names) {
  const worker = new Worker('/workers/store.js', { type: 'module' });
  /** @param {object} message */
  const ask = (message) =>
    new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = ({ message: reason }) => reject(new Error(`the worker failed: ${reason}`));
      worker.postMessage(message);
    });
  const broken = [];
  for (const kind of kinds) {
    for (const name of names) {
      const problem = await ask({ kind, name, database: `${kind} ${name}` });
      if (problem !== null) broken.push(`${kind}: ${name}: ${problem}`);
    }
  }
  worker.terminate();
  return broken;
}

for (const name of BROWSERS) {
  describe(name, { skip: skipWithoutBrowser(name) }, () => {
    /** @type {Browser} */
    let browser;

    before(async () => {
      browser = await openBrowser(name);
    });

    after(() => browser?.close());

    /**
     * A driven Firefox now and then does not come back from `new Worker()` in a worker, of any page (firefox-workers.js
     * shows it): there a page that does not answer gets a second chance in a new browser, which is told. No other one does.
     * @param {string} promise
     * @param {(t: test.TestContext) => unknown} body
     */
    const check = (promise, body, options = {}) =>
      test(promise, options, async (t) => {
        try {
          await body(t);
        } catch (/** @type {any} */ error) {
          if (name !== 'Firefox' || !/has not answered/.test(error.message)) throw error;
          t.diagnostic(`${name}: ${error.message} Once more, in a new one.`);
          await browser.close();
          browser = await openBrowser(name);
          await body(t);
        }
      });

    check('an isolated page writes what Node writes, on threads and relaxed SIMD where they exist', async (t) => {
      const page = await openLibrary(browser, isolated);
      const has = await findAbilities(page);
      const found = await write(page, isolated, { threads: 2 });
      t.diagnostic(
        `${name} ${browser.version}: ${found.threads} thread(s), ${found.kernelSet}, the ${found.wasm} build`,
      );
      assert.deepEqual(found.tokens, expected);
      assert.equal(found.isolated, true);
      assert.equal(found.threads, has.sharedMemory ? 2 : 1);
      assert.equal(found.threadProblem === null, has.sharedMemory);
      assert.equal(found.wasm, has.relaxed ? 'relaxed' : 'simd128');
      assert.ok(KERNEL_SETS.includes(found.kernelSet) && found.kernelSet !== 'reference', found.kernelSet);
      await page.close();
    });

    check(
      'families, all of them in one browser or another, have the logits that they have in Node, to the last bit',
      async (t) => {
        familyDigests ??= computeFamilies();
        const all = Object.entries(await familyDigests);
        const turn = { turn: BROWSERS.indexOf(name), of: BROWSERS.length };
        const expected = Object.fromEntries(dealOut('families in browsers', all, turn));
        const page = await openLibrary(browser, isolated);
        /** @type {Record<string, string>} */
        const found = {};
        const begun = performance.now();
        for (const model of Object.keys(expected)) {
          const given = JSON.stringify([`${isolated.url}/families/${model}`, COMMON_KERNELS, FAMILY_TOKENS]);
          found[model] = await page.evaluate(`(${digestLogits})(globalThis.nibble.createEngine, ...${given})`);
        }
        t.diagnostic(`${name}: ${Object.keys(found).length} in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
        assert.deepEqual(found, expected);
        await page.close();
      },
    );

    check('a page that is not isolated writes the same on one thread', async () => {
      const page = await openLibrary(browser, plain);
      const found = await write(page, plain, { threads: 2 });
      assert.match(found.threadProblem.message, /cannot be shared .*Cross-Origin-Opener-Policy/);
      assert.deepEqual(found.tokens, expected);
      assert.equal(found.isolated, false);
      assert.equal(found.threads, 1);
      await page.close();
    });

    check('an answer stops in the middle, the next one comes, and an unloaded engine says so', async () => {
      const page = await openLibrary(browser, isolated);
      const found = await page.evaluate(
        async (/** @type {string} */ model, /** @type {typeof COMPLETION} */ completion) => {
          const engine = await globalThis.nibble.createEngine({ model, threads: 2 });
          const endless = engine.complete({ ...completion, maxTokens: undefined, onFull: 'drop-oldest' });
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
      assert.ok(found.written >= 3, `${found.written} tokens were written`);
      assert.deepEqual(found.next, expected);
      assert.equal(found.refused, 'UNLOADED');
      await page.close();
    });

    check('where threads do not start, the engine runs on one', async () => {
      const page = await openLibrary(browser, isolated);
      const { sharedMemory } = await findAbilities(page);
      for (const refusal of ['?post', '?file', '?silent']) {
        const found = await write(page, isolated, { threads: 2, workerUrl: `/test/refusing-worker.js${refusal}` });
        assert.deepEqual(
          found.refusals,
          sharedMemory ? [refusal] : [],
          'threads are tried once, where there may be any',
        );
        assert.equal(found.threads, 1, refusal);
        assert.match(
          found.threadProblem.message,
          found.refusals.length > 0 ? /thread|start/ : /cannot be shared/,
          refusal,
        );
        assert.deepEqual(found.tokens, expected, refusal);
      }
      await page.close();
    });

    // Chromium 156 has no flag left for it: neither --js-flags=--no-experimental-wasm-relaxed-simd nor any feature's name.
    check('with relaxed SIMD off, which is simulated, the same seed gives the same text as in Node', async () => {
      const page = await openLibrary(browser, isolated);
      const workerUrl = '/test/refusing-worker.js?relaxed';
      const found = await write(page, isolated, { threads: 2, workerUrl }, SEEDED);
      const { relaxed } = await findAbilities(page);
      assert.equal(found.wasm, 'simd128');
      assert.equal(found.kernelSet, 'simd128');
      assert.ok(
        found.refusals.length > 0 && found.refusals.every((/** @type {string} */ refusal) => refusal === '?relaxed'),
      );
      assert.deepEqual(found.tokens, expectedOfSeed);
      const asked = write(page, isolated, { workerUrl, kernelSet: 'relaxed-i16' });
      await assert.rejects(asked, ({ code, message }) => code === 'INVALID_ARGUMENT' && /relaxed SIMD/.test(message));
      // The same browser, asked as it is, writes that too.
      const plainly = await write(page, isolated, { threads: 2 }, SEEDED);
      assert.equal(plainly.wasm, relaxed ? 'relaxed' : 'simd128');
      assert.deepEqual(plainly.tokens, expectedOfSeed);
      await page.close();
    });

    check('where the whole address space cannot be reserved, the engine runs in a part of it', async () => {
      const page = await openLibrary(browser, isolated);
      const found = await write(page, isolated, { workerUrl: '/test/refusing-worker.js?reserve' });
      assert.ok(
        found.refusals.length > 1 && found.refusals.every((/** @type {string} */ refusal) => refusal === '?reserve'),
      );
      assert.deepEqual(found.tokens, expected);
      await page.close();
    });

    check(
      'a stored model comes back without the network, and a store that is missing leaves it in memory',
      async () => {
        let page = await openLibrary(browser, isolated);
        const { stores } = await findAbilities(page);
        for (const [store, works] of /** @type {[string, boolean][]} */ ([
          ['indexeddb', stores.buffers],
          ['opfs', stores.files],
        ])) {
          // The tests before have stored the model, which is one whatever it is asked for by.
          if (works) await page.evaluate(emptyStore, store);
          const { storage, ...first } = await write(page, isolated, { store });
          assert.deepEqual(first.tokens, expected, store);
          assert.equal(storage.state, works ? 'imported' : 'not-stored', JSON.stringify(storage));
          assert.equal(storage.problem?.code ?? null, works ? null : 'STORE_UNAVAILABLE');
          if (!works) continue;
          await page.reload();
          page = await ready(page);
          const again = await write(page, isolated, { store, model: { stored: storage.id } });
          assert.deepEqual(again.tokens, expected, store);
          assert.equal(again.storage.state, 'stored');
        }
        await page.close();
      },
    );

    const asked = name === 'Chromium' && 'store-browser.test.js asks Chromium';
    check(
      'the backends keep their promises',
      async () => {
        const page = await openLibrary(browser, isolated);
        const { stores } = await findAbilities(page);
        const kinds = [...(stores.buffers ? ['indexeddb'] : []), ...(stores.files ? ['opfs'] : [])];
        assert.ok(kinds.length > 0);
        const broken = await page.evaluate(
          checkPromises,
          kinds,
          PROMISES.map(({ name: promise }) => promise),
        );
        assert.deepEqual(broken, []);
        await page.close();
      },
      { skip: asked },
    );

    check('the page answers at a first visit and after a reload', async () => {
      const server = await serve({ port: 0 });
      try {
        const page = await browser.open(server.url);
        await untilReady(page);
        assert.equal(await page.evaluate(() => globalThis.crossOriginIsolated), true);
        assert.match(await converse(page), /\p{L}/u);
        await page.screenshot(`${SCREENSHOTS}${name.toLowerCase()}.png`);
        await page.reload();
        await untilReady(page);
        assert.match(await converse(page), /\p{L}/u);
        await page.close();
      } finally {
        await server.close();
      }
    });

    check('the page answers where its host isolates nothing, whether a service worker does or not', async (t) => {
      const server = await servePlainly(join(ROOT, SITE));
      try {
        const page = await browser.open(server.url);
        await untilReady(page);
        t.diagnostic(
          `${name}: isolated by the service worker: ${await page.evaluate(() => globalThis.crossOriginIsolated)}`,
        );
        assert.match(await converse(page), /\p{L}/u);
        await page.close();
      } finally {
        await server.close();
      }
    });

    check('a model that is missing is an error with its code', async () => {
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
