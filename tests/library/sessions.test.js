// Sessions as the library offers them: several on one engine, forks, kept prefixes, and what happens when they end.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { createEngine } from '../../js/index.node.js';
import { holdPrompts } from '../held-prompt.js';
import { writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';
import { logitsAfter } from './all-logits.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/client/session.js').Session} Session */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

const MODEL = fileURLToPath(new URL('../../models/nibble-tiny.gguf', import.meta.url));
const TEXT = Array.from({ length: 150 }, (_, i) => (i * 37 + 11) % 256);
const OTHER = Array.from({ length: 150 }, (_, i) => (i * 53 + 5) % 256);
const GREEDY = { temperature: 0, ignoreEos: true };

/** @type {Engine} */
let engine;
/** @type {string} */
let small;
/** @type {Engine[]} */
const open = [];

before(async () => {
  engine = await createEngine({ model: MODEL, threads: 1, contextSize: 512 });
  small = writeSmallModel();
});

after(async () => {
  await engine.unload();
  for (const each of open) await each.unload();
});

async function openSmall(options = {}) {
  const opened = await createEngine({ model: small, threads: 1, ...options });
  open.push(opened);
  return opened;
}

/** @param {Promise<unknown> | import('../../js/index.node.js').Completion} promise @returns {Promise<string>} */
const codeOf = async (promise) =>
  promise.then(
    () => 'no error',
    ({ code }) => code,
  );

