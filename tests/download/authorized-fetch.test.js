// An access token goes to the one server that it is for.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { authorizationOf, authorizedFetch } from '../../js/download/authorized-fetch.js';
import { portOf } from '../port.js';

/** @type {((undefined | null | string)[])[]} */
const seen = [];
/** @type {Awaited<ReturnType<typeof listen>>} */
let own;
/** @type {Awaited<ReturnType<typeof listen>>} */
let other;

/** @param {string} name @param {(a: string | undefined) => string | undefined} targetOf */
async function listen(name, targetOf) {
  const server = createServer((request, response) => {
    seen.push([name, request.url, request.headers.authorization ?? null]);
    const target = targetOf(request.url);
    if (target === undefined) response.end('here');
    else response.writeHead(302, { Location: target }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${portOf(server)}`, close: () => server.close() };
}

before(async () => {
  const targets = { '/away': () => `${other.url}/file`, '/moved': () => '/away', '/circle': () => '/circle' };
  targets['/round'] = () => `${other.url}/back`;
  own = await listen('own', (path) => targets[path]?.());
  other = await listen('other', (path) => (path === '/back' ? `${own.url}/file` : undefined));
});
after(() => {
  own?.close();
  other?.close();
});

/** @param {string} url */
const ask = async (url) => {
  seen.length = 0;
  const response = await authorizedFetch(
    url,
    { headers: { range: 'bytes=0-' } },
    authorizationOf({ url: own.url, token: 'secret' }),
  );
  await response.text();
  return response;
};

test('it is told along redirects of that server, and not behind one that leads away', async () => {
  const { url, status } = await ask(`${own.url}/moved`);
  assert.deepEqual([url, status], [`${other.url}/file`, 200]);
  assert.deepEqual(seen, [
    ['own', '/moved', 'Bearer secret'],
    ['own', '/away', 'Bearer secret'],
    ['other', '/file', null],
  ]);
});

test('it is not told again on a way back', async () => {
  await ask(`${own.url}/round`);
  assert.deepEqual(
    seen.map(([, , told]) => told),
    ['Bearer secret', null, null],
  );
});

test('it is not told to others, nor without one', async () => {
  await ask(`${other.url}/file`);
  assert.deepEqual(seen, [['other', '/file', null]]);
  seen.length = 0;
  await (await authorizedFetch(`${own.url}/file`, {}, authorizationOf({ url: own.url, token: null }))).text();
  assert.deepEqual(seen, [['own', '/file', null]]);
});

test('a circle of redirects ends', () => assert.rejects(ask(`${own.url}/circle`), /too many redirects/));

test('a browser that would take it along is not given it', async () => {
  const { withResolvers } = /** @type {any} */ (Promise);
  globalThis.location = /** @type {any} */ ({ href: own.url, origin: own.url });
  try {
    Object.assign(Promise, { withResolvers: () => {} });
    await ask(`${own.url}/file`);
    assert.deepEqual(seen, [['own', '/file', 'Bearer secret']]);
    Object.assign(Promise, { withResolvers: undefined });
    await ask(`${own.url}/file`);
    assert.deepEqual(seen, [['own', '/file', null]]);
  } finally {
    Object.assign(Promise, { withResolvers });
    delete (/** @type {any} */ (globalThis).location);
  }
});
