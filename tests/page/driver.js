// Drives the page in a real browser, from the server that `npm start` starts: what the tests of the page share.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { serve } from '../../web/serve.js';
import { openChromium, SharedChromium } from '../chromium.js';
import { present } from '../present.js';

export const SCREENSHOTS = fileURLToPath(new URL('../../build/screenshots/', import.meta.url));
export const MODEL = fileURLToPath(new URL('../../models/nibble-tiny.gguf', import.meta.url));
export const WIDE = { width: 1280, height: 800 };
export const PHONE = { width: 360, height: 740 };
export const SMALL_PHONE = { width: 320, height: 568 };
// A first start compiles the wasm and measures the kernels; a busy machine takes its time.
const PATIENCE = 60_000;

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {{ server: { url: string }, context: import('playwright-core').BrowserContext, close: () => Promise<void> }} Browser */
/** @typedef {Awaited<ReturnType<typeof openPage>>} OpenedPage */

/**
 * A server and a browser with an empty profile.
 * @param {import('../chromium.js').ChromiumOptions} [options] of the browser's context
 * @param {(options: import('../chromium.js').ChromiumOptions) => Promise<import('../chromium.js').Chromium>} [open]
 * @returns {Promise<Browser>}
 */
export async function startBrowser(options = {}, open = openChromium) {
  mkdirSync(SCREENSHOTS, { recursive: true });
  const server = await serve({ port: 0 });
  const browser = await open({ viewport: WIDE, locale: 'en-GB', reducedMotion: 'reduce', ...options });
  browser.context.setDefaultTimeout(PATIENCE);
  return {
    server,
    context: browser.context,
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

/**
 * A startBrowser() for a file whose tests each begin with nothing stored: its browsers are contexts of one process, which
 * ends with the file. To be called outside of all tests.
 */
export function shareBrowser() {
  const chromium = new SharedChromium();
  after(() => chromium.close());
  /** @param {import('playwright-core').BrowserContextOptions} [options] */
  return (options) => startBrowser(options, (given) => chromium.open(given));
}

/**
 * Opens the page and notes what it must not do: complain, break its own policy, and ask anything of anyone else.
 * @param {Pick<Browser, 'server' | 'context'>} browser
 * @param {{ before?: (page: Page) => Promise<unknown> }} [options]
 */
export async function openPage({ server, context }, { before } = {}) {
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  /** @type {string[]} */
  const strangers = [];
  page.on('console', (message) => {
    if (['error', 'warning', 'assert'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (!request.url().startsWith(server.url) && !/^(data|blob):/.test(request.url())) strangers.push(request.url());
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => window.violations.push(event.violatedDirective));
  });
  await before?.(page);
  await page.goto(server.url);
  return {
    page,
    complaints,
    /** Fails where the page has done what it must not do, and closes it. */
    async close() {
      assert.deepEqual(await page.evaluate(() => window.violations), [], 'violations of the content security policy');
      assert.deepEqual(complaints, []);
      assert.deepEqual(strangers, [], 'requests to others');
      await page.close();
    },
  };
}

/**
 * A page of a new visit, with a scripted engine.
 * @param {Browser} browser
 * @param {Partial<Script> | null} script null: the library's own engine
 * @param {{ isReady?: boolean }} [options] whether its model is waited for
 */
export async function openScripted(browser, script, { isReady = true } = {}) {
  const opened = await openPage(browser, {
    async before(page) {
      await forgetVisits(page);
      if (script !== null) await scriptEngine(page, script);
    },
  });
  if (isReady) await untilReady(opened.page);
  opened.complaints.length = 0;
  return opened;
}

/**
 * Before `goto`: what an earlier visit kept is gone before the page reads it, once a tab, so that a reload keeps.
 * @param {Page} page
 */
export async function forgetVisits(page) {
  await page.addInitScript(() => {
    if (sessionStorage.getItem('forgotten')) return;
    sessionStorage.setItem('forgotten', 'yes');
    localStorage.clear();
  });
}

/** Waits for the model, and fails with the page's own words where it does not come. @param {Page} page */
export async function untilReady(page) {
  await page.waitForFunction(
    () =>
      /** @type {HTMLElement} */ (document.querySelector('#model-state')).dataset.state === 'ready' ||
      !(/** @type {HTMLElement} */ (document.querySelector('#problem')).hidden),
  );
  assert.equal(
    await page.locator('#problem').isVisible(),
    false,
    present(await page.locator('#problem').textContent()),
  );
}

/**
 * Waits until the page shows what is expected of it; what it then says where it never does is what was read last.
 * @template T
 * @param {() => Promise<T>} read
 * @param {T} expected
 * @param {string} [message]
 * @returns {Promise<void>}
 */
export async function untilEqual(read, expected, message) {
  let found = await read();
  for (const end = Date.now() + PATIENCE; !isDeepStrictEqual(found, expected) && Date.now() < end; found = await read())
    await setTimeout(50);
  if (message === undefined) assert.deepEqual(found, expected);
  else assert.deepEqual(found, expected, message);
}

/** Lets the answer go on that `holdAt` of scriptEngine() holds. @param {Page} page */
export const release = (page) => page.evaluate(() => globalThis.release());

/** Types a message and sends it by the keyboard. @param {Page} page @param {string} text */
export async function ask(page, text) {
  await page.locator('#prompt').fill(text);
  await page.locator('#prompt').press('Enter');
}

/** Waits until nothing is being written any more. @param {Page} page */
export async function untilIdle(page) {
  await page.waitForFunction(
    () =>
      /** @type {HTMLElement} */ (document.querySelector('#stop')).hidden &&
      !document.querySelector('.message[aria-busy], #composer[aria-busy="true"]'),
  );
}

/** Asks, and gives the text of the answer. @param {Page} page @param {string} text */
export async function converse(page, text) {
  const before = await page.locator('.message.assistant').count();
  await ask(page, text);
  await page.waitForFunction((count) => document.querySelectorAll('.message.assistant').length > count, before);
  await untilIdle(page);
  return present(await page.locator('.message.assistant .text').last().textContent());
}

/** @param {Page} page @param {string} name */
export async function shoot(page, name) {
  await page.screenshot({ path: `${SCREENSHOTS}${name}.png` });
}

/**
 * @typedef {object} Script of an engine of the test's own
 * @property {string[][]} [answers] a list of pieces for each answer in turn, the last for all further ones
 * @property {number} [contextSize]
 * @property {number} [pause] milliseconds between two pieces
 * @property {number} [holdAt] before which piece an answer waits for release(), once a page
 * @property {number} [crashAt] before which piece of the first answer the engine crashes
 * @property {number} [failures] how many loads fail, the first ones
 * @property {boolean} [opens] whether the chat template opens the reasoning
 * @property {object} [memory] what else the engine holds
 * @property {object} [info] what else the engine tells of itself
 * @property {object | object[]} [result] and of an answer, or of each in turn, the last for all further ones
 */

/**
 * Puts an engine of the test's own in the place of the library's: its answers are what the test says, piece by piece.
 * @param {Page} page
 * @param {Script} script
 */
export async function scriptEngine(page, script) {
  const body = `export class NibbleError extends Error {
    constructor(code, message, { details } = {}) { super(message); Object.assign(this, { code, details, name: 'NibbleError' }); }
  }
  const script = ${JSON.stringify({ answers: [['Hello.']], contextSize: 512, pause: 0, failures: 0, ...script })};
  globalThis.calls = [];
  globalThis.counted = [];
  globalThis.loads = globalThis.unloads = 0;
  globalThis.hubs = [];
  globalThis.loaded = [];
  globalThis.described = [];
  const named = (model) => model?.name ?? model?.href;
  const held = new Promise((resolve) => { globalThis.release = resolve; });
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const render = (messages, { templateVariables } = {}) => messages.map(({ role, content }) => role + ': ' + content + ' ').join('') +
    (script.opens ? 'assistant: <think>\\n' : '') + (templateVariables?.enable_thinking === false ? '<think> </think> ' : '');
  const count = (text) => text.trim().split(/\\s+/).length;
  class Engine {
    info = { name: 'scripted', quantization: { label: 'Q4_0', types: [] }, contextSize: script.contextSize, trainedContext: script.contextSize,
      threads: 1, kernelSet: 'scripted', warnings: [], wasm: 'simd128', storage: { kind: null, id: null, state: 'not-stored', bytesPerSecond: 0, problem: null }, ...script.info };
    closed = new Promise((resolve) => { this.end = resolve; });
    async memory() { return { wasm: 2e6, weights: 1e6, kvCache: 5e5, activations: 1e5, other: 1e5, javascript: 3e6, total: 5e6, ...script.memory }; }
    async countTokens({ messages, continueLast, ...chat }) {
      globalThis.counted.push(chat);
      return count(continueLast ? render(messages.slice(0, -1), chat) + messages.at(-1).content : render(messages, chat));
    }
    async fitMessages(messages, { continueLast } = {}) {
      const start = messages.findIndex(({ role }) => role !== 'system');
      const without = (cut) => this.countTokens({ messages: [...messages.slice(0, start), ...messages.slice(start + cut)], continueLast });
      const cuts = messages.flatMap(({ role }, place) => (place > start && role === 'user' ? [place - start] : []));
      if ((await without(0)) <= script.contextSize * 7 / 8) return { leftOut: 0, tokens: await without(0) };
      for (const leftOut of cuts) if ((await without(leftOut)) <= script.contextSize / 2) return { leftOut, tokens: await without(leftOut) };
      const leftOut = cuts.at(-1) ?? 0;
      const tokens = await without(leftOut);
      if (tokens > script.contextSize) throw new NibbleError('CONTEXT_FULL', 'Too long.', { details: { tokens, contextSize: script.contextSize } });
      return { leftOut, tokens };
    }
    async unload() { globalThis.unloads++; this.end(); }
    async createSession() { return this; }
    async restoreSession() { return null; }
    async savedSessions() { return []; }
    async deleteSavedSession() {}
    async save() {}
    async close() {}
    complete({ signal, onPrefill, ...options }) {
      globalThis.calls.push(options);
      const { end } = this;
      const call = globalThis.calls.length;
      const promptTokens = count(render(options.messages, options));
      const pieces = script.answers[Math.min(globalThis.calls.length, script.answers.length) - 1];
      let settle, fail;
      const result = new Promise((resolve, reject) => { settle = resolve; fail = reject; });
      result.catch(() => {});
      async function* write() {
        let tokens = 0, finishReason = 'stop';
        if (promptTokens > script.contextSize) {
          const error = new NibbleError('CONTEXT_FULL', 'Too long.', { details: { tokens: promptTokens, contextSize: script.contextSize } });
          fail(error); throw error;
        }
        onPrefill?.({ tokens: promptTokens, total: promptTokens, reusedTokens: 0, tokensPerSecond: 1000, opening: script.opens && !options.continueLast ? '<think>' : '' });
        for (const text of pieces) {
          if (script.pause > 0) await wait(script.pause);
          if (tokens === script.holdAt) await held;
          if (tokens === script.crashAt && globalThis.calls.length === 1) {
            const error = new NibbleError('ENGINE_CRASHED', 'unreachable');
            end(error); fail(error); throw error;
          }
          if (signal?.aborted) { finishReason = 'cancelled'; break; }
          if (tokens >= (options.maxTokens ?? Infinity)) { finishReason = 'length'; break; }
          if (promptTokens + tokens >= script.contextSize) { finishReason = 'context'; break; }
          tokens++;
          yield { text, token: tokens };
        }
        const rate = { tokens, milliseconds: 10, tokensPerSecond: 100 };
        const results = [script.result ?? {}].flat();
        const given = results[Math.min(call, results.length) - 1];
        settle({ finishReason, reusedTokens: 0, droppedTokens: 0, droppedMessages: 0, warnings: [], ...given, prefill: rate, decode: rate, promptTokens, completionTokens: tokens });
      }
      return { result, stop() {}, [Symbol.asyncIterator]: write };
    }
  }
  export const createEngine = async ({ model, hub }) => {
    globalThis.hubs.push(hub);
    globalThis.loaded.push(named(model));
    if (++globalThis.loads <= script.failures) throw new NibbleError('DOWNLOAD_FAILED', 'HTTP 404', { details: {} });
    return new Engine();
  };
  export const describeModel = async (model, { hub }) => {
    globalThis.hubs.push(hub);
    globalThis.described.push(named(model));
    // A test may hold it up.
    await globalThis.heldHeader;
    return { problem: null };
  };
  export const probeSpeed = async () => ({});
  export const estimateSpeed = () => ({});
  export const readHubAddress = () => null;
  export const listRepository = async () => ({ files: [], recommended: null });
  export const openModelStore = async () => ({ list: async () => [], idOf: async (model) => String(model.href ?? model.name), estimate: async () => ({ usage: 0, quota: 0, models: 0 }),
    persisted: async () => false, persist: async () => false, close() {} });
  `;
  await page.route('**/nibble/index.js', (route) => route.fulfill({ contentType: 'text/javascript', body }));
}
