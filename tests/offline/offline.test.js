// The page without its server: what the service worker keeps, and what it does for a host that isolates nothing.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SITE, sealSite } from '../../js/bundle.js';
import { ROOT } from '../../wasm/shell.js';
import { openChromium } from '../chromium.js';
import { converse, untilReady } from '../page/driver.js';
import { servePlainly } from '../plain-server.js';
import { present } from '../present.js';

/** @typedef {import('playwright-core').Page} Page */

const PATIENCE = 60_000;
const site = join(ROOT, SITE);
/** @type {string} */
let folder;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'nibble-offline-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** A browser of its own, with a new profile, and a page in it that counts its loads. @param {string} url */
async function visit(url, options = {}) {
  const browser = await openChromium(options);
  browser.context.setDefaultTimeout(PATIENCE);
  const page = await browser.context.newPage();
  /** @type {string[]} */
  const complaints = [];
  let loads = 0;
  page.on('load', () => loads++);
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(url);
  return { ...browser, page, complaints, loads: () => loads };
}

/** @param {Page} page */
const answer = (page) => converse(page, 'Hello');
/** @param {Page} page */
const isolated = (page) => page.evaluate(() => crossOriginIsolated);

/**
 * Asks the page again and again; waitForFunction() takes any promise for a yes.
 * @param {Page} page
 * @param {() => Promise<boolean>} question
 */
async function until(page, question) {
  for (const end = Date.now() + PATIENCE; Date.now() < end; await page.waitForTimeout(50)) {
    if (await page.evaluate(question)) return;
  }
  assert.fail(`The page never came to ${question}`);
}

/** Ends when the service worker has everything. @param {Page} page */
const untilKept = (page) =>
  until(page, async () => {
    const { active } = (await navigator.serviceWorker.getRegistration()) ?? {};
    return active?.state === 'activated' && (await caches.keys()).length === 1;
  });

/**
 * What the page gets of each of its files, and the caches that there are.
 * @param {Page} page
 * @param {string[]} paths
 */
const look = (page, paths) =>
  page.evaluate(async (names) => {
    const texts = await Promise.all(names.map((name) => fetch(name).then((response) => response.text())));
    return { texts, caches: await caches.keys() };
  }, paths);

describe('a host without headers', () => {
  test('a first visit is isolated after one more load, and is loaded no third time', async () => {
    const server = await servePlainly(site);
    const visitor = await visit(server.url);
    try {
      const { page } = visitor;
      await page.waitForFunction(() => crossOriginIsolated);
      await untilReady(page);
      assert.equal(visitor.loads(), 2);
      assert.match(present(await page.locator('#status-threads').textContent()), /^\d+ threads?$/);
      await page.reload();
      await untilReady(page);
      assert.equal(await isolated(page), true);
      assert.equal(visitor.loads(), 3, 'the reload that was asked for and no more');
      assert.match(await answer(page), /\p{L}/u);
      assert.deepEqual(visitor.complaints, []);
    } finally {
      await visitor.close();
      await server.close();
    }
  });

  test('with the server gone and the network off, a reload still answers', async () => {
    const server = await servePlainly(site);
    const visitor = await visit(server.url);
    try {
      const { page, context } = visitor;
      await page.waitForFunction(() => crossOriginIsolated);
      await untilReady(page);
      await untilKept(page);
      await server.close();
      await context.setOffline(true);
      await page.reload();
      await untilReady(page);
      assert.equal(await isolated(page), true);
      assert.match(await answer(page), /\p{L}/u);
      // Installed, the page starts by its manifest's address; others may have kept a link with a query.
      for (const path of ['', 'index.html', '?from=homescreen']) {
        await page.goto(server.url + path);
        await untilReady(page);
      }
      assert.deepEqual(visitor.complaints, []);
    } finally {
      await visitor.close();
    }
  });

  test('a page whose service worker is of no use is not loaded again and again', async () => {
    // It does nothing for the page: as one that the browser lets in but that a user agent's policy keeps from answering.
    const useless = join(folder, 'useless');
    cpSync(site, useless, { recursive: true });
    writeFileSync(join(useless, 'sw.js'), 'addEventListener("activate", (event) => event.waitUntil(clients.claim()));');
    const server = await servePlainly(useless);
    const visitor = await visit(server.url);
    try {
      await untilReady(visitor.page);
      assert.equal(await isolated(visitor.page), false);
      assert.equal(visitor.loads(), 2);
      await visitor.page.reload();
      await untilReady(visitor.page);
      assert.equal(visitor.loads(), 3);
      assert.match(await answer(visitor.page), /\p{L}/u);
    } finally {
      await visitor.close();
      await server.close();
    }
  });

  /** @type {[how: string, options: import('../chromium.js').ChromiumOptions, script: (() => void) | null][]} */
  const without = [
    ['blocked', { serviceWorkers: 'block' }, null],
    ['absent', {}, () => Reflect.deleteProperty(Navigator.prototype, 'serviceWorker')],
    [
      'refused',
      {},
      () => {
        navigator.serviceWorker.register = () => Promise.reject(new DOMException('Not here.', 'SecurityError'));
      },
    ],
  ];
  for (const [how, options, script] of without) {
    test(`where service workers are ${how}, the page works at once with one thread`, async () => {
      const server = await servePlainly(site);
      const visitor = await visit('about:blank', options);
      try {
        const { page } = visitor;
        if (script) await page.addInitScript(script);
        await page.goto(server.url);
        await untilReady(page);
        assert.equal(await isolated(page), false);
        assert.match(present(await page.locator('#status-threads').textContent()), /^1 thread/);
        assert.match(await answer(page), /\p{L}/u);
        assert.equal(visitor.loads(), 2, 'about:blank, and the page once');
        assert.deepEqual(visitor.complaints, []);
      } finally {
        await visitor.close();
        await server.close();
      }
    });
  }
});

