// A server that answers as Hugging Face's hub does: the list of a repository's files, page by page, redirects of large
// files to another server with an address that is signed for a while, and the ways in which it refuses.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseRange } from '../web/serve.js';
import { portOf } from './port.js';

const COMMIT = '4'.repeat(40);
const EXPOSED =
  'X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag';

/** @param {string | Uint8Array} bytes */
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/**
 * @typedef {object} Held a repository
 * @property {Record<string, Uint8Array | number>} [files] by path; a number: one of so many bytes that nobody may fetch
 * @property {false | 'auto' | 'manual'} [gated]
 * @property {string} [movedTo] it is a name that another repository had, or is written in other letters
 * @property {string} [hash] what the list says of each file in place of its SHA-256
 *
 * @typedef {import('node:http').IncomingMessage} Request
 * @typedef {import('node:http').ServerResponse} Response
 * @typedef {{ path: string, range?: string, authorization: string | undefined }} Asked
 * @typedef {Awaited<ReturnType<typeof serveHub>>} Hub
 */

/** @param {(request: Request, response: Response) => unknown} handle */
async function listen(handle) {
  const server = createServer(handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () =>
    new Promise((resolve) => {
      server.close(() => resolve(undefined));
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${portOf(server)}`, close };
}

/**
 * Where the hub keeps large files: it knows them by hash, and who asks by a signature alone.
 * @param {Map<string, Uint8Array>} blobs
 * @param {Asked[]} requests
 * @param {(hash: string) => string} etagOf
 */
async function serveBytes(blobs, requests, etagOf) {
  return listen((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    requests.push({ path: pathname, range: request.headers.range, authorization: request.headers.authorization });
    const cors = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': '*' };
    const bytes = blobs.get(pathname.slice(1));
    if (searchParams.get('Signature') !== 'signed' || bytes === undefined) return response.writeHead(403, cors).end();
    const range = parseRange(request.headers.range, bytes.length);
    if (range === 'outside') return response.writeHead(416, cors).end();
    const { start, end } = range === 'whole' ? { start: 0, end: bytes.length - 1 } : range;
    response.writeHead(range === 'whole' ? 200 : 206, {
      ...cors,
      ETag: `"${etagOf(pathname.slice(1))}"`,
      'Accept-Ranges': 'bytes',
      'Content-Length': end - start + 1,
      ...(range === 'whole' ? {} : { 'Content-Range': `bytes ${start}-${end}/${bytes.length}` }),
    });
    response.end(bytes.subarray(start, end + 1));
  });
}

/**
 * @param {any} repositories by 'owner/name'
 * @param {{ token?: string, pageSize?: number }} [options] `token`: whose owner may have all that is gated
 */
export async function serveHub(repositories, { token = 'hf_secret', pageSize = 1000 } = {}) {
  /** @type {Asked[]} */
  const requests = [];
  /** @type {Asked[]} */
  const served = [];
  /** @type {Map<string, Uint8Array>} */
  const blobs = new Map();
  const cdn = await serveBytes(blobs, served, (hash) => hub.etag ?? hash.slice(0, 32));
  /** @param {Held} held @param {[path: string, content: Uint8Array | number]} file */
  const entryOf = (held, [path, content]) => {
    const bytes = typeof content === 'number' ? content : content.length;
    const oid = held.hash ?? sha256(typeof content === 'number' ? path : content);
    return { type: 'file', oid: oid.slice(0, 40), size: bytes, path, lfs: { oid, size: bytes, pointerSize: 134 } };
  };
  const hub = {
    /** So many answers to come are refusals, with these headers. */
    busy: { answers: 0, headers: /** @type {Record<string, string>} */ ({ 'Retry-After': '1' }) },
    requests,
    /** What the other server calls every file in place of a hash; null: it tells the hash. */
    etag: /** @type {string | null} */ (null),
    /** What was asked of the other server. */
    served,
  };

  /** @param {Response} response @param {number} status @param {unknown} body @param {Record<string, string | number>} headers */
  function answer(response, status, body, headers = {}) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const cors = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': EXPOSED };
    const type = {
      'Content-Type': typeof body === 'string' ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8',
    };
    response.writeHead(status, { ...cors, ...type, ...headers });
    response.end(text);
  }

  /** @param {Response} response @param {number} status @param {string} code @param {string} message */
  const refuse = (response, status, code, message) =>
    answer(response, status, { error: message }, { 'X-Error-Code': code, 'X-Error-Message': message });

  /** @param {Response} response @param {Held} held @param {string[]} rest @param {URL} url */
  function tree(response, held, rest, url) {
    const [revision, ...folder] = rest.map(decodeURIComponent);
    if (revision !== 'main') return refuse(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    const start = folder.length === 0 ? '' : `${folder.join('/')}/`;
    const all = Object.entries(held.files ?? {}).filter(([path]) => path.startsWith(start));
    if (all.length === 0) return refuse(response, 404, 'EntryNotFound', `${start} does not exist on "main"`);
    const flat = all.filter(
      ([path]) => url.searchParams.get('recursive') === 'true' || !path.slice(start.length).includes('/'),
    );
    const folders = [...new Set(all.flatMap(([path]) => (path.includes('/') ? [path.split('/')[0]] : [])))];
    const list = [
      ...folders.map((path) => ({ type: 'directory', oid: COMMIT, size: 0, path })),
      ...flat.map((entry) => entryOf(held, entry)),
    ];
    const at = Number(url.searchParams.get('cursor') ?? 0);
    const next = new URL(url);
    next.searchParams.set('cursor', String(at + pageSize));
    /** @type {Record<string, string>} */
    const more = at + pageSize < list.length ? { Link: `<${next.href}>; rel="next"` } : {};
    answer(response, 200, list.slice(at, at + pageSize), more);
  }

  /** @param {Held} held @param {Request} request */
  const mayRead = (held, request) => !held.gated || request.headers.authorization === `Bearer ${token}`;

  /** @param {Request} request @param {Response} response @param {Held} held @param {string[]} rest */
  function resolve(request, response, held, rest) {
    if (!mayRead(held, request)) {
      const message =
        'Access to this model is restricted. You must have access to it and be authenticated to access it.';
      return refuse(response, request.headers.authorization ? 403 : 401, 'GatedRepo', message);
    }
    const [revision, ...parts] = rest.map(decodeURIComponent);
    const content = revision === 'main' ? held.files?.[parts.join('/')] : undefined;
    if (content === undefined || typeof content === 'number')
      return refuse(response, 404, 'EntryNotFound', 'Entry not found');
    const hash = sha256(content);
    blobs.set(hash, content);
    const told = { 'X-Linked-ETag': `"${hash}"`, 'X-Linked-Size': content.length, 'X-Repo-Commit': COMMIT };
    const Location = `${cdn.url}/${hash}?Expires=1&Signature=signed`;
    answer(response, 302, 'Found. Redirecting', { ...told, Location });
  }

  const own = await listen((request, response) => {
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`);
    const { pathname } = url;
    if (request.method === 'OPTIONS') {
      const headers = { 'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'authorization, range' };
      return response.writeHead(204, headers).end();
    }
    requests.push({ path: pathname, authorization: request.headers.authorization });
    if (hub.busy.answers > 0) {
      hub.busy.answers--;
      return answer(response, 429, { error: 'We had to rate limit your IP.' }, hub.busy.headers);
    }
    const isApi = pathname.startsWith('/api/models/');
    const [owner, name, what, ...rest] = pathname.slice(isApi ? '/api/models/'.length : 1).split('/');
    const id = `${owner}/${name}`;
    const held = repositories[id];
    if (held?.movedTo !== undefined)
      return answer(response, 307, 'Temporary Redirect', { Location: (request.url ?? '/').replace(id, held.movedTo) });
    const { authorization } = request.headers;
    if (authorization !== undefined && authorization !== `Bearer ${token}` && isApi)
      return answer(response, 401, { error: 'Invalid credentials in Authorization header' });
    // Of what is not there it tells strangers as little as of what is private.
    if (held === undefined)
      return refuse(
        response,
        authorization ? 404 : 401,
        'RepoNotFound',
        authorization ? 'Repository not found' : 'Invalid username or password.',
      );
    if (isApi && what === undefined) {
      const siblings = Object.keys(held.files ?? {}).map((rfilename) => ({ rfilename }));
      return answer(response, 200, { id, modelId: id, sha: COMMIT, gated: held.gated ?? false, siblings });
    }
    if (isApi && what === 'tree') return tree(response, held, rest, url);
    if (what === 'resolve') return resolve(request, response, held, rest);
    answer(response, 200, '<!doctype html><title>A page about it</title>');
  });
  const close = async () => {
    await own.close();
    await cdn.close();
  };
  return Object.assign(hub, { url: own.url, cdn: cdn.url, close });
}
