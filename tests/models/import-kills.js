// Ends imports by force at random moments, again and again, and looks at what is left: nothing is damaged, what was there
// before is there, and no more is lost than js/STORES.md says. As a program, for as long as one likes:
//
//   node tests/models/import-kills.js --runs 1000 --store folder        or indexeddb, or opfs; with --chunk 4 in chunks of 4 MiB,
//                                                                 each kill when one of them is full
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openModelStore } from '../../js/index.node.js';
import { readOptions } from '../../wasm/shell.js';
import { serveBenchmark } from '../bench/server.js';
import { openChromium } from '../chromium.js';
import { crashPage, killBrowser } from '../killing.js';
import { present } from '../present.js';
import { writeSmallModel } from '../small-model.js';

/** @typedef {import('../../js/client/model-store.js').ModelStore} ModelStore */
/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('playwright-core').Page} Page */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
// Some 80 MB: a chunk of the usual size, which is appended to many times, and the next.
const SHAPE = { width: 1024, ffn: 4096, layers: 8, heads: 16, kvHeads: 16, headSize: 64, vocabulary: 8000 };
const RATE = 25e6;
const MIB = 1 << 20;
// What js/STORES.md promises: what came in the last 5 s, which a worker in a hurry takes for 50 ms, or 8 MiB if that is more.
const PROMISE = { bytes: 8 * MIB, milliseconds: 50 };
// The server counts what it sends, and cannot know of a piece that is on its way: in buffers of the system and the browser.
const ON_THE_WAY = 4 * MIB;
// A kill comes within so many bytes of where the last import had got, and a moment later.
const MOST_BYTES = 16 * MIB;
const MOST_MILLISECONDS = 100;
const PATIENCE_MILLISECONDS = 20_000;
const BROWSER_KILL_EVERY = 5;

/** What the server has sent of the model. */
class Traffic {
  /** @type {{ start: number, end: number }[]} */
  #requests = [];
  /** @type {{ at: number, bytes: number }[]} */
  #log = [];

  /** For serveBenchmark(). @param {number} start */
  onRequest = (start) => {
    const request = { start, end: start };
    this.#requests.push(request);
    return (/** @type {number} */ bytes) => {
      request.end += bytes;
      this.#log.push({ at: performance.now(), bytes });
    };
  };

  /** Where the first request began; null where there was none. */
  get first() {
    return this.#requests[0]?.start ?? null;
  }

  /** How far the file has come without a gap, from where it was first asked for. */
  get reached() {
    let reached = this.first ?? 0;
    for (const { start, end } of this.#sorted()) if (start <= reached) reached = Math.max(reached, end);
    return reached;
  }

  /** How many bytes of the file behind a position were sent, each counted once. @param {number} position */
  behind(position) {
    let total = 0;
    for (const { start, end } of this.#sorted()) {
      total += Math.max(0, end - Math.max(start, position));
      position = Math.max(position, end);
    }
    return total;
  }

  /**
   * How many bytes were sent in the last so many milliseconds before a time.
   * @param {number} milliseconds
   * @param {number} until
   */
  last(milliseconds, until) {
    const those = this.#log.filter(({ at }) => at <= until && at >= until - milliseconds);
    return those.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  clear() {
    this.#requests = [];
    this.#log = [];
  }

  #sorted() {
    return this.#requests.toSorted((a, b) => a.start - b.start);
  }
}

/**
 * Waits until so much has been sent, and a moment longer; not for ever, since an import may be done before.
 * @param {number} bytes
 * @param {Traffic} traffic
 */
async function reached(bytes, traffic) {
  const end = Date.now() + PATIENCE_MILLISECONDS;
  while (traffic.reached < bytes && Date.now() < end) await sleep(2);
  await sleep(Math.random() * MOST_MILLISECONDS);
}

/** A store in a folder, and processes that are killed. */
class FolderImports {
  #folder = mkdtempSync(join(tmpdir(), 'nibble-kills-'));

  /** @param {string} url @param {number | undefined} chunkBytes */
  constructor(url, chunkBytes) {
    this.url = url;
    this.store = { folder: this.#folder, chunkBytes };
  }

  /** @param {() => Promise<void>} moment */
  async killAfter(moment) {
    const program = `
      const { openModelStore } = await import(${JSON.stringify(new URL('../../js/index.node.js', import.meta.url).href)});
      const workerUrl = ${JSON.stringify(new URL('./hasty-worker.node.js', import.meta.url).href)};
      const models = await openModelStore({ store: ${JSON.stringify(this.store)}, workerUrl });
      await models.import(process.argv[1]);
      await models.close();`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, this.url], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const closed = new Promise((resolve) => child.once('close', resolve));
    await Promise.race([moment(), closed]);
    const at = performance.now();
    child.kill('SIGKILL');
    await closed;
    return at;
  }

  async look({ finish = false } = {}) {
    const models = await openModelStore({ store: this.store });
    try {
      return await lookAt(models, this.url, finish);
    } finally {
      await models.close();
    }
  }

