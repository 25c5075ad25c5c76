// The native tests as wasm32, by this Node: the same promises where sizes and pointers have 32 bits, as in every browser.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { buildNativeTests, NATIVE_TESTS } from '../../wasm/build.js';
import { ROOT } from '../../wasm/shell.js';

const run = promisify(execFile);

buildNativeTests();
const programs = NATIVE_TESTS.map((path) => join(ROOT, path));
for (const program of programs) {
  const names = execFileSync(process.execPath, [program], { encoding: 'utf8' }).trim().split('\n');
  test(`${program.slice(ROOT.length)} has tests`, () => assert.ok(names.length > 0 && names[0] !== ''));
  for (const name of names) {
    test(`${name} as wasm32`, { timeout: 300_000 }, async () => {
      const { stdout } = await run(process.execPath, [program, name]).catch((error) =>
        assert.fail(`${error.stdout}${error.stderr}`),
      );
      assert.match(stdout, /^[1-9][0-9]* passed, 0 failed(, \d+ skipped)?$/m, stdout);
    });
  }
}
