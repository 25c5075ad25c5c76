// The types of the core's functions name what the wasm exports, and nothing else.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../wasm/shell.js';

test('each function that the wasm exports has a type, and no other', () => {
  const text = (/** @type {string} */ path) => readFileSync(join(ROOT, path), 'utf8');
  const exported = text('wasm/exports.txt').trim().split('\n');
  const typed = [...text('js/core/exports.js').matchAll(/@property .* (_\w+)$/gm)].map(([, name]) => name);
  assert.ok(exported.length > 50);
  assert.deepEqual(typed.sort(), exported.sort());
});
