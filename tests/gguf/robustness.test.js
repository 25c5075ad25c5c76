// Damaged model files: each has to be refused with a code and a sentence, and never by a crash or without end.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { createEngine, describeModel, NibbleError } from '../../js/index.node.js';
import { fixture, skipWithout } from '../fixtures.js';
import { present } from '../present.js';
import { temporaryFolder } from '../small-model.js';
import { untyped } from '../untyped.js';
import { DAMAGED_MODELS } from './damaged-models.js';

const MANIFEST = 'gguf-robustness/crafted/manifest.json';
// One that hangs is found out; how long one takes is up to what else the machine does.
const PATIENCE = { timeout: 120_000 };
// Codes that would mean that the file got further than it should.
const FAULTS = ['INTERNAL', 'UNKNOWN', 'ENGINE_CRASHED', 'WORKER_FAILED', 'PROTOCOL_ERROR'];
const CHAT = { messages: [{ role: 'user', content: 'Hello' }], maxTokens: 2 };

/** The error of a call, null where it has none. @param {() => unknown} call */
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

/**
 * Loads a model and writes with it, twice: by itself, and behind a chat, whose error is the result.
 * @param {string} path
 */
async function write(path) {
  const engine = await createEngine({ model: path, threads: 1 });
  try {
    const outcome = await engine.complete({ tokens: [0], maxTokens: 2 }).result;
    assert.ok(outcome.completionTokens <= 2);
    const refused = await errorOf(() => engine.complete(CHAT).result);
    await engine.complete({ tokens: [0], maxTokens: 1 }).result;
    return refused;
  } finally {
    await engine.unload();
  }
}

describe('a model file that has', () => {
  const path = join(temporaryFolder(), 'damaged.gguf');
  for (const [name, { make, expect }] of Object.entries(DAMAGED_MODELS)) {
    test(`${name}: ${expect}`, PATIENCE, async () => {
      writeFileSync(path, make());
      /** @type {any} */
      let refused = null;
      const error = await errorOf(async () => {
        refused = await write(path);
      });
      if (expect instanceof RegExp) assert.match(error?.code ?? 'it was loaded', expect);
      else assert.deepEqual([error, refused?.code ?? 'accept'], [null, expect]);
    });
  }
});

describe('a damaged file of others', { skip: skipWithout(MANIFEST) }, () => {
  const manifest = present(fixture(MANIFEST));
  for (const { file, expect, why } of JSON.parse(untyped(readFileSync(manifest, 'utf8'))).cases) {
    test(`${file} (${why}): ${expect}`, PATIENCE, async () => {
      const path = join(dirname(present(manifest)), file);
      const described = await errorOf(() => describeModel(path));
      const loaded = await errorOf(() => write(path));
      if (expect === 'reject') assert.notEqual(loaded, null, 'it was loaded');
      // Cases from 100 on are whole containers around a model; those below are judged as containers.
      if (expect === 'accept') assert.equal(Number.parseInt(file, 16) < 0x100 ? described : loaded, null);
    });
  }
});
