// A fetch() for Node that goes through the proxy which the environment names (HTTPS_PROXY, HTTP_PROXY, NO_PROXY): that of
// Node does so only in newer versions, and only where a process was started so. It asks for files, and for no more:
// requests without a body, redirects not followed.
import { Readable } from 'node:stream';
import { NibbleError } from '../base/errors.js';
import { reasonOf } from '../base/system-errors.js';

/** @typedef {import('./relayed-fetch.js').Fetch} Fetch */
/** @typedef {Record<string, string | undefined>} Environment */
/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {{ response: IncomingMessage, socket: import('node:net').Socket }} Connected */
/** @typedef {Awaited<ReturnType<typeof loadModules>>} Modules */

/**
 * @param {Environment} [environment]
 * @returns {Fetch | null} null: no proxy is named
 */
export function proxyFetch(environment = process.env) {
  const proxies = { 'https:': named(environment, 'https_proxy'), 'http:': named(environment, 'http_proxy') };
  if (proxies['https:'] === undefined && proxies['http:'] === undefined) return null;
  const direct = directHosts(named(environment, 'no_proxy') ?? '');
  /** @type {Promise<Modules> | undefined} */
  let loading;
  /** @type {Map<string, { proxy: URL, agent: import('node:http').Agent }>} */
  const agents = new Map();
  /** @param {Modules} modules @param {'http:' | 'https:'} protocol @param {string} text */
  const agentFor = (modules, protocol, text) => {
    const key = `${protocol}${text}`;
    const known = agents.get(key);
    if (known !== undefined) return known;
    const proxy = readProxy(text, protocol);
    const agent = protocol === 'https:' ? tunnels(modules, proxy) : new modules.http.Agent({ keepAlive: true });
    agents.set(key, { proxy, agent });
    return { proxy, agent };
  };
  return async (url, init) => {
    const target = new URL(url);
    const { protocol } = target;
    if ((protocol !== 'https:' && protocol !== 'http:') || direct(target)) return fetch(url, init);
    const text = proxies[protocol];
    if (text === undefined) return fetch(url, init);
    loading ??= loadModules();
    const modules = await loading;
    return ask(modules, target, init, agentFor(modules, protocol, text));
  };
}

/** For the first request that goes through a proxy: with them, each engine would take longer to start. */
async function loadModules() {
  const [http, https, tls, zlib] = await Promise.all([
    import('node:http'),
    import('node:https'),
    import('node:tls'),
    import('node:zlib'),
  ]);
  return { http, https, tls, zlib };
}

const SILENT_MILLISECONDS = 20_000;

/** In small letters first, as everybody reads them. @param {Environment} environment @param {string} name */
const named = (environment, name) => environment[name]?.trim() || environment[name.toUpperCase()]?.trim() || undefined;

/** @param {string} text @param {string} protocol */
function readProxy(text, protocol) {
  const variable = `${protocol.slice(0, -1).toUpperCase()}_PROXY`;
  let proxy;
  try {
    proxy = new URL(text.includes('://') ? text : `http://${text}`);
  } catch {
    proxy = null;
  }
  if (proxy !== null && /^https?:$/.test(proxy.protocol)) return proxy;
  // Its user and password are nothing to show.
  const found = proxy === null ? 'no address' : `an address that begins with ${proxy.protocol}//`;
  const expected = 'the address of a proxy, such as http://proxy.example:3128';
  const message = `${variable} of the environment is ${found}; expected ${expected}.`;
  throw new NibbleError('INVALID_ARGUMENT', message, { details: { option: variable, found, expected } });
}

/**
 * Which servers are asked without a proxy: those of names or ends of names, with commas or spaces between them; each
 * perhaps with a port; all by *.
 * @param {string} list
 * @returns {(target: URL) => boolean}
 */
