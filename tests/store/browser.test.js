// The backends of browsers, in the worker of a real page: the same promises, and what may befall them there.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { unreadableRecord } from '../../js/store/record.js';
import { PROMISES } from './contract.js';
import { openWorkerPages } from './page.js';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {Awaited<ReturnType<typeof openWorkerPages>>} WorkerPages */
/** @typedef {Awaited<ReturnType<WorkerPages['newWorker']>>} Opened */

/** @type {WorkerPages} */
let pages;

before(async () => {
  // gc() in workers: what the garbage collector takes must not be left to chance.
  pages = await openWorkerPages('worker.js', ['--js-flags=--expose-gc']);
});

after(() => pages?.close());

/** What a browser does that refuses Blobs in IndexedDB: it ends the transaction without a word. */
const refuseBlobs = () => {
  const { put } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (value, ...key) {
    if (!(value instanceof Blob)) return put.call(this, value, ...key);
    const request = put.call(this, 0, ...key);
    this.transaction.abort();
    return request;
  };
};

const BACKENDS = [
  { title: 'IndexedDB', kind: 'indexeddb' },
  { title: 'IndexedDB that refuses Blobs', kind: 'indexeddb', prepare: refuseBlobs },
  { title: 'IndexedDB of plain http', kind: 'indexeddb', plain: true },
  { title: 'the private file system', kind: 'opfs' },
];

for (const { title, kind, prepare, plain } of BACKENDS) {
  describe(title, () => {
    /** @type {Opened} */
    let opened;
    before(async () => {
      opened = await pages.newWorker(undefined, { plain });
      if (prepare) await opened.worker.evaluate(prepare);
    });
    after(() => opened?.page.close());

    for (const { name } of PROMISES) {
      test(name, async () => {
        const ran = await opened.worker.evaluate(
          async ({ kind: which, name: promised, database }) => {
            const { run } = /** @type {(typeof self.store.PROMISES)[number]} */ (
              self.store.PROMISES.find((promise) => promise.name === promised)
            );
            await run(() => self.store.open(which, database));
            return promised;
          },
          { kind, name, database: `${title}: ${name}` },
        );
        assert.equal(ran, name);
      });
    }
  });
}

/**
 * Runs a function in a new page's worker, where `self.store` is what worker.js says.
 * @template R, [A=void]
 * @param {(argument: A) => R | Promise<R>} use
 * @param {A} [argument]
 * @returns {Promise<R>}
 */
async function inWorker(use, argument) {
  const { page, worker } = await pages.newWorker();
  try {
    return await worker.evaluate(/** @type {(argument: unknown) => R | Promise<R>} */ (use), argument);
  } finally {
    await page.close();
  }
}

/**
 * The browser's debugging interface for a page.
 * @param {Page} page
 * @param {(session: import('playwright-core').CDPSession) => Promise<unknown>} use
 */
async function withDebugger(page, use) {
  const session = await page.context().newCDPSession(page);
  try {
    return await use(session);
  } finally {
    await session.detach();
  }
}

