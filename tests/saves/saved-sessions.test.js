// Sessions that are saved beside their model: they come back as they were, or not at all and with the reason.
import assert from 'node:assert/strict';
import { openAsBlob, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as library from '../../js/index.node.js';
import { saveId } from '../../js/saves/record.js';
import { openFolder } from '../../js/store/folder.node.js';
import { FAMILY_MODELS } from '../golden/families.js';
import { goldenBytes } from '../golden/models.js';
import { present } from '../present.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { createThreadLibrary } from '../thread-library.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

const { createEngine, openModelStore } = await createThreadLibrary();
const TEXT = Array.from({ length: 150 }, (_, i) => (i * 37 + 11) % 256);
const GREEDY = { temperature: 0, ignoreEos: true };

/** @type {string} */
let model;
/** @type {Engine[]} */
const open = [];

before(() => {
  model = writeSmallModel();
});

after(async () => {
  for (const engine of open) await engine.unload();
});

/** @param {object} options */
async function openEngine(options, create = createEngine) {
  const engine = await create({ model, threads: 1, ...options });
  open.push(engine);
  return engine;
}

/** @param {Promise<unknown>} promise */
const errorOf = (promise) =>
  promise.then(
    () => assert.fail('there was no error'),
    (error) => error,
  );

/**
 * A new folder, and an engine that has its model there and a saved session of 150 tokens, "chat".
 * @param {{ kvType?: string }} [options]
 */
async function openSaved(options, create = createEngine) {
  const folder = temporaryFolder();
  const engine = await openEngine({ store: { folder }, ...options }, create);
  const session = await engine.createSession();
  await session.prefill(TEXT);
  await session.save('chat');
  await session.close();
  return { folder, engine };
}

/** Restores a session that is not to come back. @param {Engine} engine @param {string} key */
async function dropped(engine, key) {
  /** @type {NibbleError[]} */
  const reasons = [];
  const session = await engine.restoreSession(key, { onDropped: (told) => reasons.push(told) });
  assert.equal(session, null);
  return reasons.at(-1) ?? null;
}

/**
 * The files of a folder's chunks and records that hold something, by what is asked of their text.
 * @param {string} folder
 */
function filesOf(folder) {
  return readdirSync(join(folder, 'models'), { recursive: true })
    .filter((name) => /\.(chunk|json)$/.test(untyped(name)))
    .map((name) => join(folder, 'models', untyped(name)));
}

/** @param {string} folder @param {string} key */
const recordFile = (folder, key) =>
  filesOf(folder).find((path) => path.endsWith('.json') && JSON.parse(readFileSync(path, 'utf8')).key === key);

/** The model's own chunks are written before the first save. @param {string} folder @param {string[]} earlier */
const filesSince = (folder, earlier) => filesOf(folder).filter((path) => !earlier.includes(path));

describe('a saved session', () => {
  test('goes on after a reload as if there had been none, with nothing computed again', async () => {
    for (const kvType of ['f16', 'int8']) {
      const { folder, engine } = await openSaved({ kvType }, library.createEngine);
      const options = { tokens: [...TEXT, 9], maxTokens: 30, ...GREEDY };
      const whole = await engine.complete(options).result;
      await engine.unload();
      const again = await openEngine({ store: { folder }, kvType }, library.createEngine);
      const session = present(await again.restoreSession('chat'));
      assert.deepEqual(await session.tokens(), TEXT);
      const { tokens, reusedTokens, prefill } = await session.complete(options).result;
      assert.deepEqual([reusedTokens, prefill.tokens], [150, 1]);
      assert.deepEqual(tokens, whole.tokens);
    }
  });

  test('is replaced by the next one of its key, and lists and deletes', async () => {
    const { folder, engine } = await openSaved();
    const session = present(await engine.restoreSession('chat'));
    await session.prefill([...TEXT, 1, 2, 3]);
    const saved = await session.save('chat');
    assert.equal(saved.tokens, 153);
    const other = await session.save('another, with: #0 and ü');
    assert.deepEqual(await engine.savedSessions(), [other, { ...saved }]);
    assert.equal((await present(await engine.restoreSession('chat')).tokens()).length, 153);
    await engine.deleteSavedSession('chat');
    await engine.deleteSavedSession('chat');
    assert.deepEqual(
      (await engine.savedSessions()).map(({ key }) => key),
      ['another, with: #0 and ü'],
    );
    assert.equal(await dropped(engine, 'chat'), null);
    // Of the replaced and the deleted nothing is left: one record and one chunk.
    const chunks = filesOf(folder).filter((path) => path.endsWith('.chunk') && readFileSync(path).includes('NIBBLEKV'));
    assert.equal(chunks.length, 1);
  });

  // Far above what it takes: a list that waited would never come.
  test('is listed while an answer is written that has no end', { timeout: 60_000 }, async () => {
    const { engine } = await openSaved({}, library.createEngine);
    const answer = engine.complete({ tokens: TEXT, ...GREEDY, onFull: 'drop-oldest' });
    const text = answer[Symbol.asyncIterator]();
    await text.next();
    assert.deepEqual(
      (await engine.savedSessions()).map(({ key }) => key),
      ['chat'],
    );
    answer.stop();
    assert.equal((await answer.result).finishReason, 'cancelled');
    await engine.unload();
    assert.equal((await errorOf(engine.savedSessions())).code, 'UNLOADED');
  });

  test('is not among the models, and goes with its model', async () => {
    const { folder, engine } = await openSaved();
    const store = await openModelStore({ store: { folder } });
    const models = await store.list();
    assert.deepEqual(
      models.map(({ id }) => id),
      [engine.info.storage.id],
    );
    const { models: bytes, sessions } = await store.estimate();
    const [{ bytes: saved }] = await engine.savedSessions();
    assert.equal(sessions, saved);
    assert.equal(bytes, models[0].storedBytes);
    await store.delete(models[0].id);
    await store.close();
    assert.deepEqual(filesOf(folder), []);
    assert.equal(await dropped(engine, 'chat'), null);
    const session = await engine.createSession();
    await session.prefill(TEXT);
    assert.equal((await errorOf(session.save('chat'))).code, 'STORE_MISSING');
    assert.deepEqual(filesOf(folder), []);
    assert.equal((await session.prefill(TEXT)).reusedTokens, 150);
  });

  test('takes no more room than was agreed: those used longest ago go first', async () => {
    const engine = await openEngine({ store: 'memory', maxSaves: 3 });
    const session = await engine.createSession();
    await session.prefill(TEXT);
    const pause = () => new Promise((resolve) => setTimeout(resolve, 2));
    for (const key of ['a', 'b', 'c']) {
      await session.save(key);
      await pause();
    }
    await present(await engine.restoreSession('a')).close();
    await pause();
    await session.save('d');
    assert.deepEqual(
      (await engine.savedSessions()).map(({ key }) => key),
      ['d', 'a', 'c'],
    );
    const [{ bytes }] = await engine.savedSessions();
    const narrow = await openEngine({ store: 'memory', maxSavedBytes: bytes - 1 });
    const large = await narrow.createSession();
    await large.prefill(TEXT);
    const error = await errorOf(large.save('a'));
    assert.equal(error.code, 'SAVE_TOO_LARGE');
    assert.deepEqual(error.details, { bytes, most: bytes - 1 });
    assert.deepEqual(await narrow.savedSessions(), []);
  });
});

describe('a save that is no good', () => {
  test('of another KV type or format is dropped, and that is told', async () => {
    const { folder, engine } = await openSaved({ kvType: 'f16' });
    await engine.unload();
    const other = await openEngine({ store: { folder }, kvType: 'int8' });
    const reason = present(await dropped(other, 'chat'));
    assert.equal(reason.code, 'SAVE_MISMATCH');
    assert.deepEqual(await other.savedSessions(), []);
    assert.equal(await dropped(other, 'chat'), null);

    const newer = await openSaved();
    const path = recordFile(newer.folder, 'chat');
    writeFileSync(present(path), JSON.stringify({ ...JSON.parse(readFileSync(untyped(path), 'utf8')), format: 99 }));
    assert.equal(present(await dropped(newer.engine, 'chat')).code, 'SAVE_MISMATCH');
  });

  test('of another model under the same name is dropped', async () => {
    const { folder, engine } = await openSaved();
    const { id } = engine.info.storage;
    await engine.unload();
    const different = await createEngine({
      model: writeSmallModel({ ropeBase: 20000 }),
      threads: 1,
      store: { folder },
    });
    open.push(different);
    // As a file that was replaced at its address: the record of the other model's save gets this model's id.
    const path = recordFile(folder, 'chat');
    const record = JSON.parse(readFileSync(untyped(path), 'utf8'));
    const backend = await openFolder(folder);
    const target = saveId(present(different.info.storage.id), 'chat');
    const bytes = new Uint8Array(record.bytes);
    await backend.readChunk(`${saveId(present(id), 'chat')}#${record.half}`, 0, 0, bytes);
    await backend.writeChunk(`${target}#${record.half}`, 0, [bytes]);
    await backend.put({ ...record, id: target, model: different.info.storage.id });
    await backend.close();
    assert.equal(present(await dropped(different, 'chat')).code, 'SAVE_MISMATCH');
    assert.deepEqual(await different.savedSessions(), []);
  });

  test('that is damaged, cut short or half gone is dropped, and the engine goes on', async () => {
    const spoil = {
      /** @param {string | undefined} path */
      'a bit': (path) => {
        const bytes = readFileSync(present(path));
        bytes[bytes.length >> 1] ^= 4;
        writeFileSync(present(path), bytes);
      },
      /** @param {string} path */
      'the end': (path) => writeFileSync(path, readFileSync(path).subarray(0, -1)),
      /** @param {string} path */
      'all of it': (path) => rmSync(path),
    };
    for (const [what, change] of Object.entries(spoil)) {
      const folder = temporaryFolder();
      const engine = await openEngine({ store: { folder } });
      const earlier = filesOf(folder);
      const session = await engine.createSession();
      await session.prefill(TEXT);
      await session.save('chat');
      const chunk = filesSince(folder, earlier).find((path) => path.endsWith('.chunk'));
      change(present(chunk));
      const { code, message } = present(await dropped(engine, 'chat'));
      assert.equal(code, 'SAVE_DAMAGED', `${what}: ${message}`);
      assert.deepEqual(filesSince(folder, earlier), []);
      assert.equal((await session.prefill(TEXT)).reusedTokens, 150);
      await session.save('chat');
      assert.equal((await present(await engine.restoreSession('chat')).tokens()).length, 150);
    }
  });

  test('whose record is garbage is dropped with all of it, and that is told; what was never saved is silent', async () => {
    const folder = temporaryFolder();
    const engine = await openEngine({ store: { folder } });
    const earlier = filesOf(folder);
    const session = await engine.createSession();
    await session.prefill(TEXT);
    // The second save of a key lies in the other half.
    for (const saves of [1, 2]) {
      for (const garbage of ['{broken', '', '[1]', 'null']) {
        for (let each = 0; each < saves; each++) await session.save('chat');
        writeFileSync(present(recordFile(folder, 'chat')), garbage);
        assert.equal(await dropped(engine, 'never saved'), null);
        assert.equal(filesSince(folder, earlier).length, 2);
        const { code, message } = present(await dropped(engine, 'chat'));
        assert.equal(code, 'SAVE_DAMAGED', `${garbage}: ${message}`);
        assert.match(message, /"chat" is damaged: its record/);
        assert.deepEqual(filesSince(folder, earlier), []);
        assert.equal(await dropped(engine, 'chat'), null);
      }
    }
    assert.equal((await session.prefill(TEXT)).reusedTokens, 150);
  });

  test('whose record is garbage makes way for the next save of its key', async () => {
    const folder = temporaryFolder();
    const engine = await openEngine({ store: { folder } });
    const earlier = filesOf(folder);
    const session = await engine.createSession();
    await session.prefill(TEXT);
    for (const saves of [1, 2]) {
      for (let each = 0; each < saves; each++) await session.save('chat');
      writeFileSync(present(recordFile(folder, 'chat')), '{broken');
      await session.save('chat');
      assert.equal(filesSince(folder, earlier).length, 2, 'one record and one chunk');
      assert.equal((await present(await engine.restoreSession('chat')).tokens()).length, 150);
      await engine.deleteSavedSession('chat');
    }
  });

  test('but one that is only too long for this context stays, and is told', async () => {
    const { folder, engine } = await openSaved();
    await engine.unload();
    const narrow = await openEngine({ store: { folder }, contextSize: 100 });
    assert.equal((await errorOf(narrow.restoreSession('chat'))).code, 'CONTEXT_FULL');
    assert.equal((await narrow.savedSessions()).length, 1);
  });
});

describe('without a store', () => {
  test('saving says what is needed, and export and import do without', async () => {
    const engine = await openEngine({ store: null }, library.createEngine);
    const session = await engine.createSession();
    await session.prefill(TEXT);
    assert.equal((await errorOf(session.save('chat'))).code, 'SAVE_NEEDS_STORE');
    assert.equal((await errorOf(engine.restoreSession('chat'))).code, 'SAVE_NEEDS_STORE');
    assert.equal((await errorOf(engine.savedSessions())).code, 'SAVE_NEEDS_STORE');
    const image = await session.export();
    assert.ok(image instanceof Blob && image.size > 10_000);
    const bytes = new Uint8Array(await image.arrayBuffer());
    const file = join(temporaryFolder(), 'saved');
    writeFileSync(file, bytes);
    const opened = await openAsBlob(file);
    for (const given of [image, bytes, bytes.buffer, opened]) {
      const back = await engine.importSession(given);
      assert.deepEqual(await back.tokens(), TEXT);
      assert.equal((await back.prefill([...TEXT, 1])).computedTokens, 1);
      await back.close();
    }
    writeFileSync(file, 'another one');
    assert.equal((await errorOf(engine.importSession(opened))).code, 'SOURCE_UNREADABLE');
    const { kvCache } = await engine.memory();
    bytes[bytes.length - 1] ^= 1;
    assert.equal((await errorOf(engine.importSession(bytes))).code, 'SAVE_DAMAGED');
    assert.equal((await errorOf(engine.importSession(new Blob([])))).code, 'SAVE_DAMAGED');
    assert.equal((await errorOf(engine.importSession(untyped('bytes')))).code, 'INVALID_ARGUMENT');
    assert.equal((await engine.memory()).kvCache, kvCache);
  });
});

test('a store that vanished is told, and one that comes back is used again', async () => {
  const { folder, engine } = await openSaved();
  const session = present(await engine.restoreSession('chat'));
  rmSync(folder, { recursive: true });
  assert.equal(await dropped(engine, 'chat'), null);
  assert.ok(['STORE_MISSING', 'STORE_UNAVAILABLE'].includes((await errorOf(session.save('chat'))).code));
  assert.equal((await session.prefill([...TEXT, 1])).computedTokens, 1);
  await engine.complete({ tokens: TEXT, maxTokens: 2 }).result;
  await session.close();
});

test('a store that cannot be read is told in the words of what was asked for', async () => {
  const { folder, engine } = await openSaved();
  const models = await openModelStore({ store: { folder } });
  try {
    rmSync(join(folder, 'models'), { recursive: true });
    writeFileSync(join(folder, 'models'), 'no folder');
    const asked = [
      [() => engine.savedSessions(), /^Listing the saved sessions failed/],
      [() => models.list(), /^Listing the models failed/],
      [() => models.estimate(), /^Listing what is stored failed/],
    ];
    for (const [call, sentence] of untyped(asked)) {
      const { code, message } = await errorOf(call());
      assert.equal(code, 'STORE_UNAVAILABLE');
      assert.match(message, sentence);
    }
  } finally {
    await models.close();
    await engine.unload();
  }
});

test('a LongRoPE model takes no save back whose keys the other factors turned', async () => {
  const { shape } = FAMILY_MODELS['phi-long'];
  const longRope = goldenBytes('phi-long');
  const tokens = TEXT.map((token) => token % shape.vocabulary);
  const folder = temporaryFolder();
  const original = present(shape.scaling).originalContext;
  /** @param {number | boolean} contextSize */
  const open = (contextSize) => openEngine({ model: longRope, store: { folder }, contextSize });
  for (const [saved, restored, comes] of [
    [original, original - 64, true],
    [original, original + 64, false],
    [original + 64, original, false],
    [original + 64, original + 128, true],
  ]) {
    const [one, other] = [await open(saved), await open(restored)];
    const session = await one.createSession();
    await session.prefill(tokens);
    await session.save('long');
    if (comes) {
      const back = present(await other.restoreSession('long'));
      const next = [...tokens, 1];
      const { top } = await back.evaluate(next, { top: 0 });
      assert.deepEqual(top, (await other.evaluate(next, { top: 0, reusePrefix: false })).top);
    } else {
      const { code, message } = present(await dropped(other, 'long'));
      assert.equal(code, 'SAVE_MISMATCH');
      assert.match(message, /size of the context/);
    }
    await one.unload();
    await other.unload();
  }
});

test('a save that is cancelled says so', async () => {
  const { engine } = await openSaved();
  try {
    const session = present(await engine.restoreSession('chat'));
    const error = await errorOf(session.save('chat', { signal: AbortSignal.abort() }));
    assert.equal(error.code, 'CANCELLED');
    assert.doesNotMatch(error.message, /stored model/);
    assert.equal((await engine.savedSessions()).length, 1);
  } finally {
    await engine.unload();
  }
});
