// Downloads of the page's models panel, on a store in Node.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openModelStore } from '../js/index.node.js';
import { Downloads } from '../web/models-downloads.js';
import { SMALL_SHAPE, temporaryFolder, writeSmallModel } from './small-model.js';
import { serveFile } from './store-rig.js';

const bytes = readFileSync(writeSmallModel());
const other = readFileSync(writeSmallModel({ ...SMALL_SHAPE, layers: SMALL_SHAPE.layers + 1 }));

/** Downloads into a store of their own, which is given too. */
async function withDownloads(use) {
  const models = await openModelStore({ store: { folder: temporaryFolder(), chunkBytes: 16 << 10 } });
  const server = await serveFile(bytes);
  const downloads = new Downloads({ store: async () => models, onChange: () => {}, onProgress: () => {} });
  try {
    await use({ models, server, downloads, model: new URL(server.url) });
  } finally {
    await models.close();
    server.close();
  }
}

const statesOf = async (models) => (await models.list()).map(({ id, state }) => [id, state]);

/** Begins a download, and calls it off once nothing more comes. */
async function cancelled({ models, server, downloads, model }) {
  const stalled = new Promise((resolve) => {
    server.onStall = resolve;
  });
  server.limit = 48_000;
  const begun = downloads.begin({ model, name: 'small' });
  await stalled;
  const [{ id }] = downloads.all;
  await downloads.cancel(id);
  await begun;
  assert.deepEqual(downloads.all, []);
  return statesOf(models);
}

test('a download that is called off leaves nothing behind', async () => {
  await withDownloads(async (parts) => assert.deepEqual(await cancelled(parts), []));
});

test('one of a newer file that is called off leaves the older model, and nothing else', async () => {
  await withDownloads(async (parts) => {
    const { models, server, downloads, model } = parts;
    await downloads.begin({ model, name: 'small' });
    const before = await statesOf(models);
    assert.deepEqual(
      before.map(([, state]) => state),
      ['complete'],
    );
    Object.assign(server, { bytes: other, etag: '"two"' });
    assert.deepEqual(await cancelled(parts), before);
  });
});
