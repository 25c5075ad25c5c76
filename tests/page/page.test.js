// The page with the real engine: first visit to answer, files that are dropped, what goes wrong, and what it runs on.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { serve } from '../../web/serve.js';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { temporaryFolder } from '../small-model.js';
import { drag } from './drag.js';
import * as driver from './driver.js';

const startBrowser = driver.shareBrowser();

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').Route} Route */
/** @typedef {import('playwright-core').BrowserContext} BrowserContext */

const PICTURE = { name: 'picture.jpg', bytes: '\xff\xd8\xff\xe0 no model' };
const FOLDER = temporaryFolder();
const LIMIT = { timeout: 240_000 };
// So many are free, of so many at most.
const FREE_ROUNDS = 2;
const MOST_ROUNDS = 6;
const LONG_MILLISECONDS = 50;

/** @type {driver.Browser} */
let browser;

before(async () => {
  browser = await startBrowser();
});

after(() => browser?.close());

/** The page of a first visit. */
const open = () => driver.openPage(browser, { before: driver.forgetVisits });

/** @param {Page} page @param {string} id */
const text = (page, id) => page.locator(`#${id}`).textContent();

/**
 * Chooses a file in place of the one in use, by dropping it.
 * @param {Page} page
 * @param {{ name: string, bytes: string }} file
 */
const drop = (page, file) => drag(page, ['dragenter', 'dragover', 'drop'], file);

/**
 * Drops a file that is too large to be written into the page: an input of the test's own holds it.
 * @param {Page} page
 * @param {string} path
 */
async function useFile(page, path) {
  await page.evaluate(() => {
    const input = document.body.appendChild(document.createElement('input'));
    Object.assign(input, { type: 'file', id: 'test-file', hidden: true });
  });
  await page.locator('#test-file').setInputFiles(path);
  await page.evaluate(() => {
    const input = /** @type {HTMLInputElement} */ (document.querySelector('#test-file'));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(/** @type {FileList} */ (input.files)[0]);
    input.remove();
    document.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
  });
}

