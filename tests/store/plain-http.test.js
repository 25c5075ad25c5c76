// Stored models of a page of plain http in a real Chromium, where browsers have no locks: tabs exclude each other all
// the same, and what a killed one leaves expires.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openWorkerPages } from './page.js';

const BUSY = 'NibbleError STORE_BUSY';
// What is left of a holder expires soon, so that a test need not wait.
const HASTY = { beat: 50, stale: 1000, confirm: 300, look: 20 };

/** @type {Awaited<ReturnType<typeof openWorkerPages>>} */
let pages;

before(async () => {
  pages = await openWorkerPages('worker.js');
});

after(() => pages?.close());

/** A tab with an open store. @param {string} database @param {object} [times] of its locks */
async function openTab(database, times) {
  const tab = await pages.newWorker(undefined, { plain: true });
  /** @param {{ name: string, hasty: object | undefined }} options */
  const open = async ({ name, hasty }) => {
    self.backend = await self.store.open('indexeddb', name, { times: hasty });
    return 'locks' in navigator;
  };
  assert.equal(await tab.worker.evaluate(open, { name: database, hasty: times }), false, 'the browser has locks here');
  return tab;
}

/** @param {Awaited<ReturnType<typeof openTab>>} tab @param {import('../../js/store/locks.js').LockOptions} [options] */
const hold = ({ worker }, options = {}) =>
  worker.evaluate(
    (how) =>
      /** @type {Promise<void>} */ (
        new Promise((held) => {
          self.holding = self.backend.lock('a', how, () => {
            held();
            /** @type {Promise<void>} */
            const released = new Promise((release) => {
              self.release = release;
            });
            return released;
          });
        })
      ),
    options,
  );

/** @param {Awaited<ReturnType<typeof openTab>>} tab */
const codesOfLocking = ({ worker }) =>
  worker.evaluate(async () => [
    await self.store.codeOf(self.backend.lock('a', { wait: false }, () => {})),
    await self.store.codeOf(self.backend.lock('a', { wait: false, shared: true }, () => {})),
    await self.store.codeOf(self.backend.lock('b', { wait: false }, () => {})),
  ]);

/** @param {...Awaited<ReturnType<typeof openTab>>} tabs */
const closeAll = (...tabs) => Promise.all(tabs.map(({ page }) => page.close()));

test('a lock that one tab holds is taken for another one, until it is given back', async () => {
  const [first, second] = [await openTab('tabs'), await openTab('tabs')];
  await hold(first);
  assert.deepEqual(await codesOfLocking(second), [BUSY, BUSY, null]);
  await first.worker.evaluate(() => self.release());
  await first.worker.evaluate(() => self.holding);
  await hold(first, { shared: true });
  assert.deepEqual(await codesOfLocking(second), [BUSY, null, null]);
  await closeAll(first, second);
});

test('what a tab that was closed leaves expires, and who waits is told', async () => {
  const [first, second] = [await openTab('closed', HASTY), await openTab('closed', HASTY)];
  await hold(first);
  await second.worker.evaluate(() => {
    self.holders = [];
    self.waiting = self.backend.lock('a', { onWait: (holder) => self.holders.push(holder) }, () => 'mine');
  });
  await first.page.close();
  assert.equal(await second.worker.evaluate(() => self.waiting), 'mine');
  const holders = await second.worker.evaluate(() => self.holders);
  assert.deepEqual(
    holders.map((/** @type {{ since: number }} */ { since }) => since > 0),
    [true],
  );
  await second.page.close();
});

test('a tab that stood still for so long that another took over writes nothing more', async () => {
  // The first one's heart beats once an hour, as that of a tab whose device sleeps.
  const [first, second] = [await openTab('still', { ...HASTY, beat: 3_600_000 }), await openTab('still', HASTY)];
  await first.worker.evaluate(() => self.backend.writeChunk('a', 0, [self.store.pattern(1000)]));
  await hold(first);
  assert.equal(await second.worker.evaluate(() => self.backend.lock('a', {}, () => 'mine')), 'mine');
  const codes = await first.worker.evaluate(async () => {
    const { codeOf, pattern } = self.store;
    return [
      await codeOf(self.backend.put({ id: 'a' })),
      await codeOf(self.backend.writeChunk('a', 1, [pattern(10)])),
      await codeOf(self.backend.appendChunk('a', 0, 1000, [pattern(10)])),
      await codeOf(self.backend.removeChunks('a', 0)),
      await codeOf(self.backend.remove('a')),
      await codeOf(self.backend.put({ id: 'b' })),
    ];
  });
  assert.deepEqual(codes, [BUSY, BUSY, BUSY, BUSY, BUSY, null]);
  const kept = await second.worker.evaluate(async () => {
    self.store.sameBytes(
      await self.store.readAll(self.backend, 'a', 0, 1000),
      self.store.pattern(1000),
      'what was stored',
    );
    return (await self.backend.list()).map(({ id }) => id);
  });
  assert.deepEqual(kept, ['b']);
  await closeAll(first, second);
});
