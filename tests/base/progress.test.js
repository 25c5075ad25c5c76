// Progress is told now and then, and the last of it always.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressReporter } from '../../js/base/progress.js';

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
