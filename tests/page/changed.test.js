// A conversation that two tabs write in at once, in a browser without locks: what both have written is kept.
import { describe, test } from 'node:test';
import * as driver from './driver.js';

const startBrowser = driver.shareBrowser();

const LIMIT = { timeout: 120_000 };
/** @param {string} text */
const pieces = (text) => text.match(/\s?\S+/g) ?? [];

/**
 * A page in a browser of its own, and more of them.
 * @param {driver.Script} script
 * @param {(one: driver.OpenedPage, open: () => Promise<driver.OpenedPage>) => Promise<unknown>} use
 */
async function withPage(script, use) {
  const browser = await startBrowser({ serviceWorkers: 'block' });
  try {
    const open = async () => {
      const opened = await driver.openPage(browser, { before: (page) => driver.scriptEngine(page, script) });
      await driver.untilReady(opened.page);
      return opened;
    };
    await use(await open(), open);
  } finally {
    await browser.close();
  }
}

/** @typedef {import('playwright-core').Page} Page */

/** @param {Page} page */
const lockless = (page) => page.evaluate(() => Object.defineProperty(navigator, 'locks', { value: undefined }));
/** @param {Page} page @param {string[]} expected */
const untilTitles = (page, expected) =>
  driver.untilEqual(() => page.locator('#conversations .title').allTextContents(), expected);
/** @param {Page} page @param {string} role @param {string[]} expected */
const untilTexts = (page, role, expected) =>
  driver.untilEqual(() => page.locator(`.message.${role} .text`).allTextContents(), expected);

describe('without locks', () => {
  test('a tab that comes second is told, and what both have written is kept', LIMIT, async () => {
    await withPage({ answers: [['Crisp.'], pieces('a b c d e f g h i j k l m n')], holdAt: 5 }, async (one, open) => {
      await driver.converse(one.page, 'About apples');
      const other = await open();
      await other.page.locator('#conversations .open').click();
      await other.page.locator('.message.user').waitFor();
      for (const { page } of [one, other]) await lockless(page);
      await driver.ask(one.page, 'From one');
      await one.page.locator('#stop').waitFor();
      await driver.converse(other.page, 'From the other');
      await driver.release(one.page);
      await driver.untilIdle(one.page);
      await one.page.locator('.notice').getByText('Another tab has written in this conversation').waitFor();
      const before = one.page.url();
      await one.page.getByRole('button', { name: 'Keep this as another conversation' }).click();
      await one.page.waitForFunction((url) => location.href !== url, before);
      await untilTitles(other.page, ['About apples', 'About apples']);
      for (const { page } of [one, other]) {
        await page.reload();
        await driver.untilReady(page);
      }
      await untilTexts(one.page, 'user', ['About apples', 'From one']);
      const last = other.page.locator('.message.user .text').last();
      await driver.untilEqual(() => last.textContent(), 'From the other');
    });
  });

  test('what another tab has changed of one that is not looked at can be kept as another one', LIMIT, async () => {
    const script = { answers: [['Crisp.'], pieces('a b c d e f')], holdAt: 3 };
    await withPage(script, async (one, open) => {
      await driver.converse(one.page, 'About apples');
      const other = await open();
      await other.page.locator('#conversations .open').click();
      await other.page.locator('.message.user').waitFor();
      for (const { page } of [one, other]) await lockless(page);
      await driver.ask(one.page, 'From one');
      await untilTexts(one.page, 'assistant', ['Crisp.', 'a b c']);
      await one.page.locator('#new-chat').click();
      await driver.converse(other.page, 'From the other');
      await driver.release(one.page);
      await one.page.locator('#unkept', { hasText: 'About apples' }).waitFor();
      await driver.converse(one.page, 'About pears');
      await one.page.locator('#unkept-open').click();
      await untilTexts(one.page, 'assistant', ['Crisp.', 'a b c d e f']);
      await one.page.getByRole('button', { name: 'Keep this as another conversation' }).click();
      await untilTitles(other.page, ['About pears', 'About apples', 'About apples']);
      await one.page.locator('#unkept').waitFor({ state: 'hidden' });
      for (const { page } of [one, other]) {
        await page.reload();
        await driver.untilReady(page);
      }
      await untilTexts(one.page, 'user', ['About apples', 'From one']);
      const last = other.page.locator('.message.user .text').last();
      await driver.untilEqual(() => last.textContent(), 'From the other');
    });
  });
});
