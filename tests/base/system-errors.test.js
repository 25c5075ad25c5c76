// What a system or its network reports reaches people in words, wherever it comes from.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { isLasting, reasonOf } from '../../js/base/system-errors.js';
import { BufferPool } from '../../js/download/buffer-pool.js';
import { openDownload } from '../../js/download/download.js';
import { createEngine } from '../../js/index.node.js';
import { storeError } from '../../js/store/errors.js';
import { portOf } from '../port.js';
import { writeSmallModel } from '../small-model.js';

/** @typedef {import('node:http').IncomingMessage} IncomingMessage */
/** @typedef {import('node:http').Server} Server */
/** @typedef {import('node:http').ServerResponse} ServerResponse */
/** @typedef {import('../../js/download/backoff.js').Waiting} Waiting */

/** @param {string} code */
const coded = (code, message = `${code}: raw`) => Object.assign(new Error(message), { code });

describe('the reason of an error', () => {
  test('is in words for what systems and networks report, and never their own text', () => {
    const codes =
      'EACCES EDQUOT EISDIR EMFILE ENOENT ENOSPC ENOTDIR EPERM EROFS ECONNREFUSED ECONNRESET ENOTFOUND EAI_AGAIN';
    for (const code of codes.split(' ')) {
      assert.match(reasonOf(coded(code)), /^(it|its|no|not|the|there|a|too|something) [a-z ,;]+$/, code);
      assert.equal(reasonOf(new TypeError('fetch failed', { cause: coded(code) })), reasonOf(coded(code)));
    }
    assert.equal(reasonOf(coded('EWHATEVER')), 'the system reports EWHATEVER');
    assert.equal(reasonOf(new Error('Something of ours.')), 'Something of ours');
  });

  test('is found behind several addresses of one server', () => {
    const cause = Object.assign(new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')]), {
      code: 'ESTRANGE',
    });
    assert.equal(reasonOf(new TypeError('fetch failed', { cause })), 'no server answers at this address');
  });

  test('tells a certificate from a bad moment', () => {
    for (const code of ['CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE']) {
      assert.match(reasonOf(coded(code)), /certificate/);
      assert.equal(isLasting(coded(code)), true);
    }
    assert.equal(isLasting(coded('ECONNRESET')), false);
  });

  test('is told where a store fails', () => {
    const { code, message } = storeError(coded('EACCES', "EACCES: permission denied, mkdir '/x'"), 'Opening the store');
    assert.equal(code, 'STORE_UNAVAILABLE');
    assert.equal(message, 'Opening the store failed: the system does not permit it.');
  });
});

describe('a server that speaks otherwise', () => {
  /** @type {import('node:http').Server} */
  let server;
  before(async () => {
    server = createServer((_, response) => response.end('plain'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => server.close());

  test('https to a server of plain http: said in words, and not tried again', async () => {
    /** @type {({ state: 'receiving' } | Waiting)[]} */
    const states = [];
    const opening = openDownload(`https://127.0.0.1:${portOf(server)}/m.gguf`, {
      onState: (state) => states.push(state),
    });
    await assert.rejects(opening, ({ code, message }) => {
      assert.equal(code, 'DOWNLOAD_FAILED');
      assert.match(message, /failed: the server there speaks no https; try the address with http\./);
      return true;
    });
    assert.deepEqual(states, []);
  });
});

test('buffers of a stream that brings its own are not kept; those of the pool are used again', () => {
  const pool = new BufferPool();
  for (let index = 0; index < 20; index++) pool.give(new Uint8Array(pool.take().buffer.byteLength));
  assert.equal(pool.size, 1, 'the one that was taken');
  const own = new BufferPool();
  for (let index = 0; index < 20; index++) own.give(new Uint8Array(256 << 10));
  assert.equal(own.size, 0);
  const views = [pool.take(), pool.take()];
  for (const view of views) pool.give(view);
  assert.equal(pool.size, 2);
});

test('the folder of the wasm may be an address or a path, and one that is wrong is told in words', async () => {
  const model = writeSmallModel();
  const folder = new URL('../../build/wasm/', import.meta.url);
  for (const wasmUrl of [folder, folder.href.replace(/\/$/, ''), 'build/wasm', pathToFileURL('build/wasm/')]) {
    await (await createEngine({ model, wasmUrl, threads: 1 })).unload();
  }
  await assert.rejects(createEngine({ model, wasmUrl: './nowhere', threads: 1 }), {
    code: 'WASM_UNAVAILABLE',
    message: /there is no such file/,
  });
});
