// Downloads from a server, and over a network, that misbehave in every way that is known.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { openDownload } from '../../js/download/download.js';
import { startBadServer } from '../bad-server.js';
import {
  code,
  content,
  download,
  KIB,
  other,
  QUICK,
  random,
  readAll,
  same,
  serverOf,
  settled,
  starts,
} from '../downloads.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/download/backoff.js').Waiting} Waiting */
/** @typedef {import('../bad-server.js').Fault} Fault */
/** @typedef {import('../bad-server.js').Manners} Manners */

describe('a connection that fails', () => {
  test('goes on at the byte where it was cut', async () => {
    const server = await serverOf(content, {
      fault: ({ index }) => (index < 3 ? { cutAfter: 100_000 } : {}),
    });
    same((await download(server.url, { connections: 1 })).bytes, content);
    assert.deepEqual(starts(server), [0, 100_000, 200_000, 300_000]);
  });

  test('counts failures in a row only: bytes that come forgive what was before', async () => {
    const server = await serverOf(content, { fault: () => ({ cutAfter: 60_000 }) });
    same((await download(server.url, { connections: 1, retries: 1 })).bytes, content);
    assert.ok(server.requests.length > 10);
  });

  test('is given up after as many failures as allowed, and what had come is delivered before', async () => {
    const server = await serverOf(content, {
      fault: ({ index }) => (index === 0 ? { cutAfter: 100_000 } : { cutAfter: 0 }),
    });
    /** @type {({ state: 'receiving' } | Waiting)[]} */
    const states = [];
    const source = await openDownload(server.url, {
      ...QUICK,
      connections: 1,
      retries: 3,
      onState: (s) => states.push(s),
    });
    let received = 0;
    await assert.rejects(
      async () => {
        for (;;) received += present(await source.read()).length;
      },
      code('DOWNLOAD_FAILED', /broke off/),
    );
    assert.equal(received, 100_000);
    assert.equal(server.requests.length, 4 + 0);
    const failures = states.flatMap((one) => (one.state === 'waiting' ? [one.failures] : []));
    assert.deepEqual(failures, [1, 2, 3]);
    await settled(server);
  });

  test('that is silent is given up for a new one, before the headers and in the body', async () => {
    for (const fault of [{ silent: true }, { stallAfter: 50_000 }]) {
      const server = await serverOf(content, {
        fault: ({ index }) => (index === 1 ? fault : {}),
      });
      same((await download(server.url, { stallMilliseconds: 150, connections: 2 })).bytes, content);
      await settled(server);
    }
  });

  test('that is always silent is DOWNLOAD_STALLED', async () => {
    const server = await serverOf(content, { fault: () => ({ silent: true }) });
    let waits = 0;
    const options = {
      stallMilliseconds: 50,
      retries: 1,
      onState: (/** @type {{ state: string }} */ { state }) => (waits += Number(state === 'waiting')),
    };
    await assert.rejects(download(server.url, options), code('DOWNLOAD_STALLED', /0.05 seconds/));
    assert.equal(waits, 1);
    await settled(server);
    let first = true;
    const fault = () => {
      const once = first ? { stallAfter: 1000 } : { silent: true };
      first = false;
      return once;
    };
    server.change(content, { fault });
    await assert.rejects(download(server.url, options), code('DOWNLOAD_STALLED'));
    await settled(server);
  });

  test('because the server is busy makes room for the others', async () => {
    const server = await serverOf(content, {
      fault: ({ atOnce }) => (atOnce > 1 ? { status: 429 } : {}),
    });
    same((await download(server.url, { connections: 4, retries: 0, rangeBytes: 64 * KIB })).bytes, content);
    await settled(server);
  });

  test('is tried again after a passing error, and not before Retry-After', async () => {
    for (const status of [429, 500, 502, 503, 504]) {
      const server = await serverOf(content, {
        fault: ({ index }) => (index === 0 ? { status, headers: { 'retry-after': '1' } } : {}),
      });
      /** @type {Parameters<NonNullable<import('../../js/download/download.js').DownloadOptions['onState']>>[0][]} */
      const states = [];
      const onState = (/** @type {(typeof states)[number]} */ state) => states.push(state);
      same((await download(server.url, { onState })).bytes, content);
      const [first] = states;
      assert.ok(first.state === 'waiting');
      assert.deepEqual([first.milliseconds, untyped(first.error).details.status], [1000, status]);
    }
  });

  test('by a status that stays is an error at once, with the status in it', async () => {
    const sentences = {
      401: /who asks.*option headers/,
      403: /not permit.*option headers/,
      404: /no such file/,
      410: /gone/,
      418: /answered 418/,
    };
    for (const [status, sentence] of Object.entries(sentences)) {
      const server = await serverOf(content, { fault: () => ({ status: Number(status) }) });
      const error = await download(server.url).catch((reason) => reason);
      code('DOWNLOAD_FAILED', sentence)(error);
      assert.equal(error.details.status, Number(status));
      assert.equal(server.requests.length, 1);
      await settled(server);
    }
  });

  test('by a status that passes, but does not, is an error with the status in it', async () => {
    for (const status of [429, 500, 503]) {
      const server = await serverOf(content, { fault: () => ({ status }) });
      const error = await download(server.url).catch((reason) => reason);
      code('DOWNLOAD_FAILED')(error);
      assert.equal(error.details.status, status);
      assert.equal(server.requests.length, 3);
    }
  });

  test('with a Retry-After of hours is an error at once', async () => {
    const server = await serverOf(content, { fault: () => ({ status: 503, headers: { 'retry-after': '7200' } }) });
    const error = await download(server.url).catch((reason) => reason);
    assert.deepEqual([error.code, error.details.retryAfterMilliseconds], ['DOWNLOAD_FAILED', 7_200_000]);
    assert.equal(server.requests.length, 1);
  });

  test('is asked again where it sends another part than it was asked for, and read whole where the first one is', async () => {
    const server = await serverOf(content, {
      fault: ({ index }) => (index === 1 ? { shift: 10 } : {}),
    });
    same((await download(server.url, { connections: 2 })).bytes, content);
    const always = await serverOf(content, {
      fault: ({ range }) => (range ? { shift: 10 } : {}),
    });
    same((await download(always.url)).bytes, content);
    assert.deepEqual(always.ranges(), ['bytes=0-', 'all']);
  });

  test('to nobody is DOWNLOAD_FAILED, and an address that is none says so', async () => {
    const server = await startBadServer(content);
    await server.close();
    await assert.rejects(
      download(server.url),
      code('DOWNLOAD_FAILED', /no server answers at this address\. Check the address/),
    );
    await assert.rejects(download('http://'), code('DOWNLOAD_FAILED', /no address/));
    await assert.rejects(download('ftp://example.org/x'), code('DOWNLOAD_FAILED', /no address/));
  });
});

