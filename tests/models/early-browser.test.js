// A prompt that is given while the model arrives, in Chromium: its blocks are computed before the last bytes are there,
// and the text is the one that Node writes after a whole load, with shared memory and without.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createEngine } from '../../js/index.node.js';
import { serveBenchmark } from '../bench/server.js';
import { openChromium } from '../chromium.js';
import { SMALL_SHAPE, writeSmallModel } from '../small-model.js';

/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('../../js/base/public-types.js').CompletionOptions} CompletionOptions */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const FOLDERS = { '/nibble/': path('../../build/web'), '/test/': path('..') };
const SHAPE = { ...SMALL_SHAPE, name: 'early', layers: 6, width: 128, ffn: 512, heads: 8, tied: false };
const COMPLETION = {
  tokens: Array.from({ length: 100 }, (_, i) => (i * 37) % 256),
  maxTokens: 8,
  temperature: 0,
  ignoreEos: true,
};

/** @type {Chromium} */
let browser;
/** @type {string} */
let modelPath;
/** @type {number[]} */
let expected;

before(async () => {
  modelPath = writeSmallModel(SHAPE);
  const engine = await createEngine({ model: modelPath, threads: 2 });
  expected = (await engine.complete(COMPLETION).result).tokens;
  await engine.unload();
  browser = await openChromium();
});

after(() => browser?.close());

/**
 * Runs in the page: all but the last bytes come, and these when a part of the prompt has been computed.
 * @param {{ modelUrl: string, completion: CompletionOptions }} options
 */
async function completeEarly({ modelUrl, completion }) {
  const bytes = new Uint8Array(await (await fetch(modelUrl)).arrayBuffer());
  const held = bytes.length - 5000;
  let finish = () => {};
  const stream = new ReadableStream({
    start(controller) {
      controller.enqueue(bytes.slice(0, held));
      finish = () => {
        controller.enqueue(bytes.slice(held));
        controller.close();
      };
    },
  });
  const engine = await globalThis.nibble.createEngine({ model: { stream }, threads: 2, earlyStart: true });
  let ready = false;
  const complete = engine.ready.then(() => {
    ready = true;
  });
  const computedBefore = new Promise((resolve) => {
    globalThis.answer = engine.complete({
      ...completion,
      onPrefill: ({ tokens }) => tokens > 0 && resolve({ tokens, ready }),
    }).result;
  });
  const before = await computedBefore;
  finish();
  const { tokens, prefill } = await globalThis.answer;
  await complete;
  const { threads } = engine.info;
  await engine.unload();
  return { before, tokens, prefilled: prefill.tokens, threads };
}

for (const isolated of [true, false]) {
  test(`blocks are computed before the last bytes arrive, ${isolated ? 'by a thread' : 'without shared memory'}`, async () => {
    const server = await serveBenchmark({ folders: FOLDERS, modelPath, isolated });
    const page = await browser.context.newPage();
    try {
      await page.goto(`${server.url}/test/library-page.html`);
      await page.waitForFunction(() => 'nibble' in globalThis);
      const given = { modelUrl: server.modelUrl, completion: COMPLETION };
      const found = await page.evaluate(completeEarly, given);
      assert.equal(found.before.ready, false);
      assert.ok(found.before.tokens > 0 && found.before.tokens < COMPLETION.tokens.length);
      assert.deepEqual(found.tokens, expected);
      assert.equal(found.prefilled, COMPLETION.tokens.length);
      assert.equal(found.threads, isolated ? 2 : 1);
    } finally {
      await page.close();
      await server.close();
    }
  });
}
