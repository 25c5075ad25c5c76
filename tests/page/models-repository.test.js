// The page's models panel with addresses of Hugging Face's hub: which files it offers, what it recommends, what it says.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { serveHub } from '../hub-server.js';
import { untyped } from '../untyped.js';
import { forgetVisits, MODEL, openPage, PHONE, shoot, startBrowser, untilEqual, untilReady, WIDE } from './driver.js';

/** @typedef {import('./driver.js').Browser} Browser */
/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('../hub-server.js').Hub} Hub */

const bytes = readFileSync(MODEL);
const HUB = 'https://huggingface.co';

/** @type {Browser} */
let browser;
/** @type {Hub} */
let hub;

before(async () => {
  hub = await serveHub({
    'owner/model-GGUF': {
      files: {
        'model-Q4_K_M.gguf': bytes,
        'model-Q8_0.gguf': 1.4e9,
        'model-Q3_K_S.gguf': 4e8,
        'model-F16.gguf': 90e9,
        'model-BF16-00001-of-00002.gguf': 1e9,
        'model-Q5_K_M-00001-of-00002.gguf': 6e8,
        'model-Q5_K_M-00002-of-00002.gguf': 6e8,
        'mmproj-model-f16.gguf': 1e8,
      },
    },
    'owner/one': { files: { 'one-Q4_0.gguf': bytes } },
    'owner/gated': { files: { 'gated-Q4_0.gguf': bytes }, gated: 'manual' },
    'owner/tampered': { files: { 'tampered-Q4_0.gguf': bytes }, hash: 'ab'.repeat(32) },
  });
  browser = await startBrowser({ serviceWorkers: 'block' });
  // What the page asks of the hub, the server of the test answers, redirects to another server included.
  await browser.context.route(`${HUB}/**`, async (route) => {
    const { url, headers, method } = {
      url: route.request().url(),
      headers: route.request().headers(),
      method: route.request().method(),
    };
    const asked = ['range', 'authorization'].flatMap((name) => (headers[name] ? [[name, headers[name]]] : []));
    const response = await fetch(url.replace(HUB, hub.url), {
      method,
      redirect: 'manual',
      headers: Object.fromEntries(asked),
    });
    await route.fulfill({
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: Buffer.from(await response.arrayBuffer()),
    });
  });
});

after(async () => {
  await browser?.close();
  await hub?.close();
});

async function openPanel() {
  const opened = await openPage(browser, { before: forgetVisits });
  const { page } = opened;
  await untilReady(page);
  await page.locator('#model-button').click();
  await page.getByRole('button', { name: /^Download SmolLM2 135M Instruct/ }).waitFor();
  await page.locator('#models-panel meter').waitFor();
  const close = async () => {
    assert.deepEqual(await page.evaluate(() => window.violations), [], 'violations of the content security policy');
    await page.close();
    assert.deepEqual(
      opened.complaints.filter((text) => !/Failed to load resource|blocked by Playwright/.test(text)),
      [],
    );
  };
  return { page, close, offer: page.locator('.models-offer') };
}

/** @param {Page} page @param {string | RegExp} address */
async function enter(page, address) {
  await page.locator('#models-url').fill(untyped(address));
  await page.locator('.models-url button[type=submit]').click();
}

