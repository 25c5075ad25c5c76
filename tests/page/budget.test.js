// The memory that the reader sets for the model: what it makes of it, what the page says, and what is done where it is
// too little.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { present } from '../present.js';
import { drag } from './drag.js';
import * as driver from './driver.js';

/** @typedef {import('./driver.js').OpenedPage} OpenedPage */
/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').Route} Route */

const LIMIT = { timeout: 240_000 };
const TOO_LITTLE = 5e6;
const PLENTY = 5e8;

/** @type {driver.Browser} */
let browser;

before(async () => {
  browser = await driver.startBrowser({ serviceWorkers: 'block' });
});

after(() => browser?.close());

/** @param {object} settings */
const settle = (settings) => async (/** @type {Page} */ page) => {
  await driver.forgetVisits(page);
  await page.addInitScript((given) => {
    if (localStorage.getItem('nibble.settings') === null) localStorage.setItem('nibble.settings', given);
  }, JSON.stringify(settings));
};

/** @param {object} settings */
const open = (settings, inBrowser = browser) => driver.openPage(inBrowser, { before: settle(settings) });

/** Without service workers, which the browser itself complains of. @param {OpenedPage} opened */
async function close(opened) {
  const own = opened.complaints.filter((text) => !/blocked by Playwright/.test(text));
  opened.complaints.splice(0, Infinity, ...own);
  await opened.close();
}

/** The least that the included model takes, as the library tells. @param {Page} page */
const leastBytes = (page) =>
  page.evaluate(async () => {
    const { describeModel } = await import('/nibble/index.js');
    const model = new URL('models/nibble-tiny.gguf', document.baseURI);
    const described = await describeModel(model, { memoryBudget: 1e9, contextSize: 512 });
    return described.model?.budget?.leastBytes;
  });

/** @param {Page} page @param {string} name */
async function detail(page, name) {
  await page.locator('#open-details').click();
  const row = page.locator('#details-list > div').filter({ has: page.getByText(name, { exact: true }) });
  const text = (await row.count()) === 0 ? null : await row.innerText();
  await page.keyboard.press('Escape');
  return text;
}

/** @param {Page} page @param {number} memoryBudget */
const setBudget = (page, memoryBudget) =>
  page.evaluate((given) => {
    const settings = {
      ...JSON.parse(localStorage.getItem('nibble.settings') ?? '{}'),
      memoryBudget: given,
    };
    localStorage.setItem('nibble.settings', JSON.stringify(settings));
  }, memoryBudget);

/** @param {Page} page @param {string | number} bytes */
async function choose(page, bytes) {
  await page.locator('#setting-memoryBudget').selectOption(String(bytes));
  await page.keyboard.press('Escape');
}

