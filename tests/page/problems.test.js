// What the page tells of problems and of models, above the composer: until when it stays, and what takes its place.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { drag } from './drag.js';
import * as driver from './driver.js';

/** @typedef {import('playwright-core').Page} Page */

const LIMIT = { timeout: 180_000 };

/** @type {driver.Browser} */
let browser;

before(async () => {
  browser = await driver.startBrowser({ serviceWorkers: 'block' });
});

after(() => browser?.close());

/** @param {Parameters<typeof driver.openScripted>[1]} script @param {{ isReady?: boolean }} [options] */
const open = (script, options) => driver.openScripted(browser, script, options);

/** @param {Page} page */
const loads = (page) => page.evaluate(() => globalThis.loads);

test('a problem of another file covers that of a model only until it is closed', LIMIT, async () => {
  const opened = await open({ failures: 1 }, { isReady: false });
  const { page } = opened;
  await page.locator('#problem[data-code=DOWNLOAD_FAILED]').waitFor();
  assert.equal(await page.locator('#dismiss').isVisible(), false);
  await drag(page, ['dragenter', 'dragover', 'drop'], { name: 'paper.pdf', bytes: '%PDF-1.4' });
  await page.locator('#problem[data-code=GGUF_BAD_MAGIC]').waitFor();
  await page.locator('#dismiss').click();
  await page.locator('#problem[data-code=DOWNLOAD_FAILED]').waitFor();
  assert.equal(await page.locator('#dismiss').isVisible(), false);
  await page.locator('#remedy').click();
  await driver.untilEqual(() => loads(page), 2);
  await page.locator('#problem').waitFor({ state: 'hidden' });
  opened.complaints.length = 0;
  await opened.close();
});

test(
  'a problem stays, in any language, until it is closed, whatever is told meanwhile of something else',
  LIMIT,
  async () => {
    const opened = await open({ failures: 2 }, { isReady: false });
    const { page } = opened;
    /** @param {string} code */
    const told = (code) => page.locator(`#problem[data-code=${code}]`).waitFor();
    await told('DOWNLOAD_FAILED');
    const archive = { name: 'bad.json', mimeType: 'application/json', buffer: Buffer.from('nothing') };
    await page.locator('#import-file').setInputFiles(archive);
    await told('ARCHIVE_BAD_JSON');
    // Another model, whose load fails as well, and then succeeds.
    await drag(page, ['drop'], { name: 'mine.gguf', bytes: 'GGUF' });
    await told('DOWNLOAD_FAILED');
    assert.equal(await loads(page), 2);
    await page.locator('#remedy').click();
    await told('ARCHIVE_BAD_JSON');
    await driver.untilEqual(() => page.locator('#model-state').getAttribute('data-state'), 'ready');
    await drag(page, ['drop'], { name: 'mine.gguf', bytes: 'GGUF' });
    await driver.untilEqual(() => loads(page), 4);
    // One of a file goes with the next model that is chosen, and not with the same one under other settings.
    await drag(page, ['drop'], { name: 'paper.pdf', bytes: '%PDF-1.4' });
    await told('GGUF_BAD_MAGIC');
    await page.locator('#open-settings').click();
    await page.locator('#setting-threads').fill('1');
    await page.locator('#setting-language').selectOption('zh');
    await page.keyboard.press('Escape');
    await driver.untilEqual(() => loads(page), 5);
    await page.locator('#problem-text', { hasText: '不是 GGUF 模型' }).waitFor();
    await drag(page, ['drop'], { name: 'mine.gguf', bytes: 'GGUF' });
    await driver.untilEqual(() => loads(page), 6);
    await told('ARCHIVE_BAD_JSON');
    await page.locator('#problem-text', { hasText: 'JSON' }).waitFor();
    assert.match(await page.locator('#problem-text').innerText(), /\p{Script=Han}/u);
    await page.locator('#dismiss').click();
    await page.locator('#problem').waitFor({ state: 'hidden' });
    opened.complaints.length = 0;
    await opened.close();
  },
);

test('what is told of a model stays when settings have it loaded anew', LIMIT, async () => {
  const storage = { kind: 'opfs', id: 'x', state: 'stored', bytesPerSecond: 0, problem: null };
  const opened = await open({ info: { storage } });
  const { page } = opened;
  await page.evaluate(() => {
    const kept = JSON.parse(localStorage.getItem('nibble.settings') ?? '{}');
    localStorage.setItem('nibble.settings', JSON.stringify({ ...kept, deletedModel: 'Old' }));
  });
  await page.reload();
  await driver.untilReady(page);
  await page.locator('#gone', { hasText: 'Old' }).waitFor();
  /** @param {string} count @param {number} number */
  const loadAnew = async (count, number) => {
    await page.locator('#open-settings').click();
    await page.locator('#setting-threads').fill(count);
    await page.keyboard.press('Escape');
    await driver.untilEqual(() => loads(page), number);
    await driver.untilReady(page);
  };
  await loadAnew('1', 2);
  assert.equal(await page.locator('#gone').isVisible(), true, 'that the one before was deleted');
  await drag(page, ['drop'], { name: 'mine.gguf', bytes: 'GGUF' });
  await page.locator('#kept', { hasText: 'A copy of scripted is kept' }).waitFor();
  assert.equal(await page.locator('#gone').isVisible(), false, 'another one was chosen');
  await loadAnew('2', 4);
  assert.equal(await page.locator('#kept').isVisible(), true, 'that a copy is kept');
  opened.complaints.length = 0;
  await opened.close();
});