describe('the models panel, given a repository', () => {
  test('offers its files, recommends one, and stores what is chosen', async () => {
    const { page, close, offer } = await openPanel();
    await enter(page, 'owner/model-GGUF');
    const choose = offer.getByRole('button', { name: /^Choose/ });
    await choose.first().waitFor();
    assert.deepEqual(await choose.allInnerTexts(), Array(5).fill('Choose'));
    const names = await offer.locator('.models-name').allInnerTexts();
    assert.match(names[0], /^Q4_K_M\s+recommended for this device$/);
    assert.deepEqual(names.slice(1), ['Q3_K_S', 'Q5_K_M', 'Q8_0', 'F16']);
    const text = await offer.innerText();
    assert.match(text, /about [\d,.]+ words? a second/);
    assert.match(text, /1\.2 GB · 2 parts · /);
    assert.match(
      text,
      /Left out: one (file for pictures · one )?model of which parts are missing( · one file for pictures)?$/m,
    );
    assert.equal(await offer.getByText('More memory than this device').count(), 1);
    assert.equal(await offer.locator('.accent').count(), 1);
    await offer.scrollIntoViewIfNeeded();
    await shoot(page, 'models-repository');
    await page.emulateMedia({ colorScheme: 'dark' });
    await shoot(page, 'models-repository-dark');
    await page.setViewportSize(PHONE);
    await offer.scrollIntoViewIfNeeded();
    await shoot(page, 'models-repository-dark-narrow');
    await page.emulateMedia({ colorScheme: 'light' });
    await shoot(page, 'models-repository-narrow');
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(wider <= 0, 'nothing is wider than a phone');
    await page.setViewportSize(WIDE);
    await choose.first().click();
    await page.locator('.models-offer[aria-label="model-Q4_K_M.gguf"] .accent').click();
    await page.locator('#models-panel .models-row', { hasText: 'Q4_0' }).last().waitFor();
    await page
      .getByRole('button', { name: /^Use Nibble tiny/ })
      .last()
      .waitFor();
    const stored = await page.evaluate(async () => {
      const { openModelStore } = await import('/nibble/index.js');
      const store = await openModelStore();
      const list = await store.list();
      for (const { id } of list) await store.delete(id);
      await store.close();
      return list.map(({ source, state }) => [source && 'url' in source ? source.url : '', state]);
    });
    const ofHub = stored.filter(([url]) => url.startsWith(HUB));
    assert.deepEqual(ofHub, [[`${HUB}/owner/model-GGUF/resolve/main/model-Q4_K_M.gguf`, 'complete']]);
    await close();
  });

  test('goes straight to the file that an address names, and to the only one', async () => {
    const { page, close } = await openPanel();
    for (const [address, file] of [
      [`${HUB}/owner/model-GGUF/blob/main/model-Q4_K_M.gguf`, 'model-Q4_K_M.gguf'],
      ['hf.co/owner/model-GGUF:q4_k_m', 'model-Q4_K_M.gguf'],
      ['owner/one', 'one-Q4_0.gguf'],
    ]) {
      await enter(page, address);
      await page.locator(`.models-offer[aria-label="${file}"] .accent`).waitFor();
      await page.locator('.models-offer').getByRole('button', { name: 'Cancel' }).click();
    }
    await close();
  });

  test('asks for an access token where a model is gated, which goes to the hub alone and is kept only where that is wanted', async () => {
    const { page, close, offer } = await openPanel();
    const kept = () => page.evaluate(() => Object.values(localStorage).join(' '));
    await enter(page, 'owner/gated');
    const token = page.getByLabel('Access token of Hugging Face');
    await token.waitFor();
    for (const [name, scheme, size] of [
      ['wide', 'light', WIDE],
      ['dark', 'dark', WIDE],
      ['narrow', 'light', PHONE],
      ['dark-narrow', 'dark', PHONE],
    ]) {
      await page.emulateMedia({ colorScheme: untyped(scheme) });
      await page.setViewportSize(untyped(size));
      await offer.scrollIntoViewIfNeeded();
      await shoot(page, `models-token-${name}`);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wider <= 0, 'nothing is wider than a phone');
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(WIDE);
    await token.fill('two words');
    await token.press('Enter');
    await offer.getByText('This is no access token').waitFor();
    await token.fill('hf_wrong');
    await token.press('Enter');
    await offer.getByText(/HUB_TOKEN_REFUSED/).waitFor();
    hub.served.length = 0;
    await token.fill('hf_secret');
    await token.press('Enter');
    await page.locator('.models-offer[aria-label="gated-Q4_0.gguf"] .accent').click();
    await page
      .locator('#models-panel .models-row', { hasText: 'gated-Q4_0' })
      .getByText('Delete')
      .or(page.getByRole('button', { name: /^Use Nibble tiny/ }).last())
      .first()
      .waitFor();
    assert.ok(
      hub.requests.some(
        ({ path, authorization }) => path.includes('/resolve/') && authorization === 'Bearer hf_secret',
      ),
    );
    assert.deepEqual([...new Set(hub.served.map(({ authorization }) => authorization))], [undefined]);
    assert.ok(!(await kept()).includes('hf_secret'), 'nothing is kept unasked');
    await page.getByText(`Your access token is sent to ${HUB}.`).waitFor();
    await page.getByRole('button', { name: 'Forget this' }).click();
    await enter(page, 'owner/gated');
    await token.fill('hf_secret');
    await page.getByLabel('Keep this in this browser').check();
    await token.press('Enter');
    await page.locator('.models-offer[aria-label="gated-Q4_0.gguf"] .accent').waitFor();
    assert.ok((await kept()).includes('hf_secret'));
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Forget this' }).click();
    assert.ok(!(await kept()).includes('hf_secret'));
    await enter(page, 'owner/nothing');
    await page.getByText('Ask at another address').click();
    await token.fill('hf_secret');
    await page.getByLabel('Address of a mirror').fill(hub.url);
    assert.equal(await token.inputValue(), '', 'a token is for one address');
    await page.getByRole('button', { name: 'Try with this' }).click();
    await page
      .getByText(`Hugging Face is asked at ${hub.url}.`)
      .or(offer.getByText(/HUB_NOT_FOUND/))
      .first()
      .waitFor();
    await enter(page, 'owner/one');
    await page.locator('.models-offer[aria-label="one-Q4_0.gguf"] .accent').waitFor();
    assert.ok(
      hub.requests.every(({ authorization }) =>
        [undefined, 'Bearer hf_secret', 'Bearer hf_wrong'].includes(authorization),
      ),
    );
    await close();
  });

  test('says what is gated, what is not there, what runs not by itself, and what is not what was told', async () => {
    const { page, close, offer } = await openPanel();
    await enter(page, 'owner/gated');
    const link = offer.getByRole('link', { name: 'Open its page on Hugging Face' });
    await link.waitFor();
    assert.equal(await link.getAttribute('href'), `${HUB}/owner/gated`);
    assert.equal(await offer.getByRole('button', { name: /^(Choose|Download)/ }).count(), 0);
    for (const [address, words] of [
      ['owner/nothing', /no such model.*HUB_NOT_FOUND/],
      ['owner/model-GGUF:Q9_K', /HUB_NO_MODEL/],
    ]) {
      await enter(page, address);
      await offer.getByText(words).first().waitFor();
      assert.equal(await offer.getByRole('button', { name: /^(Choose|Download)/ }).count(), 0, untyped(address));
    }
    await enter(page, 'hf.co/owner/model-GGUF/model-BF16-00001-of-00002.gguf');
    await offer.getByText('model-BF16-00001-of-00002.gguf does not run by itself.').waitFor();
    assert.equal(await offer.getByRole('button', { name: /^Choose/ }).count(), 5);
    hub.busy = { answers: 6, headers: { 'Retry-After': '60' } };
    await enter(page, 'owner/one');
    await offer.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.models-offer[aria-label="one-Q4_0.gguf"] .accent').waitFor();
    await enter(page, 'owner/tampered');
    await page.locator('.models-offer[aria-label="tampered-Q4_0.gguf"] .accent').click();
    await page
      .locator('#models-panel')
      .getByText(/HASH_MISMATCH/)
      .waitFor();
    await untilEqual(() => page.evaluate(() => window.violations), []);
    await close();
  });
});
