// A newer file at the address that a stored model came from: it is found, and takes the older one's place when it is whole.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { openFolder } from '../../js/store/folder.node.js';
import { code } from '../errors.js';
import { present } from '../present.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { CHUNK, loadThrough, one, serve, textOf, two, withModels } from '../two-models.js';

/** @typedef {import('../../js/base/public-types.js').ModelStore} ModelStore */

/** @type {{ folder: string, chunkBytes: number }} */
let store;
/** @param {any} model */
const load = (model) => loadThrough(store, model);
/** @template T @param {(models: ModelStore) => Promise<T>} use */
const withStore = (use) => withModels(store, use);
const list = () => withStore((models) => models.list());

beforeEach(() => {
  store = { folder: temporaryFolder(), chunkBytes: CHUNK };
});

describe('a newer file', () => {
  /** @type {any} */
  let file;
  /** @type {Awaited<ReturnType<typeof import('../two-models.js').serve>>} */
  let web;
  /** @type {string} */
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
      assert.equal((await models.check(present(id))).isNewer, false);
      replace();
      const { isNewer, stored, found } = await models.check(present(id));
      assert.deepEqual(
        [isNewer, stored.etag, present(found).etag, present(found).size],
        [true, '"old"', '"new"', two.length],
      );
      assert.equal((await load(url)).tokens, await textOf(one));
      web.close();
      await assert.rejects(models.check(present(id)), code('DOWNLOAD_FAILED'));
      await assert.rejects(models.check('url:absent'), code('STORE_MISSING'));
    });
  });

  for (const how of ['update', 'import']) {
    test(`takes the older one's place by ${how}(), which is found by its old id and address`, async () => {
      const { id } = await load(url);
      replace();
      await withStore(async (models) => {
        await models.rename(present(id), 'mine');
        const now = await (how === 'update' ? models.update(present(id)) : models.import(url));
        assert.deepEqual([now.name, now.state, now.etag], ['mine', 'complete', '"new"']);
        assert.deepEqual(
          (await models.list()).map((model) => model.id),
          [now.id],
        );
        for (const model of [url, { stored: id }, { stored: now.id }]) {
          const found = await load(model);
          assert.deepEqual([found.state, found.tokens, found.id], ['stored', await textOf(two), now.id]);
        }
        assert.equal((await models.check(present(id))).isNewer, false);
        assert.equal((await models.update(present(id))).id, now.id);
        await models.delete(present(id));
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
      /** @type {NodeJS.Timeout} */
      let quiet;
      const onProgress = () => {
        clearTimeout(quiet);
        quiet = setTimeout(() => controller.abort(), 300);
      };
      await assert.rejects(models.update(present(id), { signal: controller.signal, onProgress }), code('CANCELLED'));
      assert.equal((await load(url)).tokens, await textOf(one));
      file.limit = Infinity;
      web.requests.length = 0;
      await models.update(present(id));
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
      assert.equal((await models.check(present(id))).isNewer, false);
      file.bytes = two;
      assert.equal((await models.check(present(id))).isNewer, true);
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
    await withStore(async (models) => assert.equal((await models.check(present(id))).isNewer, false));
  });

  /** The newer file stored beside the older one, which somebody is using. @returns the older one's id */
  async function besideOlder() {
    const { id } = await load(url);
    replace();
    const user = await openFolder(store.folder);
    await user.lock(present(id), { shared: true }, () => withStore((models) => models.update(present(id))));
    await user.close();
    assert.equal((await list()).length, 2);
    return id;
  }

  test('that is stored already is not taken for another SHA-256 than its own', async () => {
    const id = await besideOlder();
    const right = createHash('sha256').update(two).digest('hex');
    await withStore(async (models) => {
      for (const sha256 of ['0'.repeat(64), right])
        await assert.rejects(models.import(url, { sha256 }), code('HASH_MISMATCH'));
      assert.equal((await models.list()).length, 2, 'the older one is there still');
      const newer = present((await models.list()).find((model) => model.id !== id));
      await models.delete(newer.id);
      await assert.rejects(models.import(url, { sha256: '0'.repeat(64) }), code('HASH_MISMATCH'));
      assert.equal((await load(url)).tokens, await textOf(one));
      const now = await models.import(url, { sha256: right });
      assert.deepEqual([now.etag, (await models.list()).length], ['"new"', 1]);
      assert.equal((await models.import(url, { sha256: right })).id, now.id);
    });
  });

  test('is named only when another has changed its record, which is told and ends with the signal', async () => {
    const id = await besideOlder();
    const newer = present((await list()).find((model) => model.id !== id)).id;
    const user = await openFolder(store.folder);
    await withStore(async (models) => {
      for (const held of [newer, `${newer}#record`]) {
        const controller = new AbortController();
        /** @type {any[]} */
        const phases = [];
        /** @param {{ phase: string }} options */
        const onProgress = ({ phase }) => {
          phases.push(phase);
          if (phase === 'wait') controller.abort();
        };
        const late = setTimeout(() => controller.abort(), 5000);
        await user.lock(held, {}, () =>
          assert.rejects(models.import(url, { signal: controller.signal, onProgress }), code('CANCELLED')),
        );
        clearTimeout(late);
        assert.deepEqual(phases, ['wait'], held);
      }
      assert.equal((await models.list()).length, 2);
    });
    await user.close();
  });

  test('that somebody reads takes the older one’s place all the same', { timeout: 120_000 }, async () => {
    const id = await besideOlder();
    const newer = present((await list()).find((model) => model.id !== id)).id;
    const user = await openFolder(store.folder);
    await withStore(async (models) => {
      await user.lock(newer, { shared: true }, () => models.import(url));
      assert.deepEqual(
        (await models.list()).map((model) => model.id),
        [newer],
      );
    });
    await user.close();
  });

  test('that is interrupted, and then another by now, is swept away; so is one that another has taken the place of', async () => {
    const { id } = await load(url);
    replace();
    file.limit = 50_000;
    await withStore(async (models) => {
      const part = async () => {
        const controller = new AbortController();
        /** @type {NodeJS.Timeout} */
        let quiet;
        const onProgress = () => {
          clearTimeout(quiet);
          quiet = setTimeout(() => controller.abort(), 300);
        };
        await assert.rejects(models.update(present(id), { signal: controller.signal, onProgress }), code('CANCELLED'));
        return (await models.list()).map(({ state }) => state).toSorted();
      };
      assert.deepEqual(await part(), ['complete', 'importing']);
      file.etag = '"third"';
      assert.deepEqual(await part(), ['complete', 'importing']);
      // The first is there again: what came of the others is of no use.
      Object.assign(file, { bytes: one, etag: '"old"', lastModified: new Date(1e12).toUTCString(), limit: Infinity });
      assert.equal((await models.update(present(id))).id, id);
      assert.equal((await models.list()).length, 1);
    });
    const first = await besideOlder();
    file.etag = '"third"';
    file.bytes = one;
    await withStore(async (models) => {
      const now = await models.update(present(first));
      assert.deepEqual(
        (await models.list()).map((model) => model.id),
        [now.id],
      );
    });
    assert.equal((await load(url)).tokens, await textOf(one));
  });
});
