// Files of different releases, as a cache or a copied folder may mix them, are told from each other before they compute.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { RELEASE_NAME } from '../../js/base/release.js';
import { createEngine, describeModel, openModelStore, probeSpeed } from '../../js/index.node.js';
import { serve } from '../../web/serve.js';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';

/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

const OTHER = '0.0.9+0123456789ab';
const WASM = ['nibble-relaxed.wasm', 'nibble-simd128.wasm'];
const ADVICE = /Serve all files of one release, and clear what keeps others: .*\.$/;

/** @param {string} name */
const wasmAt = (name) => readFileSync(new URL(`../../build/web/${name}`, import.meta.url));
/** As another build would be: a valid module with one more section. @param {string} name */
const otherWasm = (name) => Buffer.concat([wasmAt(name), Buffer.from([0, 4, 3]), Buffer.from('old')]);

/** @param {object} details @param {RegExp} words */
const mismatch = (details, words) => (/** @type {Pick<NibbleError, 'code' | 'message' | 'details'>} */ error) => {
  assert.equal(error.code, 'RELEASE_MISMATCH', error.message);
  for (const [name, value] of Object.entries(details)) assert.equal(present(error.details)[name], value);
  assert.match(error.message, words);
  assert.match(error.message, ADVICE);
  return true;
};

describe('in Node', () => {
  const model = writeSmallModel();
  const folder = temporaryFolder();

  /** A worker that answers whatever it is asked. @param {...any} messages */
  function workerTelling(...messages) {
    const path = join(folder, `worker-${messages.length}.mjs`);
    const lines = messages.map((message) => `parentPort.postMessage(${JSON.stringify(message)});`);
    const answer = "parentPort.on('message', ({ id }) => parentPort.postMessage({ id, result: {} }));";
    writeFileSync(path, ["import { parentPort } from 'node:worker_threads';", ...lines, answer].join('\n'));
    return path;
  }

  test('a worker of another release is refused, and one that tells none is an older one', async () => {
    const other = workerTelling({ release: OTHER }, { lifeline: {} });
    const older = workerTelling({ lifeline: {} });
    for (const [workerUrl, found, words] of /** @type {[string, string | null, RegExp][]} */ ([
      [other, OTHER, /its worker .* of 0\.0\.9\+0123456789ab\./],
      [older, null, /its worker .* of an older one, which tells none\./],
    ])) {
      const expected = mismatch({ file: 'worker.js', found, expected: RELEASE_NAME }, words);
      const store = { folder: temporaryFolder() };
      await assert.rejects(createEngine({ model, workerUrl }), expected);
      await assert.rejects(describeModel(model, { workerUrl }), expected);
      await assert.rejects(openModelStore({ store, workerUrl }), expected);
      await assert.rejects(probeSpeed({ workerUrl }), expected);
    }
  });

  test('wasm of another build is refused, from a folder and as bytes', async () => {
    const wasmUrl = join(folder, 'wasm');
    mkdirSync(wasmUrl);
    for (const name of WASM) writeFileSync(join(wasmUrl, name), otherWasm(name));
    const words = /was not built with the worker, which is of the release .*: its SHA-256 begins with [0-9a-f]{16}, /;
    await assert.rejects(createEngine({ model, wasmUrl }), mismatch({}, words));
    for (const name of WASM) {
      const wasmBinary = otherWasm(name);
      await assert.rejects(createEngine({ model, wasmBinary }), mismatch({ file: 'wasmBinary' }, words));
    }
  });

  test('the wasm of this release is taken in every form', async () => {
    const bytes = wasmAt('nibble-simd128.wasm');
    const within = Buffer.concat([Buffer.alloc(16), bytes, Buffer.alloc(16)]);
    const buffer = new Uint8Array(bytes).buffer;
    /** @type {[ArrayBuffer, number, number]} */
    const part = [within.buffer, within.byteOffset + 16, bytes.length];
    for (const wasmBinary of [buffer, new Uint8Array(...part), new DataView(...part)]) {
      const engine = await createEngine({ model, kernelSet: 'simd128', wasmBinary });
      await engine.unload();
    }
  });
});

describe('in a browser', () => {
  const LIMIT = { timeout: 240_000 };
  /** @type {{ url: string, others: string[], close: () => Promise<void> }} */
  let server;
  /** @type {Chromium} */
  let browser;

  before(async () => {
    server = await serve({ port: 0 });
    browser = await openChromium({ serviceWorkers: 'block' });
  });

  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /**
   * What a page's engine fails with, where some files come from an old cache.
   * @returns {Promise<Pick<NibbleError, 'code' | 'message' | 'details'>>}
   * @param {string} pattern
   * @param {(a: Buffer, b: string) => string | Buffer<ArrayBuffer>} change
   */
  async function failure(pattern, change) {
    const page = await browser.context.newPage();
    await page.route(pattern, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: change(await response.body(), new URL(route.request().url()).pathname) });
    });
    try {
      await page.goto(server.url);
      await page.locator('#problem[data-code=RELEASE_MISMATCH]').waitFor();
      return await page.evaluate(async () => {
        const { createEngine: create } = await import('/nibble/index.js');
        const failed = create({ model: '/models/nibble-tiny.gguf' });
        return failed.then(
          () => ({ code: /** @type {const} */ ('INTERNAL'), message: 'there is no error', details: undefined }),
          ({ code, message, details }) => ({ code, message, details }),
        );
      });
    } finally {
      await page.close();
    }
  }

  test('a worker of another release, or of none, is refused, which the page tells', LIMIT, async () => {
    /** @param {Buffer} body */
    const other = (body) => body.toString().replaceAll(present(RELEASE_NAME), OTHER);
    mismatch({ found: OTHER, expected: RELEASE_NAME }, /0\.0\.9/)(await failure('**/nibble/worker.js', other));
    const silent =
      'const tell = self.postMessage; self.postMessage = (data, ...rest) => data?.release || tell.call(self, data, ...rest);';
    /** @param {Buffer} body */
    const older = (body) => silent + body;
    mismatch({ found: null, expected: RELEASE_NAME }, /an older one/)(await failure('**/nibble/worker.js', older));
  });

  test('wasm of another release is refused', LIMIT, async () => {
    const failed = await failure('**/nibble/*.wasm', (_, path) => otherWasm(present(path.split('/').pop())));
    mismatch({}, /nibble-\w+\.wasm was not built with the worker/)(failed);
  });
});
