// The browser of the page tests: Debian's Chromium, or the one that NIBBLE_CHROMIUM names.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BuildError, has, installDebian, run } from '../wasm/shell.js';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

// Headless, quiet on the network, and startable by root in a container.
export const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function find() {
  const name = [process.env.NIBBLE_CHROMIUM, ...NAMES].find((candidate) => candidate && has(candidate));
  return name && run('sh', ['-c', 'command -v "$1"', 'sh', name], { capture: true }).trim();
}

/** @returns {string} the path of a Chromium, installed first where that is possible @throws {BuildError} */
export function requireChromium() {
  const found = find() ?? (installDebian('chromium') ? find() : undefined);
  if (found) return found;
  throw new BuildError(
    'Chromium is missing and could not be installed here, and the page is tested in it; install it (on Debian: ' +
      'apt-get install chromium) or name one in NIBBLE_CHROMIUM.',
  );
}

/**
 * Playwright's options, whose `args` come on top of the usual flags.
 * @typedef {Parameters<import('playwright-core').BrowserType['launchPersistentContext']>[1] & { profile?: string }} ChromiumOptions
 *   `profile`: a folder that stays
 * @typedef {{ context: import('playwright-core').BrowserContext, close: () => Promise<void> }} Chromium
 */

/**
 * Starts a Chromium with an empty profile.
 * @param {Partial<ChromiumOptions>} [options]
 * @returns {Promise<Chromium>}
 */
export async function openChromium({ args = [], profile: kept, ...options } = {}) {
  const { chromium } = await import('playwright-core');
  const profile = kept ?? mkdtempSync(join(tmpdir(), 'nibble-chromium-'));
  const discard = () => {
    if (kept === undefined) rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const executablePath = requireChromium();
    const flags = [...FLAGS, ...args];
    const context = await chromium.launchPersistentContext(profile, { executablePath, args: flags, ...options });
    return { context, close: () => context.close().finally(discard) };
  } catch (error) {
    discard();
    throw error;
  }
}

/** A Chromium for many contexts, started for the first: none sees what another has stored, as if each had its own profile. */
export class SharedChromium {
  /** @type {Promise<import('playwright-core').Browser> | null} */
  #browser = null;

  /** @param {import('playwright-core').BrowserContextOptions} [options] @returns {Promise<Chromium>} */
  async open(options) {
    this.#browser ??= import('playwright-core').then(({ chromium }) =>
      chromium.launch({ executablePath: requireChromium(), args: FLAGS }),
    );
    const browser = await this.#browser;
    const context = await browser.newContext(options);
    return { context, close: () => context.close() };
  }

  async close() {
    await (await this.#browser)?.close();
  }
}

/**
 * Loses what a browser keeps of long values of IndexedDB in files of their own, as a disk may: it lists them then, and cannot
 * read them.
 * @param {string} folder its profile
 * @returns {number} how many files there were
 */
export function removeValueFiles(folder) {
  let count = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && entry.name.endsWith('.indexeddb.blob')) {
      count += readdirSync(path, { recursive: true }).length;
      rmSync(path, { recursive: true });
    } else if (entry.isDirectory()) count += removeValueFiles(path);
  }
  return count;
}
