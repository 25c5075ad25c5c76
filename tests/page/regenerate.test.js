// An answer that is asked for anew, or a message that is sent anew, where that ends before its first word: the answer that
// there was is not lost for it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { writeArchive } from '../../web/conversations/archive.js';
import { untyped } from '../untyped.js';
import * as driver from './driver.js';

const startBrowser = driver.shareBrowser();

/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 120_000 };
const CHAT = { id: 'chat', title: 'Chat', renamed: true, createdAt: 1, updatedAt: 2, start: 0 };
const messages = [
  { id: 'q', role: 'user', content: 'Question', createdAt: 1 },
  { id: 'a', role: 'assistant', content: 'The first answer.', createdAt: 1, finish: 'stop' },
];
const PRESENT = ['Question', 'The first answer.'];

/**
 * Each test has a browser profile of its own, so that it begins without conversations.
 * @param {object} script
 * @param {(page: Page) => unknown} use
 */
async function withChat(script, use) {
  const browser = await startBrowser({ serviceWorkers: 'block' });
  try {
    /** @param {Page} page */
    const before = (page) => driver.scriptEngine(page, { answers: [['Another one.']], ...script });
    const { page, complaints, close } = await driver.openPage(browser, { before });
    await driver.untilReady(page);
    const buffer = Buffer.from(writeArchive(untyped([{ ...CHAT, messages }])));
    await page.locator('#import-file').setInputFiles({ name: 'a.json', mimeType: 'application/json', buffer });
    await page.locator('#conversations .open').click();
    await untilShown(page, PRESENT);
    await use(page);
    complaints.length = 0;
    await close();
  } finally {
    await browser.close();
  }
}

/** @param {Page} page */
const shown = (page) => page.locator('.message .text').allTextContents();
/** @param {Page} page @param {string[]} expected */
const untilShown = (page, expected) => driver.untilEqual(() => shown(page), expected);
/** @param {Page} page @param {string} text */
const notice = (page, text) => page.locator('.notice', { hasText: text });

/** @param {Page} page */
async function reload(page) {
  await page.reload();
  await driver.untilReady(page);
}

const ANEW = {
  /** @param {Page} page */
  'an answer that is asked for anew': (page) => page.locator('.message.last .regenerate').click(),
  /** @param {Page} page */
  async 'a message that is sent anew'(page) {
    await page.locator('.message.user').hover();
    await page.locator('.message.user .edit').click();
    await page.locator('.edit-field').fill('Another question');
    await page.locator('.edit-field').press('Control+Enter');
  },
};

/** An edit that was sent and brought nothing goes on where it was. @param {Page} page @param {string} name */
async function checkEdit(page, name) {
  const field = page.locator('.edit-field');
  if (name.includes('message')) assert.equal(await field.inputValue(), 'Another question');
  else assert.equal(await field.count(), 0);
}

for (const [name, anew] of Object.entries(ANEW)) {
  const left = name.includes('message') ? ['The first answer.'] : PRESENT;
  const answered = [name.includes('message') ? 'Another question' : 'Question', 'Another one.'];
  describe(name, () => {
    test('and stopped before its first word leaves the answer that there was', LIMIT, async () => {
      await withChat({ holdAt: 0 }, async (page) => {
        await anew(page);
        await page.locator('#stop').click();
        await driver.release(page);
        await driver.untilIdle(page);
        await untilShown(page, left);
        await checkEdit(page, name);
        await reload(page);
        await untilShown(page, left);
        await checkEdit(page, name);
        if (name.includes('message')) await page.locator('.edit-field').press('Escape');
        await untilShown(page, PRESENT);
      });
    });

    test('while the page is closed before its first word leaves the answer that there was', LIMIT, async () => {
      await withChat({ holdAt: 0 }, async (page) => {
        await anew(page);
        await page.waitForFunction(() => globalThis.calls.length === 1);
        await reload(page);
        await untilShown(page, left);
        await checkEdit(page, name);
        if (name.includes('message')) await page.locator('.edit-field').press('Escape');
        await untilShown(page, PRESENT);
      });
    });

    test('where the engine fails before its first word leaves it, and can be asked for again', LIMIT, async () => {
      await withChat({ crashAt: 0 }, async (page) => {
        await anew(page);
        await notice(page, 'The engine has crashed').waitFor();
        await untilShown(page, left);
        await checkEdit(page, name);
        await notice(page, 'The engine has crashed').getByRole('button', { name: 'Try again' }).click();
        await untilShown(page, answered);
        await driver.untilIdle(page);
        await reload(page);
        await untilShown(page, answered);
      });
    });

    test('is replaced as soon as the new one has a word', LIMIT, async () => {
      await withChat({ answers: [['Another', ' one.']], holdAt: 1 }, async (page) => {
        await anew(page);
        await untilShown(page, [answered[0], 'Another']);
        await page.locator('#stop').click();
        await driver.release(page);
        await driver.untilIdle(page);
        await untilShown(page, [answered[0], 'Another']);
        await reload(page);
        await untilShown(page, [answered[0], 'Another']);
      });
    });
  });
}
