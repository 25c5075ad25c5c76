// A worker that dies in a real browser: whatever it was at, the caller is told at once, by its call and by engine.closed,
// nothing waits for ever, and the next engine starts.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serveBenchmark } from '../bench/server.js';
import { openChromium } from '../chromium.js';
import { writeSmallModel } from '../small-model.js';

/** @typedef {import('../bench/server.js').BenchmarkServer} BenchmarkServer */
/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/base/public-types.js').ModelStore} ModelStore */
/** @typedef {import('playwright-core').Page} Page */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
// Enough that a prompt and a save take a while.
const SHAPE = { width: 512, ffn: 1536, layers: 4, heads: 8, kvHeads: 8, headSize: 64, vocabulary: 4000, context: 4096 };
const PATIENCE_MILLISECONDS = 15_000;

// A host that is not this machine by its name: a page of it is in no secure context, without Web Locks and without threads.
const PLAIN_HOST = 'nibble.test';

/** @type {BenchmarkServer} */
let server;
/** @type {BenchmarkServer} */
let slow;
/** @type {Chromium} */
let browser;

before(async () => {
  const folders = { '/nibble/': path('../../build/web'), '/test/': path('..') };
  const modelPath = writeSmallModel(SHAPE);
  server = await serveBenchmark({ folders, modelPath });
  slow = await serveBenchmark({ folders, modelPath, bytesPerSecond: 4e6 });
  const flags = ['--js-flags=--expose-gc', `--host-resolver-rules=MAP ${PLAIN_HOST} localhost`];
  browser = await openChromium({ args: flags });
});

after(async () => {
  await browser?.close();
  await server?.close();
  await slow?.close();
});

/** How a worker dies: something that is evaluated in it. */
const DEATHS = {
  'an error that nobody catches': {
    kill: () => {
      setTimeout(() => {
        throw new Error('out of luck');
      });
    },
    code: 'WORKER_FAILED',
    reason: /out of luck/,
  },
  'an end without any event': { kill: () => self.close(), code: 'WORKER_FAILED', reason: /has ended it/ },
  'a trap of the wasm': {
    kill: () => {
      self.dieOfTrap = true;
    },
    code: 'ENGINE_CRASHED',
    reason: /unreachable/,
  },
  // Which of the two is told depends on whether the engine was waiting for it.
  'a trap of one of its threads': {
    kill: () => self.armThreads(),
    code: ['ENGINE_CRASHED', 'WORKER_FAILED'],
    reason: /unreachable|threads has trapped/,
  },
};

/** What it dies in: `begin` starts it in the page, and tells by `globalThis.isUnderWay` when to kill. */
const MOMENTS = {
  'at rest, before the next call': {
    begin: () => {
      globalThis.isUnderWay = true;
      globalThis.call = () => globalThis.engine.complete({ prompt: 'ab', maxTokens: 4 }).result;
    },
  },
  'in a prompt': {
    begin: () => {
      const onPrefill = () => {
        globalThis.isUnderWay = true;
      };
      // However late the kill comes, the call has not ended.
      const prompt = 'ab '.repeat(1200);
      const { result } = globalThis.engine.complete({ prompt, ignoreEos: true, onFull: 'drop-oldest', onPrefill });
      globalThis.call = () => result;
    },
  },
  'in an answer': {
    begin: () => {
      const completion = globalThis.engine.complete({ prompt: 'ab', ignoreEos: true, onFull: 'drop-oldest' });
      globalThis.call = async () => {
        for await (const _ of completion) globalThis.isUnderWay = true;
      };
      globalThis.called = globalThis.call();
      globalThis.call = () => globalThis.called;
      globalThis.called.catch(() => {});
    },
  },
  'in a save': {
    begin: async () => {
      const session = await globalThis.engine.createSession();
      await session.prefill(Array.from({ length: 2000 }, (_, place) => 300 + (place % 1000)));
      const save = async () => {
        for (;;) {
          const saving = session.save('mine');
          globalThis.isUnderWay = true;
          await saving;
        }
      };
      globalThis.called = save();
      globalThis.called.catch(() => {});
      globalThis.call = () => globalThis.called;
    },
  },
};

async function openPage(origin = server.url) {
  const page = await browser.context.newPage();
  page.setDefaultTimeout(PATIENCE_MILLISECONDS);
  await page.goto(`${origin}/test/library-page.html`);
  await page.waitForFunction(() => 'nibble' in globalThis);
  return page;
}

/** @typedef {'indexeddb' | 'opfs' | null} Store */

