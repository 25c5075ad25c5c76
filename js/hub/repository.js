// Hugging Face's hub: what files a repository has, and which of them an address means. address.js reads addresses,
// files.js judges files. What the hub answers is checked before it is used.

import { checkCancelled } from '../base/cancel.js';
import { codeOf, hasCode, NibbleError } from '../base/errors.js';
import { refusePassword } from '../base/readers.js';
import { accessFetch, accessTo } from '../download/access.js';
import { Patience, systemNetwork } from '../download/backoff.js';
import { failed, failureOf, gated, refused, stalled, unreachable } from '../download/errors.js';
import { retryAfter } from '../download/http-headers.js';
import { addressAt, fileUrl, HUB } from './address.js';
import { assess, filesOfType, joinParts, problemOf, recommend, typeOf } from './files.js';

/** @typedef {import('./address.js').Hub} Hub */
/** @typedef {import('./address.js').HubAddress} HubAddress */
/** @typedef {import('./files.js').HubFile} HubFile */

/** @typedef {import('../base/call-options.js').Repository} Repository */

const SILENT_MILLISECONDS = 20_000;
const RETRIES = { retries: 2, retryMilliseconds: 500 };
// Whoever is told to come back later than this is told so.
const LONGEST_REST_MILLISECONDS = 10_000;
const MOST_PAGES = 20;
const MOST_CHARACTERS = 8 << 20;
const NAMED = 8;

/**
 * @typedef {object} Asker
 * @property {Hub} hub
 * @property {import('../download/access.js').Access} [access] how it is asked; the token of the hub is part of it
 * @property {import('../download/access.js').Fetch} [fetch] the platform's, if not the usual one
 * @property {AbortSignal} [signal]
 * @property {{ memory: number, probe?: import('../base/public-types.js').Probe }} machine
 */

/**
 * @param {HubAddress} address
 * @param {Asker} asker
 * @returns {Promise<Repository>}
 * @throws {NibbleError} HUB_NOT_FOUND, HUB_GATED, HUB_TOKEN_REFUSED, HUB_NO_MODEL, HUB_AMBIGUOUS, or as a download
 */
export async function listFiles(address, asker) {
  const [facts, entries] = await Promise.all([factsOf(address, asker), entriesOf(address, asker)]);
  const place = { ...address, repository: facts.id };
  const files = joinParts(entries.filter(({ path }) => /\.gguf$/i.test(path)))
    .map(({ missing, ...entry }) => ({
      ...entry,
      url: fileUrl(asker.hub, { ...place, path: entry.path }),
      ...assess({ ...entry, missing }, asker.machine),
    }))
    .sort((a, b) => a.bytes - b.bytes || (a.path < b.path ? -1 : 1));
  const { repository, revision, page } = place;
  const found = { repository, revision, page, isGated: facts.isGated, files };
  return { ...found, recommended: meant(address, found) };
}

/** What is told of a repository beside its files; nothing that others depend on. @param {HubAddress} address @param {Asker} asker */
async function factsOf(address, asker) {
  const { repository } = address;
  try {
    const { body } = await ask(`${asker.hub.url}/api/models/${repository}`, address, asker);
    const { id, gated: how } = fieldsOf(body);
    const isName = typeof id === 'string' && /^\w[\w.-]*\/\w[\w.-]*$/.test(id);
    return { id: isName ? id : repository, isGated: how === 'auto' || how === 'manual' || how === true };
  } catch (error) {
    if (codeOf(error) === 'CANCELLED') throw error;
    // The list of files says what is wrong.
    return { id: repository, isGated: codeOf(error) === 'HUB_GATED' };
  }
}

/** @typedef {{ path: string, bytes: number, sha256: string | null }} Entry a file that the hub lists */

/** What an answer says, which may be anything. @param {unknown} value @returns {Record<string, unknown>} */
const fieldsOf = (value) => ({ ...(typeof value === 'object' && value) });

