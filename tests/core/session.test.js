// Sessions of js/core/session.js beside each other: forks, shifts, saves and restores, in every kernel set.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { CORE_OPTIONS, openCoreHeader, openCoreModel } from '../core-model.js';
import { present } from '../present.js';
import { writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/core/runtime.js').Model} Model */
/** @typedef {import('../../js/core/session.js').Session} Session */

const TEXT = Array.from({ length: 150 }, (_, i) => (i * 37 + 11) % 300);

/** @type {string} */
let path;
/** @type {Awaited<ReturnType<typeof import('../core-model.js').openCoreModel>>[]} */
let models = [];

/** @param {string} kernelSet */
const openModel = (kernelSet, changes = {}, file = path) =>
  openCoreModel(new Uint8Array(readFileSync(file)), { kernelSet, kvType: 'int8', ...changes });

/** A session with `tokens`, computed in batches. @param {Model} model @param {number[]} tokens */
async function sessionWith(model, tokens) {
  const session = model.createSession();
  await append(session, tokens);
  return session;
}

/** @param {Session} session @param {number[]} tokens */
async function append(session, tokens) {
  for (let start = 0; start < tokens.length; start += 40) await session.evaluate(tokens.slice(start, start + 40));
}

/** All of a save, read in pieces of `most` bytes. @param {Session} session @param {number} [most] */
function saved(session, most) {
  const save = session.save();
  const pieces = [];
  for (let piece = save.read(most); piece.length > 0; piece = save.read(most)) pieces.push(...piece);
  assert.equal(pieces.length, save.bytes);
  save.close();
  return Uint8Array.from(pieces);
}

/** @param {Model} model @param {Uint8Array<ArrayBuffer>} bytes */
function restored(model, bytes, piece = bytes.length) {
  const restore = model.openRestore();
  try {
    for (let start = 0; start < bytes.length; start += piece) restore.write(bytes.subarray(start, start + piece));
    return restore.finish();
  } finally {
    restore.close();
  }
}

before(async () => {
  path = writeSmallModel();
  models = await Promise.all(['simd128', 'reference'].map((kernelSet) => openModel(kernelSet)));
});
after(() => {
  for (const { close } of models) close();
});

test('a fork goes on as its origin would, and leaves it alone', async () => {
  const [{ model }] = models;
  const origin = await sessionWith(model, TEXT.slice(0, 100));
  const fork = origin.fork();
  assert.deepEqual(fork.tokens, TEXT.slice(0, 100));
  assert.deepEqual(fork.logits(), origin.logits());
  await append(fork, TEXT.slice(0, 30));
  await append(origin, TEXT.slice(100));
  const fresh = await sessionWith(model, TEXT);
  assert.deepEqual(origin.logits(), fresh.logits());
  origin.close();
  fresh.truncate(100);
  await append(fresh, TEXT.slice(0, 30));
  assert.deepEqual(fork.logits(), fresh.logits());
  fork.close();
  fresh.close();
  assert.equal(model.memory().kvCache, 0);
});

test('a shift drops what lies behind the first tokens, and makes room', async () => {
  const [{ model }] = models;
  const session = await sessionWith(model, TEXT);
  session.shift(4, 100);
  assert.deepEqual(session.tokens, [...TEXT.slice(0, 4), ...TEXT.slice(104)]);
  assert.equal(session.logits(), null);
  await append(session, [1]);
  assert.equal(session.length, 51);
  assert.throws(() => session.shift(4, 48), { code: 'INVALID_ARGUMENT' });
  session.close();
});

test('every kernel set saves the same bytes, and restores what another has saved', async () => {
  const sessions = await Promise.all(models.map(({ model }) => sessionWith(model, TEXT)));
  const [bytes, other] = sessions.map((session, i) => saved(session, [1000, 1 << 20][i]));
  assert.deepEqual(bytes, other);
  for (const [i, { model }] of models.entries()) {
    const session = restored(model, bytes, [333, bytes.length][i]);
    assert.deepEqual(session.tokens, TEXT);
    await append(session, [5, 6, 7]);
    await append(sessions[i], [5, 6, 7]);
    assert.deepEqual(session.logits(), sessions[i].logits());
    session.close();
  }
  for (const session of sessions) session.close();
});

test('a damaged save, one cut short and one of another model are refused, and nothing is left of them', async () => {
  const [{ model }] = models;
  const session = await sessionWith(model, TEXT.slice(0, 70));
  const bytes = saved(session);
  const used = model.memory().kvCache;
  for (const position of [0, 70, 1000, bytes.length - 1]) {
    const damaged = bytes.slice();
    damaged[position] ^= 1;
    assert.throws(() => restored(model, damaged), { code: 'SAVE_DAMAGED' });
  }
  assert.throws(() => restored(model, bytes.subarray(0, -1)), { code: 'SAVE_DAMAGED' });
  assert.throws(() => restored(model, new Uint8Array(0)), { code: 'SAVE_DAMAGED' });
  const others = [await openModel('simd128', { kvType: 'f16' })];
  others.push(await openModel('simd128', {}, writeSmallModel({ ropeBase: 20000 })));
  for (const other of others) {
    assert.throws(() => restored(other.model, bytes), { code: 'SAVE_MISMATCH' });
    other.close();
  }
  assert.equal(model.memory().kvCache, used);
  session.close();
});

test('the KV type that was asked for is told, and INT8 takes little more than half of F16', async () => {
  const half = await openModel('simd128', { kvType: 'f16' });
  const [{ model }] = models;
  assert.equal(model.info.kvType, 'int8');
  assert.equal(half.model.info.kvType, 'f16');
  const sessions = await Promise.all([model, half.model].map((each) => sessionWith(each, TEXT)));
  assert.ok(model.memory().kvCache < 0.7 * half.model.memory().kvCache);
  for (const session of sessions) session.close();
  half.close();
});

test('a memory budget of nothing is one, and none is none', async () => {
  const { runtime, header } = await openCoreHeader(new Uint8Array(readFileSync(path)));
  for (const memoryBudget of [0, 0.5, 1]) {
    assert.throws(() => header.describe({ ...CORE_OPTIONS, memoryBudget }), { code: 'BUDGET_TOO_SMALL' });
  }
  assert.equal(header.describe({ ...CORE_OPTIONS, memoryBudget: null }).info.budget, null);
  header.close();
  runtime.close();
});

test('a session samples of the tokens that a mask allows', async () => {
  for (const { model } of models) {
    const session = await sessionWith(model, TEXT.slice(0, 20));
    const { vocabularySize } = model.info;
    const words = Math.ceil(vocabularySize / 32);
    const sampler = model.createSampler({
      ...{ temperature: 0, topK: 0, topP: 1, minP: 0, penaltyWindow: 0, seed: 0 },
      ...{ repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 },
    });
    const logits = present(session.logits());
    for (let first = 0; first < vocabularySize; first += 37) {
      // Room behind the vocabulary, whose bits do not matter.
      const allowed = new Uint32Array(words + 3).fill(0xffffffff, words);
      allowed[words - 1] = (0xffffffff << (vocabularySize % 32)) >>> 0;
      let best = first;
      for (let token = first; token < vocabularySize; token += 5) {
        allowed[token >> 5] |= 1 << (token & 31);
        if (logits[token] > logits[best]) best = token;
      }
      assert.equal(session.sample(sampler, allowed), best);
    }
    const none = new Uint32Array(words);
    assert.equal(session.sample(sampler, none), null);
    assert.deepEqual([sampler.hasChoice(none), sampler.hasChoice(), sampler.hasChoice(null)], [false, true, true]);
    assert.equal(session.sample(sampler), logits.indexOf(Math.max(...logits)));
    assert.throws(() => session.sample(sampler, new Uint32Array(words - 1)), /a mask of 9 words, where 10/);
    assert.throws(() => session.sample(sampler, untyped(new Uint8Array(words * 4))), RangeError);
    sampler.close();
    session.close();
  }
});
