// The service worker: keeps the whole page for when there is no network, and gives it the headers of isolation where
// its host sends none. One service worker serves one version: the files that js/bundle.js listed in self.SITE, each
// checked by its hash before any of them counts.
import { PAGE_HEADERS } from './headers.js';

/** @typedef {{ path: string, sha256: string }} SiteFile */
/** @typedef {Uint8Array<ArrayBuffer>} Chunk of a body */
/** @typedef {{ waitUntil: (work: Promise<unknown>) => void }} ExtendableEvent */
/** @typedef {ExtendableEvent & { data: unknown, ports: readonly MessagePort[] }} ExtendableMessage */
/** @typedef {ExtendableEvent & { request: Request, respondWith: (answer: Promise<Response>) => void }} FetchEvent */
/** @typedef {{ install: ExtendableEvent, activate: ExtendableEvent, message: ExtendableMessage, fetch: FetchEvent }} Events */

/**
 * What a service worker has; the types of a page do not know it.
 * @typedef {object} Scope
 * @property {{ version: string, files: SiteFile[], reference: SiteFile | null }} SITE `reference`: the list of its files
 * @property {ServiceWorkerRegistration} registration
 * @property {Location} location
 * @property {{ claim: () => Promise<void>, matchAll: (query: object) => Promise<{ url: string }[]> }} clients
 * @property {() => Promise<void>} skipWaiting
 * @property {<Type extends keyof Events>(type: Type, listener: (event: Events[Type]) => void) => void} addEventListener
 */

const worker = /** @type {Scope} */ (/** @type {unknown} */ (self));
// The build puts what it has listed in the place of these very words.
const { version, files, reference } = /** @type {Scope} */ (/** @type {unknown} */ (self)).SITE;
const { scope } = worker.registration;
// A scope holds no space, so no other site of this origin shares the prefix.
const PREFIX = `nibble-site ${scope} `;
const CACHE = PREFIX + version;
const COMPLETE = new URL('complete', scope).href;
const HASH = 'Nibble-SHA256';
const KEPT_HEADERS = ['Content-Type', 'ETag', 'Last-Modified'];
const PATHS = new Set(files.map(({ path }) => path));
// Few who chat read the library's reference, so it is kept from the first look at it on.
const REFERENCE = 'docs/';
// A host may send /index.html on to /, so the page goes by that name.
const PAGE = 'index.html';
const FETCH_MILLISECONDS = 240_000;
// One's own machine, where one port serves one project today and another tomorrow.
const LOOPBACK = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/;
const LOOPBACK_MILLISECONDS = 3000;
const LATE = Symbol('late');
// As index.html has it, in any version.
const MARK = 'name="application-name" content="Nibble"';
// It stands within so many characters.
const BEGINNING = 4096;
const GONE = [404, 410];

worker.addEventListener('install', (event) => event.waitUntil(install()));

worker.addEventListener('activate', (event) => {
  event.waitUntil(dropOthers().then(() => worker.clients.claim()));
});

worker.addEventListener('message', (event) => {
  const answer = answerTo(event.data);
  if (answer) event.waitUntil(answer().then((result) => event.ports[0]?.postMessage(result)));
});

worker.addEventListener('fetch', (event) => {
  const { request } = event;
  const path = pathOf(request.url);
  if (path === null || !['GET', 'HEAD'].includes(request.method)) return;
  if (reference !== null && path.startsWith(REFERENCE)) {
    if (request.mode === 'navigate') event.waitUntil(keepReference(reference));
    return event.respondWith(answerFromCache(request, path.endsWith('/') ? path + PAGE : path));
  }
  // Other pages below this one are none of its business.
  if (!PATHS.has(path)) return;
  const isVisit = path === PAGE && request.mode === 'navigate';
  if (isVisit && LOOPBACK.test(worker.location.hostname)) event.respondWith(answerOnLoopback(event));
  else event.respondWith(answerFromCache(request, path));
});

/** @param {unknown} message of a page, which may be of another version @returns {(() => Promise<object>) | null} */
function answerTo(message) {
  const type = typeof message === 'object' && message !== null && 'type' in message ? message.type : null;
  if (type === 'state') return tellState;
  return type === 'take-over' ? takeOver : null;
}

/** Brings every file into this version's cache, or none. */
async function install() {
  const cache = await caches.open(CACHE);
  if (await cache.match(COMPLETE)) return;
  try {
    const others = await otherCaches();
    await Promise.all(files.map((file) => keep(cache, file, others)));
    await cache.put(COMPLETE, new Response(version));
  } catch (error) {
    await caches.delete(CACHE);
    throw error;
  }
}

