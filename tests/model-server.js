// A server of models as another site: with CORS and ranges, slow where a test wants to step in between.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseRange } from '../web/serve.js';
import { portOf } from './port.js';

const PART_BYTES = 32768;
const STALL_MILLISECONDS = 10;

/**
 * @typedef {{ bytes: Uint8Array, type?: string, pause?: number, gate?: Promise<void>, limit?: number, isSizeless?: boolean, encoding?: string }} ServedFile
 *   `pause`: milliseconds before each further 32 KiB; `gate`: what the second half of each answer waits for;
 *   `limit`: where answers stall until that is raised; `pause` and `limit` may be changed meanwhile; `isSizeless`: neither
 *   its size nor parts of it are told; `encoding`: what `bytes` are packed by
 * @typedef {{ url: string, requests: { path: string, range: string | undefined }[], close: () => Promise<void> }} ModelServer
 */

/**
 * @param {Record<string, ServedFile>} files by path
 * @returns {Promise<ModelServer>}
 */
export async function serveModels(files) {
  /** @type {ModelServer['requests']} */
  const requests = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const headers = {
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Headers': 'range, if-range',
      'Access-Control-Expose-Headers': 'etag, content-range, content-length, accept-ranges',
    };
    if (request.method === 'OPTIONS') return response.writeHead(204, headers).end();
    requests.push({ path: pathname, range: request.headers.range });
    const file = files[pathname];
    if (!file) return response.writeHead(404, headers).end();
    const { bytes, type = 'application/octet-stream', gate, isSizeless = false, encoding } = file;
    const range = isSizeless ? 'whole' : parseRange(request.headers.range, bytes.length);
    if (range === 'outside') return response.writeHead(416, headers).end();
    const { start, end } = range === 'whole' ? { start: 0, end: bytes.length - 1 } : range;
    response.writeHead(range === 'whole' ? 200 : 206, {
      ...headers,
      'Content-Type': type,
      ...(encoding ? { 'Content-Encoding': encoding } : {}),
      ...(isSizeless ? {} : { 'Accept-Ranges': 'bytes', 'Content-Length': end - start + 1 }),
      ETag: `"${bytes.length}"`,
      ...(range === 'whole' ? {} : { 'Content-Range': `bytes ${start}-${end}/${bytes.length}` }),
    });
    for (let at = start; at <= end && !response.destroyed; ) {
      if (at >= (file.limit ?? bytes.length)) {
        await sleep(STALL_MILLISECONDS);
        continue;
      }
      if (gate !== undefined && at > (start + end) / 2) await gate;
      response.write(bytes.subarray(at, Math.min(at + PART_BYTES, end + 1)));
      at += PART_BYTES;
      if (file.pause) await sleep(file.pause);
    }
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () =>
    /** @type {Promise<void>} */
    new Promise((/** @type {any} */ resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${portOf(server)}/`, requests, close };
}