describe('the memory for the model', () => {
  test('may be too little, or less than it takes, with the same answer; the page tells what is so', LIMIT, async () => {
    const opened = await open({ memoryBudget: TOO_LITTLE, temperature: 0, contextSize: 512 });
    const { page } = opened;
    const problem = page.locator('#problem');
    await problem.waitFor();
    await page.locator('#problem[data-code=BUDGET_TOO_SMALL]').waitFor();
    assert.match(await problem.innerText(), /The memory that is set is too little for this model\./);
    assert.match(await problem.innerText(), /takes at least \d+\.\d MB/);
    await driver.shoot(page, 'budget-too-small');
    await page.getByRole('button', { name: 'Memory settings' }).click();
    await page.waitForFunction(() => /** @type {HTMLElement} */ (document.activeElement).id === 'setting-memoryBudget');
    await driver.shoot(page, 'settings-budget');
    await choose(page, '');
    await problem.waitFor({ state: 'hidden' });
    await driver.untilReady(page);
    assert.equal(await detail(page, 'Memory limit'), null);
    const answer = await driver.converse(page, 'Who are you?');
    assert.match(answer, /\p{L}/u);

    const least = await leastBytes(page);
    await setBudget(page, present(least));
    await page.goto(browser.server.url);
    await driver.untilReady(page);
    assert.equal(await driver.converse(page, 'Who are you?'), answer);
    assert.match(
      present(await detail(page, 'Memory limit')),
      /\d+ of \d+ layers stay, \d+ kB are read for every token/,
    );
    assert.match(present(await detail(page, 'Memory')), /weights \d+ k?B, weights being read \d+ kB, context \d+ kB, /);
    await page.waitForFunction(() =>
      / of /.test(/** @type {HTMLElement} */ (document.querySelector('#status-memory')).textContent),
    );
    await page.locator('#open-details').click();
    await driver.shoot(page, 'details-budget');
    await page.keyboard.press('Escape');

    await page.locator('#open-settings').click();
    // What is set is offered.
    await driver.untilEqual(() => page.locator('#setting-memoryBudget').inputValue(), String(least));
    await choose(page, PLENTY);
    // The engine before is there until the new one is.
    await driver.untilEqual(
      async () =>
        /^Memory limit\s+500 MB: all of the model stays in memory/.test((await detail(page, 'Memory limit')) ?? ''),
      true,
    );
    await driver.untilReady(page);
    await close(opened);
  });

  test('is there for the conversation that is answered, however much of it another one took', LIMIT, async () => {
    const opened = await open({ memoryBudget: PLENTY, temperature: 0, contextSize: 512, maxTokens: 16 });
    const { page } = opened;
    await driver.untilReady(page);
    // Either fills more than half of the context.
    const [apples, rivers] = ['apple ', 'river '].map((word) => word.repeat(150));
    await driver.converse(page, apples);
    await page.locator('#new-chat').click();
    assert.match(await driver.converse(page, rivers), /\p{L}/u);
    await page.locator('#conversations .open', { hasText: 'apple' }).click();
    assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
    assert.equal(await page.locator('.notice').count(), 0);
    await close(opened);
  });

  test('that needs a store says so where the storage is full', LIMIT, async () => {
    // A browser asks for the quota once and remembers it for a while, so this one is new.
    const full = await driver.startBrowser({ serviceWorkers: 'block' });
    try {
      /** @param {Page} page */
      const before = async (page) => {
        const session = await full.context.newCDPSession(page);
        const { origin } = new URL(full.server.url);
        await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 100_000 });
        await settle({ memoryBudget: TOO_LITTLE, contextSize: 512 })(page);
      };
      const { page } = await driver.openPage(full, { before });
      await page.locator('#problem').waitFor();
      await setBudget(page, present(await leastBytes(page)));
      await page.reload();
      await page.locator('#problem[data-code=NOT_STREAMED]').waitFor();
      assert.match(await page.locator('#problem').innerText(), /could not be stored here to be read from/);
      await page.getByRole('button', { name: 'Memory settings' }).click();
      await choose(page, '');
      await page.locator('#model-state[data-state=ready]').waitFor();
      assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
    } finally {
      await full.close();
    }
  });

  test('is proposed where a device may not have enough, with how fast that would be', LIMIT, async () => {
    // All is the library's own but what it tells of a model that is too large to be made here.
    const describeLarge = `export * from './index.js?real';
      export const probeSpeed = async () => ({ decodeBytesPerSecond: 1e10, prefillWeightsPerSecond: 1e10 });
      export const describeModel = async (model, { memoryBudget = null }) => {
        globalThis.described = [...(globalThis.described ?? []), memoryBudget];
        const budget = memoryBudget && { bytes: memoryBudget, streams: true, bytesPerTokenStreamed: 3e9 };
        return { name: 'Large', file: { bytes: 4e9 }, quantization: { label: 'Q4_0' }, problem: null, warnings: [],
          model: { budget, packedBytes: 4e9 }, dataOffset: 1e6,
          tensors: [{ name: 'output.weight', packedBytes: 4e9, shape: [4096, 4096] }],
          memory: memoryBudget ? { weights: memoryBudget } : { weights: 6e9 } };
      };`;
    /** @param {Page} page */
    const before = async (page) => {
      await settle({})(page);
      await page.route('**/nibble/index.js', (route) =>
        route.fulfill({ contentType: 'text/javascript', body: describeLarge }),
      );
      await page.addInitScript(() => {
        Object.defineProperty(navigator, 'deviceMemory', { get: () => 8 });
        const rate = { bytesPerSecond: 1e9, name: 'Other', bytes: 1e9 };
        localStorage.setItem('nibble.rates', JSON.stringify({ indexeddb: rate }));
        const processors = crossOriginIsolated ? navigator.hardwareConcurrency : 1;
        // Of a day on which the machine was busy.
        const probe = { processors, at: 0, decodeBytesPerSecond: 1e6, prefillWeightsPerSecond: 1e6 };
        localStorage.setItem('nibble.probe', JSON.stringify(probe));
      });
    };
    const opened = await driver.openPage(browser, { before });
    const { page } = opened;
    await driver.untilReady(page);
    await page.locator('#model-button').click();
    await page.locator('#models-panel meter').waitFor();
    await drag(page, ['dragenter', 'dragover', 'drop'], { name: 'large.gguf', bytes: 'GGUF' });
    const offer = page.locator('.models-offer');
    await offer.getByText(/With a memory limit of 2 GB it runs all the same: 3 GB are read/).waitFor();
    assert.match(await offer.innerText(), /It then writes about 0\.2 words a second/);
    await driver.shoot(page, 'models-offer-large');
    await offer.getByRole('button', { name: 'Limit memory to 2 GB' }).click();
    await offer.getByText(/That is the limit set in the settings/).waitFor();
    assert.match(await offer.innerText(), /Needs about 2 GB of memory and writes about 0\.2 words a second/);
    assert.deepEqual(await page.evaluate(() => globalThis.described), [null, 2e9, 2e9]);
    assert.deepEqual(
      JSON.parse(present(await page.evaluate(() => localStorage.getItem('nibble.settings')))).memoryBudget,
      2e9,
    );
    await close(opened);
  });
});

