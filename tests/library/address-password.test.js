// An address with a user name or a password in it: no fetch() takes one, and what is wrong is said before anything is asked,
// shown or kept.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createEngine, describeModel, listRepository, openModelStore, readHubAddress } from '../../js/index.node.js';
import { ROOT } from '../../wasm/shell.js';
import { readAddress } from '../../web/models/address.js';
import { temporaryFolder } from '../small-model.js';

/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

const ADDRESS = 'https://someone:secret@127.0.0.1:9/x.gguf';
const ON_HUB = 'https://someone:secret@huggingface.co/owner/name';
const CLI = join(ROOT, 'js/cli.js');

/** @type {import('../../js/index.node.js').ModelStore} */
let models;
before(async () => {
  models = await openModelStore({ store: { folder: temporaryFolder() } });
});
after(() => models.close());

/** What a call tells that is refused, with all its causes. @param {string} option @param {() => unknown} call */
const isRefused = (option, call) =>
  assert.rejects(
    async () => call(),
    (/** @type {NibbleError} */ error) => {
      assert.equal(error.code, 'INVALID_ARGUMENT', String(error));
      assert.equal(error.details?.option, option);
      assert.match(error.message, /user name or a password.*headers/);
      const told = [error.message, error.stack, JSON.stringify(error.toJSON()), String(error.cause)].join();
      assert.ok(!/secret|someone/.test(told.replaceAll('someone else', '')), told);
      return true;
    },
  );

for (const address of [
  ADDRESS,
  ON_HUB,
  new URL(ADDRESS),
  ADDRESS.replace('someone:secret', 'secret'),
  'http:/a:secret@x/',
]) {
  test(`is refused as a model: ${String(address).replace(/^.*@/, '…@')}, ${typeof address}`, async () => {
    await isRefused('model', () => createEngine({ model: address, store: null }));
    await isRefused('model', () => createEngine({ model: [address, address], store: null }));
    await isRefused('model', () => describeModel(address, {}));
    for (const call of ['import', 'has', 'idOf']) {
      await isRefused('model', () => /** @type {any} */ (models)[call](address));
    }
    await isRefused('model', () => listRepository(address));
  });
}

test('is not shown where it is taken for the id of a stored model', async () => {
  for (const id of [`url:${ADDRESS}`, ADDRESS]) {
    for (const call of ['check', 'update', 'verify']) {
      await assert.rejects(
        async () => /** @type {any} */ (models)[call](id),
        (/** @type {NibbleError} */ error) => {
          assert.equal(error.code, 'STORE_MISSING');
          assert.ok(!/secret/.test(JSON.stringify(error.toJSON()) + error.stack), error.message);
          return true;
        },
      );
    }
  }
});

test('is refused as an id of its own and as a name', async () => {
  await isRefused('id', () => models.import(new Uint8Array(8), { id: ADDRESS }));
  await isRefused('name', () => models.import(new Uint8Array(8), { name: ADDRESS }));
  await isRefused('name', () => models.rename('x', ADDRESS));
  assert.deepEqual(await models.list(), []);
});

test('is none of the hub, and none that the page loads from', () => {
  assert.equal(readHubAddress(ON_HUB), null);
  for (const address of [ADDRESS, ON_HUB])
    assert.equal(readAddress(address, { isSecure: true }).fault, 'models.url.password');
});

for (const args of [
  ['run', '-p', 'x', '-m', ADDRESS],
  ['info', ON_HUB],
  ['models', 'import', ADDRESS, '--store', temporaryFolder()],
  ['models', 'check', ADDRESS, '--store', temporaryFolder()],
]) {
  test(`nibble ${args
    .slice(0, 2)
    .join(' ')
    .replace(/http.*/, '…')} refuses it`, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
    assert.notEqual(status, 0);
    assert.match(
      stderr,
      args[1] === 'check' ? /"https:\/\/…@127.0.0.1:9\/x.gguf" is not in this folder/ : /user name or a password/,
    );
    assert.ok(!/secret/.test(stdout + stderr), stderr);
  });
}
