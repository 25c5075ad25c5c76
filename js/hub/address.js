// What a pasted address of Hugging Face's hub means. Nothing is asked of anybody here.
import { hasPassword, NibbleError, shortened } from '../base/errors.js';
import { HUB_HOSTS } from '../download/access.js';
import { firstName } from '../sources/part-names.js';

/** Where the hub is, unless the caller says otherwise. */
export const HUB = 'https://huggingface.co';
// What stands at an owner's place and is none.
const NO_OWNERS = /^(api|blog|collections|datasets|docs|models|papers|posts|settings|spaces)$/;
const PAGES = /^(blob|raw|resolve|tree)$/;
const NAME = /^\w[\w.-]{0,95}$/;
const OPTIONS = 'an object with url and token';
const VARIABLES = { 'hub.url': 'HF_ENDPOINT', 'hub.token': 'HF_TOKEN' };
const TOKEN = 'an access token: up to 500 letters, digits and signs, and no spaces';
const TYPE = /^\w[\w.-]{0,200}$/;
const IS_MODEL = /\.gguf$/i;
const OWN_MACHINE = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/**
 * Where Hugging Face's hub is, and who asks.
 * @typedef {object} HubOptions
 * @property {string | URL} [url] The address of a server that answers as the hub does. All addresses of the hub are asked for
 *   there. Default: `https://huggingface.co`; in Node, the environment's `HF_ENDPOINT`.
 * @property {string} [token] An access token, for gated and private repositories. It is sent to that server alone, never to
 *   where that redirects to, and is kept in no store and no error. Default: none; in Node, the environment's `HF_TOKEN`.
 */

/**
 * Where the hub is, and who asks; `url` without a slash at its end.
 * @typedef {object} Hub
 * @property {string} url
 * @property {string | null} token
 * @property {NibbleError} [problem] what is wrong with the environment, which therefore says less than it should: whoever would
 *   ask the hub fails with it
 */

/**
 * What an address of the hub names.
 * @typedef {object} HubAddress
 * @property {string} repository The repository: `'owner/name'`.
 * @property {string} revision A branch, a tag or a commit; `'main'` where none is named.
 * @property {string} path A file in the repository, or a folder; `''` for all of it. Any part of a model in parts names the
 *   first.
 * @property {string | null} type A type of weights, such as `'Q4_K_M'`, or the name of a file. `null`: none is named.
 * @property {string | null} url The address of the file. `null`: none is named, so one of several is to be chosen.
 * @property {boolean} isBare Whether it is `'owner/name'` without a host, which may be a path as well.
 * @property {string} page The address where people read about the repository.
 */

/** Checks the option `hub`. @param {HubOptions} [given] @returns {Hub} @throws {NibbleError} INVALID_ARGUMENT, which shows no token */
export function readHub(given) {
  const isGiven = given !== undefined && given !== null;
  if (isGiven && typeof given !== 'object') throw unfit('hub', `a ${typeof given}`, OPTIONS);
  const [unknown] = Object.keys(given ?? {}).filter((key) => key !== 'url' && key !== 'token');
  if (unknown !== undefined) throw unfit('hub', `an object with ${unknown}`, OPTIONS);
  return readPlace(given ?? {});
}

/**
 * The hub as the environment has it: as much of it as is right, and what is not.
 * @param {HubOptions} [given] its HF_ENDPOINT and HF_TOKEN
 * @returns {Hub}
 */
export function hubOfEnvironment({ url, token } = {}) {
  try {
    return readPlace({ url, token }, VARIABLES);
  } catch (error) {
    const problem = /** @type {NibbleError} */ (error);
    return { ...placeAlone(url), problem };
  }
}

/** Where it is, if that is told rightly. @param {HubOptions['url']} url @returns {Hub} */
function placeAlone(url) {
  try {
    return readPlace({ url });
  } catch {
    return readPlace({});
  }
}

/** @param {{ url?: string | URL, token?: unknown }} given @param {Record<string, string>} [variables] what the environment calls the options, if they are its @returns {Hub} */
function readPlace({ url = HUB, token = null }, variables) {
  const hub = parsed(String(url));
  if (hub === null || !/^https?:$/.test(hub.protocol) || hub.search !== '' || hub.username !== '')
    throw unfit('hub.url', shown(hub?.origin ?? url), `the address of a server, such as ${HUB}`, variables);
  /** @type {Hub} */
  const base = { url: hub.origin + hub.pathname.replace(/(?<!\/)\/+$/, ''), token: null };
  if (token === null || token === '') return base;
  if (typeof token !== 'string' || !/^[\x21-\x7e]{1,500}$/.test(token))
    throw unfit('hub.token', typeof token === 'string' ? 'no access token' : `a ${typeof token}`, TOKEN, variables);
  if (hub.protocol === 'http:' && !OWN_MACHINE.test(hub.hostname)) {
    const expected = 'an https: address where there is a token, which others could read on its way';
    throw unfit('hub.url', shown(hub.origin), expected, variables);
  }
  return { ...base, token };
}

