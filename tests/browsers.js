// One small face over three browser engines, so that a promise to every browser is tested in every browser.

import { setTimeout as sleep } from 'node:timers/promises';
import { BuildError } from '../wasm/shell.js';
import { openChromium, requireChromium } from './chromium.js';
import { openFirefox, requireFirefox } from './firefox.js';
import { openWebkit, requireWebkit } from './webkit.js';

const SIZE = { width: 1200, height: 800 };
const EVALUATE_MILLISECONDS = 60_000;
const POLL_MILLISECONDS = 50;

/** @typedef {import('./webkit.js').WebkitPage} WebkitPage */

/**
 * What every browser's page can do, whatever drives it.
 * @typedef {object} DrivenPage
 * @property {(url: string) => Promise<unknown>} goto
 * @property {() => Promise<unknown>} reload
 * @property {(text: string, limit: number) => Promise<unknown>} run gives the value of a text of JavaScript, awaited
 * @property {(selector: string) => Promise<unknown>} click
 * @property {(selector: string, text: string) => Promise<unknown>} type
 * @property {(path: string) => Promise<unknown>} screenshot
 * @property {() => Promise<unknown>} close
 */

/**
 * @typedef {object} Browser
 * @property {string} name
 * @property {string} version
 * @property {(url: string) => Promise<Page>} open a new page; in WebKit its only one, so the last one ends
 * @property {() => Promise<void>} close ends all of its processes
 */

/** @typedef {Omit<Browser, 'name'>} Started */

/**
 * @typedef {import('./chromium.js').ChromiumOptions & Partial<import('./firefox.js').FirefoxOptions> & Partial<import('./webkit.js').WebkitOptions>} BrowserOptions
 *   Chromium: Playwright's; Firefox: `preferences`; WebKit: `env`
 * @type {Record<string, { find: () => string, open: (options: BrowserOptions) => Promise<Started> }>}
 */
const ENGINES = {
  Chromium: { find: requireChromium, open: startChromium },
  Firefox: { find: requireFirefox, open: startFirefox },
  WebKit: { find: requireWebkit, open: startWebkit },
};

export const BROWSERS = Object.freeze(Object.keys(ENGINES));

/**
 * The `skip` option for the tests of a browser: a sentence where it is missing and cannot be installed.
 * @param {string} name one of BROWSERS
 */
export function skipWithoutBrowser(name) {
  try {
    ENGINES[name].find();
    return false;
  } catch (error) {
    if (error instanceof BuildError) return error.message;
    throw error;
  }
}

/**
 * Starts a browser with an empty profile.
 * @param {string} name one of BROWSERS
 * @param {Partial<BrowserOptions>} [options]
 * @returns {Promise<Browser>}
 */
export async function openBrowser(name, options = {}) {
  return { name, ...(await ENGINES[name].open(options)) };
}

/** @param {import('./chromium.js').ChromiumOptions} options @returns {Promise<Started>} */
async function startChromium(options) {
  const { context, close } = await openChromium({ viewport: SIZE, ...options });
  const version = context.browser()?.version() ?? 'unknown';
  return { version, close, open: async (url) => openPage(playwrightPage(await context.newPage()), url) };
}

