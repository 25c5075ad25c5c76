// The site's data is cleared while the page is open, as its user may: the page goes on, also with what it begins after that.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as driver from './driver.js';

const LIMIT = { timeout: 120_000 };

test('an engine that begins after the data was cleared works, is stored, and its end is seen', LIMIT, async () => {
  const browser = await driver.startBrowser();
  try {
    const { page } = await driver.openPage(browser);
    await driver.untilReady(page);
    const session = await page.context().newCDPSession(page);
    const { origin } = new URL(page.url());
    // All of it at once takes away what the page's locks are kept in too.
    await session.send('Storage.clearDataForOrigin', { origin, storageTypes: 'all' });
    const found = await page.evaluate(async () => {
      /** @type {Worker[]} */
      const workers = [];
      window.Worker = class extends Worker {
        /** @param {ConstructorParameters<typeof Worker>} given */
        constructor(...given) {
          super(...given);
          workers.push(this);
        }
      };
      const { createEngine } = await import('/nibble/index.js');
      const model = new URL('models/nibble-tiny.gguf', document.baseURI);
      const engine = await createEngine({ model });
      const { text } = await engine.complete({ prompt: 'Hello', maxTokens: 3 }).result;
      const { state } = engine.info.storage;
      workers[0].terminate();
      return { text, state, end: (await engine.closed)?.code };
    });
    assert.notEqual(found.text, '');
    assert.deepEqual({ ...found, text: '' }, { text: '', state: 'imported', end: 'WORKER_FAILED' });
    // The page itself can use another model now, and the first one was not harmed.
    assert.match(await driver.converse(page, 'Hello'), /\p{L}/u);
  } finally {
    await browser.close();
  }
});