describe('another version', () => {
  /** A copy of the site that differs in the page, its style and the library. @param {string} name */
  async function makeVersion(name) {
    const copy = join(folder, name);
    cpSync(site, copy, { recursive: true });
    for (const [path, comment] of [
      ['app.css', `/* ${name} */`],
      ['nibble/worker.js', `// ${name}`],
    ]) {
      writeFileSync(join(copy, path), `${readFileSync(join(copy, path), 'utf8')}\n${comment}\n`);
    }
    const page = readFileSync(join(copy, 'index.html'), 'utf8');
    writeFileSync(
      join(copy, 'index.html'),
      page.replace(/name="description" content="[^"]*"/, `name="description" content="${name}"`),
    );
    await sealSite(copy);
    return copy;
  }

  const MARKED = ['./', 'app.css', 'nibble/worker.js'];
  /** @param {Awaited<ReturnType<typeof look>>} look */
  const versionsIn = ({ texts }) => texts.map((text) => /version-\w+/.exec(text)?.[0]);
  /** @param {Page} page */
  const waitsFor = (page) =>
    until(page, async () => {
      const registration = /** @type {ServiceWorkerRegistration} */ (await navigator.serviceWorker.getRegistration());
      await registration.update();
      return registration.waiting !== null;
    });

  const isVersion = (/** @type {string} */ wanted) =>
    /** @type {HTMLMetaElement} */ (document.querySelector('meta[name=description]')).content === wanted;
  /**
   * Loads the page anew until it is that version: a start on a busy machine goes on with the one that it has.
   * @param {Page} page
   * @param {string} name
   */
  async function startVersion(page, name) {
    for (let starts = 0; starts < 5; starts++) {
      await page.reload();
      await untilReady(page);
      if (await page.waitForFunction(isVersion, name, { timeout: 10_000 }).catch(() => false)) break;
    }
    await untilReady(page);
    assert.equal(await page.evaluate(isVersion, name), true, `the page is ${name} after a few starts`);
  }

  test('is fetched in the background, begins when the reader wants it, and never mixes with the one before', async () => {
    let served = await makeVersion('version-one');
    const server = await servePlainly(() => served);
    const visitor = await visit(server.url);
    try {
      const { page } = visitor;
      await page.waitForFunction(() => crossOriginIsolated);
      await untilReady(page);
      await untilKept(page);
      const first = await look(page, MARKED);
      assert.deepEqual(versionsIn(first), Array(3).fill('version-one'));

      served = await makeVersion('version-two');
      server.paths.length = 0;
      await waitsFor(page);
      assert.ok(!server.paths.includes('/models/nibble-tiny.gguf'), 'what has not changed is not fetched again');
      assert.ok(server.paths.includes('/app.css'));
      assert.deepEqual(versionsIn(await look(page, MARKED)), Array(3).fill('version-one'));

      // The reader begins with it, or the next start does.
      await page.locator('#update').waitFor();
      await page.locator('#update-apply').click();
      await page.waitForFunction(isVersion, 'version-two');
      await untilReady(page);
      assert.equal(await page.locator('#update').isVisible(), false);
      const second = await look(page, MARKED);
      assert.deepEqual(versionsIn(second), Array(3).fill('version-two'));
      assert.equal(second.caches.length, 1);
      assert.notDeepEqual(second.caches, first.caches);
      assert.match(await answer(page), /\p{L}/u);
    } finally {
      await visitor.close();
      await server.close();
    }
  });

  test('waits while a second tab runs the present one', async () => {
    let served = await makeVersion('version-a');
    const server = await servePlainly(() => served);
    const visitor = await visit(server.url);
    try {
      const { page, context } = visitor;
      await page.waitForFunction(() => crossOriginIsolated);
      await untilReady(page);
      await untilKept(page);
      const second = await context.newPage();
      await second.goto(server.url);
      await untilReady(second);
      served = await makeVersion('version-b');
      await waitsFor(page);
      await page.reload();
      await untilReady(page);
      await page.locator('#update').waitFor();
      await page.locator('#update-apply').click();
      await page.locator('#update-text').getByText('another tab').waitFor();
      for (const tab of [page, second]) {
        assert.deepEqual(versionsIn(await look(tab, MARKED)), Array(3).fill('version-a'));
      }
      await second.close();
      await startVersion(page, 'version-b');
      assert.deepEqual(versionsIn(await look(page, MARKED)), Array(3).fill('version-b'));
    } finally {
      await visitor.close();
      await server.close();
    }
  });

  test('that arrives only in part leaves the one before in place', async () => {
    let served = await makeVersion('version-whole');
    /** @type {string | null} */
    let missing = null;
    const server = await servePlainly(() => served, {
      onRequest: (path) => (path === missing ? { status: 503 } : undefined),
    });
    const visitor = await visit(server.url);
    try {
      const { page, context } = visitor;
      await page.waitForFunction(() => crossOriginIsolated);
      await untilReady(page);
      await untilKept(page);
      const before = await look(page, MARKED);
      const wanted = await makeVersion('version-torn');
      /** @param {() => unknown} tear */
      const refused = (tear) => async () => {
        tear();
        served = wanted;
        const failed = await page.evaluate(async () => {
          const registration = /** @type {ServiceWorkerRegistration} */ (
            await navigator.serviceWorker.getRegistration()
          );
          const found = new Promise((/** @type {(worker: ServiceWorker | null) => void} */ resolve) => {
            registration.addEventListener('updatefound', () => resolve(registration.installing), { once: true });
          });
          await registration.update().catch(() => {});
          const worker = /** @type {ServiceWorker} */ (await found);
          while (!['redundant', 'installed'].includes(worker.state)) await new Promise((go) => setTimeout(go, 50));
          return worker.state;
        });
        assert.equal(failed, 'redundant');
        assert.deepEqual(await look(page, MARKED), before);
      };
      await refused(() => {
        missing = '/nibble/worker.js';
      })();
      await refused(() => {
        // The server's files are of two versions.
        missing = null;
        writeFileSync(join(wanted, 'app.css'), '/* version-other */');
      })();
      await context.setOffline(true);
      await server.close();
      await page.reload();
      await untilReady(page);
      assert.deepEqual(versionsIn(await look(page, MARKED)), Array(3).fill('version-whole'));
    } finally {
      await visitor.close();
      await server.close();
    }
  });
});

