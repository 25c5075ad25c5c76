// One file is stored once, however it is asked for; two files are never one; and a part of one is never joined to another.
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, beforeEach, describe, test } from 'node:test';
import { readManifest } from '../../js/models/manifest.js';
import { addressOf, fileFacts } from '../../js/models/model-id.js';
import { openFolder } from '../../js/store/folder.node.js';
import { code } from '../errors.js';
import { present } from '../present.js';
import { temporaryFolder } from '../small-model.js';
import { CHUNK, loadThrough, one, serve, textOf, two, withModels } from '../two-models.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/public-types.js').ModelStore} ModelStore */

/** @type {{ folder: string, chunkBytes: number }} */
let store;
/** @param {import('../../js/base/public-types.js').ModelSource} model @param {{ signal: AbortSignal, onProgress: () => void }} [options] */
const load = (model, options) => loadThrough(store, model, options);
/** @template T @param {(models: ModelStore) => Promise<T>} use */
const withStore = (use) => withModels(store, use);
const list = () => withStore((models) => models.list());

before(() => assert.equal(one.length, two.length));
beforeEach(() => {
  store = { folder: temporaryFolder(), chunkBytes: CHUNK };
});

describe('addresses of one file', () => {
  const SAME = [
    ['https://example.org/m.gguf', 'https://example.org/m.gguf#part', 'HTTPS://EXAMPLE.org:443/m.gguf'],
    [
      'https://example.org/m.gguf',
      'https://example.org/m.gguf?download=true',
      'https://example.org/m.gguf?utm_source=x',
    ],
    ['https://b.s3.test/m?versionId=7', 'https://b.s3.test/m?X-Amz-Date=1&versionId=7&X-Amz-Signature=ab#x'],
    [
      'https://cdn.test/m',
      'https://cdn.test/m?Expires=1&Signature=a~b&Key-Pair-Id=K',
      'https://cdn.test/m?sv=1&se=2&sig=x',
    ],
  ];
  const OTHER = ['?file=b.gguf', '?v=2', '?Expires=1', '?sv=1', '?Download%20id=1'];

  test('lose what says how they are sent and who may have them, and keep all else as it is written', () => {
    for (const [first, ...others] of SAME)
      for (const other of others) assert.equal(addressOf(other), addressOf(first), other);
    for (const query of OTHER) {
      assert.equal(addressOf(`https://example.org/m.gguf${query}`), `https://example.org/m.gguf${query}`);
    }
    assert.equal(addressOf('https://a.test/m?q=a%20b&download=1'), 'https://a.test/m?q=a%20b');
    assert.equal(addressOf('m.gguf'), null);
  });

  test('are stored once: those that differ in a signature without a request, others by their ETag', async () => {
    const web = await serve({ '/m.gguf': { bytes: one, etag: '"one"' } });
    const first = await load(`${web.url}/m.gguf`);
    assert.equal(first.state, 'imported');
    const asked = web.requests.length;
    for (const end of ['?download=true', '?X-Amz-Signature=2', '#part']) {
      assert.deepEqual([(await load(`${web.url}/m.gguf${end}`)).state, web.requests.length], ['stored', asked], end);
    }
    const { state, id, tokens } = await load(`${web.url}/m.gguf?token=abc`);
    assert.deepEqual([state, id, tokens], ['stored', first.id, first.tokens]);
    const after = web.requests.length;
    assert.ok(after > asked);
    web.close();
    assert.equal((await load(`${web.url}/m.gguf?token=abc`)).state, 'stored', 'what was found out is remembered');
    assert.equal((await list()).length, 1);
    const { id: own } = (await list())[0];
    await withStore(async (models) => {
      assert.equal(await models.idOf(`${web.url}/m.gguf?token=abc`), own);
      assert.equal(await models.idOf(`${web.url}/m.gguf#x`), own);
      assert.equal(await models.has(new URL(`${web.url}/m.gguf?token=abc`)), true);
      assert.equal(await models.has(`${web.url}/m.gguf?token=other`), false);
    });
  });

  test('a hash for an ETag makes one of two places; a time and a size, or a query, do not', async () => {
    const hash = '"0123456789abcdef0123456789abcdef"';
    const web = await serve({
      '/a/m.gguf': { bytes: one, etag: hash },
      '/b/other.gguf': { bytes: one, etag: hash },
      '/c/m.gguf': { bytes: one, etag: '"5e0be1ff-7a3"' },
      '/d/m.gguf': { bytes: two, etag: '"5e0be1ff-7a3"' },
      '/get?file=1': { bytes: one, etag: '"1"' },
      '/get?file=2': { bytes: two, etag: '"1"' },
    });
    const first = await load(`${web.url}/a/m.gguf`);
    assert.equal((await load(`${web.url}/b/other.gguf`)).id, first.id);
    for (const [address, bytes] of [
      ['/c/m.gguf', one],
      ['/d/m.gguf', two],
      ['/get?file=1', one],
      ['/get?file=2', two],
    ]) {
      const { state, tokens } = await load(web.url + address);
      assert.deepEqual([state, tokens], ['imported', await textOf(bytes)], untyped(address));
    }
    assert.equal((await list()).length, 5);
    web.close();
  });

  test('what older versions stored under an address with its query is found', async () => {
    const web = await serve({ '/m.gguf': { bytes: one, etag: '"one"' } });
    const { id } = await load(`${web.url}/m.gguf`);
    web.close();
    const old = `${id}?download=true#x`;
    await moveRecord(id, old, { source: { url: old.slice(4) } });
    for (const address of ['?download=true#x', '', '?X-Amz-Date=3']) {
      const { state, id: found } = await load(`${web.url}/m.gguf${address}`);
      assert.deepEqual([state, found], ['stored', old], address);
    }
    assert.equal((await load({ stored: old })).state, 'stored');
  });

  test('an interrupted import goes on by another signature', async () => {
    const file = { bytes: one, etag: '"one"', limit: 50_000 };
    const web = await serve({ '/m.gguf': file });
    await interrupted(`${web.url}/m.gguf?X-Amz-Signature=1`);
    file.limit = Infinity;
    web.requests.length = 0;
    const { state, restarted, tokens } = await load(`${web.url}/m.gguf?X-Amz-Signature=2`);
    assert.deepEqual([state, restarted, tokens], ['imported', false, await textOf(one)]);
    assert.match(present(web.requests[0].range), /^bytes=[1-9]/);
    web.close();
  });
});

