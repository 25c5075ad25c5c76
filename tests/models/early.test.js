// A prompt that is given while the model arrives, in Node: the same tokens as after a whole load, whatever the order of
// the file; and a download that ends early, a cancel and an unload in the middle of it.
import assert from 'node:assert/strict';
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { before, describe, test } from 'node:test';
import { createEngine, describeModel } from '../../js/index.node.js';
import { ggufBytes } from '../gguf-writer.js';
import { serveModels } from '../model-server.js';
import { present } from '../present.js';
import { metadata } from '../random-model.js';
import { SMALL_SHAPE, temporaryFolder, writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';
import { isWeightType } from '../weight-formats.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {Awaited<ReturnType<typeof describeModel>>['tensors'][number]} Tensor */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */
/** @typedef {import('../../js/client/session.js').Session} Session */

const SHAPE = { ...SMALL_SHAPE, name: 'early', layers: 12, width: 128, ffn: 512, heads: 8, tied: false };
const PROMPT = Array.from({ length: 200 }, (_, i) => (i * 37) % 256);
const GREEDY = { tokens: PROMPT, maxTokens: 8, temperature: 0, ignoreEos: true };
const SEEDED = { tokens: PROMPT, maxTokens: 8, seed: 11, ignoreEos: true };

/** @param {string} name */
const code = (name) => (/** @type {NibbleError} */ error) => error.code === name && /\.$/.test(error.message);
/** @param {import('../../js/client/engine.js').Engine | Session} engine @param {object} options */
const written = async (engine, options) => (await engine.complete(options).result).tokens;

/**
 * The model's file with its tensors in another order.
 * @param {Buffer<ArrayBuffer>} bytes
 * @param {(tensors: Tensor[]) => Tensor[]} order
 */
async function reordered(bytes, order) {
  const { tensors } = await describeModel(bytes);
  const list = order(tensors).map((tensor) => {
    const type = tensor.type.toLowerCase();
    assert.ok(isWeightType(type));
    return { ...tensor, type };
  });
  /** @param {(typeof list)[number]} tensor */
  const produce = ({ offset, bytes: length }) => [bytes.subarray(offset, offset + length)];
  return ggufBytes({ metadata: metadata(SHAPE), tensors: list, produce });
}

/** @type {Record<string, (tensors: Tensor[]) => Tensor[]>} */
const ORDERS = {
  'block after block': (tensors) => tensors,
  'the last first': (tensors) => [...tensors].reverse(),
  'blocks by the letters of their numbers': (tensors) => [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1)),
};

/** A stream whose last bytes wait for finish(). @param {Buffer<ArrayBuffer>} bytes */
function heldStream(bytes, held = 5000) {
  let finish = () => {};
  /** @type {Promise<void>} */
  const finished = new Promise((resolve) => {
    finish = resolve;
  });
  let at = 0;
  let cancelled = false;
  const stream = new ReadableStream({
    async pull(controller) {
      if (at >= bytes.length - held) await finished;
      if (cancelled) return;
      const end = at < bytes.length - held ? Math.min(at + 20_000, bytes.length - held) : bytes.length;
      controller.enqueue(new Uint8Array(bytes.subarray(at, end)));
      at = end;
      if (at === bytes.length) controller.close();
    },
    cancel() {
      cancelled = true;
      finish();
    },
  });
  return { model: { stream, size: bytes.length, name: 'held.gguf' }, finish };
}

