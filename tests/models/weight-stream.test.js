// Weights under a memory budget in Node: what streams from a store computes the same as what is in memory, keeps within
// its budget, and fails cleanly.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { createEngine, describeModel, openModelStore } from '../../js/index.node.js';
import { openWeightStream } from '../../js/models/weight-stream.js';
import { openFolder } from '../../js/store/folder.node.js';
import { logitsAfter, openCoreModel } from '../core-model.js';
import { GOLDEN_MODELS, goldenBytes, readGolden } from '../golden/models.js';
import { TYPE_MODELS } from '../golden/types.js';
import { holdPrompts } from '../held-prompt.js';
import { present } from '../present.js';
import { ALL_ROUNDS, drawOfEach } from '../rounds.js';
import { SMALL_SHAPE, temporaryFolder, writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/public-types.js').MemoryUse} MemoryUse */
/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/index.js').EngineOptions} EngineOptions */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

/** @param {string} name */
const code = (name) => (/** @type {NibbleError} */ error) => error.code === name && /\.$/.test(error.message);

/** A model whose blocks outweigh the rest: some fit, some do not. */
const DEEP = { ...SMALL_SHAPE, name: 'deep', layers: 12, width: 128, ffn: 512, heads: 8, tied: false };

/** @param {string} folder */
const storeIn = (folder, chunkBytes = 100_000) => ({ folder, chunkBytes });

// Where an engine is started for each of many models, nothing is to be measured.
const KERNELS = { kernelSet: 'simd128' };

/** @param {string | Buffer<ArrayBuffer>} model */
async function planOf(model, options = {}) {
  const { model: found } = await describeModel(model, { threads: 2, memoryBudget: 2 ** 40, ...options });
  return found;
}

/**
 * Budgets from the least up to where everything fits.
 * @param {Buffer<ArrayBuffer> | string} model
 * @param {{ kernelSet: string }} [options]
 */
async function budgetsOf(model, options) {
  const { budget, packedBytes } = present(await planOf(model, options));
  return [0, 0.3, 0.7, 2].map((share) => Math.ceil(present(budget).leastBytes + share * packedBytes));
}

/** @param {Engine} engine @param {number[]} tokens */
async function computed(engine, tokens) {
  const { top } = await engine.evaluate(tokens, { top: 0 });
  const scores = await engine.score(tokens);
  const { tokens: written } = await engine.complete({ tokens, maxTokens: 6, temperature: 0, ignoreEos: true }).result;
  return {
    logits: top.map(untyped((/** @type {{ id: string, logit: number }} */ { id, logit }) => [id, logit])),
    scores: Array.from(scores),
    written,
  };
}

/** @param {object | null} parts of memory, in bytes @returns {number} */
const total = (parts) => Object.values(parts ?? {}).reduce((sum, bytes) => sum + bytes, 0);

/** All that a context may hold, and all that computing it takes. @param {Engine} engine */
async function fillContext(engine) {
  const { contextSize } = engine.info;
  await engine.complete({
    tokens: Array(contextSize - 2).fill(5),
    maxTokens: 2,
    repetitionPenalty: 1.1,
    logitBias: { 3: -1 },
    ignoreEos: true,
  }).result;
  await engine.score(Array.from({ length: contextSize }, (_, place) => 1 + (place % 50)));
}

/** @template T @param {EngineOptions} options @param {(engine: Engine) => Promise<T>} use */
async function withEngine(options, use) {
  const engine = await createEngine({ threads: 2, ...options });
  try {
    return await use(engine);
  } finally {
    await engine.unload();
  }
}

/** What a core computes whose weights are all in memory. @param {Uint8Array} bytes @param {number[]} tokens */
async function computedInMemory(bytes, tokens) {
  const { model, close } = await openCoreModel(bytes);
  try {
    const logits = Array.from(await logitsAfter(model, tokens));
    const session = model.createSession();
    const scores = await session.evaluate(tokens.slice(0, -1), tokens.slice(1));
    session.close();
    const written = [];
    for (let last = logits; written.length < 6; last = Array.from(await logitsAfter(model, [...tokens, ...written])))
      written.push(last.indexOf(Math.max(...last)));
    return { logits: logits.map((logit, id) => [id, logit]), scores: Array.from(untyped(scores)), written };
  } finally {
    close();
  }
}

// Of the weight types, which the kernels' tests compare one by one, some of each make.
const STREAMED = ['q4_k-tied', 'q6_k-tied', 'nvfp4-q2_0', 'iq3_s-tied', 'q1_0-tied'];

/** Null for what streams in a way of its own: blocks that are read again, or are not all of one size. @param {string} name */
function kindOf(name) {
  const { family = 'llama', blockRepeat, loops, ofBlocks } = GOLDEN_MODELS[name].shape;
  return TYPE_MODELS[name] || blockRepeat || loops || ofBlocks ? null : family;
}

const models = Object.keys(GOLDEN_MODELS).filter((name) => !TYPE_MODELS[name] || STREAMED.includes(name));
drawOfEach('models that stream', models, kindOf).forEach((name, place) => {
  test(`${name}: streamed weights compute the same to the last bit`, async () => {
    const model = goldenBytes(name);
    const { tokens } = present(readGolden(name).sequences.at(-2));
    const expected = await computedInMemory(model, tokens);
    const store = storeIn(temporaryFolder(), 9999);
    const [least, , more] = await budgetsOf(model, KERNELS);
    const isWhole = ALL_ROUNDS || kindOf(name) === null || place % 4 === 0;
    for (const memoryBudget of isWhole ? [least, more] : [least]) {
      await withEngine({ model, store, memoryBudget, ...KERNELS }, async (engine) => {
        const { budget } = engine.info;
        const { logits, ...others } = await computed(engine, tokens);
        assert.deepEqual({ logits: logits.sort(([a], [b]) => a - b), ...others }, expected, JSON.stringify(budget));
        assert.ok(present(budget).streams || memoryBudget > least);
        // Behind a window pages come and go.
        if (engine.info.slidingWindow > 0) await fillContext(engine);
        const { wasm } = await engine.memory();
        assert.ok(wasm <= memoryBudget, `${wasm} of ${memoryBudget}`);
      });
    }
  });
});

describe('a model of which some blocks stay and some stream', () => {
  const tokens = Array.from({ length: 90 }, (_, i) => (i * 37) % 256);
  /** @type {string} */
  let path;
  /** @type {string} */
  let folder;
  /** @type {any} */
  let expected;
  /** @type {number[]} */
  let budgets;

  before(async () => {
    path = writeSmallModel(DEEP);
    folder = temporaryFolder();
    expected = await withEngine({ model: path }, (/** @type {import('../../js/client/engine.js').Engine} */ engine) =>
      computed(engine, tokens),
    );
    budgets = await budgetsOf(path);
  });

  /** @param {object} [more] */
  const options = (more) => ({ model: path, store: storeIn(folder), memoryBudget: budgets[1], ...more });

  test('what the engine does with a budget is told beforehand and afterwards, and the same', async () => {
    for (const memoryBudget of budgets) {
      const { model, memory } = await describeModel(path, { threads: 2, memoryBudget });
      await withEngine(options({ memoryBudget }), async (/** @type {Engine} */ engine) => {
        assert.deepEqual(engine.info.budget, present(model).budget);
        const { budget, blocks } = engine.info;
        assert.equal(present(budget).pinnedBlocks + present(budget).streamedBlocks, blocks);
        assert.equal(present(budget).bytes, memoryBudget);
        assert.equal(present(budget).bytesPerTokenStreamed > 0, present(budget).streams);
        assert.ok(total(memory) <= memoryBudget, `${total(memory)} of ${memoryBudget}`);
        await fillContext(engine);
        const { wasm, javascript: _, total: __, ...live } = untyped(await engine.memory());
        assert.equal(total(live), wasm);
        for (const part of ['weights', 'ring', 'kvCache', 'activations', 'code'])
          assert.equal(live[part], untyped(memory)[part], part);
        assert.ok(live.other > 0 && live.unused >= 0);
        assert.ok(
          live.other + live.unused <= present(memory).other + present(memory).unused,
          JSON.stringify({ live, memory }),
        );
        const counted = wasm + present(memory).javascript;
        assert.ok(counted <= memoryBudget, `${counted} of ${memoryBudget}`);
      });
    }
    const pinned = await Promise.all(
      budgets.map(async (memoryBudget) => present(present(await planOf(path, { memoryBudget })).budget).pinnedBlocks),
    );
    assert.ok(
      pinned.some((count) => count > 0 && count < DEEP.layers),
      pinned.join(),
    );
  });

  test('a prompt that is cancelled leaves the engine as it was', async () => {
    await withEngine(options(), async (engine) => {
      assert.deepEqual(await computed(engine, tokens), expected);
      for (const delay of [0, 1, 3, 8]) {
        const controller = new AbortController();
        const running = engine.evaluate([...tokens, ...tokens], { signal: controller.signal });
        setTimeout(() => controller.abort(), delay);
        await running.catch((error) => assert.equal(error.code, 'CANCELLED'));
      }
      const completion = engine.complete({ tokens, ignoreEos: true, onFull: 'drop-oldest' });
      for await (const { token } of completion) if (token !== null) break;
      assert.equal((await completion.result).finishReason, 'cancelled');
      assert.deepEqual(await computed(engine, tokens), expected);
    });
  });

  test('prompts that are stopped between two blocks, again and again, leave it all its room to read weights into', async () => {
    const { workerUrl, within } = holdPrompts();
    await withEngine(options({ memoryBudget: budgets[0], workerUrl }), async (engine) => {
      const session = await engine.createSession();
      for (let time = 0; time < 20; time++) {
        const controller = new AbortController();
        const onProgress = within(() => controller.abort());
        const stopped = session.prefill([time, ...tokens.slice(1)], { signal: controller.signal, onProgress });
        await assert.rejects(stopped, code('CANCELLED'));
      }
      assert.deepEqual(await computed(engine, tokens), expected);
    });
  });

  test('sessions and forks go their own ways', async () => {
    await withEngine(options(), async (engine) => {
      const session = await engine.createSession();
      await session.prefill(tokens.slice(0, 50));
      const fork = await session.fork();
      const [own, other] = [await session.evaluate(tokens, { top: 1 }), await fork.evaluate(tokens, { top: 1 })];
      assert.equal(own.top[0].id, expected.logits[0][0]);
      assert.deepEqual(own.top, other.top);
      await fork.close();
      await session.close();
    });
  });

  test('a session that was saved by an engine that streams is restored by one that does not', async () => {
    const key = 'both ways';
    await withEngine(options(), async (engine) => {
      const session = await engine.createSession();
      await session.prefill(tokens);
      await session.save(key);
    });
    await withEngine(options({ memoryBudget: undefined }), async (engine) => {
      const session = present(await engine.restoreSession(key));
      assert.notEqual(session, null);
      assert.deepEqual(await session.tokens(), tokens);
    });
  });

  test('the stored model cannot be deleted while an engine reads from it', async () => {
    const models = await openModelStore({ store: storeIn(folder) });
    await withEngine(options(), async (/** @type {Engine} */ engine) => {
      const [{ id }] = await models.list();
      await assert.rejects(models.delete(id), code('STORE_BUSY'));
      assert.deepEqual(await computed(engine, tokens), expected);
    });
    await models.close();
  });

  test('a stored model that another changes is waited for, which is told and ends with the signal', async () => {
    const own = temporaryFolder();
    const other = await openFolder(own);
    const controller = new AbortController();
    /** @type {string[]} */
    const told = [];
    /** @param {{ phase: string }} progress */
    const onProgress = (progress) => {
      told.push(progress.phase);
      controller.abort();
    };
    const parts = { store: { folder: own }, platform: { openFolder }, record: { id: 'mine' } };
    const opening = () => openWeightStream(untyped({ ...parts, signal: controller.signal, onProgress }));
    await other.lock('mine', {}, () => assert.rejects(opening(), code('CANCELLED')));
    assert.deepEqual(told, ['wait']);
    await assert.rejects(opening(), code('CANCELLED'));
    await other.close();
  });

  test('a chunk that is damaged is found when the model is opened', async () => {
    const own = temporaryFolder();
    await withEngine(options({ store: storeIn(own) }), async () => {});
    const chunks = chunkFiles(own);
    truncateSync(chunks[3], statSync(chunks[3]).size - 1);
    // A path can be read again.
    await withEngine(options({ store: storeIn(own) }), async (/** @type {Engine} */ engine) => {
      assert.equal(engine.info.storage.repairedChunks, 1);
      assert.deepEqual(await computed(engine, tokens), expected);
    });
    const models = await openModelStore({ store: storeIn(own) });
    const [{ id }] = await models.list();
    await models.close();
    truncateSync(chunks[3], statSync(chunks[3]).size - 1);
    await assert.rejects(
      createEngine({ model: { stored: id }, store: storeIn(own), memoryBudget: budgets[1], threads: 2 }),
      code('STORE_DAMAGED'),
    );
  });

  test('a chunk that can be had again but not be written is an error where it streams, and none where it does not', async () => {
    const own = temporaryFolder();
    await withEngine(options({ store: storeIn(own) }), async () => {});
    const chunk = chunkFiles(own)[3];
    rmSync(chunk);
    mkdirSync(join(chunk, 'in the way'), { recursive: true });
    await assert.rejects(createEngine({ threads: 2, ...options({ store: storeIn(own) }) }), code('STORE_UNAVAILABLE'));
    await withEngine(options({ store: storeIn(own), memoryBudget: undefined }), async (engine) => {
      assert.equal(engine.info.storage.repairedChunks, 1);
      assert.deepEqual(await computed(engine, tokens), expected);
    });
  });

  test('a store that vanishes is an error, and the engine goes on when it is back', async () => {
    const own = temporaryFolder();
    await withEngine(options({ store: storeIn(own) }), async (engine) => {
      assert.deepEqual(await computed(engine, tokens), expected);
      renameSync(join(own, 'models'), join(own, 'away'));
      await assert.rejects(engine.evaluate(tokens), code('STORE_MISSING'));
      await assert.rejects(engine.complete({ tokens, maxTokens: 3 }).result, code('STORE_MISSING'));
      await assert.rejects(engine.score(tokens), code('STORE_MISSING'));
      assert.ok((await engine.memory()).weights > 0);
      renameSync(join(own, 'away'), join(own, 'models'));
      assert.deepEqual(await computed(engine, tokens), expected);
      rmSync(join(own, 'models'), { recursive: true });
      await assert.rejects(engine.evaluate(tokens), code('STORE_MISSING'));
    });
    assert.equal(existsSync(join(own, 'models')), false);
  });

  test('how much of a prompt is computed is told block by block', async () => {
    await withEngine(options(), async (engine) => {
      /** @type {number[]} */
      const told = [];
      const session = await engine.createSession();
      await session.prefill(tokens, { onProgress: (progress) => told.push(progress.tokens) });
      assert.ok(told.length > DEEP.layers, told.join());
      assert.deepEqual(
        told,
        [...new Set(told)].sort((a, b) => a - b),
      );
      assert.deepEqual([told[0], told.at(-1)], [0, tokens.length]);
    });
  });

  test('a prompt longer than a batch is one reading of the weights', async () => {
    await withEngine(options({ batchSize: 8 }), async (/** @type {Engine} */ engine) => {
      const { budget } = engine.info;
      assert.ok(present(budget).sweepTokens >= 90);
      /** @param {number} promptTokens */
      const run = (promptTokens) =>
        engine.benchmark({ promptTokens, generatedTokens: 0, repetitions: 1, warmUp: false });
      const before = present((await run(1)).streamed).bytes;
      const { bytes: after, storeRates } = present((await run(90)).streamed);
      // The store's own rate takes two readings each time; what is read ahead for the next pass comes on top.
      const readings = 1 + 2 * storeRates.length;
      assert.ok(readings < 90 / 8);
      assert.ok(after - before <= readings * present(budget).bytesPerTokenStreamed + present(budget).ringBytes);
    });
  });

  test('all sessions together keep within the keys and values that a budget was made for', async () => {
    await withEngine(options({ contextSize: 128, memoryBudget: budgets[2] }), async (engine) => {
      const full = Array.from({ length: 128 }, (_, place) => 1 + (place % 50));
      const [first, second] = [await engine.createSession(), await engine.createSession()];
      const another = full.map((token) => 51 - token);
      await first.prefill(full);
      const { kvCache } = await engine.memory();
      await assert.rejects(second.prefill(another), (/** @type {NibbleError} */ error) => {
        assert.equal(error.code, 'OUT_OF_MEMORY');
        assert.match(error.message, /budget.*[Cc]lose a session/);
        return true;
      });
      assert.deepEqual(await second.tokens(), []);
      assert.deepEqual(await first.tokens(), full);
      assert.equal((await engine.memory()).kvCache, kvCache);
      await first.close();
      assert.equal((await second.prefill(another)).computedTokens, 128);
    });
  });

  test('a budget that is too small says what would do', async () => {
    const { budget } = present(await planOf(path));
    const small = { model: path, store: storeIn(folder), threads: 2, memoryBudget: present(budget).leastBytes - 1 };
    await assert.rejects(createEngine(small), (/** @type {NibbleError} */ error) => {
      assert.equal(error.code, 'BUDGET_TOO_SMALL');
      assert.match(error.message, /at least \d+\.\d MB/);
      return true;
    });
    const { model, memory, problem } = await describeModel(path, { threads: 2, memoryBudget: 1000 });
    assert.equal(present(problem).code, 'BUDGET_TOO_SMALL');
    assert.equal(memory, null);
    assert.equal(present(model).blocks, DEEP.layers);
    await assert.rejects(createEngine({ ...small, memoryBudget: 0 }), code('INVALID_ARGUMENT'));
    await assert.rejects(createEngine({ ...small, memoryBudget: untyped('1G') }), code('INVALID_ARGUMENT'));
  });

  test('without a store, weights that do not fit are an error that says so, and those that do are none', async () => {
    const { details } = await createEngine({ model: path, memoryBudget: budgets[1], threads: 2 }).catch((error) => {
      assert.equal(error.code, 'INVALID_ARGUMENT');
      assert.match(error.message, /store/);
      return error;
    });
    assert.equal(details.option, 'store');
    await assert.rejects(
      createEngine({ model: path, memoryBudget: budgets[1], store: 'memory' }),
      (/** @type {NibbleError} */ error) => {
        assert.equal(error.code, 'INVALID_ARGUMENT');
        assert.match(error.message, /"memory" cannot stream.*"opfs" or "indexeddb".*\{ folder \}/);
        return true;
      },
    );
    await withEngine({ model: path, memoryBudget: budgets[3] }, async (engine) => {
      assert.equal(present(engine.info.budget).streams, false);
      assert.deepEqual(await computed(engine, tokens), expected);
    });
  });

  test('a model that comes as a file is stored first, without passing through memory', async () => {
    const bytes = readFileSync(path);
    const own = temporaryFolder();
    await withEngine({ model: bytes, store: storeIn(own), memoryBudget: budgets[0] }, async (engine) => {
      assert.equal(engine.info.storage.state, 'imported');
      assert.deepEqual(await computed(engine, tokens), expected);
      assert.equal(present(engine.info.budget).pinnedBlocks, 0);
    });
  });

  test('can be deleted as soon as the engine that read it is unloaded', async () => {
    const store = storeIn(temporaryFolder());
    const models = await openModelStore({ store });
    try {
      const { id } = await models.import(path);
      await withEngine({ model: { stored: id }, store, memoryBudget: budgets[0] }, async (engine) => {
        assert.equal(present(engine.info.budget).streams, true);
        await assert.rejects(models.delete(id), { code: 'STORE_BUSY' });
      });
      await models.delete(id);
      assert.deepEqual(await models.list(), []);
    } finally {
      await models.close();
    }
  });
});

/** @param {string} folder */
function chunkFiles(folder) {
  const models = join(folder, 'models');
  const [model] = readdirSync(models);
  const names = readdirSync(join(models, model)).filter((name) => /^\d+\.chunk$/.test(name));
  return names.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)).map((name) => join(models, model, name));
}