  async close() {
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** What is in a store; it runs in pages too. @param {ModelStore} models @param {string} url @param {boolean} finish */
async function lookAt(models, url, finish) {
  if (finish) await models.import(url);
  const [model = null] = await models.list();
  const { damaged } = model === null ? { damaged: [] } : await models.verify(model.id);
  if (model?.state === 'complete') await models.delete(model.id);
  return { state: model?.state ?? null, received: model?.receivedBytes ?? 0, damaged };
}

/** A store in Chromium, and tabs that crash; now and then the whole browser is killed. */
class BrowserImports {
  #profile = mkdtempSync(join(tmpdir(), 'nibble-kills-'));
  /** @type {Chromium | null} */
  #browser = null;
  /** @type {Page | null} */
  #page = null;
  #kills = 0;

  /** @param {'indexeddb' | 'opfs'} kind @param {{ url: string, chunkBytes: number | undefined, origin: string }} options */
  constructor(kind, { url, chunkBytes, origin }) {
    this.url = url;
    this.store = { kind, chunkBytes };
    this.origin = origin;
  }

  async #open() {
    if (this.#page !== null) return this.#page;
    this.#browser ??= await openChromium({ profile: this.#profile });
    const page = await this.#browser.context.newPage();
    await page.goto(`${this.origin}/test/library-page.html`);
    await page.waitForFunction(() => 'nibble' in globalThis);
    this.#page = page;
    return page;
  }

  /** @param {() => unknown} moment */
  async killAfter(moment) {
    const page = await this.#open();
    await page.evaluate(
      async (/** @type {any[]} */ [store, url]) => {
        const models = await globalThis.nibble.openModelStore({ store, workerUrl: '/test/models/hasty-worker.js' });
        models.import(url).catch(() => {});
      },
      [this.store, this.url],
    );
    await moment();
    const at = performance.now();
    this.#page = null;
    if (++this.#kills % BROWSER_KILL_EVERY !== 0) await crashPage(page);
    else {
      await killBrowser(present(this.#browser));
      this.#browser = null;
    }
    return at;
  }

  async look({ finish = false } = {}) {
    const page = await this.#open();
    return page.evaluate(
      async (/** @type {any[]} */ [store, url, last, use]) => {
        const models = await globalThis.nibble.openModelStore({ store });
        const found = await new Function(`return ${use}`)()(models, url, last);
        await models.close();
        return found;
      },
      [this.store, this.url, finish, lookAt.toString()],
    );
  }

  async close() {
    await this.#browser?.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * How much was lost by a kill, of what may be.
 * @param {Traffic} traffic
 * @param {{ state: string | null, received: number }} found
 * @param {number} at
 */
function lossOf(traffic, { state, received }, at) {
  if (state === 'complete') return { lost: 0, allowed: 0 };
  const lost = traffic.behind(received);
  return { lost, allowed: Math.max(PROMISE.bytes, traffic.last(PROMISE.milliseconds, at)) + ON_THE_WAY };
}

/**
 * @param {any} kind
 * @param {any} options with `chunkBytes`, kills come when
 *   a chunk is full and is written, with its record; otherwise at any time, in chunks of the usual size
 * @returns {Promise<{ kept: number, most: number }>} how often something was kept, and the most that was lost, in bytes
 */
export async function killImports(kind, { runs, chunkBytes, onRun = () => {} }) {
  const modelPath = writeSmallModel(SHAPE);
  const folders = { '/nibble/': path('../../build/web'), '/test/': path('..') };
  const traffic = new Traffic();
  const server = await serveBenchmark({ folders, modelPath, bytesPerSecond: RATE, onRequest: traffic.onRequest });
  const size = statSync(modelPath).size;
  const { url: origin, modelUrl: url } = server;
  const imports =
    kind === 'folder' ? new FolderImports(url, chunkBytes) : new BrowserImports(kind, { url, chunkBytes, origin });
  let before = 0;
  let kept = 0;
  let most = 0;
  try {
    for (let run = 1; run <= runs; run++) {
      // Where all has come and only the last record is missing, nothing is asked for.
      const isWhole = before === size;
      const somewhere = before + Math.random() * MOST_BYTES;
      const border = chunkBytes ? Math.ceil(somewhere / chunkBytes) * chunkBytes : somewhere;
      const target = isWhole ? 0 : Math.min(size, border);
      traffic.clear();
      const at = await imports.killAfter(() => reached(target, traffic));
      const found = await imports.look();
      const { state, received, damaged } = found;
      const { lost, allowed } = lossOf(traffic, found, at);
      const { first, reached: sent } = traffic;
      const what = `run ${run} of ${kind}, killed after ${sent} bytes: ${JSON.stringify(found)}`;
      onRun({ run, sent, lost, allowed, ...found });
      assert.ok([null, 'importing', 'complete'].includes(state), what);
      assert.deepEqual(damaged, [], what);
      assert.ok(lost <= allowed, `${lost} bytes are lost, ${allowed} may be: ${what}`);
      const isWhereItWas = first === null ? isWhole : first <= before && first > before - MIB;
      assert.ok(isWhereItWas, `asked for bytes from ${first} on, ${before} were kept: ${what}`);
      assert.ok(state === 'complete' || received >= before, `${before} bytes were there before: ${what}`);
      if (received > before) kept++;
      most = Math.max(most, lost);
      before = state === 'complete' ? 0 : received;
    }
    const { state, damaged, received } = await imports.look({ finish: true });
    assert.deepEqual([state, damaged, received], ['complete', [], size]);
    return { kept, most };
  } finally {
    await imports.close();
    await server.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = readOptions({
    options: {
      runs: { type: 'string', default: '1000' },
      store: { type: 'string', default: 'folder' },
      chunk: { type: 'string' },
    },
  });
  /** @param {any} run */
  const onRun = (run) => console.log(JSON.stringify(run));
  const chunkBytes = values.chunk && Number(values.chunk) * MIB;
  const { kept, most } = await killImports(values.store, { runs: Number(values.runs), chunkBytes, onRun });
  console.log(`${values.runs} kills: something new was kept ${kept} times, ${most} bytes were lost at most.`);
}