/** @param {Page} page @param {string} [model] @param {Store} [store] */
const load = (page, model = server.modelUrl, store = 'indexeddb') =>
  page.evaluate(
    async ({ from, where }) => {
      const urls = { workerUrl: '/test/library/dying-worker.js', wasmUrl: '/nibble/' };
      const options = { model: from, store: where, ...urls, threads: 2, contextSize: 4096 };
      globalThis.engine = await globalThis.nibble.createEngine(options);
      globalThis.whyClosed = 'not yet';
      globalThis.engine.closed.then((reason) => {
        globalThis.whyClosed = reason === undefined ? null : { code: reason.code, message: reason.message };
      });
    },
    { from: model, where: store },
  );

/**
 * What became of the call, of calls after it, and of `closed`; a call that never settles fails the evaluation.
 * @param {Page} page
 */
const look = (page) =>
  page.evaluate(async (milliseconds) => {
    /** @param {Promise<unknown>} promise */
    const settled = (promise) =>
      Promise.race([
        promise.then(
          () => 'done',
          ({ code, message }) => ({ code, message }),
        ),
        new Promise((resolve) => setTimeout(resolve, milliseconds, 'nothing')),
      ]);
    const { engine } = globalThis;
    const call = await settled(globalThis.call());
    const later = [await settled(engine.memory()), await settled(engine.tokenize('ab'))];
    later.push(await settled(engine.complete({ prompt: 'ab', maxTokens: 1 }).result));
    const closed = await settled(engine.closed);
    await engine.unload();
    return { call, later, closed: closed === 'done' ? globalThis.whyClosed : closed };
  }, PATIENCE_MILLISECONDS);

/** @param {Page} page */
const workersLeft = async (page) => {
  const end = Date.now() + PATIENCE_MILLISECONDS;
  const session = await page.context().newCDPSession(page);
  let left;
  do {
    const { targetInfos } = await session.send('Target.getTargets');
    left = targetInfos.filter(({ type }) => type === 'worker').length;
  } while (left > 0 && Date.now() < end);
  return left;
};

/** @param {Page} page @param {string} [model] @param {Store} [store] */
async function checkNext(page, model, store) {
  await load(page, model, store);
  const text = await page.evaluate(async () => {
    const { engine } = globalThis;
    const { tokens } = await engine.complete({ prompt: 'ab', maxTokens: 4, ignoreEos: true }).result;
    await engine.unload();
    return { count: tokens.length, closed: await engine.closed };
  });
  assert.deepEqual(text, { count: 4, closed: undefined });
  assert.equal(await workersLeft(page), 0, 'workers that were left behind');
}

for (const [death, { kill, code, reason }] of Object.entries(DEATHS)) {
  describe(death, () => {
    for (const [moment, { begin }] of Object.entries(MOMENTS)) {
      test(`${moment}: the caller is told, and the next engine starts`, async () => {
        const page = await openPage();
        await load(page);
        await page.evaluate(begin);
        await page.waitForFunction(() => globalThis.isUnderWay === true);
        const [worker] = page.workers();
        await worker.evaluate(kill).catch(() => {});
        const { call, later, closed } = await look(page);
        for (const found of [call, ...later, closed]) {
          assert.ok([code].flat().includes(found.code), JSON.stringify(found));
          assert.match(found.message, reason);
        }
        await checkNext(page);
        await page.close();
      });
    }

    test('while it loads: the caller is told, and the next engine starts', async () => {
      const page = await openPage(slow.url);
      await page.evaluate((model) => {
        /** @param {{ phase: string }} options */
        const onProgress = ({ phase }) => {
          globalThis.isUnderWay ||= phase === 'download';
        };
        const workerUrl = '/test/library/dying-worker.js';
        const options = { model, store: null, onProgress, workerUrl, wasmUrl: '/nibble/', threads: 2 };
        globalThis.loading = globalThis.nibble.createEngine(options).then(
          () => ({ code: 'none', message: 'there is no error' }),
          (error) => ({ code: error.code, message: error.message }),
        );
      }, slow.modelUrl);
      await page.waitForFunction(() => globalThis.isUnderWay === true);
      await page
        .workers()[0]
        .evaluate(kill)
        .catch(() => {});
      const found = await page.evaluate(() => globalThis.loading);
      assert.ok([code].flat().includes(found.code), JSON.stringify(found));
      assert.match(found.message, reason);
      await checkNext(page, slow.modelUrl, null);
      await page.close();
    });
  });
}

