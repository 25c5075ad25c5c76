// What somebody is in the midst of, such as a message that is mended, a name, or a question that is open, while the page
// draws anew or another tab goes on: nothing that was typed is lost, and nothing that came meanwhile.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { readArchive, writeArchive } from '../../web/conversations/archive.js';
import { untyped } from '../untyped.js';
import * as driver from './driver.js';

/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 120_000 };
/** @param {string} text */
const pieces = (text) => text.match(/\s?\S+/g) ?? [];

/** @type {driver.Browser} */
let browser;

before(async () => {
  browser = await driver.startBrowser({ serviceWorkers: 'block' });
});

after(() => browser?.close());

/** @param {driver.Script} [script] @param {(page: Page) => Promise<unknown>} [before] */
async function open(script = { answers: [['One.']] }, before = async () => {}) {
  const opened = await driver.openPage(browser, {
    async before(page) {
      await driver.scriptEngine(page, script);
      await before(page);
    },
  });
  await driver.untilReady(opened.page);
  opened.complaints.length = 0;
  return opened;
}

/** Two tabs of one new conversation. @param {string[]} questions */
async function openTwice(questions) {
  const first = await open();
  for (const question of questions) await driver.converse(first.page, question);
  await first.page.locator('#conversations .open[aria-current=page]').waitFor();
  const second = await open();
  await second.page.locator('#conversations .open').first().click();
  await driver.untilEqual(() => questionsOf(second.page), questions);
  return [first, second];
}

/** @param {Page} page */
const questionsOf = (page) => page.locator('.message.user .text').allTextContents();
/** @param {string} name @param {number} count @returns {import('../../web/conversations/conversations.js').Message[]} */
const turns = (name, count) =>
  Array.from({ length: 2 * count }, (_, i) => {
    const turn = { id: `${name}${i}`, content: `${name} ${i}`, createdAt: 1 };
    return i % 2 ? { ...turn, role: 'assistant', finish: 'stop' } : { ...turn, role: 'user' };
  });

/**
 * Brings a newer version of the only conversation into a page, with turns behind those that it has.
 * @param {Page} page
 * @param {import('../../web/conversations/conversations.js').Message[]} added
 */
async function importTurns(page, added) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#export').click()]);
  const [conversation] = readArchive(readFileSync(await download.path(), 'utf8'));
  conversation.updatedAt++;
  conversation.messages.push(...added);
  const file = { name: 'newer.json', mimeType: 'application/json', buffer: Buffer.from(writeArchive([conversation])) };
  await page.locator('#import-file').setInputFiles(file);
  await page.locator('#imported').waitFor();
  await page.locator('#close-imported').click();
}

/** As a tab that is frozen: it is not told of what others do. @param {Page} page */
const deafen = (page) =>
  page.addInitScript(() => {
    BroadcastChannel.prototype.addEventListener = () => {};
  });

/** @param {Page} page */
const titles = (page) => page.locator('#conversations .title').allTextContents();

/** @param {Page} page @param {string} name @param {number} index */
async function press(page, name, index) {
  await page.locator(`.message.user .${name}`).nth(index).focus();
  await page.keyboard.press('Enter');
}

/** @param {Page} page @param {number} index @param {string} text */
async function typeOver(page, index, text) {
  await press(page, 'edit', index);
  await page.locator('.edit-field').fill(text);
}

/** @param {Page} page @param {number} index */
const answer = (page, index) => page.locator('dialog.confirm button').nth(index).click();
const [NO, YES] = [0, 1];

describe('a question that is open while another tab goes on', () => {
  test('deletes the turn that it is about, and not what came meanwhile', LIMIT, async () => {
    const [first, second] = await openTwice(['Apples']);
    await press(first.page, 'delete', 0);
    await driver.converse(second.page, 'Bananas');
    await driver.untilEqual(() => questionsOf(first.page), ['Apples', 'Bananas']);
    await answer(first.page, YES);
    for (const { page } of [first, second]) await driver.untilEqual(() => questionsOf(page), ['Bananas']);
    await first.page.reload();
    await driver.untilEqual(() => questionsOf(first.page), ['Bananas']);
    first.complaints.length = 0;
    for (const tab of [first, second]) await tab.close();
  });

  test('sends a message again from where it stands then', LIMIT, async () => {
    const [first, second] = await openTwice(['Apples', 'Bananas', 'Cherries', 'Dates']);
    await typeOver(first.page, 2, 'Cranberries');
    await first.page.keyboard.press('Enter');
    await first.page.locator('dialog.confirm').waitFor();
    await press(second.page, 'delete', 0);
    await answer(second.page, YES);
    await driver.untilEqual(() => first.page.locator('.message.user').count(), 3);
    await answer(first.page, YES);
    await driver.untilEqual(() => questionsOf(first.page), ['Bananas', 'Cranberries']);
    await driver.untilIdle(first.page);
    await driver.untilEqual(() => questionsOf(second.page), ['Bananas', 'Cranberries']);
    for (const tab of [first, second]) await tab.close();
  });
});