/** @param {unknown} url */
const shown = (url) => `"${shortened(url)}"`;

/** `found` shows nothing of a token. @param {string} option @param {string} found @param {string} expected @param {Record<string, string>} [variables] */
function unfit(option, found, expected, variables) {
  const variable = variables?.[option];
  const message = `${variable === undefined ? `The option ${option}` : `The environment's ${variable}`} is ${found}; expected ${expected}.`;
  const details = { option, ...(variable !== undefined && { variable }), found, expected };
  return new NibbleError('INVALID_ARGUMENT', message, { details });
}

/** What an address of the hub names, as readHubAddress() tells. Nothing is asked of anybody. @param {string} text @param {Hub} hub @returns {HubAddress | null} */
export function addressAt(text, hub) {
  // Whoever fetches it says what is wrong with a password there.
  if (typeof text !== 'string' || hasPassword(text)) return null;
  const bare = /^[\w.-]+\/[\w.-]+(:[\w.-]+)?$/.test(text.trim()) && !/^[^:]*\.gguf$/i.test(text.trim());
  const written = withScheme(text.trim(), bare);
  const url = written === null ? null : parsed(written);
  if (url === null) return null;
  const path = pathBelow(url, hub);
  const parts = path === null ? null : partsOf(path);
  if (parts === null || parts.length < 2) return null;
  const isBare = bare && !HUB_HOSTS.test(text.trim().split('/')[0]);
  return named(parts, url.searchParams.get('show_file_info') ?? '', hub, isBare);
}

/** @param {string} text @param {boolean} bare */
function withScheme(text, bare) {
  if (/^https?:\/\//i.test(text)) return text;
  if (HUB_HOSTS.test(text.split('/')[0])) return `https://${text}`;
  return bare ? `${HUB}/${text}` : null;
}

/** @param {URL} address @param {Hub} hub */
function pathBelow({ hostname, href, pathname }, { url }) {
  if (HUB_HOSTS.test(hostname)) return pathname;
  return href.startsWith(`${url}/`) ? pathname.slice(new URL(url).pathname.replace(/\/$/, '').length) : null;
}

/** The parts of a path as they are meant; null where one of them would lead elsewhere. @param {string} path */
function partsOf(path) {
  try {
    return path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return null;
  }
}

/** @param {string[]} parts at least two @param {string} shown @param {Hub} hub @param {boolean} isBare @returns {HubAddress | null} */
function named([owner, last, page, ...rest], shown, hub, isBare) {
  const [name, tag] = page === undefined ? splitTag(last) : [last, undefined];
  if (!NAME.test(owner) || !NAME.test(name) || NO_OWNERS.test(owner) || PAGES.test(name)) return null;
  if (tag !== undefined && !TYPE.test(tag)) return null;
  const address = { repository: `${owner}/${name}`, isBare, page: `${hub.url}/${owner}/${name}` };
  const type = tag === undefined || /^latest$/i.test(tag) ? null : tag;
  const { revision = 'main', path = [], isFile = false } = placeIn(page, rest, shown);
  if (path.some((part) => part.includes('/') || part === '..')) return null;
  const place = { ...address, revision, path: firstName(path.join('/')), type };
  return { ...place, url: isFile ? fileUrl(hub, place) : null };
}

/** Names of models have no colon. @param {string} text @returns {[name: string, tag?: string]} */
function splitTag(text) {
  const at = text.indexOf(':');
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/**
 * @param {string | undefined} page
 * @param {string[]} rest
 * @param {string} shown
 * @returns {{ revision?: string, path?: string[], isFile?: boolean }}
 */
function placeIn(page, rest, shown) {
  if (page !== undefined && PAGES.test(page)) {
    const [revision, ...path] = rest;
    return { revision, path, isFile: path.length > 0 && (page !== 'tree' || IS_MODEL.test(path.at(-1) ?? '')) };
  }
  const path = page === undefined ? shown.split('/').filter(Boolean) : [page, ...rest];
  // Other pages, such as that of discussions, are about all of the repository.
  return IS_MODEL.test(path.at(-1) ?? '') ? { path, isFile: true } : {};
}

/** Where a file's bytes are. @param {Hub} hub @param {{ repository: string, revision: string, path: string }} place */
export function fileUrl(hub, { repository, revision, path }) {
  const encoded = encodeURI(path).replace(/[?#]/g, encodeURIComponent);
  return `${hub.url}/${repository}/resolve/${encodeURIComponent(revision)}/${encoded}`;
}

/** @param {string} text */
function parsed(text) {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}
