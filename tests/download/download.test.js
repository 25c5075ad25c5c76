// Downloads: in parts, without them, resumed and redirected.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, test } from 'node:test';
import { backoff } from '../../js/download/backoff.js';
import { fetchRange, openDownload } from '../../js/download/download.js';
import { contentRange, retryAfter, sameVersion, strongEtag } from '../../js/download/http-headers.js';
import { code, content, download, KIB, QUICK, random, readAll, same, serverOf, settled, starts } from '../downloads.js';
import { portOf } from '../port.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

describe('a download in parts', () => {
  test('gives the file in order, over several connections, and asks for no byte twice', async () => {
    /** @type {(value?: unknown) => void} */
    let meet;
    const met = new Promise((resolve) => {
      meet = resolve;
    });
    // The second to fourth request are answered when all three are there, so they have to be made at once.
    /** @param {{ index: number }} options */
    const fault = ({ index }) => {
      if (index === 3) meet();
      return index === 0 ? {} : { until: met };
    };
    const server = await serverOf(content, { fault });
    const { source, bytes } = await download(server.url, { connections: 4 });
    same(bytes, content);
    assert.deepEqual(
      { ...source, read: 0, close: 0 },
      {
        ...{
          kind: 'download',
          name: 'model.gguf',
          size: content.length,
          url: server.url,
          position: 0,
          read: 0,
          close: 0,
        },
        ...{ ranged: true, restarted: false, etag: '"one"', lastModified: null },
      },
    );
    assert.ok(Math.max(...server.requests.map(({ atOnce }) => atOnce)) <= 4, 'no more than allowed');
    assert.equal(new Set(server.requests.map(({ start }) => start)).size, server.requests.length);
    for (const { range, ifRange } of server.requests.slice(1)) {
      assert.match(present(range), /^bytes=\d+-\d+$/);
      assert.equal(ifRange, '"one"');
    }
    await settled(server);
  });

  test('with one connection is a single request', async () => {
    const server = await serverOf(content);
    same((await download(server.url, { connections: 1 })).bytes, content);
    assert.deepEqual(server.ranges(), ['bytes=0-']);
  });

  test('fetches no further ahead of the reader than its window', async () => {
    const server = await serverOf(content);
    const source = await openDownload(server.url, { ...QUICK, rangeBytes: 64 * KIB, connections: 2 });
    while (server.requests.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    await settled(server);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(starts(server), [0, 64 * KIB, 128 * KIB]);
    same(await readAll(source), content);
  });

  test('stops reading a stream without parts while nobody takes its bytes', async () => {
    const large = random(32 << 20, 3);
    const server = await serverOf(large, { ranges: false });
    const source = await openDownload(server.url, { ...QUICK, stallMilliseconds: 500 });
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(server.open(), 1, 'the server could not send everything');
    same(await readAll(source), large);
    assert.equal(server.requests.length, 1, 'a reader that takes its time is no stall');
  });

  test('copes with a server that gives fewer bytes at once than it is asked for', async () => {
    const server = await serverOf(content, { most: 50 * KIB });
    same((await download(server.url, { connections: 3, retries: 0 })).bytes, content);
  });

  test('ignores bytes behind the announced ones', async () => {
    const server = await serverOf(content, {
      fault: ({ index }) => ({ extra: index < 9 ? 1000 : 0 }),
    });
    same((await download(server.url, { connections: 2 })).bytes, content);
  });

  for (const isHidden of [false, true])
    test(`asks on without a wait where each part is too long${isHidden ? ', and hidden' : ''}`, async (context) => {
      const server = createServer(({ headers: { range } }, response) => {
        const [start, last = content.length - 1] = present(present(range).match(/\d+/g)).map(Number);
        const headers = { 'content-range': `bytes ${start}-${last}/${content.length}` };
        response.writeHead(206, isHidden && start > 0 ? {} : headers);
        // The whole file comes slowly, so that the others take one part behind the other.
        if (start === 0) return setTimeout(() => response.end(content), 200);
        response.write(Buffer.concat([content.subarray(start, last + 1), Buffer.alloc(9)]));
        setTimeout(() => response.end(Buffer.alloc(9)), 5);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      context.after(() => server.close());
      const url = `http://127.0.0.1:${portOf(server)}/model.gguf`;
      for (const connections of [1, 2, 3]) {
        /** @type {string[]} */
        const waits = [];
        /** @param {{ state: string, error: NibbleError }} options */
        const onState = ({ state, error }) => state === 'waiting' && waits.push(error.message);
        same((await download(url, { connections, onState })).bytes, content);
        assert.deepEqual(waits, []);
      }
    });

  test('without Content-Range and ETag, as across origins, still works', async () => {
    const hidden = { 'content-range': null, etag: null };
    const server = await serverOf(content, { fault: () => ({ change: hidden }) });
    const { source, bytes } = await download(server.url);
    same(bytes, content);
    assert.equal(source.size, content.length);
    assert.equal(source.etag, null);
    assert.ok(server.requests.length > 1);
    same(
      (await download(server.url, { from: { position: 5000, size: content.length } })).bytes,
      content.subarray(5000),
    );
  });

  test('takes an answer for the whole file that is longer than the part that was asked for', async (context) => {
    const server = createServer((_, response) => {
      response.writeHead(206, { 'content-length': content.length }).end(content);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    context.after(() => server.close());
    const url = `http://127.0.0.1:${portOf(server)}/model.gguf`;
    const size = content.length;
    for (const connections of [1, 3]) {
      same((await download(url, { connections })).bytes, content);
      const { bytes } = await download(url, { connections, from: { position: 5000, size } });
      same(bytes, content.subarray(5000));
    }
  });

  test('a part from the middle can be fetched alone', async () => {
    const server = await serverOf(content);
    /** @param {Parameters<typeof fetchRange>} given */
    const part = async (...given) => {
      const pieces = [];
      for await (const piece of fetchRange(...given)) pieces.push(piece.slice());
      return Buffer.concat(pieces);
    };
    same(await part(server.url, 1000, 400_000, { ...QUICK, etag: '"one"' }), content.subarray(1000, 400_000));
    const last = Math.max(...server.requests.map(({ range }) => Number(present(range).split('-')[1])));
    assert.equal(last, 399_999, 'nothing behind it is asked for');
    await assert.rejects(part(server.url, 5, 9, { ...QUICK, etag: '"two"' }), code('DOWNLOAD_CHANGED'));
    server.change(content, { ranges: false });
    same(await part(server.url, 1000, 400_000, QUICK), content.subarray(1000, 400_000));
    await settled(server);
  });
});

describe('a server without parts', () => {
  test('gives its file in one stream', async () => {
    const server = await serverOf(content, { ranges: false });
    const { source, bytes } = await download(server.url);
    same(bytes, content);
    assert.deepEqual([source.ranged, source.size], [false, content.length]);
    assert.equal(server.requests.length, 1);
  });

  test('is let go of once its file is whole: nothing waits for an end of the body that does not come', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const server = await serverOf(content, { ranges: false });
    const before = timers();
    await download(server.url);
    await settled(server);
    assert.equal(timers(), before);
  });

  test('and without a length has no size, and ends where the body ends', async () => {
    const server = await serverOf(content, { ranges: false, length: false });
    const { source, bytes } = await download(server.url);
    same(bytes, content);
    assert.equal(source.size, null);
  });

  test('with a compressed body gives the unpacked file, also after a cut', async () => {
    const text = Buffer.from('all work and no play makes a long file. '.repeat(20_000));
    const server = await serverOf(text, { ranges: false, gzip: true });
    const { source, bytes } = await download(server.url);
    same(bytes, text);
    assert.equal(source.size, null);
    server.change(content, { fault: ({ index }) => (index === 1 ? { cutAfter: 300 * KIB } : {}) });
    same((await download(server.url)).bytes, content);
    assert.deepEqual(server.ranges(), ['bytes=0-', 'bytes=0-', 'all']);
  });

  test('after a cut skips what was there already', async () => {
    const server = await serverOf(content, {
      ranges: false,
      fault: ({ index }) => (index < 2 ? { cutAfter: (index + 1) * 99_999 } : {}),
    });
    same((await download(server.url)).bytes, content);
    assert.equal(server.requests.length, 3);
  });

  test('when resumed skips the bytes that are there', async () => {
    const server = await serverOf(content, { ranges: false });
    const { source, bytes } = await download(server.url, { from: { position: 70_001, etag: '"one"' } });
    same(bytes, content.subarray(70_001));
    assert.deepEqual([source.position, source.restarted], [70_001, false]);
  });

  test('that stops giving parts on the way is read on in one stream', async () => {
    const server = await serverOf(content);
    const source = await openDownload(server.url, { ...QUICK, connections: 3, rangeBytes: 64 * KIB });
    server.change(content, { ranges: false });
    same(await readAll(source), content);
    await settled(server);
  });

  test('an empty file is empty, with or without parts', async () => {
    for (const ranges of [true, false]) {
      const server = await serverOf(new Uint8Array(0), { ranges });
      const { source, bytes } = await download(server.url);
      assert.deepEqual([bytes.length, source.size], [0, 0]);
    }
  });
});

describe('a resumed download', () => {
  const position = 300_000;

  test('asks for the rest only, under the strong ETag', async () => {
    const server = await serverOf(content);
    const from = { position, etag: '"one"', size: content.length };
    const { source, bytes } = await download(server.url, { from });
    same(bytes, content.subarray(position));
    assert.deepEqual([source.position, source.restarted, source.size], [position, false, content.length]);
    assert.equal(server.requests[0].range, `bytes=${position}-`);
    assert.equal(server.requests[0].ifRange, '"one"');
    assert.ok(server.requests.every(({ start }) => start >= position));
  });

  test('never sends a weak ETag in If-Range, and compares size and date instead', async () => {
    const lastModified = 'Wed, 01 Jan 2025 00:00:00 GMT';
    const server = await serverOf(content, { etag: 'W/"one"', lastModified });
    const from = { position, etag: 'W/"one"', lastModified, size: content.length };
    same((await download(server.url, { from })).bytes, content.subarray(position));
    assert.ok(server.requests.every(({ ifRange }) => ifRange === undefined));
    for (const change of [{ lastModified: 'Wed, 01 Jan 2025 00:00:01 GMT' }, { size: 5 }, { etag: 'W/"two"' }]) {
      const { source, bytes } = await download(server.url, { from: { ...from, ...change } });
      same(bytes, content);
      assert.deepEqual([source.position, source.restarted], [0, true], JSON.stringify(change));
    }
  });

  test('of a changed file starts over and says so, with parts and without', async () => {
    for (const ranges of [true, false]) {
      for (const from of [
        { position, etag: '"zero"' },
        { position, size: 77 },
        { position: 2 * content.length, etag: '"one"' },
      ]) {
        const server = await serverOf(content, { ranges });
        if (!ranges && from.position > content.length) continue;
        const { source, bytes } = await download(server.url, { from });
        same(bytes, content);
        assert.deepEqual([source.position, source.restarted], [0, true], JSON.stringify(from));
      }
    }
  });

  test('that was at the end has nothing left', async () => {
    const server = await serverOf(content);
    const from = { position: content.length, etag: '"one"', size: content.length };
    const { source, bytes } = await download(server.url, { from });
    assert.equal(bytes.length, 0);
    assert.deepEqual([source.position, source.size, source.etag], [content.length, content.length, '"one"']);
    assert.equal(server.requests.length, 1);
  });

  test('after an error goes on from there', async () => {
    const server = await serverOf(content, {
      fault: ({ index }) => (index === 0 ? { cutAfter: 100_000 } : { status: 500 }),
    });
    const source = await openDownload(server.url, { ...QUICK, connections: 1, retries: 0 });
    /** @type {(Buffer<ArrayBuffer>)[]} */
    const pieces = [];
    await assert.rejects(async () => {
      for (;;) pieces.push(Buffer.from(untyped(await source.read())));
    }, code('DOWNLOAD_FAILED'));
    const first = Buffer.concat(pieces);
    server.change(content, { fault: undefined });
    const { bytes } = await download(server.url, { from: { ...source, position: first.length } });
    same(Buffer.concat([first, bytes]), content);
  });
});

describe('a redirect', () => {
  /** @param {() => string} target */
  const redirecting = (target) => ({
    /** @param {{ path: string }} options */
    fault: ({ path }) => (path === '/model.gguf' ? { status: 302, headers: { location: target() } } : {}),
  });

  test('to another server is followed once, and the parts come from there', async () => {
    const storage = await serverOf(content);
    const server = await serverOf(
      content,
      redirecting(() => `${storage.origin}/a1b2c3?signed`),
    );
    const { source, bytes } = await download(server.url);
    same(bytes, content);
    assert.deepEqual([source.url, source.name], [`${storage.origin}/a1b2c3?signed`, 'model.gguf']);
    assert.equal(server.requests.length, 1);
    assert.ok(storage.requests.length > 4);
  });

  test('whose address expires is asked for again', async () => {
    // Every third request finds that its address has expired, and a new one is signed.
    let valid = 0;
    /** @param {{ path: string, index: number }} options */
    const fault = ({ path, index }) => {
      if (index % 3 === 2) valid = index;
      return path === `/${valid}` ? { cutAfter: 70_000 } : { status: 403 };
    };
    const storage = await serverOf(content, { fault });
    const server = await serverOf(
      content,
      redirecting(() => `${storage.origin}/${valid}`),
    );
    const { source, bytes } = await download(server.url, { connections: 1, retries: 1 });
    same(bytes, content);
    assert.equal(source.url, `${storage.origin}/0`);
    assert.ok(server.requests.length > 3, 'signed anew several times');
  });

  test('that leads nowhere any more is the error of where it leads', async () => {
    let gone = false;
    const storage = await serverOf(content, { fault: () => (gone ? { status: 403 } : { cutAfter: 90_000 }) });
    const server = await serverOf(
      content,
      redirecting(() => `${storage.origin}/x`),
    );
    const source = await openDownload(server.url, { ...QUICK, connections: 1 });
    gone = true;
    const error = await readAll(source).catch((reason) => reason);
    assert.deepEqual([error.code, error.details.status], ['DOWNLOAD_FAILED', 403]);
    assert.equal(server.requests.length, 2, 'asked again once');
  });
});

describe('headers', () => {
  test('Content-Range is read, and whatever is none is not', () => {
    /** @param {string} value */
    const of = (value) => contentRange(new Headers({ 'content-range': value }));
    assert.deepEqual(of('bytes 5-9/20'), { start: 5, end: 10, total: 20 });
    assert.deepEqual(of('bytes 5-9/*'), { start: 5, end: 10, total: null });
    assert.deepEqual(of('bytes */20'), { start: null, end: null, total: 20 });
    for (const value of ['', 'bytes', 'bytes 5-/20', 'items 1-2/3', 'bytes 1-2/99999999999999999999']) {
      assert.equal(of(value), null, value);
    }
  });

  test('Retry-After is seconds or a date, and never negative', () => {
    /** @param {string} value */
    const of = (value) => retryAfter(new Headers({ 'retry-after': value }), Date.UTC(2025, 0, 1));
    assert.equal(of('120'), 120_000);
    assert.equal(of('Wed, 01 Jan 2025 00:00:30 GMT'), 30_000);
    assert.equal(of('Tue, 31 Dec 2024 00:00:00 GMT'), 0);
    assert.equal(of('soon'), null);
    assert.equal(retryAfter(new Headers()), null);
  });

  test('a version is told by ETag, size and date, as far as both sides know them', () => {
    const date = 'Wed, 01 Jan 2025 00:00:00 GMT';
    assert.ok(sameVersion({}, { etag: '"a"', size: 5 }));
    assert.ok(sameVersion({ etag: '"a"', lastModified: 'x' }, { etag: '"a"', lastModified: 'y' }));
    assert.ok(!sameVersion({ etag: '"a"', size: 5 }, { etag: '"a"', size: 6 }));
    assert.ok(!sameVersion({ etag: '"a"' }, { etag: '"b"' }));
    assert.ok(sameVersion({ etag: 'W/"a"', lastModified: date }, { etag: '"a"', lastModified: date }));
    assert.ok(!sameVersion({ etag: 'W/"a"', lastModified: date }, { etag: 'W/"a"', lastModified: 'later' }));
    assert.equal(strongEtag({ etag: 'W/"a"' }), null);
    assert.equal(strongEtag({ etag: '"a"' }), '"a"');
  });

  test('waits double up to a bound, over a random half', () => {
    const waits = [1, 2, 3, 10].map((failures) => [backoff(failures, 500, () => 0), backoff(failures, 500, () => 1)]);
    assert.deepEqual(waits, [
      [250, 500],
      [500, 1000],
      [1000, 2000],
      [15_000, 30_000],
    ]);
  });
});