describe('what came meanwhile', () => {
  test('out of an archive is shown at once, and answered anew from what is shown', LIMIT, async () => {
    const { page, close } = await open();
    await driver.converse(page, 'Apples');
    await importTurns(page, turns('New', 2));
    await driver.untilEqual(() => questionsOf(page), ['Apples', 'New 0', 'New 2']);
    await page.locator('.message.assistant .regenerate').click();
    await driver.untilIdle(page);
    assert.deepEqual(await questionsOf(page), ['Apples', 'New 0', 'New 2']);
    await close();
  });

  /** @param {Page} page */
  const mend = async (page) => {
    await typeOver(page, 1, 'Berries');
    await page.keyboard.press('Enter');
  };
  /** @param {Page} page */
  const regenerate = (page) => page.locator('.message.assistant .regenerate').click();
  for (const [what, act, behind] of untyped([
    ['a new answer', regenerate, 4],
    ['a mended message', mend, 5],
  ])) {
    test(`in another tab, untold, is shown before ${what}, and goes only if the reader says so`, LIMIT, async () => {
      const first = await open(undefined, deafen);
      for (const question of ['Apples', 'Bananas']) await driver.converse(first.page, question);
      const second = await open();
      await importTurns(second.page, turns('New', 2));
      await act(first.page);
      const dialog = first.page.locator('dialog.confirm');
      await dialog.filter({ hasText: `${behind} messages` }).waitFor();
      const whole = ['Apples', 'Bananas', 'New 0', 'New 2'];
      assert.equal(await first.page.locator('.message').count(), 8);
      await importTurns(second.page, turns('Newest', 1));
      await answer(first.page, YES);
      await dialog.filter({ hasText: `${behind + 2} messages` }).waitFor();
      await answer(first.page, NO);
      await driver.untilIdle(first.page);
      if (act === mend) await first.page.locator('.edit-field').press('Escape');
      await first.page.reload();
      await driver.untilEqual(() => questionsOf(first.page), [...whole, 'Newest 0']);
      first.complaints.length = 0;
      for (const tab of [first, second]) await tab.close();
    });
  }

  test('in another tab, untold, is not written into where a message waits for its answer', LIMIT, async () => {
    const first = await open({ answers: [['One.']], crashAt: 0 }, deafen);
    await driver.ask(first.page, 'Apples');
    const retry = first.page.locator('.notice button.accent');
    await retry.waitFor();
    const second = await open();
    await importTurns(second.page, [{ ...turns('New', 1)[1] }]);
    await retry.click();
    await driver.untilEqual(() => first.page.locator('.message.assistant .text').allTextContents(), ['New 1']);
    await driver.untilIdle(first.page);
    assert.equal(await first.page.locator('.message.assistant').count(), 1);
    for (const tab of [first, second]) await tab.close();
  });
});

