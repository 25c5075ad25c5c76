#!/usr/bin/env node
// Serves the page on this machine: `node web/serve.js [--port N] [--host NAME]`. Static files only, with the headers
// that give a page shared memory (cross-origin isolation), and no file but those that build/site/ holds.
import { createReadStream, existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { networkInterfaces } from 'node:os';
import { extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { HEADERS } from './offline/headers.js';

/** @type {Record<string, string>} */
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.wasm': 'application/wasm',
  '.gguf': 'application/octet-stream',
};

const SITE = fileURLToPath(new URL('../build/site/', import.meta.url));

/**
 * The file that a request path names, or null. Each part of the path begins with a letter or digit and holds no
 * separator after decoding, so no path leaves the folder, and what a link inside it points at has to lie inside too.
 * @param {string} root
 * @param {string} path
 */
async function locate(root, path) {
  const name = path.endsWith('/') ? `${path.slice(1)}index.html` : path.slice(1);
  if (!/^\w[\w.-]*(\/\w[\w.-]*)*$/.test(name) || !Object.hasOwn(TYPES, extname(name))) return null;
  try {
    const folder = await realpath(root);
    const file = await realpath(join(folder, name));
    if (!file.startsWith(folder + sep)) return null;
    const { size, mtimeMs } = await stat(file).then((found) => (found.isFile() ? found : Promise.reject()));
    return {
      file,
      size,
      type: TYPES[extname(name)],
      tag: `"${size.toString(36)}-${Math.floor(mtimeMs).toString(36)}"`,
      extra: name === 'sw.js' ? { 'Service-Worker-Allowed': '/' } : {},
    };
  } catch {
    return null;
  }
}

/**
 * @param {string|undefined} header of a request
 * @param {number} size of the file
 * @returns {{ start: number, end: number } | 'whole' | 'outside'} `end` inclusive. What is not one range of bytes asks
 *   for the whole file, as RFC 9110 has it.
 */
export function parseRange(header, size) {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === undefined || (first === '' && last === '')) return 'whole';
  if (first === '') {
    const length = Number(last);
    return length > 0 && size > 0 ? { start: Math.max(0, size - length), end: size - 1 } : 'outside';
  }
  if (last !== '' && Number(last) < Number(first)) return 'whole';
  if (Number(first) >= size) return 'outside';
  return { start: Number(first), end: last === '' ? size - 1 : Math.min(Number(last), size - 1) };
}

