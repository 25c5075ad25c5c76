// Chunks that are written before they are full, so that a tab that is closed without a warning loses little.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ChunkWriter } from '../../js/models/chunk-writer.js';
import { openMemory } from '../../js/store/memory.js';
import { present } from '../present.js';
import { writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';
import { createRig, serveFile, startRuntime } from './rig.js';

/** @typedef {import('./rig.js').Rig} Rig */
/** @typedef {import('../../js/store/backends.js').Backend} Backend */
/** @typedef {import('./rig.js').FileServer} FileServer */
/** @typedef {import('../../js/core/runtime.js').Runtime} Runtime */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

// All of the model is in one.
const CHUNK = 1 << 20;
const OFTEN = { bytes: 4096, milliseconds: 0 };
// In pieces, however fast the server is.
const platform = { download: { rangeBytes: 8192 } };
const bytes = readFileSync(writeSmallModel());

/** @type {Runtime} */
let runtime;
/** @type {FileServer} */
let server;
/** @type {Backend} */
let backend;
/** @type {Rig} */
let rig;

before(async () => {
  runtime = await startRuntime();
  server = await serveFile(bytes);
});

after(() => {
  server?.close();
  runtime?.close();
});

beforeEach(async () => {
  Object.assign(server, { requests: [], limit: Infinity });
  backend = await openMemory();
  rig = createRig(runtime, backend, CHUNK);
});

/** Gives some calls of the backend something to do before. @param {any} calls */
function watch(calls) {
  const watched = new Proxy(backend, {
    get: (/** @type {any} */ target, name) => {
      const value = target[name];
      if (typeof value !== 'function') return value;
      return (/** @type {any[]} */ ...given) => {
        const instead = calls[name]?.(...given);
        return instead === undefined ? value.apply(target, given) : instead;
      };
    },
  });
  return createRig(runtime, watched, CHUNK);
}

/** The record of the model. @returns {Promise<any>} */
const record = () => backend.get(`url:${server.url}`);

describe('a chunk that is not full yet', () => {
  test('is kept where an import ends without a word, and the next goes on behind it', async () => {
    server.limit = 48_000;
    let dead = false;
    const nothing = () => (dead ? Promise.resolve() : undefined);
    const killed = watch({
      writeChunk: nothing,
      appendChunk: nothing,
      put: nothing,
      remove: nothing,
      removeChunks: nothing,
    });
    const controller = new AbortController();
    const importing = killed.store({ url: server.url }, { signal: controller.signal, saveEvery: OFTEN });
    const ended = assert.rejects(importing, (/** @type {NibbleError} */ error) => error.code === 'CANCELLED');
    while (!((await record())?.chunks.length > 0)) await sleep(5);
    dead = true;
    controller.abort();
    await ended;
    const { state, filePosition, chunks } = await record();
    assert.equal(state, 'importing');
    assert.ok(chunks.length === 1 && chunks[0].bytes >= OFTEN.bytes);
    Object.assign(server, { requests: [], limit: Infinity });
    await rig.store({ url: server.url });
    const begin = Math.min(...server.requests.map(({ start }) => start));
    assert.ok(begin > filePosition - 4096 && begin <= filePosition, `goes on at ${begin} of ${filePosition}`);
    const stored = present(await record());
    const whole = createRig(runtime, await openMemory(), CHUNK);
    await whole.store({ url: server.url });
    assert.deepEqual(stored.chunks, present(await whole.backend.get(stored.id)).chunks);
  });

  test('is not written where it comes fast enough', async () => {
    let writes = 0;
    const counted = watch({
      writeChunk: () => {
        writes++;
      },
    });
    await counted.store({ url: server.url }, { platform, saveEvery: { bytes: 0, milliseconds: 3_600_000 } });
    assert.equal(writes, 2, 'the header and the one chunk');
  });

  test('is gone on with, and no byte of it is written twice', async () => {
    const { packedBytes } = present(await rig.store({ url: server.url }));
    await backend.remove(`url:${server.url}`);
    /** @type {any[]} */
    const written = [];
    /** @param {Uint8Array[]} parts */
    const length = (parts) => parts.reduce((sum, /** @type {Uint8Array} */ part) => sum + part.length, 0);
    const counted = watch({
      /** @param {string} _id @param {number} index @param {Uint8Array[]} parts */
      writeChunk: (_id, index, parts) => {
        if (index >= 0) written.push({ offset: 0, bytes: length(parts) });
      },
      /** @param {string} _id @param {number} _index @param {number} offset @param {Uint8Array[]} parts */
      appendChunk: (_id, _index, offset, parts) => {
        written.push({ offset, bytes: length(parts) });
      },
    });
    await counted.store({ url: server.url }, { platform, saveEvery: OFTEN });
    assert.ok(written.length > 3);
    let end = 0;
    for (const { offset, bytes: count } of written) {
      assert.equal(offset, end);
      end += count;
    }
    assert.equal(end, packedBytes);
    const { state, chunks } = await record();
    assert.deepEqual([state, chunks[0].bytes], ['complete', packedBytes]);
  });
});

test('a store that fails while nothing comes ends the import with its error, and nothing else', async () => {
  /** @type {any} */
  let fail;
  const full = Object.assign(new Error('no room'), { code: 'STORE_FULL' });
  const failing = {
    put: async () => {},
    writeChunk: () =>
      new Promise((_, reject) => {
        fail = () => reject(full);
      }),
  };
  const packer = {
    position: 0,
    filePosition: 0,
    seek: () => {},
    /** @param {Uint8Array} piece */
    *push(piece) {
      packer.position += piece.length;
      packer.filePosition += piece.length;
      yield piece;
    },
  };
  const manifest = { id: 'a', chunkBytes: CHUNK, packedBytes: CHUNK, chunks: [], sha256: null };
  const parts = { backend: failing, runtime, packer, record: manifest, model: null, tail: null, problem: null };
  const importer = new ChunkWriter(untyped({ ...parts, saveEvery: { bytes: 100, milliseconds: 1 } }));
  await importer.begin();
  await sleep(5);
  await importer.push(new Uint8Array(200), 0);
  await importer.push(new Uint8Array(200), 200);
  /** @type {any} */
  let arrive;
  const next = new Promise((resolve) => {
    arrive = resolve;
  });
  const waiting = importer.whileWaiting(next);
  fail();
  await sleep(50);
  arrive(null);
  await assert.rejects(waiting, full);
});
