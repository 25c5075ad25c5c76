// The types of the core's functions name what the wasm exports, and nothing else.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { KERNEL_SETS } from '../../js/core/simd.js';
import { ROOT } from '../../wasm/shell.js';

test('each function that the wasm exports has a type, and no other', () => {
  const text = (/** @type {string} */ path) => readFileSync(join(ROOT, path), 'utf8');
  const exported = text('wasm/exports.txt').trim().split('\n');
  const typed = [...text('js/core/exports.js').matchAll(/@property .* (_\w+)$/gm)].map(([, name]) => name);
  assert.ok(exported.length > 50);
  assert.deepEqual(typed.sort(), exported.sort());
});

test('the kernel sets that have names are those of the wasm, and the reference', () => {
  const source = readFileSync(join(ROOT, 'wasm/kernel_sets.c'), 'utf8');
  const sets = [...source.matchAll(/^ +&kernels_(\w+),$/gm)].map(([, name]) => name.replaceAll('_', '-'));
  assert.ok(sets.length > 2, `${sets.length} sets`);
  assert.deepEqual([...KERNEL_SETS].sort(), [...sets, 'reference'].sort());
});