/** @param {HubAddress} address @param {Asker} asker @returns {Promise<Entry[]>} */
async function entriesOf(address, asker) {
  const { repository, revision, path, url } = address;
  const folder = url === null ? path : path.split('/').slice(0, -1).join('/');
  const below = folder === '' ? '' : `/${folder.split('/').map(encodeURIComponent).join('/')}`;
  const tree = `${asker.hub.url}/api/models/${repository}/tree/${encodeURIComponent(revision)}${below}`;
  /** @type {Entry[]} */
  const entries = [];
  /** @type {string | null} */
  let next = url === null ? `${tree}?recursive=true` : tree;
  for (let pages = 0; next !== null && pages < MOST_PAGES; pages++) {
    const { body, link } = await ask(next, address, asker);
    if (!Array.isArray(body)) throw failed(next, 'the server sent no list of files');
    entries.push(...body.flatMap((entry) => entryOf(entry) ?? []));
    next = nextPage(link, next);
  }
  return entries;
}

/** @param {unknown} entry @returns {Entry | null} */
function entryOf(entry) {
  const { type, path, size, lfs } = fieldsOf(entry);
  if (type !== 'file' || typeof path !== 'string' || typeof size !== 'number') return null;
  if (!Number.isSafeInteger(size) || size < 0 || path.length > 1000 || /[\p{Cc}\p{Cs}]/u.test(path)) return null;
  const { oid } = fieldsOf(lfs);
  return { path, bytes: size, sha256: typeof oid === 'string' && /^[0-9a-f]{64}$/.test(oid) ? oid : null };
}

/** The address of the next page, as the header Link tells it; only of the same server. @param {string | null} link @param {string} from */
function nextPage(link, from) {
  const links = [...(link ?? '').matchAll(/<([^<>]+)>([^<]*)/g)];
  const target = links.find(([, , parameters]) => /^\s*;[^,]*\brel="?next"?/i.test(parameters))?.[1];
  if (target === undefined) return null;
  try {
    const next = new URL(target, from);
    return next.origin === new URL(from).origin ? next.href : null;
  } catch {
    return null;
  }
}

/** Asks the hub, again where that may help. @param {string} url @param {HubAddress} address @param {Asker} asker */
async function ask(url, address, asker) {
  const signal = asker.signal ?? new AbortController().signal;
  const patience = new Patience({ ...RETRIES, signal, network: systemNetwork() });
  for (;;) {
    try {
      return await askOnce(url, address, { ...asker, signal });
    } catch (error) {
      checkCancelled(signal);
      if ((failureOf(error).retryAfterMilliseconds ?? 0) > LONGEST_REST_MILLISECONDS) throw error;
      await patience.after(error).catch((last) => {
        checkCancelled(signal);
        throw last;
      });
    }
  }
}

/**
 * @param {string} url
 * @param {HubAddress} address
 * @param {{ hub: Hub, signal: AbortSignal, access?: import('../download/access.js').Access, fetch?: import('../download/access.js').Fetch }} asker
 * @returns {Promise<{ body: unknown, link: string | null }>}
 */
