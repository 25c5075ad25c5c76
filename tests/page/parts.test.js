// The page with a model that comes in parts: dropped together, chosen together, and one alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { splitGguf, splitNames } from '../gguf-splitter.js';
import { present } from '../present.js';
import { drag } from './drag.js';
import * as driver from './driver.js';

const LIMIT = { timeout: 300_000 };
const whole = readFileSync(driver.MODEL);
const names = splitNames('cut', 5);
const parts = splitGguf(whole, 5).map((bytes, index) => ({ name: names[index], bytes: bytes.toString('latin1') }));

/** @type {driver.Browser} */
let browser;
before(async () => {
  browser = await driver.startBrowser({ serviceWorkers: 'block' });
});
after(() => browser?.close());

test('parts that are dropped or chosen together are one model, and one alone says what is missing', LIMIT, async () => {
  const { page, complaints } = await driver.openPage(browser, { before: driver.forgetVisits });
  await driver.untilReady(page);
  /** @param {{ name: string, bytes: string }[]} files */
  const drop = (files) => drag(page, ['dragenter', 'dragover', 'drop'], { files });
  await drop([parts[3]]);
  await page.locator('#problem[data-code=MODEL_PARTS_MISSING]').waitFor();
  assert.match(
    present(await page.locator('#problem-detail').textContent()),
    /missing are "cut-00001-of-00005.gguf", "cut-00002/,
  );
  await page.locator('#dismiss').click();
  await drop([...parts].reverse());
  await page.waitForFunction(() => JSON.parse(localStorage.getItem('nibble.settings') ?? '{}').model?.stored);
  await driver.untilReady(page);
  await driver.converse(page, 'Hello');
  assert.match(present(await page.locator('.message.assistant .text').textContent()), /\p{L}/u);
  await page.locator('#model-button').click();
  const row = page.locator('#models-panel .models-row', { hasText: 'cut.gguf' });
  await row.waitFor();
  assert.equal(await row.count(), 1);
  const list = () =>
    page.evaluate(async () => {
      const { openModelStore } = await import('/nibble/index.js');
      const store = await openModelStore();
      const models = await store.list();
      await store.close();
      return models.map(({ source, state, fileBytes }) => [
        source && 'file' in source ? source.file : null,
        state,
        fileBytes,
      ]);
    });
  assert.deepEqual(
    (await list()).filter(([file]) => file === 'cut.gguf'),
    [['cut.gguf', 'complete', whole.length]],
  );
  const buffers = parts.map(({ name, bytes }) => ({
    name: name.replace('cut', 'chosen'),
    mimeType: 'application/octet-stream',
    buffer: Buffer.from(bytes, 'latin1'),
  }));
  await page.locator('.models-picker').setInputFiles(buffers);
  await page.locator('.models-offer[aria-label="chosen.gguf"] .accent').click();
  await page.locator('#models-panel .models-row', { hasText: 'chosen.gguf' }).waitFor();
  await page.locator('.models-picker').setInputFiles([buffers[0], { ...buffers[1], name: 'another.gguf' }]);
  await page.getByText('These are several files.').waitFor();
  assert.deepEqual(
    complaints.filter((text) => !/blocked by Playwright/.test(text)),
    [],
  );
  await page.close();
});
