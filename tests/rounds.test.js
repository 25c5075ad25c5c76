// What a long test leaves out is in another day's run, and every kind is in each.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dealOut, drawOfEach } from './rounds.js';

const VALUES = Array.from({ length: 20 }, (_, value) => value);
const SEEDS = Array.from({ length: 60 }, (_, day) => `day ${day}`);

/** Three kinds of six each, and two values that are always taken. @param {number} value */
const kindOf = (value) => (value < 18 ? String(value % 3) : null);

test('of each kind one value is drawn, the same by one seed, and each of them by some', () => {
  const seen = new Set();
  for (const seed of SEEDS) {
    const drawn = drawOfEach('a test', VALUES, kindOf, { all: false, seed });
    assert.deepEqual(
      drawn
        .slice(0, 3)
        .map((value) => value % 3)
        .sort(),
      [0, 1, 2],
    );
    assert.deepEqual(drawn.slice(3), [18, 19]);
    assert.deepEqual(drawn, drawOfEach('a test', VALUES, kindOf, { all: false, seed }));
    for (const value of drawn) seen.add(value);
  }
  assert.equal(seen.size, VALUES.length);
  assert.deepEqual(drawOfEach('a test', VALUES, kindOf, { all: true }), VALUES);
});

test('values are dealt out without a rest, and each to each by some seed', () => {
  for (const turn of [0, 1, 2]) {
    const seen = new Set(SEEDS.flatMap((seed) => dealOut('a test', VALUES, { turn, of: 3, all: false, seed })));
    assert.equal(seen.size, VALUES.length);
  }
  const all = [0, 1, 2].flatMap((turn) => dealOut('a test', VALUES, { turn, of: 3, all: false, seed: 'one' }));
  assert.deepEqual(
    all.toSorted((a, b) => a - b),
    VALUES,
  );
  assert.deepEqual(dealOut('a test', VALUES, { turn: 0, of: 3, all: true }), VALUES);
});
