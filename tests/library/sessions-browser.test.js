// Sessions in a real browser: saved, and there again after a reload, in each of its stores.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { serve } from '../../web/serve.js';
import { openChromium } from '../chromium.js';

/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('../../js/client/session.js').Session} Session */

const TEXT = Array.from({ length: 150 }, (_, i) => (i * 37 + 11) % 256);
const COMPLETION = { tokens: [...TEXT, 9], maxTokens: 30, temperature: 0, ignoreEos: true };

/** @type {{ url: string, others: string[], close: () => Promise<void> }} */
let server;
/** @type {Chromium} */
let browser;

before(async () => {
  server = await serve({ port: 0 });
  browser = await openChromium();
});

after(async () => {
  await browser?.close();
  await server?.close();
});

async function openPage() {
  const page = await browser.context.newPage();
  await page.goto(server.url);
  await page.evaluate(async () => {
    globalThis.nibble = await import('/nibble/index.js');
    globalThis.openEngine = async (store) => {
      globalThis.engine = await globalThis.nibble.createEngine({ model: '/models/nibble-tiny.gguf?saves', store });
    };
  });
  return page;
}

for (const store of /** @type {const} */ (['indexeddb', 'opfs'])) {
  test(`a session saved in ${store} goes on after a reload, with nothing computed again`, async () => {
    const first = await openPage();
    const whole = await first.evaluate(
      async ({ given, text, completion }) => {
        await globalThis.openEngine(given);
        const { engine } = globalThis;
        const session = await engine.createSession();
        await session.prefill(text);
        await session.save('chat');
        await session.close();
        const { tokens } = await engine.complete({ ...completion, reusePrefix: false }).result;
        return tokens;
      },
      { given: store, text: TEXT, completion: COMPLETION },
    );
    await first.close();
    const second = await openPage();
    const found = await second.evaluate(
      async ({ given, completion }) => {
        await globalThis.openEngine(given);
        const { engine } = globalThis;
        const [{ key, tokens: count }] = await engine.savedSessions();
        const session = /** @type {import('../../js/client/session.js').Session} */ (await engine.restoreSession(key));
        const { tokens, prefill } = await session.complete(completion).result;
        const image = await session.export();
        const copy = await engine.importSession(image);
        const same = JSON.stringify(await copy.tokens()) === JSON.stringify(await session.tokens());
        await engine.deleteSavedSession(key);
        const left = await engine.savedSessions();
        await engine.unload();
        return { count, tokens, computed: prefill.tokens, same, left };
      },
      { given: store, completion: COMPLETION },
    );
    await second.close();
    assert.deepEqual(found, { count: 150, tokens: whole, computed: 1, same: true, left: [] });
  });

  test(`two tabs that save one key in ${store} at once leave one whole session`, async () => {
    const pages = [await openPage(), await openPage()];
    for (const page of pages) await page.evaluate((given) => globalThis.openEngine(given), store);
    const saves = pages.map((page, place) =>
      page.evaluate(
        async ({ text }) => {
          const session = await globalThis.engine.createSession();
          await session.prefill(text);
          for (let round = 0; round < 5; round++) await session.save('both');
        },
        { text: TEXT.slice(0, 100 + place) },
      ),
    );
    await Promise.all(saves);
    for (const page of pages) {
      const tokens = await page.evaluate(async () => {
        const session = await globalThis.engine.restoreSession('both');
        return /** @type {Session} */ (session).tokens();
      });
      assert.ok(tokens.length === 100 || tokens.length === 101);
      assert.deepEqual(tokens, TEXT.slice(0, tokens.length));
    }
    await Promise.all(pages.map((page) => page.close()));
  });
}

test('after the site’s data was cleared a session goes on, and says why it is not saved', async () => {
  const page = await openPage();
  const found = await page.evaluate(
    async ({ text }) => {
      await globalThis.openEngine('indexeddb');
      const { engine } = globalThis;
      const session = await engine.createSession();
      await session.prefill(text);
      await session.save('chat');
      await new Promise((resolve, reject) => {
        const request = indexedDB.deleteDatabase('nibble');
        request.onsuccess = resolve;
        request.onerror = () => reject(request.error);
      });
      const restored = await engine.restoreSession('chat');
      const code = await session.save('chat').then(
        () => 'saved',
        (error) => error.code,
      );
      const { computedTokens } = await session.prefill([...text, 1]);
      await engine.unload();
      return { restored, code, computedTokens };
    },
    { text: TEXT },
  );
  await page.close();
  assert.deepEqual(found, { restored: null, code: 'STORE_MISSING', computedTokens: 1 });
});