describe('the page', () => {
  test('loads the included model, streams an answer and tells what runs', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await driver.untilReady(page);
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    const processors = await page.evaluate(() => navigator.hardwareConcurrency);
    await page.waitForFunction(
      () => /** @type {HTMLElement} */ (document.querySelector('#status-threads')).textContent !== '',
    );
    const threads = Number.parseInt(present(await text(page, 'status-threads')), 10);
    // As many as are fastest at this moment, which may be one.
    assert.ok(threads >= 1 && threads <= processors, `${threads} threads on ${processors} processors`);
    assert.match(present(await text(page, 'status-kernels')), /simd128|relaxed/);
    assert.equal(await text(page, 'status-storage'), 'IndexedDB', 'so small a model tells no rate');
    assert.equal(await text(page, 'model-name'), 'Nibble tiny');

    const answer = await driver.converse(page, 'Hello');
    assert.match(answer, /\p{L}/u, 'an answer in words');
    assert.equal(await page.locator('.message.user .text').textContent(), 'Hello');
    assert.equal(await text(page, 'announcer'), answer);
    await page.waitForFunction(() =>
      /\d.*\d/.test(/** @type {HTMLElement} */ (document.querySelector('#status-speed')).textContent),
    );
    const used = Number.parseInt(present(await text(page, 'status-context')), 10);
    assert.ok(used > 5 && used < 512, `${used} tokens of context used`);
    assert.match(present(await text(page, 'status-memory')), /\d MB/);
    // The picture that the README opens with.
    for (const question of ['Who are you?', 'What can you do?', 'What is 3 + 4?'])
      await driver.converse(page, question);
    await driver.shoot(page, 'wide');
    await opened.close();
  });

  test('works offline: with the server gone, a reload still answers', LIMIT, async () => {
    const own = await startBrowser();
    try {
      const opened = await driver.openPage(own);
      const { page } = opened;
      await driver.untilReady(page);
      await page.waitForFunction(
        () => /** @type {HTMLElement} */ (document.querySelector('#status')).dataset.offline === 'ready',
      );
      await own.context.setOffline(true);
      await page.reload();
      await driver.untilReady(page);
      await page.waitForFunction(
        () => /** @type {HTMLElement} */ (document.querySelector('#status')).dataset.offline === 'away',
      );
      assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
      await driver.shoot(page, 'offline');
      await page.close();
    } finally {
      await own.close();
    }
  });

  test('answers what was typed before the model had come', LIMIT, async () => {
    const hold = deferred();
    /** @param {Route} route */
    const wait = async (route) => {
      await hold.promise;
      await route.continue();
    };
    const own = await startBrowser({ serviceWorkers: 'block' });
    try {
      await own.context.route('**/*.wasm', wait);
      const { page } = await driver.openPage(own);
      await driver.ask(page, 'Hello');
      const note = page.locator('.message.assistant .progress-note');
      await note.waitFor();
      await note.getByText('Waiting for the model').waitFor();
      await driver.shoot(page, 'waiting');
      hold.resolve();
      await driver.untilIdle(page);
      assert.match(present(await page.locator('.message.assistant .text').textContent()), /\p{L}/u);
      await page.close();
    } finally {
      await own.close();
    }
  });

  test(
    'shows what is wrong with a file until that is closed, or another one is opened, while a model loads',
    LIMIT,
    async () => {
      const hold = deferred();
      const own = await startBrowser({ serviceWorkers: 'block' });
      try {
        await own.context.route('**/*.wasm', async (route) => {
          await hold.promise;
          await route.continue();
        });
        const { page } = await driver.openPage(own);
        const problem = page.locator('#problem[data-code=GGUF_BAD_MAGIC]');
        await page.locator('#loading').waitFor();
        await drop(page, PICTURE);
        await problem.waitFor();
        hold.resolve();
        await page.locator('#model-state[data-state=ready]').waitFor();
        assert.equal(await problem.isVisible(), true, 'when the model has come');
        await page.locator('#open-settings').click();
        await page.locator('#setting-language').selectOption('zh');
        await page.locator('html[lang^=zh]').waitFor();
        await page.keyboard.press('Escape');
        assert.equal(await problem.isVisible(), true, 'in another language');
        await page.locator('#dismiss').click();
        await problem.waitFor({ state: 'hidden' });
        await drop(page, PICTURE);
        await problem.waitFor();
        await drop(page, { name: 'mine.gguf', bytes: readFileSync(driver.MODEL, 'latin1') });
        await problem.waitFor({ state: 'hidden' });
        await driver.untilReady(page);
        await page.close();
      } finally {
        await own.close();
      }
    },
  );

  test('says what is wrong with a file that is no model, and goes on with the model before it', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await driver.untilReady(page);
    await driver.converse(page, 'Hello');
    await drop(page, PICTURE);
    await page.locator('#problem').waitFor();
    assert.equal(await page.locator('#problem').getAttribute('data-code'), 'GGUF_BAD_MAGIC');
    assert.match(present(await text(page, 'problem-text')), /no GGUF model/);
    assert.match(present(await text(page, 'problem-detail')), /was not opened\./);
    assert.equal(await page.locator('#remedy').isVisible(), false, 'the included model is the one in use');
    await driver.shoot(page, 'problem');
    await page.locator('#dismiss').click();
    await drop(page, { name: 'nothing.gguf', bytes: '' });
    await page.locator('#problem[data-code=FILE_EMPTY]').waitFor();
    assert.match(
      present(await text(page, 'problem-text')),
      /^This file is empty: nothing\.gguf\. .* is still loaded\.$/,
    );
    await page.locator('#dismiss').click();
    await driver.untilReady(page);
    await driver.converse(page, 'Who are you?');
    assert.equal(await page.locator('.message.assistant').count(), 2, 'the conversation goes on');
    await opened.close();
  });

  test('refuses a file that was cut off', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await driver.untilReady(page);
    const whole = readFileSync(driver.MODEL, 'latin1');
    await drop(page, { name: 'cut.gguf', bytes: whole.slice(0, 400_000) });
    await page.locator('#problem').waitFor();
    await page.locator('#problem[data-code=GGUF_TRUNCATED]').waitFor();
    await opened.close();
  });

  test('opens a model that is dropped on it, and stays where it is for anything else', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await driver.untilReady(page);
    const leave = [() => drag(page, ['dragleave'], PICTURE), () => page.mouse.move(200, 200)];
    for (const end of leave) {
      await drag(page, ['dragenter', 'dragover'], PICTURE);
      await page.locator('#drop').waitFor();
      await end();
      await page.locator('#drop').waitFor({ state: 'hidden' });
    }
    const model = { name: 'mine.gguf', bytes: readFileSync(driver.MODEL, 'latin1') };
    assert.deepEqual(await drop(page, model), [true, true]);
    await page.waitForFunction(() => JSON.parse(localStorage.getItem('nibble.settings') ?? '{}').model?.stored);
    await driver.untilReady(page);
    // What was only dropped is stored, which is said.
    await page
      .locator('#kept-text', { hasText: /^A copy of Nibble tiny is kept in this browser \(\d+ kB\)/ })
      .waitFor();
    await driver.shoot(page, 'kept');
    await page.locator('#kept-models').click();
    await page.locator('#models-panel').getByText('Nibble tiny').first().waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#kept').waitFor({ state: 'hidden' });
    assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
    assert.deepEqual(await drag(page, ['dragover', 'drop'], { link: 'https://example.org/' }), [true, true]);
    assert.equal(page.url().split('#')[0], browser.server.url);
    // The model of the last visit is there again, out of the store.
    await page.reload();
    await driver.untilReady(page);
    await page.waitForFunction(
      () => /** @type {HTMLElement} */ (document.querySelector('#status-storage')).textContent !== '',
    );
    assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
    assert.match(present(await page.evaluate(() => localStorage.getItem('nibble.settings'))), /mine\.gguf/);
    await opened.close();
  });

  test('tells what is odd about a model that is dropped on it before it is loaded, and loads it', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await driver.untilReady(page);
    const bytes = readFileSync(driver.MODEL, 'latin1').replace(/(tokenizer\.ggml\.pre.{12})smollm/s, '$1smooth');
    // What the box says when it is shown, and whether the model is still on its way then.
    await page.evaluate(() => {
      const box = /** @type {HTMLElement} */ (document.querySelector('#problem'));
      const tell = () => {
        if (box.hidden || box.dataset.code !== 'MODEL_ODD') return;
        globalThis.odd ??= [
          box.innerText,
          /** @type {HTMLElement} */ (document.querySelector('#loading')).hidden === false,
        ];
      };
      new MutationObserver(tell).observe(box, { attributes: true });
    });
    await drop(page, { name: 'odd.gguf', bytes });
    await page.waitForFunction(() => localStorage.getItem('nibble.settings')?.includes('odd.gguf'));
    const [said, isLoading] = await page.evaluate(() => globalThis.odd);
    assert.match(said, /There is something to know about odd\.gguf\.\s+This model .*splits text into words in a way/);
    assert.equal(isLoading, true, 'it is told while the model is loaded');
    await page.locator('#problem').waitFor({ state: 'hidden' });
    await page
      .locator('#shortened-text')
      .getByText(/splits text into words in a way/)
      .waitFor();
    await driver.shoot(page, 'odd');
    await driver.converse(page, 'Hello');
    await opened.close();
  });

  test('gives up the model before a large one only for a file that is a model', LIMIT, async () => {
    const opened = await open();
    const { page } = opened;
    await driver.untilReady(page);
    const large = join(FOLDER, 'large.gguf');
    try {
      writeFileSync(large, 'This is not a model.');
      truncateSync(large, 1.1e9);
      await useFile(page, large);
      await page.locator('#problem').waitFor();
      assert.equal(await page.locator('#model-state').getAttribute('data-state'), 'ready');
      await page.locator('#dismiss').click();
      await driver.converse(page, 'Hello');
    } finally {
      rmSync(large, { force: true });
    }
    await opened.close();
  });

  test('says so when the model cannot be fetched, and tries again', LIMIT, async () => {
    const own = await startBrowser({ serviceWorkers: 'block', viewport: driver.SMALL_PHONE });
    try {
      let absent = true;
      // Longer than the page is looked at.
      /** @type {{ status: number, headers?: Record<string, string>, body?: string }} */
      let refusal = { status: 503, headers: { 'Retry-After': '120' } };
      /** @param {Route} route */
      const answer = (route) => (absent ? route.fulfill(refusal) : route.continue());
      await own.context.route('**/models/*.gguf', answer);
      const { page } = await driver.openPage(own);
      await page.locator('#loading-text', { hasText: 'Nothing comes from the server' }).waitFor();
      refusal = { status: 404, body: 'absent' };
      await page.reload();
      await page.locator('#problem').waitFor();
      await driver.shoot(page, 'not-loaded-320');
      await page.locator('#problem[data-code=DOWNLOAD_FAILED]').waitFor();
      assert.equal(await page.locator('#dismiss').isVisible(), false, 'nothing works before it is solved');
      assert.equal(await page.locator('#model-state').getAttribute('data-state'), 'none');
      absent = false;
      await page.locator('#remedy').click();
      await driver.untilReady(page);
      await page.close();
    } finally {
      await own.close();
    }
  });

  test('runs with one thread where the page cannot be isolated', LIMIT, async () => {
    const own = await startBrowser({ serviceWorkers: 'block' });
    try {
      await own.context.route('**/*', async (route) => {
        const response = await route.fetch();
        const headers = response.headers();
        delete headers['cross-origin-opener-policy'];
        delete headers['cross-origin-embedder-policy'];
        await route.fulfill({ response, headers });
      });
      const { page } = await driver.openPage(own);
      await driver.untilReady(page);
      assert.equal(await page.evaluate(() => crossOriginIsolated), false);
      await page.waitForFunction(
        () => /** @type {HTMLElement} */ (document.querySelector('#status-threads')).textContent === '1 thread',
      );
      assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
      await page.locator('#open-details').click();
      await page.locator('#details-list', { hasText: 'not isolated' }).waitFor();
      await page.close();
    } finally {
      await own.close();
    }
  });

  // A long task is one of more than 50 ms. Where other work holds the machine up, a task is long that has hardly run: so
  // what counts then is the processor's time, of which the busiest task takes a fifth of that. What a virtual machine does
  // not get of its processor is in there as well, so a round that is not free is one to try again: what the page has to do
  // is the same each time.
  test('keeps the page free: no long task while it loads and answers', LIMIT, async (context) => {
    /** @type {{ long: number[], busiest: number }[]} */
    const rounds = [];
    /** @param {{ long: number[], busiest: number }} round */
    const isFree = ({ long, busiest }) => long.length === 0 || busiest < LONG_MILLISECONDS;
    const free = () => rounds.filter(isFree).length;
    while (free() < FREE_ROUNDS && rounds.length < MOST_ROUNDS) {
      const opened = await driver.openPage(browser, {
        before: async (page) => {
          await driver.forgetVisits(page);
          await page.addInitScript(() => {
            window.longTasks = [];
            /** @param {PerformanceObserverEntryList} list */
            const note = (list) => window.longTasks.push(...list.getEntries().map(({ duration }) => duration));
            new PerformanceObserver(note).observe({ type: 'longtask', buffered: true });
          });
        },
      });
      const { page } = opened;
      const trace = await traceTasks(browser.context);
      await page.reload();
      await driver.untilReady(page);
      for (const question of ['Hello', 'What can you do?', 'What is 3 + 4?']) await driver.converse(page, question);
      const long = await page.evaluate(() => window.longTasks.splice(0).map(Math.round));
      rounds.push({ long, busiest: Math.max(...(await trace.end())) });
      // Were there one, it would be told, and counted.
      const control = await traceTasks(browser.context);
      await page.evaluate(() =>
        setTimeout(() => {
          for (const end = performance.now() + 400; performance.now() < end; );
        }),
      );
      await page.waitForFunction(() => window.longTasks.length > 0);
      assert.ok(Math.max(...(await control.end())) > LONG_MILLISECONDS);
      await opened.close();
    }
    const told = JSON.stringify(rounds);
    context.diagnostic(`long tasks and the busiest one's processor time in milliseconds, round by round: ${told}`);
    assert.equal(free(), FREE_ROUNDS, `a long task in too many rounds: ${told}`);
  });
});

