// The parts of the library that need no wasm.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { openAsBlob, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { NibbleError } from '../../js/base/errors.js';
import { contentLength, nameOf } from '../../js/download/http-headers.js';
import { createStopMatcher } from '../../js/generate/stop-strings.js';
import { decodeValue, typeName } from '../../js/gguf/metadata.js';
import { Client } from '../../js/protocol/client.js';
import { call, cancel, errorReply, readCall, readReply } from '../../js/protocol/messages.js';
import { START_SECONDS } from '../../js/protocol/time-limit.js';
import { describeSource } from '../../js/sources/descriptor.js';
import { openFile } from '../../js/sources/file.node.js';
import { openSource } from '../../js/sources/source.js';
import { serve } from '../../js/worker/serve.js';
import { code } from '../errors.js';
import { portOf } from '../port.js';
import { temporaryFolder } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').Server} Server */
/** @typedef {import('node:http').ServerResponse} ServerResponse */

describe('stop strings', () => {
  /** @param {string[]} stops @param {string[]} pieces */
  const feed = (stops, pieces) => {
    const matcher = createStopMatcher(stops);
    const texts = [];
    for (const piece of pieces) {
      const { text, stopped } = matcher.push(piece);
      texts.push(text);
      if (stopped !== null) return { texts, stopped };
    }
    return { texts: [...texts, matcher.flush()], stopped: null };
  };

  test('text that may begin a stop string is held back, and given when it turns out not to', () => {
    assert.deepEqual(feed(['END'], ['ab E', 'N', 'x']), { texts: ['ab ', '', 'ENx', ''], stopped: null });
  });

  test('a stop string over several pieces is found, and nothing of it is given', () => {
    assert.deepEqual(feed(['END'], ['ab E', 'N', 'D more']), { texts: ['ab ', '', ''], stopped: 'END' });
  });

  test('the first that is complete wins, then the longest', () => {
    assert.deepEqual(feed(['abcd', 'bc', 'c'], ['abcd']), { texts: ['a'], stopped: 'bc' });
  });

  test('a stop string that begins with itself is found', () => {
    assert.deepEqual(feed(['aab'], ['a', 'a', 'a', 'b']), { texts: ['', '', 'a', ''], stopped: 'aab' });
  });

  test('what is held at the end is given', () => {
    assert.deepEqual(feed(['END'], ['EN']), { texts: ['', 'EN'], stopped: null });
  });

  test('random texts: the pieces make up the text before the first stop string', () => {
    let state = 7;
    /** @param {number} bound */
    const random = (bound) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % bound;
    };
    for (let round = 0; round < 2000; round++) {
      /** @param {number} most */
      const word = (most) => Array.from({ length: 1 + random(most) }, () => 'ab'[random(2)]).join('');
      const stops = [word(4), word(4)];
      const pieces = Array.from({ length: random(8) }, () => word(3));
      const whole = pieces.join('');
      const found = stops.filter((stop) => whole.includes(stop));
      const end = Math.min(...found.map((stop) => whole.indexOf(stop) + stop.length));
      const places = found.map((stop) => whole.indexOf(stop)).filter((place, i) => place + found[i].length === end);
      const { texts, stopped } = feed(stops, pieces);
      assert.equal(texts.join(''), whole.slice(0, Math.min(...places, whole.length)), `${stops} in ${pieces}`);
      assert.equal(stopped !== null, places.length > 0);
    }
  });

  test('random texts with markers between: each kind is found in what it looks at, and no marker is given', () => {
    let state = 3;
    /** @param {number} bound */
    const random = (bound) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % bound;
    };
    /** @param {number} most @param {string} alphabet */
    const letters = (most, alphabet) =>
      Array.from({ length: 1 + random(most) }, () => alphabet[random(alphabet.length)]);
    let stops = 0;
    for (let round = 0; round < 3000; round++) {
      const [plain, marked] = [letters(3, 'ab').join(''), `${letters(2, 'ab|').join('')}|`];
      const matcher = createStopMatcher([plain], [marked]);
      let [shown, full, given] = ['', '', ''];
      /** @type {string | null} */
      let expected = null;
      for (const piece of letters(9, 'ab|')) {
        full += piece;
        if (piece !== '|') shown += piece;
        const { text, stopped } = matcher.push(piece === '|' ? '' : piece, piece === '|' ? '|' : '');
        given += text;
        assert.ok(shown.startsWith(given), `${given} of ${shown}`);
        const ends = [];
        if (shown.includes(plain)) ends.push(shown.indexOf(plain));
        if (full.includes(marked)) ends.push(full.slice(0, full.indexOf(marked)).replaceAll('|', '').length);
        if (ends.length > 0) expected = shown.slice(0, Math.min(...ends));
        assert.equal(stopped !== null, expected !== null, `${plain} and ${marked} in ${full}`);
        if (expected !== null) break;
      }
      stops += expected === null ? 0 : 1;
      if (expected === null) given += matcher.flush();
      assert.equal(given, expected ?? shown, `${plain} and ${marked} in ${full}`);
    }
    assert.ok(stops > 500, `${stops} stopped`);
  });
});

