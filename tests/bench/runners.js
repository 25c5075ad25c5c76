// Runs one engine once: in a page of a browser of its own, or in a process of its own. Whatever happens, both end.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { openChromium } from '../chromium.js';
import { present } from '../present.js';
import { browserFlags, pagePeakBytes } from './machine.js';

const CHILD = fileURLToPath(new URL('child.js', import.meta.url));
const ERROR_CHARACTERS = 600;
/** @param {string[]} texts */
const oneLine = (texts) =>
  texts
    .map((text) => text.trim().replace(/\s+/g, ' '))
    .filter(Boolean)
    .join('; ')
    .slice(0, ERROR_CHARACTERS);
// We end the browser ourselves on Ctrl-C, after what was measured until then is kept.
const BROWSER_OPTIONS = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };

/**
 * Rejects when the signal is given, or when nothing has been heard for `seconds`.
 * @param {number} seconds
 * @param {AbortSignal} signal
 * @returns {{ promise: Promise<never>, heard: () => void, end: () => void }}
 */
function watch(seconds, signal) {
  /** @type {NodeJS.Timeout} */
  let timer;
  /** @type {(reason: unknown) => void} */
  let reject;
  /** @type {Promise<never>} */
  const promise = new Promise((_, fail) => {
    reject = fail;
  });
  promise.catch(() => {});
  const late = () => reject(new Error(`nothing was heard of it for ${seconds} s, so it was ended`));
  const stop = () => reject(new Error('stopped'));
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(late, seconds * 1000);
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  heard();
  const end = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  };
  return { promise, heard, end };
}

/**
 * @typedef {object} RunOptions
 * @property {import('./measure.js').TurnPlan} plan
 * @property {(event: import('./measure.js').MeasureEvent) => void} onEvent
 * @property {AbortSignal} signal
 * @property {number} patienceSeconds how long one piece of work may take
 */

/** @param {RunOptions & { url: string }} options */
export async function runInPage({ url, plan, onEvent, signal, patienceSeconds }) {
  const watcher = watch(patienceSeconds, signal);
  let browser;
  let peakBytes = null;
  let flags = null;
  try {
    browser = await Promise.race([openChromium(BROWSER_OPTIONS), watcher.promise]);
    const { context } = browser;
    const page = await context.newPage();
    /** @type {string[]} */
    const complaints = [];
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text().split('\n', 1)[0]);
    });
    /** @type {Promise<never>} */
    const crashed = new Promise((_, reject) => {
      page.on('crash', () => reject(new Error('the page crashed')));
      page.on('pageerror', (error) => reject(error));
    });
    crashed.catch(() => {});
    await page.exposeFunction('report', (/** @type {import('./measure.js').MeasureEvent} */ event) => {
      watcher.heard();
      if (event.phase === 'load') flags = browserFlags();
      if (event.phase === 'close') peakBytes = pagePeakBytes();
      onEvent(event);
    });
    const working = async () => {
      await page.goto(`${url}/bench/page.html`);
      await page.waitForFunction(() => globalThis.pageIsReady);
      return page.evaluate((given) => globalThis.runPlan(given), plan);
    };
    const work = working();
    work.catch(() => {});
    const { result, error, userAgent } = await Promise.race([work, crashed, watcher.promise]);
    if (error !== undefined) throw new Error(oneLine([...new Set([error.split('\n', 1)[0], ...complaints])]));
    const version = context.browser()?.version() ?? /Chrome\/\S+/.exec(userAgent)?.[0] ?? userAgent;
    return { ...result, peakBytes, browser: { version, flags } };
  } finally {
    watcher.end();
    await browser?.close().catch(() => {});
  }
}

/** @param {RunOptions & { execPath: string }} options */
export async function runInProcess({ execPath, plan, onEvent, signal, patienceSeconds }) {
  const watcher = watch(patienceSeconds, signal);
  // A Ctrl-C goes to the whole group of the terminal; a group of its own lets us end the child in order.
  const child = fork(CHILD, [], { execPath, execArgv: [], detached: true, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let complaints = '';
  present(child.stderr)
    .setEncoding('utf8')
    .on('data', (text) => {
      complaints = (complaints + text).slice(-ERROR_CHARACTERS);
    });
  try {
    /** @type {Promise<import('./child.js').Done>} */
    const work = new Promise((resolve, reject) => {
      child.on('message', (/** @type {import('./child.js').ChildMessage} */ message) => {
        watcher.heard();
        if ('event' in message) onEvent(message.event);
        else if ('error' in message) reject(new Error(oneLine([message.error, complaints])));
        else resolve(message);
      });
      child.once('error', reject);
      child.once('exit', (code, cause) => {
        reject(new Error(oneLine([`its process ended early (${cause ?? `exit code ${code}`})`, complaints])));
      });
    });
    work.catch(() => {});
    child.send(plan);
    const { result, peakBytes, node, v8 } = await Promise.race([work, watcher.promise]);
    return { ...result, peakBytes, runtime: { node, v8 } };
  } finally {
    watcher.end();
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  }
}
