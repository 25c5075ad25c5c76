// Ends imports by force at random moments, again and again, and looks at what is left: nothing is damaged, what was there
// before is there, and no more is lost than the README says. As a program, for as long as one likes:
//
//   node tests/import-kills.js --runs 1000 --store folder        or indexeddb, or opfs
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openModelStore } from '../js/index.node.js';
import { serveBenchmark } from './bench/server.js';
import { openChromium } from './chromium.js';
import { writeSmallModel } from './small-model.js';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
// Some 40 MB, in one chunk of the usual size: it is appended to several times.
const SHAPE = { width: 1024, ffn: 4096, layers: 4, heads: 16, kvHeads: 16, headSize: 64, vocabulary: 4000 };
const RATE = 15e6;
const MIB = 1 << 20;
// 8 MiB are not written yet, as much may come while they are, and a piece of the download is on its way.
const MOST_LOST = 24 * MIB;
// A kill comes within so many bytes of where the last import had got, and a moment later.
const MOST_BYTES = 16 * MIB;
const MOST_MILLISECONDS = 100;
const PATIENCE_MILLISECONDS = 20_000;
const BROWSER_KILL_EVERY = 10;

/** Waits until so much has come, and a moment longer; not for ever, since an import may be done before. */
async function reached(bytes, loaded) {
  const end = Date.now() + PATIENCE_MILLISECONDS;
  while (loaded() < bytes && Date.now() < end) await sleep(5);
  await sleep(Math.random() * MOST_MILLISECONDS);
}

/** A store in a folder, and processes that are killed. */
class FolderImports {
  #folder = mkdtempSync(join(tmpdir(), 'nibble-kills-'));

  constructor(url) {
    this.url = url;
  }

  async killAfter(bytes) {
    const program = `
      const { openModelStore } = await import(${JSON.stringify(new URL('../js/index.node.js', import.meta.url).href)});
      const workerUrl = ${JSON.stringify(new URL('./hasty-worker.node.js', import.meta.url).href)};
      const models = await openModelStore({ store: { folder: process.argv[1] }, workerUrl });
      const onProgress = ({ loaded }) => process.stdout.write(loaded + '\\n');
      await models.import(process.argv[2], { onProgress });
      await models.close();`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, this.#folder, this.url], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (text) => {
      said += text;
    });
    const closed = new Promise((resolve) => child.once('close', resolve));
    const loaded = () => Math.max(0, ...said.split('\n').slice(0, -1).map(Number));
    await Promise.race([reached(bytes, loaded), closed]);
    child.kill('SIGKILL');
    await closed;
    return loaded();
  }

  async look({ finish = false } = {}) {
    const models = await openModelStore({ store: { folder: this.#folder } });
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

/** What is in a store; it runs in pages too. */
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
  #browser = null;
  #kills = 0;

  constructor(kind, origin, url) {
    Object.assign(this, { kind, origin, url });
  }

  async #page() {
    this.#browser ??= await openChromium({ profile: this.#profile });
    const page = await this.#browser.context.newPage();
    await page.goto(`${this.origin}/test/library-page.html`);
    await page.waitForFunction(() => 'nibble' in globalThis);
    return page;
  }

  async killAfter(bytes) {
    const page = await this.#page();
    let loaded = 0;
    await page.exposeFunction('tell', (bytes) => {
      loaded = Math.max(loaded, bytes);
    });
    await page.evaluate(
      async ([store, url]) => {
        const models = await globalThis.nibble.openModelStore({ store, workerUrl: '/test/hasty-worker.js' });
        models.import(url, { onProgress: (progress) => globalThis.tell(progress.loaded) }).catch(() => {});
      },
      [this.kind, this.url],
    );
    await reached(bytes, () => loaded);
    if (++this.#kills % BROWSER_KILL_EVERY === 0) await this.#killBrowser();
    else await crash(page);
    return loaded;
  }

  async #killBrowser() {
    const { context } = this.#browser;
    const session = await context.browser().newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    const closed = new Promise((resolve) => context.once('close', resolve));
    process.kill(processInfo.find(({ type }) => type === 'browser').id, 'SIGKILL');
    await closed;
    this.#browser = null;
  }

  async look({ finish = false } = {}) {
    const page = await this.#page();
    try {
      return await page.evaluate(
        async ([store, url, last, use]) => {
          const models = await globalThis.nibble.openModelStore({ store });
          const found = await new Function(`return ${use}`)()(models, url, last);
          await models.close();
          return found;
        },
        [this.kind, this.url, finish, lookAt.toString()],
      );
    } finally {
      await page.close();
    }
  }

  async close() {
    await this.#browser?.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function crash(page) {
  const session = await page.context().newCDPSession(page);
  const crashed = page.waitForEvent('crash');
  session.send('Page.crash').catch(() => {});
  await crashed;
  await page.close();
}

/**
 * @param {'folder' | 'indexeddb' | 'opfs'} kind
 * @param {{ runs: number, onRun?: (run: object) => void }} options
 * @returns {Promise<{ kept: number, most: number }>} how often something was kept, and the most that was lost, in bytes
 */
export async function killImports(kind, { runs, onRun = () => {} }) {
  const modelPath = writeSmallModel(SHAPE);
  const folders = { '/nibble/': path('../build/web'), '/test/': path('.') };
  const server = await serveBenchmark({ folders, modelPath, bytesPerSecond: RATE });
  const size = readFileSync(modelPath).length;
  const imports =
    kind === 'folder' ? new FolderImports(server.modelUrl) : new BrowserImports(kind, server.url, server.modelUrl);
  let before = 0;
  let kept = 0;
  let most = 0;
  try {
    for (let run = 1; run <= runs; run++) {
      const target = Math.min(size, before + Math.random() * MOST_BYTES);
      const loaded = await imports.killAfter(target);
      const found = await imports.look();
      const { state, received, damaged } = found;
      const what = `run ${run} of ${kind}, killed after ${loaded} bytes: ${JSON.stringify(found)}`;
      onRun({ run, loaded, ...found });
      assert.ok([null, 'importing', 'complete'].includes(state), what);
      assert.deepEqual(damaged, [], what);
      const lost = state === 'complete' ? 0 : loaded - received;
      assert.ok(lost <= MOST_LOST, `${lost} bytes are lost: ${what}`);
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
  const options = { runs: { type: 'string', default: '1000' }, store: { type: 'string', default: 'folder' } };
  const { values } = parseArgs({ options });
  const onRun = (run) => console.log(JSON.stringify(run));
  const { kept, most } = await killImports(values.store, { runs: Number(values.runs), onRun });
  console.log(`${values.runs} kills: something new was kept ${kept} times, ${most} bytes were lost at most.`);
}