describe('protocol', () => {
  test('calls and replies that are none are refused', () => {
    for (const data of [null, 5, {}, { id: 0, method: 'load' }, { id: 1 }, { id: 1, method: 'constructor' }]) {
      assert.throws(() => readCall(data), code('PROTOCOL_ERROR'), JSON.stringify(data));
    }
    assert.throws(() => readCall({ id: 1, method: 'cancel', params: {} }), code('PROTOCOL_ERROR'));
    for (const data of [undefined, 'x', { id: 1 }, { result: 1 }]) {
      assert.throws(() => readReply(data), code('PROTOCOL_ERROR'), JSON.stringify(data));
    }
    assert.deepEqual(readCall(call(1, 'load', {})), { id: 1, method: 'load', params: {} });
    assert.deepEqual(readCall(cancel(2, 1)), { id: 2, method: 'cancel', params: { target: 1 } });
  });

  test('errors cross whole, with code, message and cause', () => {
    const error = new NibbleError('GGUF_BAD_MAGIC', 'Not a model.', { cause: new TypeError('why') });
    const reply = readReply(structuredClone(errorReply(3, error)));
    assert.ok(reply.kind === 'error');
    assert.equal(reply.error.code, 'GGUF_BAD_MAGIC');
    assert.equal(reply.error.message, 'Not a model.');
    assert.equal(untyped(reply.error.cause).message, 'why');
    const other = readReply(errorReply(3, new TypeError('oops')));
    assert.equal(other.kind === 'error' && other.error.code, 'INTERNAL');
  });
});

/** @typedef {import('../../js/protocol/client.js').WorkerPort} WorkerPort */

