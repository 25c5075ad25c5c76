// Addresses of Hugging Face's hub: what they name, which file of a repository is taken, and what the hub may answer.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { storedIdOf } from '../../js/hub/repository.js';
import * as library from '../../js/index.node.js';
import { splitGguf, splitNames } from '../gguf-splitter.js';
import { serveHub } from '../hub-server.js';
import { portOf } from '../port.js';
import { present } from '../present.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { createThreadLibrary } from '../thread-library.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../hub-server.js').Hub} Hub */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

const { listRepository, readHubAddress } = library;
const { createEngine, describeModel, openModelStore } = await createThreadLibrary();
const bytes = readFileSync(writeSmallModel());
const other = readFileSync(writeSmallModel({ layers: 3 }));
const TOKEN = 'hf_secret';

/** @param {string} folder */
const filesBelow = (folder) =>
  readdirSync(folder, { recursive: true })
    .map((path) => join(folder, String(path)))
    .filter((path) => statSync(path).isFile());

/** @param {Promise<unknown>} promise @param {string} code */
const fails = (promise, code, words = /./) =>
  assert.rejects(promise, (/** @type {NibbleError} */ error) => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    assert.ok(!JSON.stringify(error).includes(TOKEN), 'no error shows the token');
    return true;
  });

const REPOSITORIES = {
  'owner/small-GGUF': {
    files: {
      '.gitattributes': Buffer.from('*.gguf filter=lfs\n'),
      'small-Q4_K_M.gguf': bytes,
      'small-Q8_0.gguf': 90e9,
      'Q6_K/small.gguf': bytes.subarray(0),
      'split/small-BF16-00001-of-00002.gguf': 1e9,
      'split/small-BF16-00002-of-00002.gguf': 1e9,
      'mmproj-small-f16.gguf': 1e6,
      'imatrix.gguf': 1e6,
    },
  },
  'owner/gated': { files: { 'gated-Q4_0.gguf': bytes }, gated: 'manual' },
  'owner/twins': { files: { 'a-Q4_0.gguf': 1e6, 'b-Q4_0.gguf': 1e6 } },
  'owner/original': { files: { 'model.safetensors': 1e9 } },
  'owner/huge': { files: { 'huge-Q2_K.gguf': 90e9 } },
  'owner/parts': { files: { 'p-Q4_0-00001-of-00002.gguf': 1e6 } },
  'owner/split-GGUF': {
    files: {
      ...Object.fromEntries(splitGguf(bytes, 5).map((part, index) => [splitNames('Q4_0/m-Q4_0', 5)[index], part])),
      'm-Q8_0.gguf': 1e6,
    },
  },
  'owner/tampered-parts': {
    files: Object.fromEntries(splitGguf(bytes, 2).map((part, index) => [splitNames('m-Q4_0', 2)[index], part])),
    hash: 'ab'.repeat(32),
  },
  'owner/tampered-first': {
    files: Object.fromEntries(
      splitGguf(bytes, 3, { emptyFirst: true }).map((part, index) => [splitNames('m-Q4_0', 3)[index], part]),
    ),
    hash: 'ab'.repeat(32),
  },
  'Owner/New-Name-GGUF': { files: { 'new-Q4_0.gguf': other } },
  'Owner/Old-Name-GGUF': { movedTo: 'Owner/New-Name-GGUF' },
  'owner/new-name-gguf': { movedTo: 'Owner/New-Name-GGUF' },
  'owner/copy': { files: { 'copy-Q5_0.gguf': bytes } },
  'owner/half': { files: { 'half-fp16.gguf': 1e6, 'half-Q4_0.gguf': 1e6 } },
  'owner/tampered': { files: { 'small-Q4_0.gguf': other }, hash: 'ab'.repeat(32) },
};

