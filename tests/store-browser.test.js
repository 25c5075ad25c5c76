// The backends of browsers, in the worker of a real page: the same promises, and what may befall them there.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { PROMISES } from './store-contract.js';
import { openWorkerPages } from './store-page.js';

let pages;

before(async () => {
  pages = await openWorkerPages('store-worker.js');
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
  { title: 'the private file system', kind: 'opfs' },
];

for (const { title, kind, prepare } of BACKENDS) {
  describe(title, () => {
    let opened;
    before(async () => {
      opened = await pages.newWorker();
      if (prepare) await opened.worker.evaluate(prepare);
    });
    after(() => opened?.page.close());

    for (const { name } of PROMISES) {
      test(name, async () => {
        const ran = await opened.worker.evaluate(
          async ({ kind: which, name: promised, database }) => {
            const { run } = self.store.PROMISES.find((promise) => promise.name === promised);
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
