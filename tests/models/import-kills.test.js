// Imports that are ended by force, into each kind of store: a process, a tab, a whole browser; import-kills.js does the
// same for as long as one likes, and NIBBLE_KILLS=100 this test. A day has one kind of moment for each store, and
// NIBBLE_ALL_ROUNDS=1 both.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawOfEach } from '../rounds.js';
import { killImports } from './import-kills.js';

const RUNS = Number(process.env.NIBBLE_KILLS ?? 7);

const MOMENTS = {
  // Every fifth kill takes the whole browser.
  'at any moment': { runs: RUNS },
  'as a chunk is full': { runs: Math.ceil(RUNS / 2), chunkBytes: 4 << 20 },
};

const MOMENT_NAMES = /** @type {(keyof typeof MOMENTS)[]} */ (Object.keys(MOMENTS));
const KILLINGS = ['folder', 'opfs', 'indexeddb'].flatMap((kind) => MOMENT_NAMES.map((moment) => ({ kind, moment })));

for (const { kind, moment } of drawOfEach('moments of kills', KILLINGS, (one) => one.kind)) {
  const options = MOMENTS[moment];
  test(`imports into ${kind} that are killed ${moment} leave nothing damaged, and lose little`, async (t) => {
    const { kept, most } = await killImports(kind, options);
    t.diagnostic(
      `${options.runs} kills: something new was kept ${kept} times; at most ${(most / 1e6).toFixed(1)} MB were lost`,
    );
    assert.ok(kept > 0);
  });
}
