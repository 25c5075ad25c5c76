// WebKit for the tests: Debian's WebKitGTK in its MiniBrowser, on a virtual display, driven by plain W3C WebDriver. Its
// session is ephemeral, as a private window of Safari is.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BuildError, has, installDebian } from '../wasm/shell.js';
import { ChildProcess } from './child-process.js';
import { portOf } from './port.js';

const START_MILLISECONDS = 30_000;
const COMMAND_MILLISECONDS = 30_000;
// The key under which WebDriver hands out references to elements.
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

/** The MiniBrowser lies in a folder that is named for the processor, in one that is named for WebKit's version. */
function findBrowser() {
  /** @param {string} folder */
  const foldersIn = (folder) => {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  };
  const folders = foldersIn('/usr/lib')
    .filter((folder) => /-linux-gnu\w*$/.test(folder))
    .flatMap(foldersIn)
    .filter((folder) => /\/webkit2gtk-4\.\d+$/.test(folder) && readdirSync(folder).includes('MiniBrowser'));
  return folders.length > 0 ? join(/** @type {string} */ (folders.sort().at(-1)), 'MiniBrowser') : undefined;
}

const find = () => (has('WebKitWebDriver', ['--help']) && has('Xvfb', ['-help']) ? findBrowser() : undefined);

/** @returns {string} the path of WebKit's browser, installed first where that is possible @throws {BuildError} */
export function requireWebkit() {
  const found = find() ?? (installDebian('webkit2gtk-driver', 'xvfb') ? find() : undefined);
  if (found) return found;
  throw new BuildError(
    'WebKit is missing and could not be installed here; install it (on Debian: apt-get install webkit2gtk-driver xvfb).',
  );
}

/**
 * @typedef {{ width: number, height: number, env?: Record<string, string> }} WebkitOptions `env`: such as JavaScriptCore's
 *   options
 * @typedef {object} Session of WebDriver
 * @property {string} version of the browser
 * @property {(method: string, path: string, body?: object, limit?: number) => Promise<any>} command
 */

/**
 * Starts a WebKit with an empty profile.
 * @param {WebkitOptions} options
 * @returns {Promise<{ version: string, page: WebkitPage, close: () => Promise<void> }>} the session's one page
 */
export async function openWebkit({ width, height, env = {} }) {
  const binary = requireWebkit();
  const folder = mkdtempSync(join(tmpdir(), 'nibble-webkit-'));
  /** @type {ChildProcess[]} */
  const children = [];
  /** @type {Session | undefined} */
  let session;
  const close = async () => {
    await session?.command('DELETE', '').catch(() => {});
    for (const child of children.splice(0).reverse()) await child.end();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const xvfb = new ChildProcess(
      'Xvfb',
      ['-displayfd', '3', '-screen', '0', `${width}x${height}x24`, '-nolisten', 'tcp', '-noreset'],
      { pipe: true },
    );
    children.push(xvfb);
    const display = await xvfb.firstLine();
    const port = await freePort();
    const driver = new ChildProcess('WebKitWebDriver', [`--port=${port}`], {
      env: { ...process.env, ...environment(folder), ...env, DISPLAY: `:${display}` },
    });
    children.push(driver);
    session = await startSession(driver, `http://127.0.0.1:${port}`, binary);
    await session.command('POST', '/window/rect', { x: 0, y: 0, width, height });
    return { version: session.version, page: new WebkitPage(session), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Everything that WebKit and GTK write goes into one folder; nothing is asked of the desktop. @param {string} folder */
function environment(folder) {
  return {
    HOME: folder,
    TMPDIR: folder,
    XDG_CACHE_HOME: join(folder, 'cache'),
    XDG_CONFIG_HOME: join(folder, 'config'),
    XDG_DATA_HOME: join(folder, 'data'),
    XDG_RUNTIME_DIR: folder,
    DBUS_SESSION_BUS_ADDRESS: 'disabled:',
    GSETTINGS_BACKEND: 'memory',
    GTK_A11Y: 'none',
    NO_AT_BRIDGE: '1',
    // Its sandbox does not start as root.
    ...(process.getuid?.() === 0 && { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' }),
  };
}

/** A port that was free a moment ago: the driver cannot choose one by itself. */
async function freePort() {
  const server = createServer();
  /** @type {Promise<void>} */
  const listening = new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  await listening;
  const port = portOf(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** @param {ChildProcess} driver @param {string} url @param {string} binary @returns {Promise<Session>} */
async function startSession(driver, url, binary) {
  const end = Date.now() + START_MILLISECONDS;
  const capabilities = {
    alwaysMatch: { 'webkitgtk:browserOptions': { binary, args: ['--automation'] } },
  };
  while (
    !(await fetch(`${url}/status`).then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (!driver.runs || Date.now() > end) throw new Error(`WebKitWebDriver did not start: ${driver.output}`);
    await sleep(20);
  }
  const { sessionId, capabilities: found } = await command(
    url,
    'POST',
    '/session',
    { capabilities },
    START_MILLISECONDS,
  );
  return {
    version: found.browserVersion,
    command: (method, path, body, limit) => command(`${url}/session/${sessionId}`, method, path, body, limit),
  };
}

/**
 * @param {string} url
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @param {number} [limit] milliseconds
 * @returns {Promise<any>}
 */
async function command(url, method, path, body, limit = COMMAND_MILLISECONDS) {
  const response = await fetch(url + path, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(limit),
  });
  const { value } = await response.json();
  if (response.ok) return value;
  throw new Error(`WebKitWebDriver refused ${method} ${path}: ${value?.error}: ${value?.message}`);
}

export class WebkitPage {
  #command;

  /** @param {Session} session */
  constructor({ command: send }) {
    this.#command = send;
  }

  /** @param {string} url */
  async goto(url) {
    await this.#command('POST', '/url', { url });
  }

  async reload() {
    await this.#command('POST', '/refresh', {});
  }

  /** The value of a text of JavaScript, awaited. @param {string} text @param {number} limit milliseconds */
  async run(text, limit) {
    await this.#command('POST', '/timeouts', { script: limit });
    const script = `const done = arguments[arguments.length - 1]; Promise.resolve(${text}).then(done);`;
    return this.#command('POST', '/execute/async', { script, args: [] }, limit + COMMAND_MILLISECONDS);
  }

  /** @param {string} selector */
  async click(selector) {
    await this.#command('POST', `/element/${await this.#element(selector)}/click`, {});
  }

  /** @param {string} selector @param {string} text */
  async type(selector, text) {
    await this.#command('POST', `/element/${await this.#element(selector)}/value`, { text });
  }

  /** @param {string} path */
  async screenshot(path) {
    writeFileSync(path, Buffer.from(await this.#command('GET', '/screenshot'), 'base64'));
  }

  async close() {
    await this.#command('POST', '/url', { url: 'about:blank' });
  }

  /** @param {string} selector @returns {Promise<string>} */
  async #element(selector) {
    const found = await this.#command('POST', '/element', { using: 'css selector', value: selector });
    return found[ELEMENT];
  }
}
