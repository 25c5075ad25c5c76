// Damaged model files: each has to be refused with a code and a sentence, quickly, and never by a crash.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { createEngine, describeModel, NibbleError } from '../js/index.node.js';
import { fixture, skipWithout } from './fixtures.js';

const MANIFEST = 'gguf-robustness/crafted/manifest.json';
const MOST_MILLISECONDS = 10_000;
// Codes that would mean that the file got further than it should.
const FAULTS = ['INTERNAL', 'UNKNOWN', 'ENGINE_CRASHED', 'WORKER_FAILED', 'PROTOCOL_ERROR'];

const skip = skipWithout(MANIFEST);
const manifest = skip ? null : fixture(MANIFEST);
const cases = manifest ? JSON.parse(readFileSync(manifest, 'utf8')).cases : [];

if (skip) test('damaged model files', { skip });

/** The error of a call, null where it has none. */
async function errorOf(call) {
  try {
    await call();
    return null;
  } catch (error) {
    assert.ok(error instanceof NibbleError, String(error));
    assert.ok(!FAULTS.includes(error.code), `${error.code}: ${error.message}`);
    assert.match(error.code, /^[A-Z_]+$/);
    assert.ok(error.message.length > 10, error.message);
    return error;
  }
}

for (const { file, expect, why } of cases) {
  test(`${file} (${why}): ${expect}`, { timeout: MOST_MILLISECONDS }, async () => {
    const path = join(dirname(manifest), file);
    const described = await errorOf(() => describeModel(path));
    const loaded = await errorOf(async () => {
      const engine = await createEngine({ model: path, threads: 1 });
      const { result } = engine.complete({ tokens: [0], maxTokens: 2 });
      const outcome = await result.finally(() => engine.unload());
      assert.ok(outcome.completionTokens <= 2);
    });
    if (expect === 'reject') assert.notEqual(loaded, null, 'it was loaded');
    // Cases from 100 on are whole containers around a model; those below are judged as containers.
    if (expect === 'accept') assert.equal(Number.parseInt(file, 16) < 0x100 ? described : loaded, null);
  });
}
