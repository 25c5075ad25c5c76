// What no sound file holds (numbers beyond all bounds, wrong types, texts without end) in each key that JavaScript reads, in
// a process that ends where time or memory do.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const PROGRAM = fileURLToPath(new URL('extreme-metadata.js', import.meta.url));
const MEBIBYTES = 512;
// Twenty times what it takes on a machine that is busy.
const PATIENCE = 400_000;
const KEYS = [
  'general.alignment',
  'general.name',
  'split.count',
  'split.no',
  'split.tensors.count',
  'llama.context_length',
];

test('no value of any key takes all time or memory, or comes out as a fault of ours', async () => {
  const options = { timeout: PATIENCE, killSignal: /** @type {const} */ ('SIGKILL') };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [`--max-old-space-size=${MEBIBYTES}`, PROGRAM],
    options,
  );
  const tried = stdout.trim().split('\n');
  for (const key of KEYS) assert.ok(tried.includes(key), key);
  assert.ok(tried.filter((key) => key.startsWith('tokenizer.')).length > 25, stdout);
});