describe('client', () => {
  /**
   * A port whose other side is the test: it has what was sent, and the handlers of what comes.
   * @typedef {Required<WorkerPort> & Parameters<WorkerPort['listen']>[0] & { sent: Sent[], terminated: number, alive: boolean[] }} FakePort
   * @typedef {{ id: number, method: string, params: Record<string, unknown> }} Sent
   * @returns {FakePort}
   */
  function fakePort() {
    const port = { sent: /** @type {Sent[]} */ ([]), terminated: 0, alive: /** @type {boolean[]} */ ([]) };
    return Object.assign(port, {
      /** @param {object} message */
      post: (message) => void port.sent.push(structuredClone(/** @type {Sent} */ (message))),
      /** @param {Parameters<WorkerPort['listen']>[0]} handlers */
      listen: (handlers) => void Object.assign(port, handlers),
      terminate: async () => {
        port.terminated++;
      },
      /** @param {boolean} busy */
      keepAlive: (busy) => void port.alive.push(busy),
      // Those of whoever listens come in their place.
      ...{ onMessage() {}, onFailure() {}, onStarted() {} },
    });
  }

  test('replies are matched by id, whatever their order', async () => {
    const port = fakePort();
    const client = new Client(port);
    const [first, second] = [client.call('memory', {}), client.call('tokenize', untyped({}))];
    port.onMessage({ id: 2, result: 'second' });
    port.onMessage({ id: 99, result: 'nobody asked' });
    port.onMessage({ id: 1, result: 'first' });
    assert.deepEqual(await Promise.all([first, second]), ['first', 'second']);
    assert.deepEqual(port.alive, [false, true, true, false]);
  });

  test('when the worker dies, calls that wait and calls to come are rejected', async () => {
    const port = fakePort();
    const client = new Client(port);
    const waiting = client.call('evaluate', untyped({}));
    port.onFailure('it exited with code 1');
    await assert.rejects(waiting, code('WORKER_FAILED'));
    await assert.rejects(client.call('memory', {}), code('WORKER_FAILED'));
    assert.equal(port.terminated, 1);
  });

  test('a worker that gives no sign of life fails its calls, and none that has given one', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    /** @param {FakePort} port */
    const minute = (port) => {
      const client = new Client(port);
      const waiting = client.call('load', untyped({}));
      return { client, waiting };
    };
    const [silent, started, answering] = [fakePort(), fakePort(), fakePort()];
    const { waiting, client } = minute(silent);
    const others = [minute(started), minute(answering)];
    started.onStarted();
    answering.onMessage({ id: 1, event: {} });
    // A machine that sleeps wakes to one late tick; it takes many of them.
    for (let second = 0; second < START_SECONDS - 1; second++) t.mock.timers.tick(1000);
    assert.equal(silent.terminated, 0);
    t.mock.timers.tick(1000);
    await assert.rejects(waiting, { code: 'WORKER_FAILED', message: /has not started within 60 seconds/ });
    assert.equal((await client.ended).code, 'WORKER_FAILED');
    assert.equal(silent.terminated, 1);
    t.mock.timers.tick(1000 * START_SECONDS);
    for (const [index, port] of [started, answering].entries()) {
      port.onMessage({ id: 1, result: index });
      assert.equal(await others[index].waiting, index);
      assert.equal(port.terminated, 0);
    }
  });

  test('a reply that is none ends the worker', async () => {
    const port = fakePort();
    const client = new Client(port);
    const waiting = client.call('memory', {});
    port.onMessage({ nonsense: true });
    await assert.rejects(waiting, code('PROTOCOL_ERROR'));
    assert.equal(port.terminated, 1);
  });

  test('a signal sends a cancel for its call, once', async () => {
    const port = fakePort();
    const client = new Client(port);
    const controller = new AbortController();
    const waiting = client.call('complete', {}, { signal: controller.signal });
    controller.abort();
    assert.deepEqual(port.sent[1], { id: 2, method: 'cancel', params: { target: 1 } });
    port.onMessage({ id: 1, result: 'partial' });
    assert.equal(await waiting, 'partial');
    assert.equal(port.sent.length, 2);
    client.call('complete', {}, { signal: AbortSignal.abort() }).catch(() => {});
    const order = port.sent.slice(2).map(({ method, params }) => [method, params.target]);
    assert.deepEqual(order, [
      ['cancel', 3],
      ['complete', undefined],
    ]);
  });

  test('an onEvent that throws cancels its call and is its error; other calls go on', async () => {
    for (const onEvent of [
      () => {
        throw new RangeError('mine');
      },
      async () => {
        throw new RangeError('mine');
      },
    ]) {
      const port = fakePort();
      const client = new Client(port);
      const failing = client.call('complete', {}, { onEvent });
      const other = client.call('memory', {});
      port.onMessage({ id: 1, event: { text: 'a', token: 1 } });
      await assert.rejects(failing, /^RangeError: mine/);
      assert.deepEqual(port.sent.at(-1), { id: 3, method: 'cancel', params: { target: 1 } });
      port.onMessage({ id: 1, event: { text: 'b', token: 2 } });
      port.onMessage({ id: 1, result: 'nobody waits' });
      port.onMessage({ id: 2, result: 'there' });
      assert.equal(await other, 'there');
      assert.equal(port.alive.at(-1), false);
      assert.equal(port.terminated, 0);
    }
  });

  test('what cannot be sent is an error of the call', async () => {
    const client = new Client(fakePort());
    await assert.rejects(client.call('render', untyped({ messages: [() => {}] })), code('INVALID_ARGUMENT'));
  });
});

