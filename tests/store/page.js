// Pages whose workers have the store's backends, in a real Chromium: of a secure, isolated origin and of plain http.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { openChromium } from '../chromium.js';
import { portOf } from '../port.js';

// A name in a home network is no secure origin, as localhost is.
const PLAIN_HOST = 'nibble.test';
const HEADERS = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };

/** Bundles a module of the tests for a browser. @param {string} path @returns {Promise<string>} */
export async function bundleForWorker(path) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(path, import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    logLevel: 'warning',
  });
  return outputFiles[0].text;
}

/**
 * @param {string} path the module that runs in the worker, from this folder
 * @param {string[]} [args] of the browser, on top of the usual ones
 * @param {string} [profile] a folder of the browser's that stays
 */
export async function openWorkerPages(path, args = [], profile = undefined) {
  const script = await bundleForWorker(path);
  const server = createServer((request, response) => {
    const isScript = request.url === '/worker.js';
    response.writeHead(200, { ...HEADERS, 'content-type': isScript ? 'text/javascript' : 'text/html' });
    response.end(isScript ? script : '<!doctype html><title>store</title>');
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const origin = `http://localhost:${portOf(server)}`;
  const closeServer = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  try {
    const browser = await openChromium({
      args: [...args, `--host-resolver-rules=MAP ${PLAIN_HOST} localhost`],
      profile,
    });
    return {
      origin,
      browser,
      /**
       * The worker of a new page, of the secure origin unless `plain`, or one more of a page.
       * @param {import('playwright-core').Page} [existing]
       * @param {{ plain?: boolean }} [options]
       */
      async newWorker(existing, { plain = false } = {}) {
        const page = existing ?? (await browser.context.newPage());
        if (existing === undefined) await page.goto(plain ? origin.replace('localhost', PLAIN_HOST) : origin);
        const [worker] = await Promise.all([
          page.waitForEvent('worker'),
          page.evaluate(() => {
            globalThis.worker = new Worker('/worker.js', { type: 'module' });
          }),
        ]);
        while (!(await worker.evaluate(() => 'store' in self))) await new Promise((resolve) => setTimeout(resolve, 5));
        return { page, worker };
      },
      close: () => browser.close().finally(closeServer),
    };
  } catch (error) {
    await closeServer();
    throw error;
  }
}
