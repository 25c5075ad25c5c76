// Stored models, over a store in memory and one in a folder: whatever is interrupted, damaged or changed, the
// model that comes out computes what the file says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { NibbleError } from '../../js/base/errors.js';
import { readHeader } from '../../js/models/loader.js';
import { readManifest, storedBytes, summaryOf } from '../../js/models/manifest.js';
import { openSource } from '../../js/sources/source.js';
import { openFolder } from '../../js/store/folder.node.js';
import { openMemory } from '../../js/store/memory.js';
import { code } from '../errors.js';
import { present } from '../present.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';
import { altered, createRig, cut, damage, flipped, logitsOf, serveFile, settled, startRuntime } from './rig.js';

/** @typedef {import('../../js/base/public-types.js').Progress} Progress */
/** @typedef {import('./rig.js').Rig} Rig */
/** @typedef {import('./rig.js').FileServer} FileServer */
/** @typedef {import('../../js/core/runtime.js').Runtime} Runtime */

const CHUNK = 10_000;

/** @type {Runtime} */
let runtime;
/** @type {string} */
let path;
/** @type {Buffer<ArrayBuffer>} */
let bytes;
/** @type {Buffer<ArrayBuffer>} */
let otherBytes;
/** @type {string} */
let expected;
/** @type {string} */
let otherExpected;

/** What an engine computes that was loaded without a store. @param {Buffer<ArrayBuffer>} file */
async function unstored(file) {
  const source = await openSource({ blob: new Blob([file]), name: 'model' }, {});
  const { header, pieces } = await readHeader(runtime, source);
  const settings = { threads: 1, contextSize: 0, batchSize: 0, exact: false, kernelSet: 'reference', tileStreams: 1 };
  const model = header.createModel(untyped(settings));
  const staging = runtime.allocate(4 << 20);
  model.load(Buffer.concat(pieces).subarray(header.dataOffset), staging);
  const logits = await logitsOf(model);
  runtime.free(staging);
  model.close();
  header.close();
  return logits;
}

before(async () => {
  runtime = await startRuntime();
  path = writeSmallModel();
  bytes = readFileSync(path);
  // The same header and other weights, so that mixing the two goes unnoticed by everything but the numbers.
  otherBytes = Buffer.from(bytes);
  for (let at = bytes.length - 40_000; at < bytes.length; at += 18 * 7) otherBytes[at] ^= 0x11;
  expected = await unstored(bytes);
  otherExpected = await unstored(otherBytes);
  assert.notEqual(otherExpected, expected);
});

after(() => runtime?.close());