test('after a crash of the wasm code, the worker refuses everything', async () => {
  /** @type {ReturnType<typeof readReply>[]} */
  const replies = [];
  /** @type {(message: unknown) => void} */
  let send = () => {};
  const port = {
    /** @param {object} message */
    post: (message) => replies.push(readReply(structuredClone(message))),
    /** @param {(message: unknown) => void} onMessage */
    listen: (onMessage) => {
      send = onMessage;
    },
  };
  const startRuntime = async () => {
    throw new WebAssembly.RuntimeError('unreachable');
  };
  serve(port, { startRuntime, threads: 1, maxThreads: 1 });
  send('nonsense is ignored');
  send({ id: 7, method: 'no such method' });
  send(call(1, 'load', { source: { blob: new Blob(['x']), name: 'x' }, wasm: {}, options: {} }));
  send(call(2, 'evaluate', { tokens: [1] }));
  while (replies.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.deepEqual(
    replies.map((reply) => reply.kind === 'error' && [reply.id, reply.error.code]),
    [
      [7, 'PROTOCOL_ERROR'],
      [1, 'ENGINE_CRASHED'],
      [2, 'ENGINE_CRASHED'],
    ],
  );
});

describe('metadata values', () => {
  test('numbers, big numbers, booleans, strings and arrays', () => {
    /** @param {ArrayBufferView<ArrayBuffer>} array */
    const bytes = (array) => new Uint8Array(array.buffer);
    /** @param {number} type @param {ArrayBufferView<ArrayBuffer>} array */
    const scalar = (type, array) => decodeValue({ type, element: type, count: 1 }, bytes(array));
    assert.equal(scalar(5, Int32Array.of(-7)), -7);
    assert.equal(scalar(10, BigUint64Array.of(5n)), 5);
    assert.equal(scalar(10, BigUint64Array.of(2n ** 63n)), 2n ** 63n);
    assert.equal(scalar(11, BigInt64Array.of(-(2n ** 62n))), -(2n ** 62n));
    assert.equal(scalar(7, Uint8Array.of(1)), true);
    const text = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0, ...new TextEncoder().encode('aé'));
    assert.equal(decodeValue({ type: 8, element: 8, count: 1 }, text), 'aé');
    const two = Uint8Array.of(...text, ...text);
    assert.deepEqual(decodeValue({ type: 9, element: 8, count: 2 }, two), ['aé', 'aé']);
    assert.deepEqual(decodeValue({ type: 9, element: 7, count: 2 }, Uint8Array.of(0, 1)), [false, true]);
    assert.equal(typeName({ type: 9, element: 8 }), 'string[]');
    // Values lie at any offset in a file.
    const odd = bytes(Float32Array.of(0, 1.5, -2));
    const shifted = new Uint8Array([9, ...odd.slice(4)]).subarray(1);
    assert.deepEqual(decodeValue({ type: 9, element: 6, count: 2 }, shifted), Float32Array.of(1.5, -2));
  });
});