describe('what was kept and is gone', () => {
  /** @param {Page} page @param {string} state */
  const footer = (page, state) =>
    page.waitForFunction((to) => document.querySelector('#status')?.getAttribute('data-offline') === to, state);

  test('is not called kept any more: a model deleted in another tab, then the page itself', async () => {
    const server = await servePlainly(site);
    const visitor = await visit(server.url);
    try {
      const { page, context } = visitor;
      await page.waitForFunction(() => crossOriginIsolated);
      await untilReady(page);
      await page.evaluate(async () => {
        const { openModelStore } = await import(new URL('nibble/index.js', document.baseURI).href);
        const store = await openModelStore();
        const { id } = await store.import(new URL('models/nibble-tiny.gguf?mine', document.baseURI));
        await store.rename(id, 'Mine');
        await store.close();
        localStorage.setItem('nibble.settings', JSON.stringify({ model: { stored: id } }));
      });
      await page.reload();
      await untilReady(page);
      await footer(page, 'ready');
      const other = await context.newPage();
      await other.goto(server.url);
      await untilReady(other);
      await footer(other, 'ready');
      await other.locator('#model-button').click();
      const row = other.locator('#models-panel .models-row', { hasText: 'Mine' });
      await row.getByText('In use').waitFor();
      await row.getByRole('button', { name: 'Delete' }).click();
      await other.locator('dialog.confirm').getByRole('button', { name: 'Delete' }).click();
      for (const tab of [other, page]) await footer(tab, 'gone');
      assert.match(await answer(page), /\p{L}/u);

      await other.close();
      await page.reload();
      await untilReady(page);
      const said = /Mine is no longer on this device/;
      assert.match(await page.locator('#gone').innerText(), said);
      await footer(page, 'ready');
      await page.reload();
      await untilReady(page);
      assert.equal(await page.locator('#gone').isVisible(), false, 'it is said once');

      await footer(page, 'ready');
      const session = await context.newCDPSession(page);
      await session.send('Storage.clearDataForOrigin', { origin: new URL(server.url).origin, storageTypes: 'all' });
      await page.evaluate(() => dispatchEvent(new Event('focus')));
      await footer(page, 'lost');
      assert.match(await page.locator('#status-offline').innerText(), /Needs the network to open again/);
      assert.match(await answer(page), /\p{L}/u);
      assert.deepEqual(visitor.complaints, []);
    } finally {
      await visitor.close();
      await server.close();
    }
  });
});

