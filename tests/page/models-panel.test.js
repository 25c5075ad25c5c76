// The models panel in the page: what comes, what stays, what goes, and what it says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { serveModels } from '../model-server.js';
import { scriptedModel } from '../scripted-model.js';
import { untyped } from '../untyped.js';
import {
  converse,
  forgetVisits,
  MODEL,
  openPage,
  PHONE,
  shoot,
  startBrowser,
  untilEqual,
  untilReady,
} from './driver.js';

/** @typedef {import('./driver.js').Browser} Browser */
/** @typedef {import('../model-server.js').ModelServer} ModelServer */
/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').Route} Route */

const bytes = readFileSync(MODEL);
/** @type {import('../gguf-writer.js').KeyValue[]} */
const STRANGE = [['tokenizer.ggml.pre', 'string', 'no-such-split']];

/** @type {Browser} */
let browser;
/** @type {ModelServer} */
let models;

before(async () => {
  models = await serveModels({
    '/fast.gguf': { bytes },
    '/My%20Model+(v2).gguf': { bytes },
    '/slow.gguf': { bytes, pause: 100, limit: bytes.length - 100_000 },
    '/page.gguf': { bytes: Buffer.from('<!doctype html><title>Not here</title>'), type: 'text/html' },
    '/strange.gguf': { bytes: scriptedModel({ script: () => ({ 97: 20 }), more: STRANGE }) },
    '/sizeless.gguf': { bytes, isSizeless: true },
    '/packed.gguf': { bytes: gzipSync(bytes), isSizeless: true, encoding: 'gzip' },
    '/picture.gguf': { bytes: Buffer.from('\xff\xd8\xff\xe0 no model at all'.repeat(10), 'latin1') },
  });
  browser = await startBrowser({ serviceWorkers: 'block' });
});

after(async () => {
  await browser?.close();
  await models?.close();
});

/** Opens the page and its models panel. Requests to the test's own models are what a download is. @param {(page: Page) => unknown} [prepare] */
async function openPanel(prepare, inBrowser = browser) {
  const before = async (/** @type {Page} */ made) => {
    await forgetVisits(made);
    await prepare?.(made);
  };
  const opened = await openPage(inBrowser, { before });
  const { page } = opened;
  // Where the storage is full the page is ready and says so.
  if (inBrowser === browser) await untilReady(page);
  else await page.locator('#model-state[data-state=ready]').waitFor();
  await page.locator('#model-button').click();
  // The catalogue and the list come in one after the other; then the panel stays as it is.
  await page.getByRole('button', { name: /^Download SmolLM2 135M Instruct/ }).waitFor();
  await page.locator('#models-panel meter').waitFor();
  const close = async () => {
    await page.close();
    // What a server refuses and a browser without service workers are said by the browser itself.
    const own = opened.complaints.filter((text) => !/Failed to load resource|blocked by Playwright/.test(text));
    assert.deepEqual(own, []);
  };
  return { page, close };
}

/** @param {Page} page @param {string} name */
const rowOf = (page, name) => page.locator('#models-panel .models-row', { hasText: name });
/** @param {Page} page @param {string} name */
const button = (page, name) => page.getByRole('button', { name, exact: true });

const untilFocused = (/** @type {Page} */ page, /** @type {string} */ label) =>
  untilEqual(
    () => page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).getAttribute('aria-label')),
    label,
  );

/** @param {Page} page @param {string | RegExp} path */
async function enterAddress(page, path) {
  await page.getByLabel('Address of a .gguf file').fill(models.url + path);
  await button(page, 'Check').click();
}

const hasCome = () => (document.querySelector('#models-panel')?.querySelector('progress')?.value ?? 0) > 0;

/** @param {Page} page @param {string} path */
async function download(page, path) {
  await enterAddress(page, path);
  await page.locator('.models-offer .accent').click();
}

/**
 * Drops files onto the panel. @param {{ name: string, content: string }[]} files `content`: a character for each byte
 * @param {Page} page
 */
function drop(page, ...files) {
  // The panel is drawn anew at any time: what is found in one step must be dropped on in the same one.
  return page.evaluate((dropped) => {
    const target = /** @type {HTMLElement} */ (document.querySelector('.models-file'));
    const data = new DataTransfer();
    for (const { name, content } of dropped) {
      data.items.add(new File([Uint8Array.from(content, (c) => c.charCodeAt(0))], name, { lastModified: 1 }));
    }
    for (const type of ['dragenter', 'dragover', 'drop']) {
      target.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));
    }
  }, files);
}