describe('sources', () => {
  const content = Uint8Array.from({ length: 10_000_000 }, (_, index) => (index * 7) & 255);
  /** @type {string} */
  let folder;
  /** @type {import('node:http').Server} */
  let server;
  /** @type {string} */
  let origin;

  before(async () => {
    folder = temporaryFolder();
    writeFileSync(join(folder, 'model.gguf'), content);
    server = createServer((request, response) => {
      /** @type {Record<string, () => unknown>} */
      const routes = {
        '/models/a%20b.gguf': () => response.writeHead(200, { 'content-length': content.length }).end(content),
        '/chunked': () => response.writeHead(200).end(content),
        '/page': () => response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<html>'),
        '/broken': () => {
          response.writeHead(200, { 'content-length': content.length });
          response.write(content.subarray(0, 1000), () => response.destroy());
        },
      };
      (routes[request.url ?? ''] ?? (() => response.writeHead(404).end()))();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    origin = `http://127.0.0.1:${portOf(server)}`;
  });

  after(() => server.close());

  /** @param {string} text */
  const locate = (text) => (text.startsWith('http') ? { url: text } : { path: text });

  /** @param {import('../../js/base/public-types.js').ModelSource} model */
  async function readAll(model) {
    const { descriptor, transfer, close } = describeSource(model, locate);
    // As it crosses to the worker.
    const crossed = structuredClone(descriptor, { transfer });
    const source = await openSource(crossed, { openPath: openFile, download: { retryMilliseconds: 1 } });
    try {
      const bytes = new Uint8Array(content.length);
      let position = 0;
      for (let piece = await source.read(); piece !== null; piece = await source.read()) {
        bytes.set(piece, position);
        position += piece.length;
      }
      return { ...source, bytes: bytes.subarray(0, position) };
    } finally {
      await source.close();
      close();
    }
  }

  /** @param {Uint8Array<ArrayBuffer>[] | string[]} pieces */
  const stream = (pieces) =>
    new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(piece);
        controller.close();
      },
    });

  test('every kind of source gives the same bytes, with the size where it is known', async () => {
    const middle = content.subarray(5, 9_000_005);
    /** @type {[string, import('../../js/base/public-types.js').ModelSource, Uint8Array, number | null, string][]} */
    const cases = [
      ['path', join(folder, 'model.gguf'), content, content.length, 'model.gguf'],
      ['URL', `${origin}/models/a%20b.gguf`, content, content.length, 'a b.gguf'],
      ['URL object', new URL(`${origin}/models/a%20b.gguf`), content, content.length, 'a b.gguf'],
      ['URL without a length', `${origin}/chunked`, content, null, 'chunked'],
      ['Blob', new Blob([content]), content, content.length, 'model'],
      ['Blob of a file on disk', await openAsBlob(join(folder, 'model.gguf')), content, content.length, 'model'],
      ['File', new File([content], 'x.gguf'), content, content.length, 'x.gguf'],
      ['ArrayBuffer', content.buffer, content, content.length, 'model'],
      ['Uint8Array', middle, middle, middle.length, 'model'],
      ['stream', stream([content.subarray(0, 10), content.subarray(10)]), content, null, 'model'],
      ['Response', await fetch(`${origin}/models/a%20b.gguf`), content, null, 'a b.gguf'],
      ['stream with a size', { stream: stream([content]), size: 1e7, name: 'm' }, content, 1e7, 'm'],
      ['nothing', new Uint8Array(0), new Uint8Array(0), 0, 'model'],
    ];
    for (const [kind, model, expected, size, name] of cases) {
      const source = await readAll(model);
      assert.ok(Buffer.compare(source.bytes, expected) === 0, `${kind}: the bytes`);
      assert.equal(source.size, size, `${kind}: the size`);
      assert.equal(source.name, name, `${kind}: the name`);
    }
    assert.equal(content.buffer.byteLength, 10_000_000, 'the caller keeps its bytes');
  });

  test('what goes wrong has a code and says what', async () => {
    const failing = new ReadableStream({
      pull(controller) {
        controller.error(new Error('the disk is gone'));
      },
    });
    /** @type {[import('../../js/base/public-types.js').ModelSource, string, RegExp][]} */
    const cases = [
      [join(folder, 'absent.gguf'), 'SOURCE_UNREADABLE', /no such file/],
      [folder, 'SOURCE_UNREADABLE', /folder/],
      [`${origin}/absent`, 'DOWNLOAD_FAILED', /404/],
      [`${origin}/page`, 'DOWNLOAD_NOT_A_MODEL', /web page/],
      [`${origin}/broken`, 'DOWNLOAD_FAILED', /broke off/],
      ['http://127.0.0.1:1/x', 'DOWNLOAD_FAILED', /failed/],
      [failing, 'SOURCE_UNREADABLE', /the disk is gone/],
      [stream(['text']), 'SOURCE_UNREADABLE', /not a Uint8Array/],
    ];
    for (const [model, expected, message] of cases) {
      await assert.rejects(
        readAll(model),
        (/** @type {NibbleError} */ error) => code(expected)(error) && message.test(error.message),
        expected,
      );
    }
    for (const model of [undefined, null, '', 5, {}, { stream: stream([]), size: -1 }]) {
      await assert.rejects(readAll(untyped(model)), code('INVALID_ARGUMENT'));
    }
    const read = new Response(content);
    await read.arrayBuffer();
    for (const [response, reason] of untyped([
      [await fetch(`${origin}/absent`), /has status 404/],
      [read, /was read already/],
      [new Response(null), /has no body/],
    ])) {
      await assert.rejects(
        readAll(response),
        (/** @type {NibbleError} */ error) => code('INVALID_ARGUMENT')(error) && reason.test(error.message),
      );
    }
  });

  test('the length of a compressed body is not taken for the length of the file', () => {
    assert.equal(contentLength(new Headers({ 'content-length': '12' })), 12);
    assert.equal(contentLength(new Headers({ 'content-length': '12', 'content-encoding': 'gzip' })), null);
    assert.equal(contentLength(new Headers({ 'content-length': 'many' })), null);
    assert.equal(nameOf('https://example.org/a/%E2%9C.gguf?x=/y'), '%E2%9C.gguf');
  });
});
