// A reader reads chunks of a store into a shared heap in workers of its own, and without them where it gets none.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openReader } from '../../js/models/chunk-reader.js';
import { openBackend } from '../../js/store/backends.js';
import { openFolder } from '../../js/store/folder.node.js';
import { serve } from '../../js/worker/serve.js';
import { code } from '../errors.js';
import { present } from '../present.js';
import { temporaryFolder } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/store/backends.js').Backend} Backend */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

/** @typedef {import('../../js/protocol/client.js').WorkerPort} WorkerPort */
/** @typedef {{ methods: string[], readonly ended: boolean, fail: (reason: string) => void }} FarWorker */

const ID = 'url:https://example.org/model.gguf';
const CHUNK_BYTES = 300_000;
const CHUNKS = 9;
const BASE = 4096;

/** @param {number} index */
const chunkOf = (index) => Uint8Array.from({ length: CHUNK_BYTES }, (_, place) => (place * 7 + index * 31) & 255);

/**
 * Two ends of a wire that clones what it carries, as a worker's does; `fail` ends the far one.
 * @param {Parameters<typeof serve>[1]} platform
 * @param {FarWorker[]} started
 */
function startFarWorker(platform, started) {
  /** @type {((message: any) => void)[]} */
  const near = [];
  /** @type {((message: any) => void)[]} */
  const far = [];
  /** @type {((reason: string) => void)[]} */
  const failures = [];
  let ended = false;
  /** @param {((message: any) => void)[]} listeners @param {object | string} message */
  const carry = (listeners, message) => {
    const copy = structuredClone(message);
    setImmediate(() => {
      if (!ended) for (const listener of listeners) listener(copy);
    });
  };
  serve({ post: (message) => carry(near, message), listen: (onMessage) => far.push(onMessage) }, platform);
  const worker = {
    methods: /** @type {string[]} */ ([]),
    get ended() {
      return ended;
    },
    /** @param {string} reason */
    fail: (reason) => {
      for (const onFailure of failures) onFailure(reason);
    },
  };
  started.push(worker);
  return {
    /** @param {{ method: string }} message */
    post: (message) => {
      worker.methods.push(message.method);
      carry(far, message);
    },
    /** @param {Parameters<WorkerPort['listen']>[0]} handlers */
    listen: ({ onMessage, onFailure }) => {
      near.push(onMessage);
      failures.push(onFailure);
    },
    terminate: async () => {
      ended = true;
    },
  };
}

/** @param {{ kind?: string, startReader?: () => unknown, slow?: (backend: Backend) => object }} [options] */
async function rig({ kind, startReader, slow } = {}) {
  const store = kind === 'memory' ? { kind: 'memory' } : { folder: temporaryFolder() };
  /** @param {string} folder */
  const open = async (folder) => {
    const backend = await openFolder(folder);
    return slow ? Object.assign(Object.create(backend), slow(backend)) : backend;
  };
  const far = { openFolder: open };
  const backend = kind === 'memory' ? await openBackend('memory') : await openFolder(present(store.folder));
  for (let index = 0; index < CHUNKS; index++) await backend.writeChunk(ID, index, [chunkOf(index)]);
  const memory = new WebAssembly.Memory({ initial: 48, maximum: 256, shared: true });
  /** @type {FarWorker[]} */
  const started = [];
  const platform = { startReader: startReader ?? (() => startFarWorker(untyped(far), started)) };
  const reader = openReader(untyped({ backend, store, runtime: untyped({ memory }), platform }));
  /** @param {number} index */
  const place = (index) => new Uint8Array(memory.buffer, BASE + index * CHUNK_BYTES, CHUNK_BYTES);
  const readAll = () =>
    Promise.all(Array.from({ length: CHUNKS }, (_, index) => reader.read(ID, index, 0, place(index))));
  const isWhole = () => {
    for (let index = 0; index < CHUNKS; index++) assert.deepEqual(place(index).slice(), chunkOf(index));
  };
  const close = async () => {
    await reader.close();
    await backend.close();
  };
  return { reader, backend, memory, started, place, readAll, isWhole, close };
}

/** @param {{ methods?: string[] }} options */
const reads = ({ methods }) => present(methods).filter((method) => method === 'readerRead').length;

