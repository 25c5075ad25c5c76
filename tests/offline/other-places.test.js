// The page and the library where they are not at home: opened as a file, framed, from another origin, at an address that
// is somebody else's today.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { SITE } from '../../js/bundle.js';
import { ROOT } from '../../wasm/shell.js';
import { openChromium } from '../chromium.js';
import { untilReady } from '../page/driver.js';
import { servePlainly } from '../plain-server.js';
import { portOf } from '../port.js';
import { present } from '../present.js';
import { temporaryFolder } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('playwright-core').Page} Page */

const PATIENCE = 60_000;
const site = join(ROOT, SITE);
/** @type {Chromium} */
let browser;

before(async () => {
  browser = await openChromium({ locale: 'en-GB' });
  browser.context.setDefaultTimeout(PATIENCE);
});
after(() => browser?.close());

/** @template T @param {(page: import('playwright-core').Page) => Promise<T>} use */
async function withPage(use, context = browser.context) {
  const page = await context.newPage();
  try {
    return await use(page);
  } finally {
    await page.close();
  }
}

/** Ends when the service worker has everything. @param {Page} page */
async function untilKept(page) {
  // The first visit is loaded once more by itself, under the service worker; a visit elsewhere must not meet that.
  await page.waitForFunction(() => crossOriginIsolated);
  await page.evaluate(async () => {
    await navigator.serviceWorker.ready;
    const isKept = async () =>
      (
        await Promise.all(
          (await caches.keys()).map((name) => caches.open(name).then((cache) => cache.match('complete'))),
        )
      ).some(Boolean);
    while (!(await isKept())) await new Promise((resolve) => setTimeout(resolve, 50));
  });
}

/**
 * A server of a few pages. `answer(path)`: what is sent, or null.
 * @param {(path: string) => { body: string | Buffer, type?: string } | null} answer
 * @param {{ port?: number | undefined, headers?: {} | undefined }} [options]
 */
