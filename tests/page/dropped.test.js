// Files that are dropped on the page one beside or behind the other.
import { after, before, test } from 'node:test';
import { drag } from './drag.js';
import * as driver from './driver.js';

const LIMIT = { timeout: 180_000 };

/** @type {driver.Browser} */
let browser;

before(async () => {
  browser = await driver.startBrowser({ serviceWorkers: 'block' });
});

after(() => browser?.close());

/** @param {object} script */
async function open(script) {
  const before = (/** @type {import('playwright-core').Page} */ page) => driver.scriptEngine(page, script);
  const opened = await driver.openPage(browser, { before });
  await driver.untilReady(opened.page);
  opened.complaints.length = 0;
  return opened;
}

/** @param {import('playwright-core').Page} page @returns {Promise<number>} */
const loads = (page) => page.evaluate(() => globalThis.loads);

/** The names of those that were loaded. @param {import('playwright-core').Page} page */
const loaded = (page) => page.evaluate(() => globalThis.loaded);

/** And of those whose header was asked for. @param {import('playwright-core').Page} page */
const described = (page) => page.evaluate(() => globalThis.described);

test(
  'a model that is dropped is loaded, whatever that is no model is dropped beside it or behind it',
  LIMIT,
  async () => {
    const opened = await open({});
    const { page } = opened;
    await driver.untilReady(page);
    const dropAll = (/** @type {{ name: string, bytes: string }[]} */ files) =>
      drag(page, ['dragenter', 'dragover', 'drop'], { files });
    const model = { name: 'mine.gguf', bytes: 'GGUF' };
    const archive = (/** @type {string} */ id) => {
      const message = { id: `m${id}`, role: 'user', content: id, createdAt: 1 };
      const chat = { id, title: id, renamed: true, createdAt: 1, updatedAt: 2, start: 0, messages: [message] };
      const bytes = JSON.stringify({ format: 'nibble-conversations', version: 1, conversations: [chat] });
      return { name: `${id}.json`, bytes };
    };
    // At once.
    await dropAll([archive('one'), model]);
    await driver.untilEqual(() => loads(page), 2);
    await page.locator('#conversations .title', { hasText: 'one' }).waitFor();
    // While its header is read.
    for (const other of [archive('two'), { name: 'paper.pdf', bytes: '%PDF-1.4' }]) {
      const before = await loads(page);
      await page.evaluate(() => {
        const heldHeader = new Promise((goOn) => Object.assign(globalThis, { goOn }));
        Object.assign(globalThis, { heldHeader });
      });
      await dropAll([model]);
      await dropAll([other]);
      if (other.name === 'two.json') await page.locator('#conversations .title', { hasText: 'two' }).waitFor();
      else await page.locator('#problem[data-code=GGUF_BAD_MAGIC]').waitFor();
      await page.evaluate(() => globalThis.goOn());
      await driver.untilEqual(() => loads(page), before + 1);
    }
    // Of two models the one that came last, also where the first is slower to be looked at.
    const before = (await loaded(page)).length;
    await page.evaluate(() => {
      const heldHeader = new Promise((goOn) => Object.assign(globalThis, { goOn }));
      Object.assign(globalThis, { heldHeader, described: [] });
    });
    await dropAll([{ name: 'slow.gguf', bytes: 'GGUF' }]);
    await driver.untilEqual(() => described(page), ['slow.gguf']);
    await page.evaluate(() => Object.assign(globalThis, { heldHeader: null }));
    await dropAll([{ name: 'later.gguf', bytes: 'GGUF' }]);
    const since = async () => (await loaded(page)).slice(before);
    await driver.untilEqual(since, ['later.gguf']);
    // Were the slow one loaded now, its load would have begun with the next turn of the event loop, and be before one that
    // is dropped only then.
    await page.evaluate(() => {
      globalThis.goOn();
      return new Promise((resolve) => setTimeout(resolve));
    });
    await dropAll([{ name: 'last.gguf', bytes: 'GGUF' }]);
    await driver.untilEqual(since, ['later.gguf', 'last.gguf']);
    opened.complaints.length = 0;
    await opened.close();
  },
);
