// A record that the browser cannot read any more, since files of its profile are gone: the others are there as ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { removeValueFiles } from '../chromium.js';
import { temporaryFolder } from '../small-model.js';
import { openWorkerPages } from './page.js';

const LIMIT = { timeout: 120_000 };

test('a record that is lost is listed by its id, can be replaced and deleted, and hides no other', LIMIT, async () => {
  const profile = temporaryFolder();
  const pages = await openWorkerPages('worker.js', [], profile);
  try {
    const { page, worker } = await pages.newWorker();
    await worker.evaluate(async () => {
      const { open, pattern } = self.store;
      const backend = await open('indexeddb', 'lost');
      // Chromium keeps values of such a length in files of their own.
      const long = Array.from(pattern(200_000), (byte) => String.fromCharCode(33 + (byte % 90))).join('');
      for (const id of ['a', 'b', 'c', 'd']) await backend.put({ id, text: 'bc'.includes(id) ? long : 'short' });
      await backend.writeChunk('b', 0, [pattern(10)]);
      await backend.close();
    });
    await page.close();
    assert.ok(removeValueFiles(profile) > 0, 'there are files to lose');
    const { worker: later } = await pages.newWorker();
    const found = await later.evaluate(async () => {
      const { open, readAll, codeOf } = self.store;
      const backend = await open('indexeddb', 'lost');
      const isFailing = await new Promise((resolve) => {
        const request = indexedDB.open('lost');
        request.onsuccess = () => {
          const all = request.result.transaction('records').objectStore('records').getAll();
          all.onsuccess = () => resolve(false);
          all.onerror = () => resolve(true);
        };
      });
      const list = await backend.list();
      const get = [await backend.get('a'), await backend.get('b')];
      await backend.remove('b');
      await backend.put({ id: 'c', text: 'again' });
      return {
        isFailing,
        list,
        get,
        after: await backend.list(),
        gone: await codeOf(readAll(backend, 'b', 0, 10)),
      };
    });
    const [a, d] = ['a', 'd'].map((id) => ({ id, text: 'short' }));
    assert.equal(found.isFailing, true, 'the browser fails to read all at once');
    assert.deepEqual(found.list, [a, { id: 'b' }, { id: 'c' }, d]);
    assert.deepEqual(found.get, [a, { id: 'b' }]);
    assert.deepEqual(found.after, [a, { id: 'c', text: 'again' }, d]);
    assert.equal(found.gone, 'NibbleError STORE_CHUNK_MISSING');
  } finally {
    await pages.close();
  }
});
