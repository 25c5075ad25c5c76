// Progress is told now and then, and the last of it always.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressReporter, rising } from '../../js/base/progress.js';

test('what came too soon to be told is told a little later, and nothing behind the end', async () => {
  /** @type {number[]} */
  const told = [];
  /** @param {number} loaded */
  const until = async (loaded) => {
    while (told.at(-1) !== loaded) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const report = progressReporter('download', 1000, (progress) => told.push(progress.loaded));
  report(10);
  assert.deepEqual(told, [10], 'the first at once');
  for (let loaded = 11; loaded <= 600; loaded++) report(loaded);
  await until(600);
  assert.ok(told.length < 100, `${told.length} times for 591 steps`);
  report(700);
  report(1000, true);
  assert.equal(told.at(-1), 1000, 'the end at once');
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(told.at(-1), 1000);
});

test('the fraction of a whole never goes back: passes have their shares, and what only waits leaves it as it is', () => {
  /** @type {[phase: string, fraction: number][]} */
  const told = [];
  const tell = rising((/** @type {import('../../js/index.node.js').Progress} */ { phase, fraction }) => {
    told.push([phase, fraction]);
  });
  assert.ok(tell);
  const waiting = { loaded: 0, total: 0, fraction: 0, bytesPerSecond: 0, secondsLeft: null };
  tell({ phase: 'prepare', ...waiting });
  progressReporter('read', 50, tell, { share: [0, 0.5] })(50, true);
  tell({ phase: 'wait', ...waiting });
  const fetch = progressReporter('download', 100, tell, { from: 20 });
  fetch(20, true);
  fetch(60, true);
  progressReporter('repair', 10, tell, { share: [0, 0] })(10, true);
  fetch(100, true);
  progressReporter('read', 0, tell)(0, true);
  assert.deepEqual(told, [
    ['prepare', 0],
    ['read', 0.5],
    ['wait', 0.5],
    ['download', 0.5],
    ['download', 0.6],
    ['repair', 0.6],
    ['download', 1],
    ['read', 1],
  ]);
  assert.equal(rising(undefined), undefined);
});
