// What a caller says of a model that is stored: the id that it is found by again, and the SHA-256 of its file.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import * as library from '../../js/index.node.js';
import { portOf } from '../port.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { createThreadLibrary } from '../thread-library.js';
import { untyped } from '../untyped.js';

const { createEngine, describeModel, openModelStore } = await createThreadLibrary();

/** @type {import('node:http').Server} */
let server;
let origin = '';
let requests = 0;
/** @type {Buffer} */
let bytes;
/** @type {Buffer} */
let other;
/** What the server gives: no ETag, no date, no parts. @type {Buffer} */
let now;
let store = { folder: '' };

const sha256 = (/** @type {Buffer} */ content) => createHash('sha256').update(content).digest('hex');
/** @param {Promise<unknown>} promise @returns {Promise<import('../../js/base/errors.js').NibbleError>} */
const failure = (promise) =>
  promise.then(
    () => assert.fail('It does not fail.'),
    (error) => error,
  );

before(async () => {
  bytes = readFileSync(writeSmallModel());
  other = readFileSync(writeSmallModel({ name: 'other', context: 128 }));
  server = createServer((_request, response) => {
    requests++;
    response.writeHead(200, { 'content-length': now.length }).end(now);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${portOf(server)}`;
});
after(() => {
  server?.close();
  server?.closeAllConnections();
});
beforeEach(() => {
  store = { folder: temporaryFolder() };
  now = bytes;
  requests = 0;
});

/** Loads a model; what became of it in the store. @param {import('../../js/base/public-types.js').ModelSource} model @param {object} [options] */
async function load(model, options, create = createEngine) {
  const engine = await create({ model, store, threads: 1, ...options });
  await engine.unload();
  return engine.info.storage;
}

/** @param {(models: import('../../js/index.node.js').ModelStore) => Promise<void>} use */
async function inStore(use) {
  const models = await openModelStore({ store });
  try {
    await use(models);
  } finally {
    await models.close();
  }
}

describe('an id of the caller', () => {
  test('is found again under any query of an address, and its server not asked', async () => {
    assert.deepEqual(pick(await load(`${origin}/m.gguf?ticket=1`, { id: 'mine' })), ['mine', 'imported']);
    const asked = requests;
    assert.deepEqual(pick(await load(`${origin}/m.gguf?ticket=2`, { id: 'mine' })), ['mine', 'stored']);
    assert.deepEqual(pick(await load({ stored: 'mine' })), ['mine', 'stored']);
    assert.equal((await describeModel(`${origin}/m.gguf?ticket=3`, { id: 'mine', store })).file.bytes, bytes.length);
    assert.equal(requests, asked);
    await inStore(async (models) => {
      const [model, ...rest] = await models.list();
      assert.deepEqual([model.id, rest.length], ['mine', 0]);
      // Whoever repairs or checks it asks the address that was given last.
      assert.deepEqual(model.source, { url: `${origin}/m.gguf?ticket=3` });
      assert.equal(await models.has({ stored: 'mine' }), true);
    });
  });

  test('is one of a stream and of bytes too, which would be another model each time', async () => {
    const stream = () => new Blob([new Uint8Array(bytes)]).stream();
    assert.deepEqual(pick(await load(stream(), { id: 'poured' }, library.createEngine)), ['poured', 'imported']);
    assert.deepEqual(pick(await load(stream(), { id: 'poured' }, library.createEngine)), ['poured', 'stored']);
    assert.deepEqual(pick(await load(new Uint8Array(bytes), { id: 'poured' }, library.createEngine)), [
      'poured',
      'stored',
    ]);
  });

  test('keeps two files of one address apart, and one file is stored once', async () => {
    await load(`${origin}/m.gguf`, { id: 'first' });
    now = other;
    assert.deepEqual(pick(await load(`${origin}/m.gguf`, { id: 'second' })), ['second', 'imported']);
    await inStore(async (models) => assert.equal((await models.list()).length, 2));
  });

  test('is for an import, and goes on with the model through check and update', () =>
    inStore(async (models) => {
      const model = await models.import(`${origin}/m.gguf?ticket=1`, { id: 'mine' });
      assert.deepEqual([model.id, model.state], ['mine', 'complete']);
      assert.equal((await models.check('mine')).isNewer, false);
      now = other;
      assert.equal((await models.check('mine')).isNewer, true);
      const newer = await models.update('mine');
      assert.notEqual(newer.id, 'mine');
      assert.ok(newer.aliases.includes('mine'));
      assert.deepEqual(pick(await load(`${origin}/m.gguf?ticket=9`, { id: 'mine' })), [newer.id, 'stored']);
      assert.equal((await models.list()).length, 1);
      // An import under it asks the address that it is given, and stores what is newer there.
      now = bytes;
      const again = await models.import(`${origin}/m.gguf?ticket=2`, { id: 'mine' });
      assert.equal(again.fileBytes, bytes.length);
      assert.equal((await models.list()).length, 1);
    }));

  test('is refused where it would be taken for one that is made, or is no line of text', async () => {
    for (const id of [
      'url:https://example.com/x',
      'file:x',
      'bytes:00',
      'session:4:chat:x',
      '',
      ' ',
      'a\nb',
      'x'.repeat(201),
      5,
    ]) {
      const error = await failure(createEngine({ model: `${origin}/m.gguf`, store, id: untyped(id) }));
      assert.deepEqual([error.code, error.details?.option], ['INVALID_ARGUMENT', 'id']);
    }
    const both = await failure(createEngine({ model: { stored: 'a' }, store, id: 'b' }));
    assert.deepEqual([both.code, both.details?.option], ['INVALID_ARGUMENT', 'id']);
    assert.equal(requests, 0);
  });
});

describe('a SHA-256 of the caller', () => {
  test('is compared where the weights go into memory alone', async () => {
    const model = `${origin}/m.gguf`;
    assert.equal(
      (await load(model, { store: null, sha256: sha256(bytes).toUpperCase() }, library.createEngine)).state,
      'not-stored',
    );
    const error = await failure(createEngine({ model, store: null, sha256: sha256(other), threads: 1 }));
    assert.equal(error.code, 'HASH_MISMATCH');
    assert.equal((await failure(createEngine({ model, sha256: 'abc' }))).code, 'INVALID_ARGUMENT');
  });

  test('is compared while the model is stored, of which nothing stays where it is another', async () => {
    const model = `${origin}/m.gguf`;
    assert.equal(
      (await failure(createEngine({ model, store, sha256: sha256(other), threads: 1 }))).code,
      'HASH_MISMATCH',
    );
    await inStore(async (models) => assert.deepEqual(await models.list(), []));
    assert.equal((await load(model, { sha256: sha256(bytes) })).state, 'imported');
    const asked = requests;
    assert.equal((await load(model, { sha256: sha256(bytes) })).state, 'stored');
    assert.equal(requests, asked);
  });

  test('of a model that is stored already is compared with the one it was stored with', async () => {
    const model = `${origin}/m.gguf`;
    await load(model);
    const error = await failure(createEngine({ model, store, sha256: sha256(bytes), threads: 1 }));
    assert.equal(error.code, 'HASH_MISMATCH');
    assert.match(error.message, /was stored without a SHA-256/);
    await inStore(async (models) => {
      assert.equal((await failure(models.import(model, { sha256: sha256(bytes) }))).code, 'HASH_MISMATCH');
    });
  });

  test('ends an early start in its promise', async () => {
    const engine = await createEngine({
      ...{ model: `${origin}/m.gguf`, store: null, sha256: sha256(other), threads: 1, earlyStart: true },
    });
    assert.equal((await failure(engine.ready)).code, 'HASH_MISMATCH');
    await engine.unload();
  });
});

/** @param {import('../../js/index.node.js').EngineInfo['storage']} storage */
const pick = ({ id, state }) => [id, state];
