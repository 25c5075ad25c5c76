// The page in two tabs of one browser: both come to a model that one of them fetches, and neither harms the other.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { serveModels } from '../model-server.js';
import { present } from '../present.js';
import * as driver from './driver.js';

const startBrowser = driver.shareBrowser();

/** @typedef {import('../model-server.js').ModelServer} ModelServer */
/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 240_000 };
const PATIENCE = 60_000;

/** @type {ModelServer} */
let models;
const gates = { '/once.gguf': createGate(), '/held.gguf': createGate() };

before(async () => {
  const bytes = readFileSync(driver.MODEL);
  const served = Object.entries(gates).map(([path, { gate }]) => [path, { bytes, gate }]);
  models = await serveModels(Object.fromEntries(served));
});

after(() => models?.close());

/** What a file waits for in its midst, so that a test steps in between however slow the machine is. */
function createGate() {
  let open = () => {};
  /** @type {Promise<void>} */
  const gate = new Promise((resolve) => {
    open = resolve;
  });
  return { gate, open };
}

/** A browser with nothing stored, whose pages note what they say while they load. */
async function startTabs(settings = {}) {
  const browser = await startBrowser();
  await browser.context.addInitScript((given) => {
    if (localStorage.getItem('nibble.settings') === null) localStorage.setItem('nibble.settings', given);
    window.told = new Set();
    document.addEventListener('DOMContentLoaded', () => {
      const text = /** @type {HTMLElement} */ (document.querySelector('#loading-text'));
      new MutationObserver(() => window.told.add(text.textContent.split(':')[0])).observe(text, {
        childList: true,
      });
    });
  }, JSON.stringify(settings));
  return browser;
}

/** @param {driver.Browser} browser */
const openTabs = (browser) => Promise.all([driver.openPage(browser), driver.openPage(browser)]);
/** @param {Page} page */
const told = (page) => page.evaluate(() => [...window.told]);

/** What the store holds, and whether all of it is whole. @param {Page} page */
const lookIntoStore = (page) =>
  page.evaluate(async () => {
    const { openModelStore } = await import('/nibble/index.js');
    const store = await openModelStore();
    const found = [];
    for (const { id, state } of await store.list()) {
      found.push({ file: id.split('/').at(-1), state, damaged: (await store.verify(id)).damaged });
    }
    await store.close();
    return found;
  });

/** @param {Page} page */
async function openModels(page) {
  await page.locator('#model-button').click();
  await page.locator('#models-panel meter').waitFor();
}

/** @param {Page} page */
async function remove(page) {
  await page
    .locator('#models-panel')
    .getByRole('button', { name: /^Delete / })
    .click();
  await page.locator('dialog.confirm .danger').click();
}