/** Brings the reference into this version's cache, or what of it comes: the rest is tried again at the next look. @param {SiteFile} list */
async function keepReference(list) {
  try {
    const cache = await caches.open(CACHE);
    const address = addressOf(list.path);
    if (await cache.match(address)) return;
    const told = await download(address, list);
    const others = await otherCaches();
    /** @type {SiteFile[]} */
    const pages = await told.clone().json();
    await Promise.all(pages.map((file) => keep(cache, file, others)));
    await cache.put(address, told);
  } catch {}
}

/** The names of what older versions keep. */
const otherCaches = async () => (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);

/** @param {Cache} cache @param {SiteFile} file @param {string[]} others names of caches of older versions */
async function keep(cache, file, others) {
  const address = addressOf(file.path);
  const same = await findSame(others, address, file.sha256);
  await cache.put(address, same ?? (await download(address, file)));
}

/** The file in an older version's cache, where it has not changed since. @param {string[]} names @param {string} address @param {string} sha256 */
async function findSame(names, address, sha256) {
  for (const name of names) {
    const found = await caches.match(address, { cacheName: name });
    if (found?.headers.get(HASH) === sha256) return found;
  }
  return null;
}

/** @param {string} address @param {SiteFile} file */
async function download(address, { path, sha256 }) {
  // The HTTP cache may hold a file of another version, which even a server asked about it may call current.
  for (const mode of /** @type {const} */ (['no-cache', 'reload'])) {
    const response = await fetch(address, { cache: mode, signal: AbortSignal.timeout(FETCH_MILLISECONDS) });
    if (!response.ok) throw new Error(`${path} cannot be kept: the server answered ${response.status}.`);
    const bytes = await response.arrayBuffer();
    if ((await digest(bytes)) === sha256)
      return new Response(bytes, { headers: headersToKeep(response, sha256, bytes) });
  }
  throw new Error(`${path} cannot be kept: the server has another version of it than of ${worker.location.pathname}.`);
}

/** @param {ArrayBuffer} bytes */
async function digest(bytes) {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param {Response} response @param {string} sha256 @param {ArrayBuffer} bytes @returns {Record<string, string>} */
function headersToKeep(response, sha256, bytes) {
  const kept = KEPT_HEADERS.filter((name) => response.headers.has(name));
  return {
    ...PAGE_HEADERS,
    ...Object.fromEntries(kept.map((name) => [name, response.headers.get(name) ?? ''])),
    'Content-Length': String(bytes.byteLength),
    'Accept-Ranges': 'bytes',
    [HASH]: sha256,
  };
}

async function dropOthers() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  }
}

/** Whether everything is kept; what the browser has dropped is fetched again. */
async function tellState() {
  // Not before the page has registered this one anew, which would bring it back.
  if (await isGone()) {
    await leave();
    return { version, complete: false };
  }
  const complete = await install().then(
    () => true,
    () => false,
  );
  return { version, complete };
}

/** Goes before its turn where no second tab would be left with files of two versions. */
async function takeOver() {
  const tabs = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  const others = tabs.filter(({ url }) => url.startsWith(scope)).length - 1;
  if (others > 0) return { done: false, others };
  // Its promise may only be kept after this answer, so it is not waited for.
  worker.skipWaiting();
  return { done: true, others: 0 };
}

/** A URL as a path in the scope, without query; null for what lies outside. @param {string} url */
function pathOf(url) {
  const { origin, pathname } = new URL(url);
  const address = origin + pathname;
  if (!address.startsWith(scope)) return null;
  return address.slice(scope.length) || PAGE;
}

/** @param {string} path */
const addressOf = (path) => new URL(path === PAGE ? './' : path, scope).href;

/** @param {Request} request @param {string} path */
async function answerFromCache(request, path) {
  const found = await caches.match(addressOf(path), { cacheName: CACHE });
  if (!found) return answerIsolated(request);
  if (request.method === 'HEAD') return new Response(null, { headers: found.headers });
  const range = request.headers.get('Range');
  const condition = request.headers.get('If-Range');
  if (range === null || (condition !== null && condition !== found.headers.get('ETag'))) return found;
  return cut(found, range);
}