describe('several sessions on one engine', () => {
  test('each goes on where it was, whatever the others do meanwhile', async () => {
    const alone = await engine.complete({ tokens: TEXT, maxTokens: 40, ...GREEDY }).result;
    const [one, other] = [await engine.createSession(), await engine.createSession()];
    const texts = [TEXT, OTHER];
    /** @type {number[][]} */
    const found = [[], []];
    for (let round = 0; round < 4; round++) {
      for (const [place, session] of [one, other].entries()) {
        const tokens = [...texts[place], ...found[place]];
        const { tokens: written, reusedTokens } = await session.complete({ tokens, maxTokens: 10, ...GREEDY }).result;
        // All is there already but the last token that was written, whose logits nobody has asked for.
        if (round > 0) assert.equal(reusedTokens, tokens.length - 1);
        found[place].push(...written);
      }
    }
    assert.deepEqual(found[0], alone.tokens);
    assert.notDeepEqual(found[1], found[0]);
    await Promise.all([one.close(), other.close()]);
  });

  test('calls on several of them at once queue up, and a cancelled one leaves the others alone', async () => {
    const sessions = await Promise.all([1, 2, 3].map(() => engine.createSession()));
    const controller = new AbortController();
    const signals = [undefined, controller.signal, undefined];
    const completions = sessions.map((session, place) =>
      session.complete({ tokens: TEXT, maxTokens: 30, signal: signals[place], ...GREEDY }),
    );
    controller.abort();
    const results = await Promise.all(completions.map(({ result }) => result));
    assert.equal(results[1].finishReason, 'cancelled');
    assert.equal(results[0].tokens.length, 30);
    assert.deepEqual(results[2].tokens, results[0].tokens);
    await Promise.all(sessions.map((session) => session.close()));
  });

  test('closing gives the memory back, and the engine’s own session is none of them', async () => {
    await engine.evaluate(TEXT.slice(0, 10));
    const before = await engine.memory();
    const sessions = await Promise.all([1, 2].map(() => engine.createSession()));
    for (const session of sessions) await session.prefill(TEXT);
    assert.ok((await engine.memory()).kvCache > before.kvCache);
    for (const session of sessions) await session.close();
    const { kvCache, other } = await engine.memory();
    assert.equal(kvCache, before.kvCache);
    assert.ok(other <= before.other);
  });

  test('close() stops what runs on the session, and nothing else', async () => {
    const [closed, other] = [await engine.createSession(), await engine.createSession()];
    const stopped = closed.complete({ prompt: 'Once', ...GREEDY }).result;
    const going = other.complete({ prompt: 'Once', maxTokens: 5, ...GREEDY }).result;
    await closed.close();
    assert.equal((await stopped).finishReason, 'cancelled');
    assert.equal((await going).finishReason, 'length');
    await other.close();
  });

  test('a closed session refuses everything by one code, and may be closed again', async () => {
    const session = await engine.createSession();
    await session.close();
    await session.close();
    const calls = [
      session.complete({ prompt: 'Once' }).result,
      session.evaluate([1]),
      session.score([1, 2, 3]),
      session.prefill([1]),
      session.fork(),
      session.truncate(0),
      session.tokens(),
      session.export(),
      session.save('a'),
    ];
    assert.deepEqual(
      await Promise.all(calls.map(codeOf)),
      calls.map(() => 'SESSION_CLOSED'),
    );
  });

  test('unload() closes all of them', async () => {
    const own = await openSmall();
    const session = await own.createSession();
    const running = session.complete({ tokens: [1], ...GREEDY }).result;
    await own.unload();
    assert.ok(
      ['cancelled', 'UNLOADED'].includes(
        await running.then(
          (result) => result.finishReason,
          (e) => e.code,
        ),
      ),
    );
    assert.equal(await codeOf(session.prefill([1])), 'UNLOADED');
    await session.close();
  });

  test('numbers of sessions that were never given out are refused, and the worker goes on', async () => {
    const worker = new Worker(new URL('../../js/worker.node.js', import.meta.url));
    let last = 0;
    /** @param {string} method @param {unknown} params @returns {Promise<{ result?: unknown, error?: NibbleError }>} */
    const call = (method, params) =>
      new Promise((resolve) => {
        const id = ++last;
        worker.on('message', (reply) => reply.id === id && 'event' in reply === false && resolve(reply));
        worker.postMessage({ id, method, params });
      });
    worker.setMaxListeners(0);
    try {
      const loaded = await call('load', { source: { path: small }, store: null, wasm: {}, options: { threads: 1 } });
      assert.equal(loaded.error, undefined);
      for (const session of [7, -1, 1.5, 2 ** 60, '1', [1], {}, true, '__proto__', Number.NaN]) {
        for (const method of [
          'sessionTokens',
          'sessionPrefill',
          'sessionFork',
          'evaluate',
          'sessionSave',
          'sessionExport',
        ]) {
          const { error } = await call(method, { session, tokens: [1], key: 'a' });
          assert.equal(error?.code, session === 7 ? 'SESSION_CLOSED' : 'INVALID_ARGUMENT', `${method} ${session}`);
        }
      }
      assert.equal((await call('sessionClose', { session: {} })).error?.code, 'INVALID_ARGUMENT');
      for (const params of [null, {}]) {
        assert.equal((await call('sessionImport', params)).error?.code, 'INVALID_ARGUMENT');
        assert.equal((await call('sessionRestore', params)).error?.code, 'INVALID_ARGUMENT');
      }
      // Without a number it is the engine's own.
      assert.deepEqual((await call('sessionTokens', {})).result, []);
    } finally {
      await worker.terminate();
    }
  });

  test('options are checked before anything is asked of the worker', async () => {
    assert.equal(await codeOf(engine.createSession({ onFull: untyped('explode') })), 'INVALID_ARGUMENT');
    assert.equal(await codeOf(engine.createSession({ keepTokens: -1 })), 'INVALID_ARGUMENT');
    const session = await engine.createSession();
    assert.equal(await codeOf(session.complete(untyped({ prompt: 'a', session: 1 }))), 'INVALID_ARGUMENT');
    assert.equal(await codeOf(session.prefill([1], { onProgress: untyped(1) })), 'INVALID_ARGUMENT');
    assert.equal(await codeOf(session.save('')), 'INVALID_ARGUMENT');
    assert.equal(await codeOf(session.prefill([1e6])), 'INVALID_ARGUMENT');
    for (const length of [-1, undefined, null]) {
      assert.equal(await codeOf(session.truncate(untyped(length))), 'INVALID_ARGUMENT');
    }
    assert.equal(await codeOf(engine.createSession(untyped([]))), 'INVALID_ARGUMENT');
    await session.close();
  });
});

describe('forks', () => {
  test('a fork goes on as its origin would have, and neither sees what the other does', async () => {
    const origin = await engine.createSession();
    await origin.prefill(TEXT.slice(0, 100));
    const fork = await origin.fork();
    assert.deepEqual(await fork.tokens(), TEXT.slice(0, 100));
    const expected = await logitsAfter(engine, [...TEXT.slice(0, 100), 5, 6], { reusePrefix: false });
    const { computedTokens } = await origin.prefill(TEXT);
    assert.equal(computedTokens, 50);
    assert.deepEqual(await logitsAfter(fork, [...TEXT.slice(0, 100), 5, 6]), expected);
    await origin.close();
    assert.deepEqual(await fork.tokens(), [...TEXT.slice(0, 100), 5, 6]);
    await fork.close();
  });

  test('a fork costs next to no memory until it goes its own way', async () => {
    const origin = await engine.createSession();
    await origin.prefill(TEXT);
    const { kvCache } = await engine.memory();
    const fork = await origin.fork();
    assert.equal((await engine.memory()).kvCache, kvCache);
    await fork.prefill(OTHER);
    assert.ok((await engine.memory()).kvCache > kvCache);
    await Promise.all([origin.close(), fork.close()]);
  });
});