for (const [kind, open] of /** @type {[string, () => Promise<any>][]} */ ([
  ['memory', openMemory],
  ['folder', () => openFolder(temporaryFolder())],
])) {
  describe(`a store in ${kind === 'memory' ? 'memory' : 'a folder'}`, () => {
    /** @type {FileServer} */
    let server;
    /** @type {any} a backend, whose records are garbage in some tests */
    let backend;
    /** @type {Rig} */
    let rig;
    /** @type {string} */
    let id;
    const descriptor = () => ({ url: server.url });

    before(async () => {
      server = await serveFile(bytes);
      id = `url:${server.url}`;
    });
    after(() => server?.close());

    beforeEach(async () => {
      Object.assign(server, {
        bytes,
        etag: '"one"',
        requests: [],
        limit: Infinity,
        onStall: () => {},
        offline: false,
        ranges: true,
      });
      backend = await open();
      rig = createRig(runtime, backend, CHUNK);
    });

    /**
     * Aborts an import or a load when the server has sent as much as it may.
     * @param {number} limit
     * @param {(a: AbortSignal) => any} action
     */
    async function interrupt(limit, action) {
      const controller = new AbortController();
      server.limit = limit;
      server.onStall = () => settled().then(() => controller.abort());
      await assert.rejects(action(controller.signal), code('CANCELLED'));
      Object.assign(server, { limit: Infinity, onStall: () => {}, requests: [] });
    }

    test('a model is stored while it is loaded, then comes from the store alone, and computes the same', async () => {
      const first = await rig.load(descriptor());
      assert.equal(first.storage.state, 'imported');
      assert.equal(first.storage.id, id);
      assert.equal(first.logits, expected);
      server.offline = true;
      const asked = server.requests.length;
      for (const again of [descriptor(), { stored: id }]) {
        const { logits, storage } = await rig.load(again);
        assert.equal(logits, expected);
        assert.equal(storage.state, 'stored');
        assert.equal(storage.problem, null);
        assert.ok(present(storage.bytesPerSecond) > 0);
        assert.ok(present(storage.verifyMilliseconds) >= 0);
      }
      assert.equal(server.requests.length, asked);
      const record = present(readManifest(await backend.get(id)));
      assert.equal(record.state, 'complete');
      assert.equal(record.chunks.length, Math.ceil(record.packedBytes / CHUNK));
      assert.equal(record.fileBytes, bytes.length);
    });

    test('a model is stored without being loaded, from each kind of source', async () => {
      const file = new File([bytes], 'a.gguf', { lastModified: 5 });
      const blob = new Blob([bytes]);
      /** @type {[any, string | RegExp][]} */
      const sources = [
        [descriptor(), id],
        [{ blob: file, name: file.name }, new RegExp(`^file:a\\.gguf:${bytes.length}:5:[0-9a-f]{16}$`)],
        [{ path }, /^file:small\.gguf:\d+:\d+:[0-9a-f]{16}$/],
        [{ blob, name: 'model' }, /^bytes:[0-9a-f]{16}$/],
      ];
      for (const [source, name] of sources) {
        const { id: found } = await rig.opening(source);
        if (typeof name === 'string') assert.equal(found, name);
        else assert.match(found, name);
        await rig.store(source);
        assert.equal((await rig.load({ stored: found })).logits, expected);
      }
      assert.equal(
        (await rig.opening({ blob: new Blob([bytes]), name: 'x' })).id,
        (await rig.opening(sources[3][0])).id,
      );
    });

    test('an interrupted import goes on at the right byte, wherever it was interrupted', async () => {
      const { headerBytes, packedBytes } = await (async () => {
        await rig.store(descriptor());
        const record = await backend.get(id);
        await backend.remove(id);
        return record;
      })();
      for (const share of [0.02, 0.3, 0.55, 0.8, 0.99]) {
        const limit = headerBytes + Math.floor((bytes.length - headerBytes) * share);
        await interrupt(limit, (signal) => rig.store(descriptor(), { signal }));
        const record = readManifest(await backend.get(id));
        if (record === null) {
          assert.ok(share < 0.1, 'only where next to nothing had come');
          continue;
        }
        assert.equal(record.state, 'importing');
        const { receivedBytes, fileBytes } = summaryOf(record);
        assert.ok(receivedBytes <= limit && receivedBytes > limit - 4096, `${receivedBytes} of ${limit}`);
        assert.equal(fileBytes, bytes.length);
        assert.ok(storedBytes(record) < packedBytes);
        await rig.store(descriptor());
        const begin = Math.min(...server.requests.map(({ start }) => start));
        assert.ok(begin > limit - 4096 && begin <= limit, `goes on at ${begin} of ${limit}`);
        assert.equal((await rig.load({ stored: id })).logits, expected);
        await backend.remove(id);
      }
    });

    test('an interrupted load goes on with an engine, which takes what is stored from the store', async () => {
      await interrupt(40_000, (signal) => rig.load(descriptor(), { signal }));
      rig.events.length = 0;
      const { logits, storage } = await rig.load(descriptor());
      assert.equal(logits, expected);
      assert.equal(storage.state, 'imported');
      assert.ok(server.requests.every(({ start }) => start > 35_000));
      assert.deepEqual([...new Set(rig.events.map(({ phase }) => phase))], ['read', 'download']);
      assert.equal((await rig.load({ stored: id })).logits, expected);
    });

    test('an import that lost what it had written goes on from where it is whole', async () => {
      for (const [index, change] of /** @type {[number, typeof cut][]} */ ([
        [0, flipped],
        [1, flipped],
        [3, cut],
      ])) {
        await interrupt(48_000, (signal) => rig.store(descriptor(), { signal }));
        await damage(backend, id, index, change);
        assert.equal((await rig.load(descriptor())).logits, expected, `chunk ${index}`);
        assert.equal((await rig.load({ stored: id })).logits, expected, `chunk ${index}`);
        await backend.remove(id);
      }
      await interrupt(48_000, (signal) => rig.store(descriptor(), { signal }));
      const partial = (await backend.get(id)).chunks.length - 1;
      await damage(backend, id, partial, flipped);
      await rig.store(descriptor());
      assert.equal((await rig.load({ stored: id })).logits, expected);
      await backend.remove(id);
      await interrupt(48_000, (signal) => rig.store(descriptor(), { signal }));
      await damage(backend, id, -1, flipped);
      assert.equal((await rig.load(descriptor())).logits, expected);
    });

    test('a file that changed in between starts over, says so, and nothing of the old one is left', async () => {
      for (const action of /** @type {const} */ (['load', 'store'])) {
        await interrupt(40_000, (signal) => rig.store(descriptor(), { signal }));
        Object.assign(server, { bytes: otherBytes, etag: '"two"' });
        rig.events.length = 0;
        await rig[action](descriptor());
        assert.ok(rig.events.some(({ restarted }) => restarted === true));
        const { logits, storage } = await rig.load({ stored: id });
        assert.equal(logits, otherExpected);
        assert.equal(storage.state, 'stored');
        Object.assign(server, { bytes, etag: '"one"' });
        await backend.remove(id);
      }
    });

    test('a damaged, short or missing chunk comes again alone', async () => {
      await rig.store(descriptor());
      const { chunks } = await backend.get(id);
      for (let index = 0; index < chunks.length; index++) {
        for (const change of [flipped, cut]) {
          await damage(backend, id, index, change);
          server.requests.length = 0;
          const { logits, storage } = await rig.load(descriptor());
          assert.equal(logits, expected, `chunk ${index}`);
          assert.equal(storage.state, 'stored');
          assert.equal(storage.repairedChunks, 1);
          const asked = server.requests.reduce((sum, { start, end }) => sum + end - start, 0);
          assert.ok(asked > 0 && asked < 2 * CHUNK, `${asked} bytes`);
          server.requests.length = 0;
          assert.equal((await rig.load({ stored: id })).storage.repairedChunks, 0);
          assert.equal(server.requests.length, 0);
        }
      }
      await backend.removeChunks(id, chunks.length - 2);
      const { logits, storage } = await rig.load({ stored: id });
      assert.equal(logits, expected);
      assert.equal(storage.repairedChunks, 2);
    });

    test('a damaged chunk comes by one request, also from a server that gives no parts', async () => {
      // Larger than what a server is asked for at once elsewhere.
      const large = readFileSync(writeSmallModel({ width: 256, ffn: 1024, layers: 8, vocabulary: 512 }));
      assert.ok(large.length > 3 << 20, `${large.length} bytes`);
      const wide = createRig(runtime, backend, large.length);
      Object.assign(server, { bytes: large });
      await wide.store(descriptor());
      for (const ranges of [true, false]) {
        Object.assign(server, { ranges, requests: [] });
        await damage(backend, id, 0, flipped);
        const { storage } = await wide.load({ stored: id });
        assert.deepEqual([storage.repairedChunks, server.requests.length], [1, 1]);
        assert.equal((await wide.load({ stored: id })).storage.repairedChunks, 0);
      }
    });

    test('a damaged header comes again alone', async () => {
      await rig.store(descriptor());
      const { headerBytes } = await backend.get(id);
      for (const change of [flipped, cut]) {
        await damage(backend, id, -1, change);
        server.requests.length = 0;
        assert.equal((await rig.load({ stored: id })).logits, expected);
        const asked = server.requests.reduce((sum, { start, end }) => sum + end - start, 0);
        assert.equal(asked, headerBytes);
        assert.equal((await rig.load({ stored: id })).logits, expected);
        assert.equal(
          server.requests.reduce((sum, { start, end }) => sum + end - start, 0),
          headerBytes,
        );
      }
    });

    test('damage that cannot be mended is named, with the chunk and what to do', async () => {
      await rig.store(descriptor());
      await damage(backend, id, 1, flipped);
      const named = (/** @type {any} */ error) =>
        code('STORE_DAMAGED')(error) && /Chunk 2 of 6/.test(error.message) && error.details.chunk === 1;
      server.offline = true;
      await assert.rejects(rig.load({ stored: id }), named);
      Object.assign(server, { offline: false, etag: '"two"', bytes: otherBytes });
      await assert.rejects(rig.load({ stored: id }), named);
      const file = { blob: new File([bytes], 'a.gguf', { lastModified: 5 }), name: 'a.gguf' };
      await rig.store(file);
      const { id: fileId } = await rig.opening(file);
      await damage(backend, fileId, 1, flipped);
      await assert.rejects(rig.load({ stored: fileId }), named);
      const { logits, storage } = await rig.load(file);
      assert.equal(logits, expected, 'the file, given again, mends it');
      assert.equal(storage.repairedChunks, 1);
      assert.equal((await rig.load({ stored: fileId })).storage.repairedChunks, 0);
      await damage(backend, fileId, -1, flipped);
      await assert.rejects(rig.load({ stored: fileId }), code('STORE_DAMAGED'));
    });

    test('a complete record is written last', async () => {
      /** @type {any[]} */
      const log = [];
      const logged =
        (/** @type {string} */ name, /** @type {(...args: any[]) => any} */ note) =>
        async (/** @type {any[]} */ ...args) => {
          await backend[name](...args);
          log.push(note(...args));
        };
      const calls = {
        put: logged('put', ({ state }) => state),
        writeChunk: logged('writeChunk', (_, index) => index),
      };
      await createRig(runtime, altered(backend, calls), CHUNK).store(descriptor());
      assert.equal(log.at(-1), 'complete');
      assert.equal(log.filter((entry) => entry === 'complete').length, 1);
      assert.deepEqual(
        log.filter((entry) => typeof entry === 'number'),
        [-1, 0, 1, 2, 3, 4, 5],
      );
    });

    test('a second importer waits for the first, and then loads what that stored', async () => {
      /** @type {any} */
      let waiting;
      /** @type {any} */
      let holding;
      const second = new Promise((resolve) => {
        waiting = resolve;
      });
      // The first has the lock before the second asks for it.
      const locked = new Promise((resolve) => {
        holding = resolve;
      });
      const slow = altered(backend, {
        writeChunk: async (/** @type {any[]} */ ...args) => {
          holding();
          if (args[1] === 1) await second;
          return backend.writeChunk(...args);
        },
      });
      const first = createRig(runtime, slow, CHUNK).load(descriptor());
      await locked;
      const onProgress = (/** @type {Progress} */ { phase }) => phase === 'wait' && waiting();
      const [one, two] = await Promise.all([first, rig.load(descriptor(), { onProgress })]);
      assert.deepEqual([one.storage.state, two.storage.state], ['imported', 'stored']);
      assert.deepEqual([one.logits, two.logits], [expected, expected]);
    });

    test('waiting for another importer ends with the signal', async () => {
      const controller = new AbortController();
      await backend.lock(id, {}, async () => {
        const waiting = rig.load(descriptor(), { signal: controller.signal });
        setTimeout(() => controller.abort(), 50);
        await assert.rejects(waiting, code('CANCELLED'));
      });
      assert.equal((await rig.load(descriptor())).logits, expected);
    });

    test('the lock on a model is free whether it was closed or could not be opened', async () => {
      const isFree = () => backend.lock(id, { wait: false }, () => true);
      await rig.load(descriptor());
      assert.equal(await isFree(), true);
      await backend.remove(id);
      await assert.rejects(rig.load({ stored: id }), code('STORE_MISSING'));
      const whole = server.bytes;
      server.bytes = Buffer.from(whole.subarray(0, 1000));
      await assert.rejects(rig.load(descriptor()), NibbleError);
      assert.equal(await isFree(), true);
      server.bytes = whole;
      assert.equal((await rig.load(descriptor())).logits, expected);
    });

    test('records that are garbage are listed as damaged and never believed', async () => {
      await rig.store(descriptor());
      const good = await backend.get(id);
      const wrong = {
        id: [],
        format: [0, 'one', null],
        layout: [-1, good.layout + 1],
        state: ['done', null],
        name: ['', 7],
        source: [null, {}, { url: 7 }],
        fileBytes: [0, -5, 1.5, '7'],
        headerBytes: [0, 2 ** 53, null],
        headerChecksum: ['', 'zz', 5],
        packedBytes: [0, good.packedBytes + 64, null],
        chunkBytes: [0, CHUNK + 1, Number.MAX_SAFE_INTEGER],
        chunks: [null, 'chunks', [], [null], good.chunks.slice(1), [...good.chunks, good.chunks[0]]],
        filePosition: [-1, 'x'],
        createdAt: [null, 'now'],
        sha256: ['abc'],
      };
      let tried = 0;
      for (const [field, values] of Object.entries(wrong)) {
        for (const value of [...values, undefined]) {
          if (field === 'id') continue;
          await backend.put({ ...good, [field]: value });
          const what = `${field}: ${JSON.stringify(value)}`;
          const [listed] = (await backend.list()).map(summaryOf);
          assert.equal(listed.id, id);
          if (field !== 'layout' || value === -1 || value === undefined) assert.equal(listed.state, 'damaged', what);
          const { logits, storage } = await rig.load(descriptor());
          assert.equal(logits, expected, what);
          assert.equal(storage.state, 'imported', what);
          tried++;
        }
      }
      assert.ok(tried > 30);
      const file = `file:a.gguf:1:2`;
      await backend.put({ id: file, format: 1 });
      await assert.rejects(rig.load({ stored: file }), code('STORE_DAMAGED'));
      await assert.rejects(rig.load({ stored: 'file:absent' }), code('STORE_MISSING'));
    });

    test('a record of a newer format is left alone', async () => {
      await backend.put({ id, format: 99, secret: 'of the future' });
      await assert.rejects(rig.load(descriptor()), code('STORE_VERSION'));
      assert.equal((await backend.get(id)).secret, 'of the future');
      assert.equal(summaryOf(await backend.get(id)).state, 'damaged');
    });

    test('an import that is not to be kept leaves nothing, and neither does a stream', async () => {
      await interrupt(40_000, (signal) => rig.store(descriptor(), { signal, keepPartial: false }));
      assert.deepEqual(await backend.list(), []);
      const { port1, port2 } = new MessageChannel();
      let sent = 0;
      port1.onmessage = ({ data }) => {
        if (data !== 'next' || sent >= 40_000) return;
        port1.postMessage({ piece: bytes.slice(sent, sent + 10_000) });
        sent += 10_000;
      };
      const controller = new AbortController();
      const importing = rig.store({ port: port2, name: 'stream', size: bytes.length }, { signal: controller.signal });
      setTimeout(() => controller.abort(), 200);
      await assert.rejects(importing, code('CANCELLED'));
      port1.close();
      assert.deepEqual(await backend.list(), []);
    });

    test('a file that is cut short or no model leaves nothing that looks like one', async () => {
      for (const file of [bytes.subarray(0, 50_000), Buffer.from('no model'), Buffer.alloc(0)]) {
        const source = { blob: new File([file], 'short.gguf', { lastModified: 1 }), name: 'short.gguf' };
        await assert.rejects(rig.load(source), (/** @type {NibbleError} */ error) => /^GGUF_/.test(error.code));
        assert.deepEqual(await backend.list(), []);
      }
    });

    test('the SHA-256 is checked, over an interruption too, and a wrong file is not kept', async () => {
      const digest = await crypto.subtle.digest('SHA-256', bytes);
      const sha256 = Buffer.from(digest).toString('hex');
      await rig.store(descriptor(), { sha256 });
      await backend.remove(id);
      for (const limit of [30_000, 52_000]) {
        await interrupt(limit, (signal) => rig.store(descriptor(), { sha256, signal }));
        await rig.store(descriptor(), { sha256 });
        assert.ok(server.requests.every(({ start }) => start > limit - 4096));
        assert.equal(present(readManifest(await backend.get(id))).state, 'complete');
        await backend.remove(id);
      }
      await interrupt(30_000, (signal) => rig.store(descriptor(), { sha256: 'a'.repeat(64), signal }));
      await assert.rejects(rig.store(descriptor(), { sha256: 'a'.repeat(64) }), code('HASH_MISMATCH'));
      assert.deepEqual(await backend.list(), []);
    });

    test('nothing of the heap is lost, whatever happens', async () => {
      const round = async () => {
        await rig.load(descriptor());
        await damage(backend, id, 1, flipped);
        await rig.load({ stored: id });
        await backend.remove(id);
        await interrupt(40_000, (signal) => rig.store(descriptor(), { signal }));
        await rig.store(descriptor());
        await backend.remove(id);
      };
      await round();
      const before = runtime.heapBytes;
      for (let index = 0; index < 10; index++) await round();
      assert.equal(runtime.heapBytes, before);
    });
  });
}
