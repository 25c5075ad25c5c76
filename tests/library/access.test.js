// Headers, credentials and a fetch of the caller's, in every call that downloads; in Node.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createEngine, describeModel, listRepository, openModelStore } from '../../js/index.node.js';
import { serveAccess } from '../access-servers.js';
import { serveHub } from '../hub-server.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

const headers = { Authorization: 'Bearer key' };
const SECOND = { name: 'second', context: 128 };

/** @type {Awaited<ReturnType<typeof serveAccess>>} */
let server;
const file = { bytes: new Uint8Array(), etag: '"one"' };
/** @type {Uint8Array[]} */
let versions = [];

before(async () => {
  versions = [writeSmallModel(), writeSmallModel(SECOND)].map((path) => readFileSync(path));
  server = await serveAccess(() => file);
});
after(() => server?.close());
beforeEach(() => {
  server.asked.length = 0;
  Object.assign(file, { bytes: versions[0], etag: '"one"' });
});

/** Who was told something, and who was not. */
const told = () => server.asked.map((one) => [one.server, one.authorization ?? one.key]);

/** @param {Promise<unknown>} promise @returns {Promise<NibbleError>} */
const failure = (promise) =>
  promise.then(
    () => assert.fail('It does not fail.'),
    (error) => error,
  );

/** @param {(models: import('../../js/index.node.js').ModelStore) => Promise<unknown>} use */
async function inStore(use) {
  const models = await openModelStore({ store: { folder: temporaryFolder() } });
  try {
    await use(models);
  } finally {
    await models.close();
  }
}

