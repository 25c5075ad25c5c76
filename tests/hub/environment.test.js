// What the environment says of the hub, HF_ENDPOINT and HF_TOKEN, counts in every call that may ask it, and what is wrong with
// it is said in every one of them, by the names that were set.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createEngine, describeModel, listRepository, openModelStore, readHubAddress } from '../../js/index.node.js';
import { serveHub } from '../hub-server.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';

/** @typedef {import('../../js/index.node.js').ModelStore} ModelStore */

const CLI = fileURLToPath(new URL('../../js/cli.js', import.meta.url));
const HUB = 'https://huggingface.co';
const PATH = '/owner/name/resolve/main/model-Q4_0.gguf';
const TOKEN = 'hf_key';

/** @type {Uint8Array[]} */
const versions = [{}, { name: 'second', context: 128 }].map((changes) => readFileSync(writeSmallModel(changes)));
/** @type {Record<string, Uint8Array>} */
const files = {};
/** @type {import('../hub-server.js').Hub} */
let hub;
/** @type {string} */
let folder;
const { HF_ENDPOINT, HF_TOKEN } = process.env;

/** @param {Record<string, string | undefined>} values */
function set(values) {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

before(async () => {
  hub = await serveHub({ 'owner/name': { gated: 'auto', files } }, { token: TOKEN });
});
after(() => hub?.close());
beforeEach(() => {
  folder = temporaryFolder();
  files['model-Q4_0.gguf'] = versions[0];
  set({ HF_ENDPOINT: hub.url, HF_TOKEN: TOKEN });
});
afterEach(() => set({ HF_ENDPOINT, HF_TOKEN }));

/** @template T @param {(models: ModelStore) => Promise<T>} use */
async function inStore(use) {
  const models = await openModelStore({ store: { folder } });
  try {
    return await use(models);
  } finally {
    await models.close();
  }
}

/** Stores the model as it is known where no other server answers for the hub. */
async function importFromHub() {
  set({ HF_ENDPOINT: undefined });
  const redirected = (/** @type {string} */ url, /** @type {RequestInit} */ init) =>
    fetch(url.replace(HUB, hub.url), init);
  return inStore(async (models) => {
    const { id, source } = await models.import(HUB + PATH, { fetch: redirected });
    assert.deepEqual(source, { url: HUB + PATH });
    return id;
  });
}

/** @param {() => unknown} call @returns {Promise<any>} */
const failure = async (call) => {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return assert.fail('it should have failed');
};

/** Every call that may ask the hub, for what came from `address`. @param {string} address @param {string} id @returns {Record<string, () => Promise<unknown>>} */
const callsOf = (address, id) => ({
  'check()': () => inStore((models) => models.check(id)),
  'update()': () => inStore((models) => models.update(id)),
  'import()': () => inStore((models) => models.import('owner/name')),
  'import() of an address': () => inStore((models) => models.import(address)),
  'import() of what is known by its hash': () =>
    inStore((models) =>
      models.import(new URL(address), { sha256: createHash('sha256').update(versions[1]).digest('hex') }),
    ),
  'createEngine()': () => createEngine({ model: 'owner/name', threads: 1 }),
  'createEngine() of an address': () => createEngine({ model: new URL(address), threads: 1 }),
  'createEngine() of a list': () => createEngine({ model: [address], threads: 1 }),
  'describeModel()': () => describeModel(address),
  'listRepository()': () => listRepository('owner/name'),
});

describe('what is wrong with the environment is said by every call that may ask the hub', () => {
  test('a token that is none', async () => {
    const { id } = await inStore((models) => models.import('owner/name'));
    set({ HF_TOKEN: 'two words' });
    hub.requests.length = 0;
    for (const [name, call] of Object.entries(callsOf(hub.url + PATH, id))) {
      const error = await failure(call);
      assert.equal(error.code, 'INVALID_ARGUMENT', `${name}: ${error.message}`);
      assert.match(error.message, /HF_TOKEN is no access token; expected an access token/, name);
      assert.equal(error.details.variable, 'HF_TOKEN', name);
      assert.doesNotMatch(JSON.stringify(error), /two words/, name);
    }
    assert.deepEqual(hub.requests, [], 'nobody was asked without it');
  });

  test('an address that is none, which no other hub is asked for', async (t) => {
    const id = await importFromHub();
    const asked = t.mock.method(globalThis, 'fetch', async () => new Response('', { status: 500 }));
    set({ HF_ENDPOINT: 'hub.example' });
    for (const [name, call] of Object.entries(callsOf(HUB + PATH, id))) {
      const error = await failure(call);
      assert.equal(error.code, 'INVALID_ARGUMENT', `${name}: ${error.message}`);
      assert.match(error.message, /HF_ENDPOINT is "?hub\.example"?; expected the address of a server/, name);
      assert.equal(error.details.variable, 'HF_ENDPOINT', name);
    }
    assert.equal(asked.mock.callCount(), 0);
  });

  test('a server that others could overhear', async () => {
    set({ HF_ENDPOINT: 'http://mirror.example' });
    const error = await failure(() => listRepository('owner/name'));
    assert.match(error.message, /HF_ENDPOINT is "?http:\/\/mirror\.example"?; expected an https: address/);
  });

  test('and by no other', async () => {
    await inStore((models) => models.import('owner/name'));
    set({ HF_TOKEN: 'two words', HF_ENDPOINT: 'hub.example' });
    const engine = await createEngine({ model: writeSmallModel(), threads: 1, vocabularyOnly: true });
    await engine.unload();
    set({ HF_ENDPOINT: hub.url });
    // What is stored is had without the hub.
    const stored = await createEngine({ model: 'owner/name', store: { folder }, threads: 1, vocabularyOnly: true });
    await stored.unload();
    const given = { hub: { url: hub.url, token: TOKEN } };
    assert.equal((await listRepository('owner/name', given)).recommended?.path, 'model-Q4_0.gguf');
  });
});

describe('another server that answers for the hub', () => {
  test('is asked whether what came from the hub has a newer file, and for that', async () => {
    const id = await importFromHub();
    set({ HF_ENDPOINT: hub.url });
    await inStore(async (models) => {
      hub.requests.length = 0;
      assert.equal((await models.check(id)).isNewer, false);
      assert.ok(hub.requests.some(({ path, authorization }) => path === PATH && authorization === `Bearer ${TOKEN}`));
      files['model-Q4_0.gguf'] = versions[1];
      assert.equal((await models.check(id)).isNewer, true);
      assert.equal((await models.update(id)).contextLength, 128);
    });
  });

  test('is asked for each file of a list', async () => {
    const description = await describeModel(/** @type {any} */ ([`https://hf.co${PATH}`]));
    assert.equal(description.file.bytes, versions[0].length);
  });

  test('is where addresses are read to be, unless an option says otherwise', () => {
    assert.equal(readHubAddress(`hf.co${PATH}`)?.url, hub.url + PATH);
    assert.equal(readHubAddress(hub.url + PATH)?.page, `${hub.url}/owner/name`);
    assert.equal(readHubAddress(`hf.co${PATH}`, { hub: {} })?.url, HUB + PATH);
  });

  test('counts as it is when a store is asked, not as it was when that was opened', () =>
    inStore(async (models) => {
      set({ HF_TOKEN: undefined });
      assert.equal((await failure(() => models.import('owner/name'))).code, 'HUB_GATED');
      set({ HF_TOKEN: TOKEN });
      assert.equal((await models.import('owner/name')).state, 'complete');
    }));
});

test('the command line says the same', async () => {
  await inStore((models) => models.import('owner/name'));
  for (const action of ['check', 'update']) {
    const env = { ...process.env, HF_TOKEN: 'two words' };
    const args = [CLI, 'models', action, 'model-Q4_0.gguf', '--store', folder];
    const { status, stderr } = await new Promise((resolve) => {
      const child = execFile(process.execPath, args, { env, timeout: 60_000 }, (_error, _stdout, said) =>
        resolve({ status: child.exitCode, stderr: said }),
      );
    });
    assert.equal(status, 2, stderr);
    assert.match(stderr, /HF_TOKEN is no access token; expected an access token/);
    assert.doesNotMatch(stderr, /two words|is sent to/);
  }
});
