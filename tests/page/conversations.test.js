// Several conversations: kept, found, renamed, deleted, taken out and brought back.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { readArchive, writeArchive } from '../../web/conversations/archive.js';
import { present } from '../present.js';
import { temporaryFolder } from '../small-model.js';
import { untyped } from '../untyped.js';
import * as driver from './driver.js';

const startBrowser = driver.shareBrowser();

const LIMIT = { timeout: 120_000 };
const FOLDER = temporaryFolder();
/** @param {string} text */
const pieces = (text) => text.match(/\s?\S+/g) ?? [];

/**
 * Each test has a browser profile of its own, so that it begins without conversations.
 * @param {driver.Script} script
 * @param {(one: driver.OpenedPage, open: () => Promise<driver.OpenedPage>) => Promise<unknown>} use
 */
async function withPage(script, use) {
  const browser = await startBrowser({ serviceWorkers: 'block' });
  try {
    const open = async () => {
      const opened = await driver.openPage(browser, { before: (page) => driver.scriptEngine(page, script) });
      await driver.untilReady(opened.page);
      opened.complaints.length = 0;
      return opened;
    };
    await use(await open(), open);
  } finally {
    await browser.close();
  }
}

/** @typedef {import('playwright-core').Page} Page */

/** @param {Page} page */
const titles = (page) => page.locator('#conversations .title').allTextContents();
/** @param {Page} page @param {string} title */
const row = (page, title) => page.locator('#conversations li', { hasText: title });
/** @param {Page} page @param {string[]} expected */
const untilTitles = (page, expected) =>
  page.waitForFunction(
    (wanted) => [...document.querySelectorAll('#conversations .title')].map((e) => e.textContent).join('|') === wanted,
    expected.join('|'),
  );

/** @param {Page} page @param {string} role @param {string[]} expected */
const untilTexts = (page, role, expected) =>
  driver.untilEqual(() => page.locator(`.message.${role} .text`).allTextContents(), expected);
/** @param {Page} page @param {number} count @param {string} [message] */
const untilCount = (page, count, message) => driver.untilEqual(() => page.locator('.message').count(), count, message);

/** @param {Page} page @param {string} question */
async function startChat(page, question) {
  await page.locator('#new-chat').click();
  await driver.converse(page, question);
}

/** @param {Page} page @param {string} name @param {string} content */
async function importFile(page, name, content) {
  const path = join(FOLDER, name);
  writeFileSync(path, content);
  await page.locator('#import-file').setInputFiles(path);
}

