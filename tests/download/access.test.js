// Headers of a caller's, and an access token, go to the one server that they are for.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { NibbleError } from '../../js/base/errors.js';
import { accessFetch, accessTo, hubAccess, placeOf, readAccess } from '../../js/download/access.js';
import { portOf } from '../port.js';
import { untyped } from '../untyped.js';

/** @type {(undefined | null | string)[][]} */
const seen = [];
/** @type {Awaited<ReturnType<typeof listen>>} */
let own;
/** @type {Awaited<ReturnType<typeof listen>>} */
let other;
// How much of each request is looked at.
let width = 3;

/** @param {string} name @param {(path: string) => string | undefined} targetOf */
async function listen(name, targetOf) {
  const server = createServer(({ url = '', headers }, response) => {
    const { authorization = null, 'x-key': key = null } = headers;
    seen.push([name, url, authorization, key && String(key)].slice(0, width));
    const target = targetOf(url);
    if (target === undefined) response.end('here');
    else response.writeHead(302, { Location: target }).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${portOf(server)}`, close: () => server.close() };
}

before(async () => {
  /** @type {Record<string, () => string>} */
  const targets = { '/away': () => `${other.url}/file`, '/moved': () => '/away', '/circle': () => '/circle' };
  targets['/round'] = () => `${other.url}/back`;
  own = await listen('own', (path) => targets[path]?.());
  other = await listen('other', (path) => (path === '/back' ? `${own.url}/file` : undefined));
});
after(() => {
  own?.close();
  other?.close();
});

const RANGE = { headers: { range: 'bytes=0-' } };

/** @param {string} url @param {import('../../js/download/access.js').Access} [access] */
const ask = async (url, access = { hub: hubAccess({ url: own.url, token: 'secret' }) }) => {
  seen.length = 0;
  const response = await accessFetch(url, RANGE, accessTo(url, access));
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
  await ask(`${own.url}/file`, { hub: hubAccess({ url: own.url, token: null }) });
  assert.deepEqual(seen, [['own', '/file', null]]);
});

test('what is of the hub is asked for at the server that answers for it', () => {
  const hub = hubAccess({ url: 'https://mirror.example/hub', token: null });
  const at = (/** @type {string} */ url) => placeOf(url, { hub });
  assert.equal(at('https://huggingface.co/a/b/resolve/main/x.gguf?v=1'), `${hub.url}/a/b/resolve/main/x.gguf?v=1`);
  assert.equal(at('https://hf.co/a/b/resolve/main/x.gguf'), `${hub.url}/a/b/resolve/main/x.gguf`);
  for (const url of [`${hub.url}/x.gguf`, 'https://other.example/huggingface.co/x.gguf', 'file:///x.gguf'])
    assert.equal(at(url), url);
  assert.equal(placeOf('https://hf.co/x.gguf'), 'https://hf.co/x.gguf');
});

test('a circle of redirects ends', () => assert.rejects(ask(`${own.url}/circle`), /too many redirects/));

test('a browser that would take it along is not given it', async () => {
  const { withResolvers } = Promise;
  globalThis.location = untyped({ href: own.url, origin: own.url });
  try {
    const told = async () => {
      let headers = new Headers();
      const fetch = async (/** @type {string} */ _url, /** @type {RequestInit} */ init) => {
        headers = new Headers(init.headers);
        return untyped({ status: 200, headers: new Headers(), text: async () => '' });
      };
      const hub = hubAccess({ url: own.url, token: 'secret' });
      await ask(`${own.url}/file`, { hub, fetch });
      return headers.get('authorization');
    };
    Object.assign(Promise, { withResolvers: () => {} });
    assert.equal(await told(), 'Bearer secret');
    Object.assign(Promise, { withResolvers: undefined });
    assert.equal(await told(), null);
  } finally {
    Object.assign(Promise, { withResolvers });
    Reflect.deleteProperty(globalThis, 'location');
  }
});

test('headers of a caller go the same way, whatever they are called', async () => {
  width = 4;
  try {
    const access = readAccess({ headers: { 'X-Key': 'mine', Authorization: 'Basic abc' } });
    await ask(`${own.url}/moved`, access);
    assert.deepEqual(seen, [
      ['own', '/moved', 'Basic abc', 'mine'],
      ['own', '/away', 'Basic abc', 'mine'],
      ['other', '/file', null, null],
    ]);
    // What the caller names is told in the place of a token.
    const token = { hub: hubAccess({ url: own.url, token: 'secret' }) };
    await ask(`${own.url}/file`, { ...access, ...token });
    assert.deepEqual(seen, [['own', '/file', 'Basic abc', 'mine']]);
  } finally {
    width = 3;
  }
});

test('a later part that is asked for where a redirect has led tells nothing', async () => {
  const told = accessTo(`${own.url}/away`, readAccess({ headers: { authorization: 'Basic abc' } }));
  seen.length = 0;
  await (await accessFetch(`${other.url}/file`, RANGE, told)).text();
  assert.deepEqual(seen, [['other', '/file', null]]);
});

test('headers are read in each of the forms that fetch() knows', () => {
  const expected = [
    ['authorization', 'Bearer x'],
    ['x-key', 'é'],
  ];
  const object = { 'X-Key': 'é', Authorization: 'Bearer x' };
  for (const headers of [object, Object.entries(object), new Headers(object), new Map(Object.entries(object))])
    assert.deepEqual(readAccess({ headers: untyped(headers) }).headers, expected);
  assert.deepEqual(readAccess({}).headers, []);
});

test('what is no header, or is not for a caller to set, is refused by its name, and never shown', () => {
  const refused = {
    'headers.Range': { Range: 'bytes=0-' },
    'headers.If-Range': { 'If-Range': 'secret' },
    'headers.Host': { Host: 'secret' },
    'headers.Sec-Fetch-Mode': { 'Sec-Fetch-Mode': 'secret' },
    'headers.X-Key': { 'X-Key': 'secret\r\nX-Other: 1' },
    'headers.X-Line': { 'X-Line': 'secret\n' },
    'headers.X-Wide': { 'X-Wide': 'secret…' },
    'headers.X-Number': { 'X-Number': 5 },
    'headers.X-Long': { 'X-Long': 'secret'.repeat(10_000) },
    headers: { 'X Key': 'secret' },
  };
  for (const [option, headers] of Object.entries(refused)) {
    assert.throws(
      () => readAccess({ headers: untyped(headers) }),
      (/** @type {unknown} */ error) => {
        assert.ok(error instanceof NibbleError);
        assert.deepEqual([error.code, error.details?.option], ['INVALID_ARGUMENT', option]);
        assert.doesNotMatch(JSON.stringify(error.toJSON()), /secret/);
        return true;
      },
    );
  }
  for (const headers of ['Authorization: secret', 5, [['X-Key']], ['X-Key'], Array(100).fill(['a', 'b'])])
    assert.throws(() => readAccess({ headers: untyped(headers) }), { code: 'INVALID_ARGUMENT' });
  assert.throws(() => readAccess({ credentials: untyped('all') }), /credentials/);
  assert.throws(() => readAccess({ fetch: untyped('fetch') }), /The option fetch is a string/);
});

test('a browser is not given headers that it would take along behind a redirect', async () => {
  // What a browser answers where redirects are not to be followed: of where they lead, nothing.
  globalThis.location = untyped({ href: own.url, origin: own.url });
  /** @type {RequestInit[]} */
  const inits = [];
  const redirecting = async (/** @type {string} */ _url, /** @type {RequestInit} */ init) => {
    inits.push(init);
    return untyped({ status: 0, type: 'opaqueredirect', headers: new Headers(), body: null });
  };
  try {
    const access = { ...readAccess({ headers: { 'X-Key': 'mine' } }), fetch: redirecting };
    await assert.rejects(ask(`${own.url}/file`, access), (/** @type {unknown} */ error) => {
      assert.ok(error instanceof NibbleError);
      assert.deepEqual([error.code, error.details?.retriable], ['DOWNLOAD_FAILED', false]);
      assert.match(error.message, /redirects elsewhere.*x-key/);
      return true;
    });
    assert.equal(inits[0].redirect, 'manual');
  } finally {
    Reflect.deleteProperty(globalThis, 'location');
  }
});