function directHosts(list) {
  const entries = list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((entry) => {
      const [, host = entry, port = ''] =
        /^(.*?)(?::(\d+))?$/.exec(/^[^[]*:.*:/.test(entry) ? `[${entry}]` : entry) ?? [];
      return { host: host.replace(/^\*?\./, ''), port };
    });
  return ({ hostname, port, protocol }) => {
    const ownPort = port || (protocol === 'https:' ? '443' : '80');
    return entries.some(
      (entry) =>
        (entry.host === '*' || hostname === entry.host || hostname.endsWith(`.${entry.host}`)) &&
        (entry.port === '' || entry.port === ownPort),
    );
  };
}

/**
 * An agent whose connections lead through a proxy to servers that speak https.
 * @param {Modules} modules
 * @param {URL} proxy
 */
function tunnels(modules, proxy) {
  const { https, tls } = modules;
  const agent = new https.Agent({ keepAlive: true });
  /** @type {any} */ (agent).createConnection = (
    /** @type {import('node:tls').ConnectionOptions} */ options,
    /** @type {(error: unknown, socket?: import('node:tls').TLSSocket) => void} */ callback,
  ) => {
    connect(modules, proxy, options).then(
      (socket) => callback(null, tls.connect({ ...options, socket, servername: options.servername || undefined })),
      callback,
    );
  };
  return agent;
}

/**
 * @param {Modules} modules
 * @param {URL} proxy
 * @param {import('node:tls').ConnectionOptions} to
 * @returns {Promise<import('node:net').Socket>}
 */
async function connect(modules, proxy, { host, port }) {
  const path = `${host?.includes(':') ? `[${host}]` : host}:${port}`;
  const headers = { host: path, ...credentialsOf(proxy) };
  const request = requestTo(modules, proxy, { method: 'CONNECT', path, headers });
  const { response, socket } = await new Promise(
    (/** @type {(connected: Connected) => void} */ resolve, /** @type {(error: unknown) => void} */ reject) => {
      request.on('connect', (response, socket) => resolve({ response, socket }));
      // One that knows no CONNECT.
      request.on('response', (response) => resolve({ response, socket: response.socket }));
      request.on('error', (cause) => reject(unanswered(proxy, cause)));
      request.setTimeout(SILENT_MILLISECONDS, () => request.destroy(new Error('it does not answer')));
      request.end();
    },
  );
  if (response.statusCode === 200) return socket;
  socket.destroy();
  throw refused(proxy, response.statusCode ?? 0);
}

/** @param {Modules} modules @param {URL} proxy @param {import('node:http').RequestOptions} options */
function requestTo({ http, https }, proxy, options) {
  const { hostname, port, protocol } = proxy;
  const host = hostname.replace(/^\[|\]$/g, '');
  return (protocol === 'https:' ? https : http).request({ host, port: port || undefined, agent: false, ...options });
}

/** @param {URL} proxy @returns {Record<string, string>} */
function credentialsOf({ username, password }) {
  if (username === '') return {};
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(text).toString('base64')}` };
}

/**
 * @param {Modules} modules
 * @param {URL} target
 * @param {RequestInit} init
 * @param {{ proxy: URL, agent: import('node:http').Agent }} way
 * @returns {Promise<Response>}
 */
function ask(modules, target, { headers, signal }, { proxy, agent }) {
  const all = { ...Object.fromEntries(new Headers(headers)), 'accept-encoding': 'identity', host: target.host };
  const options = { agent, signal: signal ?? undefined };
  const request =
    target.protocol === 'https:'
      ? modules.https.request(target, { ...options, headers: all })
      : requestTo(modules, proxy, { ...options, path: target.href, headers: { ...all, ...credentialsOf(proxy) } });
  return new Promise((resolve, reject) => {
    request.on('response', (response) => {
      if (response.statusCode === 407) {
        response.destroy();
        reject(refused(proxy, 407));
      } else resolve(responseOf(modules, response, target));
    });
    request.on('error', (cause) => {
      // What a tunnel says, it says of the proxy; without one, all that answers is the proxy.
      const isOfProxy = target.protocol === 'http:' && !signal?.aborted;
      reject(isOfProxy ? unanswered(proxy, cause) : cause);
    });
    request.end();
  });
}

/** @type {Record<string, 'createGunzip' | 'createInflate' | 'createBrotliDecompress' | undefined>} */
const DECODERS = {
  gzip: 'createGunzip',
  'x-gzip': 'createGunzip',
  deflate: 'createInflate',
  br: 'createBrotliDecompress',
};
const WITHOUT_BODY = [204, 205, 304];

/** @param {Modules} modules @param {IncomingMessage} message @param {URL} target */
function responseOf({ zlib }, message, target) {
  const status = message.statusCode ?? 0;
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(message.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  // As fetch() does it, although nothing packed was asked for.
  const createDecoder = DECODERS[headers.get('content-encoding') ?? ''];
  const decoder = createDecoder && zlib[createDecoder]();
  const stream = decoder === undefined ? message : message.on('error', (error) => decoder.destroy(error)).pipe(decoder);
  const isEmpty = WITHOUT_BODY.includes(status);
  if (isEmpty) message.resume();
  const body = isEmpty ? null : /** @type {any} */ (Readable.toWeb(/** @type {Readable} */ (stream)));
  const response = new Response(body, { status, headers });
  return Object.defineProperty(response, 'url', { value: target.href });
}

/** @param {URL} proxy @param {unknown} cause */
const unanswered = ({ host }, cause) =>
  // Without the cause, whose code would be told in the place of this.
  cause instanceof ProxyError ? cause : new ProxyError(`the proxy at ${host} cannot be reached: ${reasonOf(cause)}`);

/** @param {URL} proxy @param {number} status */
const refused = ({ host }, status) =>
  new ProxyError(
    status === 407
      ? `the proxy at ${host} wants to know who asks, or does not let in who does; its address may have a user and a password in it`
      : `the proxy at ${host} answered ${status}`,
  );

/** What a proxy says, as a part of a sentence. */
class ProxyError extends Error {}
