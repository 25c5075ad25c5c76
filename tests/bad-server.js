// A server of one file that misbehaves as it is told, and notes every request that it got.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';
import { portOf } from './port.js';

/**
 * @typedef {object} Manners how the server treats a request; all of them may be changed while it runs
 * @property {string | null} [etag]
 * @property {string | null} [lastModified]
 * @property {boolean} [ranges] whether it gives parts; true
 * @property {boolean} [length] whether it tells a Content-Length; true
 * @property {boolean} [gzip] whether it compresses whole files
 * @property {string} [type] Content-Type
 * @property {boolean} [cors] lets pages of other origins read the file, but answers no preflight
 * @property {number} [most] it gives no more bytes than this to one request for a part
 * @property {(request: Note) => Fault | undefined} [fault]
 *
 * @typedef {object} Fault what to do to one request
 * @property {number} [status] answer with this instead
 * @property {Record<string, string>} [headers]
 * @property {string | Buffer} [body]
 * @property {number} [cutAfter] bytes after which the connection is destroyed
 * @property {number} [stallAfter] bytes after which nothing more comes
 * @property {boolean} [silent] not even headers come
 * @property {Record<string, string | null>} [change] headers put in, or with null left out
 * @property {number} [shift] sends the part from so many bytes further on
 * @property {number} [extra] sends so many bytes too many, without a Content-Length
 * @property {Promise<void>} [until] waits for this first
 */

/**
 * @typedef {object} Note of a request
 * @property {number} index
 * @property {string} path
 * @property {string | undefined} method
 * @property {number} start the first byte asked for
 * @property {string | undefined} range
 * @property {string | undefined} ifRange
 * @property {number} atOnce how many are open, it included
 *
 * @typedef {Awaited<ReturnType<typeof startBadServer>>} BadServer
 * @typedef {{ content: Uint8Array, manners: Manners }} State
 */

/**
 * @param {Uint8Array} content
 * @param {Manners} [manners]
 */
export async function startBadServer(content, manners = {}) {
  /** @type {Note[]} */
  const requests = [];
  /** @type {Set<import('node:http').ServerResponse>} */
  const open = new Set();
  /** @type {State} */
  const state = { content, manners: { etag: '"one"', lastModified: null, ...manners } };
  const server = createServer(async (request, response) => {
    const { range } = request.headers;
    const start = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    const { method, url: path = '' } = request;
    const ifRange = request.headers['if-range']?.toString();
    open.add(response);
    const note = { index: requests.length, path, method, start, range, ifRange, atOnce: open.size };
    requests.push(note);
    response.on('close', () => open.delete(response));
    const fault = state.manners.fault?.(note) ?? {};
    await fault.until;
    if (request.method === 'OPTIONS') response.writeHead(405).end();
    else if (!fault.silent && !response.destroyed) answer(state, note, fault, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${portOf(server)}`;
  return {
    url: `${origin}/model.gguf`,
    origin,
    requests,
    /** Requests that are not answered to the end. */
    open: () => open.size,
    /** Changes the file and the manners. @param {Uint8Array} content @param {Manners} [manners] */
    change: (content, manners) => Object.assign(state, { content, manners: { ...state.manners, ...manners } }),
    /** What was asked for so far, as text. */
    ranges: () => requests.map(({ range }) => range ?? 'all'),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * @param {State} state
 * @param {Note} note
 * @param {Fault} fault
 * @param {import('node:http').ServerResponse} response
 */
function answer({ content, manners }, { range, ifRange }, fault, response) {
  if (fault.status !== undefined) {
    response.writeHead(fault.status, fault.headers).end(fault.body ?? '');
    return;
  }
  const {
    etag,
    lastModified,
    ranges = true,
    length = true,
    gzip = false,
    cors = false,
    type = 'application/octet-stream',
  } = manners;
  /** @type {Record<string, string | number>} */
  const headers = {
    'content-type': type,
    ...(etag && { etag }),
    ...(lastModified && { 'last-modified': lastModified }),
  };
  if (cors) headers['access-control-allow-origin'] = '*';
  const current = ifRange === undefined || (ifRange === etag && !ifRange.startsWith('W/'));
  const part = ranges && current ? partOf(range, content.length, manners.most) : null;
  if (part !== null && part.start >= content.length) {
    response.writeHead(416, { ...headers, 'content-range': `bytes */${content.length}` }).end();
    return;
  }
  const [from, to] = part === null ? [0, content.length] : [part.start + (fault.shift ?? 0), part.end];
  let body = content.subarray(from, to + (fault.extra ?? 0));
  if (part !== null) headers['content-range'] = `bytes ${from}-${to - 1}/${content.length}`;
  else if (gzip) {
    body = gzipSync(body);
    headers['content-encoding'] = 'gzip';
  }
  if (length && !fault.extra) headers['content-length'] = body.length;
  for (const [name, value] of Object.entries(fault.change ?? {})) {
    if (value === null) delete headers[name];
    else headers[name] = value;
  }
  response.writeHead(part === null ? 200 : 206, headers);
  send(response, body, fault);
}

/** @param {string | undefined} range @param {number} size @param {number} [most] */
function partOf(range, size, most = Infinity) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
  if (match === null) return null;
  const start = Number(match[1]);
  const end = match[2] === '' ? size : Math.min(Number(match[2]) + 1, size);
  return { start, end: Math.min(end, start + most) };
}

/** @param {import('node:http').ServerResponse} response @param {Uint8Array} body @param {Fault} fault */
function send(response, body, { cutAfter, stallAfter }) {
  const bytes = cutAfter ?? stallAfter;
  if (bytes === undefined || bytes >= body.length) response.end(body);
  else {
    response.flushHeaders();
    response.write(body.subarray(0, bytes), () => {
      // The bytes get a moment to arrive; what is destroyed at once may take them along.
      if (cutAfter !== undefined) setTimeout(() => response.destroy(), 20);
    });
  }
}
