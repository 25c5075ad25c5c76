// A storage that is full in the middle: a model that is loaded goes on without, an import keeps what is whole.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { NibbleError } from '../../js/base/errors.js';
import { readManifest } from '../../js/models/manifest.js';
import { openFolder } from '../../js/store/folder.node.js';
import { openMemory } from '../../js/store/memory.js';
import { code } from '../errors.js';
import { present } from '../present.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';
import { altered, createRig, serveFile, startRuntime } from './rig.js';

/** @typedef {import('./rig.js').Rig} Rig */
/** @typedef {import('./rig.js').FileServer} FileServer */
/** @typedef {import('../../js/core/runtime.js').Runtime} Runtime */
/** @typedef {import('../../js/store/backends.js').Backend} Backend */

const CHUNK = 10_000;
const full = new NibbleError('STORE_FULL', 'The storage is full: a chunk did not fit.');
/** @param {NibbleError} error */
const failing = (error) => async () => {
  throw error;
};
const bytes = readFileSync(writeSmallModel());

/** @type {Runtime} */
let runtime;
/** @type {FileServer} */
let server;
/** @type {string} */
let expected;

before(async () => {
  runtime = await startRuntime();
  server = await serveFile(bytes);
  expected = (await createRig(runtime, await openMemory(), CHUNK).load({ url: server.url })).logits;
});

after(() => {
  server?.close();
  runtime?.close();
});

for (const [kind, open] of untyped([
  ['memory', openMemory],
  ['folder', () => openFolder(temporaryFolder())],
])) {
  describe(`a store in ${kind === 'memory' ? 'memory' : 'a folder'}`, () => {
    /** @type {Backend} */
    let backend;
    /** @type {Rig} */
    let rig;
    const descriptor = () => ({ url: server.url });

    beforeEach(async () => {
      Object.assign(server, { requests: [] });
      backend = await open();
      rig = createRig(runtime, backend, CHUNK);
    });

    test('where the storage is full, the model goes on from memory, says so, and leaves nothing', async () => {
      for (let most = 0; most < 7; most++) {
        let written = 0;
        /** @param {Parameters<Backend['writeChunk']>} args */
        const writeChunk = (...args) => (written++ < most ? backend.writeChunk(...args) : failing(full)());
        const small = createRig(runtime, altered(backend, { writeChunk }), CHUNK);
        const { logits, storage } = await small.load(descriptor());
        assert.equal(logits, expected, `after ${most} chunks`);
        assert.deepEqual([storage.state, present(storage.problem).code], ['not-stored', 'STORE_FULL']);
        assert.deepEqual(await backend.list(), []);
      }
      const noRecord = createRig(runtime, altered(backend, { put: failing(full) }), CHUNK);
      assert.equal(present((await noRecord.load(descriptor())).storage.problem).code, 'STORE_FULL');
      assert.deepEqual(await backend.list(), []);
    });

    test('where the storage is full, an import keeps what is whole, and goes on there once there is room', async () => {
      for (let most = 0; most < 7; most++) {
        Object.assign(server, { requests: [] });
        let room = most;
        // As a storage does: what is removed makes room.
        /** @param {Parameters<Backend['writeChunk']>} args */
        const writeChunk = (...args) => (room-- > 0 ? backend.writeChunk(...args) : failing(full)());
        /** @param {Parameters<Backend['remove']>} args */
        const remove = async (...args) => {
          await backend.remove(...args);
          room = most;
        };
        const small = createRig(runtime, altered(backend, { writeChunk, remove }), CHUNK);
        await assert.rejects(small.store(descriptor()), code('STORE_FULL'));
        const [record, ...others] = untyped(await backend.list());
        assert.deepEqual(others, []);
        if (most < 2) {
          assert.equal(record, undefined, 'the header alone is of no use');
          continue;
        }
        assert.ok(readManifest(record) !== null, `a record that can be read, after ${most} chunks`);
        assert.deepEqual([record.state, record.chunks.length], ['importing', most - 1]);
        const before = server.requests.length;
        const { logits } = await rig.load(descriptor());
        assert.equal(logits, expected);
        const starts = server.requests.slice(before).map(({ start }) => start);
        assert.ok(Math.min(...starts) > (most - 2) * CHUNK, `goes on at ${starts} after ${most} chunks`);
        await backend.remove(record.id);
      }
    });
  });
}