/** @param {Partial<import('./firefox.js').FirefoxOptions>} options @returns {Promise<Started>} */
async function startFirefox(options) {
  const { browser, close } = await openFirefox({ ...SIZE, ...options });
  const version = (await browser.version()).replace(/^\w+\//, '');
  return { version, close, open: async (url) => openPage(puppeteerPage(await browser.newPage()), url) };
}

/** @param {Partial<import('./webkit.js').WebkitOptions>} options @returns {Promise<Started>} */
async function startWebkit(options) {
  const { version, page, close } = await openWebkit({ ...SIZE, ...options });
  return { version, close, open: (url) => openPage(page, url) };
}

/**
 * @param {import('playwright-core').Page | import('puppeteer-core').Page} page
 * @returns {Omit<DrivenPage, 'type'>}
 */
const libraryPage = (page) => ({
  goto: (url) => page.goto(url),
  reload: () => page.reload(),
  // What both drivers take as an expression.
  run: (text) => /** @type {import('playwright-core').Page} */ (page).evaluate(text),
  click: (selector) => page.click(selector),
  screenshot: (path) => page.screenshot({ path }),
  close: () => page.close(),
});

/** @param {import('playwright-core').Page} page @returns {DrivenPage} */
const playwrightPage = (page) => ({ ...libraryPage(page), type: (selector, text) => page.fill(selector, text) });
/** @param {import('puppeteer-core').Page} page @returns {DrivenPage} */
const puppeteerPage = (page) => ({ ...libraryPage(page), type: (selector, text) => page.type(selector, text) });

/** @param {DrivenPage} driven @param {string} url */
async function openPage(driven, url) {
  await driven.goto(url);
  return new Page(driven);
}

/** What a page answers, through JSON. @typedef {{ value?: any, error?: Error }} Answer */

/** A page of any of the browsers. */
export class Page {
  #driven;

  /** @param {DrivenPage} driven */
  constructor(driven) {
    this.#driven = driven;
  }

  /**
   * Runs a function in the page.
   * @template {unknown[]} Args what JSON can hold
   * @template [Result=any] of a text, whatever it gives
   * @param {((...args: Args) => Result) | string} use it sees nothing but its arguments and the page; a text is an
   *   expression
   * @param {Args} args
   * @returns {Promise<Awaited<Result>>} what it returns, as JSON holds it; what it throws, with its name, code and details
   */
  async evaluate(use, ...args) {
    const { value, error } = await this.#ask(use, args);
    if (error) throw Object.assign(new Error(error.message), error);
    return value;
  }

  /**
   * Waits until a function gives something true in the page, and returns that; the page may be loaded anew meanwhile.
   * @template {unknown[]} Args
   * @template [Result=any]
   * @param {((...args: Args) => Result) | string} use
   * @param {Args} args
   * @returns {Promise<NonNullable<Awaited<Result>>>}
   */
  async waitFor(use, ...args) {
    const end = Date.now() + EVALUATE_MILLISECONDS;
    for (;;) {
      const { value, error } = await this.#ask(use, args).catch(
        /** @returns {Answer} */ (reason) => {
          if (Date.now() > end) throw reason;
          return {};
        },
      );
      if (error) throw Object.assign(new Error(error.message), error);
      if (value) return value;
      if (Date.now() > end) throw new Error(`Waited ${EVALUATE_MILLISECONDS / 1000} s in vain for ${use}`);
      await sleep(POLL_MILLISECONDS);
    }
  }

  /**
   * Rejects where the page does not answer.
   * @param {Function | string} use
   * @param {unknown[]} args
   * @returns {Promise<Answer>}
   */
  async #ask(use, args) {
    const call = typeof use === 'string' ? use : `(${use})(${args.map((value) => JSON.stringify(value)).join(', ')})`;
    const text = `(async () => {
      try {
        return JSON.stringify({ value: (await (${call})) ?? null });
      } catch (error) {
        const { name, message, code, details } = error instanceof Error ? error : { message: String(error) };
        return JSON.stringify({ error: { name, message, code, details } });
      }
    })()`;
    return JSON.parse(String(await within(EVALUATE_MILLISECONDS, this.#driven.run(text, EVALUATE_MILLISECONDS))));
  }

  reload() {
    return this.#driven.reload();
  }

  /** @param {string} selector */
  click(selector) {
    return this.#driven.click(selector);
  }

  /** @param {string} selector @param {string} text */
  type(selector, text) {
    return this.#driven.type(selector, text);
  }

  /** @param {string} path */
  screenshot(path) {
    return this.#driven.screenshot(path);
  }

  close() {
    return this.#driven.close();
  }
}

/** @template T @param {number} milliseconds @param {Promise<T>} promise @returns {Promise<T>} */
async function within(milliseconds, promise) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  /** @type {Promise<never>} */
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`The page has not answered for ${milliseconds / 1000} s.`)),
      milliseconds,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
