// The fuzzers for a fixed number of cases; node tests/fuzz/run.js runs them for as long as one likes.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fuzz } from '../fuzz/fuzz.js';
import { FUZZERS } from '../fuzz/fuzzers.js';
import { buildTargets } from '../fuzz/native.js';

const SEED = 1;
const missing = buildTargets();

for (const [name, { runs, load }] of Object.entries(FUZZERS)) {
  const skip = load === undefined && missing !== null && missing;
  test(`random cases give results or errors with a code: ${name}`, { skip }, async () => {
    assert.deepEqual(await fuzz(name, { seed: SEED, count: runs }), []);
  });
}
