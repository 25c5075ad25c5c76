// Who asks for a file, and how: the headers, the credentials and the fetch() that a caller gives, and an access token of a
// hub. Headers are told to the server that was asked, and to nobody that this one redirects to.
import { hasPassword, NibbleError } from '../base/errors.js';
import { oneOf } from '../base/readers.js';
import { failed } from './errors.js';
import { checkedFetch, fetchThrough, serveFetch } from './relayed-fetch.js';

/** Where Hugging Face's hub is. */
export const HUB_HOSTS = /^(www\.)?(huggingface\.co|hf\.co)$/i;
const REDIRECTS = [301, 302, 303, 307, 308];
const MOST_REDIRECTS = 20;
const MOST_HEADERS = 64;
const MOST_CHARACTERS = 16 << 10;
const NAME = /^[\w!#$%&'*+.^`|~-]{1,200}$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
// What a download sets itself, or whoever sends a request.
const TAKEN =
  /^(range|if-range|accept-encoding|connection|content-(encoding|length)|expect|host|keep-alive|te|trailer|transfer-encoding|upgrade|(proxy|sec)-.*)$/;
const HEADERS = 'an object of names and texts, as fetch() takes it';
const CREDENTIALS = /** @type {const} */ (['omit', 'same-origin', 'include']);
const FETCH = 'a function that is called as fetch() is';

/** @typedef {[name: string, value: string]} Header */
/** @typedef {import('./relayed-fetch.js').Fetch} Fetch */

/** @typedef {import('../base/access-options.js').AccessOptions} AccessOptions */

/**
 * A hub, as far as downloads have to know it.
 * @typedef {object} HubAccess
 * @property {string} url which all addresses of Hugging Face's hub are asked for below; without a slash at its end
 * @property {string} [authorization] a header's value, for that server alone
 * @property {object} [problem] the error, as its toJSON() made it, that whoever would ask that server fails with
 */

/**
 * The same, checked.
 * @typedef {object} Access
 * @property {Header[]} [headers]
 * @property {HubAccess} [hub]
 * @property {RequestCredentials} [credentials]
 * @property {Fetch} [fetch] absent: the platform's
 */

/** @typedef {Omit<Access, 'fetch'> & { port?: MessagePort }} AccessParams the same as it crosses to a worker; `port`: to the caller's fetch() */

/** @param {{ url: string, token: string | null, problem?: NibbleError }} hub @returns {HubAccess} */
export const hubAccess = ({ url, token, problem }) => ({
  url,
  ...(token !== null && { authorization: `Bearer ${token}` }),
  ...(problem !== undefined && { problem: problem.toJSON() }),
});

/**
 * Checks the options of a call, none of whose values an error shows.
 * @param {AccessOptions} options
 * @param {HubAccess} [hub]
 * @returns {Access}
 * @throws {NibbleError} INVALID_ARGUMENT
 */
export function readAccess({ headers, credentials, fetch }, hub) {
  const wanted = oneOf(CREDENTIALS, null)('credentials', credentials);
  const isGiven = fetch !== undefined && fetch !== null;
  if (isGiven && typeof fetch !== 'function') throw unfit('fetch', `a ${typeof fetch}`, FETCH);
  return {
    headers: readHeaders(headers),
    ...(hub !== undefined && { hub }),
    ...(wanted !== null && { credentials: wanted }),
    ...(isGiven && { fetch: checkedFetch(/** @type {Fetch} */ (fetch)) }),
  };
}

/** @param {unknown} given @returns {Header[]} by lower-case names, each once */
function readHeaders(given) {
  if (given === undefined || given === null) return [];
  const isText = typeof given === 'string';
  if (isText || typeof given !== 'object') throw unfit('headers', isText ? 'a text' : `a ${typeof given}`, HEADERS);
  const entries = Symbol.iterator in given ? [.../** @type {Iterable<unknown>} */ (given)] : Object.entries(given);
  if (entries.length > MOST_HEADERS) throw unfit('headers', `${entries.length} headers`, `at most ${MOST_HEADERS}`);
  return [...new Headers(entries.map(readHeader))];
}

/** @param {unknown} entry @returns {Header} */
function readHeader(entry) {
  const [name, value] = Array.isArray(entry) && entry.length === 2 ? entry : [];
  if (typeof name !== 'string' || !NAME.test(name)) throw unfit('headers', 'something with other names', HEADERS);
  const option = `headers.${name}`;
  if (TAKEN.test(name.toLowerCase()))
    throw unfit(option, 'a header that each request sets itself', 'headers that say who asks, such as Authorization');
  if (typeof value !== 'string') throw unfit(option, `a ${typeof value}`, 'a text');
  if (!VALUE.test(value) || value.length > MOST_CHARACTERS)
    throw unfit(
      option,
      'no value of a header',
      `one line of at most ${MOST_CHARACTERS} characters, none behind U+00FF`,
    );
  if (!isSent(name, value))
    throw unfit(option, 'a header that a browser keeps to itself', "another one; for cookies, credentials: 'include'");
  return [name, value];
}

/** Whether the platform sends it; a browser drops what it keeps to itself without a word. @param {string} name @param {string} value */
const isSent = (name, value) => new Request('https://localhost/', { headers: [[name, value]] }).headers.has(name);

/** As invalid(), in words that show nothing of what was given. @param {string} option @param {string} found @param {string} expected */
function unfit(option, found, expected) {
  const message = `The option ${option} is ${found}; expected ${expected}.`;
  return new NibbleError('INVALID_ARGUMENT', message, { details: { option, found, expected } });
}

/**
 * What crosses to a worker, which asks for files; the caller's fetch() stays here and is served to it until close().
 * @param {Access} access
 * @returns {{ params: AccessParams, transfer: Transferable[], close: () => void }}
 */
export function lendAccess({ fetch, ...params }) {
  if (fetch === undefined) return { params, transfer: [], close: () => {} };
  const { port, close } = serveFetch(fetch);
  return { params: { ...params, port }, transfer: [port], close };
}

/**
 * In the worker: a platform whose downloads ask so.
 * @template {{ download?: { access?: Access } }} P
 * @param {P} platform
 * @param {AccessParams} [params]
 * @returns {P}
 */
export function withAccess(platform, params) {
  if (params === undefined) return platform;
  const { port, ...told } = params;
  const fetch = port === undefined ? {} : { fetch: fetchThrough(port) };
  return {
    ...platform,
    download: { ...platform.download, access: { ...platform.download?.access, ...told, ...fetch } },
  };
}

/**
 * What is told to the server of one address.
 * @typedef {object} Told
 * @property {string} origin of that server
 * @property {Header[]} headers
 * @property {boolean} isOwn whether the caller has named them; otherwise there is the token of a hub at most
 * @property {RequestCredentials | undefined} credentials
 * @property {Fetch} fetch
 */

/**
 * Where a file is asked for: one of Hugging Face's hub at the server that answers for it.
 * @param {string} url
 * @param {Access} [access]
 */
export function placeOf(url, { hub } = {}) {
  const { hostname, pathname, protocol, search } = new URL(url);
  const isOfHub = /^https?:$/.test(protocol) && HUB_HOSTS.test(hostname);
  return hub === undefined || !isOfHub || url.startsWith(`${hub.url}/`) ? url : hub.url + pathname + search;
}

/** @param {string} url as placeOf() gives it @param {Access} [access] @returns {Told} @throws {NibbleError} the problem of that hub */
export function accessTo(url, { headers = [], hub, credentials, fetch = platformFetch } = {}) {
  const { origin } = new URL(url);
  const isHub = hub !== undefined && new URL(hub.url).origin === origin;
  if (isHub && hub.problem !== undefined) throw NibbleError.fromJSON(hub.problem);
  const isNamed = headers.some(([name]) => name === 'authorization');
  /** @type {Header[]} */
  const token = isHub && hub.authorization !== undefined && !isNamed ? [['authorization', hub.authorization]] : [];
  const isServer = /^https?:/i.test(url);
  const isOwn = isServer && headers.length > 0;
  return { origin, headers: isServer ? [...headers, ...token] : [], isOwn, credentials, fetch };
}

/** @type {Fetch} */
const platformFetch = (url, init) => fetch(url, init);

/**
 * @param {string} url of a file, or where its server has redirected to
 * @param {RequestInit & { headers?: Record<string, string> }} init without a body
 * @param {Told} told as accessTo() made it of the file's own address
 * @returns {Promise<Response>} its `url` is where it comes from
 */
export async function accessFetch(url, init, { origin, headers, isOwn, credentials, fetch }) {
  const plain = { ...init, ...(credentials !== undefined && { credentials }) };
  const told = { ...plain, headers: { ...init.headers, ...Object.fromEntries(headers) } };
  /** @param {string} address */
  const isFor = (address) => headers.length > 0 && new URL(address).origin === origin;
  if (globalThis.location !== undefined) {
    if (!isFor(url)) return fetch(url, plain);
    const onlyToken = headers.every(([name]) => name === 'authorization');
    if (onlyToken && forgets()) return fetch(url, told);
    return isOwn ? unredirected(url, await fetch(url, { ...told, redirect: 'manual' }), headers) : fetch(url, plain);
  }
  for (let at = url, mayTell = isFor(url), redirects = 0; ; redirects++) {
    const response = await fetch(at, { ...(mayTell ? told : plain), redirect: 'manual' });
    const next = REDIRECTS.includes(response.status) ? response.headers.get('location') : null;
    if (next === null) return response;
    await response.body?.cancel();
    if (redirects === MOST_REDIRECTS) throw new TypeError('there are too many redirects');
    at = new URL(next, at).href;
    if (hasPassword(at)) throw new TypeError('the server redirects to an address with a password in it');
    if (!/^https?:/i.test(at)) throw new TypeError(`the server redirects to an address that is none of a file`);
    // It is not told again on a way back.
    mayTell &&= isFor(at);
  }
}

/**
 * A browser follows redirects by itself, and leaves the token out behind them only since Chrome 119, Firefox 111 and
 * Safari 16: those that have this function do. Others are not given the token.
 */
const forgets = () => typeof (/** @type {any} */ (Promise).withResolvers) === 'function';

/** A browser tells nobody where a redirect leads, and would take the headers along. @param {string} url @param {Response} response @param {Header[]} headers */
function unredirected(url, response, headers) {
  if (response.type !== 'opaqueredirect') return response;
  const names = headers.map(([name]) => name).join(', ');
  throw failed(
    url,
    `the server redirects elsewhere, and in a browser these headers would go there too: ${names}. Give the address that it leads to, Authorization alone, or a fetch of your own that may do so`,
  );
}
