// What the tests of downloads share: files of random bytes, servers that end with the tests, and comparisons.
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { NibbleError } from '../js/base/errors.js';
import { openDownload } from '../js/download/download.js';
import { startBadServer } from './bad-server.js';

/** @typedef {import('./bad-server.js').BadServer} BadServer */
/** @typedef {import('../js/sources/source.js').Source} Source */
/** @typedef {import('../js/download/download.js').Download} Download */
/** @typedef {import('./bad-server.js').Manners} Manners */

export const KIB = 1024;
/** @param {number} size @param {number} seed */
export const random = (size, seed) => {
  let state = seed;
  return Uint8Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
};
export const content = random(1000 * KIB + 7, 1);
export const other = random(900 * KIB + 5, 2);
export const QUICK = { rangeBytes: 128 * KIB, retryMilliseconds: 1, stallMilliseconds: 5000 };

/** @type {BadServer[]} */
const servers = [];
/** @param {Uint8Array<ArrayBuffer>} bytes @param {Manners} [manners] */
export async function serverOf(bytes, manners) {
  const server = await startBadServer(bytes, manners);
  servers.push(server);
  return server;
}
after(() => Promise.all(servers.map((server) => server.close())));

/** @param {Download | Source} source */
export async function readAll(source) {
  const pieces = [];
  for (let piece = await source.read(); piece !== null; piece = await source.read()) pieces.push(Buffer.from(piece));
  await source.close();
  return Buffer.concat(pieces);
}

/** @param {string} url @param {object} [options] */
export async function download(url, options) {
  const source = await openDownload(url, { ...QUICK, ...options });
  return { source, bytes: await readAll(source) };
}

/** @param {Buffer<ArrayBuffer>} found @param {Uint8Array<ArrayBuffer>} expected */
export const same = (found, expected, what = 'the bytes') => {
  assert.equal(found.length, expected.length, `${what}: how many`);
  assert.equal(Buffer.compare(found, expected), 0, what);
};
/** @param {string} expected */
export const code =
  (expected, message = /./) =>
  (/** @type {import('../js/base/errors.js').NibbleError} */ error) => {
    assert.ok(error instanceof NibbleError, String(error?.stack ?? error));
    assert.equal(error.code, expected, error.message);
    assert.match(error.message, message);
    return true;
  };

/** Waits until the server sees a request's end; fails where it never comes. @param {BadServer} server */
export async function settled(server, open = 0) {
  for (let round = 0; server.open() > open && round < 500; round++) await new Promise((r) => setTimeout(r, 10));
  assert.equal(server.open(), open, 'requests that are still open at the server');
}

/** From where on bytes were asked for, each place once. @param {BadServer} server */
export const starts = (server) => [...new Set(server.requests.map(({ start }) => start))].sort((a, b) => a - b);
