// The page in a real browser, from the server that `npm start` starts.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serve } from '../web/serve.js';
import { openChromium } from './chromium.js';
import { drag } from './drag.js';

const SCREENSHOTS = fileURLToPath(new URL('../build/screenshots/', import.meta.url));
const MODEL = fileURLToPath(new URL('../models/nibble-tiny.gguf', import.meta.url));
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };
const SMALL_PHONE = { width: 320, height: 568 };
const PICTURE = { name: 'picture.jpg', bytes: '\xff\xd8\xff\xe0 no model' };
// A first start compiles the wasm and measures the kernels; a busy machine takes its time.
const PATIENCE = 60_000;

let server;
let browser;

before(async () => {
  mkdirSync(SCREENSHOTS, { recursive: true });
  server = await serve({ port: 0 });
  // What a service worker keeps is tested by itself (offline.test.js): here each page comes from the server.
  browser = await openChromium({ viewport: WIDE, serviceWorkers: 'block' });
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

/** The page paints once a frame, and a whole short answer fits into one: here a frame is as short as can be. */
const paintEachPiece = (page) =>
  page.addInitScript(() => {
    window.requestAnimationFrame = (paint) => setTimeout(() => paint(performance.now()), 0);
    window.cancelAnimationFrame = clearTimeout;
  });

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

/** How much of what the conversation's place holds is out of sight. */
function cutPixels(page) {
  return page.locator('#scroller').evaluate((found) => found.scrollHeight - found.clientHeight);
}

async function shoot(page, name) {
  await page.screenshot({ path: `${SCREENSHOTS}${name}.png` });
}

describe('the page', () => {
  test('loads the default model and streams an answer to what is typed', async () => {
    const { page, complaints, strangers } = await open({ before: paintEachPiece });
    await untilReady(page);
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    const processors = await page.evaluate(() => navigator.hardwareConcurrency);
    const shown = await page.locator('#threads').textContent();
    assert.match(shown, /^\d+ threads?$/);
    const threads = Number.parseInt(shown, 10);
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
    let answer = await answerOf(page, 0);
    assert.match(answer, /\p{L}/u, 'an answer in words');
    const steps = () => page.evaluate(() => [...window.growth].filter((length) => length > 0).length);
    // A small model may be done before the page has painted once, so the counting goes on until an answer was seen growing.
    let grown = await steps();
    for (let again = 0; grown < 2 && again < 5; again++) {
      await page.locator('#clear').click();
      await page.evaluate(() => window.growth.clear());
      await ask(page, 'Hello');
      answer = await answerOf(page, 0);
      grown = await steps();
    }
    assert.ok(grown > 1, `the answer grew in ${grown} steps`);
    assert.equal(await page.locator('.message.user').textContent(), 'Hello');
    assert.match(await page.locator('#speed').textContent(), /^[\d.]+ tokens a second$/);
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

  test('says what is wrong with a file that is no model, and goes on with the model before it', async () => {
    const { page, complaints } = await open();
    await untilReady(page);
    await ask(page, 'Hello');
    await answerOf(page, 0);
    const bad = `${SCREENSHOTS}no-model.gguf`;
    writeFileSync(bad, 'This is not a model. '.repeat(100));
    await page.locator('#file').setInputFiles(bad);
    await page.locator('#problem').waitFor();
    assert.match(await page.locator('#problem-code').textContent(), /^[A-Z][A-Z_]+$/);
    assert.match(await page.locator('#problem-text').textContent(), /GGUF.* is still loaded\./s);
    assert.equal(await page.locator('#remedy').isVisible(), false, 'the included model is the one in use');
    await shoot(page, 'problem');
    await page.locator('#dismiss').click();
    await untilReady(page);
    await ask(page, 'Who are you?');
    await answerOf(page, 1);
    await page.locator('#file').setInputFiles(MODEL);
    await page.waitForFunction(() => document.querySelectorAll('.message').length === 0);
    await untilReady(page);
    await page.locator('#file').setInputFiles(bad);
    await page.locator('#remedy').click();
    await untilReady(page);
    await ask(page, 'Hello');
    await answerOf(page, 0);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('gives up the model before a large one only for a file that is a model', async () => {
    const { page, complaints } = await open();
    await untilReady(page);
    const large = `${SCREENSHOTS}large.gguf`;
    try {
      writeFileSync(large, 'This is not a model.');
      truncateSync(large, 1.1e9);
      await page.locator('#file').setInputFiles(large);
      await page.locator('#problem').waitFor();
      assert.equal(await state(page), 'Ready');
      await ask(page, 'Hello');
      await answerOf(page, 0);

      copyFileSync(MODEL, large);
      truncateSync(large, 1.1e9);
      // The header can be read, the engine's own wasm no longer: the model before is gone by then.
      let fetched = 0;
      const refuse = (route) => (++fetched > 1 ? route.abort() : route.continue());
      await browser.context.route('**/*.wasm', refuse);
      await page.locator('#file').setInputFiles(large);
      await page.locator('#problem').waitFor();
      await browser.context.unroute('**/*.wasm', refuse);
      assert.equal(await state(page), 'The model is not loaded');
      assert.equal(await page.locator('#remedy').textContent(), 'Use the included model');
      await page.locator('#remedy').click();
      await untilReady(page);
      await ask(page, 'Hello');
      await answerOf(page, 0);
      assert.deepEqual(
        complaints.filter((text) => !/ERR_FAILED/.test(text)),
        [],
      );
    } finally {
      rmSync(large, { force: true });
    }
    await page.close();
  });

  test('opens a model that is dropped on it, and stays where it is for anything else', async () => {
    const { page, complaints } = await open();
    await untilReady(page);
    await ask(page, 'Hello');
    await answerOf(page, 0);

    const leave = [() => drag(page, ['dragleave'], PICTURE), () => page.mouse.move(200, 200)];
    for (const end of leave) {
      await drag(page, ['dragenter', 'dragover'], PICTURE);
      assert.equal(await page.locator('#drop').isVisible(), true);
      await shoot(page, 'drop');
      await end();
      assert.equal(await page.locator('#drop').isVisible(), false);
    }
    assert.deepEqual(await drag(page, ['dragenter', 'dragover', 'drop'], PICTURE), [true, true]);
    await page.locator('#problem').waitFor();
    assert.equal(await page.locator('#drop').isVisible(), false);
    assert.match(await page.locator('#problem-code').textContent(), /^GGUF_/);
    assert.equal(await page.locator('.message.assistant').count(), 1, 'the conversation is still there');

    const model = { name: 'mine.gguf', bytes: readFileSync(MODEL, 'latin1') };
    await drag(page, ['dragenter', 'dragover', 'drop'], model);
    await page.waitForFunction(() => document.querySelectorAll('.message').length === 0);
    await untilReady(page);
    await ask(page, 'Hello');
    await answerOf(page, 0);
    assert.deepEqual(await drag(page, ['dragover', 'drop'], { link: 'https://example.org/' }), [true, true]);
    assert.equal(page.url(), server.url);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('keeps a message that does not fit, and says what to do about it', async () => {
    const { page, complaints } = await open();
    await untilReady(page);
    const long = 'The quick brown fox jumps over the lazy dog. '.repeat(400).trim();
    for (let attempt = 0; attempt < 2; attempt++) {
      await ask(page, long);
      await page.waitForFunction(() => !document.querySelector('#problem').hidden);
      assert.equal(await page.locator('#problem-code').textContent(), 'CONTEXT_FULL');
      assert.match(await page.locator('#problem-text').textContent(), /Shorten it\./);
      assert.equal(await page.locator('#remedy').isVisible(), false);
      assert.equal(await page.locator('#prompt').inputValue(), long);
      assert.equal(await page.locator('.message').count(), 0);
    }
    await shoot(page, 'too-long');

    await page.locator('#dismiss').click();
    // Fills the conversation with questions that fit by themselves.
    const question = 'The quick brown fox jumps over the lazy dog. '.repeat(8).trim();
    const settled = (wanted) =>
      !document.querySelector('#problem').hidden ||
      (document.querySelectorAll('.message.user').length === wanted &&
        document.querySelector('#state').textContent === 'Ready');
    for (let asked = 1; asked < 100 && !(await page.locator('#problem').isVisible()); asked++) {
      await ask(page, question);
      await page.waitForFunction(settled, asked);
    }
    assert.match(await page.locator('#problem-text').textContent(), /conversation is full/);
    assert.equal(await page.locator('#prompt').inputValue(), question);
    assert.notEqual(await page.locator('.message').last().getAttribute('class'), 'message user');
    await shoot(page, 'full');
    await page.locator('#remedy').click();
    assert.equal(await page.locator('.message').count(), 0);
    assert.equal(await page.locator('#prompt').inputValue(), question);
    await page.locator('#prompt').press('Enter');
    await page.locator('.message').nth(1).waitFor();
    await untilReady(page);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  test('says where the context cut an answer off, and offers a new chat', async () => {
    const { page } = await open();
    await untilReady(page);
    const tokensOf = async (words) => {
      await ask(page, 'word '.repeat(words));
      await page.waitForFunction(() => !document.querySelector('#problem').hidden);
      const text = await page.locator('#problem-text').textContent();
      await page.locator('#dismiss').click();
      return text.match(/\d+/g).map(Number);
    };
    // As many words as leave room for a token or few, from the counts that two messages too long are refused with.
    const [most, fit] = await tokensOf(1000);
    const [fewer] = await tokensOf(900);
    const perWord = (most - fewer) / 100;
    const words = 1000 - Math.ceil((most - fit + 1) / perWord);
    const settled = () =>
      document.querySelector('.message') && document.querySelector('#state').textContent === 'Ready';
    // A model may end its text within what little room is left; it does so now and then, not every time.
    for (let attempt = 0; attempt < 10 && !(await page.locator('.message.note button').isVisible()); attempt++) {
      await page.locator('#clear').click();
      await ask(page, 'word '.repeat(words));
      await page.waitForFunction(settled);
    }
    assert.match(await page.locator('.message.note').textContent(), /conversation is full/);
    await shoot(page, 'cut-off');
    await page.locator('.message.note button').click();
    assert.equal(await page.locator('.message').count(), 0);
    await page.close();
  });

  test('shows the greeting and a problem side by side on a small phone', async () => {
    const { page } = await open();
    await page.setViewportSize(SMALL_PHONE);
    await untilReady(page);
    await drag(page, ['dragenter', 'dragover', 'drop'], PICTURE);
    await page.locator('#problem').waitFor();
    await shoot(page, 'problem-320');
    assert.equal(await cutPixels(page), 0);
    await page.close();
  });

  test('says so when the model cannot be fetched, and tries again', async () => {
    let absent = true;
    const answer = (route) => (absent ? route.fulfill({ status: 404, body: 'absent' }) : route.continue());
    await browser.context.route('**/models/*', answer);
    const { page } = await open({ before: (opened) => opened.setViewportSize(SMALL_PHONE) });
    await page.locator('#problem').waitFor();
    await shoot(page, 'not-loaded-320');
    assert.equal(await cutPixels(page), 0);
    assert.equal(await state(page), 'The model is not loaded');
    assert.equal(await page.locator('#dismiss').isVisible(), false, 'nothing works before it is solved');
    absent = false;
    await page.locator('#remedy').click();
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
    assert.match(await page.locator('#threads').textContent(), /^1 thread: this server/);
    await ask(page, 'Hello');
    assert.match(await answerOf(page, 0), /\p{L}/u);
    assert.deepEqual(complaints, []);
    await browser.context.unroute('**/*', strip);
    await page.close();
  });
});

test('without JavaScript the page says what it needs', async () => {
  const plain = await openChromium({ viewport: PHONE, javaScriptEnabled: false });
  try {
    const page = await plain.context.newPage();
    await page.goto(server.url);
    assert.match(await page.locator('noscript').innerText(), /JavaScript/);
    assert.equal(await page.locator('#loading').isVisible(), false, 'nothing claims to be loading');
    await shoot(page, 'no-script');
  } finally {
    await plain.close();
  }
});