describe('IndexedDB, besides', () => {
  test('Blobs are stored where they are taken, ArrayBuffers where not; the answer is remembered', async () => {
    /** @param {(() => void) | null} prepare @param {string} database */
    const kinds = async (prepare, database) => {
      const { page, worker } = await pages.newWorker();
      if (prepare) await worker.evaluate(prepare);
      const found = await worker.evaluate(async (name) => {
        const { open, pattern } = self.store;
        let blobs = 0;
        const RealBlob = self.Blob;
        self.Blob = class extends RealBlob {
          /** @param {ConstructorParameters<typeof Blob>} given */
          constructor(...given) {
            super(...given);
            blobs++;
          }
        };
        const backend = await open('indexeddb', name);
        const probes = blobs;
        const place = Math.random();
        await backend.writeChunk(`a${place}`, 0, [pattern(1000)]);
        await backend.close();
        return { probes, blobs: blobs - probes };
      }, database);
      await page.close();
      return found;
    };
    assert.deepEqual(await kinds(null, 'taken'), { probes: 1, blobs: 1 });
    assert.deepEqual(await kinds(null, 'taken'), { probes: 0, blobs: 1 });
    assert.deepEqual(await kinds(refuseBlobs, 'refused'), { probes: 1, blobs: 0 });
    assert.deepEqual(await kinds(null, 'refused'), { probes: 0, blobs: 0 });
  });

  test('a read ends though the garbage collector runs all the while', async () => {
    const wanted = 200;
    const found = await inWorker(async (/** @type {number} */ count) => {
      const { open, pattern } = self.store;
      const [chunkBytes, bytes] = [4 << 20, 400_000];
      self.backend = await open('indexeddb', 'collected');
      const chunk = pattern(chunkBytes);
      await self.backend.writeChunk('a', 0, [chunk]);
      const collecting = setInterval(() => /** @type {() => void} */ (self.gc)(), 5);
      let read = 0;
      const readAllOfThem = async () => {
        for (; read < count; read++) {
          const offset = (read * 12_345) % (chunkBytes - bytes);
          const target = new Uint8Array(bytes);
          await self.backend.readChunk('a', 0, offset, target);
          if (target.some((byte, place) => byte !== chunk[offset + place])) return;
        }
      };
      await Promise.race([readAllOfThem(), new Promise((resolve) => setTimeout(resolve, 30_000))]);
      clearInterval(collecting);
      return read;
    }, wanted);
    assert.equal(found, wanted);
  });

  test('garbage in the place of a record or a chunk counts as absent', async () => {
    const found = await inWorker(async () => {
      const { open, readAll, codeOf } = self.store;
      const backend = await open('indexeddb', 'garbage');
      await backend.put({ id: 'good' });
      /** @type {IDBDatabase} */
      const database = await new Promise((resolve) => {
        const request = indexedDB.open('garbage');
        request.onsuccess = () => resolve(request.result);
      });
      const transaction = database.transaction(['records', 'chunks'], 'readwrite');
      for (const id of [7, new Date(0), ['a']]) transaction.objectStore('records').put({ id });
      for (const [index, value] of [7, null, 'text', new Uint8Array(100), {}].entries()) {
        transaction.objectStore('chunks').put(value, ['a', index]);
      }
      await new Promise((resolve) => {
        transaction.oncomplete = resolve;
      });
      database.close();
      const codes = [0, 1, 2, 3, 4].map((index) => codeOf(readAll(backend, 'a', index, 1)));
      return {
        list: await backend.list(),
        odd: await backend.get(/** @type {string} */ (/** @type {unknown} */ (7))),
        codes: await Promise.all(codes),
      };
    });
    assert.deepEqual(found.list, [{ id: 'good' }]);
    assert.equal(found.odd, null);
    assert.deepEqual(new Set(found.codes), new Set(['NibbleError STORE_CHUNK_MISSING']));
  });

  test('a page that deletes the database is let through, and the store goes on empty', async () => {
    const found = await inWorker(async () => {
      const { open } = self.store;
      const backend = await open('indexeddb', 'deleted');
      await backend.put({ id: 'a' });
      const gone = await new Promise((resolve) => {
        const request = indexedDB.deleteDatabase('deleted');
        request.onsuccess = () => resolve('deleted');
        request.onblocked = () => resolve('blocked');
      });
      const list = await backend.list();
      await backend.put({ id: 'b' });
      return { gone, list, after: await backend.list() };
    });
    assert.deepEqual(found, { gone: 'deleted', list: [], after: [{ id: 'b' }] });
  });

  test('a database that the browser closed under us is opened again', async () => {
    const { page, worker } = await pages.newWorker();
    await worker.evaluate(async () => {
      self.backend = await self.store.open('indexeddb', 'closed');
      await self.backend.put({ id: 'a' });
    });
    const { origin } = pages;
    await withDebugger(page, (session) =>
      session.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' }),
    );
    const after = await worker.evaluate(async () => {
      const codes = [];
      // What was under way when the browser closed it may fail, in our words; what comes later may not.
      for (let tries = 0; tries < 2; tries++) codes.push(await self.store.codeOf(self.backend.list()));
      await self.backend.put({ id: 'b' });
      return { last: codes.at(-1), list: await self.backend.list() };
    });
    assert.deepEqual(after, { last: null, list: [{ id: 'b' }] });
    await page.close();
  });

  test('a newer version, and a database of something else, are left alone and named', async () => {
    const codes = await inWorker(async () => {
      const { open, codeOf } = self.store;
      /** @param {string} name @param {number} version */
      const make = (name, version) =>
        /** @type {Promise<void>} */ (
          new Promise((resolve) => {
            const request = indexedDB.open(name, version);
            request.onupgradeneeded = () => request.result.createObjectStore('theirs');
            request.onsuccess = () => {
              request.result.close();
              resolve();
            };
          })
        );
      await make('newer', 1000);
      await make('foreign', 1);
      const before = await open('indexeddb', 'upgraded');
      await make('upgraded', 2);
      return [
        await codeOf(open('indexeddb', 'newer')),
        await codeOf(open('indexeddb', 'foreign')),
        await codeOf(before.list()),
      ];
    });
    assert.deepEqual(codes, ['NibbleError STORE_VERSION', 'NibbleError STORE_DAMAGED', 'NibbleError STORE_VERSION']);
  });
});

