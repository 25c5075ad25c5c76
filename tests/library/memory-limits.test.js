// A device that gives little memory: the engine takes what there is, and says what would fit where that is too little.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NibbleError } from '../../js/base/errors.js';
import { reserveMemory } from '../../js/core/instantiate.js';
import { serveBenchmark } from '../bench/server.js';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { writeSmallModel } from '../small-model.js';

/** @typedef {import('../bench/server.js').BenchmarkServer} BenchmarkServer */
/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('../model-shapes.js').Shape} Shape */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const MIB = 1 << 20;

describe('reserving memory', () => {
  /**
   * Calls `use` on a platform that refuses maxima above a number of pages.
   * @param {number} most
   * @param {() => unknown} use
   * @returns {number[]} the maxima asked for
   */
  function refusingAbove(most, use) {
    const { Memory } = WebAssembly;
    /** @type {number[]} */
    const asked = [];
    WebAssembly.Memory = class extends Memory {
      /** @param {WebAssembly.MemoryDescriptor} descriptor */
      constructor(descriptor) {
        const maximum = present(descriptor.maximum);
        asked.push(maximum);
        if (maximum > most) throw new RangeError('could not allocate memory');
        super(descriptor);
      }
    };
    try {
      use();
    } finally {
      WebAssembly.Memory = Memory;
    }
    return asked;
  }

  test('goes down from 4 GiB in steps, and takes the first that is given: 64 MiB at most are left unused', () => {
    for (const most of [65535, 26214, 20000, 4096]) {
      /** @type {WebAssembly.Memory[]} */
      const reserved = [];
      const asked = refusingAbove(most, () => reserved.push(reserveMemory()));
      const [memory] = reserved;
      assert.equal(asked[0], 65536);
      assert.ok(
        present(asked.at(-1)) <= most && present(asked.at(-1)) > most - 1024,
        `${asked.at(-1)} of ${most} pages`,
      );
      assert.ok(asked.slice(0, -1).every((pages) => pages > most));
      assert.ok(memory.buffer instanceof SharedArrayBuffer);
      assert.throws(() => memory.grow(most), RangeError);
    }
  });

  test('ends at 256 MiB with an error that says so', () => {
    const asked = refusingAbove(4095, () => {
      assert.throws(reserveMemory, (error) => {
        assert.ok(error instanceof NibbleError);
        assert.equal(error.code, 'OUT_OF_MEMORY');
        assert.match(error.message, /even 268 MB .*could not allocate memory/);
        return true;
      });
    });
    assert.equal(asked.at(-1), 4096);
  });
});

describe('in a browser that lets memory grow to 32 MiB', () => {
  /** @type {Chromium} */
  let browser;
  /** @type {Page} */
  let page;
  /** @type {BenchmarkServer[]} */
  const servers = [];

  before(async () => {
    browser = await openChromium();
    page = await browser.context.newPage();
  });

  after(async () => {
    await browser?.close();
    await Promise.all(servers.map((server) => server.close()));
  });

  /**
   * @typedef {{ available: number, weights: number, besides: number, weightsThatFit: number, streams: boolean }} Missing
   * @param {Partial<import('../model-shapes.js').Shape>} shape
   * @returns {Promise<{ weights?: number, wasm?: number, code?: string, message?: string, details?: Missing }>}
   */
  async function open(shape) {
    const folders = { '/nibble/': path('../../build/web'), '/test/': path('..') };
    const server = await serveBenchmark({ folders, modelPath: writeSmallModel(shape) });
    servers.push(server);
    await page.goto(`${server.url}/test/library-page.html`);
    await page.waitForFunction(() => 'nibble' in globalThis);
    return page.evaluate(async (model) => {
      const workerUrl = '/test/refusing-worker.js?grow';
      try {
        const engine = await globalThis.nibble.createEngine({ model, threads: 2, workerUrl });
        const { weights, wasm } = await engine.memory();
        await engine.unload();
        return { weights, wasm };
      } catch (error) {
        const { code, message, details } = /** @type {{ code: string, message: string, details: Missing }} */ (error);
        return { code, message, details };
      }
    }, server.modelUrl);
  }

  const LARGE = { width: 512, ffn: 2048, layers: 16, heads: 8, kvHeads: 8, headSize: 64, vocabulary: 2000 };

  test('a model that is too large is refused, with what would fit', async () => {
    const found = await open(LARGE);
    assert.equal(found.code, 'OUT_OF_MEMORY', JSON.stringify(found));
    const { available, weights, besides, weightsThatFit, streams } = present(found.details);
    assert.equal(available, 32 * MIB);
    assert.ok(weights > 32 * MIB, `${weights}`);
    assert.equal(weightsThatFit, available - besides);
    assert.match(
      present(found.message),
      new RegExp(`gives the engine 33 MB: a model with up to ${Math.floor(weightsThatFit / 1e6)} MB`),
    );
    assert.equal(streams, true);
    assert.match(present(found.message), /With a memoryBudget of 33 MB and a store this model runs too/);
  });

  test('a model of the size that was told does fit', async () => {
    const details = present((await open(LARGE)).details);
    const block = details.weights / 16;
    const layers = Math.floor(details.weightsThatFit / block);
    const found = await open({ ...LARGE, layers });
    assert.equal(found.code, undefined, `${found.message}`);
    assert.ok(
      present(found.weights) <= details.weightsThatFit && present(found.weights) > details.weightsThatFit - 2 * block,
    );
    assert.ok(present(found.wasm) <= 32 * MIB);
  });
});
