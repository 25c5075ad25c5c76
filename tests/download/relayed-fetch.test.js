// A fetch() of the caller's, which is called on this side of a port while a download runs on the other.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { accessTo, lendAccess, readAccess, withAccess } from '../../js/download/access.js';
import { openDownload } from '../../js/download/download.js';
import { content, KIB, QUICK, readAll, same, serverOf } from '../downloads.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

/** @typedef {import('../../js/download/relayed-fetch.js').Fetch} Fetch */

const ADDRESS = 'https://models.example/model.gguf';

/**
 * A download whose requests are made by a fetch() at the other end of a port.
 * @template T
 * @param {unknown} fetch one of the caller's, which may be none and give anything
 * @param {(download: import('../../js/download/download.js').Download) => Promise<T>} use
 * @param {{ url?: string, headers?: Record<string, string>, [option: string]: unknown }} [given] options of the download, `url` and `headers` among them
 */
async function through(fetch, use, given = {}) {
  const { url = ADDRESS, headers, ...options } = given;
  const lent = lendAccess(readAccess({ fetch: untyped(fetch), headers }));
  try {
    /** @type {{ download: import('../../js/download/download.js').DownloadOptions }} */
    const platform = { download: { ...QUICK, retries: 1, ...options } };
    const { download } = withAccess(platform, lent.params);
    const source = await openDownload(url, download);
    try {
      return await use(source);
    } finally {
      await source.close();
    }
  } finally {
    lent.close();
  }
}

/** A server as a fetch(): parts of the content. @type {Fetch} */
const serving = async (_url, { headers }) => {
  const [, start = 0, end = content.length - 1] =
    /^bytes=(\d+)-(\d+)?$/.exec(new Headers(headers).get('range') ?? '') ?? [];
  const bytes = content.slice(Number(start), Number(end) + 1);
  const range = `bytes ${start}-${Number(start) + bytes.length - 1}/${content.length}`;
  return new Response(bytes, { status: 206, headers: { 'content-range': range, etag: '"one"' } });
};

/** @param {unknown} fetch @param {Parameters<typeof through>[2]} [options] @returns {Promise<NibbleError>} the error */
const failure = (fetch, options) =>
  through(fetch, readAll, options).then(
    () => assert.fail('It does not fail.'),
    (error) => error,
  );