test('an onProgress that throws ends the load: threads end, what came is kept, and the next load goes on from there', async () => {
  const page = await openPage(slow.url);
  const given = { model: slow.modelUrl, where: /** @type {const} */ ('opfs') };
  const found = await page.evaluate(async ({ model, where }) => {
    /** @param {{ phase: string, loaded: number, total: number }} options */
    const onProgress = ({ phase, loaded, total }) => {
      if (phase === 'download' && loaded > total / 3) throw new RangeError('enough');
    };
    const urls = { workerUrl: '/test/library/dying-worker.js', wasmUrl: '/nibble/' };
    const loading = globalThis.nibble.createEngine({ model, store: where, onProgress, ...urls, threads: 2 });
    const { name, message } = await loading.catch((error) => error);
    const models = await globalThis.nibble.openModelStore({ store: where });
    const [{ state, receivedBytes, fileBytes }] = await models.list();
    await models.close();
    return { name, message, state, part: receivedBytes / (fileBytes ?? NaN) };
  }, given);
  assert.equal(await workersLeft(page), 0);
  const { part, ...rest } = found;
  assert.deepEqual(rest, { name: 'RangeError', message: 'enough', state: 'importing' });
  assert.ok(part > 0.3 && part < 1, `${part} of it was kept`);
  const first = await page.evaluate(async ({ model, where }) => {
    let least = 1;
    /** @param {{ phase: string, loaded: number, total: number }} options */
    const onProgress = ({ phase, loaded, total }) => {
      if (phase === 'download') least = Math.min(least, loaded / total);
    };
    const engine = await globalThis.nibble.createEngine({ model, store: where, onProgress, threads: 2 });
    await engine.unload();
    return least;
  }, given);
  assert.ok(first > 0.3, `it went on at ${first} of it`);
  await checkNext(page, slow.modelUrl, given.where);
  await page.close();
});

test('over plain http, where no locks tell it, an end without any event is seen too', async () => {
  const page = await openPage(server.url.replace('localhost', PLAIN_HOST));
  assert.equal(await page.evaluate(() => globalThis.isSecureContext || 'locks' in navigator), false);
  await load(page, server.modelUrl.replace('localhost', PLAIN_HOST));
  await page
    .workers()[0]
    .evaluate(() => self.close())
    .catch(() => {});
  await page.evaluate(() => {
    globalThis.call = () => globalThis.engine.memory();
  });
  const { call, closed } = await look(page);
  assert.deepEqual([call.code, closed.code], ['WORKER_FAILED', 'WORKER_FAILED']);
  await page.close();
});

test('over plain http, a worker that collects its garbage is not taken for one that has ended', async () => {
  const page = await openPage(server.url.replace('localhost', PLAIN_HOST));
  await load(page, server.modelUrl.replace('localhost', PLAIN_HOST));
  for (let time = 0; time < 3; time++) {
    await page.workers()[0].evaluate(() => /** @type {() => void} */ (self.gc)());
    // What the collector has closed is told before this is.
    await page.evaluate(async () => {
      /** @param {IDBOpenDBRequest} request */
      const settled = (request) =>
        new Promise((resolve, reject) => Object.assign(request, { onsuccess: resolve, onerror: reject }));
      const opened = await settled(indexedDB.open('another'));
      opened.target.result.close();
      await settled(indexedDB.deleteDatabase('another'));
    });
  }
  assert.equal(await page.evaluate(() => globalThis.whyClosed), 'not yet');
  assert.ok((await page.evaluate(() => globalThis.engine.memory())).wasm > 0);
  await page.evaluate(() => globalThis.engine.unload());
  await page.close();
});

test('a worker that is ended before it begins, or is another script, is not waited for without end', async () => {
  const page = await openPage();
  const found = await page.evaluate(
    async ({ model, milliseconds }) => {
      // A minute that is over in a moment.
      const { setInterval } = globalThis;
      const hasty = (/** @type {() => void} */ use, /** @type {number} */ every) => setInterval(use, every / 100);
      Object.assign(globalThis, { setInterval: hasty });
      /** @param {Promise<Engine> | Promise<ModelStore>} promise */
      const failure = (promise) =>
        Promise.race([
          promise.then(
            () => 'done',
            ({ code, message }) => ({ code, message }),
          ),
          new Promise((resolve) => setTimeout(resolve, milliseconds, 'nothing')),
        ]);
      const { createEngine, openModelStore } = globalThis.nibble;
      const workerUrl = '/nibble/worker.js';
      const another = 'data:text/javascript,';
      const results = [await failure(createEngine({ model, workerUrl: another }))];
      const { Worker } = globalThis;
      globalThis.Worker = class extends Worker {
        /** @param {ConstructorParameters<typeof Worker>} from */
        constructor(...from) {
          super(...from);
          this.terminate();
        }
      };
      results.push(await failure(createEngine({ model, workerUrl })));
      results.push(await failure(openModelStore({ workerUrl })));
      return results;
    },
    { model: server.modelUrl, milliseconds: PATIENCE_MILLISECONDS },
  );
  for (const { code, message } of found) {
    assert.equal(code, 'WORKER_FAILED');
    assert.match(message, /has not started within 60 seconds/);
  }
  await page.close();
});