/** @param {string} url */
function decodePath(url) {
  try {
    return decodeURIComponent(url.split(/[?#]/, 1)[0]);
  } catch {
    return null;
  }
}

/** @param {string} root @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
async function respond(root, request, response) {
  /** @param {number} status @param {string} sentence @param {import('node:http').OutgoingHttpHeaders} [headers] */
  const fail = (status, sentence, headers = {}) => {
    response.writeHead(status, { ...HEADERS, 'Content-Type': TYPES['.txt'], ...headers });
    response.end(request.method === 'HEAD' ? undefined : `${sentence}\n`);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return fail(405, 'Only GET and HEAD are answered here.', { Allow: 'GET, HEAD' });
  }
  const path = decodePath(request.url ?? '');
  const found = path === null ? null : await locate(root, path);
  if (!found) {
    const isFolder = path !== null && !path.endsWith('/') && (await locate(root, `${path}/`)) !== null;
    if (isFolder) return fail(301, 'It is a folder.', { Location: `${path}/` });
    return fail(404, 'There is no such file here.');
  }
  /** @type {import('node:http').OutgoingHttpHeaders} */
  const headers = {
    ...HEADERS,
    ...found.extra,
    'Content-Type': found.type,
    'Cache-Control': 'no-cache',
    'Accept-Ranges': 'bytes',
    ETag: found.tag,
  };
  if (request.headers['if-none-match'] === found.tag) {
    response.writeHead(304, headers);
    return response.end();
  }
  // A range of a file that has changed since would be stitched to the old one's bytes.
  const condition = request.headers['if-range'];
  const current = condition === undefined || condition === found.tag;
  const range = current ? parseRange(request.headers.range, found.size) : 'whole';
  if (range === 'outside') {
    return fail(416, 'The range lies outside the file.', { 'Content-Range': `bytes */${found.size}` });
  }
  const { start, end } = range === 'whole' ? { start: 0, end: found.size - 1 } : range;
  headers['Content-Length'] = end - start + 1;
  if (range !== 'whole') headers['Content-Range'] = `bytes ${start}-${end}/${found.size}`;
  response.writeHead(range === 'whole' ? 200 : 206, headers);
  if (request.method === 'HEAD' || found.size === 0) return response.end();
  const body = createReadStream(found.file, { start, end });
  body.on('error', () => response.destroy());
  response.on('close', () => body.destroy());
  body.pipe(response);
}

/** @param {import('node:http').Server} server @param {number} port @param {string} host @returns {Promise<void>} */
function listen(server, port, host) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/**
 * Serves the page as js/bundle.js has built it.
 * @param {{ port?: number, host?: string, root?: string }} [options] Where `port` is taken, the next free one of the
 *   twenty after it is used; 0 lets the system choose. `root` is the folder to serve.
 * @returns {Promise<{ url: string, others: string[], close: () => Promise<void> }>} `url`: where it can be opened here;
 *   `others`: where other machines find it, if `host` stands for all addresses of this one
 */
export async function serve({ port = 8080, host = '127.0.0.1', root = SITE } = {}) {
  const server = createServer((request, response) => {
    respond(root, request, response).catch(() => response.destroy());
  });
  for (let candidate = port; ; candidate++) {
    try {
      await listen(server, candidate, host);
      break;
    } catch (error) {
      const another = codeOf(error) === 'EADDRINUSE' && candidate < Math.min(port + 20, 65535);
      if (!another) throw error;
    }
  }
  const address = server.address();
  const taken = typeof address === 'object' && address !== null ? address.port : port;
  const isAny = ANY.includes(host);
  /** @returns {Promise<void>} */
  const close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  const others = isAny ? addressesOfThisMachine().map((address) => urlOf(address, taken)) : [];
  return { url: urlOf(isAny ? (host === '::' ? 'localhost' : '127.0.0.1') : host, taken), others, close };
}

// What a server listens on for all of its machine's addresses, and what nobody can open.
const ANY = ['0.0.0.0', '::', ''];
const LOOPBACK = ['localhost', '127.0.0.1', '::1'];

/** @param {string} host @param {number} port */
const urlOf = (host, port) => `http://${host.includes(':') ? `[${host}]` : host}:${port}/`;

/** Those of IPv4, which people can type. */
function addressesOfThisMachine() {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address);
}

const OPTIONS = /** @type {const} */ ({
  port: { type: 'string', default: '8080' },
  host: { type: 'string', default: '127.0.0.1' },
  help: { type: 'boolean', short: 'h' },
});

function parse() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    // The first line says what is wrong, the rest how Node would quote it.
    throw new UsageError(`${messageOf(error).split('\n', 1)[0].replace(/\.$/, '')}; ${USAGE}`);
  }
}

/** The command line. @throws {UsageError} */
function readCommandLine() {
  const values = parse();
  const port = /^\d+$/.test(values.port) ? Number(values.port) : Number.NaN;
  if (!(port <= 65535)) throw new UsageError(`--port is '${values.port}'; a whole number from 0 to 65535 is expected.`);
  return { ...values, port };
}

/** @param {unknown} error */
const messageOf = (error) => (error instanceof Error ? error.message : String(error));

/** @param {unknown} error of the system */
const codeOf = (error) => (error instanceof Error && 'code' in error ? error.code : undefined);

class UsageError extends Error {}

const USAGE = 'usage: node web/serve.js [--port 8080] [--host 127.0.0.1]';

async function main() {
  const { port, host, help } = readCommandLine();
  if (help) return console.log(USAGE);
  if (!existsSync(join(SITE, 'index.html'))) throw new UsageError("The page is not built yet; 'npm start' builds it.");
  const { url, others } = await serve({ port, host });
  console.log(`Nibble is at ${url} (Ctrl-C ends it).`);
  if (others.length > 0) console.log(`Other machines find it at ${others.join(' and ')}.`);
  if (!LOOPBACK.includes(host)) {
    console.log(
      'Threads need a secure context: over plain HTTP other machines get one thread. Put HTTPS in front of it.',
    );
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    console.error(codeOf(error) ? `The page cannot be served: ${messageOf(error)}` : messageOf(error));
    process.exitCode = error instanceof UsageError ? 2 : 1;
  });
}
