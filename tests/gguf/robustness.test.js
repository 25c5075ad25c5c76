// Damaged model files: each has to be refused with a code and a sentence, and never by a crash or without end. All are tried
// in one thread, and each day others of every kind in workers of their own, as programs load them; NIBBLE_ALL_ROUNDS=1: all.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import * as nibble from '../../js/index.node.js';
import { fixture, skipWithout } from '../fixtures.js';
import { present } from '../present.js';
import { drawOfEach } from '../rounds.js';
import { temporaryFolder } from '../small-model.js';
import { DAMAGED_MODELS } from './damaged-models.js';
import { describeDamaged, TrialThread, writeWithDamaged } from './damaged-trials.js';

/** @typedef {import('./damaged-trials.js').Refusal} Refusal */
/** @typedef {{ file: string, expect: string, why: string }} ForeignCase */

const MANIFEST = 'gguf-robustness/crafted/manifest.json';
// One that hangs is found out; how long one takes is up to what else the machine does.
const PATIENCE = { timeout: 120_000 };
// Codes that would mean that the file got further than it should.
const FAULTS = ['INTERNAL', 'UNKNOWN', 'ENGINE_CRASHED', 'WORKER_FAILED', 'PROTOCOL_ERROR'];

const thread = new TrialThread();
after(() => thread.close());

/** Checks that the library has said what it found, where it refused anything. @param {...Refusal} refusals */
function checkSaid(...refusals) {
  for (const refusal of refusals) {
    if (refusal === null) continue;
    const { code, message } = refusal;
    assert.ok(!FAULTS.includes(code), `${code}: ${message}`);
    assert.match(code, /^[A-Z_]+$/);
    assert.ok(message.length > 10, message);
  }
}

/** Two ways to try files: in the one thread, and in workers of the library's own. */
const WAYS = {
  'in one thread': {
    describe: (/** @type {string} */ path, /** @type {AbortSignal} */ signal) => thread.try('describe', path, signal),
    write: (/** @type {string} */ path, /** @type {AbortSignal} */ signal) => thread.try('write', path, signal),
  },
  'in its own worker': {
    describe: (/** @type {string} */ path) => describeDamaged(nibble, path),
    write: (/** @type {string} */ path) => writeWithDamaged(nibble, path),
  },
};

const MADE = Object.entries(DAMAGED_MODELS).map(([name, model]) => ({ name, ...model }));
const MADE_FOR = {
  'in one thread': MADE,
  'in its own worker': drawOfEach('damaged files in workers of their own', MADE, (model) => String(model.expect)),
};

for (const way of /** @type {(keyof typeof WAYS)[]} */ (Object.keys(WAYS))) {
  describe(`a model file, ${way}, that has`, () => {
    const path = join(temporaryFolder(), 'damaged.gguf');
    for (const { name, make, expect } of MADE_FOR[way]) {
      test(`${name}: ${expect}`, PATIENCE, async ({ signal }) => {
        writeFileSync(path, make());
        const { loading, chat } = await WAYS[way].write(path, signal);
        checkSaid(loading, chat);
        if (expect instanceof RegExp) assert.match(loading?.code ?? 'it was loaded', expect);
        else assert.deepEqual([loading, chat?.code ?? 'accept'], [null, expect]);
      });
    }
  });

  describe(`a damaged file of others, ${way}`, { skip: skipWithout(MANIFEST) }, () => {
    const manifest = present(fixture(MANIFEST));
    /** @type {ForeignCase[]} */
    const all = JSON.parse(readFileSync(manifest, 'utf8')).cases;
    const drawn = drawOfEach('damaged files of others in workers of their own', all, (one) => one.expect);
    for (const { file, expect, why } of way === 'in one thread' ? all : drawn) {
      test(`${file} (${why}): ${expect}`, PATIENCE, async ({ signal }) => {
        const path = join(dirname(manifest), file);
        const described = await WAYS[way].describe(path, signal);
        const { loading, chat } = await WAYS[way].write(path, signal);
        checkSaid(described, loading, chat);
        if (expect === 'reject') assert.notEqual(loading, null, 'it was loaded');
        // Cases from 100 on are whole containers around a model; those below are judged as containers.
        if (expect === 'accept') assert.equal(Number.parseInt(file, 16) < 0x100 ? described : loading, null);
      });
    }
  });
}
