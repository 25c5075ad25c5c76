// Downloads in a worker of a real browser: from its own origin, and from another one that hides most of its headers.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openChromium } from '../chromium.js';
import { content, KIB, serverOf, settled } from '../downloads.js';
import { present } from '../present.js';

/** @typedef {import('../bad-server.js').BadServer} BadServer */
/** @typedef {import('../chromium.js').Chromium} Chromium */

const JAVASCRIPT = { 'content-type': 'text/javascript' };
const WORKER = `
  import { openDownload } from './js/download/download.js';
  onmessage = async ({ data: [url, options] }) => {
    const states = [];
    const onState = ({ state, error }) => states.push(error?.code ?? state);
    try {
      const { read, close, ...facts } = await openDownload(url, { ...options, onState });
      const pieces = [];
      for (let piece = await read(); piece !== null; piece = await read()) pieces.push(piece.slice());
      await close();
      const hash = await crypto.subtle.digest('SHA-256', await new Blob(pieces).arrayBuffer());
      postMessage({ facts, states, hash: Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, '0')).join('') });
    } catch (error) {
      postMessage({ code: error.code, message: error.message, states });
    }
  };
  postMessage('ready');`;

/** @type {Chromium} */
let browser;
/** @type {BadServer} */
let own;
/** @type {NonNullable<import('../bad-server.js').Manners['fault']>} */
let fault = () => ({});

/** The library's files as they are, a page and its worker. @param {string} path */
function app(path) {
  if (path === '/') return { status: 200, headers: { 'content-type': 'text/html' }, body: '<!doctype html>' };
  if (path === '/worker.js') return { status: 200, headers: JAVASCRIPT, body: WORKER };
  const name = /^\/js\/([\w./-]+\.js)$/.exec(path)?.[1];
  if (!name) return undefined;
  return { status: 200, headers: JAVASCRIPT, body: readFileSync(new URL(`../../js/${name}`, import.meta.url)) };
}

before(async () => {
  own = await serverOf(content, { fault: (request) => app(request.path) ?? fault(request) });
  browser = await openChromium();
});
after(() => browser?.close());

/** @param {string} url @param {{ offline?: boolean, [option: string]: unknown }} options */
async function inWorker(url, options) {
  const page = await browser.context.newPage();
  try {
    await page.goto(own.origin);
    await page.evaluate(async () => {
      const worker = new Worker('/worker.js', { type: 'module' });
      window.next = () => new Promise((resolve) => worker.addEventListener('message', resolve, { once: true }));
      window.worker = worker;
      await window.next();
    });
    if (options.offline) await browser.context.setOffline(true);
    return await page.evaluate(
      async ([address, rest]) => {
        const answer = window.next();
        window.worker.postMessage([address, rest]);
        return (await answer).data;
      },
      [url, { rangeBytes: 128 * KIB, retryMilliseconds: 1, ...options }],
    );
  } finally {
    await browser.context.setOffline(false);
    await page.close();
  }
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

test('from its own origin, in parts, and after a cut from where it was', async () => {
  let cuts = 2;
  fault = (/** @type {{ start: number }} */ { start }) => (start > 0 && cuts-- > 0 ? { cutAfter: 50_000 } : {});
  const { facts, hash, states } = await inWorker(own.url, {});
  assert.equal(hash, sha256(content));
  assert.deepEqual([facts.ranged, facts.size, facts.etag], [true, content.length, '"one"']);
  assert.ok(states.includes('DOWNLOAD_FAILED'));
  const parts = own.requests.filter(({ path, start }) => path === '/model.gguf' && start > 0);
  assert.ok(parts.length > 4 && parts.every(({ ifRange }) => ifRange === '"one"'));
  await settled(own);
});

test('from another origin that hides Content-Range and ETag, in parts and without a preflight', async () => {
  let cuts = 2;
  const other = await serverOf(content, {
    cors: true,
    fault: ({ start }) => (start > 0 && cuts-- > 0 ? { cutAfter: 50_000 } : {}),
  });
  const { facts, hash } = await inWorker(other.url, {});
  assert.equal(hash, sha256(content));
  assert.deepEqual([facts.ranged, facts.size, facts.etag], [true, content.length, null]);
  assert.ok(other.requests.length > 4);
  assert.ok(other.requests.every(({ method }) => method === 'GET'));
  const from = { position: 300_000, etag: '"one"', size: content.length };
  const resumed = await inWorker(other.url, { from });
  assert.equal(resumed.hash, sha256(content.subarray(300_000)));
  assert.equal(resumed.facts.restarted, false);
  await settled(other);
});

test('of a compressed body gives the unpacked file', async () => {
  const text = Buffer.from('all work and no play makes a long file. '.repeat(20_000));
  const other = await serverOf(text, { cors: true, ranges: false, gzip: true, length: false });
  const { hash, message } = await inWorker(other.url, {});
  assert.equal(hash, sha256(text), message);
  assert.equal(present(other.requests.at(-1)).range, undefined);
});

test('of a compressed body whose encoding is hidden, but not its length, gives the unpacked file too', async () => {
  const text = Buffer.from('all work and no play makes a long file. '.repeat(20_000));
  const other = await serverOf(text, { cors: true, ranges: false, gzip: true });
  const { hash, message, facts } = await inWorker(other.url, {});
  assert.equal(hash, sha256(text), message);
  assert.equal(facts.size, null, 'the length that is told is not that of the file');
});

test('without a network is DOWNLOAD_OFFLINE', async () => {
  fault = () => ({});
  const { code } = await inWorker(own.url, { offline: true });
  assert.equal(code, 'DOWNLOAD_OFFLINE');
});