describe('a fetch of the caller', () => {
  test('gives the file, in several parts, and is told what each request is', async () => {
    /** @type {[string, RequestInit][]} */
    const calls = [];
    const fetch = (/** @type {string} */ url, /** @type {RequestInit} */ init) => {
      calls.push([url, init]);
      return serving(url, init);
    };
    const options = { headers: { 'X-Key': 'mine' }, connections: 3, rangeBytes: 64 * KIB };
    const { bytes, size } = await through(
      fetch,
      async (source) => ({ bytes: await readAll(source), size: source.size }),
      options,
    );
    same(bytes, content);
    assert.equal(size, content.length);
    assert.ok(calls.length > 2);
    for (const [url, { headers, signal, redirect, cache }] of calls) {
      assert.deepEqual([url, redirect, cache], [ADDRESS, 'manual', 'no-store']);
      assert.match(new Headers(headers).get('range') ?? '', /^bytes=/);
      assert.equal(new Headers(headers).get('x-key'), 'mine');
      assert.ok(signal instanceof AbortSignal);
    }
  });

  test('is the one of the platform as well, redirects and all', async () => {
    const server = await serverOf(content, {
      fault: ({ path }) => (path === '/old' ? { status: 302, headers: { location: '/model.gguf' } } : {}),
    });
    const found = await through(
      globalThis.fetch,
      async (source) => ({ url: source.url, bytes: await readAll(source) }),
      {
        url: `${server.origin}/old`,
      },
    );
    assert.equal(found.url, server.url);
    same(found.bytes, content);
  });

  test('is read no faster than the model takes it', async () => {
    let given = 0;
    const piece = new Uint8Array(64 * KIB);
    const pull = (/** @type {ReadableStreamDefaultController} */ controller) => {
      given++;
      controller.enqueue(piece);
    };
    const endless = async () => new Response(new ReadableStream({ pull }, { highWaterMark: 0 }));
    await through(endless, async (source) => {
      await source.read();
      let before = -1;
      while (before !== given) {
        before = given;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      // As much waits as of a server's answer that has no end: 4 MiB, and a piece on its way at each border.
      assert.ok(given <= 64 + 4, `${given} pieces were read`);
    });
  });

  test('is told by its signal that nobody wants the rest', async () => {
    /** @type {AbortSignal | undefined} */
    let told;
    let cancelled = false;
    const fetch = async (/** @type {string} */ _url, /** @type {RequestInit} */ { signal }) => {
      told = signal ?? undefined;
      const cancel = () => {
        cancelled = true;
      };
      return new Response(new ReadableStream({ pull: (c) => c.enqueue(new Uint8Array(KIB)), cancel }));
    };
    await through(fetch, (source) => source.read());
    assert.deepEqual([told?.aborted, cancelled], [true, true]);
  });

  test('that ends before its caller has answered is told so too', async () => {
    let stopped = false;
    const controller = new AbortController();
    const hanging = (/** @type {string} */ _url, /** @type {RequestInit} */ { signal }) =>
      new Promise((_, reject) => {
        signal?.addEventListener('abort', () => {
          stopped = true;
          reject(signal.reason);
        });
        setTimeout(() => controller.abort(), 20);
      });
    const error = await failure(hanging, { signal: controller.signal });
    assert.equal(error.code, 'CANCELLED');
    assert.equal(stopped, true);
  });

  test('that throws is asked again, and then told with what it said', async () => {
    let calls = 0;
    const throwing = () => {
      calls++;
      throw new Error('no more today');
    };
    const error = await failure(throwing);
    assert.deepEqual([error.code, calls], ['DOWNLOAD_FAILED', 2]);
    assert.match(
      error.message,
      /^The download of https:\/\/models\.example\/model\.gguf failed: the fetch that was given failed: no more today\.$/,
    );
    let first = true;
    const once = (/** @type {string} */ url, /** @type {RequestInit} */ init) => {
      if (!first) return serving(url, init);
      first = false;
      throw new TypeError('fetch failed');
    };
    same(await through(once, readAll), content);
  });

  test('that never answers is given up', async () => {
    const error = await failure(() => new Promise(() => {}), { stallMilliseconds: 100, retries: 0 });
    assert.equal(error.code, 'DOWNLOAD_STALLED');
  });

  test('whose body falls silent is given up, and the rest asked for again', async () => {
    let calls = 0;
    const fetch = async (/** @type {string} */ url, /** @type {RequestInit} */ init) => {
      if (calls++ > 0) return serving(url, init);
      const start = (/** @type {ReadableStreamDefaultController} */ controller) =>
        controller.enqueue(content.slice(0, KIB));
      const headers = { 'content-range': `bytes 0-${content.length - 1}/${content.length}`, etag: '"one"' };
      return new Response(new ReadableStream({ start }), { status: 206, headers });
    };
    same(await through(fetch, readAll, { stallMilliseconds: 100 }), content);
    assert.ok(calls > 1);
  });

  test('that answers with a page, or with a status of no file, is told of as a server is', async () => {
    const page = async () => new Response('<h1>Sign in</h1>', { headers: { 'content-type': 'text/html' } });
    assert.equal((await failure(page)).code, 'DOWNLOAD_NOT_A_MODEL');
    const forbidden = await failure(async () => new Response('no', { status: 403 }), { headers: { 'X-Key': 'mine' } });
    assert.deepEqual([forbidden.code, forbidden.details?.status], ['DOWNLOAD_FAILED', 403]);
    assert.match(forbidden.message, /the headers it was given \(x-key\)/);
  });

  test('that gives other parts than it was asked for is read whole, or refused in the middle', async () => {
    const whole = async () => new Response(content);
    same(await through(whole, readAll), content);
    let calls = 0;
    const shifted = async (/** @type {string} */ url, /** @type {RequestInit} */ init) => {
      if (calls++ === 0) {
        const first = await serving(url, init);
        return new Response(first.body?.pipeThrough(cutAfter(KIB)), first);
      }
      const headers = { 'content-range': `bytes 5-${content.length - 1}/${content.length}`, etag: '"one"' };
      return new Response(content.slice(5), { status: 206, headers });
    };
    const error = await failure(shifted, { connections: 1 });
    assert.equal(error.code, 'DOWNLOAD_FAILED');
    assert.match(error.message, /another part than it was asked for/);
  });

  test('that gives no Response, or no bytes, is said to', async () => {
    /** @type {[answer: unknown, sentence: RegExp][]} */
    const odd = [
      [undefined, /answered with nothing; expected a Response/],
      [null, /answered with nothing/],
      ['text', /answered with a string/],
      [{ status: 200 }, /without a status or headers/],
      [{ status: 200, headers: new Headers(), body: 'text' }, /a body that is no ReadableStream/],
      [
        new Response(new ReadableStream({ pull: (controller) => controller.enqueue('text') })),
        /something else than bytes/,
      ],
    ];
    for (const [answer, sentence] of odd) {
      const error = await failure(async () => answer);
      assert.equal(error.code, 'DOWNLOAD_FAILED');
      assert.match(error.message, sentence);
    }
    const used = new Response('text');
    await used.text();
    assert.match((await failure(async () => used)).message, /read already/);
  });
});

test('a platform without a caller has its own way to servers, which nothing hides', async () => {
  let calls = 0;
  const own = async (/** @type {string} */ url, /** @type {RequestInit} */ init) => {
    calls++;
    return serving(url, init);
  };
  const platform = { download: { ...QUICK, access: { fetch: own } } };
  const { params } = lendAccess(readAccess({ headers: { 'X-Key': 'mine' } }));
  const { download } = withAccess(platform, params);
  const source = await openDownload(ADDRESS, download);
  same(await readAll(source), content);
  assert.ok(calls > 0);
  assert.equal(accessTo(ADDRESS, download.access).headers.length, 1);
});

/** @param {number} bytes */
function cutAfter(bytes) {
  let left = bytes;
  return new TransformStream({
    transform(piece, controller) {
      controller.enqueue(piece.subarray(0, left));
      left -= piece.length;
      if (left <= 0) controller.terminate();
    },
  });
}
