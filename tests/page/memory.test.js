// What the page remembers of what the model has read: a chat goes on after a reload without being read again, and one
// that is too long for the context goes on without its oldest turns, in the open.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { present } from '../present.js';
import { untyped } from '../untyped.js';
import * as driver from './driver.js';

/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 240_000 };

/** @type {driver.Browser} */
let browser;

before(async () => {
  browser = await driver.startBrowser();
});

after(() => browser?.close());

/** @param {object} settings */
async function openWith(settings) {
  const opened = await driver.openPage(browser, {
    before: (page) =>
      page.addInitScript((given) => localStorage.setItem('nibble.settings', given), JSON.stringify(settings)),
  });
  await driver.untilReady(opened.page);
  return opened;
}

/** @param {Page} page */
const lastFacts = (page) => page.locator('.message.assistant .facts').last().textContent();

/** @param {Page} page */
const contextUsed = (page) => page.locator('#status-context').textContent();

/**
 * How many sessions are saved of the included model, as an engine of the test's own tells; waits for the number.
 * @param {Page} page
 * @param {number} wanted
 */
const untilSaved = (page, wanted) =>
  page.evaluate(async (number) => {
    const { createEngine } = await import('/nibble/index.js');
    const engine = await createEngine({ model: new URL('models/nibble-tiny.gguf', document.baseURI), threads: 1 });
    let saves = await engine.savedSessions();
    for (const end = Date.now() + 30_000; saves.length !== number && Date.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      saves = await engine.savedSessions();
    }
    await engine.unload();
    return saves.map(({ tokens }) => tokens);
  }, wanted);

describe('the page', () => {
  test('goes on with a chat after a reload without reading it again, and says so', LIMIT, async () => {
    const opened = await openWith({ temperature: 0 });
    const { page } = opened;
    await driver.converse(page, 'Hello');
    await driver.converse(page, 'Who are you?');
    assert.doesNotMatch(present(await lastFacts(page)), /resumed/);
    const [saved] = await untilSaved(page, 1);
    assert.ok(saved > 30, `${saved} tokens are saved`);
    const used = await contextUsed(page);
    assert.equal(Number.parseInt(present(used), 10), saved);
    await page.reload();
    await driver.untilReady(page);
    await page.waitForFunction(
      () => !/^0 /.test(/** @type {HTMLElement} */ (document.querySelector('#status-context')).textContent),
    );
    await driver.untilEqual(() => contextUsed(page), used);
    await driver.converse(page, 'What is 3 + 4?');
    const [, resumed] =
      /resumed after a reload: (\d+) tokens not read again/.exec(present(await lastFacts(page))) ?? [];
    assert.ok(Number(resumed) > 30, untyped(await lastFacts(page)));
    await driver.shoot(page, 'resumed');
    await driver.converse(page, 'Hello');
    const facts = await page.locator('.message.assistant .facts').allTextContents();
    assert.doesNotMatch(facts.join(), /resumed/, 'it is in memory now');

    // What was deleted leaves nothing behind.
    await page.locator('#conversations li').first().hover();
    await page.locator('#conversations li .icon').last().click();
    await page.locator('dialog.confirm .danger').click();
    assert.deepEqual(await untilSaved(page, 0), []);
    await opened.close();
  });

  test(
    'goes on in a full context without the oldest turns where that was chosen, and shows from where',
    LIMIT,
    async () => {
      const opened = await openWith({ temperature: 0, contextSize: 96, maxTokens: 40, onFull: 'drop-oldest' });
      const { page } = opened;
      await page.waitForFunction(() =>
        / 96 /.test(/** @type {HTMLElement} */ (document.querySelector('#status-context')).textContent),
      );
      for (let turn = 0; turn < 12 && (await page.locator('.divider').count()) === 0; turn++) {
        await driver.converse(page, 'Who are you?');
        assert.equal(await page.locator('.notice').count(), 0, 'nothing is asked');
      }
      assert.match(present(await page.locator('.divider').textContent()), /no longer sees what is above/);
      await page.locator('.message.assistant .facts', { hasText: /\d+ old tokens dropped from the context/ }).waitFor();
      await driver.shoot(page, 'dropped-oldest');
      assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
      await opened.close();
    },
  );

  test('keeps the context in 8 bits where that was chosen, and takes less memory for it', LIMIT, async () => {
    const sizes = [];
    for (const kvType of ['f16', 'int8']) {
      const opened = await openWith({ kvType, contextSize: 512 });
      const { page } = opened;
      await driver.converse(page, 'Hello');
      await page.locator('#open-details').click();
      const memory = page.locator('#details-list > div').filter({ has: page.getByText('Memory', { exact: true }) });
      const [, amount, unit] = present(/context (\d+(?:\.\d)?) (k?B)/.exec(await memory.innerText()));
      sizes.push(Number(amount) * (unit === 'kB' ? 1000 : 1));
      await opened.close();
    }
    assert.ok(sizes[1] < sizes[0] * 0.75, `${sizes} bytes of context`);
  });
});