async function serveAnswers(answer, { port = 0, headers = {} } = {}) {
  const server = createServer((request, response) => {
    const found = answer(new URL(present(request.url), 'http://localhost').pathname);
    if (found === null) return response.writeHead(404, headers).end();
    response.writeHead(200, { 'Content-Type': found.type ?? 'text/html', ...headers }).end(found.body);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${portOf(server)}/`, port: portOf(server), close };
}

for (const [locale, sentence] of untyped([
  ['en-GB', /only from a web server, not from a file: type “npm start”/],
  ['zh-CN', /只能通过网页服务器打开：请在 Nibble 的文件夹中运行“npm start”/],
])) {
  test(`opened as a file, the page says what to do (${locale})`, async () => {
    const other = await openChromium({ locale });
    try {
      await withPage(async (page) => {
        await page.goto(pathToFileURL(join(site, 'index.html')).href);
        await page.locator('#cannot-start').waitFor();
        assert.match(present(await page.locator('#cannot-start').textContent()), sentence);
      }, other.context);
    } finally {
      await other.close();
    }
  });
}

test('a browser without what the page needs is told which ones have it, and every other one nothing', async () => {
  const server = await servePlainly(site);
  try {
    await withPage(async (page) => {
      await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'structuredClone'));
      await page.goto(server.url);
      await page.locator('#cannot-start').waitFor();
      assert.match(present(await page.locator('#cannot-start').textContent()), /too old.*Chrome.*Firefox.*Safari/);
    });
    await withPage(async (page) => {
      await page.goto(server.url);
      await untilReady(page);
      assert.equal(await page.locator('#cannot-start').isHidden(), true);
    });
  } finally {
    await server.close();
  }
});

describe('the service worker', () => {
  test('leaves other pages below its own as they are', async () => {
    const root = join(temporaryFolder(), 'root');
    cpSync(site, root, { recursive: true });
    mkdirSync(join(root, 'blog'));
    const style = '<style>p { color: rgb(1, 2, 3) }</style>';
    writeFileSync(
      join(root, 'blog/index.html'),
      `<title>blog</title>${style}<p>Hi<script>document.title = 'ran'</script>`,
    );
    const server = await servePlainly(root);
    try {
      await withPage(async (page) => {
        await page.goto(server.url);
        await untilKept(page);
        const answer = present(await page.goto(`${server.url}blog/`));
        const colour = await page.evaluate(
          () => getComputedStyle(/** @type {Element} */ (document.querySelector('p'))).color,
        );
        assert.deepEqual([await page.title(), colour], ['ran', 'rgb(1, 2, 3)']);
        const headers = await answer.allHeaders();
        for (const name of ['content-security-policy', 'cross-origin-embedder-policy'])
          assert.equal(headers[name], undefined);
      });
    } finally {
      await server.close();
    }
  });

  test('gives way to another project that is served at its address on this machine, scripts and all', async () => {
    const server = await servePlainly(site);
    await withPage(async (page) => {
      await page.goto(server.url);
      await untilKept(page);
    });
    await server.close();
    /** @type {Record<string, { body: string, type?: string }>} */
    const project = { '/': { body: '<title>before</title><script src="app.js"></script>' } };
    project['/app.js'] = { body: "document.title = 'my other project'", type: 'text/javascript' };
    const other = await serveAnswers((/** @type {string} */ path) => project[path] ?? null, { port: server.port });
    try {
      for (let visit = 0; visit < 2; visit++) {
        await withPage(async (page) => {
          await page.goto(other.url);
          assert.equal(await page.title(), 'my other project');
        });
      }
    } finally {
      await other.close();
    }
  });

  describe('gives way to another project on this machine that is slow', () => {
    /**
     * A project whose page waits for release() at `hold`, and whose connection ends at `break`.
     * @param {string[]} parts
     * @param {(a: { page: Page, url: string, release: () => void }) => Promise<void>} use
     */
    async function withProject(parts, use) {
      const server = await servePlainly(site);
      await withPage(async (page) => {
        await page.goto(server.url);
        await untilKept(page);
      });
      await server.close();
      let release = () => {};
      /** @type {Promise<void>} */
      const held = new Promise((resolve) => {
        release = resolve;
      });
      const other = createServer(async (request, response) => {
        if (new URL(present(request.url), 'http://localhost').pathname !== '/') return response.writeHead(404).end();
        for (const part of parts) {
          if (part === 'hold') await held;
          else if (part === 'break') return response.destroy();
          else if (part === 'head') response.writeHead(200, { 'Content-Type': 'text/html' }).flushHeaders();
          else response.write(part);
        }
        response.end();
      });
      other.listen(server.port, '127.0.0.1');
      await once(other, 'listening');
      try {
        await withPage((page) => use({ page, url: server.url, release }));
      } finally {
        release();
        other.closeAllConnections();
        await new Promise((resolve) => other.close(resolve));
      }
    }

    const BEGINNING = '<!doctype html><title>My project</title><p>Its beginning';

    test('to write its page, which is shown as it comes', async () => {
      await withProject(['head', BEGINNING, 'hold', '<p>Its end'], async ({ page, url, release }) => {
        await page.goto(url, { waitUntil: 'commit' });
        await page.getByText('Its beginning').waitFor();
        release();
        await page.getByText('Its end').waitFor();
      });
    });

    test('to write anything', async () => {
      await withProject(['head', 'hold', `${BEGINNING}<p>Its end`], async ({ page, url, release }) => {
        await page.goto(url, { waitUntil: 'commit' });
        release();
        await page.getByText('Its end').waitFor();
      });
    });

    test('to answer at all, at the next visit', async () => {
      await withProject(['hold', 'head', `${BEGINNING}<p>Its end`], async ({ page, url, release }) => {
        await page.goto(url, { waitUntil: 'commit' });
        await page.locator('#prompt').waitFor();
        release();
        await page.waitForFunction(() => navigator.serviceWorker.getRegistrations().then(({ length }) => length === 0));
        await page.goto(url);
        await page.getByText('Its end').waitFor();
      });
    });

    test('and breaks off', async () => {
      // So much that it is looked at no longer, and goes to the page at the moment at which it breaks off.
      const long = `${BEGINNING}<!--${'-'.repeat(5000)}-->`;
      await withProject(['head', long, 'hold', 'break'], async ({ page, url, release }) => {
        await page.goto(url, { waitUntil: 'commit' });
        release();
        await page.getByText('Its beginning').waitFor();
      });
    });
  });

  test('goes when its own file is gone from its host, and stays when the host is', async () => {
    let isGone = false;
    /** @param {string} path */
    const onRequest = (path) => (isGone && path === '/sw.js' ? { status: 404 } : undefined);
    const server = await servePlainly(site, { onRequest });
    /** @param {Page} page */
    const count = (page) => page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length);
    try {
      await withPage(async (page) => {
        await page.goto(server.url);
        // The page loads itself once more.
        await page.waitForFunction(() => crossOriginIsolated);
        await untilReady(page);
        await untilKept(page);
        await page.reload();
        await untilReady(page);
        assert.equal(await count(page), 1);
        isGone = true;
        await page.reload();
        await page.waitForFunction(() => navigator.serviceWorker.getRegistrations().then(({ length }) => length === 0));
        assert.deepEqual(await page.evaluate(() => caches.keys()), []);
      });
    } finally {
      await server.close();
    }
  });
});

test('framed by another origin, the page works at the first visit and at those that follow', async () => {
  const server = await servePlainly(site);
  const parent = await serveAnswers(() => ({ body: `<!doctype html><iframe src="${server.url}"></iframe>` }));
  try {
    await withPage(async (page) => {
      await page.goto(parent.url);
      for (let visit = 0; visit < 3; visit++) {
        const state = page.frameLocator('iframe').locator('#model-state[data-state="ready"]');
        await state.waitFor({ state: 'attached' });
        await page.waitForTimeout(500);
        await page.reload();
      }
    });
  } finally {
    await parent.close();
    await server.close();
  }
});

describe('the library from another origin', () => {
  /** @type {Record<string, string>} */
  const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.gguf': 'application/octet-stream' };
  const CORS = { 'Access-Control-Allow-Origin': '*' };
  const LENT = { ...CORS, 'Cross-Origin-Resource-Policy': 'cross-origin' };
  const ISOLATION = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };
  /** @param {string} path */
  const fileOf = (path) => ({ body: readFileSync(join(site, path)), type: TYPES[extname(path)] });

  /**
   * What a page makes of it. `far`: headers of the library's server, `near`: of the page's.
   * @param {any} options
   */
  async function write({ far, near, options = {}, attributes = null }) {
    const library = await serveAnswers((/** @type {string} */ path) => fileOf(`nibble${path}`), { headers: far });
    /** @param {string} path */
    const model = (path) => (path.endsWith('.gguf') ? fileOf('models/nibble-tiny.gguf') : null);
    const own = await serveAnswers(
      (/** @type {string} */ path) => model(path) ?? { body: '<!doctype html><title>A page</title>' },
      {
        headers: { ...CORS, ...near(library.url) },
      },
    );
    try {
      return await withPage(async (page) => {
        await page.goto(own.url);
        if (attributes !== null) {
          await page.evaluate((sandbox) => {
            const frame = document.createElement('iframe');
            frame.setAttribute('sandbox', sandbox);
            frame.srcdoc = '<!doctype html><title>A frame</title>';
            document.body.append(frame);
            return new Promise((resolve) => frame.addEventListener('load', () => resolve(null)));
          }, attributes);
        }
        const place = attributes === null ? page.mainFrame() : page.frames()[1];
        return await place.evaluate(
          async ([address, modelUrl, given]) => {
            const { createEngine } = await import(`${address}index.js`);
            try {
              const workerUrl = given.far ? `${address}worker.js` : undefined;
              const engine = await createEngine({ model: modelUrl, store: null, threads: 2, workerUrl });
              const { text } = await engine.complete({ prompt: 'Hello', maxTokens: 3, temperature: 0 }).result;
              const { threads } = engine.info;
              await engine.unload();
              return { text, threads };
            } catch (/** @type {any} */ { code, message }) {
              return { code, message };
            }
          },
          [library.url, `${own.url}m.gguf`, options],
        );
      });
    } finally {
      await own.close();
      await library.close();
    }
  }

  for (const [how, far] of [
    ['lends its files (CORS and CORP)', LENT],
    ['allows requests only (CORS)', CORS],
  ]) {
    test(`works on two threads of an isolated page, where its server ${how}`, async () => {
      /** @type {any} */
      const found = await write({ far, near: () => ISOLATION });
      assert.deepEqual([typeof found.text, found.threads], ['string', 2], JSON.stringify(found));
    });
  }

  test('works with a worker that is named by its address there', async () => {
    /** @type {any} */
    const found = await write({ far: LENT, near: () => ISOLATION, options: { far: true } });
    assert.equal(typeof found.text, 'string', JSON.stringify(found));
  });

  test('works in a sandboxed frame, which has no origin', async () => {
    /** @type {any} */
    const found = await write({ far: LENT, near: () => ({}), attributes: 'allow-scripts' });
    assert.equal(typeof found.text, 'string', JSON.stringify(found));
  });

  test('says what to do where a policy of the page forbids its worker', async () => {
    /** @param {string} origin */
    const near = (origin) => ({
      'Content-Security-Policy': `script-src 'unsafe-eval' 'self' ${origin}; worker-src 'self'`,
    });
    const { code, message } = await write({ far: LENT, near });
    assert.equal(code, 'WORKER_FAILED');
    assert.match(message, /Content-Security-Policy.*worker-src blob:.*Copy the folder.*workerUrl and wasmUrl/);
  });
});