describe('evaluate() and score()', () => {
  test('compute only what is new, unless they are told otherwise, and with the same outcome', async () => {
    const session = await engine.createSession();
    await session.prefill(TEXT);
    const origin = await session.fork();
    const fresh = await logitsAfter(engine, [...TEXT, 7], { reusePrefix: false });
    const { kvCache } = await engine.memory();
    assert.deepEqual(await logitsAfter(session, [...TEXT, 7]), fresh);
    const grown = (await engine.memory()).kvCache - kvCache;
    assert.deepEqual(await logitsAfter(session, [...TEXT, 7], { reusePrefix: false }), fresh);
    const anew = (await engine.memory()).kvCache - kvCache;
    // What is kept is still shared with the fork; what was computed anew is not.
    assert.ok(grown < anew, `${grown} and ${anew} bytes`);

    const tokens = [...TEXT, 7, 8, 9];
    const scores = await session.score(tokens, { from: TEXT.length, reusePrefix: false });
    assert.equal(scores.length, 3);
    const scorer = await origin.fork();
    assert.deepEqual(await scorer.score(tokens, { from: TEXT.length }), scores);
    assert.deepEqual(await scorer.score(tokens, { from: TEXT.length }), scores);
    assert.deepEqual(await scorer.tokens(), tokens.slice(0, -1));
    await Promise.all([session.close(), origin.close(), scorer.close()]);
  });
});

/** What prefill() tells. @param {number} reusedTokens @param {number} computedTokens */
const read = (reusedTokens, computedTokens) => ({ reusedTokens, computedTokens, droppedTokens: 0 });

describe('prefill()', () => {
  // What no other session of the engine begins with, which would be shared.
  const FRESH = TEXT.map((token) => 255 - token);

  test('computes only what is new, and never again what is common', async () => {
    const session = await engine.createSession();
    /** @type {object[]} */
    const progress = [];
    /** @param {object} told */
    const onProgress = (told) => progress.push(told);
    assert.deepEqual(await session.prefill(FRESH.slice(0, 80)), read(0, 80));
    assert.deepEqual(await session.prefill(FRESH, { onProgress }), read(80, 70));
    assert.deepEqual(progress.at(-1), { tokens: 70, total: 70, reusedTokens: 80 });
    assert.deepEqual(await session.prefill(FRESH), read(150, 0));
    assert.deepEqual(await session.prefill([...FRESH.slice(0, 60), ...OTHER.slice(0, 9)]), read(60, 9));
    assert.deepEqual(await session.prefill([]), read(0, 0));
    assert.deepEqual(await session.tokens(), []);
    await session.close();
  });

  test('a completion behind it computes nothing of the prompt again', async () => {
    const session = await engine.createSession();
    await session.prefill(FRESH);
    const { prefill, reusedTokens } = await session.complete({ tokens: FRESH, maxTokens: 1, ...GREEDY }).result;
    assert.deepEqual([prefill.tokens, reusedTokens], [0, FRESH.length]);
    await session.close();
  });

  test('with and without the kept prefix the same is written', async () => {
    const results = [];
    for (const reusePrefix of [true, false]) {
      const session = await engine.createSession();
      await session.prefill([...FRESH.slice(0, 90), ...OTHER]);
      const read = await session.prefill(FRESH, { reusePrefix });
      assert.equal(read.reusedTokens, reusePrefix ? 90 : 0);
      const options = { tokens: [...FRESH, 7], maxTokens: 40, reusePrefix, ...GREEDY };
      const { tokens, reusedTokens } = await session.complete(options).result;
      assert.equal(reusedTokens, reusePrefix ? 150 : 0);
      results.push(tokens);
      await session.close();
    }
    assert.equal(results[0].length, 40);
    assert.deepEqual(results[0], results[1]);
  });

  test('what was computed before a cancel stays, and is not computed again', async () => {
    const { workerUrl, within } = holdPrompts();
    const held = await createEngine({ model: MODEL, threads: 1, contextSize: 512, workerUrl });
    open.push(held);
    const session = await held.createSession();
    const controller = new AbortController();
    const onProgress = within(() => controller.abort());
    const long = [...TEXT, ...OTHER, ...TEXT];
    assert.equal(await codeOf(session.prefill(long, { signal: controller.signal, onProgress })), 'CANCELLED');
    const done = (await session.tokens()).length;
    assert.ok(done > 0 && done < long.length, `${done} were computed`);
    assert.equal((await session.prefill(long)).reusedTokens, done);
    await session.close();
  });

  test('where a sliding window has let go of what is needed, everything is computed again, and right', async () => {
    const model = writeSmallModel({ window: 32 });
    const windowed = await createEngine({ model, threads: 1 });
    open.push(windowed);
    assert.equal(windowed.info.slidingWindow, 32);
    const session = await windowed.createSession();
    const long = [...TEXT, ...OTHER].slice(0, 240);
    await session.prefill(long);
    const changed = [...long.slice(0, 100), ...OTHER.slice(0, 20)];
    const { reusedTokens, computedTokens } = await session.prefill(changed);
    assert.deepEqual([reusedTokens, computedTokens], [0, 120]);
    const expected = await logitsAfter(windowed, [...changed, 3], { reusePrefix: false });
    assert.deepEqual(await logitsAfter(session, [...changed, 3]), expected);
    await session.prefill(long);
    assert.equal(await session.truncate(20), 0);
    assert.deepEqual(await session.tokens(), []);
  });
});

