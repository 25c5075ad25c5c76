// How fast something comes is said once that can be told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace } from '../../web/engine/pace.js';

test('a rate is told a second after something has begun, and anew for what follows it', () => {
  let now = 5000;
  const pace = new Pace(() => now);
  /** @param {string} phase */
  const settle = (phase) => {
    const { loaded, bytesPerSecond, secondsLeft } = pace.settle({
      phase,
      loaded: 7,
      bytesPerSecond: 9e9,
      secondsLeft: 1,
    });
    assert.equal(loaded, 7);
    return [bytesPerSecond, secondsLeft];
  };
  assert.deepEqual(settle('download'), [0, null]);
  now += 999;
  assert.deepEqual(settle('download'), [0, null]);
  now += 1;
  assert.deepEqual(settle('download'), [9e9, 1]);
  assert.deepEqual(settle('read'), [0, null]);
  now += 1000;
  assert.deepEqual(settle('read'), [9e9, 1]);
});