describe('the private file system, besides', () => {
  /** Puts raw text into a file of a model's folder; null removes it. @param {string} name @param {string[][]} files */
  const inFolder = (name, files) =>
    inWorker(
      async (/** @type {{ name: string, files: string[][] }} */ { name: folder, files: wanted }) => {
        const { open, pattern, readAll, codeOf } = self.store;
        const backend = await open('opfs', folder);
        for (const version of [1, 2]) await backend.put({ id: 'a', version });
        await backend.writeChunk('a', 0, [pattern(1000)]);
        const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(folder);
        for await (const model of root.values()) {
          if (!(model instanceof FileSystemDirectoryHandle)) continue;
          for (const [file, text] of wanted) {
            const given = /** @type {import('../../js/store/opfs.js').FileHandle} */ (
              await model.getFileHandle(file, { create: true })
            );
            const handle = await given.createSyncAccessHandle();
            handle.truncate(0);
            handle.write(new TextEncoder().encode(text), { at: 0 });
            handle.close();
          }
        }
        const before = { list: await backend.list(), get: await backend.get('a') };
        await backend.put({ id: 'a', version: 3 });
        const read = await codeOf(readAll(backend, 'a', 0, 1000));
        return { ...before, after: await backend.get('a'), read };
      },
      { name, files },
    );

  test('a record torn in mid-write is the one before, and garbage is none that can be read', async () => {
    const unreadable = unreadableRecord(createHash('sha256').update('a').digest('hex'));
    const after = { id: 'a', version: 3 };
    const one = { id: 'a', version: 1 };
    for (const torn of ['', '{"sequence":2,"rec', '\u0000'.repeat(40), '{"sequence":9,"record":{}}', '[]']) {
      const found = await inFolder(`torn ${torn.length}`, [['record-1.json', torn]]);
      assert.deepEqual(found, { list: [one], get: one, after, read: null }, torn);
    }
    const both = await inFolder('garbage', [
      ['record-0.json', 'null'],
      ['record-1.json', '{"sequence":"9","record":{"id":"a"}}'],
    ]);
    assert.deepEqual(both, { list: [unreadable], get: null, after, read: null });
    const foreign = await inFolder('foreign', [['record-1.json', '{"sequence":9,"record":{"id":"b"}}']]);
    assert.deepEqual(foreign, { list: [unreadable], get: null, after, read: null });
  });

  test('a truncated chunk is named as missing', async () => {
    const { read } = await inFolder('truncated', [['0.chunk', 'x'.repeat(999)]]);
    assert.equal(read, 'NibbleError STORE_CHUNK_MISSING');
  });

  test('a chunk that another page has open for writing is read, but not replaced', async () => {
    const found = await inWorker(async () => {
      const { open, pattern, readAll, sameBytes, codeOf } = self.store;
      const backend = await open('opfs', 'open elsewhere');
      await backend.put({ id: 'a' });
      await backend.writeChunk('a', 0, [pattern(1000)]);
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('open elsewhere');
      const [model] = /** @type {FileSystemDirectoryHandle[]} */ (await Array.fromAsync(root.values()));
      const file = /** @type {import('../../js/store/opfs.js').FileHandle} */ (await model.getFileHandle('0.chunk'));
      const handle = await file.createSyncAccessHandle();
      sameBytes(await readAll(backend, 'a', 0, 900, 50), pattern(1000).subarray(50, 950), 'the chunk');
      const busy = [await codeOf(backend.writeChunk('a', 0, [pattern(10)])), await codeOf(backend.remove('a'))];
      handle.close();
      const left = await codeOf(readAll(backend, 'a', 0, 1000));
      await backend.remove('a');
      return { busy, left, list: await backend.list(), chunk: await codeOf(readAll(backend, 'a', 0, 1)) };
    });
    const busy = 'NibbleError STORE_BUSY';
    assert.deepEqual(found, { busy: [busy, busy], left: null, list: [], chunk: 'NibbleError STORE_CHUNK_MISSING' });
  });

  test('chunks that stay open are read by all, opened once, and given back when the store is closed', async () => {
    const found = await inWorker(async () => {
      const { open, pattern, readAll, sameBytes, codeOf } = self.store;
      let opened = 0;
      const prototype = /** @type {import('../../js/store/opfs.js').FileHandle} */ (FileSystemFileHandle.prototype);
      const { createSyncAccessHandle } = prototype;
      prototype.createSyncAccessHandle = function (...given) {
        opened++;
        return createSyncAccessHandle.apply(this, given);
      };
      const [one, two, other] = await Promise.all([1, 2, 3].map(() => open('opfs', 'kept open')));
      await one.put({ id: 'a' });
      for (const index of [0, 1]) await one.writeChunk('a', index, [pattern(1000, index)]);
      for (const backend of [one, two]) backend.keepOpen?.();
      opened = 0;
      for (let turn = 0; turn < 5; turn++) {
        for (const backend of [one, two]) {
          for (const index of [0, 1]) {
            const bytes = await readAll(backend, 'a', index, 400, turn * 100);
            sameBytes(bytes, pattern(1000, index).subarray(turn * 100, turn * 100 + 400), 'a part of the chunk');
          }
        }
      }
      const times = opened;
      const codes = [
        await codeOf(readAll(other, 'a', 0, 1000)),
        await codeOf(readAll(one, 'a', 0, 1001)),
        await codeOf(readAll(one, 'a', 7, 1)),
        await codeOf(other.writeChunk('a', 0, [pattern(10)])),
      ];
      await one.close();
      await two.close();
      codes.push(await codeOf(readAll(one, 'a', 0, 1)), await codeOf(other.remove('a')));
      return { times, codes };
    });
    const [missing, busy, closed] = ['CHUNK_MISSING', 'BUSY', 'UNAVAILABLE'].map((code) => `NibbleError STORE_${code}`);
    assert.deepEqual(found, { times: 4, codes: [null, missing, missing, busy, closed, null] });
  });

  test('outside of a worker it is refused', async () => {
    const { page } = await pages.newWorker();
    const code = await page.evaluate(async () => {
      const place = '/worker.js';
      await import(place);
      return globalThis.store.codeOf(globalThis.store.openBackend('opfs'));
    });
    assert.equal(code, 'NibbleError STORE_UNAVAILABLE');
    await page.close();
  });
});