describe('a context that is larger than the model’s', () => {
  /** @param {Page} page */
  const shown = (page) => page.locator('#shortened-text').textContent();
  const text = 'Nibble tiny reads at most 512 tokens, so its context is 512, not the 4,096 of the settings.';

  test('is the model’s own, which the page tells, also after a reload', LIMIT, async () => {
    const opened = await open({ temperature: 0 });
    const { page } = opened;
    await driver.untilReady(page);
    await driver.untilEqual(() => shown(page), '');
    await page.locator('#open-settings').click();
    await page.locator('#setting-contextSize').fill('4096');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await driver.untilEqual(() => shown(page), text);
    await driver.untilReady(page);
    assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
    await driver.shoot(page, 'context-shortened');
    await page.locator('#close-shortened').click();
    await page.locator('#shortened').waitFor({ state: 'hidden' });
    await page.locator('#open-settings').click();
    await page.locator('#help-contextSize', { hasText: text }).waitFor();
    await page.reload();
    await driver.untilReady(page);
    await driver.untilEqual(() => shown(page), text);
    assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
    await close(opened);
  });

  test('keeps no model from being looked at', LIMIT, async () => {
    const opened = await open({ contextSize: 4096 });
    const { page } = opened;
    await driver.untilReady(page);
    await page.locator('#model-button').click();
    await page.getByLabel('Address of a .gguf file').fill(`${browser.server.url}models/nibble-tiny.gguf`);
    await page.getByRole('button', { name: 'Check', exact: true }).click();
    await page
      .locator('.models-offer')
      .getByText(/Needs about [\d.]+ MB of memory/)
      .waitFor();
    await close(opened);
  });
});
