// Headers, credentials and a fetch of the caller's in a browser, which follows redirects by itself.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';
import { serve } from '../../web/serve.js';
import { serveAccess } from '../access-servers.js';
import { openChromium } from '../chromium.js';
import { writeSmallModel } from '../small-model.js';

/** @type {Awaited<ReturnType<typeof serve>>} */
let site;
/** @type {Awaited<ReturnType<typeof openChromium>>} */
let browser;
/** @type {Awaited<ReturnType<typeof serveAccess>>} */
let server;
/** @type {import('playwright-core').Page} */
let page;

before(async () => {
  const bytes = readFileSync(writeSmallModel());
  server = await serveAccess(() => ({ bytes, etag: '"one"' }));
  site = await serve({ port: 0 });
  browser = await openChromium();
  page = await browser.context.newPage();
  await page.goto(site.url);
});
after(async () => {
  await browser?.close();
  await site?.close();
  server?.close();
});
beforeEach(() => {
  server.asked.length = 0;
});

/**
 * Loads a model in the page; what became of it.
 * @param {string} path
 * @param {object} options of createEngine()
 * @returns {Promise<{ tokens?: number, code?: string, message?: string, details?: Record<string, unknown> }>}
 */
const load = (path, options) =>
  page.evaluate(
    async ({ model, given }) => {
      const { createEngine } = await import('/nibble/index.js');
      try {
        const engine = await createEngine({ model, store: null, threads: 1, ...given });
        const { tokens } = await engine.complete({ prompt: 'a', maxTokens: 3, ignoreEos: true }).result;
        await engine.unload();
        return { tokens: tokens.length };
      } catch (error) {
        const { code, message, details } = /** @type {import('../../js/base/errors.js').NibbleError} */ (error);
        return { code, message, details };
      }
    },
    { model: server.url + path, given: options },
  );

test('Authorization opens what asks for it, and is not taken along to another origin', async () => {
  const headers = { Authorization: 'Bearer key' };
  assert.equal((await load('/gated.gguf', {})).details?.status, 401);
  assert.deepEqual(await load('/gated.gguf', { headers }), { tokens: 3 });
  server.asked.length = 0;
  assert.deepEqual(await load('/away.gguf', { headers }), { tokens: 3 });
  assert.ok(server.asked.some((one) => one.server === 'other'));
  for (const one of server.asked) assert.equal(one.authorization, one.server === 'own' ? 'Bearer key' : null);
});

test('other headers are sent, and are the error where a redirect would take them along', async () => {
  const headers = { 'X-Key': 'key' };
  assert.deepEqual(await load('/keyed.gguf', { headers }), { tokens: 3 });
  server.asked.length = 0;
  const { code, message } = await load('/keyed-away.gguf', { headers });
  assert.equal(code, 'DOWNLOAD_FAILED');
  assert.match(
    message ?? '',
    /the server redirects elsewhere, and in a browser these headers would go there too: x-key/,
  );
  assert.deepEqual([...new Set(server.asked.map((one) => one.server))], ['own']);
});

test('what the browser would do by itself is what this keeps from happening', async () => {
  await page.evaluate(
    (url) => fetch(url, { headers: { 'X-Key': 'key' } }).catch(() => null),
    `${server.url}/keyed-away.gguf`,
  );
  assert.equal(server.asked.find((one) => one.server === 'other')?.key, 'key');
});

test('what a browser keeps to itself is refused by its name', async () => {
  for (const name of ['Cookie', 'Origin', 'Referer', 'Date']) {
    const { code, details, message } = await load('/gated.gguf', { headers: { [name]: 'x' } });
    assert.deepEqual([code, details?.option], ['INVALID_ARGUMENT', `headers.${name}`]);
    assert.match(message ?? '', /a browser keeps to itself/);
  }
});

test('cookies go along where the caller says so', async () => {
  await page.evaluate(() => {
    // biome-ignore lint/suspicious/noDocumentCookie: the cookie that a login leaves
    document.cookie = 'reader=me';
  });
  assert.equal((await load('/cookie.gguf', {})).details?.status, 401);
  assert.deepEqual(await load('/cookie.gguf', { credentials: 'include' }), { tokens: 3 });
});

test('a fetch of the page is called in the page, and is what brings the model', async () => {
  const found = await page.evaluate(async (model) => {
    const { createEngine, openModelStore } = await import('/nibble/index.js');
    const calls = { count: 0, inPage: true, aborted: 0 };
    const headers = { Authorization: 'Bearer key' };
    const own = (/** @type {string} */ url, /** @type {RequestInit} */ init) => {
      calls.count++;
      calls.inPage &&= typeof document === 'object';
      init.signal?.addEventListener('abort', () => calls.aborted++);
      return fetch(url, { ...init, headers: { ...init.headers, ...headers } });
    };
    const engine = await createEngine({ model, fetch: own, store: null, threads: 1 });
    const { tokens } = await engine.complete({ prompt: 'a', maxTokens: 3, ignoreEos: true }).result;
    await engine.unload();
    const models = await openModelStore({ store: 'memory' });
    const { id, state } = await models.import(model, { fetch: own });
    const { isNewer } = await models.check(id, { fetch: own });
    await models.close();
    return { ...calls, tokens: tokens.length, state, isNewer };
  }, `${server.url}/gated.gguf`);
  const { count, aborted, ...rest } = found;
  assert.deepEqual(rest, { inPage: true, tokens: 3, state: 'complete', isNewer: false });
  assert.equal(count, server.asked.length);
  assert.equal(aborted, count);
});

test('a fetch that answers badly ends in a sentence, and the page lives on', async () => {
  const codes = await page.evaluate(async (model) => {
    const { createEngine } = await import('/nibble/index.js');
    const html = { headers: { 'content-type': 'text/html' } };
    const odd = [
      () => Promise.reject(new Error('not today')),
      async () => new Response('<p>Sign in</p>', html),
      async () => undefined,
      async () => new Response('x', { status: 403 }),
      async () => new Response(new ArrayBuffer(64)),
    ];
    const found = [];
    for (const own of odd) {
      const error = await createEngine({
        model,
        fetch: /** @type {typeof fetch} */ (/** @type {unknown} */ (own)),
        store: null,
      }).then(
        () => null,
        (reason) => reason,
      );
      found.push(error?.code);
    }
    const controller = new AbortController();
    const hanging = () => {
      setTimeout(() => controller.abort(), 20);
      return new Promise(() => {});
    };
    const { signal } = controller;
    const error = await createEngine({ model, fetch: hanging, signal, store: null }).catch((reason) => reason);
    return [...found, error.code];
  }, `${server.url}/gated.gguf`);
  const failed = 'DOWNLOAD_FAILED';
  assert.deepEqual(codes, [failed, 'DOWNLOAD_NOT_A_MODEL', failed, failed, 'GGUF_BAD_MAGIC', 'CANCELLED']);
});
