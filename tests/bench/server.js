// The server of pages that measure and test: the headers that give a page threads, and the files of Nibble and its peers.
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename, extname, join, sep } from 'node:path';
import { pipeline, Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseRange } from '../../web/serve.js';
import { portOf } from '../port.js';

/** @type {Record<string, string>} */
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** The file below a folder that a path names, or null. @param {string} folder @param {string} path */
async function fileBelow(folder, path) {
  try {
    const root = await realpath(folder);
    const file = await realpath(join(root, path));
    return file.startsWith(root + sep) ? file : null;
  } catch {
    return null;
  }
}

/** @typedef {Given & { line?: ReturnType<typeof lineOf> | null }} Places */

/** @param {string} path @param {Places} places */
async function locate(path, { folders, modelPath }) {
  if (path === `/model/${basename(modelPath)}`) return modelPath;
  const found = Object.entries(folders).find(([start]) => path.startsWith(start));
  if (found === undefined) return null;
  const [prefix, folder] = found;
  return fileBelow(folder, path.slice(prefix.length));
}

// A timer is late by about a millisecond; what a line missed for longer is lost.
const LATE_MILLISECONDS = 5;

/** A line of so many bytes a second, whoever sends on it: resolves when the bytes have gone. @param {number} bytesPerSecond */
function lineOf(bytesPerSecond) {
  let free = 0;
  return async (/** @type {number} */ bytes) => {
    const now = performance.now();
    free = Math.max(free, now - LATE_MILLISECONDS) + (bytes / bytesPerSecond) * 1000;
    if (free - now > 1) await sleep(free - now);
  };
}

/**
 * Lets pieces through as a line does, and tells how many bytes of each.
 * @param {ReturnType<typeof lineOf>} line
 * @param {(bytes: number) => void} onSent
 */
const through = (line, onSent) =>
  new Transform({
    transform(piece, _, done) {
      const pass = () => {
        onSent(piece.length);
        done(null, piece);
      };
      line(piece.length).then(pass, done);
    },
  });

/**
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 * @param {Places} places
 */
async function respond(request, response, places) {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const file = await locate(decodeURIComponent(pathname), places);
  const found = file === null ? null : await stat(file);
  const isolation = places.isolated === false ? {} : ISOLATION;
  if (file === null || !found?.isFile()) {
    response.writeHead(404, isolation);
    return response.end();
  }
  const range = parseRange(request.headers.range, found.size);
  if (range === 'outside') {
    response.writeHead(416, { ...isolation, 'Content-Range': `bytes */${found.size}` });
    return response.end();
  }
  const whole = range === 'whole';
  const { start, end } = whole ? { start: 0, end: found.size - 1 } : range;
  response.writeHead(whole ? 200 : 206, {
    ...isolation,
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    'Content-Length': end - start + 1,
    'Accept-Ranges': 'bytes',
    ETag: `"${found.size.toString(36)}-${Math.floor(found.mtimeMs).toString(36)}"`,
    ...(whole ? {} : { 'Content-Range': `bytes ${start}-${end}/${found.size}` }),
  });
  if (request.method === 'HEAD' || found.size === 0) return response.end();
  const slow =
    places.line && file === places.modelPath ? [through(places.line, places.onRequest?.(start) ?? (() => {}))] : [];
  const body = createReadStream(file, { start, end, highWaterMark: slow.length > 0 ? 64 << 10 : 1 << 20 });
  pipeline([body, ...slow, response], () => {});
}

/**
 * @typedef {{ folders: Record<string, string>, modelPath: string, isolated?: boolean, bytesPerSecond?: number,
 *   onRequest?: (start: number) => (bytes: number) => void }} Given `folders`: what lies at a path prefix; `isolated`: whether pages get threads, true; `bytesPerSecond`: of the model, all
 *   connections together; `onRequest`: of the model where it has a rate, with its first byte: gives what is told as bytes go
 * @typedef {{ url: string, modelUrl: string, close: () => Promise<void> }} BenchmarkServer
 */

/**
 * @param {Given} given
 * @returns {Promise<BenchmarkServer>}
 */
export async function serveBenchmark({ bytesPerSecond = Infinity, ...given }) {
  const places = { ...given, line: bytesPerSecond < Infinity ? lineOf(bytesPerSecond) : null };
  const server = createServer((request, response) => {
    respond(request, response, places).catch(() => response.destroy());
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const url = `http://localhost:${portOf(server)}`;
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return { url, modelUrl: `${url}/model/${encodeURIComponent(basename(places.modelPath))}`, close };
}
