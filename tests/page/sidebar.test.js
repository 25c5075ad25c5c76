// The list of conversations where there are thousands: a change draws what has changed, and the rest stays as it stands.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as driver from './driver.js';

/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 120_000 };
const COUNT = 2500;

/** @type {driver.Browser} */
let browser;

before(async () => {
  browser = await driver.startBrowser({ serviceWorkers: 'block' });
});

after(() => browser?.close());

/** Puts conversations into the page's database. @param {Page} page */
const fill = (page) =>
  page.evaluate(async (count) => {
    const database = await new Promise((resolve, reject) => {
      const request = indexedDB.open('nibble-conversations');
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const transaction = database.transaction(['heads', 'messages'], 'readwrite');
    for (let n = 0; n < count; n++) {
      const [id, time] = [`id-${n}`, 1.7e12 - n * 1000];
      const head = { id, title: `Chat ${n}`, renamed: false, createdAt: time, updatedAt: time, start: 0, revision: 1 };
      transaction.objectStore('heads').put(head);
      const message = { id: `m-${n}`, role: 'user', content: `Question ${n}`, createdAt: time };
      transaction.objectStore('messages').put([message], id);
    }
    await new Promise((resolve) => {
      transaction.oncomplete = resolve;
    });
    database.close();
  }, COUNT);

/** @param {Page} page */
const titles = (page) => page.locator('#conversations .title').allTextContents();

test('draws of thousands only those that have changed', LIMIT, async () => {
  /** @param {Page} page */
  const prepare = (page) => driver.scriptEngine(page, { contextSize: 1e6 });
  const opened = await driver.openPage(browser, { before: prepare });
  const { page } = opened;
  await driver.untilReady(page);
  await fill(page);
  await page.reload();
  await driver.untilReady(page);
  await page.waitForFunction((count) => document.querySelectorAll('#conversations li').length === count, COUNT);
  await page.evaluate(() => {
    window.drawn = new Set();
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes) for (const node of addedNodes) window.drawn.add(node);
    }).observe(/** @type {Element} */ (document.getElementById('conversations')), { childList: true });
  });
  const drawn = () => page.evaluate(() => window.drawn.size);
  const order = Array.from({ length: COUNT }, (_, n) => `Chat ${n}`);
  assert.deepEqual(await titles(page), order);

  await page.getByRole('link', { name: 'Chat 3', exact: true }).click();
  await page.locator('#conversations .current', { hasText: 'Chat 3' }).waitFor();
  assert.ok((await drawn()) <= 2, 'opening one');

  await driver.converse(page, 'Again');
  await driver.untilEqual(async () => (await titles(page))[0], 'Question 3');
  order.splice(3, 1);
  order.unshift('Question 3');
  assert.deepEqual(await titles(page), order);

  await page.locator('#conversations li', { hasText: 'Chat 7' }).first().hover();
  await page.getByRole('button', { name: 'Rename “Chat 7”', exact: true }).click();
  await page.locator('.rename').press('Escape');
  await driver.untilEqual(async () => (await titles(page))[7], 'Chat 7');
  await page.getByRole('button', { name: 'Rename “Chat 7”', exact: true }).click();
  await page.locator('.rename').fill('Seventh');
  await page.locator('.rename').press('Enter');
  order[7] = 'Seventh';
  await driver.untilEqual(() => titles(page), order);

  await page.getByRole('button', { name: 'Delete “Chat 9”', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  order.splice(9, 1);
  await driver.untilEqual(() => titles(page), order);

  const all = await drawn();
  // That service workers are off is told by the browser.
  opened.complaints.length = 0;
  assert.ok(all < 20, `${all} rows were drawn`);
  await opened.close();
});