describe('a message that is being mended', () => {
  test('is gone on with where it is not sent after all', LIMIT, async () => {
    const { page, close } = await open();
    for (const question of ['Apples', 'Bananas']) await driver.converse(page, question);
    await typeOver(page, 0, 'Apricots');
    await page.keyboard.press('Enter');
    await answer(page, NO);
    await page.locator('dialog.confirm').waitFor({ state: 'detached' });
    assert.equal(await page.locator('.edit-field').inputValue(), 'Apricots');
    await page.locator('.edit-field').press('Enter');
    await answer(page, YES);
    await driver.untilEqual(() => questionsOf(page), ['Apricots']);
    assert.equal(await page.locator('.edit-field').count(), 0);
    await close();
  });

  test(
    'stays so, with what was typed and with the focus, when another tab changes what is before it',
    LIMIT,
    async () => {
      const [first, second] = await openTwice(['Apples', 'Bananas', 'Cherries']);
      await typeOver(first.page, 2, 'Cranberries');
      await first.page.keyboard.press('Home');
      await press(second.page, 'delete', 0);
      await answer(second.page, YES);
      await driver.untilEqual(() => first.page.locator('.message.user').count(), 2);
      await first.page.keyboard.type('Fresh ');
      assert.equal(await first.page.locator('.edit-field').inputValue(), 'Fresh Cranberries');
      await first.page.keyboard.press('Enter');
      await driver.untilEqual(() => questionsOf(first.page), ['Bananas', 'Fresh Cranberries']);
      await driver.untilIdle(first.page);
      for (const tab of [first, second]) await tab.close();
    },
  );

  test('is there again behind a reload, and gone with its conversation', LIMIT, async () => {
    const { page, close, complaints } = await open();
    await driver.converse(page, 'Apples');
    await typeOver(page, 0, 'Apricots');
    await page.reload();
    await driver.untilReady(page);
    assert.equal(await page.locator('.edit-field').inputValue(), 'Apricots');
    const kept = () => page.evaluate(() => sessionStorage.getItem('nibble.edits'));
    assert.match(`${await kept()}`, /Apricots/);
    const row = page.locator('#conversations li.current');
    await row.hover();
    await row.locator('.icon').last().click();
    await page.locator('dialog.confirm .danger').click();
    await driver.untilEqual(kept, null);
    complaints.length = 0;
    await close();
  });

  test('is there again behind a reload before its answer is stored, and not behind one after that', LIMIT, async () => {
    const { page, close, complaints } = await open({ holdAt: 0 });
    await driver.ask(page, 'Apples');
    await driver.release(page);
    await driver.untilIdle(page);
    // An answer that has begun would be stored as the page is left.
    await page.reload();
    await driver.untilReady(page);
    await typeOver(page, 0, 'Apricots');
    await page.keyboard.press('Enter');
    await driver.untilEqual(() => questionsOf(page), ['Apricots']);
    await page.reload();
    await driver.untilReady(page);
    assert.equal(await page.locator('.edit-field').inputValue(), 'Apricots');
    await page.locator('.edit-field').press('Enter');
    await driver.release(page);
    await driver.untilEqual(() => page.locator('.edit-field').count(), 0);
    await driver.untilIdle(page);
    await page.reload();
    await driver.untilEqual(() => questionsOf(page), ['Apricots']);
    assert.equal(await page.locator('.edit-field').count(), 0);
    complaints.length = 0;
    await close();
  });

  test('is there again behind a look at another conversation, until it is called off', LIMIT, async () => {
    const { page, close } = await open();
    await driver.converse(page, 'Apples');
    await typeOver(page, 0, 'Apricots');
    await page.locator('#new-chat').click();
    await page.locator('#conversations .open', { hasText: 'Apples' }).first().click();
    assert.equal(await page.locator('.edit-field').inputValue(), 'Apricots');
    await page.locator('.edit-field').press('Escape');
    await page.locator('#new-chat').click();
    await page.locator('#conversations .open', { hasText: 'Apples' }).first().click();
    await driver.untilEqual(() => questionsOf(page), ['Apples']);
    await close();
  });
});

test('a name is typed to its end while an answer begins and ends', LIMIT, async () => {
  const { page, close } = await open({ answers: [['One.'], pieces('a b c d')], holdAt: 2 });
  await driver.converse(page, 'Older');
  await page.locator('#new-chat').click();
  await driver.ask(page, 'Newer');
  await driver.untilEqual(() => page.locator('.message.assistant .text').last().textContent(), 'a b');
  await page.locator('#conversations li', { hasText: 'Older' }).first().locator('.icon').first().click();
  await page.keyboard.type('Half');
  await driver.release(page);
  await driver.untilIdle(page);
  await page.keyboard.type(' and half');
  assert.equal(await page.locator('input.rename').inputValue(), 'Half and half');
  await page.keyboard.press('Enter');
  await page.locator('input.rename').waitFor({ state: 'detached' });
  assert.ok((await titles(page)).includes('Half and half'));
  await close();
});
