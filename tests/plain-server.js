// A static host as they commonly are: files and their types, and no header that isolates a page.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { portOf } from './port.js';

/** @type {Record<string, string>} */
const TYPES = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
};

/**
 * @param {string | (() => string)} folder what is served; a function is asked at every request
 * @param {{ port?: number, onRequest?: (path: string, request: import('node:http').IncomingMessage) => { status: number } | undefined }} [options]
 *   `onRequest` sees each request and may refuse it
 * @returns {Promise<{ url: string, port: number, paths: string[], close: () => Promise<void> }>} `paths`: what was asked for
 */
export async function servePlainly(folder, { port = 0, onRequest = () => undefined } = {}) {
  /** @type {string[]} */
  const paths = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    paths.push(pathname);
    const refused = onRequest(pathname, request);
    const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
    const file = join(typeof folder === 'function' ? folder() : folder, path);
    const bytes = refused || path.includes('..') ? null : await readFile(file).catch(() => null);
    if (bytes === null) return response.writeHead(refused?.status ?? 404).end();
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'Content-Type': type, 'Content-Length': bytes.length }).end(bytes);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  const taken = portOf(server);
  return { url: `http://127.0.0.1:${taken}/`, port: taken, paths, close };
}
