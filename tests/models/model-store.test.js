// Stored models as callers meet them: createEngine() with a store, openModelStore(), and what either refuses. Those of
// `library` have workers of their own.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import * as library from '../../js/index.node.js';
import { openFolder } from '../../js/store/folder.node.js';
import { code } from '../errors.js';
import { present } from '../present.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { createThreadLibrary } from '../thread-library.js';
import { untyped } from '../untyped.js';
import { serveFile } from './rig.js';

/** @typedef {import('./rig.js').FileServer} FileServer */
/** @typedef {import('../../js/base/public-types.js').ModelStore} ModelStore */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

const { createEngine, describeModel, openModelStore } = await createThreadLibrary();
const CHUNK = 10_000;

/** @type {string} */
let path;
/** @type {Buffer<ArrayBuffer>} */
let bytes;
/** @type {FileServer} */
let server;
/** @type {number[]} */
let expected;
/** @type {string} */
let folder;
/** @type {{ folder: string, chunkBytes: number }} */
let store;
/** @type {string} */
let id;
/** @type {ModelStore[]} */
const opened = [];

/** Loads, writes a little and unloads. @param {import('../../js/base/public-types.js').EngineOptions} options */
async function load(options, create = createEngine) {
  const engine = await create({ threads: 1, ...options });
  try {
    const { tokens } = await engine.complete({ tokens: [1, 2, 3], maxTokens: 8, temperature: 0, ignoreEos: true })
      .result;
    return { tokens, ...engine.info };
  } finally {
    await engine.unload();
  }
}

async function openStore(open = openModelStore) {
  const models = await open({ store });
  opened.push(models);
  return models;
}

/** How many chunks lie in the test's folder. */
const chunksStored = () =>
  readdirSync(folder, { recursive: true }).filter((name) => /\d+\.chunk$/.test(untyped(name))).length;

/** A signal that is given while the server keeps the rest back, once some of what it has sent is stored. */
function abortedWhileDownloading(isReady = () => true) {
  const controller = new AbortController();
  server.onStall = async () => {
    while (chunksStored() < 2 || !isReady()) await new Promise((resolve) => setTimeout(resolve, 5));
    controller.abort();
  };
  return controller.signal;
}

before(async () => {
  path = writeSmallModel();
  bytes = readFileSync(path);
  server = await serveFile(bytes);
  id = `url:${server.url}`;
  expected = (await load({ model: path })).tokens;
});

after(async () => {
  server?.close();
  await Promise.all(opened.map((models) => models.close()));
});

beforeEach(() => {
  folder = temporaryFolder();
  store = { folder, chunkBytes: CHUNK };
  Object.assign(server, { requests: [], limit: Infinity, onStall: () => {}, offline: false });
});

