// The two quickest bundlers, one that leaves files where they are and one that moves them; `npm run test:bundlers` tries all.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { expectedTokens, NotInstalled, runBundled } from '../bundlers.js';
import { packPackage } from '../package.js';
import { temporaryFolder } from '../small-model.js';

/** @type {number[]} */
let tokens;
/** @type {string} */
let tarball;

before(async () => {
  tokens = await expectedTokens();
  ({ tarball } = packPackage(temporaryFolder()));
});

for (const name of ['esbuild', 'vite']) {
  test(`a page that ${name} made from the packed package writes what Node writes, on two threads`, async (context) => {
    const result = await runBundled(name, tarball).catch((error) => {
      if (error instanceof NotInstalled) return context.skip(error.message);
      throw error;
    });
    if (result) assert.deepEqual(result, { found: { tokens, threads: 2 }, errors: [] });
  });
}
