// Sessions that do not find the memory they need: what is refused, and what goes on.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createEngine, describeModel } from '../../js/index.node.js';
import { present } from '../present.js';
import { writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';
import { logitsAfter } from './all-logits.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/client/session.js').Session} Session */

const TEXT = Array.from({ length: 150 }, (_, i) => (i * 37 + 11) % 256);
const OTHER = Array.from({ length: 150 }, (_, i) => (i * 53 + 5) % 256);

/** @type {string} */
let small;
/** @type {Engine[]} */
const open = [];

before(() => {
  small = writeSmallModel();
});

after(async () => {
  for (const each of open) await each.unload();
});

async function openSmall(options = {}) {
  const opened = await createEngine({ model: small, threads: 1, ...options });
  open.push(opened);
  return opened;
}

describe('under a memory budget for one short context', () => {
  const CONTEXT = 128;
  const FULL = OTHER.slice(0, CONTEXT - 1);
  // What takes one page of each layer, and a text that goes its own way within it.
  const SHORT = TEXT.slice(0, 60);
  const WAYS_OUT = /[Cc]lose (a|other) sessions?.* memory ?[bB]udget/s;

  /** @param {Promise<unknown>} promise */
  const refused = (promise) =>
    assert.rejects(promise, ({ code, message }) => {
      assert.equal(code, 'OUT_OF_MEMORY', message);
      assert.match(message, WAYS_OUT);
      return true;
    });

  async function openBudgeted() {
    const options = { threads: 1, contextSize: CONTEXT };
    const { memory } = await describeModel(small, { ...options, memoryBudget: 2 ** 40 });
    const memoryBudget = Object.values(untyped(memory)).reduce((sum, bytes) => sum + bytes, 0);
    return openSmall({ ...options, memoryBudget });
  }

  /**
   * Sessions of one page of each layer, until there is no room for another: how many that are is the engine's to say.
   * @param {Engine} budgeted
   */
  async function fill(budgeted) {
    const sessions = [];
    for (let first = 0; first < 250; first++) {
      const session = await budgeted.createSession();
      const reading = session.prefill([first, ...FULL.slice(1, SHORT.length)]);
      if (await reading.then(() => true).catch(() => false)) sessions.push(session);
      else {
        await refused(reading);
        await session.close();
        return sessions;
      }
    }
    throw new Error('the budget has no end');
  }

  test('a fork with no page to copy to is refused, and both go on', async () => {
    const budgeted = await openBudgeted();
    const origin = await budgeted.createSession();
    await origin.prefill(SHORT);
    const fork = await origin.fork();
    const others = await fill(budgeted);
    assert.ok(others.length > 0);
    const { kvCache } = await budgeted.memory();
    for (const call of [() => fork.prefill([...SHORT, 1]), () => fork.complete({ tokens: [...SHORT, 2] }).result]) {
      await refused(call());
      assert.deepEqual(await fork.tokens(), SHORT);
      assert.equal((await budgeted.memory()).kvCache, kvCache);
    }
    await present(others.pop()).close();
    assert.equal((await fork.prefill([...SHORT, 1])).computedTokens, 1);
    for (const other of others) await other.close();
    assert.deepEqual(await logitsAfter(origin, SHORT), await logitsAfter(origin, SHORT, { reusePrefix: false }));
    await fork.close();
    assert.equal((await origin.prefill(FULL)).computedTokens > 0, true);
  });

  test('more sessions than it holds are refused, and closed ones give back all they took', async () => {
    const budgeted = await openBudgeted();
    const taken = async () => {
      await budgeted.evaluate(FULL);
      const { kvCache, other } = await budgeted.memory();
      return kvCache + other;
    };
    const before = await taken();
    const counts = [];
    for (let round = 0; round < 2; round++) {
      /** @type {Session[]} */
      const opened = [];
      await budgeted.evaluate([1]);
      for (let ended = false; !ended && opened.length < 20_000; ) {
        const made = budgeted.createSession();
        await made.then(
          (session) => opened.push(session),
          () => {
            ended = true;
          },
        );
        if (ended) await refused(made);
      }
      counts.push(opened.length);
      // The page that its short text left free may be there still, or may have gone to a session.
      const own = budgeted.evaluate(FULL);
      if (!(await own.then(() => true).catch(() => false))) await refused(own);
      await refused(present(opened.at(-1)).prefill(FULL));
      for (const session of opened) await session.close();
      assert.ok(Math.abs((await taken()) - before) < 1024, 'all is given back');
    }
    assert.ok(counts[0] > 1000 && counts[0] < 20_000, `${counts[0]} sessions`);
    assert.ok(Math.abs(counts[0] - counts[1]) < counts[0] / 10, counts.join(' and '));
  });
});
