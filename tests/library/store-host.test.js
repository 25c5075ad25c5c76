// The worker's half of a store, while other pages change what is stored.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NibbleError } from '../../js/base/errors.js';
import { openFile } from '../../js/sources/file.node.js';
import { openFolder } from '../../js/store/folder.node.js';
import { StoreHost } from '../../js/worker/store-host.js';
import { startCore } from '../core-model.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';

/** @typedef {import('../../js/store/backends.js').Backend} Backend */

const CONTROL = { signal: new AbortController().signal, onEvent: () => {} };

/** @param {string} expected */
const withCode = (expected) => (/** @type {unknown} */ error) =>
  error instanceof NibbleError && error.code === expected;

/**
 * A store that is not opened yet.
 * @param {{ change?: (backend: Backend) => void }} [options] `change`: of what it opens
 */
function newHost({ change = () => {} } = {}) {
  const started = { count: 0 };
  const host = new StoreHost({
    startRuntime: async () => {
      started.count++;
      return { runtime: await startCore(), variant: 'simd128', threads: 1 };
    },
    openPath: openFile,
    openFolder: async (path) => {
      const backend = await openFolder(path);
      change(backend);
      return backend;
    },
    threads: 1,
    maxThreads: 1,
  });
  const open = () => host.storeOpen({ store: { folder: temporaryFolder(), chunkBytes: 10_000 }, wasm: {} });
  const close = () =>
    host.storeClose({}, { ...CONTROL, goOn() {}, behindOthers: async (use) => use(), async untilAlone() {} });
  return { host, open, close, started };
}

test('a model that is deleted as soon as it is stored is told as missing', async () => {
  /** @param {Backend} backend another page waits for its turn, and deletes then */
  const change = (backend) => {
    const lock = backend.lock.bind(backend);
    backend.lock = async (id, options, use) => {
      const result = await lock(id, options, use);
      await backend.remove(id);
      return result;
    };
  };
  const { host, open, close } = newHost({ change });
  await open();
  try {
    const params = { source: { path: writeSmallModel() }, options: {} };
    await assert.rejects(host.storeImport(params, CONTROL), withCode('STORE_MISSING'));
  } finally {
    await close();
  }
});

test('a store that is closed says so, and starts nothing for that', async () => {
  const { host, open, close, started } = newHost();
  await open();
  await close();
  for (const call of [
    () => host.storeCheck({ id: 'file:x' }, CONTROL),
    () => host.storeUpdate({ id: 'file:x' }, CONTROL),
    () => host.storeImport({ source: { path: writeSmallModel() }, options: {} }, CONTROL),
  ]) {
    await assert.rejects(call(), withCode('STORE_UNAVAILABLE'));
  }
  assert.equal(started.count, 0);
});
