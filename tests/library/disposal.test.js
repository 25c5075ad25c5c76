// What nobody closes: sessions that cannot be reached any more give their memory back, but not while something runs on them;
// and what a block has by `await using` ends with it.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createEngine, openModelStore } from '../../js/index.node.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/client/session.js').Session} Session */

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const TEXT = Array.from({ length: 192 }, (_, place) => place);
const PATIENCE_MILLISECONDS = 20_000;
const model = writeSmallModel({ context: 2048 });
// So many that the collector runs before they are there.
const LONG = 1500;

/** Collects again and again until a condition holds. @param {() => Promise<boolean>} holds */
async function collectUntil(holds) {
  for (const end = Date.now() + PATIENCE_MILLISECONDS; Date.now() < end; await sleep(20)) {
    collect();
    if (await holds()) return;
  }
  assert.fail('what is not reachable any more is not freed');
}

/** @type {Engine} */
let engine;

before(async () => {
  engine = await createEngine({ model, threads: 1 });
});

after(() => engine?.unload());

const pages = async () => (await engine.memory()).kvCache;

/**
 * A session with a text of its own, which nobody has afterwards.
 * @template [T=void]
 * @param {number} first
 * @param {(session: import('../../js/index.node.js').Session) => Promise<T>} use
 */
async function forget(first, use) {
  const session = await engine.createSession();
  await session.prefill([first, ...TEXT]);
  return use(session);
}

describe('a session that nobody can reach any more', () => {
  test('gives its memory back', async () => {
    const empty = await pages();
    for (let first = 200; first < 203; first++) await forget(first, (/** @type {Session} */ session) => session.fork());
    assert.ok((await pages()) > empty);
    await collectUntil(async () => (await pages()) === empty);
  });

  test('is kept as long as a completion runs on it', async () => {
    const empty = await pages();
    const options = { tokens: [1, ...TEXT], maxTokens: LONG, ignoreEos: true };
    // What an async function returns is awaited, and a completion that is, is its result.
    const { completion } = await forget(1, async (session) => ({ completion: session.complete(options) }));
    let count = 0;
    for await (const _ of completion) {
      if (count++ > 20) continue;
      collect();
      await sleep(1);
    }
    const { finishReason } = await completion.result;
    assert.deepEqual([finishReason, count], ['length', LONG]);
    await collectUntil(async () => (await pages()) === empty);
  });

  test('but one that is held stays', async () => {
    const session = await engine.createSession();
    await session.prefill(TEXT);
    for (let round = 0; round < 5; round++) {
      collect();
      await sleep(20);
    }
    assert.deepEqual(await session.tokens(), TEXT);
    await session.close();
    await session.close();
  });
});

test('await using ends sessions, engines and stores', {
  skip: Symbol.asyncDispose === undefined && 'this Node has no Symbol.asyncDispose',
}, async () => {
  const own = untyped(await createEngine({ model, threads: 1 }));
  const session = await own.createSession();
  await session[Symbol.asyncDispose]();
  await assert.rejects(session.tokens(), { code: 'SESSION_CLOSED' });
  await own[Symbol.asyncDispose]();
  assert.equal(await own.closed, undefined);
  const models = untyped(await openModelStore({ store: { folder: temporaryFolder() } }));
  await models[Symbol.asyncDispose]();
  assert.equal(await models.closed, undefined);
});