describe('headers of the caller', () => {
  test('open what asks for them, and go nowhere else', async () => {
    const engine = await createEngine({ model: `${server.url}/away.gguf`, headers, threads: 1 });
    assert.equal(engine.info.file.bytes, versions[0].length);
    await engine.unload();
    assert.ok(told().some(([name]) => name === 'other'));
    for (const [name, value] of told()) assert.equal(value, name === 'own' ? 'Bearer key' : null);
  });

  test('go along redirects within their server, under whatever name', async () => {
    const facts = await describeModel(`${server.url}/moved.gguf`, { headers });
    assert.equal(facts.file.bytes, versions[0].length);
    await describeModel(`${server.url}/keyed-away.gguf`, { headers: { 'X-Key': 'key' } });
    const last = server.asked.at(-1);
    assert.deepEqual([last?.server, last?.key], ['other', null]);
  });

  test('that are missing or wrong are asked for by name', async () => {
    const missing = await failure(describeModel(`${server.url}/gated.gguf`));
    assert.deepEqual(
      [missing.code, missing.details?.status, missing.details?.remedy],
      ['DOWNLOAD_FAILED', 401, 'give-headers'],
    );
    assert.match(
      missing.message,
      /wants to know who asks\. Pass what it takes as the option headers, such as \{ Authorization/,
    );
    const wrong = await failure(
      describeModel(`${server.url}/gated.gguf`, { headers: { Authorization: 'Bearer secret' } }),
    );
    assert.deepEqual([wrong.code, wrong.details?.status], ['DOWNLOAD_FAILED', 403]);
    assert.match(wrong.message, /does not permit this with the headers it was given \(authorization\)/);
    assert.doesNotMatch(JSON.stringify(wrong.toJSON()), /secret/);
  });

  test('are refused before anything is asked, where they are none', async () => {
    const given = { headers: { Range: 'bytes=0-1' } };
    for (const call of [
      () => createEngine({ model: `${server.url}/gated.gguf`, ...given }),
      () => describeModel(`${server.url}/gated.gguf`, given),
      () => listRepository('owner/name', { ...given, hub: { url: server.url } }),
      () => inStore((models) => models.import(`${server.url}/gated.gguf`, given)),
      () => inStore((models) => models.check('x', given)),
    ]) {
      const error = await failure(call());
      assert.deepEqual([error.code, error.details?.option], ['INVALID_ARGUMENT', 'headers.Range']);
    }
    assert.deepEqual(server.asked, []);
  });

  test('are for an import, and for what is asked of its server later', () =>
    inStore(async (models) => {
      const address = `${server.url}/away.gguf`;
      assert.equal((await failure(models.import(address))).details?.status, 401);
      const { id } = await models.import(address, { headers });
      assert.equal((await failure(models.check(id))).details?.status, 401);
      assert.equal((await models.check(id, { headers })).isNewer, false);
      Object.assign(file, { bytes: versions[1], etag: '"two"' });
      assert.equal((await models.check(id, { headers })).isNewer, true);
      assert.equal((await failure(models.update(id))).details?.status, 401);
      const updated = await models.update(id, { headers });
      assert.deepEqual([updated.etag, updated.state], ['"two"', 'complete']);
      for (const [name, value] of told()) assert.ok(name === 'own' || value === null);
      const unknown = await failure(models.check(id, untyped({ header: {} })));
      assert.deepEqual([unknown.code, unknown.details?.nearest], ['INVALID_ARGUMENT', 'headers']);
    }));
});

describe('a fetch of the caller', () => {
  /** @type {string[]} */
  const called = [];
  const fetching = (/** @type {string} */ url, /** @type {RequestInit} */ init) => {
    called.push(url);
    return fetch(url, { ...init, headers: { ...init.headers, ...headers } });
  };
  beforeEach(() => {
    called.length = 0;
  });

  test('brings a whole model to its engine, its worker and all', async () => {
    const engine = await createEngine({ model: `${server.url}/gated.gguf`, fetch: fetching, threads: 1 });
    const { tokens } = await engine.complete({ prompt: 'a', maxTokens: 3 }).result;
    await engine.unload();
    assert.ok(tokens.length > 0);
    assert.ok(called.length > 0);
    assert.equal(server.asked.length, called.length);
  });

  test('is asked by a store, and of the hub', async () => {
    await inStore(async (models) => {
      const { id } = await models.import(`${server.url}/gated.gguf`, { fetch: fetching });
      assert.equal((await models.check(id, { fetch: fetching })).isNewer, false);
    });
    assert.equal(server.asked.length, called.length);
    const hub = await serveHub({ 'owner/name': { files: { 'model-Q4_0.gguf': versions[0] } } });
    try {
      called.length = 0;
      const plain = (/** @type {string} */ url, /** @type {RequestInit} */ init) => {
        called.push(url);
        return fetch(url, init);
      };
      const { recommended } = await listRepository('owner/name', { hub: { url: hub.url }, fetch: plain });
      assert.equal(recommended?.path, 'model-Q4_0.gguf');
      assert.ok(called.length >= 2);
      const before = called.length;
      const engine = await createEngine({
        model: 'owner/name',
        hub: { url: hub.url },
        fetch: plain,
        vocabularyOnly: true,
      });
      await engine.unload();
      assert.ok(called.length >= before + 3);
    } finally {
      await hub.close();
    }
  });

  test('that never answers ends with the signal, and its own signal is given', async () => {
    const controller = new AbortController();
    let isTold = false;
    const hanging = (/** @type {string} */ _url, /** @type {RequestInit} */ { signal }) => {
      signal?.addEventListener('abort', () => {
        isTold = true;
      });
      setTimeout(() => controller.abort(), 50);
      return /** @type {Promise<Response>} */ (new Promise(() => {}));
    };
    const { signal } = controller;
    const error = await failure(
      createEngine({ model: `${server.url}/gated.gguf`, fetch: hanging, signal, threads: 1 }),
    );
    assert.equal(error.code, 'CANCELLED');
    assert.equal(isTold, true);
  });

  test('that throws is told with what it said, and an engine can be made after it', async () => {
    const error = await failure(
      createEngine({
        model: `${server.url}/gated.gguf`,
        fetch: () => Promise.reject(new Error('not today')),
        threads: 1,
      }),
    );
    assert.equal(error.code, 'DOWNLOAD_FAILED');
    assert.match(error.message, /the fetch that was given failed: not today/);
  });
});

test('in Node, the environment says where the hub is and who asks, where no option does', async () => {
  const gated = { gated: /** @type {const} */ ('auto'), files: { 'model-Q4_0.gguf': versions[0] } };
  const hub = await serveHub({ 'owner/name': gated }, { token: 'hf_key' });
  const { HF_ENDPOINT, HF_TOKEN } = process.env;
  const restore = (/** @type {Record<string, string | undefined>} */ values) => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
  try {
    restore({ HF_ENDPOINT: hub.url, HF_TOKEN: 'hf_key\n' });
    const engine = await createEngine({ model: 'owner/name', vocabularyOnly: true });
    await engine.unload();
    await inStore(async (models) => assert.equal((await models.import('owner/name')).state, 'complete'));
    // What a call says itself is all that it says.
    const { isGated } = await listRepository('owner/name', { hub: { url: hub.url } });
    assert.equal(isGated, true);
    assert.equal((await failure(createEngine({ model: 'owner/name', hub: { url: hub.url } }))).code, 'HUB_GATED');
    // What is no token ends nothing but what needs it.
    restore({ HF_TOKEN: 'two words' });
    const error = await failure(createEngine({ model: 'hf.co/owner/name' }));
    assert.deepEqual([error.code, error.details?.option], ['INVALID_ARGUMENT', 'hub.token']);
    assert.doesNotMatch(error.message, /two words/);
    await describeModel(writeSmallModel());
  } finally {
    restore({ HF_ENDPOINT, HF_TOKEN });
    await hub.close();
  }
});

test('an environment whose hub is no address asks no other hub, for a store as for an engine', async (t) => {
  const { HF_ENDPOINT } = process.env;
  const asked = t.mock.method(globalThis, 'fetch', async () => new Response('', { status: 500 }));
  process.env.HF_ENDPOINT = 'hub.example';
  try {
    const models = await openModelStore({ store: { folder: temporaryFolder() } });
    await assert.rejects(models.import('owner/name'), { code: 'INVALID_ARGUMENT' });
    await models.close();
    await assert.rejects(createEngine({ model: 'owner/name' }), { code: 'INVALID_ARGUMENT' });
    assert.equal(asked.mock.callCount(), 0);
  } finally {
    if (HF_ENDPOINT === undefined) delete process.env.HF_ENDPOINT;
    else process.env.HF_ENDPOINT = HF_ENDPOINT;
  }
});
