// A server that falls silent while a model comes: progress says so, and how often it was asked. The library in this
// thread, which asks again at once.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { progressLine } from '../../js/commands/model.js';
import { withRetries } from '../../js/download/retry-progress.js';
import { createLibrary } from '../../js/index.js';
import { startBadServer } from '../bad-server.js';
import { startRuntime } from '../models/rig.js';
import { present } from '../present.js';
import { SMALL_SHAPE, writeSmallModel } from '../small-model.js';
import { startThreadWorker } from '../thread-worker.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../bad-server.js').BadServer} BadServer */
/** @typedef {import('../../js/base/public-types.js').Progress} Progress */

const PROMPT = Array.from({ length: 20 }, (_, i) => (i * 37) % 256);
const RETRIES = 3;
const bytes = readFileSync(writeSmallModel({ ...SMALL_SHAPE, name: 'silent', layers: 12, ffn: 512 }));
const HALF = bytes.length >> 1;
/** @type {BadServer[]} */
const servers = [];

after(() => Promise.all(servers.map((server) => server.close())));

/** A server that gives the first half of the file, and then none; it fails `failures` times before it goes on. */
async function brokenServer(failures = Infinity) {
  /** @param {{ index: number }} options */
  const fault = ({ index }) => (index > 0 && index <= failures ? { status: 503 } : {});
  const server = await startBadServer(bytes, { most: HALF, fault });
  servers.push(server);
  return server;
}

function startWorker() {
  const download = { connections: 1, retries: RETRIES, retryMilliseconds: 1 };
  const start = async () => ({ runtime: await startRuntime(), variant: 'simd128', threads: 1 });
  return startThreadWorker({ startRuntime: start, download, threads: 1, maxThreads: 1 });
}

const { createEngine, openModelStore } = createLibrary(
  untyped({
    startWorker,
    /** @param {string} url */
    locate: (url) => ({ url }),
    wasm: () => ({}),
    memory: () => 2 ** 32,
    isPath: () => true,
    defaultStore: () => null,
    persistence: {},
  }),
);

/** What was told from the first wait on, checked in what all of it has in common. @param {Progress[]} events */
function sinceRetry(events) {
  const told = events.slice(events.findIndex(({ phase }) => phase === 'retry'));
  const waits = told.filter(({ phase }) => phase === 'retry');
  for (const { loaded, total, bytesPerSecond, secondsLeft } of waits) {
    assert.ok(loaded > 0 && loaded <= HALF, `${loaded} bytes had come`);
    assert.equal(total, bytes.length);
    assert.equal(bytesPerSecond, 0);
    assert.ok(present(secondsLeft) >= 0);
  }
  return {
    phases: [...new Set(told.map(({ phase }) => phase))],
    attempts: [...new Set(waits.map((w) => w.attempt))],
  };
}

describe('a server that falls silent', () => {
  test('for good, while a prompt waits for the model: that is told until the error, which ends the prompt too', async () => {
    const server = await brokenServer();
    /** @type {Progress[]} */
    const events = [];
    const options = {
      earlyStart: true,
      store: 'memory',
      onProgress: (/** @type {Progress} */ event) => events.push(event),
    };
    const engine = await createEngine(untyped({ model: server.url, ...options }));
    const prompt = engine.complete({ tokens: PROMPT, maxTokens: 2 }).result;
    for (const waiting of [prompt, engine.ready]) await assert.rejects(waiting, { code: 'DOWNLOAD_FAILED' });
    const { phases, attempts } = sinceRetry(events);
    assert.deepEqual(phases, ['retry'], 'nothing hides that nothing comes');
    assert.deepEqual(attempts, [1, 2, 3]);
    assert.equal(attempts.length, RETRIES);
    await engine.unload();
  });

  for (const store of [null, 'memory']) {
    test(`and comes back, ${store === null ? 'without' : 'with'} a store: both are told`, async () => {
      const server = await brokenServer(3);
      /** @type {Progress[]} */
      const events = [];
      const engine = await createEngine(
        untyped({ model: server.url, store, onProgress: (/** @type {Progress} */ event) => events.push(event) }),
      );
      const { phases, attempts } = sinceRetry(events);
      assert.deepEqual(phases.slice(0, 2), ['retry', 'download']);
      assert.deepEqual(attempts, [1, 2, 3]);
      assert.equal(events.at(-1)?.loaded, bytes.length);
      assert.equal((await engine.complete({ tokens: PROMPT, maxTokens: 2, ignoreEos: true }).result).tokens.length, 2);
      await engine.unload();
    });
  }

  test('is told to whoever imports a model, in the same way', async () => {
    const server = await brokenServer(2);
    const models = await openModelStore({ store: 'memory' });
    /** @type {Progress[]} */
    const events = [];
    await models.import(server.url, { onProgress: (event) => events.push(event) });
    assert.deepEqual(sinceRetry(events), { phases: ['retry', 'download'], attempts: [1, 2] });
    assert.equal((await models.list())[0].state, 'complete');
    await models.close();
  });

  test('before the first answer is told with nothing loaded', async () => {
    const server = await startBadServer(bytes, { fault: ({ index }) => (index === 0 ? { status: 503 } : {}) });
    servers.push(server);
    /** @type {Progress[]} */
    const events = [];
    const engine = await createEngine({ model: server.url, onProgress: (event) => events.push(event) });
    const { phase, loaded, total, attempt } = events[0];
    assert.deepEqual({ phase, loaded, total, attempt }, { phase: 'retry', loaded: 0, total: 0, attempt: 1 });
    await engine.unload();
  });
});

test('progress that is told late, of what had come before, does not hide a wait', () => {
  /** @type {Progress[]} */
  const told = [];
  const call = withRetries(untyped({ platform: {}, onProgress: (/** @type {Progress} */ event) => told.push(event) }));
  const { onWait } = call.platform.download;
  /** @param {number} loaded */
  const download = (loaded) =>
    call.onProgress({ phase: 'download', loaded, total: 9, bytesPerSecond: 5, secondsLeft: 1 });
  download(1);
  onWait({ failures: 1, milliseconds: 1000 });
  download(2);
  call.onProgress({ phase: 'prepare', loaded: 0, total: 9, bytesPerSecond: 0, secondsLeft: null });
  onWait(null);
  download(3);
  assert.deepEqual(
    told.map(({ phase, loaded }) => `${phase} ${loaded}`),
    ['download 1', 'retry 1', 'retry 2', 'prepare 0', 'download 3'],
  );
  assert.match(progressLine(told[1]), /^nothing comes .* again in /);
});
