import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseRange, serve } from '../../web/serve.js';
import { portOf } from '../port.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

const MODEL = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));

/** @type {string} */
let root;
/** @type {string} */
let site;
/** @type {{ url: string, others: string[], close: () => Promise<void> }} */
let server;

before(async () => {
  root = mkdtempSync(join(tmpdir(), 'nibble-server-'));
  site = join(root, 'site');
  for (const folder of ['nibble', 'models', 'icons', 'docs']) mkdirSync(join(site, folder), { recursive: true });
  writeFileSync(join(site, 'index.html'), '<!doctype html><title>Page</title>');
  writeFileSync(join(site, 'docs/index.html'), '<!doctype html><title>Reference</title>');
  writeFileSync(join(site, '.hidden.js'), 'hidden');
  writeFileSync(join(site, 'empty.css'), '');
  writeFileSync(join(site, 'sw.js'), '');
  writeFileSync(join(site, 'manifest.webmanifest'), '{}');
  writeFileSync(join(site, 'icons/icon.svg'), '<svg/>');
  writeFileSync(join(site, 'icons/icon-192.png'), '');
  writeFileSync(join(site, 'nibble/index.js'), 'export {};');
  writeFileSync(join(site, 'nibble/nibble-simd128.wasm'), Buffer.from([0, 97, 115, 109]));
  writeFileSync(join(site, 'nibble/.sources'), 'a record of the build');
  writeFileSync(join(site, 'models/model.gguf'), MODEL);
  writeFileSync(join(site, 'models/catalog.json'), '[]');
  writeFileSync(join(site, 'models/train.py'), 'not for the page');
  writeFileSync(join(root, 'secret.js'), 'not for the page');
  symlinkSync(join(root, 'secret.js'), join(site, 'link.js'));
  mkdirSync(join(site, 'folder.js'));
  server = await serve({ port: 0, host: '127.0.0.1', root: site });
});

after(async () => {
  await server.close();
  rmSync(root, { recursive: true, force: true });
});

/**
 * Sends the path exactly as given, which fetch() would clean up first.
 * @param {string} path
 * @param {{ method?: string | undefined, headers?: {} | undefined }} [options]
 */
function get(path, { method = 'GET', headers = {} } = {}) {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers }, (response) => {
      /** @type {Buffer[]} */
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces) }),
      );
    });
    sent.on('error', reject);
    sent.end();
  });
}

describe('what is served', () => {
  const FILES = {
    '/': 'text/html; charset=utf-8',
    '/index.html': 'text/html; charset=utf-8',
    '/index.html?query': 'text/html; charset=utf-8',
    '/nibble/index.js': 'text/javascript; charset=utf-8',
    '/nibble/nibble-simd128.wasm': 'application/wasm',
    '/models/model.gguf': 'application/octet-stream',
    '/models/catalog.json': 'application/json; charset=utf-8',
    '/manifest.webmanifest': 'application/manifest+json; charset=utf-8',
    '/icons/icon.svg': 'image/svg+xml',
    '/icons/icon-192.png': 'image/png',
  };
  for (const [path, type] of Object.entries(FILES)) {
    test(`${path} comes as ${type}`, async () => {
      const { status, headers } = await get(path);
      assert.equal(status, 200);
      assert.equal(headers['content-type'], type);
    });
  }

  test('every response isolates the page, errors too', async () => {
    for (const path of ['/', '/nibble/index.js', '/absent.js']) {
      const { headers } = await get(path);
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
      assert.equal(headers['cross-origin-embedder-policy'], 'require-corp');
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.match(headers['content-security-policy'], /default-src 'none'/);
    }
  });

  test("the page's own policy is the one that the server sends", async () => {
    const html = readFileSync(new URL('../../web/index.html', import.meta.url), 'utf8');
    const [, policy] = present(/http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(html));
    const { headers } = await get('/');
    assert.equal(headers['content-security-policy'], `${policy}; frame-ancestors 'none'`);
  });

  test('the service worker may have the whole site, and is asked for anew each time', async () => {
    const { headers } = await get('/sw.js');
    assert.equal(headers['service-worker-allowed'], '/');
    assert.equal(headers['cache-control'], 'no-cache');
    assert.equal((await get('/nibble/index.js')).headers['service-worker-allowed'], undefined);
  });

  test('HEAD gives the headers of GET and no body', async () => {
    const { status, headers, body } = await get('/models/model.gguf', { method: 'HEAD' });
    assert.equal(status, 200);
    assert.equal(headers['content-length'], String(MODEL.length));
    assert.equal(headers['accept-ranges'], 'bytes');
    assert.equal(body.length, 0);
  });

  test('a folder is the page in it, which has a slash at its end', async () => {
    assert.match((await get('/docs/')).body.toString(), /Reference/);
    const { status, headers } = await get('/docs');
    assert.deepEqual([status, headers.location], [301, '/docs/']);
    for (const path of ['//docs', '/models', '/models/', '/docs//', '/..%2f'])
      assert.equal((await get(path)).status, 404, path);
  });

  test('an empty file is a whole file', async () => {
    const { status, headers } = await get('/empty.css');
    assert.deepEqual([status, headers['content-length']], [200, '0']);
  });

  test('an unchanged file is not sent again', async () => {
    const first = await get('/models/model.gguf');
    const second = await get('/models/model.gguf', { headers: { 'If-None-Match': first.headers.etag } });
    assert.deepEqual([second.status, second.body.length], [304, 0]);
  });

  test('other methods are refused', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const { status, headers } = await get('/', { method });
      assert.deepEqual([status, headers.allow], [405, 'GET, HEAD']);
    }
  });
});