describe('createEngine() with a store', () => {
  test('stores, and the next time loads from the store with the server gone', async () => {
    /** @type {string[]} */
    const phases = [];
    /** @param {{ phase: string }} progress */
    const onProgress = ({ phase }) => phases.push(phase);
    const first = await load({ model: server.url, store }, library.createEngine);
    assert.deepEqual([first.storage.kind, first.storage.id, first.storage.state], ['folder', id, 'imported']);
    server.offline = true;
    for (const model of [server.url, { stored: id }]) {
      const { tokens, storage, file, name } = await load({ model, store, onProgress }, library.createEngine);
      assert.deepEqual(tokens, expected);
      assert.equal(storage.state, 'stored');
      assert.equal(name, 'random small');
      assert.deepEqual(file, first.file);
    }
    assert.deepEqual([...new Set(phases)], ['prepare', 'read']);
  });

  test('without a store nothing is stored, and it says so', async () => {
    for (const model of [path, server.url]) {
      const { tokens, storage } = await load({ model });
      assert.deepEqual(tokens, expected);
      assert.deepEqual([storage.kind, storage.state, storage.problem], [null, 'not-stored', null]);
    }
  });

  test('bytes and streams are stored too, the same bytes once', async () => {
    const one = await load({ model: bytes, store });
    const two = await load({ model: new Uint8Array(bytes), store });
    assert.deepEqual([one.tokens, two.tokens], [expected, expected]);
    assert.deepEqual([one.storage.state, two.storage.state], ['imported', 'stored']);
    const stream = await load({ model: new Blob([bytes]).stream(), store });
    assert.equal(stream.storage.state, 'imported');
    assert.deepEqual((await load({ model: { stored: present(stream.storage.id) }, store })).tokens, expected);
  });

  test('a cancelled load keeps what came, and goes on there', async () => {
    server.limit = 45_000;
    const signal = abortedWhileDownloading();
    await assert.rejects(createEngine({ model: server.url, store, signal }), code('CANCELLED'));
    const models = await openStore();
    const [partial] = await models.list();
    assert.equal(partial.state, 'importing');
    assert.ok(partial.receivedBytes > 10_000 && partial.receivedBytes <= 45_000);
    assert.equal(await models.has(server.url), false);
    Object.assign(server, { limit: Infinity, requests: [] });
    assert.deepEqual((await load({ model: { stored: id }, store })).tokens, expected);
    assert.ok(server.requests.every(({ start }) => start > partial.receivedBytes - 4096));
    assert.equal(await models.has(server.url), true);
  });

  test('a store that cannot be used is a problem, not an error, where there is a source', async () => {
    const nowhere = { folder: `${path}/below-a-file` };
    const { tokens, storage } = await load({ model: server.url, store: nowhere });
    assert.deepEqual(tokens, expected);
    assert.deepEqual([storage.state, present(storage.problem).code], ['not-stored', 'STORE_UNAVAILABLE']);
    await assert.rejects(load({ model: { stored: id }, store: nowhere }), code('STORE_UNAVAILABLE'));
    await assert.rejects(openModelStore({ store: nowhere }), code('STORE_UNAVAILABLE'));
    const backend = await openFolder(folder);
    await backend.put({ id, format: 99 });
    const newer = await load({ model: server.url, store });
    assert.deepEqual([newer.storage.state, present(newer.storage.problem).code], ['not-stored', 'STORE_VERSION']);
    assert.equal(present(await backend.get(id)).format, 99);
    await assert.rejects(load({ model: { stored: id }, store }), code('STORE_VERSION'));
    await backend.close();
  });

  test('a description or a vocabulary comes from the store, and stores nothing', async () => {
    const before = await describeModel(server.url, { store });
    assert.equal((await load0({ model: server.url, store })).storage.state, 'not-stored');
    const models = await openStore();
    assert.deepEqual(await models.list(), []);
    await models.import(server.url);
    server.offline = true;
    const stored = await describeModel({ stored: id }, { store });
    assert.deepEqual(stored, before);
    assert.equal((await load0({ model: server.url, store })).storage.state, 'stored');
  });

  test('what is no store or no stored model is refused', async () => {
    for (const wrong of [
      '',
      'indexdb',
      5,
      {},
      { folder: '' },
      { folder, kind: 'opfs' },
      { folder, chunkBytes: 0 },
      { folder, x: 1 },
    ]) {
      await assert.rejects(
        createEngine({ model: path, store: untyped(wrong) }),
        code('INVALID_ARGUMENT'),
        JSON.stringify(wrong),
      );
    }
    await assert.rejects(load({ model: { stored: id } }), code('INVALID_ARGUMENT'));
    await assert.rejects(load({ model: { stored: '' }, store }), code('INVALID_ARGUMENT'));
    await assert.rejects(load({ model: { stored: 'url:absent' }, store }), code('STORE_MISSING'));
    // In Node there is neither of these.
    for (const kind of /** @type {const} */ (['indexeddb', 'opfs'])) {
      assert.equal(present((await load({ model: path, store: kind })).storage.problem).code, 'STORE_UNAVAILABLE');
    }
  });
});

/**
 * An engine of the vocabulary alone.
 * @param {{ model: string, store: { folder: string, chunkBytes: number } }} options
 */
async function load0(options) {
  const engine = await createEngine({ ...options, vocabularyOnly: true });
  assert.ok((await engine.tokenize('hello')).length > 0);
  await engine.unload();
  return engine.info;
}

