// Firefox for the tests: Debian's firefox-esr, driven by puppeteer-core over WebDriver BiDi.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BuildError, has, installDebian, run } from '../wasm/shell.js';

const NAMES = ['firefox-esr', 'firefox'];
const START_MILLISECONDS = 60_000;

function find() {
  const name = [process.env.NIBBLE_FIREFOX, ...NAMES].find((candidate) => candidate && has(candidate));
  return name && run('sh', ['-c', 'command -v "$1"', 'sh', name], { capture: true }).trim();
}

/** @returns {string} the path of a Firefox, installed first where that is possible @throws {BuildError} */
export function requireFirefox() {
  const found = find() ?? (installDebian('firefox-esr') ? find() : undefined);
  if (found) return found;
  throw new BuildError(
    'Firefox is missing and could not be installed here; install it (on Debian: apt-get install firefox-esr) or name ' +
      'one in NIBBLE_FIREFOX.',
  );
}

/** @typedef {{ width: number, height: number, preferences?: Record<string, unknown> }} FirefoxOptions */

/**
 * Starts a Firefox with an empty profile.
 * @param {FirefoxOptions} options
 * @returns {Promise<{ browser: import('puppeteer-core').Browser, close: () => Promise<void> }>}
 */
export async function openFirefox({ width, height, preferences = {} }) {
  const { launch } = await import('puppeteer-core');
  const executablePath = requireFirefox();
  const folder = mkdtempSync(join(tmpdir(), 'nibble-firefox-'));
  const discard = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    const browser = await launch({
      browser: 'firefox',
      executablePath,
      headless: true,
      userDataDir: join(folder, 'profile'),
      env: { ...process.env, HOME: folder, TMPDIR: folder, XDG_CACHE_HOME: join(folder, 'cache') },
      extraPrefsFirefox: preferences,
      defaultViewport: { width, height },
      timeout: START_MILLISECONDS,
    });
    return { browser, close: () => browser.close().finally(discard) };
  } catch (error) {
    discard();
    throw error;
  }
}
