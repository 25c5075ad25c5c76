// Downloads of the page's models panel, on a store in Node.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { openModelStore } from '../../js/index.node.js';
import { Downloads } from '../../web/models/downloads.js';
import { serveFile } from '../models/rig.js';
import { SMALL_SHAPE, temporaryFolder, writeSmallModel } from '../small-model.js';

/** @typedef {import('../../js/base/public-types.js').ModelStore} ModelStore */

const bytes = readFileSync(writeSmallModel());
const other = readFileSync(writeSmallModel({ ...SMALL_SHAPE, layers: SMALL_SHAPE.layers + 1 }));

/**
 * @typedef {object} Parts
 * @property {ModelStore} models
 * @property {import('../models/rig.js').FileServer} server
 * @property {Downloads} downloads
 * @property {Downloads} elsewhere
 * @property {URL} model
 */

/**
 * Downloads into a store of their own, which is given too, and those of another tab that has the same store.
 * @param {(parts: Parts) => Promise<void>} use
 */
async function withDownloads(use) {
  const store = { folder: temporaryFolder(), chunkBytes: 16 << 10 };
  const [models, others] = await Promise.all([openModelStore({ store }), openModelStore({ store })]);
  const server = await serveFile(bytes);
  /** @param {ModelStore} opened */
  const into = (opened) => new Downloads({ store: async () => opened, onChange: () => {}, onProgress: () => {} });
  try {
    await use({ models, server, downloads: into(models), elsewhere: into(others), model: new URL(server.url) });
  } finally {
    await Promise.all([models.close(), others.close()]);
    server.close();
  }
}

/** Waits until a download shows what is expected. @param {() => boolean} holds */
async function until(holds) {
  while (!holds()) await setTimeout(10);
}

/** @param {ModelStore} models */
const statesOf = async (models) => (await models.list()).map(({ id, state }) => [id, state]);

/**
 * Begins a download, and calls it off once nothing more comes.
 * @param {Parts} parts
 */
async function cancelled({ models, server, downloads, model }) {
  /** @type {Promise<void>} */
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

/**
 * One tab stores a model, and another one waits for that; nothing more comes until the server's limit is raised.
 * @param {Parts} parts
 */
async function oneAndTheOther({ server, downloads, elsewhere, model }) {
  /** @type {Promise<void>} */
  const stalled = new Promise((resolve) => {
    server.onStall = resolve;
  });
  server.limit = 48_000;
  const first = downloads.begin({ model, name: 'small' });
  await stalled;
  const second = elsewhere.begin({ model, name: 'small' });
  await until(() => elsewhere.all[0]?.progress?.phase === 'wait');
  return { first, second, id: downloads.all[0].id };
}

test('one that waits for another tab can be called off, and what that tab stores goes on', async () => {
  await withDownloads(async (parts) => {
    const { models, server, elsewhere } = parts;
    const { first, second, id } = await oneAndTheOther(parts);
    await elsewhere.cancel(id);
    await second;
    assert.deepEqual(elsewhere.all, []);
    server.limit = Number.POSITIVE_INFINITY;
    await first;
    assert.deepEqual(await statesOf(models), [[id, 'complete']]);
  });
});

test('one that another tab waits for can be called off, and that tab stores the model to its end', async () => {
  await withDownloads(async (parts) => {
    const { models, server, downloads } = parts;
    const { first, second, id } = await oneAndTheOther(parts);
    await downloads.cancel(id);
    await first;
    assert.deepEqual(downloads.all, []);
    server.limit = Number.POSITIVE_INFINITY;
    await second;
    assert.deepEqual(await statesOf(models), [[id, 'complete']]);
  });
});

test('a paused one that another tab has brought to its end leaves the model where it is called off', async () => {
  await withDownloads(async (parts) => {
    const { models, server, downloads } = parts;
    const { first, second, id } = await oneAndTheOther(parts);
    await downloads.pause(id);
    await first;
    server.limit = Number.POSITIVE_INFINITY;
    await second;
    await downloads.cancel(id);
    assert.deepEqual(downloads.all, []);
    assert.deepEqual(await statesOf(models), [[id, 'complete']]);
  });
});
