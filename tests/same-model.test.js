// One file is stored once, however it is asked for; two files are never one; and a part of one is never joined to another.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import { createEngine, openModelStore } from '../js/index.node.js';
import { readManifest } from '../js/manifest.js';
import { addressOf, fileFacts } from '../js/model-id.js';
import { openFolder } from '../js/store-folder.node.js';
import { writeRandomModel } from './random-model.js';
import { SMALL_SHAPE, temporaryFolder, writeSmallModel } from './small-model.js';

const CHUNK = 16 << 10;
const PROMPT = { tokens: [104, 105], temperature: 0, maxTokens: 12, ignoreEos: true };
const code = (expected) => (error) => error.code === expected;

const [one, two] = [1, 2].map((seed) => {
  const path = join(temporaryFolder(), 'small.gguf');
  writeRandomModel(path, { shape: SMALL_SHAPE, type: 'q4_0', seed });
  return readFileSync(path);
});
let store;

before(() => assert.equal(one.length, two.length));
beforeEach(() => {
  store = { folder: temporaryFolder(), chunkBytes: CHUNK };
});

/** What a model writes, and what became of its store. */
async function load(model, options = {}) {
  const engine = await createEngine({ threads: 1, store, model, ...options });
  const { tokens } = await engine.complete(PROMPT).result;
  const { storage } = engine.info;
  await engine.unload();
  return { tokens: tokens.join(), ...storage };
}

// By the bytes of a model.
const texts = new Map();
/** What a model of these bytes writes. */
async function textOf(bytes) {
  const copy = () => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  if (!texts.has(bytes)) texts.set(bytes, (await load(copy(), { store: null })).tokens);
  return texts.get(bytes);
}

async function withStore(use) {
  const models = await openModelStore({ store });
  try {
    return await use(models);
  } finally {
    await models.close();
  }
}
const list = () => withStore((models) => models.list());

/**
 * Answers by path: `files` maps the path and query, or the path, to { bytes, etag, lastModified, ranges, limit }.
 */