async function askOnce(url, address, { hub, signal, access, fetch }) {
  const controller = new AbortController();
  const stop = () => controller.abort();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  let isSilent = false;
  const timer = setTimeout(() => {
    isSilent = true;
    stop();
  }, SILENT_MILLISECONDS);
  try {
    const headers = { accept: 'application/json' };
    const init = /** @type {const} */ ({ signal: controller.signal, headers, cache: 'no-store' });
    const response = await accessFetch(url, init, accessTo(url, { ...(fetch !== undefined && { fetch }), ...access }));
    if (!response.ok) {
      await response.body?.cancel();
      throw refusal(url, response, address, hub);
    }
    return { body: await jsonOf(response, url), link: response.headers.get('link') };
  } catch (error) {
    if (isSilent) throw stalled(url, SILENT_MILLISECONDS);
    throw error instanceof NibbleError ? error : unreachable(url, error, systemNetwork().online());
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

/** @param {Response} response @param {string} url @returns {Promise<unknown>} */
async function jsonOf(response, url) {
  const decoder = new TextDecoder();
  const reader = response.body?.getReader();
  let text = '';
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
    if (text.length > MOST_CHARACTERS) {
      await reader.cancel();
      throw failed(url, 'the answer of the server is too long for a list of files');
    }
  }
  try {
    return JSON.parse(text + decoder.decode());
  } catch {
    throw failed(url, 'the server sent no list of files');
  }
}

/** The hub says by X-Error-Code what is wrong; 401 without a token it also says of what is not there. @param {string} url @param {Response} response @param {HubAddress} address @param {Hub} hub */
function refusal(url, response, address, { token }) {
  const { status, headers } = response;
  const code = headers.get('x-error-code');
  if (code === 'GatedRepo') return gated(address.page, token !== null);
  if (/^(Revision|Entry)NotFound$/.test(code ?? '')) return notFound(address, true);
  if (code === 'RepoNotFound' || status === 404 || (status === 401 && token === null)) return notFound(address, false);
  if (status === 401 || status === 403) return tokenRefused(status, token, address);
  if (status !== 429) return refused(url, response);
  // The hub tells by RateLimit when its count begins anew: "api";r=0;t=55.
  const seconds = /;\s*t=(\d{1,5})\b/.exec(headers.get('ratelimit') ?? '')?.[1];
  if (retryAfter(headers) !== null || seconds === undefined) return refused(url, response);
  return refused(url, { status, headers: new Headers({ 'retry-after': seconds }) });
}

/** @param {number} status @param {string | null} token @param {HubAddress} address */
function tokenRefused(status, token, { page }) {
  const found =
    token === null
      ? 'It may want an access token'
      : 'The access token that was given may be wrong, expired or without the right to read';
  const { origin } = new URL(page);
  const way =
    origin === HUB ? `tokens are made at ${HUB}/settings/tokens` : 'whoever keeps that server tells which it takes';
  const message = `The hub at ${origin} answered ${status}. ${found}; ${way}.`;
  return new NibbleError('HUB_TOKEN_REFUSED', message, { details: { status } });
}

/** @param {HubAddress} address @param {boolean} isPart */
function notFound({ repository, revision, path, isBare, page }, isPart) {
  const what = isPart
    ? `The repository "${repository}" has no revision "${revision}"${path === '' ? '' : `, or no "${path}" in it`}`
    : `There is no repository "${repository}" at ${new URL(page).origin} that everybody may read`;
  const path_ = isBare ? `, nor a file "${repository}" here` : '';
  const way = isPart ? 'Check the address.' : 'Check its name; a private one wants an access token.';
  return new NibbleError('HUB_NOT_FOUND', `${what}${path_}. ${way}`, { details: { repository } });
}

/** The file that an address means. @param {HubAddress} address @param {Omit<Repository, 'recommended'>} found */
function meant({ url, path, type, repository }, { files }) {
  if (url !== null) {
    const file = files.find((one) => one.path === path);
    if (file !== undefined) return file;
    throw noModel(`The repository "${repository}" has no GGUF file "${path}"`, files, repository);
  }
  if (files.length === 0) {
    const way = 'Look for one that has: its name often ends in -GGUF.';
    throw new NibbleError('HUB_NO_MODEL', `The repository "${repository}" has no GGUF files. ${way}`);
  }
  if (type === null) return recommend(files);
  const named = filesOfType(files, type);
  const whole = named.filter(({ problem }) => problem === null);
  if (whole.length === 1) return whole[0];
  if (whole.length > 1) throw ambiguous(repository, type, whole);
  const problem = named[0]?.problem?.message.replace(/\.$/, '');
  throw noModel(problem ?? `The repository "${repository}" has no GGUF file of the type ${type}`, files, repository);
}

/** @param {string} problem @param {HubFile[]} files @param {string} repository */
function noModel(problem, files, repository) {
  const types = [...new Set(files.flatMap(({ type, problem: own }) => (own === null && type !== null ? [type] : [])))];
  const there = types.length === 0 ? '' : ` Whole files are there of ${types.join(', ')}: "${repository}:${types[0]}".`;
  return new NibbleError('HUB_NO_MODEL', `${problem}.${there}`, { details: { repository, types } });
}

/** @param {string} repository @param {string} type @param {HubFile[]} files */
function ambiguous(repository, type, files) {
  const names = files.slice(0, NAMED).map(({ path }) => `"hf.co/${repository}/${path}"`);
  const message = `The repository "${repository}" has ${files.length} files of the type ${type}. Give the address of one: ${names.join(', ')}.`;
  return new NibbleError('HUB_AMBIGUOUS', message, { details: { repository, type } });
}

/** @param {Repository} found @returns {HubFile} @throws {NibbleError} HUB_NO_MODEL, HUB_TOO_LARGE */
export function chosenOf({ repository, files, recommended }) {
  if (recommended !== null) return recommended;
  const [smallest] = files.filter(({ problem }) => problem === null).sort((a, b) => a.memoryBytes - b.memoryBytes);
  if (smallest === undefined) throw noModel((files[0].problem?.message ?? '').replace(/\.$/, ''), files, repository);
  const needed = (smallest.memoryBytes / 1e9).toFixed(1);
  const name = smallest.type === null ? `hf.co/${repository}/${smallest.path}` : `${repository}:${smallest.type}`;
  const message = `No file of the repository "${repository}" fits into the memory that this machine is likely to spare: the smallest takes about ${needed} GB. Take a smaller model, or name a file, as in "${name}", with a memoryBudget.`;
  throw new NibbleError('HUB_TOO_LARGE', message, { details: { repository, memoryBytes: smallest.memoryBytes } });
}

/** A path as it is meant; as it stands there where that is no text. @param {string} text */
function pathOf(text) {
  try {
    return decodeURI(text);
  } catch {
    return text;
  }
}

/** The stored model that an address means; asks nobody. @param {HubAddress} address @param {Hub} hub @param {import('../client/model-store.js').StoredModel[]} models @returns {string | null} its id */
export function storedIdOf(address, hub, models) {
  const hubs = [...new Set([hub.url, HUB])];
  const starts = hubs.map((url) => fileUrl({ url, token: null }, { ...address, path: '' }));
  const folder = address.path === '' ? '' : `${address.path}/`;
  const isMeant = (/** @type {string} */ path) =>
    address.url === null ? path.startsWith(folder) : path === address.path;
  const files = models.flatMap(({ id, state, usedAt, ...names }) => {
    if (state !== 'complete') return [];
    const paths = addressesOf({ id, ...names }).flatMap((url) => pathAt(url, starts) ?? []);
    const inFolder = [...new Set(paths.filter(isMeant))].map((path) =>
      path.slice(address.url === null ? folder.length : 0),
    );
    return inFolder.map((path) => ({ id, path, type: typeOf(path), usedAt: usedAt ?? 0 }));
  });
  const named = address.type === null ? files : filesOfType(files, address.type);
  return named.sort((a, b) => b.usedAt - a.usedAt)[0]?.id ?? null;
}

/** Every address that a stored model is known by, without queries and versions. @param {Pick<import('../client/model-store.js').StoredModel, 'id' | 'source' | 'aliases'>} model */
function addressesOf({ id, source, aliases = [] }) {
  const ids = [id, ...aliases].flatMap((name) => (name.startsWith('url:') ? [name.slice('url:'.length)] : []));
  const url = source !== null && 'url' in source ? [source.url] : [];
  return [...url, ...ids].map((address) => address.split(/[?#]/, 1)[0]);
}

/** The path of an address below one of several. @param {string} url @param {string[]} starts */
function pathAt(url, starts) {
  const start = starts.find((one) => isBelow(url, one));
  return start === undefined ? null : pathOf(url.slice(start.length));
}

/** Of the hub, no two repositories' names differ in small and capital letters alone. @param {string} url @param {string} start */
function isBelow(url, start) {
  const revisionAt = start.lastIndexOf('/resolve/');
  const isRepository = url.slice(0, revisionAt).toLowerCase() === start.slice(0, revisionAt).toLowerCase();
  return isRepository && url.slice(revisionAt).startsWith(start.slice(revisionAt));
}

/**
 * The other addresses that a file is to be found by again: of the repository under the name that was asked for, where the
 * hub knows it under another one, and at the hub itself, where another server answers for it.
 * @param {HubAddress} address as it was asked for
 * @param {Hub} hub
 * @param {string} path of the file
 * @param {string} url where it is taken from
 */
function namesOf(address, hub, path, url) {
  const asked = { ...address, path };
  const here = url.startsWith(`${hub.url}/`) ? [HUB + url.slice(hub.url.length)] : [];
  const all = [fileUrl(hub, asked), fileUrl({ url: HUB, token: null }, asked), ...here];
  return [...new Set(all)].filter((one) => one !== url);
}

/**
 * @typedef {object} ResolvedModel
 * @property {any} model
 * @property {string | (string | null)[] | null} sha256 what the hub tells of the file, or of each part; null: it was not
 *   asked, or does not tell
 * @property {string[]} [addresses] further ones that the file is known by
 */

/**
 * What a caller passed as a model, where it is an address of the hub: the address of its file, or a stored model. Anything
 * else is given back as it is.
 * @param {any} model
 * @param {Asker & { isPath: (text: string) => boolean, stored: () => Promise<import('../client/model-store.js').StoredModel[]>, isImport?: boolean }} call
 *   `isPath`: whether something lies there on this machine; `isImport`: the hub is asked in any case
 * @returns {Promise<ResolvedModel>}
 */
export async function resolveModel(model, call) {
  const { hub, isPath, stored, isImport = false } = call;
  const address = hubAddressOf(model, hub, isPath);
  if (address === null) return { model, sha256: null };
  const { url } = address;
  if (url !== null) {
    const problem = problemOf(address.path);
    if (problem !== null) throw new NibbleError(problem.code, problem.message);
    const addresses = namesOf(address, hub, address.path, url);
    if (!isImport) return { model: url, addresses, sha256: null };
    const file = await fileAt(address, call);
    // The hub may know the repository under another name now.
    const now = file === null || file.url === url ? [] : [file.url];
    return { model: url, addresses: [...now, ...addresses], sha256: file && hashesOf(file) };
  }
  const id = isImport ? null : storedIdOf(address, hub, await stored());
  if (id !== null) return { model: { stored: id }, sha256: null };
  const file = chosenOf(await listFiles(address, call));
  return { model: file.url, sha256: hashesOf(file), addresses: namesOf(address, hub, file.path, file.url) };
}

/** @param {any} model @param {Hub} hub @param {(text: string) => boolean} isPath @returns {HubAddress | null} */
export function hubAddressOf(model, hub, isPath) {
  const text = model instanceof URL ? model.href : model;
  if (typeof text === 'string') refusePassword('model', text);
  return typeof text === 'string' && !isPath(text) ? addressAt(text, hub) : null;
}

/** @param {HubFile} file */
const hashesOf = ({ parts, partHashes, sha256 }) => (parts > 1 ? partHashes : sha256);

/** null: the hub does not answer; the download says what is wrong, or goes all the same. @param {HubAddress} address @param {Asker} call */
async function fileAt(address, call) {
  try {
    const { recommended, isGated } = await listFiles(address, call);
    if (isGated && call.hub.token === null) throw gated(address.page, false);
    return recommended;
  } catch (error) {
    if (hasCode(error, ['CANCELLED', 'HUB_GATED'])) throw error;
    return null;
  }
}