describe('what is not served', () => {
  const REFUSED = [
    '/absent.js',
    '/serve.js',
    '/.hidden.js',
    '/nibble/.sources',
    '/nibble/',
    '/models/train.py',
    '/models/',
    '/link.js',
    '/folder.js',
    '/site/index.html',
    '/.hidden.js/../index.html',
    '/secret.js',
    '/../secret.js',
    '/..%2fsecret.js',
    '/%2e%2e/secret.js',
    '/%2e%2e%2fsecret.js',
    '/%252e%252e%252fsecret.js',
    '/nibble/../../secret.js',
    '/nibble/..%2f..%2fsecret.js',
    '/nibble/%2e%2e/%2e%2e/secret.js',
    '/models/..%5c..%5csecret.js',
    '//secret.js',
    '/nibble//index.js',
    '/index.html%00.js',
    '/%',
    '/%c0%ae%c0%ae/secret.js',
    '/index.html/',
  ];
  for (const path of REFUSED) {
    test(path, async () => {
      const { status, body } = await get(path);
      assert.equal(status, 404);
      assert.ok(!body.includes('not for the page'));
    });
  }
});

describe('ranges', () => {
  const CASES = [
    ['bytes=0-9', 206, 0, 10],
    ['bytes=990-', 206, 990, 1000],
    ['bytes=-5', 206, 995, 1000],
    ['bytes=-5000', 206, 0, 1000],
    ['bytes=990-5000', 206, 990, 1000],
    ['bytes=999-999', 206, 999, 1000],
    ['bytes=9-3', 200, 0, 1000],
    ['bytes=0-1,5-6', 200, 0, 1000],
    ['items=0-9', 200, 0, 1000],
    ['bytes=-', 200, 0, 1000],
  ];
  for (const [range, expected, start, end] of untyped(CASES)) {
    test(`${range} gives ${expected} and bytes ${start} to ${end - 1}`, async () => {
      const { status, headers, body } = await get('/models/model.gguf', { headers: { Range: range } });
      assert.equal(status, expected);
      assert.deepEqual(body, MODEL.subarray(start, end));
      assert.equal(headers['content-length'], String(end - start));
      assert.equal(headers['content-range'], expected === 206 ? `bytes ${start}-${end - 1}/1000` : undefined);
    });
  }

  for (const range of ['bytes=1000-', 'bytes=5000-6000', 'bytes=-0']) {
    test(`${range} lies outside`, async () => {
      const { status, headers } = await get('/models/model.gguf', { headers: { Range: range } });
      assert.deepEqual([status, headers['content-range']], [416, 'bytes */1000']);
    });
  }

  test('a file that has changed since is sent whole', async () => {
    const headers = { Range: 'bytes=0-9', 'If-Range': '"of-before"' };
    assert.equal((await get('/models/model.gguf', { headers })).status, 200);
    const { etag } = (await get('/models/model.gguf')).headers;
    assert.equal((await get('/models/model.gguf', { headers: { ...headers, 'If-Range': etag } })).status, 206);
  });

  test('an empty file has no ranges', () => {
    assert.equal(parseRange('bytes=0-', 0), 'outside');
    assert.equal(parseRange('bytes=-1', 0), 'outside');
    assert.equal(parseRange(undefined, 0), 'whole');
  });
});

test('a port that is taken is passed over', async () => {
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const port = portOf(other);
  const second = await serve({ port, host: '127.0.0.1', root: site });
  assert.notEqual(Number(new URL(second.url).port), port);
  assert.equal((await fetch(second.url)).status, 200);
  await second.close();
  await new Promise((resolve) => other.close(resolve));
});

test('listening on all addresses, the server names those that can be opened', async () => {
  for (const host of ['0.0.0.0', '::']) {
    const open = await serve({ port: 0, host, root: site });
    try {
      for (const url of [open.url, ...open.others]) {
        assert.doesNotMatch(url, /0\.0\.0\.0|\[::\]/);
        assert.equal((await fetch(url)).status, 200, url);
      }
      assert.ok(open.others.every((url) => !/127\.|localhost/.test(url)));
    } finally {
      await open.close();
    }
  }
});

describe('the command line', () => {
  const REFUSED = [
    ['--port', 'abc'],
    ['--port', ''],
    ['--port', '65536'],
    ['--port', '1.5'],
    ['--port', '-1'],
    ['--prot', '1'],
  ];
  for (const args of REFUSED) {
    test(`refuses ${args.join(' ')} in one sentence`, () => {
      const script = fileURLToPath(new URL('../../web/serve.js', import.meta.url));
      const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
        encoding: 'utf8',
        timeout: 20_000,
      });
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, /^.*--pr?o(rt|t).*\n$/);
    });
  }
});