describe('what another session begins with', () => {
  const text = TEXT.map((token) => token ^ 85);
  const more = [...text, ...OTHER.slice(0, 20)];
  /** @type {Session} */
  let origin;

  before(async () => {
    origin = await engine.createSession();
    await origin.prefill(text);
  });
  after(() => origin.close());

  /** @template T @param {(session: Session) => Promise<T>} use */
  async function withSession(use) {
    const session = await engine.createSession();
    try {
      return await use(session);
    } finally {
      await session.close();
    }
  }

  test('is not computed again but shared, and each goes its own way', async () => {
    const expected = await withSession((session) => logitsAfter(session, more, { reusePrefix: false }));
    const { kvCache } = await engine.memory();
    await withSession(async (session) => {
      assert.deepEqual(await session.prefill(text), read(150, 0));
      assert.equal((await engine.memory()).kvCache, kvCache);
      assert.deepEqual(await session.prefill(more), read(150, 20));
      assert.deepEqual(await logitsAfter(session, more), expected);
      assert.deepEqual(await origin.tokens(), text);
      const { reusedTokens } = await origin.complete({ tokens: [...text, 1], maxTokens: 3, ...GREEDY }).result;
      assert.equal(reusedTokens, 150);
      assert.deepEqual(await logitsAfter(session, more), expected);
      await origin.prefill(text);
    });
  });

  test('stays where the other is closed, and serves complete(), evaluate() and score() too', async () => {
    const scores = await withSession((session) => session.score(more, { from: 160, reusePrefix: false }));
    const first = await engine.createSession();
    await first.prefill(more);
    await withSession(async (session) => {
      const { reusedTokens } = await session.complete({ tokens: [...more, 1], maxTokens: 1, ...GREEDY }).result;
      assert.equal(reusedTokens, 170);
      await first.close();
      assert.equal((await session.prefill(more)).reusedTokens, 170);
      await withSession(async (third) => {
        assert.deepEqual(await third.score(more, { from: 160 }), scores);
        assert.equal((await third.prefill(more.slice(0, 169))).reusedTokens, 169);
      });
      assert.equal((await session.prefill([])).reusedTokens, 0);
    });
  });

  test('is left alone where it is short, was moved down, or is not to be reused', async () => {
    const moved = await engine.createSession({ onFull: 'drop-oldest', keepTokens: 40 });
    const long = { tokens: [...text, ...OTHER, ...text], maxTokens: 100, ...GREEDY };
    assert.ok((await moved.complete(long).result).droppedTokens > 0);
    const tokens = await moved.tokens();
    await withSession(async (session) => assert.equal((await session.prefill(tokens)).reusedTokens, 40));
    await withSession(async (session) => {
      assert.equal((await session.prefill([...text.slice(0, 31), ...OTHER])).reusedTokens, 0);
      assert.equal((await session.prefill(text, { reusePrefix: false })).reusedTokens, 0);
    });
    await moved.close();
  });

  test('is computed again where a sliding window has let go of it, and right', async () => {
    const windowed = await createEngine({ model: writeSmallModel({ window: 32 }), threads: 1 });
    open.push(windowed);
    const [first, second] = [await windowed.createSession(), await windowed.createSession()];
    const long = [...TEXT, ...OTHER].slice(0, 240);
    await first.prefill(long);
    const early = [...long.slice(0, 100), 3];
    assert.equal((await second.prefill(early)).reusedTokens, 0);
    const late = [...long.slice(0, 239), 3];
    assert.equal((await second.prefill(late)).reusedTokens, 239);
    const expected = await logitsAfter(first, late, { reusePrefix: false });
    assert.deepEqual(await logitsAfter(second, late), expected);
  });
});