describe('the hub', () => {
  /** @type {Hub} */
  let hub;
  /** @type {{ hub: { url: string } }} */
  let at;
  before(async () => {
    hub = await serveHub(REPOSITORIES, { token: TOKEN, pageSize: 3 });
    at = { hub: { url: hub.url } };
  });
  after(() => hub?.close());

  test("lists a repository's files page by page, and recommends one", async () => {
    const probe = { decodeBytesPerSecond: 1e9, prefillWeightsPerSecond: 1e10 };
    const { files, recommended, ...facts } = await listRepository(
      'owner/small-GGUF',
      untyped({ ...at, probe, memory: 2e9 }),
    );
    assert.deepEqual(facts, {
      repository: 'owner/small-GGUF',
      revision: 'main',
      page: `${hub.url}/owner/small-GGUF`,
      isGated: false,
    });
    assert.deepEqual(files.map(({ path, type, fits, problem }) => [path, type, fits, problem?.code]).sort(), [
      ['Q6_K/small.gguf', 'Q6_K', true, undefined],
      ['imatrix.gguf', null, true, 'MODEL_UNSUPPORTED'],
      ['mmproj-small-f16.gguf', 'F16', true, 'MODEL_UNSUPPORTED'],
      ['small-Q4_K_M.gguf', 'Q4_K_M', true, undefined],
      ['small-Q8_0.gguf', 'Q8_0', false, undefined],
      ['split/small-BF16-00001-of-00002.gguf', 'BF16', false, undefined],
    ]);
    assert.equal(present(recommended).path, 'small-Q4_K_M.gguf');
    assert.equal(present(recommended).url, `${hub.url}/owner/small-GGUF/resolve/main/small-Q4_K_M.gguf`);
    assert.match(present(present(recommended).sha256), /^[0-9a-f]{64}$/);
    assert.ok(present(present(recommended).tokensPerSecond) > 100 && present(recommended).memoryBytes > bytes.length);
  });

  test('is asked for the file of a type, of a name and in a folder', async () => {
    /** @param {string} address */
    const pathOf = async (address) => present((await listRepository(address, at)).recommended).path;
    assert.equal(await pathOf('owner/small-GGUF:q6_k'), 'Q6_K/small.gguf');
    assert.equal(await pathOf('owner/small-GGUF:small-Q4_K_M.gguf'), 'small-Q4_K_M.gguf');
    assert.equal(await pathOf('owner/half:FP16'), 'half-fp16.gguf');
    assert.equal(await pathOf('owner/half:f16'), 'half-fp16.gguf');
    assert.equal(await pathOf('https://huggingface.co/owner/small-GGUF/tree/main/Q6_K'), 'Q6_K/small.gguf');
    assert.equal(await pathOf('hf.co/owner/small-GGUF/Q6_K/small.gguf'), 'Q6_K/small.gguf');
  });

  test('says what is not there, and what would do', async () => {
    /** @param {string} address */
    const list = (address, options = at) => listRepository(address, options);
    await fails(list('owner/nothing'), 'HUB_NOT_FOUND', /no repository "owner\/nothing".*nor a file/);
    await fails(list('hf.co/owner/nothing'), 'HUB_NOT_FOUND', /^(?!.*nor a file)/);
    await fails(list('hf.co/owner/small-GGUF/tree/v9'), 'HUB_NOT_FOUND', /no revision "v9"/);
    await fails(
      list('owner/small-GGUF:Q5_K_M'),
      'HUB_NO_MODEL',
      /no GGUF file of the type Q5_K_M.*Q4_K_M.*"owner\/small-GGUF:/,
    );
    await fails(list('owner/parts:Q4_0'), 'HUB_NO_MODEL', /missing is "p-Q4_0-00002-of-00002.gguf"/);
    await fails(list('hf.co/owner/small-GGUF/none.gguf'), 'HUB_NO_MODEL', /no GGUF file "none.gguf"/);
    await fails(list('owner/original'), 'HUB_NO_MODEL', /has no GGUF files.*-GGUF/);
    await fails(list('owner/twins:Q4_0'), 'HUB_AMBIGUOUS', /"hf.co\/owner\/twins\/a-Q4_0.gguf"/);
    await fails(list('not an address'), 'INVALID_ARGUMENT', /owner\/name/);
    assert.equal((await list('owner/huge')).recommended, null);
    await fails(createEngine({ model: 'owner/huge', ...at }), 'HUB_TOO_LARGE', /"owner\/huge:Q2_K".*memoryBudget/);
    await fails(
      createEngine({ model: 'owner/parts', ...at }),
      'HUB_NO_MODEL',
      /missing is "p-Q4_0-00002-of-00002.gguf"/,
    );
  });

  test('gives a model that comes in parts by a type and by any of them, and it is found again by both', async () => {
    const { files, recommended } = await listRepository('owner/split-GGUF', at);
    const { path, type, parts, bytes: size, sha256, problem } = present(recommended);
    assert.deepEqual(
      [files.length, path, type, parts, sha256, problem],
      [2, 'Q4_0/m-Q4_0-00001-of-00005.gguf', 'Q4_0', 5, null, null],
    );
    assert.ok(size > bytes.length);
    const store = { folder: temporaryFolder() };
    const models = await openModelStore({ store, ...at });
    const { id, fileBytes } = await models.import('owner/split-GGUF:Q4_0');
    assert.equal(fileBytes, bytes.length);
    for (const model of ['owner/tampered-parts', 'hf.co/owner/tampered-parts/m-Q4_0-00002-of-00002.gguf'])
      await fails(models.import(model), 'HASH_MISMATCH', /"m-Q4_0-00001-of-00002.gguf" has the SHA-256/);
    await fails(createEngine({ model: 'owner/tampered-parts', ...at }), 'HASH_MISMATCH', /SHA-256/);
    await fails(models.import('owner/tampered-first'), 'HASH_MISMATCH', /"m-Q4_0-00001-of-00003.gguf" has the SHA-256/);
    assert.equal((await models.list()).length, 1);
    const asked = hub.served.length;
    for (const model of ['owner/split-GGUF', 'hf.co/owner/split-GGUF/Q4_0/m-Q4_0-00003-of-00005.gguf']) {
      assert.equal(await models.idOf(model), id);
      const engine = await createEngine({ model, store, ...at });
      assert.deepEqual([engine.info.storage.state, engine.info.file.name], ['stored', 'm-Q4_0.gguf']);
      await engine.unload();
    }
    assert.equal(hub.served.length, asked);
    await models.close();
  });

  test('is not asked for a tower: that is said before anything is loaded', async () => {
    const before = hub.requests.length;
    await fails(describeModel('hf.co/owner/small-GGUF/mmproj-small-f16.gguf', at), 'MODEL_UNSUPPORTED', /pictures/);
    assert.equal(hub.requests.length, before);
  });

  test('gives models to createEngine() and describeModel() by any address', async () => {
    const { createEngine, describeModel } = library;
    for (const model of [
      'owner/small-GGUF',
      'hf.co/owner/small-GGUF:Q6_K',
      'https://huggingface.co/owner/small-GGUF/blob/main/small-Q4_K_M.gguf',
      new URL('https://hf.co/owner/small-GGUF/resolve/main/small-Q4_K_M.gguf?download=true'),
    ]) {
      const engine = await createEngine({ model, ...at });
      assert.match(engine.info.file.name, /^small(-Q4_K_M)?\.gguf$/);
      await engine.unload();
    }
    const { file } = await describeModel('owner/small-GGUF:Q4_K_M', at);
    assert.deepEqual([file.name, file.bytes], ['small-Q4_K_M.gguf', bytes.length]);
  });

  test('is passed over where a path of that name is there', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'owner'));
    writeFileSync(join(folder, 'owner/small-GGUF'), bytes);
    const here = process.cwd();
    const before = hub.requests.length;
    process.chdir(folder);
    try {
      const { file } = await describeModel('owner/small-GGUF', at);
      assert.deepEqual([file.name, hub.requests.length], ['small-GGUF', before]);
    } finally {
      process.chdir(here);
    }
  });

  test('tells the SHA-256 that an import has to have', async () => {
    const store = { folder: temporaryFolder() };
    const models = await openModelStore({ store, ...at });
    try {
      const { id } = await models.import('owner/small-GGUF:Q4_K_M');
      assert.equal(id, `url:${hub.url}/owner/small-GGUF/resolve/main/small-Q4_K_M.gguf`);
      await fails(models.import('owner/tampered'), 'HASH_MISMATCH', /abab/);
      await fails(models.import('hf.co/owner/tampered/small-Q4_0.gguf'), 'HASH_MISMATCH', /abab/);
      assert.deepEqual(
        (await models.list()).map((model) => model.id),
        [id],
      );
      await fails(createEngine({ model: 'owner/tampered', store, ...at }), 'HASH_MISMATCH', /abab/);
    } finally {
      await models.close();
    }
  });

  test('tells the SHA-256 that a model has to have which is loaded without a store', async () => {
    await fails(createEngine({ model: 'owner/tampered', ...at }), 'HASH_MISMATCH', /"small-Q4_0.gguf" has .*abab/);
    await fails(createEngine({ model: 'owner/tampered', store: 'opfs', ...at }), 'HASH_MISMATCH', /abab/);
    const early = await createEngine({ model: 'owner/tampered', earlyStart: true, ...at }).catch((error) => error);
    if (early.code === undefined) await fails(early.ready, 'HASH_MISMATCH', /abab/);
    else assert.equal(early.code, 'HASH_MISMATCH');
    await early.unload?.();
    const { model } = await describeModel('owner/tampered', at);
    assert.notEqual(model, null, 'what reads only the header compares nothing');
    const engine = await createEngine({ model: 'owner/small-GGUF:Q4_K_M', ...at });
    await engine.unload();
  });

  test('may tell another SHA-256 of what was stored without one: that stays', async () => {
    const store = { folder: temporaryFolder() };
    const models = await openModelStore({ store, ...at });
    try {
      const url = `${hub.url}/owner/small-GGUF/resolve/main/small-Q4_K_M.gguf`;
      const engine = await createEngine({ model: url, store, ...at });
      await engine.unload();
      const { id, state } = await models.import('owner/small-GGUF:Q4_K_M');
      assert.deepEqual([id, state], [`url:${url}`, 'complete']);
    } finally {
      await models.close();
    }
  });

  test('is not asked for what is stored of a repository', async () => {
    const store = { folder: temporaryFolder() };
    const models = await openModelStore({ store, ...at });
    try {
      assert.equal(await models.has('owner/small-GGUF'), false);
      await fails(models.idOf('owner/small-GGUF'), 'STORE_MISSING');
      const { id } = await models.import('hf.co/owner/small-GGUF/Q6_K/small.gguf');
      const before = hub.requests.length;
      assert.equal(await models.has('owner/small-GGUF'), true);
      assert.equal(await models.has('owner/small-GGUF:Q4_K_M'), false);
      assert.equal(await models.idOf('hf.co/owner/small-GGUF:q6_k'), id);
      const engine = await createEngine({ model: 'owner/small-GGUF', store, ...at });
      assert.deepEqual([engine.info.storage.id, engine.info.storage.state], [id, 'stored']);
      await engine.unload();
      assert.equal(hub.requests.length, before);
    } finally {
      await models.close();
    }
  });

  test('is not asked for what was stored of a repository by an older name, or one in other letters', async () => {
    for (const asked of ['Owner/Old-Name-GGUF', 'owner/new-name-gguf:Q4_0']) {
      const options = { store: { folder: temporaryFolder() }, ...at };
      const models = await openModelStore(options);
      const { id } = await models.import(asked);
      const before = hub.requests.length;
      for (const model of [asked, 'Owner/New-Name-GGUF:Q4_0', 'OWNER/new-name-GGUF'])
        assert.deepEqual([model, await models.has(model), await models.idOf(model)], [model, true, id]);
      assert.equal(await models.has('Owner/Other-GGUF'), false);
      await models.close();
      for (const model of [asked, `hf.co/${asked.split(':')[0]}/new-Q4_0.gguf`]) {
        const engine = await createEngine({ model, ...options });
        assert.deepEqual([engine.info.storage.id, engine.info.storage.state], [id, 'stored']);
        await engine.unload();
      }
      assert.equal(hub.requests.length, before);
    }
  });

  test('may rename a repository: its file is stored once, by whichever of its names it is asked for', async () => {
    /** @param {string} name */
    const file = (name) => `${renaming.url}/owner/${name}/resolve/main/small-Q4_K_M.gguf`;
    const files = { 'small-Q4_K_M.gguf': bytes };
    /** @type {Record<string, import('../hub-server.js').Held>} */
    const repositories = {};
    const renaming = await serveHub(repositories);
    try {
      for (const [first, second] of [
        ['owner/was', 'owner/is'],
        ['owner/was', file('is')],
        [file('was'), 'owner/is'],
        [file('was'), file('is')],
        ['owner/is', 'owner/was'],
        ['owner/is', file('was')],
        [file('is'), file('was')],
      ]) {
        const options = { store: { folder: temporaryFolder() }, hub: { url: renaming.url } };
        const models = await openModelStore(options);
        // No hash, so that nothing else tells that the two are one.
        renaming.etag = 'v1';
        repositories['owner/was'] = { files };
        delete repositories['owner/is'];
        const rename = () => {
          repositories['owner/is'] = { files };
          repositories['owner/was'] = { movedTo: 'owner/is' };
          renaming.etag = 'v2';
        };
        if (first.includes('/is')) rename();
        const { id } = await models.import(first);
        rename();
        const served = renaming.served.length;
        assert.equal((await models.import(second)).id, id, `${first}, ${second}`);
        const asked = renaming.requests.length;
        assert.deepEqual([await models.has(second), await models.idOf(second)], [true, id]);
        const engine = await createEngine({ model: second, ...options });
        assert.deepEqual([engine.info.storage.id, engine.info.storage.state], [id, 'stored']);
        await engine.unload();
        assert.equal((await models.list()).length, 1);
        assert.deepEqual([renaming.served.length, renaming.requests.length], [served, asked]);
        await models.close();
      }
    } finally {
      await renaming.close();
    }
  });

  test('is not asked for a file that is stored from another repository', async () => {
    const models = await openModelStore({ store: { folder: temporaryFolder() }, ...at });
    const { id } = await models.import('owner/small-GGUF:Q4_K_M');
    assert.equal((await models.import('owner/copy')).id, id);
    const before = hub.requests.length;
    for (const model of ['owner/copy', 'owner/copy:Q5_0', 'owner/small-GGUF'])
      assert.equal(await models.idOf(model), id);
    assert.deepEqual([await models.has('owner/copy:Q4_K_M'), hub.requests.length], [false, before]);
    await models.close();
  });

  test('need not be the server that a model was stored from', async () => {
    const store = { folder: temporaryFolder() };
    const mirrored = await openModelStore({ store, ...at });
    const { id } = await mirrored.import('owner/split-GGUF:Q4_0');
    await mirrored.close();
    const gone = await serveHub({});
    await gone.close();
    for (const options of [{ store }, { store, hub: { url: gone.url } }]) {
      const models = await openModelStore(options);
      for (const model of ['owner/split-GGUF', 'hf.co/owner/split-GGUF/Q4_0/m-Q4_0-00001-of-00005.gguf'])
        assert.deepEqual([model, await models.idOf(model)], [model, id]);
      await models.close();
      const model = 'hf.co/owner/split-GGUF/Q4_0/m-Q4_0-00001-of-00005.gguf';
      const engine = await createEngine({ model, ...options });
      assert.equal(engine.info.storage.state, 'stored');
      await engine.unload();
    }
  });

  test('says how to get what is gated, and gives it to whom it knows', async () => {
    const file = 'hf.co/owner/gated/gated-Q4_0.gguf';
    const way = new RegExp(`${hub.url}/owner/gated.*licence.*access token`);
    assert.equal((await listRepository('owner/gated', at)).isGated, true);
    await fails(createEngine({ model: 'owner/gated', ...at }), 'HUB_GATED', way);
    await fails(createEngine({ model: file, ...at }), 'HUB_GATED', way);
    const models = await openModelStore({ store: { folder: temporaryFolder() }, ...at });
    await fails(models.import(file), 'HUB_GATED', way);
    await models.close();
    const wrong = { hub: { url: hub.url, token: 'hf_wrong' } };
    await fails(createEngine({ model: file, ...wrong }), 'HUB_GATED', /licence/);
    await fails(listRepository('owner/gated', wrong), 'HUB_TOKEN_REFUSED', /^(?!.*huggingface).*expired.*that server/);
    const engine = await createEngine({ model: 'owner/gated', hub: { url: hub.url, token: TOKEN } });
    await engine.unload();
  });

  test('alone is told the token: no server it redirects to, no store and no other host', async () => {
    const { createEngine, openModelStore } = library;
    const folder = temporaryFolder();
    const options = { hub: { url: hub.url, token: TOKEN }, store: { folder } };
    hub.requests.length = hub.served.length = 0;
    const models = await openModelStore(options);
    const { id } = await models.import('owner/gated');
    await models.check(id);
    await models.close();
    const engine = await createEngine({ model: 'owner/gated', ...options });
    await engine.unload();
    assert.ok(
      hub.requests.length > 0 && hub.requests.every(({ authorization }) => authorization === `Bearer ${TOKEN}`),
    );
    assert.ok(hub.served.length > 0);
    assert.deepEqual(
      hub.served.filter(({ authorization }) => authorization !== undefined),
      [],
    );
    for (const path of filesBelow(folder)) assert.ok(!readFileSync(path).includes(TOKEN), path);
    /** @type {(string | undefined)[]} */
    const seen = [];
    const stranger = createServer((request, response) => {
      seen.push(request.headers.authorization);
      response.end(bytes);
    });
    stranger.listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    try {
      const model = `http://127.0.0.1:${portOf(stranger)}/model.gguf`;
      const own = await createEngine({ model, hub: options.hub });
      await own.unload();
      assert.ok(seen.length > 0 && seen.every((authorization) => authorization === undefined));
    } finally {
      stranger.closeAllConnections();
      stranger.close();
    }
  });

  test('is asked again where it is too busy for a moment, and not where it is for long', async () => {
    hub.busy = { answers: 1, headers: { 'Retry-After': '0' } };
    assert.equal(present((await listRepository('owner/small-GGUF:Q6_K', at)).recommended).type, 'Q6_K');
    /** @type {Record<string, string>[]} */
    const refusals = [{ 'Retry-After': '120' }, { RateLimit: '"api";r=0;t=120' }];
    for (const headers of refusals) {
      hub.busy = { answers: 2, headers };
      await assert.rejects(listRepository('owner/small-GGUF', at), ({ code, details }) => {
        assert.deepEqual([code, details.status, details.retryAfterMilliseconds], ['DOWNLOAD_FAILED', 429, 120_000]);
        return true;
      });
      hub.busy.answers = 0;
    }
  });

  test('can be called off, and need not be there', async () => {
    const controller = new AbortController();
    hub.busy = { answers: 9, headers: { 'Retry-After': '5' } };
    const listing = listRepository('owner/small-GGUF', { ...at, signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    await fails(listing, 'CANCELLED');
    hub.busy.answers = 0;
    const gone = await serveHub({});
    await gone.close();
    await fails(listRepository('owner/small-GGUF', { hub: { url: gone.url } }), 'DOWNLOAD_FAILED');
  });
});