/** Gives a record of the folder, with its chunks, another id. @param {string | null} from @param {string | null} to */
async function moveRecord(from, to, changes = {}) {
  const backend = await openFolder(store.folder);
  const record = present(readManifest(await backend.get(present(from))));
  for (const [index, bytes] of [[-1, record.headerBytes], ...record.chunks.map((chunk, at) => [at, chunk.bytes])]) {
    const chunk = new Uint8Array(bytes);
    await backend.readChunk(present(from), index, 0, chunk);
    await backend.writeChunk(present(to), index, [chunk]);
  }
  const { aliases, ...old } = record;
  await backend.put({ ...old, id: untyped(to), ...changes });
  await backend.remove(present(from));
  await backend.close();
}

/** Ends an import once the server sends nothing more. @param {string} model */
async function interrupted(model, options = {}) {
  const controller = new AbortController();
  /** @type {NodeJS.Timeout} */
  let quiet;
  const onProgress = () => {
    clearTimeout(quiet);
    quiet = setTimeout(() => controller.abort(), 300);
  };
  await assert.rejects(load(model, { signal: controller.signal, onProgress, ...options }), code('CANCELLED'));
}

describe('files', () => {
  /** @type {string} */
  let folder;
  /** @param {string | Buffer<ArrayBuffer>} name @param {string | Buffer<ArrayBuffer>} bytes */
  const put = (name, bytes) => {
    mkdirSync(join(folder, untyped(name)));
    const path = join(folder, untyped(name), 'model.gguf');
    writeFileSync(path, bytes);
    utimesSync(path, 1, 1);
    return path;
  };
  beforeEach(() => {
    folder = temporaryFolder();
  });

  test('of one name, size and time in different folders are two models', async () => {
    for (const [name, bytes] of [
      ['a', one],
      ['b', two],
    ]) {
      const path = put(name, bytes);
      for (const state of ['imported', 'stored']) {
        const found = await load(path);
        assert.deepEqual([found.state, found.tokens], [state, await textOf(bytes)], untyped(name));
      }
    }
    assert.equal((await list()).length, 2);
  });

  test('that differ in one byte anywhere are two models, and in one place one after the other too', async () => {
    const other = Buffer.from(one);
    other[other.length - 5000] ^= 1;
    const path = put('a', one);
    const ids = [(await load(path)).id];
    writeFileSync(path, other);
    utimesSync(path, 1, 1);
    ids.push((await load(path)).id);
    assert.equal(new Set(ids).size, 2);
  });

  test('File objects of one name, size and time are told from each other by what is in them', async () => {
    const files = [one, two, one].map((bytes) => new File([bytes], 'm.gguf', { lastModified: 5 }));
    const ids = [];
    for (const file of files) ids.push((await load(file)).id);
    assert.equal(ids[0], ids[2]);
    assert.notEqual(ids[0], ids[1]);
    assert.equal((await load({ stored: present(ids[1]) })).tokens, await textOf(two));
  });

  test('that were moved are found again, and are remembered there', async () => {
    const path = put('a', one);
    const { id } = await load(path);
    mkdirSync(join(folder, 'elsewhere'));
    const moved = join(folder, 'elsewhere', 'model.gguf');
    renameSync(path, moved);
    for (let time = 0; time < 2; time++) {
      const found = await load(moved);
      assert.deepEqual([found.state, found.id], ['stored', id]);
    }
    assert.equal(await withStore((models) => models.idOf(moved)), id);
    assert.equal((await list()).length, 1);
  });

  test('that older versions stored without a sample still open, and only for their own file', async () => {
    const [path, other] = [put('a', one), put('b', two)];
    const { id } = await load(path);
    const old = fileFacts(present(id));
    assert.match(present(old), /^file:model\.gguf:\d+:1000$/);
    await moveRecord(id, old);
    assert.deepEqual([(await load(path)).state, (await list()).length], ['stored', 1]);
    assert.equal((await load({ stored: present(old) })).tokens, await textOf(one));
    const found = await load(other);
    assert.deepEqual([found.state, found.tokens], ['imported', await textOf(two)]);
    assert.equal((await load(path)).tokens, await textOf(one));
  });

  test('copies keep their name for ids, whatever it holds', () => {
    assert.equal(fileFacts('file:a:b.gguf:5:6:0123456789abcdef'), 'file:a:b.gguf:5:6');
    assert.equal(fileFacts('file:a:b.gguf:5:6'), 'file:a:b.gguf:5:6');
    assert.equal(fileFacts('url:https://a.test/x:5:6'), null);
  });
});

