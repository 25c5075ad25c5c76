// The fuzzers for a fixed number of cases, of which a day has one half or the other; NIBBLE_ALL_ROUNDS=1 tries both, and
// node tests/fuzz/run.js as many as one likes.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fuzz } from '../fuzz/fuzz.js';
import { FUZZERS } from '../fuzz/fuzzers.js';
import { buildTargets } from '../fuzz/native.js';
import { drawOfEach } from '../rounds.js';

const SEED = 1;
const HALVES = drawOfEach('halves of the random cases', [0, 1], () => 'half');
const missing = buildTargets();

for (const [name, { runs, load }] of Object.entries(FUZZERS)) {
  const skip = load === undefined && missing !== null && missing;
  test(`random cases give results or errors with a code: ${name}`, { skip }, async () => {
    const count = runs / 2;
    for (const half of HALVES) assert.deepEqual(await fuzz(name, { seed: SEED, first: half * count, count }), []);
  });
}
