// Records of conversations that are not what the page writes, as after damage: what is sound in them is of use, and the
// others are not harmed by them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readArchive } from '../../web/conversations/archive.js';
import * as driver from './driver.js';

/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 120_000 };
/** @param {string} id @param {{ start: number }} [more] */
const head = (id, more) => ({
  id,
  title: id,
  renamed: true,
  createdAt: 1,
  updatedAt: 2,
  start: 0,
  revision: 1,
  ...more,
});
/** @param {string} id */
const turn = (id) => [
  { id: `${id}-1`, role: 'user', content: `To ${id}`, createdAt: 1 },
  { id: `${id}-2`, role: 'assistant', content: `From ${id}`, createdAt: 1, finish: 'stop' },
];

const RECORDS = [
  { head: head('whole'), messages: turn('whole'), left: ['To whole', 'From whole'] },
  { head: head('absent'), messages: undefined, left: [] },
  { head: head('other'), messages: { length: 2 }, left: [] },
  { head: head('holes'), messages: [null, ...turn('holes'), 5], left: ['To holes', 'From holes'] },
  {
    head: head('numbers'),
    messages: [...turn('numbers'), { ...turn('x')[0], content: 7 }],
    left: ['To numbers', 'From numbers'],
  },
  { head: head('far', { start: 99 }), messages: turn('far'), left: ['To far', 'From far'] },
];

test('what is sound in damaged conversations is shown, answered and taken out', LIMIT, async () => {
  const browser = await driver.startBrowser({ serviceWorkers: 'block' });
  try {
    /** @param {Page} page */
    const before = (page) => driver.scriptEngine(page, { answers: [['Yes.']] });
    const { page, complaints } = await driver.openPage(browser, { before });
    await driver.untilReady(page);
    await page.evaluate(async (records) => {
      const opening = indexedDB.open('nibble-conversations');
      await new Promise((resolve) => {
        opening.onsuccess = resolve;
      });
      const transaction = opening.result.transaction(['heads', 'messages'], 'readwrite');
      for (const { head, messages } of records) {
        transaction.objectStore('heads').put(head);
        if (messages !== undefined) transaction.objectStore('messages').put(messages, head.id);
      }
      await new Promise((resolve) => {
        transaction.oncomplete = resolve;
      });
      opening.result.close();
    }, RECORDS);
    await page.reload();
    await driver.untilReady(page);
    complaints.length = 0;
    const texts = () => page.locator('.message .text').allTextContents();
    for (const { head, left } of RECORDS) {
      await page.locator('#conversations .open', { hasText: head.title }).click();
      await page.locator('#title', { hasText: head.title }).waitFor();
      await driver.untilEqual(texts, left);
      assert.equal(await driver.converse(page, 'Well?'), 'Yes.');
      const [call] = await page.evaluate(() => globalThis.calls.splice(0));
      assert.deepEqual(
        call.messages.map((/** @type {{ content: string }} */ { content }) => content),
        [...left, 'Well?'],
      );
    }
    const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
    assert.equal(readArchive(readFileSync(await download.path(), 'utf8')).length, RECORDS.length);
    assert.deepEqual(complaints, []);
  } finally {
    await browser.close();
  }
});