/** @typedef {{ name: string, pid: number, tid: number, args: { name?: string }, tdur?: number }} TraceEvent */

/**
 * Follows the main threads of pages.
 * @param {BrowserContext} context
 * @returns {Promise<{ end: () => Promise<number[]> }>} processor time of each task, in milliseconds
 */
async function traceTasks(context) {
  const session = await present(context.browser()).newBrowserCDPSession();
  /** @type {TraceEvent[]} */
  const events = [];
  session.on('Tracing.dataCollected', ({ value }) =>
    events.push(.../** @type {TraceEvent[]} */ (/** @type {unknown} */ (value))),
  );
  const traceConfig = { includedCategories: ['toplevel'] };
  await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig });
  const end = async () => {
    const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
    await session.send('Tracing.end');
    await complete;
    await session.detach();
    /** @param {TraceEvent} event */
    const threadOf = ({ pid, tid }) => `${pid}:${tid}`;
    /** @param {TraceEvent} event */
    const isMain = ({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain';
    const main = new Set(events.filter(isMain).map(threadOf));
    const tasks = events.filter((event) => event.name.endsWith('RunTask') && main.has(threadOf(event)));
    return tasks.map(({ tdur = 0 }) => tdur / 1000);
  };
  return { end };
}

test('without JavaScript the page says what it needs', LIMIT, async () => {
  const server = await serve({ port: 0 });
  const plain = await openChromium({ viewport: driver.PHONE, javaScriptEnabled: false });
  try {
    const page = await plain.context.newPage();
    await page.goto(server.url);
    assert.match(await page.locator('noscript').innerText(), /JavaScript/);
    assert.equal(await page.locator('#loading').isVisible(), false, 'nothing claims to be loading');
    await driver.shoot(page, 'no-script');
  } finally {
    await plain.close();
    await server.close();
  }
});

function deferred() {
  let resolve = () => {};
  /** @type {Promise<void>} */
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