/** Removes everything that a test has stored. @param {Page} page @param {'indexeddb' | 'opfs'} [kind] */
async function clear(page, kind = 'indexeddb') {
  await page.evaluate(async (place) => {
    const { openModelStore } = await import('/nibble/index.js');
    const store = await openModelStore({ store: place });
    for (const { id } of await store.list()) await store.delete(id);
    await store.close();
  }, kind);
}

describe('the models panel', () => {
  test('stores a model by its address, uses it, renames it, checks it and deletes it', async () => {
    const { page, close } = await openPanel();
    await enterAddress(page, 'fast.gguf');
    const offer = page.locator('.models-offer');
    await offer.locator('.accent').waitFor();
    assert.match(
      await offer.innerText(),
      /Needs about [\d.]+ [MG]B of memory and writes about [\d,.]+ words? a second on this device\./,
    );
    const [, memory] = /about ([\d.]+) MB of memory/.exec(await offer.innerText()) ?? [];
    assert.ok(Number(memory) > 3, `${memory} MB, of which the engine alone takes 3`);
    await shoot(page, 'models-offer');
    await offer.locator('.accent').click();
    const row = rowOf(page, 'Q4_0').last();
    await row.waitFor();
    await page
      .getByRole('button', { name: /^Use Nibble tiny/ })
      .last()
      .waitFor();
    await shoot(page, 'models');

    await page.getByRole('button', { name: 'Rename Nibble tiny', exact: true }).click();
    await page.keyboard.type('Mine');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Use Mine', exact: true }).waitFor();
    await untilFocused(page, 'Rename Mine');

    await page.getByRole('button', { name: 'Check Mine for damage' }).click();
    await page.getByText('Mine is whole.').first().waitFor();

    await page.getByRole('button', { name: 'Use Mine', exact: true }).click();
    await page.waitForFunction(() => !(/** @type {HTMLDetailsElement} */ (document.querySelector('#models')).open));
    await untilReady(page);
    assert.match(await converse(page, 'Hello'), /\p{L}/u);
    await page.locator('#model-button').click();
    await rowOf(page, 'In use').filter({ hasText: 'Mine' }).waitFor();

    await page.getByRole('button', { name: 'Delete Mine', exact: true }).click();
    await page.locator('dialog.confirm').getByRole('button', { name: 'Delete' }).click();
    await page.waitForFunction(
      () => !(/** @type {HTMLElement} */ (document.querySelector('#models-panel')).innerText.includes('Mine')),
    );
    await page.reload();
    await untilReady(page);
    await clear(page);
    await close();
  });

  test('stores a model whose server does not tell its size', async () => {
    const { page, close } = await openPanel();
    for (const path of ['sizeless.gguf', 'packed.gguf']) {
      await enterAddress(page, path);
      const offer = page.locator('.models-offer');
      await offer.getByText('Nibble tiny · Q4_0 · size unknown').waitFor();
      await offer.getByRole('button', { name: 'Download', exact: true }).click();
      await page.getByRole('button', { name: 'Use Nibble tiny', exact: true }).waitFor();
      await page.getByRole('button', { name: 'Delete Nibble tiny', exact: true }).click();
      await page.locator('dialog.confirm').getByRole('button', { name: 'Delete' }).click();
      await page.getByRole('button', { name: 'Use Nibble tiny', exact: true }).waitFor({ state: 'detached' });
    }
    await close();
  });

  test('names the file that a model came from as people write it', async () => {
    const { page, close } = await openPanel();
    await download(page, 'My%20Model+(v2).gguf');
    const row = rowOf(page, 'Q4_0').last();
    await page.getByRole('button', { name: 'Delete Nibble tiny', exact: true }).waitFor();
    assert.match(await row.locator('.models-facts').innerText(), /^My Model\+\(v2\)\.gguf · /);
    await clear(page);
    await close();
  });

  test('does not offer to keep what finds neither memory nor room, and says both', async () => {
    const lack = async (/** @type {Page} */ page) => {
      await page.addInitScript(() => Object.defineProperty(navigator, 'deviceMemory', { get: () => 0.001 }));
      // The worker is who asks.
      await page.route('**/nibble/worker.js', async (route) => {
        const response = await route.fetch();
        const little = 'StorageManager.prototype.estimate = async () => ({ usage: 0, quota: 100_000 });';
        await route.fulfill({ response, body: `${little}${await response.text()}` });
      });
    };
    const { page, close } = await openPanel(lack);
    await drop(page, { name: 'large.gguf', content: bytes.toString('latin1') });
    const offer = page.locator('.models-offer');
    await offer.locator('.accent').waitFor();
    assert.equal(await offer.locator('.accent').isDisabled(), true);
    const warnings = await offer.locator('.models-warning').allInnerTexts();
    assert.equal(warnings.length, 2);
    assert.match(warnings[0], /more than this device is likely to spare/);
    assert.match(warnings[1], /^There is no room to keep it/);
    await offer.getByRole('button', { name: 'Use without keeping', exact: true }).waitFor();
    await close();
  });

  test('says what is odd about the texts of a model before it is loaded', async () => {
    const { page, close } = await openPanel();
    const odd = page.locator('.models-offer').getByText(/splits text into words in a way/);
    await enterAddress(page, 'strange.gguf');
    await odd.waitFor();
    await page.locator('.models-offer').getByRole('button', { name: 'Cancel', exact: true }).click();
    await enterAddress(page, 'fast.gguf');
    await page.locator('.models-offer .accent').waitFor();
    assert.equal(await odd.count(), 0);
    await close();
  });

  test('promises no more words than a token costs besides its weights', async () => {
    const probe = { decodeBytesPerSecond: 1e15, prefillWeightsPerSecond: 1e15 };
    const remember = (/** @type {Page} */ page) =>
      page.addInitScript((measured) => {
        const processors = globalThis.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
        localStorage.setItem('nibble.probe', JSON.stringify({ processors, at: Date.now(), ...measured }));
      }, probe);
    const { page, close } = await openPanel(remember);
    await enterAddress(page, 'fast.gguf');
    await page.locator('.models-offer').getByText('writes about 750 words a second').waitFor();
    await close();
  });

  test('pauses a download, goes on with it, and cancels one without leaving anything', async () => {
    const { page, close } = await openPanel();
    await download(page, 'slow.gguf');
    const bar = page.getByRole('progressbar', { name: /slow\.gguf/ });
    await bar.waitFor();
    // What has begun is what the reader is led to.
    await untilFocused(page, 'Pause the download of slow.gguf');
    await page.waitForFunction(hasCome);
    await shoot(page, 'models-download');
    const row = rowOf(page, 'slow.gguf').first();
    await row.getByText('waiting for the server').waitFor();
    assert.doesNotMatch(await row.innerText(), /a second|left/, 'no rate of what does not come');
    await page.getByRole('button', { name: 'Pause the download of slow.gguf' }).click();
    const resume = page.getByRole('button', { name: 'Resume the download of slow.gguf' });
    await resume.waitFor();
    await rowOf(page, 'slow.gguf').first().getByText('Paused').waitFor();
    await resume.press('Enter');
    await page.getByRole('button', { name: 'Pause the download of slow.gguf' }).waitFor();
    // The keyboard stays where it was.
    await untilFocused(page, 'Pause the download of slow.gguf');
    await page.getByRole('button', { name: 'Cancel the download of slow.gguf' }).click();
    await page.locator('dialog.confirm').getByRole('button', { name: 'Drop it', exact: true }).click();
    await bar.waitFor({ state: 'detached' });
    const left = await page.evaluate(async (address) => {
      const { openModelStore } = await import('/nibble/index.js');
      const store = await openModelStore();
      const found = (await store.list()).filter(({ id }) => id.includes(address));
      await store.close();
      return found;
    }, models.url);
    assert.deepEqual(left, []);
    await close();
  });

  test('lets a name be typed to its end while a download goes on and is paused', async () => {
    const { page, close } = await openPanel();
    await download(page, 'fast.gguf');
    const rename = page.getByRole('button', { name: 'Rename Nibble tiny', exact: true });
    await rename.waitFor();
    await download(page, 'slow.gguf');
    await page.waitForFunction(hasCome);
    await rename.click();
    await page.keyboard.type('Half');
    // As another tab, or the network, would have it: the keyboard stays where it is.
    await page
      .getByRole('button', { name: 'Pause the download of slow.gguf' })
      .evaluate((pause) => /** @type {HTMLElement} */ (pause).click());
    await page.getByRole('button', { name: 'Resume the download of slow.gguf' }).waitFor();
    await page.keyboard.type(' and half');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Use Half and half', exact: true }).waitFor();
    await clear(page);
    await close();
  });

  test('says what is wrong with an address, a page, a file that is none, and one cut short', async () => {
    const { page, close } = await openPanel();
    const field = page.getByLabel('Address of a .gguf file');
    for (const [address, words] of [
      ['', 'Enter an address.'],
      ['not an address', /begin with https/],
      ['ftp://example.org/a.gguf', /begin with https/],
      ['http://example.org/a.gguf', /begin with https/],
      ['https://huggingface.co/datasets/owner/data', /web page/],
    ]) {
      await field.fill(untyped(address));
      await button(page, 'Check').click();
      await page.locator('#models-url-problem').getByText(words).waitFor();
      await untilEqual(() => field.getAttribute('aria-invalid'), 'true');
    }
    for (const [path, code] of [
      ['page.gguf', /DOWNLOAD|SOURCE/],
      ['absent.gguf', /DOWNLOAD|SOURCE/],
      ['picture.gguf', /GGUF_/],
      ['100%.gguf', /DOWNLOAD|SOURCE/],
    ]) {
      await enterAddress(page, path);
      await page.locator('.models-offer .bad').getByText(code).waitFor();
      assert.equal(await page.locator('.models-offer .accent').count(), 0, 'nothing to go on with');
      await page.locator('.models-offer').getByRole('button', { name: 'Close' }).click();
    }
    await drop(page, { name: 'picture.jpg', content: '\xff\xd8\xff\xe0 no model' });
    await page.getByText('This is not a .gguf file: picture.jpg.').waitFor();
    const models = ['one.gguf', 'two.gguf'].map((name) => ({ name, content: bytes.toString('latin1') }));
    await drop(page, ...models);
    await page.getByText('These are several files.').waitFor();
    assert.equal(await page.locator('.models-offer').count(), 0, 'none of them is taken');
    await drop(page, { name: 'notes.txt', content: 'about it' }, models[0]);
    await page.locator('.models-offer .accent').waitFor();
    await page.locator('.models-offer[aria-label="one.gguf"]').waitFor();
    await drop(page, { name: 'picture.gguf', content: '\xff\xd8\xff\xe0 no model' });
    await page.locator('.models-offer .bad').getByText(/GGUF_/).waitFor();
    await shoot(page, 'models-refused');
    await drop(page, { name: 'short.gguf', content: bytes.subarray(0, 300_000).toString('latin1') });
    await page
      .locator('.models-offer .bad')
      .getByText(/GGUF_TRUNCATED/)
      .waitFor();
    assert.equal(await page.locator('.models-offer .accent').count(), 0, 'a file that was cut short is not offered');
    await close();
  });

  test('says so where a server cannot be reached, and tries again', async () => {
    const { page, close } = await openPanel();
    const cut = (/** @type {Route} */ route) => route.abort();
    await page.route('**/fast.gguf', cut);
    await enterAddress(page, 'fast.gguf');
    const offer = page.locator('.models-offer');
    await offer.getByText('The server could not be reached. (DOWNLOAD_FAILED)').waitFor();
    await offer.getByText(/^Try again when the network works/).waitFor();
    await shoot(page, 'models-unreachable');
    await page.unroute('**/fast.gguf', cut);
    await offer.getByRole('button', { name: 'Try again' }).click();
    await offer.getByText(/Needs about [\d.]+ MB of memory/).waitFor();
    await close();
  });

  test('measures how fast a place reads, and shows the places side by side from then on', async () => {
    const { page, close } = await openPanel();
    const rates = () => page.locator('.models-rates dd').allInnerTexts();
    assert.deepEqual(await rates(), ['not measured yet', 'not measured yet']);
    const measureIn = async (/** @type {string} */ kind, /** @type {number} */ index) => {
      await page.locator('#models-kind').selectOption(kind);
      // Nothing is stored in this place yet.
      await page.getByRole('button', { name: 'Delete Nibble tiny', exact: true }).waitFor({ state: 'detached' });
      await drop(page, { name: 'mine.gguf', content: bytes.toString('latin1') });
      await button(page, 'Keep on this device').click();
      await page.getByRole('button', { name: 'Delete Nibble tiny', exact: true }).waitFor();
      await button(page, 'Measure the one in use').click();
      /** @param {number} place */
      const measured = (place) => !/not/.test(document.querySelectorAll('.models-rates dd')[place].textContent);
      await page.waitForFunction(measured, index);
    };
    await measureIn('indexeddb', 0);
    await measureIn('opfs', 1);
    for (const text of await rates())
      assert.match(text, /^\d[\d.,]* \w+ a second, measured on Nibble tiny, which is too small/);
    await page.locator('.models-rates').scrollIntoViewIfNeeded();
    await shoot(page, 'models-rates');
    await page.evaluate(() => /** @type {HTMLDialogElement} */ (document.querySelector('#models')).close());
    await page.locator('#open-settings').click();
    const settings = await page.locator('#settings-form').innerText();
    assert.ok(!settings.includes('Measured here'), 'a small model tells nothing');
    await clear(page, 'indexeddb');
    await clear(page, 'opfs');
    await close();
  });

  test('keeps a dropped file on this device', async () => {
    const { page, close } = await openPanel();
    await drop(page, { name: 'mine.gguf', content: bytes.toString('latin1') });
    await button(page, 'Keep on this device').click();
    await page.getByRole('button', { name: 'Delete Nibble tiny', exact: true }).waitFor();
    await clear(page);
    await close();
  });

  test('uses a file without keeping it, where that is what was asked for', async () => {
    const { page, close } = await openPanel();
    await drop(page, { name: 'mine.gguf', content: bytes.toString('latin1') });
    await button(page, 'Use without keeping').click();
    await page.waitForFunction(() => !(/** @type {HTMLDetailsElement} */ (document.querySelector('#models')).open));
    await page.getByText('not stored').waitFor();
    assert.match(await converse(page, 'Hello'), /\p{L}/u);
    const stored = await page.evaluate(async () => {
      const { openModelStore } = await import('/nibble/index.js');
      const store = await openModelStore();
      const ids = (await store.list()).map(({ id }) => id);
      await store.close();
      return ids;
    });
    assert.deepEqual(
      stored.filter((id) => id.includes('mine')),
      [],
    );
    // What is changed in the settings does not store it either.
    await page.locator('#open-settings').click();
    await page.locator('#setting-contextSize').fill('256');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Escape');
    await page.locator('#status-context').getByText('/ 256 tokens').waitFor();
    await page.getByText('not stored').waitFor();
    await page.reload();
    await untilReady(page);
    await page.locator('#status-storage').getByText('IndexedDB').waitFor();
    await close();
  });

  test('says that the storage is full, and leaves nothing of what did not fit', async () => {
    // A browser asks for the quota once and remembers it for a while, so this one is new.
    const full = await startBrowser({ serviceWorkers: 'block' });
    try {
      const limit = async (/** @type {Page} */ page) => {
        const session = await full.context.newCDPSession(page);
        const { origin } = new URL(full.server.url);
        await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 100_000 });
      };
      const { page } = await openPanel(limit, full);
      await download(page, 'fast.gguf');
      await page.locator('.models-note.bad').getByText('(STORE_FULL)').waitFor();
      await shoot(page, 'models-full');
      await page.getByRole('button', { name: 'Use fast.gguf without keeping it' }).click();
      await page.waitForFunction(() => !(/** @type {HTMLDetailsElement} */ (document.querySelector('#models')).open));
      await page.locator('#model-button').click();
      // The one included has made way.
      await page.getByRole('button', { name: /^Use Nibble tiny$/i }).waitFor();
      await page.locator('.models-note').waitFor({ state: 'detached' });
      await page.keyboard.press('Escape');
      assert.match(await converse(page, 'Hello'), /\p{L}/u);
    } finally {
      await full.close();
    }
  });

  test('offers downloads only with a network, and fits a phone in both languages', async () => {
    const { page, close } = await openPanel();
    await browser.context.setOffline(true);
    await page.getByText(/There is no network now/).waitFor();
    assert.equal(await page.getByRole('button', { name: /^Download SmolLM2/ }).count(), 0);
    await browser.context.setOffline(false);
    await page.getByRole('button', { name: /^Download SmolLM2 135M Instruct/ }).waitFor();
    await page.setViewportSize(PHONE);
    await shoot(page, 'models-phone');
    const overflow = () => page.locator('#models-panel').evaluate((panel) => panel.scrollWidth - panel.clientWidth);
    assert.ok((await overflow()) <= 0, 'nothing is cut off at the side');
    await page.evaluate(() => localStorage.setItem('nibble.settings', JSON.stringify({ language: 'zh' })));
    await page.reload();
    await untilReady(page);
    await page.locator('#model-button').click();
    await page.getByRole('button', { name: /^下载 SmolLM2 135M Instruct/ }).waitFor();
    await page.emulateMedia({ colorScheme: 'dark' });
    await shoot(page, 'models-phone-zh-dark');
    assert.ok((await overflow()) <= 0);
    await close();
  });

  test('has no faults that axe finds', async () => {
    const { page, close } = await openPanel();
    const source = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
    await page.evaluate(source);
    const faults = await page.evaluate(async () => {
      const { violations } = await window.axe.run('#models');
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
    });
    assert.deepEqual(faults, []);
    await close();
  });
});