describe('a reader', () => {
  test('reads into a heap that grew meanwhile, in each of its workers, and ends them', async () => {
    const { memory, started, readAll, isWhole, close } = await rig();
    memory.grow(16);
    await readAll();
    isWhole();
    assert.equal(started.length, 2);
    assert.equal(reads(started[0]) + reads(started[1]), CHUNKS);
    assert.ok(Math.min(...started.map(reads)) >= 4, 'both share the work');
    await close();
    assert.ok(started.every(({ ended }) => ended));
  });

  test('fills scattered places from an offset on', async () => {
    const { reader, memory, started, close } = await rig();
    const views = [
      [5000, 11],
      [9001, 100],
      [7, 3],
    ].map(([at, length]) => new Uint8Array(memory.buffer, at, length));
    await reader.read(ID, 3, 1000, views);
    const found = views.flatMap((view) => [...view]);
    assert.deepEqual(found, [...chunkOf(3).subarray(1000, 1114)]);
    assert.equal(
      started.map(reads).reduce((a, b) => a + b),
      1,
    );
    await close();
  });

  test('tells whole what is wrong with a chunk, and goes on with others', async () => {
    const { reader, place, close } = await rig();
    await assert.rejects(reader.read(ID, CHUNKS, 0, place(0)), (/** @type {NibbleError} */ error) => {
      return (
        code('STORE_CHUNK_MISSING')(error) &&
        present(error.details).id === ID &&
        present(error.details).index === CHUNKS
      );
    });
    await assert.rejects(reader.read(ID, 0, 1, place(0)), code('STORE_CHUNK_MISSING'));
    await reader.read(ID, 0, 0, place(0));
    assert.deepEqual(place(0).slice(), chunkOf(0));
    await close();
  });

  test('reads two chunks side by side in a worker, no more, and calls off those that wait', async () => {
    let now = 0;
    let most = 0;
    let begun = 0;
    /** @param {Backend} backend */
    const slow = (backend) => ({
      /** @param {Parameters<Backend['readChunk']>} parameters */
      async readChunk(...parameters) {
        begun++;
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve, 20));
        await backend.readChunk(...parameters);
        now--;
      },
      close: () => backend.close(),
    });
    const { reader, place, close } = await rig({ slow });
    const controller = new AbortController();
    const all = Array.from({ length: CHUNKS }, (_, index) =>
      reader.read(ID, index, 0, place(index), { signal: controller.signal }),
    );
    while (begun < 4) await new Promise((resolve) => setTimeout(resolve, 1));
    controller.abort();
    const results = await Promise.allSettled(all);
    assert.equal(now, 0, 'no read is under way when all have settled');
    assert.equal(most, 4);
    const calledOff = results.filter((result) => code('CANCELLED')(untyped(result).reason)).length;
    assert.ok(calledOff >= 3, `${calledOff} of ${CHUNKS} reads were called off`);
    assert.equal(begun + calledOff, CHUNKS);
    await close();
  });

  test('reads by itself where workers are refused, do not start, or die', async () => {
    const refused = await rig({
      startReader: () => {
        throw new TypeError('no workers inside workers');
      },
    });
    await refused.readAll();
    refused.isWhole();
    await refused.close();

    const silent = await rig({
      startReader: () => ({
        post() {},
        /** @param {Parameters<WorkerPort['listen']>[0]} handlers */
        listen: ({ onFailure }) => setImmediate(() => onFailure('its file could not be loaded')),
        terminate: async () => {},
      }),
    });
    await silent.readAll();
    silent.isWhole();
    await silent.close();

    const uncloneable = await rig({
      startReader: () => ({
        post() {
          throw new DOMException('The object can not be cloned.', 'DataCloneError');
        },
        listen() {},
        terminate: async () => {},
      }),
    });
    await uncloneable.readAll();
    uncloneable.isWhole();
    await uncloneable.close();

    const dying = await rig();
    const all = dying.readAll();
    while (dying.started.some((worker) => reads(worker) === 0)) await new Promise((resolve) => setImmediate(resolve));
    for (const worker of dying.started) worker.fail('it ran out of memory');
    await all;
    dying.isWhole();
    await dying.close();
  });

  test('reads by itself what no other worker can see: a store in memory, and places outside the heap', async () => {
    const inMemory = await rig({ kind: 'memory' });
    assert.equal(inMemory.started.length, 0);
    await inMemory.readAll();
    inMemory.isWhole();
    await inMemory.close();

    const { reader, started, close } = await rig();
    const own = new Uint8Array(CHUNK_BYTES);
    await reader.read(ID, 2, 0, own);
    assert.deepEqual(own, chunkOf(2));
    assert.equal(
      started.map(reads).reduce((a, b) => a + b),
      0,
    );
    await close();
  });

  test('refuses to read once it is closed, and is closed twice without harm', async () => {
    const { reader, place, close } = await rig();
    await close();
    await assert.rejects(reader.read(ID, 0, 0, place(0)), code('STORE_UNAVAILABLE'));
    await reader.close();
  });
});