async function serve(files) {
  const requests = [];
  const server = createServer((request, response) => {
    const file = files[request.url] ?? files[request.url.split('?', 1)[0]];
    const { range, 'if-range': condition } = request.headers;
    requests.push({ url: request.url, range });
    if (file === undefined) return response.writeHead(404).end();
    const {
      bytes,
      etag,
      lastModified,
      ranges = true,
      limit = Infinity,
      honours = true,
    } = typeof file === 'function' ? file() : file;
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
    const isPart = ranges && from !== undefined && !(honours && condition !== undefined && condition !== etag);
    const start = isPart ? Number(from) : 0;
    const end = isPart && to !== '' ? Math.min(bytes.length, Number(to) + 1) : bytes.length;
    response.writeHead(isPart ? 206 : 200, {
      ...(etag && { etag }),
      ...(lastModified && { 'last-modified': lastModified }),
      ...(isPart && { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` }),
      'content-length': end - start,
    });
    if (limit >= end) return response.end(bytes.subarray(start, end));
    response.write(bytes.subarray(start, Math.max(start, limit)));
  });
  server.listen(0, '127.0.0.1');
  server.unref();
  await once(server, 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, requests, close };
}

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
      assert.deepEqual([state, tokens], ['imported', await textOf(bytes)], address);
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
    assert.match(web.requests[0].range, /^bytes=[1-9]/);
    web.close();
  });
});

/** Gives a record of the folder, with its chunks, another id. */
async function moveRecord(from, to, changes = {}) {
  const backend = await openFolder(store.folder);
  const record = readManifest(await backend.get(from));
  for (const [index, bytes] of [[-1, record.headerBytes], ...record.chunks.map((chunk, at) => [at, chunk.bytes])]) {
    const chunk = new Uint8Array(bytes);
    await backend.readChunk(from, index, 0, chunk);
    await backend.writeChunk(to, index, [chunk]);
  }
  const { aliases, ...old } = record;
  await backend.put({ ...old, id: to, ...changes });
  await backend.remove(from);
  await backend.close();
}

/** Ends an import once the server sends nothing more. */
async function interrupted(model, options = {}) {
  const controller = new AbortController();
  let quiet;
  const onProgress = () => {
    clearTimeout(quiet);
    quiet = setTimeout(() => controller.abort(), 300);
  };
  await assert.rejects(load(model, { signal: controller.signal, onProgress, ...options }), code('CANCELLED'));
}

describe('files', () => {
  let folder;
  const put = (name, bytes) => {
    mkdirSync(join(folder, name));
    const path = join(folder, name, 'model.gguf');
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
        assert.deepEqual([found.state, found.tokens], [state, await textOf(bytes)], name);
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
    assert.equal((await load({ stored: ids[1] })).tokens, await textOf(two));
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
    const old = fileFacts(id);
    assert.match(old, /^file:model\.gguf:\d+:1000$/);
    await moveRecord(id, old);
    assert.deepEqual([(await load(path)).state, (await list()).length], ['stored', 1]);
    assert.equal((await load({ stored: old })).tokens, await textOf(one));
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
  for (const [name, facts] of Object.entries(SERVERS)) {
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

describe('a newer file', () => {
  let file;
  let web;
  let url;
  beforeEach(async () => {
    file = { bytes: one, etag: '"old"', lastModified: new Date(1e12).toUTCString() };
    web = await serve({ '/m.gguf': file });
    url = `${web.url}/m.gguf`;
  });
  afterEach(() => web.close());
  const replace = () => Object.assign(file, { bytes: two, etag: '"new"', lastModified: new Date(2e12).toUTCString() });

  test('is told by check(), with what the server says of both; what is stored stays until it is asked for', async () => {
    const { id } = await load(url);
    await withStore(async (models) => {
      assert.deepEqual(
        (await models.list()).map(({ etag, lastModified, fileBytes }) => [etag, lastModified, fileBytes]),
        [['"old"', file.lastModified, one.length]],
      );
      assert.equal((await models.check(id)).isNewer, false);
      replace();
      const { isNewer, stored, found } = await models.check(id);
      assert.deepEqual([isNewer, stored.etag, found.etag, found.size], [true, '"old"', '"new"', two.length]);
      assert.equal((await load(url)).tokens, await textOf(one));
      web.close();
      await assert.rejects(models.check(id), code('DOWNLOAD_FAILED'));
      await assert.rejects(models.check('url:absent'), code('STORE_MISSING'));
    });
  });

  for (const how of ['update', 'import']) {
    test(`takes the older one's place by ${how}(), which is found by its old id and address`, async () => {
      const { id } = await load(url);
      replace();
      await withStore(async (models) => {
        await models.rename(id, 'mine');
        const now = await (how === 'update' ? models.update(id) : models.import(url));
        assert.deepEqual([now.name, now.state, now.etag], ['mine', 'complete', '"new"']);
        assert.deepEqual(
          (await models.list()).map((model) => model.id),
          [now.id],
        );
        for (const model of [url, { stored: id }, { stored: now.id }]) {
          const found = await load(model);
          assert.deepEqual([found.state, found.tokens, found.id], ['stored', await textOf(two), now.id]);
        }
        assert.equal((await models.check(id)).isNewer, false);
        assert.equal((await models.update(id)).id, now.id);
        await models.delete(id);
        assert.deepEqual(await models.list(), []);
      });
    });
  }

  test('that is interrupted leaves the older one, and goes on the next time', async () => {
    const { id } = await load(url);
    replace();
    file.limit = 50_000;
    await withStore(async (models) => {
      const controller = new AbortController();
      let quiet;
      const onProgress = () => {
        clearTimeout(quiet);
        quiet = setTimeout(() => controller.abort(), 300);
      };
      await assert.rejects(models.update(id, { signal: controller.signal, onProgress }), code('CANCELLED'));
      assert.equal((await load(url)).tokens, await textOf(one));
      file.limit = Infinity;
      web.requests.length = 0;
      await models.update(id);
      assert.ok(web.requests.every(({ range }) => range !== 'bytes=0-'));
      assert.equal((await load(url)).tokens, await textOf(two));
      assert.equal((await models.list()).length, 1);
    });
  });

  test('of which nobody can tell by validators is seen by its bytes; a model from a file has nobody to ask', async () => {
    Object.assign(file, { etag: undefined, lastModified: undefined });
    const { id } = await load(url);
    const path = writeSmallModel();
    await withStore(async (models) => {
      assert.equal((await models.check(id)).isNewer, false);
      file.bytes = two;
      assert.equal((await models.check(id)).isNewer, true);
      const { id: fileId } = await models.import(path);
      assert.deepEqual(await models.check(fileId).then(({ isNewer, found }) => [isNewer, found]), [null, null]);
      assert.equal((await models.update(fileId)).id, fileId);
    });
  });

  test('takes the place of one that took another place, also where the server tells nothing of its files', async () => {
    Object.assign(file, { etag: undefined, lastModified: undefined });
    await load(url);
    await withStore(async (models) => {
      for (const bytes of [two, one, two]) {
        file.bytes = bytes;
        const { id } = await models.update((await models.list())[0].id);
        const all = await models.list();
        assert.deepEqual(
          all.map((model) => [model.id, model.state]),
          [[id, 'complete']],
        );
        assert.equal((await load(url)).tokens, await textOf(bytes));
      }
    });
  });

  test('of servers that each tell another ETag never takes its own place', async () => {
    let turn = 0;
    const mirrors = await serve({ '/m.gguf': () => ({ bytes: one, etag: `"node-${turn++ % 2}"` }) });
    await withStore(async (models) => {
      await models.import(`${mirrors.url}/m.gguf`);
      for (let time = 0; time < 6; time++) {
        // Either of them is asked first.
        turn = time % 3;
        const { id } = await models.update((await models.list())[0].id);
        assert.deepEqual(
          (await models.list()).map((model) => [model.id, model.state]),
          [[id, 'complete']],
        );
      }
    });
    mirrors.close();
  });

  test('with another ETag and date is none, where the bytes and the date are the same', async () => {
    const { id } = await load(url);
    file.etag = '"node-2"';
    await withStore(async (models) => assert.equal((await models.check(id)).isNewer, false));
  });
});