test('of what is stored of a repository, that which was used last is meant, or the one of a type', () => {
  /** @param {string} url @param {number} usedAt */
  const at = (url, usedAt, state = 'complete') => ({ id: url, source: { url }, usedAt, state });
  const start = 'https://huggingface.co/owner/name/resolve/main/';
  const models = [at(`${start}x-Q4_0.gguf`, 2), at(`${start}100%.gguf`, 1), at(`${start}x-Q8_0.gguf?a=b`, 3)];
  models.push(
    at(`${start}x-Q6_K.gguf`, 9, 'importing'),
    at('https://example.org/x-Q4_0.gguf', 9),
    untyped({
      id: 'f',
      source: untyped(null),
    }),
  );
  /** @param {string} text */
  const idOf = (text) =>
    storedIdOf(
      present(readHubAddress(text)),
      { url: 'https://huggingface.co', token: null },
      /** @type {any} */ (models),
    );
  assert.equal(idOf('owner/name'), `${start}x-Q8_0.gguf?a=b`);
  assert.equal(idOf('owner/name:q4_0'), `${start}x-Q4_0.gguf`);
  assert.equal(idOf('owner/name:Q6_K'), null);
  assert.equal(idOf('owner/names'), null);
  assert.equal(idOf('hf.co/owner/name/tree/v2'), null);
});