describe('an interrupted import without a strong ETag', () => {
  const LAST_MODIFIED = new Date(1e12).toUTCString();
  const headerChanged = () => {
    // A letter of the header: a template or a name that was put right, and the same weights.
    const bytes = Buffer.from(one);
    bytes[bytes.indexOf('general.name') + 'general.name'.length + 12] ^= 1;
    return bytes;
  };
  const SERVERS = {
    'no validators': {},
    'a date that stays': { lastModified: LAST_MODIFIED },
    'a weak ETag that stays': { etag: 'W/"1"' },
    'no validators and no parts': { ranges: false },
  };
  for (const [name, facts] of untyped(Object.entries(SERVERS))) {
    test(`${name}: goes on where the file is the same, and begins anew where it is another`, async () => {
      for (const [bytes, isSame] of [
        [one, true],
        [two, false],
        [headerChanged(), false],
      ]) {
        store = { folder: temporaryFolder(), chunkBytes: CHUNK };
        const file = { ...facts, bytes: one, limit: 50_000 };
        const web = await serve({ '/m.gguf': file });
        await interrupted(`${web.url}/m.gguf`);
        Object.assign(file, { bytes, limit: Infinity });
        web.requests.length = 0;
        const { restarted, state, tokens } = await load(`${web.url}/m.gguf`);
        assert.deepEqual([state, tokens], ['imported', await textOf(bytes)]);
        assert.equal(restarted, !isSame || facts.ranges === false);
        const sum = (await list())[0];
        assert.equal(sum.state, 'complete');
        web.close();
      }
    });
  }

  test('servers that share an address, each with an ETag of its own, get the file whole, also when it goes on', async () => {
    let turn = 0;
    let limit = 50_000;
    const web = await serve({ '/m.gguf': () => ({ bytes: one, etag: `"node-${turn++ % 2}"`, limit }) });
    await interrupted(`${web.url}/m.gguf`);
    limit = Infinity;
    const { tokens, restarted } = await load(`${web.url}/m.gguf`);
    assert.deepEqual([tokens, restarted], [await textOf(one), false]);
    web.close();
  });

  test('a file that has another size by now begins anew', async () => {
    const file = { bytes: one, limit: 50_000 };
    const web = await serve({ '/m.gguf': file });
    await interrupted(`${web.url}/m.gguf`);
    Object.assign(file, { bytes: Buffer.concat([two, Buffer.alloc(64)]), limit: Infinity });
    const { restarted, tokens } = await load(`${web.url}/m.gguf`);
    assert.deepEqual([restarted, tokens], [true, await textOf(two)]);
    web.close();
  });
});
