// Finds the data that some tests use and the repository does not hold. Such a test skips, saying so, without it.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that NIBBLE_FIXTURES names, else `shared/fixtures` beside the checkout. */
export const FIXTURES = process.env.NIBBLE_FIXTURES ?? fileURLToPath(new URL('../../shared/fixtures', import.meta.url));

// One sentence for all of them, the C tests' too, so that the summary of a run has them together.
const ABSENT = 'the fixtures are absent (NIBBLE_FIXTURES names their folder)';

/**
 * @param {string} path relative to the fixture folder
 * @returns {string | null} the full path, or null where the file is absent
 */
export function fixture(path) {
  const full = join(FIXTURES, path);
  return existsSync(full) ? full : null;
}

/**
 * The `skip` option for a test that needs these files.
 * @param {...string} paths
 * @returns {string | false}
 */
export function skipWithout(...paths) {
  return paths.every((path) => fixture(path) !== null) ? false : ABSENT;
}
