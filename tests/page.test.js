// The page in a real browser, from the server that `npm start` starts.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serve } from '../web/serve.js';
import { openChromium } from './chromium.js';

const SCREENSHOTS = fileURLToPath(new URL('../build/screenshots/', import.meta.url));
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };
// A first start compiles the wasm and measures the kernels; a busy machine takes its time.
const PATIENCE = 60_000;

let server;
let browser;

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  server = await serve({ port: 0 });
  browser = await openChromium({ viewport: WIDE });
  browser.context.setDefaultTimeout(PATIENCE);
});

after(async () => {
  await browser?.close();
  await server?.close();
});

/** Opens the page and notes what it must not do: complain, and ask anything of anyone else. */
async function open({ before: prepare } = {}) {
  const page = await browser.context.newPage();
  const complaints = [];
  const strangers = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url) && !/^(data|blob):/.test(request.url())) strangers.push(request.url());
  });
  await prepare?.(page);
  await page.goto(server.url);
  return { page, complaints, strangers };
}

const state = (page) => page.locator('#state').textContent();

async function untilReady(page) {
  const settled = () =>
    document.querySelector('#state').textContent === 'Ready' || !document.querySelector('#problem').hidden;
  await page.waitForFunction(settled);
  assert.equal(await page.locator('#problem').isVisible(), false, await page.locator('#problem').textContent());
}

/** Types a message and sends it by the keyboard. */
async function ask(page, text) {
  await page.locator('#prompt').fill(text);
  await page.locator('#prompt').press('Enter');
}

/** The text of the nth answer (from 0) when it is complete; fails with the page's own words where there is a problem. */
async function answerOf(page, nth) {
  const settled = (wanted) =>
    document.querySelectorAll('.message.assistant:not([aria-busy])').length > wanted ||
    !document.querySelector('#problem').hidden;
  await page.waitForFunction(settled, nth);
  await untilReady(page);
  return page.locator('.message.assistant').nth(nth).textContent();
}

async function shoot(page, name) {
  await page.screenshot({ path: `${SCREENSHOTS}${name}.png` });
}

describe('the page', () => {
  test('loads the default model and streams an answer to what is typed', async () => {
    const { page, complaints, strangers } = await open();
    await untilReady(page);
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    assert.equal(await page.locator('#isolated').textContent(), 'yes');
    const processors = await page.evaluate(() => navigator.hardwareConcurrency);
    const threads = Number(await page.locator('#threads').textContent());
    assert.ok(processors === 1 ? threads === 1 : threads > 1, `${threads} threads on ${processors} processors`);
    assert.match(await page.locator('#kernels').textContent(), /simd128|relaxed/);
    await shoot(page, 'ready');

    // Counts how often the answer grows, to tell a stream from a text that arrives whole.
    await page.evaluate(() => {
      window.growth = new Set();
      const note = () => window.growth.add(document.querySelector('.message.assistant')?.textContent.length ?? 0);
      new MutationObserver(note).observe(document.querySelector('#log'), {
        subtree: true,
        childList: true,
        characterData: true,
      });
    });
    await ask(page, 'Hello');
    const answer = await answerOf(page, 0);
    assert.match(answer, /\p{L}/u, 'an answer in words');
    const growth = await page.evaluate(() => [...window.growth].filter((length) => length > 0));
    assert.ok(growth.length > 1, `the answer grew in ${growth.length} steps`);
    assert.equal(await page.locator('.message.user').textContent(), 'Hello');
    assert.match(await page.locator('#speed').textContent(), /^[\d.]+ tok\/s/);
    assert.equal(await page.locator('#announcer').textContent(), answer);

    await ask(page, 'Who are you?');
    await answerOf(page, 1);
    await shoot(page, 'wide');
    await page.emulateMedia({ colorScheme: 'dark' });
    await shoot(page, 'dark');
    await page.setViewportSize(PHONE);
    await shoot(page, 'phone-dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await shoot(page, 'phone');
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide for a phone`);
    await page.setViewportSize(WIDE);

    await page.locator('#clear').click();
    assert.equal(await page.locator('.message').count(), 0);
    assert.deepEqual(complaints, []);
    assert.deepEqual(strangers, []);
    await page.close();
  });

  test('stops an answer at Escape and goes on with the next', async () => {
    const { page, complaints } = await open();
    await untilReady(page);
    // Escape as soon as the question is sent, from within the page: a small model may be done before a command gets
    // there.
    await page.evaluate(() => {
      const observer = new MutationObserver(() => {
        if (!document.querySelector('.message.assistant')) return;
        observer.disconnect();
        document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
      });
      observer.observe(document.querySelector('#log'), { childList: true });
    });
    await ask(page, 'Tell me everything that you know about Nibble.');
    await page.locator('.message.note').waitFor();
    assert.equal(await page.locator('.message.note').textContent(), 'Stopped.');
    await untilReady(page);
    assert.equal(await page.locator('#stop').isVisible(), false);
    assert.equal(await page.locator('#problem').isVisible(), false);
    const before = await page.locator('.message.assistant').count();
    await ask(page, 'Hello');
    assert.notEqual(await answerOf(page, before), '');
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('says what is wrong with a file that is no model, and recovers', async () => {
    const { page, complaints } = await open();
    await untilReady(page);
    const bad = `${SCREENSHOTS}no-model.gguf`;
    writeFileSync(bad, 'This is not a model. '.repeat(100));
    await page.locator('#file').setInputFiles(bad);
    await page.locator('#problem').waitFor();
    assert.match(await page.locator('#problem-code').textContent(), /^[A-Z][A-Z_]+$/);
    assert.match(await page.locator('#problem-text').textContent(), /GGUF/);
    assert.equal(await page.locator('#send').isDisabled(), true);
    await shoot(page, 'problem');
    await page.locator('#file').setInputFiles(fileURLToPath(new URL('../models/nibble-tiny.gguf', import.meta.url)));
    await untilReady(page);
    await ask(page, 'Hello');
    await answerOf(page, 0);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('says so when the model cannot be fetched, and tries again', async () => {
    let absent = true;
    const answer = (route) => (absent ? route.fulfill({ status: 404, body: 'absent' }) : route.continue());
    await browser.context.route('**/models/*', answer);
    const { page } = await open();
    await page.locator('#problem').waitFor();
    assert.equal(await state(page), 'The model is not loaded');
    absent = false;
    await page.locator('#retry').click();
    await untilReady(page);
    await browser.context.unroute('**/models/*', answer);
    await page.close();
  });

  test('runs with one thread where the page is not isolated', async () => {
    const strip = async (route) => {
      const response = await route.fetch();
      const headers = response.headers();
      delete headers['cross-origin-opener-policy'];
      delete headers['cross-origin-embedder-policy'];
      await route.fulfill({ response, headers });
    };
    await browser.context.route('**/*', strip);
    const { page, complaints } = await open();
    await untilReady(page);
    assert.equal(await page.evaluate(() => crossOriginIsolated), false);
    assert.equal(await page.locator('#threads').textContent(), '1');
    await ask(page, 'Hello');
    assert.match(await answerOf(page, 0), /\p{L}/u);
    assert.deepEqual(complaints, []);
    await browser.context.unroute('**/*', strip);
    await page.close();
  });
});