/** Part of a kept file, as a server gives it; what is not one plain range asks for the whole. @param {Response} found @param {string} range */
async function cut(found, range) {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? [];
  if (first === undefined) return found;
  const body = await found.blob();
  const start = Number(first);
  const end = last === '' ? body.size : Math.min(Number(last) + 1, body.size);
  const headers = new Headers(found.headers);
  if (start >= end) {
    headers.set('Content-Range', `bytes */${body.size}`);
    headers.set('Content-Length', '0');
    return new Response(null, { status: 416, headers });
  }
  headers.set('Content-Range', `bytes ${start}-${end - 1}/${body.size}`);
  headers.set('Content-Length', String(end - start));
  return new Response(body.slice(start, end), { status: 206, headers });
}

/** The page as it is kept, unless what is served at its address is no Nibble any more: then that, and this one leaves. @param {FetchEvent} event */
async function answerOnLoopback(event) {
  const { request } = event;
  let isLate = false;
  const head = fetch(request.url, { cache: 'no-cache' }).catch(() => null);
  const answered = head.then(async (response) => {
    const other = response === null ? null : await otherOf(response);
    if (other !== null) await leave();
    // Who has waited too long for it gets it at the next visit.
    if (other === null || isLate) (other ?? response)?.body?.cancel().catch(() => {});
    return other;
  });
  event.waitUntil(answered);
  isLate = (await Promise.race([head, elapse(LOOPBACK_MILLISECONDS)])) === LATE;
  const other = isLate ? null : await answered;
  if (other === null) return answerFromCache(request, PAGE);
  return other.redirected ? Response.redirect(other.url) : other;
}

/**
 * An answer that is another project's, with what it says left to be read, however slowly it comes; null where it is none.
 * @param {Response} response whose body is taken over
 */
async function otherOf(response) {
  if (!response.ok) return GONE.includes(response.status) ? response : null;
  const reader = response.body?.getReader();
  const { text, chunks, isBroken, next } = await readBeginning(reader);
  const isOther = !text.includes(MARK) && !(isBroken && text === '');
  // Where a redirect leads is all that is wanted of it.
  if (isOther && !response.redirected) return new Response(reader ? join(chunks, next, reader) : null, response);
  reader?.cancel().catch(() => {});
  return isOther ? response : null;
}

/**
 * So much of a text as tells whose it is, or has come in time or before it broke off.
 * @param {ReadableStreamDefaultReader<Chunk> | undefined} reader
 */
async function readBeginning(reader) {
  const decoder = new TextDecoder();
  const late = elapse(LOOPBACK_MILLISECONDS);
  /** @type {Chunk[]} */
  const chunks = [];
  let text = '';
  let isBroken = false;
  let next = reader?.read();
  try {
    while (reader && text.length < BEGINNING && !text.includes(MARK)) {
      const read = await Promise.race([next, late]);
      if (read === undefined || read === LATE || read.done) break;
      chunks.push(read.value);
      text += decoder.decode(read.value, { stream: true });
      next = reader.read();
    }
  } catch {
    isBroken = true;
  }
  // It may break off before anybody waits for it.
  next?.catch(() => {});
  return { text, chunks, isBroken, next };
}

/**
 * A body out of what was read of it and what comes. The browser's own gives out nothing more once it has broken off, not
 * even what had come: this one ends there.
 * @param {Chunk[]} chunks
 * @param {Promise<ReadableStreamReadResult<Chunk>> | undefined} next the reading that was begun
 * @param {ReadableStreamDefaultReader<Chunk>} reader
 * @returns {ReadableStream<Chunk>}
 */
function join(chunks, next, reader) {
  let reading = next;
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
    },
    async pull(controller) {
      const read = await (reading ?? reader.read()).catch(() => null);
      reading = undefined;
      if (read === null || read.done) controller.close();
      else controller.enqueue(read.value);
    },
    cancel: () => reader.cancel(),
  });
}

/** @param {number} milliseconds @returns {Promise<typeof LATE>} */
const elapse = (milliseconds) =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds, LATE);
  });

/** Whether the site was taken down, or replaced by another: it is not shown for ever then. */
async function isGone() {
  const answer = await fetch(worker.location.href, { method: 'HEAD', cache: 'no-store' }).catch(() => null);
  return answer !== null && GONE.includes(answer.status);
}

/** What is kept goes first: pages that are open are asked for through this service worker to their end. */
async function leave() {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX)) await caches.delete(name);
  await worker.registration.unregister();
}

/** What is not kept comes from the network, with the headers without which an isolated page may not have it. @param {Request} request */
async function answerIsolated(request) {
  const response = await fetch(request);
  // A redirect of a navigation is the browser's to follow, and nobody may look into it.
  if (response.type === 'opaqueredirect' || response.status === 0 || response.redirected) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(PAGE_HEADERS)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response([101, 204, 205, 304].includes(status) ? null : response.body, { status, statusText, headers });
}
