// What is not kept yet, and what another tab does meanwhile: a text that is being typed, a list of models that is open.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { present } from '../present.js';
import * as driver from './driver.js';

const startBrowser = driver.shareBrowser();
const LIMIT = { timeout: 240_000 };

describe('while another tab changes something', () => {
  test('a text stays in the form of the settings when another tab changes the language', LIMIT, async () => {
    const browser = await startBrowser();
    try {
      const [one, other] = [await driver.openPage(browser), await driver.openPage(browser)];
      for (const { page } of [one, other]) await driver.untilReady(page);
      for (const { page } of [one, other]) await page.locator('#open-settings').click();
      const field = other.page.locator('#setting-systemPrompt');
      const number = other.page.locator('#setting-topK');
      await number.fill('-5');
      await number.press('Tab');
      await field.pressSequentially('Be brief and');
      await one.page.locator('#setting-language').selectOption('zh');
      await other.page.waitForFunction(() => document.documentElement.lang.startsWith('zh'));
      assert.equal(await field.inputValue(), 'Be brief and');
      assert.equal(await number.inputValue(), '-5');
      assert.equal(await number.getAttribute('aria-invalid'), 'true');
      // As the reader writes on, and leaves.
      await other.page.keyboard.type(' kind');
      await other.page.keyboard.press('Tab');
      const stored = async () =>
        JSON.parse(present(await one.page.evaluate(() => localStorage.getItem('nibble.settings')))).systemPrompt;
      await driver.untilEqual(stored, 'Be brief and kind');
      for (const tab of [one, other]) await tab.close();
    } finally {
      await browser.close();
    }
  });

  test('a list of models that is open follows what another tab deletes', LIMIT, async () => {
    const browser = await startBrowser();
    try {
      const [one, other] = [await driver.openPage(browser), await driver.openPage(browser)];
      for (const { page } of [one, other]) await driver.untilReady(page);
      await one.page.evaluate(async () => {
        const { openModelStore } = await import('/nibble/index.js');
        const store = await openModelStore({ store: 'indexeddb' });
        const response = await fetch('/models/nibble-tiny.gguf');
        const { id } = await store.import(new File([await response.blob()], 'twice.gguf', { lastModified: 1 }));
        await store.rename(id, 'twice');
        await store.close();
      });
      for (const { page } of [one, other]) {
        await page.locator('#model-button').click();
        await page.getByRole('button', { name: 'Delete twice', exact: true }).waitFor();
      }
      await one.page.getByRole('button', { name: 'Delete twice', exact: true }).click();
      await one.page.locator('dialog.confirm .danger').click();
      await other.page.getByRole('button', { name: 'Delete twice', exact: true }).waitFor({ state: 'detached' });
      assert.deepEqual([one.complaints, other.complaints], [[], []]);
      for (const tab of [one, other]) await tab.close();
    } finally {
      await browser.close();
    }
  });
});