test('parts of kept files come as a server would send them, and everything else is left alone', async () => {
  const server = await servePlainly(site, { onRequest: (path) => (path === '/gone' ? { status: 500 } : undefined) });
  const other = await servePlainly(site);
  const visitor = await visit(server.url);
  try {
    const { page } = visitor;
    await page.waitForFunction(() => crossOriginIsolated);
    await untilReady(page);
    await untilKept(page);
    server.paths.length = 0;
    const asked = () => server.paths.filter((path) => path !== '/sw.js'); // The browser looks for newer ones now and then.
    const model = readFileSync(join(site, 'models/nibble-tiny.gguf'));
    /** @param {string | null} range */
    const ask = (range, path = 'models/nibble-tiny.gguf', method = 'GET') =>
      page.evaluate(
        async (/** @type {any[]} */ [address, value, verb]) => {
          const response = await fetch(address, { method: verb, headers: value ? { Range: value } : {} });
          const bytes = [...new Uint8Array(await response.arrayBuffer())];
          return { status: response.status, range: response.headers.get('Content-Range'), bytes };
        },
        [path, range, method],
      );
    const size = model.length;
    assert.deepEqual(await ask('bytes=4-9'), {
      ...{ status: 206, range: `bytes 4-9/${size}` },
      bytes: [...model.subarray(4, 10)],
    });
    assert.deepEqual((await ask(`bytes=${size - 3}-`)).bytes, [...model.subarray(-3)]);
    assert.equal((await ask(`bytes=${size}-`)).status, 416);
    assert.deepEqual((await ask(null, 'models/nibble-tiny.gguf', 'HEAD')).bytes, []);
    assert.deepEqual(asked(), [], 'the server was asked for none of it');

    assert.equal((await ask(null, 'gone')).status, 500);
    assert.equal((await ask(null, 'gone')).status, 500);
    assert.deepEqual(asked(), ['/gone', '/gone'], 'a failed answer is not kept');
    const names = await page.evaluate(async () => {
      const [name] = await caches.keys();
      return (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname);
    });
    assert.ok(!names.includes('/gone'));
    const stranger = await page.evaluate(
      (url) =>
        fetch(url, { mode: 'cors' }).then(
          () => 'came',
          () => 'refused',
        ),
      `${other.url}models/nibble-tiny.gguf`,
    );
    assert.equal(stranger, 'refused', 'it sends no CORS header, and the service worker lends none');
  } finally {
    await visitor.close();
    await server.close();
    await other.close();
  }
});

test('the reference is kept from the first look at it on, and not before', async () => {
  const server = await servePlainly(site);
  const visitor = await visit(server.url);
  const kept = () =>
    visitor.page.evaluate(async () => {
      const [name] = await caches.keys();
      return (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname);
    });
  try {
    const { page, complaints } = visitor;
    await untilReady(page);
    await untilKept(page);
    assert.deepEqual(
      (await kept()).filter((path) => path.startsWith('/docs/')),
      [],
    );
    await page.goto(`${server.url}docs/`);
    assert.match(await page.title(), /Reference/);
    for (const end = Date.now() + PATIENCE; !(await kept()).includes('/docs/files.json'); ) {
      assert.ok(Date.now() < end, 'it was never kept');
      await page.waitForTimeout(100);
    }
    await server.close();
    const { path } = JSON.parse(readFileSync(join(site, 'docs/files.json'), 'utf8')).findLast(
      (/** @type {{ path: string }} */ file) => /Options/.test(file.path),
    );
    await page.goto(`${server.url}${path}`);
    await page.getByRole('button', { name: 'Search' }).click();
    await page.getByRole('combobox', { name: 'Search' }).fill('contextSize');
    await page.locator('#tsd-search-results [role=option]').first().waitFor();
    assert.deepEqual(complaints, []);
    await page.goto(`${server.url}docs/`);
    await page.getByRole('link', { name: 'Nibble', exact: true }).first().click();
    await untilReady(page);
  } finally {
    await visitor.close();
    await server.close().catch(() => {});
  }
});