describe('a ModelStore', () => {
  test('a file with a scale that is no number is refused, and leaves nothing behind', async () => {
    const spoilt = Buffer.from(bytes);
    const { tensors } = await describeModel(path);
    const last = tensors.filter(({ type }) => type === 'Q4_0').sort((a, b) => b.offset - a.offset)[0];
    spoilt.writeUInt16LE(0x7e00, last.offset + last.bytes - 18);
    const file = join(dirname(path), 'spoilt.gguf');
    writeFileSync(file, spoilt);
    /** @param {NibbleError} error */
    const refused = (error) =>
      code('MODEL_BAD_TENSOR')(error) && error.message.includes(`The tensor ${last.name} (Q4_0) has a scale`);
    const models = await openStore();
    await assert.rejects(models.import(file), refused);
    await assert.rejects(load({ model: file, store }), refused);
    await assert.rejects(load({ model: file }), refused);
    assert.deepEqual(await models.list(), []);
    assert.equal(chunksStored(), 0);
    // Where a server has it in place of what is stored, that is another file.
    try {
      server.etag = 'W/"weak"';
      await models.import(server.url);
      assert.equal((await models.check(id)).isNewer, false);
      server.bytes = spoilt;
      assert.equal((await models.check(id)).isNewer, true);
    } finally {
      Object.assign(server, { bytes, etag: '"one"' });
    }
  });

  test('imports, lists, verifies, renames and deletes', async () => {
    const models = await openStore(library.openModelStore);
    assert.equal(models.kind, 'folder');
    assert.deepEqual(await models.list(), []);
    /** @type {string[]} */
    const phases = [];
    const imported = await models.import(server.url, { name: 'mine', onProgress: ({ phase }) => phases.push(phase) });
    assert.deepEqual([...new Set(phases)], ['download']);
    const {
      id: found,
      name,
      state,
      source,
      fileBytes,
      receivedBytes,
      architecture,
      quantization,
      contextLength,
    } = imported;
    assert.deepEqual([found, name, state, source], [id, 'mine', 'complete', { url: server.url }]);
    assert.deepEqual([fileBytes, receivedBytes], [bytes.length, bytes.length]);
    assert.deepEqual([architecture, quantization, contextLength], ['llama', 'Q4_0', 256]);
    const asked = server.requests.length;
    assert.deepEqual(await models.import(server.url), imported);
    assert.deepEqual(
      server.requests.slice(asked),
      [{ start: 0, end: 1 }],
      'only whether there is a newer file is asked',
    );
    server.offline = true;
    assert.deepEqual(await models.import(server.url), imported, 'and where it cannot be asked, all is as it was');
    server.offline = false;
    assert.deepEqual(await models.list(), [imported]);
    assert.equal(await models.has(server.url), true);
    assert.equal(await models.has(id), true);
    assert.equal(await models.has(path), false);
    assert.deepEqual(await models.verify(id), { id, state: 'complete', chunks: 6, damaged: [] });
    assert.ok((await models.readRate(id)) > 0);
    const { models: total, usage } = await models.estimate();
    assert.equal(total, imported.storedBytes);
    assert.ok(present(usage) >= total);
    assert.equal(await models.persist(), true);
    assert.equal(await models.persisted(), true);
    await models.rename(id, 'yours');
    assert.equal((await models.list())[0].name, 'yours');
    for (const name of ['a\nb', 'x'.repeat(201), ' ']) {
      await assert.rejects(async () => models.rename(id, name), code('INVALID_ARGUMENT'));
      await assert.rejects(models.import(server.url, { name }), code('INVALID_ARGUMENT'));
    }
    await assert.rejects(models.import(server.url, { sha256: 'a'.repeat(64) }), code('HASH_MISMATCH'));
    assert.deepEqual((await load({ model: { stored: id }, store })).tokens, expected);
    assert.equal((await models.list())[0].name, 'yours');
    await models.delete(id);
    assert.deepEqual(await models.list(), []);
    await models.delete(id);
  });

  const damage = async (of = id) => {
    const backend = await openFolder(folder);
    await backend.writeChunk(of, 2, [new Uint8Array(CHUNK)]);
    await backend.writeChunk(of, -1, [new Uint8Array(1)]);
    await backend.removeChunks(of, 5);
    await backend.close();
  };

  test('verify names what is damaged, and importing it again mends it', async () => {
    const models = await openStore();
    await models.import(server.url);
    await damage();
    assert.deepEqual((await models.verify(id)).damaged, [-1, 2, 5]);
    const again = await models.import(server.url);
    assert.equal(again.state, 'complete');
    assert.deepEqual((await models.verify(id)).damaged, []);
    const { tokens, storage } = await load({ model: { stored: id }, store });
    assert.deepEqual(tokens, expected);
    assert.equal(storage.repairedChunks, 0);
    const once = () => new Blob([readFileSync(path)]).stream();
    const { id: ofStream } = await models.import(once(), { id: 'once' });
    await damage(ofStream);
    await assert.rejects(models.import(once(), { id: 'once' }), code('STORE_DAMAGED'), 'a stream has no part twice');
  });

  test('an import that cannot write the header anew says so', async () => {
    const models = await openStore();
    await models.import(path);
    const [stored] = await models.list();
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    const header = present(files.find((name) => name.endsWith('-1.chunk')));
    rmSync(join(folder, header));
    // Nothing can be put in the place of a folder that holds something.
    mkdirSync(join(folder, header, 'in the way'), { recursive: true });
    const verdict = await models.verify(stored.id).then((found) => found.damaged);
    assert.deepEqual(verdict, [-1]);
    await assert.rejects(models.import(path), code('STORE_UNAVAILABLE'));
  });

  test('verify names what is damaged, and loading mends it', async () => {
    const models = await openStore();
    await models.import(server.url);
    await damage();
    assert.deepEqual((await models.verify(id)).damaged, [-1, 2, 5]);
    const phases = new Set();
    /** @param {{ phase: string }} options */
    const onProgress = ({ phase }) => phases.add(phase);
    const { tokens, storage } = await load({ model: { stored: id }, store, onProgress });
    assert.deepEqual(tokens, expected);
    assert.equal(storage.repairedChunks, 2);
    assert.deepEqual([...phases].sort(), ['prepare', 'read', 'repair'], 'and it is told that parts come again');
    assert.deepEqual((await models.verify(id)).damaged, []);
  });

  test('one whose record cannot be read is listed as damaged, and can be deleted', async () => {
    const models = await openStore();
    await models.import(server.url);
    const records = () =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('record.json'));
    const spoil = () => writeFileSync(join(folder, records()[0]), '{"id":"url:http');
    spoil();
    const [listed] = await models.list();
    assert.deepEqual([listed.state, listed.name.slice(0, 11)], ['damaged', 'unreadable ']);
    await assert.rejects(models.verify(listed.id), code('STORE_DAMAGED'));
    await models.import(server.url);
    assert.deepEqual(
      (await models.list()).map(({ state }) => state),
      ['complete'],
      'an import takes its place',
    );
    spoil();
    await models.delete((await models.list())[0].id);
    assert.deepEqual(await models.list(), []);
    assert.equal(chunksStored(), 0);
  });

  test('what another is reading is not deleted, what another is storing not renamed either', async () => {
    const models = await openStore(library.openModelStore);
    await models.import(server.url);
    const backend = await openFolder(folder);
    await backend.lock(id, { shared: true }, async () => {
      await assert.rejects(models.delete(id), code('STORE_BUSY'));
      await models.rename(id, 'x');
      assert.deepEqual((await models.verify(id)).damaged, []);
    });
    assert.equal((await models.list())[0].name, 'x');
    await backend.lock(id, {}, async () => {
      await assert.rejects(
        models.rename(id, 'y'),
        (/** @type {NibbleError} */ error) => code('STORE_BUSY')(error) && /process \d+ on/.test(error.message),
      );
    });
    await models.delete(id);
    await backend.close();
  });

  test('an import is paused by its signal, resumed by another import, and cancelled by delete', async () => {
    const models = await openStore();
    server.limit = 30_000;
    /** @type {(Promise<void>)[]} */
    const busy = [];
    let refused = 0;
    const signal = abortedWhileDownloading(() => refused > 0 && refused === busy.length);
    const onProgress = () => busy.push(assert.rejects(models.delete(id), code('STORE_BUSY')).finally(() => refused++));
    await assert.rejects(models.import(server.url, { signal, onProgress }), code('CANCELLED'));
    assert.ok(busy.length > 0);
    await Promise.all(busy);
    const [partial] = await models.list();
    assert.equal(partial.state, 'importing');
    Object.assign(server, { limit: Infinity, requests: [] });
    assert.equal((await models.import(server.url)).state, 'complete');
    assert.ok(server.requests.every(({ start }) => start > partial.receivedBytes - 4096));
    await models.delete(id);
    await assert.rejects(models.import(server.url, { signal: AbortSignal.abort() }), code('CANCELLED'));
  });

  test('one whose SHA-256 cannot be gone on with begins anew', async () => {
    const models = await openStore();
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const records = () =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('record.json'));
    for (const spoil of [(/** @type {string} */ state) => `00000000${state.slice(8)}`, () => 'ab']) {
      server.limit = 45_000;
      const signal = abortedWhileDownloading();
      await assert.rejects(models.import(server.url, { sha256, signal }), code('CANCELLED'));
      const path = join(folder, records()[0]);
      const record = JSON.parse(readFileSync(path, 'utf8'));
      // As another version of what computes it writes it, or damaged.
      record.hash.state = spoil(record.hash.state);
      writeFileSync(path, JSON.stringify(record));
      Object.assign(server, { limit: Infinity, requests: [] });
      assert.equal((await models.import(server.url, { sha256 })).state, 'complete');
      assert.ok(server.requests.some(({ start }) => start === 0));
      assert.deepEqual((await models.verify(id)).damaged, []);
      await models.delete(id);
    }
  });

  test('two stores that import the same model fetch it once', async () => {
    const [one, two] = [await openStore(library.openModelStore), await openStore(library.openModelStore)];
    const both = await Promise.all([one.import(server.url), two.import(server.url)]);
    assert.deepEqual(both[0], both[1]);
    // The one that comes later may ask for a byte, to learn whether there is a newer file.
    const parts = server.requests.filter(({ start, end }) => end - start > 1);
    const asked = parts.reduce((sum, { start, end }) => sum + end - start, 0);
    assert.ok(asked <= bytes.length, `${asked} bytes were asked for`);
  });

  test('a wrong call is refused with a code, and a closed store refuses all', async () => {
    const models = await openStore();
    for (const wrong of [{ name: '' }, { sha256: 'abc' }, { keepPartial: 1 }, { whatever: 1 }, { onProgress: 5 }]) {
      await assert.rejects(
        async () => models.import(path, untyped(wrong)),
        code('INVALID_ARGUMENT'),
        JSON.stringify(wrong),
      );
    }
    await assert.rejects(async () => models.import(untyped(5)), code('INVALID_ARGUMENT'));
    await assert.rejects(async () => untyped(models).delete(), code('INVALID_ARGUMENT'));
    await assert.rejects(async () => models.rename(id, ' '), code('INVALID_ARGUMENT'));
    for (const call of [
      () => models.verify('url:absent'),
      () => models.rename('url:absent', 'x'),
      () => models.readRate('url:absent'),
    ]) {
      await assert.rejects(call, code('STORE_MISSING'));
    }
    await assert.rejects(models.import({ stored: 'url:absent' }), code('STORE_MISSING'));
    await assert.rejects(models.import(path, { sha256: 'A'.repeat(64) }), code('HASH_MISMATCH'));
    await models.close();
    await models.close();
    await assert.rejects(models.list(), code('STORE_UNAVAILABLE'));
    await assert.rejects(openModelStore(), code('INVALID_ARGUMENT'));
    await assert.rejects(openModelStore({ store: null }), code('INVALID_ARGUMENT'));
  });
});

test('what a store is asked wrongly is rejected, not thrown', async () => {
  const models = await openModelStore({ store: 'memory' });
  const wrong = [
    () => models.rename(id, ''),
    () => models.rename('', 'name'),
    () => untyped(models).delete(),
    () => untyped(models).verify(),
    () => untyped(models).readRate(),
    () => models.import(path, { sha256: 'zz' }),
    () => models.import(path, { onProgress: untyped(1) }),
  ];
  try {
    for (const call of wrong) await assert.rejects(call(), code('INVALID_ARGUMENT'));
  } finally {
    await models.close();
  }
});
