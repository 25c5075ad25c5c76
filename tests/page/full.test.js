// A storage that is full while somebody chats: nothing is lost as long as the page is open, and it is kept once there is room.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { writeArchive } from '../../web/conversations/archive.js';
import { untyped } from '../untyped.js';
import * as driver from './driver.js';

/** @typedef {import('../../web/conversations/conversations.js').Conversation} Conversation */

const startBrowser = driver.shareBrowser();

const LIMIT = { timeout: 120_000 };

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {driver.OpenedPage & { fill: (isFull: boolean | string) => Promise<void> }} FillablePage */

/**
 * The page in a browser of its own, whose storage is full from `fill(true)` to `fill(false)`.
 * @param {driver.Script} script
 * @param {(one: FillablePage, open: () => Promise<FillablePage>) => Promise<unknown>} use
 */
async function withPage(script, use) {
  const browser = await startBrowser({ serviceWorkers: 'block', acceptDownloads: true });
  // A browser looks now and then only how much room there is.
  /** @param {Page} page */
  const before = async (page) => {
    await driver.scriptEngine(page, script);
    await page.addInitScript(() => {
      const prototype = /** @type {Record<string, (this: IDBObjectStore, ...given: unknown[]) => IDBRequest>} */ (
        /** @type {object} */ (IDBObjectStore.prototype)
      );
      for (const name of ['put', 'delete']) {
        const work = prototype[name];
        prototype[name] = function (...given) {
          if (window.isFull === true || window.isFull === this.name)
            throw new DOMException('No room.', 'QuotaExceededError');
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
      const fill = (/** @type {boolean | string} */ isFull) =>
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

/** @param {Page} page */
const texts = (page) => page.locator('.message .text').allTextContents();
/** @param {Page} page */
const notice = (page) => page.locator('.notice', { hasText: 'not stored' });
/** @param {Page} page */
const titles = (page) => page.locator('#conversations .title').allTextContents();
/** @param {Page} page */
const bar = (page) => page.locator('#unkept');
/** @param {Page} page @param {string} title */
const openChat = (page, title) => page.locator('#conversations .open', { hasText: title }).click();
/** @param {Page} page */
const tryAgain = (page) => notice(page).getByRole('button', { name: 'Try again' }).click();

/** @param {driver.OpenedPage} opened */
async function reload({ page, complaints }) {
  await page.reload();
  await driver.untilReady(page);
  complaints.length = 0;
}

describe('where the storage is full', () => {
  const answers = [['Crisp.'], ['Yellow.'], ['Never asked for.']];

  for (const [what, where] of /** @type {const} */ ([
    ['', true],
    [', nor half of it,', 'messages'],
  ]))
    test(`an answer that is not kept${what} is, once there is room, and is not written on`, LIMIT, () =>
      isKeptOnceThereIsRoom(where),
    );

  /** @param {boolean | string} where what refuses to be written: everything, or the store of that name */
  const isKeptOnceThereIsRoom = (where) =>
    withPage({ answers }, async (one) => {
      const { page, fill, close } = one;
      await driver.converse(page, 'About apples');
      await fill(where);
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

  test(
    'what ends out of sight stays: it is named, listed, found, exported, and kept once there is room',
    LIMIT,
    async () => {
      const script = { answers: [['Crisp.'], ['Quite', ' yellow.'], ['Sour.']], holdAt: 1 };
      await withPage(script, async (one) => {
        const { page, fill, close } = one;
        await driver.converse(page, 'About apples');
        await fill(true);
        await driver.ask(page, 'About bananas');
        await page.locator('.message.assistant .text', { hasText: 'Quite' }).waitFor();
        await page.locator('#new-chat').click();
        await driver.untilEqual(() => texts(page), []);
        assert.equal(await bar(page).isVisible(), false, 'it is being written');
        await driver.release(page);
        await bar(page).waitFor();
        assert.match(await bar(page).innerText(), /last in “About apples” is not stored.*not enough free space/);
        await driver.shoot(page, 'unkept');
        // A chat that is in this page only.
        await driver.converse(page, 'About lemons');
        await notice(page).waitFor();
        await openChat(page, 'About apples');
        const all = ['About apples', 'Crisp.', 'About bananas', 'Quite yellow.'];
        await driver.untilEqual(() => texts(page), all);
        await notice(page).waitFor();
        assert.match(await bar(page).innerText(), /last in “About lemons” is not stored/);
        await page.locator('#search').fill('yellow');
        await driver.untilEqual(() => titles(page), ['About apples']);
        await page.locator('#search').fill('lemons');
        await driver.untilEqual(() => titles(page), ['About lemons']);
        await page.locator('#search').fill('');
        await driver.untilEqual(() => titles(page), ['About lemons', 'About apples']);
        const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
        const { conversations } = JSON.parse(readFileSync(await download.path(), 'utf8'));
        const contents = conversations.map((/** @type {Conversation} */ { messages }) =>
          messages.map(({ content }) => content),
        );
        assert.deepEqual(contents, [['About lemons', 'Sour.'], all]);
        await page.locator('#unkept-retry').click();
        await page.locator('#announcer', { hasText: 'About lemons' }).waitFor({ state: 'attached' });
        await page.locator('#unkept-open').click();
        await driver.untilEqual(() => texts(page), ['About lemons', 'Sour.']);
        await fill(false);
        // What is kept again makes room for the others.
        await tryAgain(page);
        await bar(page).waitFor({ state: 'hidden' });
        await notice(page).waitFor({ state: 'detached' });
        await openChat(page, 'About apples');
        await driver.untilEqual(() => texts(page), all);
        assert.equal(await notice(page).count(), 0);
        await reload(one);
        await driver.untilEqual(() => texts(page), all);
        await openChat(page, 'About lemons');
        await driver.untilEqual(() => texts(page), ['About lemons', 'Sour.']);
        await close();
      });
    },
  );

  test('what is left and come back to is as it was, and is kept when it is not looked at', LIMIT, async () => {
    await withPage({ answers }, async (one) => {
      const { page, fill, close } = one;
      await driver.converse(page, 'About apples');
      await page.locator('#new-chat').click();
      await driver.converse(page, 'About lemons');
      await fill(true);
      await page.locator('.message.assistant .delete').last().click();
      await page.locator('dialog.confirm .danger').click();
      await notice(page).waitFor();
      await openChat(page, 'About apples');
      await driver.untilEqual(() => texts(page), ['About apples', 'Crisp.']);
      await bar(page).waitFor();
      await openChat(page, 'About lemons');
      await notice(page).waitFor();
      assert.deepEqual(await texts(page), []);
      await openChat(page, 'About apples');
      await fill(false);
      await page.locator('#unkept-retry').click();
      await bar(page).waitFor({ state: 'hidden' });
      await driver.untilEqual(() => titles(page), ['About apples']);
      await reload(one);
      await driver.untilEqual(() => titles(page), ['About apples']);
      await close();
    });
  });

  test(
    'a name that cannot be given and a conversation that cannot be deleted stay, and that is said',
    LIMIT,
    async () => {
      await withPage({ answers }, async ({ page, fill, close }) => {
        const problem = page.locator('#problem');
        await driver.converse(page, 'About apples');
        await fill(true);
        await page.getByRole('button', { name: 'Rename “About apples”' }).click();
        await page.keyboard.type('Fruit');
        await page.keyboard.press('Enter');
        await problem.getByText('“About apples” could not be renamed.').waitFor();
        assert.match(await problem.innerText(), /not enough free space/);
        await driver.untilEqual(() => titles(page), ['About apples']);
        await page.locator('#dismiss').click();
        await page.locator('#conversations li').hover();
        await page.getByRole('button', { name: 'Delete “About apples”' }).click();
        await page.locator('dialog.confirm .danger').click();
        await problem.getByText('“About apples” could not be deleted.').waitFor();
        await driver.shoot(page, 'not-deleted');
        await openChat(page, 'About apples');
        await driver.untilEqual(() => texts(page), ['About apples', 'Crisp.']);
        await close();
      });
    },
  );

  test('an import tells so, and lists what it has brought', LIMIT, async () => {
    /** @param {string} id */
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
      const buffer = Buffer.from(writeArchive(untyped(['first', 'second', 'third'].map(conversation))));
      await page.locator('#import-file').setInputFiles({ name: 'two.json', mimeType: 'application/json', buffer });
      await page.locator('#problem', { hasText: 'not enough free space' }).waitFor();
      const told = '1 conversation was imported. 2 conversations of the file were not imported any more.';
      await page.locator('#imported', { hasText: told }).waitFor();
      await driver.untilEqual(() => page.locator('#conversations .title').allTextContents(), ['first']);
      await driver.shoot(page, 'not-all-imported');
      await close();
    });
  });
});
