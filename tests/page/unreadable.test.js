// Conversations that the browser cannot read any more, since files of its profile are gone: the others are listed, found,
// opened and taken out as ever.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readArchive, writeArchive } from '../../web/conversations/archive.js';
import { serve } from '../../web/serve.js';
import { openChromium, removeValueFiles } from '../chromium.js';
import { temporaryFolder } from '../small-model.js';
import { untyped } from '../untyped.js';
import { drag } from './drag.js';
import * as driver from './driver.js';

const LIMIT = { timeout: 180_000 };
// Chromium keeps values of such a length in files of their own.
const LONG = randomBytes(150_000).toString('hex');

const chat = (/** @type {string} */ title, { id = title, content = `Text of ${title}` } = {}) => {
  const messages = [{ id: `${id}-1`, role: 'user', content, createdAt: 1 }];
  return { id, title, renamed: true, createdAt: 1, updatedAt: 2, start: 0, messages };
};
const CHATS = [chat('Apples'), chat('Bananas', { content: LONG }), chat(LONG, { id: 'cherries' }), chat('Dates')];

/** @param {string} profile @param {{ url: string, others: string[], close: () => Promise<void> }} server */
async function openPage(profile, server) {
  const browser = await openChromium({ profile, locale: 'en-GB', serviceWorkers: 'block', acceptDownloads: true });
  browser.context.setDefaultTimeout(60_000);
  const opened = await driver.openPage(
    { server, context: browser.context },
    { before: (p) => driver.scriptEngine(p, {}) },
  );
  await driver.untilReady(opened.page);
  return { ...opened, browser };
}

/** Without service workers, which the browser itself complains of. @param {string[]} complaints */
function assertQuiet(complaints) {
  assert.deepEqual(
    complaints.filter((text) => !text.startsWith('Service Worker registration')),
    [],
  );
}

test('a conversation that cannot be read says so, can be deleted, and hides no other', LIMIT, async () => {
  const profile = temporaryFolder();
  const server = await serve({ port: 0 });
  try {
    const first = await openPage(profile, server);
    const buffer = Buffer.from(writeArchive(untyped(CHATS)));
    await first.page.locator('#import-file').setInputFiles({ name: 'a.json', mimeType: 'application/json', buffer });
    await first.page.locator('#imported', { hasText: '4 conversations were imported' }).waitFor();
    await first.browser.close();
    assert.ok(removeValueFiles(profile) > 0, 'there are files to lose');
    const { page, browser, complaints } = await openPage(profile, server);
    try {
      complaints.length = 0;
      const titles = () =>
        page
          .locator('#conversations .title')
          .allTextContents()
          .then((all) => all.sort());
      /** @param {string} title */
      const link = (title) => page.locator('#conversations .open', { hasText: title });
      /** @param {string} text */
      const problem = (text) => page.locator('#problem', { hasText: text });
      await driver.untilEqual(titles, ['Apples', 'Bananas', 'Dates', 'Untitled']);
      await link('Apples').click();
      await page.locator('.message', { hasText: 'Text of Apples' }).waitFor();
      await link('Bananas').click();
      await problem('“Bananas” could not be opened. This browser can no longer read').waitFor();
      assert.equal(await page.locator('#title').textContent(), 'Apples', 'what was shown stays');
      await drag(page, ['drop'], { name: 'mine.gguf', bytes: 'GGUF' });
      await driver.untilEqual(() => page.evaluate(() => globalThis.loads), 2);
      await driver.untilEqual(() => page.locator('#model-state').getAttribute('data-state'), 'ready');
      assert.equal(await problem('“Bananas” could').isVisible(), true, 'also when another model has come');
      await page.locator('#dismiss').click();
      const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
      const exported = readArchive(readFileSync(await download.path(), 'utf8')).map(({ title }) => title);
      assert.deepEqual(exported.sort(), ['Apples', 'Dates']);
      const incomplete = problem('but not “Bananas” and “Untitled”');
      await incomplete.waitFor();
      await page.locator('#search').fill('text of');
      await driver.untilEqual(titles, ['Apples', 'Dates']);
      await page.locator('#search').press('Escape');
      await driver.untilEqual(titles, ['Apples', 'Bananas', 'Dates', 'Untitled']);
      // By its address, in the page that is open, which goes on with a new chat, and in one that begins with it.
      await page.goto(`${server.url}#chat-Bananas`);
      await problem('“Bananas” could not be opened').waitFor();
      await page.waitForURL(server.url);
      await page.locator('#dismiss').click();
      assert.equal(await incomplete.isVisible(), true, 'that of the export is still to be read');
      await page.goto('about:blank');
      await page.goto(`${server.url}#chat-Bananas`);
      await problem('“Bananas” could not be opened').waitFor();
      assert.equal(await page.locator('#missing').isVisible(), false);
      for (const title of ['Bananas', 'Untitled']) {
        const row = page.locator('#conversations li', { hasText: title });
        await row.hover();
        await row.locator('.icon').last().click();
        await page.locator('dialog.confirm .danger').click();
        await row.waitFor({ state: 'detached' });
      }
      await driver.untilEqual(titles, ['Apples', 'Dates']);
      assertQuiet(complaints);
    } finally {
      await browser.close();
    }
  } finally {
    await server.close();
  }
});

test('where nothing can be read for now, an export and a search say so', LIMIT, async () => {
  const profile = temporaryFolder();
  const server = await serve({ port: 0 });
  try {
    const { page, browser, complaints } = await openPage(profile, server);
    try {
      await driver.converse(page, 'About apples');
      await page.evaluate(() => {
        for (const name of /** @type {const} */ (['get', 'getAll', 'getAllKeys'])) {
          IDBObjectStore.prototype[name] = () => {
            throw new DOMException('Not now.', 'InvalidStateError');
          };
        }
      });
      await page.locator('#export').click();
      await page.locator('#problem', { hasText: 'The conversations could not be exported.' }).waitFor();
      await page.locator('#dismiss').click();
      await page.locator('#search').fill('apples');
      await page.locator('#problem', { hasText: 'The conversations could not be read.' }).waitFor();
      assertQuiet(complaints);
    } finally {
      await browser.close();
    }
  } finally {
    await server.close();
  }
});
