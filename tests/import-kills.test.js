// Imports that are ended by force at random moments, into a folder; import-kills.js does the same in browsers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { killImports } from './import-kills.js';

const RUNS = 30;

for (const kind of ['folder']) {
  test(`${RUNS} imports into ${kind} that are killed leave nothing damaged, and lose little`, async (t) => {
    const { kept, most } = await killImports(kind, { runs: RUNS });
    t.diagnostic(`something new was kept ${kept} times; at most ${(most / 1e6).toFixed(1)} MB were lost`);
    assert.ok(kept > 0);
  });
}
