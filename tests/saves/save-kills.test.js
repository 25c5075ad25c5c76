// Processes, tabs and browsers that are ended by force while a session is saved, again and again under one key: a save that
// was whole before is there and is restored, until the next one is. A day has one of a browser's stores, beside a folder, and
// NIBBLE_ALL_ROUNDS=1 both.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createEngine } from '../../js/index.node.js';
import { serveBenchmark } from '../bench/server.js';
import { openChromium } from '../chromium.js';
import { crashPage, killBrowser } from '../killing.js';
import { present } from '../present.js';
import { drawOfEach } from '../rounds.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';

/** @typedef {import('../bench/server.js').BenchmarkServer} BenchmarkServer */
/** @typedef {import('../chromium.js').Chromium} Chromium */
/** @typedef {import('../../js/base/public-types.js').Engine} Engine */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
// Quickly computed, and with much to save: 16 KiB a token, three chunks.
const SHAPE = { width: 64, ffn: 64, layers: 4, heads: 16, kvHeads: 16, headSize: 64, context: 4096 };
const FIRST = 1200;
const RUNS = 8;
const MOST_MILLISECONDS = 150;

const model = writeSmallModel(SHAPE);

/**
 * Saves one token more each time, for ever. It runs in pages too. `tell` is told of each save that begins and is done.
 * @param {Engine} engine
 * @param {number} first
 * @param {(a: string, count: number) => unknown} tell
 */
async function saveForEver(engine, first, tell) {
  const session = (await engine.restoreSession('mine')) ?? (await engine.createSession());
  for (let count = Math.max(first, (await session.tokens()).length + 1); ; count++) {
    await session.prefill(Array.from({ length: count }, (_, place) => place % 250));
    tell('begun', count);
    await session.save('mine');
    tell('done', count);
  }
}

/** What is restored; it runs in pages too. @param {Engine} engine */
async function look(engine) {
  let problem = null;
  /** @param {{ code: string }} options */
  const onDropped = ({ code }) => {
    problem = code;
  };
  const session = await engine.restoreSession('mine', { onDropped });
  const tokens = await session?.tokens();
  const { storage } = engine.info;
  await engine.unload();
  return {
    problem,
    // Whether the store could be opened, and whether it has the model still: a save may be gone with all of it.
    store: storage.problem ?? `${storage.kind}, ${storage.state}`,
    count: tokens?.length ?? 0,
    isRight: tokens?.every((token, place) => token === place % 250) ?? true,
  };
}

/** What was told, as it comes. */
class Told {
  begun = 0;
  done = 0;

  /** @param {'begun' | 'done'} what @param {number} count */
  tell = (what, count) => {
    this[what] = count;
  };

  /**
   * Waits until a save is under way, and one is whole where `whole`; then some moment more.
   * @param {{ whole: boolean }} options
   */
  async moment({ whole }) {
    while (this.begun === 0 || (whole && this.done === 0)) await sleep(2);
    await sleep(Math.random() * MOST_MILLISECONDS);
  }
}

class FolderSaves {
  #store = { folder: temporaryFolder() };

  /** @param {Told} told @param {() => Promise<void>} moment */
  async killIn(told, moment) {
    const program = `
      const { createEngine } = await import(${JSON.stringify(new URL('../../js/index.node.js', import.meta.url).href)});
      const engine = await createEngine(${JSON.stringify({ model, store: this.#store, threads: 1 })});
      const tell = (what, count) => process.stdout.write(what + ' ' + count + '\\n');
      await (${saveForEver})(engine, ${FIRST}, tell);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = new Promise((resolve) => child.once('close', resolve));
    let rest = '';
    child.stdout.on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const [what, count] of lines.map((line) => line.split(' ')))
        told.tell(/** @type {'begun' | 'done'} */ (what), Number(count));
    });
    await Promise.race([moment(), closed]);
    child.kill('SIGKILL');
    await closed;
  }

  async look() {
    return look(await createEngine({ model, store: this.#store, threads: 1 }));
  }

  async close() {}
}

class BrowserSaves {
  #profile = mkdtempSync(join(tmpdir(), 'nibble-kills-'));
  /** @type {Chromium | null} */
  #browser = null;
  #kills = 0;

  /** @param {string} store @param {BenchmarkServer} benchmarkServer */
  constructor(store, { url, modelUrl }) {
    this.options = { model: modelUrl, store, threads: 1 };
    this.url = url;
  }

  async #page() {
    this.#browser ??= await openChromium({ profile: this.#profile });
    const page = await this.#browser.context.newPage();
    await page.goto(`${this.url}/test/library-page.html`);
    await page.waitForFunction(() => 'nibble' in globalThis);
    return page;
  }

  /** @param {Told} told @param {() => unknown} moment */
  async killIn(told, moment) {
    const page = await this.#page();
    await page.exposeFunction('tell', told.tell);
    await page.evaluate(
      async (/** @type {any[]} */ [options, first, use]) => {
        const engine = await globalThis.nibble.createEngine(options);
        new Function(`return ${use}`)()(engine, first, globalThis.tell);
      },
      [this.options, FIRST, saveForEver.toString()],
    );
    await moment();
    if (++this.#kills % 3 !== 0) return crashPage(page);
    await killBrowser(present(this.#browser));
    this.#browser = null;
  }

  async look() {
    const page = await this.#page();
    const found = await page.evaluate(
      async (/** @type {any[]} */ [options, use]) =>
        new Function(`return ${use}`)()(await globalThis.nibble.createEngine(options)),
      [this.options, look.toString()],
    );
    await page.close();
    return found;
  }

  async close() {
    await this.#browser?.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** @type {BenchmarkServer} */
let server;

before(async () => {
  const folders = { '/nibble/': path('../../build/web'), '/test/': path('..') };
  server = await serveBenchmark({ folders, modelPath: model });
});

after(() => server?.close());

describe('a save that is ended by force leaves the earlier one of its key', () => {
  const whereOf = (/** @type {string} */ kind) => (kind === 'folder' ? 'a process' : 'a browser');
  for (const kind of drawOfEach('stores of saves that are killed', ['folder', 'opfs', 'indexeddb'], whereOf)) {
    test(`in ${kind}`, async (t) => {
      const saves = kind === 'folder' ? new FolderSaves() : new BrowserSaves(kind, server);
      let last = 0;
      let interrupted = 0;
      try {
        for (let run = 1; run <= RUNS; run++) {
          const told = new Told();
          await saves.killIn(told, () => told.moment({ whole: run === 1 }));
          const found = await saves.look();
          const before = Math.max(last, told.done);
          const what = `run ${run}: ${before} tokens were saved, ${told.begun} were to be: ${JSON.stringify(found)}`;
          assert.deepEqual([found.store, found.problem, found.isRight], [`${kind}, stored`, null, true], what);
          // Of the very last save nobody may have heard any more that it was done, and of the next that it had begun.
          assert.ok(found.count >= before && found.count <= told.begun + 1, what);
          if (found.count < told.begun) interrupted++;
          last = found.count;
        }
      } finally {
        await saves.close();
      }
      t.diagnostic(`${interrupted} of ${RUNS} came in the middle of a save`);
      assert.ok(interrupted > 0, 'no kill came in the middle of a save');
    });
  }
});