test('a page instead of a model is DOWNLOAD_NOT_A_MODEL; one that a network puts in between passes', async () => {
  const page = { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: '<html>' };
  const server = await serverOf(content, { fault: () => page });
  await assert.rejects(download(server.url), code('DOWNLOAD_NOT_A_MODEL', /web page/));
  assert.equal(server.requests.length, 1);
  server.change(content, { fault: ({ index }) => (index === 2 ? page : {}) });
  same((await download(server.url, { connections: 2 })).bytes, content);
  await settled(server);
});

describe('without a network', () => {
  /** @param {boolean} online */
  const network = (online) => {
    const listeners = new Set();
    const state = { online, heard: 0 };
    return {
      state,
      listeners,
      online: () => state.online,
      /** @param {() => void} listener */
      onOnline(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
  };

  test('the error is DOWNLOAD_OFFLINE, after the retries', async () => {
    const server = await startBadServer(content);
    await server.close();
    const down = network(false);
    let waits = 0;
    const options = { network: down, onState: () => waits++ };
    await assert.rejects(download(server.url, options), code('DOWNLOAD_OFFLINE', /no network/));
    assert.equal(waits, 2);
    assert.equal(down.listeners.size, 0);
  });

  test('a long wait ends when the network is back', async () => {
    const server = await serverOf(content, {
      fault: ({ index }) => (index === 0 ? { cutAfter: 100_000 } : {}),
    });
    const down = network(true);
    /** @param {{ state: string }} options */
    const onState = ({ state }) => {
      if (state === 'waiting') setTimeout(() => [...down.listeners][0](), 5);
    };
    const options = { network: down, onState, connections: 1, retryMilliseconds: 3_600_000 };
    same((await download(server.url, options)).bytes, content);
    assert.equal(down.listeners.size, 0);
  });
});

describe('a wait before a connection tries again', () => {
  test('is told to whoever reads, and its end', async () => {
    const server = await serverOf(content, {
      most: 100_000,
      fault: ({ index }) => (index > 0 && index < 4 ? { status: 500 } : {}),
    });
    /** @type {(number | 'goes on')[]} */
    const waits = [];
    /** @param {{ failures: number } | null} wait */
    const onWait = (wait) => waits.push(wait?.failures ?? 'goes on');
    same((await download(server.url, { connections: 1, onWait })).bytes, content);
    assert.deepEqual(waits, [1, 2, 3, 'goes on']);
  });

  test('is not told as long as what is read comes by another connection', async () => {
    /** @param {{ start: number, index: number }} request */
    const isSecond = ({ start, index }) => index > 0 && start === QUICK.rangeBytes;
    let failed = false;
    /** @param {import('../bad-server.js').Note} request */
    const fault = (request) => {
      if (failed || !isSecond(request)) return {};
      failed = true;
      return { status: 500 };
    };
    const server = await serverOf(content, { fault });
    const listeners = new Set();
    /** @param {() => void} listener */
    const onOnline = (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    };
    let read = 0;
    /** @type {(number | null)[]} */
    const told = [];
    /** @param {object | null} wait */
    const onWait = (wait) => {
      told.push(wait && read);
      for (const goOn of listeners) goOn();
    };
    /** @type {any} */
    let waits;
    const waiting = new Promise((resolve) => {
      waits = resolve;
    });
    /** @param {{ state: string }} options */
    const onState = ({ state }) => state === 'waiting' && waits();
    const options = { ...QUICK, retryMilliseconds: 3_600_000, connections: 2, onState, onWait };
    const source = await openDownload(server.url, { ...options, network: { online: () => true, onOnline } });
    await waiting;
    for (let piece = await source.read(); piece !== null; piece = await source.read()) read += piece.length;
    assert.equal(read, content.length);
    assert.deepEqual(told, [QUICK.rangeBytes, null]);
  });
});

describe('a file that changes on the way', () => {
  /** @type {[how: string, before: Manners, afterwards: Manners][]} */
  const replacements = [
    ['under a strong ETag', { etag: '"one"' }, { etag: '"two"' }],
    ['under a weak ETag', { etag: 'W/"one"' }, { etag: 'W/"two"' }],
    [
      'told by its date',
      { etag: null, lastModified: 'Wed, 01 Jan 2025 00:00:00 GMT' },
      { lastModified: 'Thu, 02 Jan 2025 00:00:00 GMT' },
    ],
    ['told by its size', { etag: null }, {}],
  ];
  for (const [how, before, afterwards] of replacements) {
    test(`is DOWNLOAD_CHANGED, ${how}`, async () => {
      for (const ranges of [true, false]) {
        const server = await serverOf(content, { ...before, ranges, fault: () => ({ cutAfter: 60_000 }) });
        const source = await openDownload(server.url, { ...QUICK, connections: 1 });
        server.change(other, { ...afterwards, fault: undefined });
        await assert.rejects(readAll(source), code('DOWNLOAD_CHANGED', /changed/));
        await settled(server);
      }
    });
  }

  test('is DOWNLOAD_CHANGED where it has become too short for what is asked for', async () => {
    const server = await serverOf(content, { etag: null, fault: () => ({ cutAfter: 60_000 }) });
    const source = await openDownload(server.url, { ...QUICK, connections: 1 });
    server.change(content.subarray(0, 100), { fault: undefined });
    await assert.rejects(readAll(source), code('DOWNLOAD_CHANGED'));
  });
});

describe('a cancelled download', () => {
  // How many requests there may be: of those that several connections make, the first at least.
  const SEVERAL = { least: 1, most: 5 };
  const ONE = { least: 1, most: 1 };
  /** @type {Record<string, { fault?: Fault, at: string, asked?: { least: number, most: number } }>} */
  const cases = {
    'before it began': { at: 'before', asked: { least: 0, most: 0 } },
    'while the server is silent': { fault: { silent: true }, at: 'request' },
    'while bytes are awaited': { fault: { stallAfter: 1000 }, at: 'read', asked: SEVERAL },
    'while it waits to try again': { fault: { status: 503 }, at: 'waiting' },
    'while nobody reads': { fault: {}, at: 'opened' },
  };
  for (const [when, { fault, at, asked = ONE }] of Object.entries(cases)) {
    test(`${when} is CANCELLED, and no request stays open`, async () => {
      const server = await serverOf(random(8 << 20, 5), { ranges: at !== 'opened', fault: () => fault });
      const controller = new AbortController();
      const abort = () => controller.abort();
      if (at === 'before') abort();
      if (at === 'request') setTimeout(abort, 30);
      /** @param {{ state: string }} options */
      const onState = ({ state }) => state === at && abort();
      const options = { ...QUICK, signal: controller.signal, onState, retryMilliseconds: 3_600_000 };
      await assert.rejects(async () => {
        const source = await openDownload(server.url, options);
        if (at === 'read') setTimeout(abort, 30);
        if (at === 'opened') abort();
        await readAll(source);
      }, code('CANCELLED'));
      await settled(server);
      // Nor is anything asked for afterwards.
      await new Promise((resolve) => setTimeout(resolve, 30));
      const { length } = server.requests;
      assert.ok(length >= asked.least && length <= asked.most, `${length} requests`);
    });
  }

  test('by close() leaves nothing either, and what is read afterwards is CANCELLED', async () => {
    const server = await serverOf(random(8 << 20, 5), { fault: () => ({ stallAfter: 100 }) });
    const source = await openDownload(server.url, QUICK);
    const reading = source.read().then(() => source.read());
    await source.close();
    await source.close();
    await assert.rejects(reading, code('CANCELLED'));
    await assert.rejects(source.read(), code('CANCELLED'));
    await settled(server);
  });

  test('lets the process end: no timer and no socket holds it', async () => {
    const server = await serverOf(content, {
      fault: ({ index }) => (index < 2 ? { stallAfter: 1000 } : { status: 503 }),
    });
    const program = `
      import { openDownload } from ${JSON.stringify(new URL('../../js/download/download.js', import.meta.url).href)};
      const controller = new AbortController();
      const options = { signal: controller.signal, retryMilliseconds: 3_600_000, stallMilliseconds: 3_600_000 };
      const source = await openDownload(${JSON.stringify(server.url)}, { ...options, rangeBytes: 65536 });
      await source.read();
      setTimeout(() => controller.abort(), 100);
      await source.read().catch((error) => console.log(error.code));`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { timeout: 60_000 });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    const [status] = await once(child, 'close');
    assert.deepEqual([status, output], [0, 'CANCELLED\n']);
  });
});