/** Waits until a pass has begun, while the model is still arriving. @param {Engine} engine */
async function passBegins(engine) {
  while ((await engine.memory()).kvCache === 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('a prompt that is given while the model arrives', () => {
  /** @type {Buffer<ArrayBuffer>} */
  let bytes;
  /** @type {any} */
  let expected;

  before(async () => {
    bytes = readFileSync(writeSmallModel(SHAPE));
    const engine = await createEngine({ model: bytes, threads: 2 });
    expected = { greedy: await written(engine, GREEDY), seeded: await written(engine, SEEDED) };
    expected.scores = Array.from(await engine.score(PROMPT));
    await engine.ready;
    await engine.unload();
    assert.equal(new Set(expected.greedy).size > 1, true);
  });

  for (const [name, order] of Object.entries(ORDERS)) {
    test(`gives the same text: ${name}`, async () => {
      const file = await reordered(bytes, order);
      const { model, finish } = heldStream(file);
      const engine = await createEngine({ model, threads: 2, earlyStart: true });
      let ready = false;
      engine.ready.then(() => {
        ready = true;
      });
      assert.equal(engine.info.loadMilliseconds, null);
      assert.equal(engine.info.layers, 12);
      /** @type {(progress: { tokens: number }) => unknown} */
      let computed = () => {};
      const begun = new Promise((resolve) => {
        computed = ({ tokens }) => tokens > 0 && resolve(tokens);
      });
      const greedy = written(engine, { ...GREEDY, onPrefill: computed });
      const seeded = written(engine, SEEDED);
      // Blocks are computed, but not all: the last bytes are held.
      if (order === ORDERS['block after block']) assert.ok((await begun) < PROMPT.length);
      assert.equal(ready, false);
      finish();
      assert.deepEqual(await greedy, expected.greedy);
      assert.deepEqual(await seeded, expected.seeded);
      await engine.ready;
      assert.ok(present(engine.info.loadMilliseconds) > 0);
      assert.deepEqual(await written(engine, GREEDY), expected.greedy);
      await engine.unload();
    });
  }

  test('is what the measurements wait for, and ready tells of them', async () => {
    const { model, finish } = heldStream(bytes);
    const engine = await createEngine({ model, earlyStart: true });
    const text = written(engine, GREEDY);
    await passBegins(engine);
    finish();
    await engine.ready;
    const { threads, threadRates } = engine.info;
    assert.equal(Object.keys(threadRates).length > 0, availableParallelism() > 1);
    assert.ok(availableParallelism() === 1 || threads in threadRates);
    await text;
    await engine.unload();
  });

  test('keeps within a memory budget from the first pass to a full context', async () => {
    const options = { threads: 2, contextSize: 256 };
    /** @param {object} more */
    const totalOf = async (more) => {
      const { memory } = await describeModel(bytes, { ...options, ...more, memoryBudget: 2 ** 40 });
      return {
        javascript: present(memory).javascript,
        total: Object.values(untyped(memory)).reduce((sum, part) => sum + part, 0),
      };
    };
    const { javascript, total: memoryBudget } = await totalOf({ earlyStart: true });
    assert.ok(memoryBudget > (await totalOf({})).total, 'what loading takes is there beside the context');
    const { model, finish } = heldStream(bytes);
    const engine = await createEngine({ model, ...options, earlyStart: true, memoryBudget });
    assert.equal(present(engine.info.budget).streams, false);
    const heapFits = async () => assert.ok((await engine.memory()).wasm <= memoryBudget - javascript);
    const first = written(engine, GREEDY);
    await passBegins(engine);
    await heapFits();
    finish();
    assert.deepEqual(await first, expected.greedy);
    await engine.evaluate(Array(256).fill(5));
    // A heap never shrinks: this is the most that it was.
    await heapFits();
    await engine.unload();
  });

  test('scores, sessions and saves work, whether they need all weights or not', async () => {
    const { model, finish } = heldStream(bytes);
    const engine = await createEngine({ model, threads: 2, earlyStart: true });
    const session = await engine.createSession();
    const scores = engine.score(PROMPT);
    const prefill = session.prefill(PROMPT.slice(0, 100));
    const image = session.export();
    const timed = engine.benchmark({ promptTokens: 8, generatedTokens: 2, repetitions: 1 });
    await passBegins(engine);
    finish();
    assert.deepEqual(Array.from(await scores), expected.scores);
    // The engine's own session has it, from the scores.
    assert.deepEqual(await prefill, { reusedTokens: 100, computedTokens: 0, droppedTokens: 0 });
    const copy = await engine.importSession(await image);
    assert.equal((await copy.tokens()).length, 100);
    assert.equal((await timed).nanoseconds.length, 1);
    assert.deepEqual(await written(copy, GREEDY), expected.greedy);
    await engine.unload();
  });

  test('from a server, into a store and out of it, it gives the same text', async () => {
    const server = await serveModels({ '/model.gguf': { bytes, pause: 3 } });
    const store = { folder: temporaryFolder(), chunkBytes: 100_000 };
    const requests = [];
    try {
      for (const more of [{ store: null }, { store }, { store }]) {
        const engine = await createEngine({ model: `${server.url}model.gguf`, threads: 2, earlyStart: true, ...more });
        assert.deepEqual(await written(engine, GREEDY), expected.greedy);
        await engine.ready;
        const states = { state: engine.info.storage.state, problem: engine.info.storage.problem };
        if (more.store !== null) assert.equal(states.problem, null);
        await engine.unload();
        requests.push(server.requests.length);
      }
      const [one, two, three] = requests;
      assert.ok(one > 0 && two > one && three === two, requests.join(', '));
    } finally {
      await server.close();
    }
  });

  test('a damaged chunk of a stored model comes again before anything is computed with it', async () => {
    const store = { folder: temporaryFolder(), chunkBytes: 100_000 };
    const server = await serveModels({ '/model.gguf': { bytes } });
    const options = { model: `${server.url}model.gguf`, threads: 2, earlyStart: true, store };
    try {
      await (await createEngine({ ...options, earlyStart: false })).unload();
      const path = readdirSync(store.folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => `${entry.parentPath ?? untyped(entry).path}/${entry.name}`)
        .find((each) => readFileSync(each).length === 100_000);
      const file = openSync(present(path), 'r+');
      writeSync(file, Buffer.alloc(500, 0x77), 0, 500, 4000);
      closeSync(file);
      const engine = await createEngine(options);
      assert.deepEqual(await written(engine, GREEDY), expected.greedy);
      await engine.ready;
      assert.equal(engine.info.storage.repairedChunks, 1);
      await engine.unload();
    } finally {
      await server.close();
    }
  });

  test('a model that ends too early fails what waits, and what comes later, with that', async () => {
    const { model, finish } = heldStream(bytes.subarray(0, bytes.length - 3000));
    const engine = await createEngine({ model: { ...model, size: undefined }, threads: 2, earlyStart: true });
    const first = written(engine, GREEDY);
    const second = engine.score(PROMPT);
    await passBegins(engine);
    finish();
    await Promise.all([first, second, engine.ready].map((each) => assert.rejects(each, code('GGUF_TRUNCATED'))));
    await assert.rejects(engine.memory(), code('GGUF_TRUNCATED'));
    await engine.unload();
  });

  test('a cancel of the loading fails what waits, and what comes later, with that', async () => {
    /** @param {{ code: string, message: string }} options */
    const isLoading = ({ code, message }) =>
      code === 'CANCELLED' && message === 'Loading the model was cancelled. Create a new engine to use it.';
    for (const whoWaits of ['an answer', 'a session', 'nobody']) {
      const controller = new AbortController();
      const { model } = heldStream(bytes);
      const engine = await createEngine({ model, threads: 2, earlyStart: true, signal: controller.signal });
      const session = await engine.createSession();
      const waiting = [];
      if (whoWaits !== 'nobody') {
        waiting.push(whoWaits === 'an answer' ? engine.complete(GREEDY).result : session.prefill(PROMPT));
        await passBegins(engine);
        waiting.push(engine.score(PROMPT), session.complete(GREEDY).result);
      }
      const failed = [...waiting, engine.ready].map((each) => assert.rejects(each, isLoading, whoWaits));
      controller.abort();
      await failed[0];
      // The worker may still be giving back what it has.
      await assert.rejects(engine.createSession(), isLoading);
      await Promise.all(failed);
      await Promise.all(
        [engine.complete(GREEDY).result, session.prefill(PROMPT), engine.memory(), engine.tokenize('a')].map((each) =>
          assert.rejects(each, isLoading),
        ),
      );
      await engine.unload();
    }
  });

  test('a completion that is stopped while it waits ends, and the loading goes on', async () => {
    const { model, finish } = heldStream(bytes);
    const engine = await createEngine({ model, threads: 2, earlyStart: true });
    const stopped = engine.complete(GREEDY);
    await passBegins(engine);
    stopped.stop();
    const { finishReason, tokens } = await stopped.result;
    assert.deepEqual([finishReason, tokens], ['cancelled', []]);
    assert.equal((await engine.memory()).kvCache, 0);
    finish();
    await engine.ready;
    assert.deepEqual(await written(engine, GREEDY), expected.greedy);
    await engine.unload();
  });

  test('an unload while it waits stops everything', async () => {
    const { model } = heldStream(bytes);
    const engine = await createEngine({ model, threads: 2, earlyStart: true });
    const waiting = engine.score(PROMPT);
    const completion = engine.complete(GREEDY).result;
    await passBegins(engine);
    await Promise.all([
      engine.unload(),
      assert.rejects(waiting, (/** @type {NibbleError} */ error) => ['CANCELLED', 'UNLOADED'].includes(error.code)),
      completion.then(
        ({ finishReason }) => assert.equal(finishReason, 'cancelled'),
        (error) => assert.equal(error.code, 'UNLOADED'),
      ),
      assert.rejects(engine.ready, (/** @type {NibbleError} */ error) =>
        ['CANCELLED', 'UNLOADED'].includes(error.code),
      ),
    ]);
    await assert.rejects(engine.memory(), code('UNLOADED'));
  });

  test('a download that breaks keeps what has come, and the next one goes on from there', async () => {
    const file = { bytes, limit: bytes.length - 40_000 };
    const server = await serveModels({ '/model.gguf': file });
    const store = { folder: temporaryFolder(), chunkBytes: 50_000 };
    const controller = new AbortController();
    const options = { model: `${server.url}model.gguf`, threads: 2, earlyStart: true, store };
    try {
      const engine = await createEngine({ ...options, signal: controller.signal });
      const waiting = engine.score(PROMPT);
      await passBegins(engine);
      controller.abort();
      await Promise.all([engine.ready, waiting].map((each) => assert.rejects(each, code('CANCELLED'))));
      file.limit = bytes.length;
      const again = await createEngine(options);
      assert.deepEqual(await written(again, GREEDY), expected.greedy);
      await again.ready;
      assert.equal(again.info.storage.state, 'imported');
      assert.match(present(present(server.requests.at(-1)).range), /^bytes=[1-9]/);
      await again.unload();
    } finally {
      await server.close();
    }
  });
});
