// A storage that is full while somebody chats: nothing is lost as long as the page is open, and it is kept once there is room.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { writeArchive } from '../web/archive.js';
import * as driver from './page-driver.js';

const LIMIT = { timeout: 120_000 };

/** The page in a browser of its own, whose storage is full from `fill(true)` to `fill(false)`. */
async function withPage(script, use) {
  const browser = await driver.startBrowser({ serviceWorkers: 'block' });
  // A browser looks now and then only how much room there is.
  const before = async (page) => {
    await driver.scriptEngine(page, script);
    await page.addInitScript(() => {
      for (const name of ['put', 'delete']) {
        const work = IDBObjectStore.prototype[name];
        IDBObjectStore.prototype[name] = function (...given) {
          if (window.isFull) throw new DOMException('No room.', 'QuotaExceededError');
          return work.apply(this, given);
        };
      }
    });
  };
  try {
    const open = async () => {
      const opened = await driver.openPage(browser, { before });
      await driver.untilReady(opened.page);
      opened.complaints.length = 0;
      const fill = (isFull) =>
        opened.page.evaluate((full) => {
          window.isFull = full;
        }, isFull);
      return { ...opened, fill };
    };
    await use(await open(), open);
  } finally {
    await browser.close();
  }
}

const texts = (page) => page.locator('.message .text').allTextContents();
const notice = (page) => page.locator('.notice', { hasText: 'not stored' });
const tryAgain = (page) => notice(page).getByRole('button', { name: 'Try again' }).click();

async function reload({ page, complaints }) {
  await page.reload();
  await driver.untilReady(page);
  complaints.length = 0;
}

describe('where the storage is full', () => {
  const answers = [['Crisp.'], ['Yellow.'], ['Never asked for.']];

  test('an answer that is not kept is, once there is room, and is not written on', LIMIT, async () => {
    await withPage({ answers }, async (one) => {
      const { page, fill, close } = one;
      await driver.converse(page, 'About apples');
      await fill(true);
      await driver.converse(page, 'About bananas');
      const all = ['About apples', 'Crisp.', 'About bananas', 'Yellow.'];
      await notice(page).waitFor();
      await tryAgain(page);
      await notice(page).waitFor();
      assert.deepEqual(await texts(page), all);
      await fill(false);
      await tryAgain(page);
      await notice(page).waitFor({ state: 'detached' });
      assert.deepEqual(await texts(page), all);
      await reload(one);
      await driver.untilEqual(() => texts(page), all);
      await close();
    });
  });

  test('another tab that renames the conversation takes nothing from what is shown', LIMIT, async () => {
    await withPage({ answers }, async (one, open) => {
      const { page, fill, close } = one;
      await driver.converse(page, 'About apples');
      const other = await open();
      await fill(true);
      await driver.converse(page, 'About bananas');
      await notice(page).waitFor();
      await other.page.getByRole('button', { name: 'Rename “About apples”' }).click();
      await other.page.keyboard.type('Fruit');
      await other.page.keyboard.press('Enter');
      await page.locator('#conversations .title', { hasText: 'Fruit' }).waitFor();
      assert.equal((await texts(page)).at(-1), 'Yellow.');
      await fill(false);
      await tryAgain(page);
      await notice(page).waitFor({ state: 'detached' });
      await reload(one);
      await driver.untilEqual(async () => (await texts(page)).at(-1), 'Yellow.');
      await page.locator('#title', { hasText: 'Fruit' }).waitFor();
      await other.close();
      await close();
    });
  });

  test('a turn that was deleted is said to be there still, and goes once that can be kept', LIMIT, async () => {
    await withPage({ answers }, async (one) => {
      const { page, fill, close } = one;
      for (const question of ['About apples', 'About bananas']) await driver.converse(page, question);
      await fill(true);
      await page.locator('.message.assistant .delete').last().click();
      await page.locator('dialog.confirm .danger').click();
      await notice(page).waitFor();
      await fill(false);
      await tryAgain(page);
      await notice(page).waitFor({ state: 'detached' });
      await reload(one);
      await driver.untilEqual(() => texts(page), ['About apples', 'Crisp.']);
      await close();
    });
  });

  test('an import tells so, and lists what it has brought', LIMIT, async () => {
    const conversation = (id) => {
      const message = { id: `m${id}`, role: 'user', content: id, createdAt: 1 };
      return { id, title: id, renamed: true, createdAt: 1, updatedAt: 2, start: 0, messages: [message] };
    };
    await withPage({ answers }, async ({ page, close }) => {
      await page.evaluate(() => {
        const { put } = IDBObjectStore.prototype;
        IDBObjectStore.prototype.put = function (value, ...key) {
          if (value.id === 'second') throw new DOMException('No room.', 'QuotaExceededError');
          return put.call(this, value, ...key);
        };
      });
      const buffer = Buffer.from(writeArchive(['first', 'second'].map(conversation)));
      await page.locator('#import-file').setInputFiles({ name: 'two.json', mimeType: 'application/json', buffer });
      await page.locator('#problem', { hasText: 'not enough free space' }).waitFor();
      await driver.untilEqual(() => page.locator('#conversations .title').allTextContents(), ['first']);
      await close();
    });
  });
});
