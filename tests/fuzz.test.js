// The fuzzers for a fixed number of cases; node tests/fuzz/run.js runs them for as long as one likes.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fuzz } from './fuzz/fuzz.js';
import { FUZZERS } from './fuzz/fuzzers.js';

const SEED = 1;

for (const [name, load] of Object.entries(FUZZERS)) {
  test(`random cases give results or errors with a code: ${name}`, async () => {
    const { runs } = (await load()).default;
    assert.deepEqual(await fuzz(name, { seed: SEED, count: runs }), []);
  });
}
