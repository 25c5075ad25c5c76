// A notice of a full context is over as soon as there is room: behind a larger context, or behind shorter instructions.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as driver from './driver.js';

/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 180_000 };
const OVER = 'There is room for the whole conversation now.';

/** @type {driver.Browser} */
let browser;

before(async () => {
  browser = await driver.startBrowser({ serviceWorkers: 'block' });
});

after(() => browser?.close());

/** A page with the included model. @param {object} settings */
async function open(settings) {
  const opened = await driver.openPage(browser, {
    async before(page) {
      await driver.forgetVisits(page);
      await page.addInitScript((given) => {
        if (localStorage.getItem('nibble.settings') === null) localStorage.setItem('nibble.settings', given);
      }, JSON.stringify(settings));
    },
  });
  await driver.untilReady(opened.page);
  opened.complaints.length = 0;
  return opened;
}

/** @param {Page} page */
const notice = (page) => page.locator('.notice');

/** @param {Page} page @param {string} setting @param {string} text */
async function change(page, setting, text) {
  const field = page.locator(`#setting-${setting}`);
  await driver.untilEqual(() => page.evaluate(() => document.activeElement?.id), `setting-${setting}`);
  await field.fill(text);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Escape');
}

describe('once there is room', () => {
  test('in a larger context, the message is answered with all turns before it', LIMIT, async () => {
    const { page, close } = await open({ contextSize: 96, maxTokens: 16, temperature: 0 });
    let asked = 0;
    const tooLong = notice(page).getByText('This conversation is too long');
    while ((await tooLong.count()) === 0 && asked < 8) {
      await driver.ask(page, `Tell me about yourself please ${asked++}`);
      await page.waitForFunction((count) => document.querySelectorAll('.message.user').length === count, asked);
      await driver.untilIdle(page);
    }
    await tooLong.waitFor();
    await notice(page).getByRole('button', { name: 'Enlarge the context' }).click();
    await change(page, 'contextSize', '512');
    await notice(page).getByText(OVER).waitFor();
    await driver.shoot(page, 'room-again');
    await notice(page).getByRole('button', { name: 'Answer it' }).click();
    await driver.untilEqual(() => page.locator('.message.assistant').count(), asked);
    await driver.untilIdle(page);
    assert.equal(await notice(page).count(), 0);
    assert.equal(await page.locator('.message.dropped').count(), 0);
    await close();
  });

  test('in a larger context, an answer that was cut goes on', LIMIT, async () => {
    const { page, close, complaints } = await open({ contextSize: 32, maxTokens: 400, temperature: 0 });
    const cut = await driver.converse(page, 'Please tell me a story about a lighthouse');
    const isCut = notice(page).getByText('The context is full');
    await isCut.waitFor();
    await page.locator('#new-chat').click();
    await isCut.waitFor({ state: 'detached' });
    await page.locator('#conversations .open').first().click();
    await isCut.waitFor();
    await page.reload();
    await isCut.waitFor();
    await notice(page).getByRole('button', { name: 'Enlarge the context' }).click();
    await change(page, 'contextSize', '512');
    await notice(page).getByText(OVER).waitFor();
    await notice(page).getByRole('button', { name: 'Continue' }).click();
    const text = () => page.locator('.message.assistant .text').textContent();
    await driver.untilEqual(async () => `${await text()}`.length > cut.length, true);
    assert.ok(`${await text()}`.startsWith(cut));
    await page
      .locator('#stop')
      .click({ timeout: 500 })
      .catch(() => {});
    await driver.untilIdle(page);
    complaints.length = 0;
    await close();
  });

  test('behind shorter instructions, the message is answered', LIMIT, async () => {
    const systemPrompt = 'Be brief and kind. '.repeat(40);
    const { page, close } = await open({ contextSize: 96, maxTokens: 16, temperature: 0, systemPrompt });
    await driver.ask(page, 'Hello');
    await notice(page).getByRole('button', { name: 'Edit the instructions' }).click();
    await change(page, 'systemPrompt', 'Be brief.');
    await notice(page).getByText(OVER).waitFor();
    await notice(page).getByRole('button', { name: 'Answer it' }).click();
    await driver.untilEqual(() => page.locator('.message.assistant').count(), 1);
    await driver.untilIdle(page);
    await close();
  });
});