describe('two tabs', () => {
  test('of a first visit both answer, from one whole copy of the included model', LIMIT, async () => {
    const browser = await startTabs();
    try {
      const tabs = await openTabs(browser);
      const answers = await Promise.all(
        tabs.map(async ({ page }) => {
          await driver.untilReady(page);
          return driver.converse(page, 'Hello');
        }),
      );
      for (const answer of answers) assert.match(answer, /\p{L}/u);
      const [{ page }] = tabs;
      assert.deepEqual(await lookIntoStore(page), [{ file: 'nibble-tiny.gguf', state: 'complete', damaged: [] }]);
      for (const tab of tabs) await tab.page.locator('#status-storage', { hasText: 'IndexedDB' }).waitFor();
      // Each lists the other's conversation.
      for (const tab of tabs) {
        await tab.page.waitForFunction(() => document.querySelectorAll('#conversations li').length === 2);
      }
      for (const tab of tabs) await tab.close();
    } finally {
      await browser.close();
    }
  });

  test('that want the same model fetch it once: one imports it, the other waits and says so', LIMIT, async () => {
    const browser = await startTabs({ model: { url: `${models.url}once.gguf` } });
    try {
      models.requests.length = 0;
      const tabs = await openTabs(browser);
      /** @param {string[]} texts */
      const waits = (texts) => texts.some((text) => text.startsWith('Another tab is storing'));
      /** @param {string[]} texts */
      const fetches = (texts) => texts.includes('Downloading');
      const listen = () => Promise.all(tabs.map(({ page }) => told(page)));
      /** @param {string[][]} each */
      const haveMet = (each) => each.some(waits) && each.every((texts) => waits(texts) || fetches(texts));
      // However late one of them comes: the file does not end before both have said what they do.
      let said = await listen();
      for (const end = Date.now() + PATIENCE; !haveMet(said) && Date.now() < end; said = await listen());
      gates['/once.gguf'].open();
      for (const { page } of tabs) await driver.untilReady(page);
      said = await listen();
      assert.equal(said.filter(fetches).length, 1, JSON.stringify(said));
      // The one that fetches may have waited too: for the other to see that nothing is stored.
      const other = said.find((texts) => !fetches(texts));
      assert.ok(waits(present(other)), JSON.stringify(said));
      const ranges = models.requests.map(({ range }) => range);
      assert.equal(new Set(ranges).size, ranges.length, `no part is fetched twice: ${ranges}`);
      for (const { page } of tabs) assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
      assert.deepEqual(await lookIntoStore(tabs[1].page), [{ file: 'once.gguf', state: 'complete', damaged: [] }]);
      for (const { complaints } of tabs) assert.deepEqual(complaints, []);
    } finally {
      await browser.close();
    }
  });

  test('may not take a model from each other while it is stored, and may when it is in memory', LIMIT, async () => {
    const browser = await startTabs();
    try {
      const [user, other] = await openTabs(browser);
      for (const { page } of [user, other]) await driver.untilReady(page);
      await openModels(user.page);
      await user.page.getByLabel('Address of a .gguf file').fill(`${models.url}held.gguf`);
      await user.page.getByRole('button', { name: 'Check', exact: true }).click();
      await user.page.locator('.models-offer .accent').click();
      await user.page.locator('.models-row progress[value]').waitFor();

      await openModels(other.page);
      await remove(other.page);
      const problem = other.page.locator('.models-problem');
      await problem.waitFor();
      assert.equal(await problem.textContent(), 'Another tab is using this. Close it and try again. (STORE_BUSY)');
      gates['/held.gguf'].open();

      // The download was not harmed, and what is in use is in memory.
      await user.page.getByRole('button', { name: /^Use Nibble tiny/ }).click();
      await driver.untilReady(user.page);
      assert.match(await driver.converse(user.page, 'Hello'), /\p{L}/u);
      await other.page.keyboard.press('Escape');
      await openModels(other.page);
      await remove(other.page);
      await other.page
        .locator('#models-panel')
        .getByRole('button', { name: /^Delete / })
        .waitFor({ state: 'detached' });
      assert.deepEqual(
        (await lookIntoStore(other.page)).map(({ file }) => file),
        ['nibble-tiny.gguf'],
      );
      assert.match(await driver.converse(user.page, 'Who are you?'), /\p{L}/u);
      // The next start does not look for what is gone.
      await user.page.reload();
      await driver.untilReady(user.page);
      await driver.untilEqual(() => user.page.evaluate(() => localStorage.getItem('nibble.settings')), '{}');
      for (const { complaints } of [user, other]) assert.deepEqual(complaints, []);
    } finally {
      await browser.close();
    }
  });

  test(
    'with another place for models chosen in one, the other lists that, and deletes what it has asked about',
    LIMIT,
    async () => {
      const browser = await startTabs();
      try {
        const [one, other] = await openTabs(browser);
        for (const { page } of [one, other]) await driver.untilReady(page);
        const places = () =>
          one.page.evaluate(async () => {
            const { openModelStore } = await import('/nibble/index.js');
            /** @type {Record<string, string[]>} */
            const found = {};
            for (const kind of /** @type {const} */ (['indexeddb', 'opfs'])) {
              const store = await openModelStore({ store: kind });
              found[kind] = (await store.list()).map(({ name }) => name);
              await store.close();
            }
            return found;
          });
        await one.page.evaluate(async () => {
          const { openModelStore } = await import('/nibble/index.js');
          const response = await fetch('/models/nibble-tiny.gguf');
          const file = new File([await response.blob()], 'twice.gguf', { lastModified: 1 });
          for (const kind of /** @type {const} */ (['indexeddb', 'opfs'])) {
            const store = await openModelStore({ store: kind });
            const { id } = await store.import(file);
            await store.rename(id, `twice in ${kind}`);
            await store.close();
          }
        });
        for (const { page } of [one, other]) await openModels(page);
        await one.page.getByRole('button', { name: 'Delete twice in indexeddb', exact: true }).click();
        await other.page.locator('#models-kind').selectOption('opfs');
        await one.page.locator('.models-row', { hasText: 'twice in opfs' }).waitFor();
        assert.equal(await one.page.locator('#models-kind').inputValue(), 'opfs');
        await one.page.locator('dialog.confirm .danger').click();
        await driver.untilEqual(places, { indexeddb: ['Nibble tiny'], opfs: ['twice in opfs'] });
        for (const { complaints } of [one, other]) assert.deepEqual(complaints, []);
      } finally {
        await browser.close();
      }
    },
  );

  test('take over from each other what is set', LIMIT, async () => {
    const browser = await startTabs();
    try {
      const [one, other] = await openTabs(browser);
      for (const { page } of [one, other]) await driver.untilReady(page);
      await one.page.locator('#open-settings').click();
      await one.page.locator('#setting-theme').selectOption('dark');
      await other.page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
      await other.page.locator('#open-settings').click();
      await other.page.locator('#setting-topK').fill('7');
      await other.page.locator('#setting-topK').press('Tab');
      // What one tab stores is in another's view a moment later.
      const stored = async () =>
        JSON.parse(present(await one.page.evaluate(() => localStorage.getItem('nibble.settings'))));
      await driver.untilEqual(stored, { theme: 'dark', topK: 7 });
      for (const tab of [one, other]) await tab.close();
    } finally {
      await browser.close();
    }
  });
});