for (const kind of ['indexeddb', 'opfs']) {
  describe(`${kind} in hard times`, () => {
    test('a full storage is told as such, and what was stored stays', async (context) => {
      // A browser of its own: Chromium remembers for a while how much space an origin had.
      const own = await openWorkerPages('worker.js');
      context.after(own.close);
      const { page, worker } = await own.newWorker();
      const { origin } = own;
      await withDebugger(page, async (session) => {
        await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 24 << 20 });
        const found = await worker.evaluate(async (which) => {
          const { open, pattern, readAll, sameBytes, codeOf } = self.store;
          const backend = await open(which, 'full');
          await backend.put({ id: 'a' });
          const chunk = pattern(4 << 20);
          const codes = [];
          while (codes.length < 20 && (codes.at(-1) ?? null) === null) {
            codes.push(await codeOf(backend.writeChunk('a', codes.length, [chunk])));
          }
          const written = codes.length - 1;
          for (let index = 0; index < written; index++) {
            sameBytes(await readAll(backend, 'a', index, chunk.length), chunk, `chunk ${index}`);
          }
          const last = await codeOf(readAll(backend, 'a', written, 1));
          const list = await backend.list();
          await backend.remove('a');
          return { written, code: codes.at(-1), last, list };
        }, kind);
        assert.equal(found.code, 'NibbleError STORE_FULL');
        assert.equal(found.last, 'NibbleError STORE_CHUNK_MISSING');
        assert.ok(found.written >= 1, 'nothing was written before');
        assert.deepEqual(found.list, [{ id: 'a' }]);
        await session.send('Storage.overrideQuotaForOrigin', { origin });
      });
      const again = await worker.evaluate(async (which) => {
        const { open, pattern, codeOf } = self.store;
        return codeOf((await open(which, 'full')).writeChunk('a', 0, [pattern(30 << 20)]));
      }, kind);
      assert.equal(again, null);
    });

    test('locks hold between two pages, and end with the page that is closed', async () => {
      const [first, second] = [await pages.newWorker(), await pages.newWorker()];
      /** @param {Opened} opened */
      const open = ({ worker }) =>
        worker.evaluate(async (which) => {
          self.backend = await self.store.open(which, 'locks');
        }, kind);
      await Promise.all([open(first), open(second)]);
      await first.worker.evaluate(
        () =>
          /** @type {Promise<void>} */ (
            new Promise((held) => {
              self.backend.lock('a', {}, () => new Promise(() => held()));
            })
          ),
      );
      const codes = await second.worker.evaluate(async () => {
        const { codeOf } = self.store;
        const controller = new AbortController();
        const waiting = codeOf(self.backend.lock('a', { signal: controller.signal }, () => {}));
        controller.abort();
        self.waiting = self.backend.lock('a', { shared: true }, () => 'mine');
        return [
          await codeOf(self.backend.lock('a', { wait: false }, () => {})),
          await codeOf(self.backend.lock('a', { wait: false, shared: true }, () => {})),
          await codeOf(self.backend.lock('b', { wait: false }, () => {})),
          await waiting,
        ];
      });
      const busy = 'NibbleError STORE_BUSY';
      assert.deepEqual(codes, [busy, busy, null, 'NibbleError CANCELLED']);
      await first.page.close();
      assert.equal(await second.worker.evaluate(() => self.waiting), 'mine');
      await second.page.close();
    });

    test('a page that is killed in mid-write loses at most the chunk that it wrote', async () => {
      const { page, worker } = await pages.newWorker();
      await worker.evaluate(async (which) => {
        const { open, pattern } = self.store;
        const backend = await open(which, 'killed');
        await backend.writeChunk('a', 0, [pattern(1 << 20)]);
        await backend.put({ id: 'a', version: 0 });
        self.rounds = 0;
        const bytes = new Uint8Array(24 << 20);
        (async () => {
          for (;;) {
            await backend.writeChunk('a', 1, [bytes.fill(self.rounds % 251)]);
            await backend.put({ id: 'a', version: self.rounds + 1 });
            self.rounds++;
          }
        })();
      }, kind);
      while ((await worker.evaluate(() => self.rounds)) < 2) await new Promise((resolve) => setTimeout(resolve, 5));
      const session = await pages.browser.context.newCDPSession(page);
      const crashed = page.waitForEvent('crash');
      session.send('Page.crash').catch(() => {});
      await crashed;
      await page.close();
      const found = await inWorker(async (/** @type {string} */ which) => {
        const { open, pattern, readAll, sameBytes } = self.store;
        const backend = await open(which, 'killed');
        const record = await backend.get('a');
        sameBytes(await readAll(backend, 'a', 0, 1 << 20), pattern(1 << 20), 'the chunk from before');
        const last = await readAll(backend, 'a', 1, 24 << 20).catch((error) => String(error.code));
        const whole = typeof last === 'string' ? last : last.every((byte) => byte === last[0]);
        await backend.writeChunk('a', 1, [pattern(1000)]);
        sameBytes(await readAll(backend, 'a', 1, 1000), pattern(1000), 'the chunk written again');
        await backend.remove('a');
        return { version: record?.version, whole };
      }, kind);
      assert.ok(Number(found.version) >= 2, `the record is of version ${found.version}`);
      assert.ok([true, 'STORE_CHUNK_MISSING'].includes(found.whole), `the chunk is ${found.whole}`);
    });
  });
}