describe('conversations', () => {
  test('are kept with titles from their first messages, newest first', LIMIT, async () => {
    await withPage({ answers: [['**One.**'], ['Two.']] }, async (first, open) => {
      await startChat(first.page, 'About apples\nand more');
      await startChat(first.page, `About ${'very '.repeat(30)}long names`);
      await first.page.waitForFunction(() => document.querySelectorAll('#conversations .title').length === 2);
      const [long, short] = await titles(first.page);
      assert.equal(short, 'About apples');
      assert.ok(long.length <= 60 && long.endsWith('…'), long);
      await first.close();
      const second = await open();
      await untilTitles(second.page, [long, 'About apples']);
      await row(second.page, 'About apples').locator('.open').click();
      assert.equal(await second.page.locator('.message.user .text').textContent(), 'About apples\nand more');
      assert.equal(await second.page.locator('.message.assistant strong').textContent(), 'One.');
      await row(second.page, 'About apples').locator('.open[aria-current=page]').waitFor();
      await second.close();
    });
  });

  test('are found by the words in them', LIMIT, async () => {
    await withPage({ answers: [['Crisp and sweet.'], ['Yellow.']] }, async ({ page, close }) => {
      await startChat(page, 'About apples');
      await startChat(page, 'About bananas');
      await page.keyboard.press('Control+k');
      await page.keyboard.type('SWEET apples');
      await untilTitles(page, ['About apples']);
      await page.locator('#search').fill('nowhere');
      await page.locator('#no-conversations').waitFor();
      assert.equal(await page.locator('#no-conversations').textContent(), 'Nothing found.');
      await page.locator('#search').press('Escape');
      await untilTitles(page, ['About bananas', 'About apples']);
      await close();
    });
  });

  test('are renamed, also the one in use, and keep the name', LIMIT, async () => {
    await withPage({}, async ({ page, close }) => {
      await startChat(page, 'About apples');
      /** @param {string} name @param {string} key */
      const rename = async (name, key) => {
        await page.locator('#conversations li').hover();
        await page.locator('#conversations li .icon').first().click();
        await page.locator('.rename').fill(name);
        await page.locator('.rename').press(key);
      };
      await rename('Fruit', 'Enter');
      await untilTitles(page, ['Fruit']);
      await page.waitForFunction(() =>
        /** @type {HTMLElement} */ (document.activeElement).matches('#conversations .open'),
      );
      await driver.untilEqual(() => page.locator('#title').textContent(), 'Fruit');
      await rename('Nothing', 'Escape');
      await untilTitles(page, ['Fruit']);
      await driver.converse(page, 'And pears?');
      await untilTitles(page, ['Fruit']);
      await close();
    });
  });

  test('are deleted when that was meant', LIMIT, async () => {
    await withPage({}, async ({ page, close }) => {
      await startChat(page, 'About apples');
      await startChat(page, 'About bananas');
      /** @param {string} title @param {string} answer */
      const remove = async (title, answer) => {
        await row(page, title).hover();
        await row(page, title).locator('.icon').last().click();
        await page.locator(`dialog.confirm ${answer}`).click();
      };
      await remove('About bananas', 'button:not(.danger)');
      await untilTitles(page, ['About bananas', 'About apples']);
      await remove('About bananas', '.danger');
      await untilTitles(page, ['About apples']);
      await page.waitForFunction(() =>
        /** @type {HTMLElement} */ (document.activeElement).matches('#conversations .open'),
      );
      await untilCount(page, 0, 'the one in use is gone from the screen');
      await close();
    });
  });

  test('answer on while another one is read, each its own', LIMIT, async () => {
    const answers = [['Quick.'], pieces('a b c d e f g h i j k l m n'), ['Last.']];
    await withPage({ answers, holdAt: 5 }, async ({ page, close }) => {
      await startChat(page, 'First');
      await page.locator('#new-chat').click();
      await driver.ask(page, 'Second');
      await page.waitForFunction(() =>
        /a b/.test(document.querySelector('.message.assistant .text')?.textContent ?? ''),
      );
      await row(page, 'First').locator('.open').click();
      await row(page, 'Second').locator('.writing').waitFor();
      await page.locator('#stop').waitFor({ state: 'hidden' });
      await driver.ask(page, 'Third');
      await page.locator('.progress-note:not([hidden])').waitFor();
      await driver.release(page);
      await driver.untilIdle(page);
      await untilTexts(page, 'assistant', ['Quick.', 'Last.']);
      await row(page, 'Second').locator('.open').click();
      await page.waitForFunction(
        () => /** @type {HTMLElement} */ (document.querySelector('#title')).textContent === 'Second',
      );
      assert.equal(await page.locator('.message.assistant .text').textContent(), 'a b c d e f g h i j k l m n');
      await close();
    });
  });

  test('an answer that a closed tab broke off is kept as far as it came', LIMIT, async () => {
    const long = Array.from({ length: 400 }, (_, index) => ` w${index}`);
    await withPage({ answers: [long], pause: 25 }, async ({ page }, open) => {
      await driver.ask(page, 'Write a lot');
      await page.waitForFunction(() =>
        / w120 /.test(document.querySelector('.message.assistant .text')?.textContent ?? ''),
      );
      await page.close();
      const second = await open();
      await row(second.page, 'Write a lot').locator('.open').click();
      assert.match(present(await second.page.locator('.message.assistant .text').textContent()), /^w0 w1 .* w40/);
      assert.equal(await second.page.locator('.ending').textContent(), 'Stopped.');
      await second.page.close();
    });
  });

  test(
    'the address goes with the conversation: Back, Forward, a reload, another tab; it tells an id only',
    LIMIT,
    async () => {
      await withPage({ answers: [['Crisp.'], ['Yellow.']] }, async ({ page }, open) => {
        await startChat(page, 'About apples');
        await startChat(page, 'About bananas');
        await row(page, 'About apples').locator('.open').click();
        /** @param {Page} tab @param {string} title */
        const isShown = (tab, title) =>
          tab.waitForFunction(
            (wanted) => /** @type {HTMLElement} */ (document.querySelector('#title')).textContent === wanted,
            title,
          );
        await isShown(page, 'About apples');
        assert.match(page.url(), /\/#chat-[a-z0-9-]+$/, 'nothing of what was said');
        for (const [move, title] of [
          ['goBack', 'About bananas'],
          ['goBack', 'About apples'],
          ['goForward', 'About bananas'],
          ['goForward', 'About apples'],
        ]) {
          await untyped(page)[move]();
          await isShown(page, title);
        }
        await driver.converse(page, 'More of it');
        await page.goBack();
        await isShown(page, 'About bananas');
        await page.goForward();
        await isShown(page, 'About apples');
        // The link that skips to the field is no place to go back to.
        const before = page.url();
        await page.locator('#skip').press('Enter');
        await page.waitForFunction(() => /** @type {HTMLElement} */ (document.activeElement).id === 'prompt');
        assert.equal(page.url(), before);
        const reload = async () => {
          await page.reload();
          await driver.untilReady(page);
        };
        await reload();
        await isShown(page, 'About apples');
        assert.equal(await page.locator('.message.assistant .text').first().textContent(), 'Crisp.');
        await page.locator('#conversations li.current', { hasText: 'About apples' }).waitFor();

        const second = await open();
        await isShown(second.page, 'New chat');
        await second.page.goto(before);
        await isShown(second.page, 'About apples');

        // What another tab deletes leaves its address, and is said where somebody comes to it by a link.
        await row(page, 'About apples').hover();
        await row(page, 'About apples').locator('.icon').last().click();
        await page.locator('dialog.confirm .danger').click();
        await isShown(second.page, 'New chat');
        assert.ok(!second.page.url().includes('#'), second.page.url());
        await second.page.close();
        await isShown(page, 'New chat');
        await page.goto(before);
        await page.locator('#missing').waitFor();
        // What names no conversation at all does not stay.
        for (const stray of ['#nope', '#chat-%E0%A4%A']) {
          await page.goto(new URL(stray, page.url()).href);
          await page.waitForFunction(() => location.hash === '');
          await isShown(page, 'New chat');
        }
        await reload();
        await isShown(page, 'New chat');
        await untilCount(page, 0);
        await untilTitles(page, ['About bananas']);
        await driver.converse(page, 'On with it');
        await page.locator('#missing').waitFor({ state: 'hidden' });
        await page.close();
      });
    },
  );

  test(
    'two tabs that ask in one conversation at once lose nothing: one answers, the other keeps its text',
    LIMIT,
    async () => {
      await withPage({ answers: [['Crisp.'], pieces('a b c d e f g h i j k l m n')], holdAt: 5 }, async (one, open) => {
        await startChat(one.page, 'About apples');
        const other = await open();
        await row(other.page, 'About apples').locator('.open').click();
        await other.page.locator('.message.user').waitFor();
        await driver.ask(one.page, 'From one');
        await one.page.locator('#stop').waitFor();
        await driver.ask(other.page, 'From the other');
        await other.page.getByText('is answering in another tab').first().waitFor({ state: 'attached' });
        await other.page.waitForFunction(
          () => /** @type {HTMLInputElement} */ (document.querySelector('#prompt')).value === 'From the other',
        );
        await driver.release(one.page);
        await driver.untilIdle(one.page);
        await driver.ask(other.page, 'From the other');
        await untilTexts(other.page, 'user', ['About apples', 'From one', 'From the other']);
        await driver.untilIdle(other.page);
        await one.close();
        await other.close();
      });
    },
  );

  test('what one tab writes, another shows as it grows, with all that is above left as it stands', LIMIT, async () => {
    const answers = [['Crisp.'], pieces(Array.from({ length: 60 }, (_, index) => `w${index}`).join(' '))];
    // What an answer has grown to is kept every two seconds.
    await withPage({ answers, pause: 60, holdAt: 58 }, async (one, open) => {
      await startChat(one.page, 'About apples');
      const other = await open();
      await row(other.page, 'About apples').locator('.open').click();
      const first = other.page.locator('.message').first();
      await first.evaluate((element) => {
        element.dataset.stands = 'yes';
      });
      await driver.ask(one.page, 'More');
      await other.page.getByText('Being written in another tab…').waitFor();
      const growing = other.page.locator('.message.assistant').last();
      await growing.locator('.text', { hasText: 'w20' }).waitFor();
      assert.equal(await growing.locator('.ending, .icon').count(), 0, 'nothing says that it has ended');
      await driver.release(one.page);
      await driver.untilIdle(one.page);
      await growing.locator('.foot .regenerate').waitFor();
      assert.match(present(await growing.locator('.text').textContent()), /^w0 .* w59$/);
      assert.equal(await first.getAttribute('data-stands'), 'yes');
      assert.equal(await other.page.locator('.foot .regenerate').count(), 1, 'of the last one only');
      await one.close();
      await other.close();
    });
  });

  test('site data that is cleared under the page: what is said after it is kept, without an error', LIMIT, async () => {
    await withPage({}, async ({ page, close }) => {
      await startChat(page, 'About apples');
      const session = await page.context().newCDPSession(page);
      const origin = new URL(page.url()).origin;
      await session.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
      await driver.converse(page, 'And pears?');
      await untilTitles(page, ['About apples']);
      await page.evaluate(() => {
        location.hash = '#chat-nothere';
      });
      await page.locator('#missing').waitFor();
      await untilCount(page, 0);
      await close();
    });
  });

  test('a long one shows its end, and the rest on demand', LIMIT, async () => {
    const messages = Array.from({ length: 90 }, (_, index) => ({
      id: `m${index}`,
      role: index % 2 ? 'assistant' : 'user',
      content: `Message ${index}`,
      createdAt: index,
      finish: 'stop',
    }));
    const conversation = { id: 'long', title: 'Long', renamed: true, createdAt: 1, updatedAt: 2, start: 0, messages };
    await withPage({}, async ({ page, close }) => {
      await importFile(page, 'long.json', writeArchive(untyped([conversation])));
      await row(page, 'Long').locator('.open').click();
      await page.locator('.message').first().waitFor();
      await untilCount(page, 40);
      for (const count of [80, 90]) {
        await page.locator('.earlier').click();
        await untilCount(page, count);
      }
      assert.equal(await page.locator('.earlier').count(), 0);
      assert.equal(await page.locator('.message').first().locator('.text').textContent(), 'Message 0');
      await close();
    });
  });

  test('go out as JSON and come back the same, into another browser', LIMIT, async () => {
    let json = '';
    const answers = [['<think>Hm.</think>Crisp.'], ['Yellow.']];
    await withPage({ answers }, async ({ page, close }) => {
      await startChat(page, 'About apples');
      await startChat(page, 'About bananas');
      const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
      assert.match(download.suggestedFilename(), /^nibble-\d{4}-\d\d-\d\d\.json$/);
      json = readFileSync(await download.path(), 'utf8');
      await close();
    });
    assert.equal(readArchive(json).length, 2);
    await withPage({}, async ({ page, close }) => {
      await importFile(page, 'export.json', json);
      await untilTitles(page, ['About bananas', 'About apples']);
      const note = page.locator('#imported');
      await note.getByText('2 conversations were imported.').waitFor();
      await note.getByRole('button', { name: 'Close' }).click();
      await note.waitFor({ state: 'hidden' });
      await page.waitForFunction(() => /** @type {HTMLElement} */ (document.activeElement).id === 'import');
      await row(page, 'About apples').locator('.open').click();
      assert.equal(await page.locator('.message.assistant .text').textContent(), 'Crisp.');
      const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
      const again = readArchive(readFileSync(await download.path(), 'utf8'));
      assert.deepEqual(again, readArchive(json));
      await importFile(page, 'export.json', json);
      await note.getByText('all of these conversations are here already').waitFor();
      await untilTitles(page, ['About bananas', 'About apples']);
      await close();
    });
  });

  test('a file that is no export changes nothing and is called so', LIMIT, async () => {
    const good = { id: 'a', title: 'A', createdAt: 1, updatedAt: 1, messages: [] };
    const archive = (/** @type {object} */ changes) =>
      JSON.stringify({ format: 'nibble-conversations', version: 1, ...changes });
    const bad = {
      ARCHIVE_BAD_JSON: '{"format": ',
      ARCHIVE_UNKNOWN: '{"some": "thing"}',
      ARCHIVE_VERSION: archive({ version: 99, conversations: [] }),
      ARCHIVE_DAMAGED: archive({ conversations: [good, { id: 'b', title: 'B', messages: [{ role: 'root' }] }] }),
    };
    await withPage({}, async ({ page, close }) => {
      await startChat(page, 'About apples');
      for (const [code, content] of Object.entries(bad)) {
        await importFile(page, `${code}.json`, content);
        await page.locator(`#problem[data-code=${code}]`).waitFor();
        await page.locator('#dismiss').click();
      }
      await untilTitles(page, ['About apples']);
      await close();
    });
  });

  test(
    'what an earlier version took out of a file hides no other conversation, and can be deleted',
    LIMIT,
    async () => {
      await withPage({}, async ({ page, close }, open) => {
        await startChat(page, 'About apples');
        await untilTitles(page, ['About apples']);
        await page.evaluate(async () => {
          const request = indexedDB.open('nibble-conversations');
          const database = await new Promise((resolve) => {
            request.onsuccess = () => resolve(request.result);
          });
          const transaction = database.transaction(['heads', 'messages'], 'readwrite');
          for (const [id, updatedAt] of /** @type {[string, number][]} */ ([
            ['half \ud800', 1],
            ['late', 1e300],
          ])) {
            transaction.objectStore('heads').put({ id, title: id.slice(0, 4), renamed: true, updatedAt, start: 0 });
            transaction.objectStore('messages').put([], id);
          }
          await new Promise((resolve) => {
            transaction.oncomplete = resolve;
          });
          database.close();
        });
        await close();
        const { page: later, close: closeLater } = await open();
        await untilTitles(later, ['late', 'About apples', 'half']);
        for (const title of ['half', 'late']) {
          await row(later, title).hover();
          await row(later, title).locator('.icon').last().click();
          await later.locator('dialog.confirm .danger').click();
          await row(later, title).waitFor({ state: 'detached' });
        }
        await untilTitles(later, ['About apples']);
        await closeLater();
      });
    },
  );

  test('are read a few times, however many of them another tab changes at once', LIMIT, async () => {
    await withPage({}, async ({ page, close }) => {
      await startChat(page, 'About apples');
      await untilTitles(page, ['About apples']);
      const readings = await page.evaluate(async () => {
        const { getAll } = IDBObjectStore.prototype;
        let count = 0;
        IDBObjectStore.prototype.getAll = function (...given) {
          count++;
          return getAll.apply(this, given);
        };
        const channel = new BroadcastChannel('nibble-conversations');
        for (let index = 0; index < 500; index++) channel.postMessage('elsewhere');
        channel.close();
        // The rows are the same as before, so that nothing of the list need be drawn anew.
        while (count === 0) await new Promise((resolve) => setTimeout(resolve, 20));
        await new Promise((resolve) => setTimeout(resolve, 500));
        return count;
      });
      assert.ok(readings > 0 && readings < 250, `the list was read ${readings} times`);
      await close();
    });
  });

  test('an import that works takes away what was said of one that did not', LIMIT, async () => {
    const good = { id: 'a', title: 'A', createdAt: 1, updatedAt: 1, messages: [] };
    await withPage({}, async ({ page, close }) => {
      await importFile(page, 'bad.json', 'nothing');
      await page.locator('#problem').waitFor();
      const archive = { format: 'nibble-conversations', version: 1, conversations: [good] };
      await importFile(page, 'good.json', JSON.stringify(archive));
      await untilTitles(page, ['A']);
      await page.locator('#problem').waitFor({ state: 'hidden' });
      await close();
    });
  });
});
