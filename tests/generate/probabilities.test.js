// What evaluate() makes of logits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mostLikely } from '../../js/generate/probabilities.js';
import { present } from '../present.js';

test('the likeliest tokens come in order, their probabilities add up, and -Infinity is 0', () => {
  const logits = Float32Array.of(1, 3, -Infinity, 3, 800);
  const all = mostLikely(logits, Infinity);
  assert.deepEqual(
    all.map(({ id }) => id),
    [4, 1, 3, 0, 2],
  );
  assert.equal(present(all.at(-1)).p, 0);
  assert.ok(Math.abs(all.reduce((sum, { p }) => sum + p, 0) - 1) < 1e-12);
  assert.equal(mostLikely(logits, 2).length, 2);
});

test('logits that are no numbers come last, and infinite ones share all the probability', () => {
  /** @param {...number} logits */
  const list = (...logits) => mostLikely(Float32Array.of(...logits), Infinity).map(({ id, p }) => [id, p]);
  assert.deepEqual(list(NaN, 1, -Infinity, NaN), [
    ...[
      [1, 1],
      [0, 0],
    ],
    ...[
      [2, 0],
      [3, 0],
    ],
  ]);
  assert.deepEqual(list(2, Infinity, NaN, Infinity), [
    ...[
      [1, 0.5],
      [3, 0.5],
    ],
    ...[
      [0, 0],
      [2, 0],
    ],
  ]);
  assert.deepEqual(list(-Infinity, -Infinity), [
    [0, 0],
    [1, 0],
  ]);
  for (const hopeless of [[NaN, -Infinity], [NaN]]) {
    assert.throws(() => list(...hopeless), { name: 'NibbleError', code: 'MODEL_COMPUTES_NAN' });
  }
});
