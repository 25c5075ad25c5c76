// A server that gives its files to those alone who say who they are, and a second one where it sends them for the bytes, as
// those of gated models do it.
import { createServer } from 'node:http';
import { parseRange } from '../web/serve.js';

/**
 * @typedef {object} Asked
 * @property {'own' | 'other'} server
 * @property {string} path
 * @property {string | null} authorization
 * @property {string | null} key of the header X-Key
 * @property {string | null} cookie
 */

/**
 * Paths of the first one: /gated.gguf needs `Authorization: Bearer key`, /keyed.gguf `X-Key: key`, /cookie.gguf the cookie
 * `reader=me`; /away.gguf needs the Authorization and redirects to the second server, which refuses whoever tells it
 * anything; /moved.gguf redirects to /gated.gguf.
 * @param {() => { bytes: Uint8Array, etag: string }} file as it is now
 * @param {string} page the origin of a page that may send cookies
 */
export async function serveAccess(file, page = 'null') {
  /** @type {Asked[]} */
  const asked = [];
  /** @param {import('node:http').IncomingMessage} request */
  const corsFor = ({ headers }) => ({
    'Access-Control-Allow-Origin': headers.origin ?? page,
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Allow-Headers': 'authorization, x-key, range, if-range',
    'Access-Control-Expose-Headers': 'etag, content-range, content-length',
    'Cross-Origin-Resource-Policy': 'cross-origin',
  });
  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  const give = (request, response) => {
    const { bytes, etag } = file();
    const range = parseRange(request.headers.range, bytes.length);
    const { start, end } = typeof range === 'string' ? { start: 0, end: bytes.length - 1 } : range;
    const part = { 'content-range': `bytes ${start}-${end}/${bytes.length}`, 'content-length': end - start + 1, etag };
    response.writeHead(typeof range === 'string' ? 200 : 206, { ...corsFor(request), ...part });
    response.end(bytes.subarray(start, end + 1));
  };
  /** @param {'own' | 'other'} name @param {(path: string, told: Asked) => number | string} answerTo a status, or where to */
  const listen = async (name, answerTo) => {
    const server = createServer((request, response) => {
      const { url: path = '', headers, method } = request;
      if (method === 'OPTIONS') return response.writeHead(204, corsFor(request)).end();
      const { authorization = null, cookie = null, 'x-key': key = null } = headers;
      const told = { server: name, path, authorization, key: key && String(key), cookie };
      asked.push(told);
      const answer = answerTo(path, told);
      if (answer === 200) give(request, response);
      else if (typeof answer === 'number') response.writeHead(answer, corsFor(request)).end();
      else response.writeHead(302, { ...corsFor(request), location: answer }).end();
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
    const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
    const close = () => {
      server.close();
      server.closeAllConnections();
    };
    return { url: `http://127.0.0.1:${port}`, close };
  };
  const other = await listen('other', (_path, { authorization, key }) => (authorization || key ? 400 : 200));
  const own = await listen('own', (path, { authorization, key, cookie }) => {
    const isKnown = authorization === 'Bearer key';
    if (path === '/gated.gguf') return isKnown ? 200 : authorization ? 403 : 401;
    if (path === '/keyed.gguf') return key === 'key' ? 200 : 401;
    if (path === '/cookie.gguf') return cookie?.includes('reader=me') ? 200 : 401;
    if (path === '/away.gguf') return isKnown ? `${other.url}/bytes.gguf` : 401;
    if (path === '/keyed-away.gguf') return key === 'key' ? `${other.url}/bytes.gguf` : 401;
    return path === '/moved.gguf' ? '/gated.gguf' : 404;
  });
  const close = () => {
    own.close();
    other.close();
  };
  return { url: own.url, asked, close };
}
