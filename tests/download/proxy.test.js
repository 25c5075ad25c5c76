// In Node, files come through the proxy that the environment names: of an engine's worker, of the hub, of the command line.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { proxyFetch } from '../../js/download/proxy.node.js';
import { parseRange } from '../../web/serve.js';
import { selfSigned } from '../certificate.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';

// No name server knows it: only the proxy can lead there.
const HOST = 'models.example';
const USER = 'reader:p%40ss';
const CLI = fileURLToPath(new URL('../../js/cli.js', import.meta.url));
const run = promisify(execFile);

/** What each server was asked. @type {{ method: string, url: string, headers: import('node:http').IncomingHttpHeaders }[]} */
const asked = [];
/** @type {(() => void)[]} */
const closing = [];
/** @type {Buffer} */
let bytes;
let model = { plain: '', secure: '' };
let proxy = '';
let cert = '';

/** @param {import('node:http').Server} server @returns {Promise<number>} its port */
async function listen(server) {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port;
}

/** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
function serveModel(request, response) {
  const { pathname } = new URL(request.url ?? '', 'http://localhost');
  if (pathname === '/moved.gguf') return response.writeHead(302, { location: '/model.gguf' }).end();
  if (pathname === '/packed') return response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('unpacked'));
  if (pathname !== '/model.gguf') return response.writeHead(404).end();
  const range = parseRange(request.headers.range, bytes.length);
  const { start, end } = typeof range === 'string' ? { start: 0, end: bytes.length - 1 } : range;
  const headers = { 'content-range': `bytes ${start}-${end}/${bytes.length}`, etag: '"one"' };
  response.writeHead(range === 'whole' ? 200 : 206, headers).end(bytes.subarray(start, end + 1));
}

/** @param {Record<string, number>} ports by protocol */
function proxyServer(ports) {
  const note = (/** @type {import('node:http').IncomingMessage} */ { method = '', url = '', headers }) => {
    asked.push({ method, url, headers });
    return headers['proxy-authorization'] === `Basic ${Buffer.from(decodeURIComponent(USER)).toString('base64')}`;
  };
  const server = createServer((request, response) => {
    if (!note(request)) return response.writeHead(407).end();
    serveModel(request, response);
  });
  server.on('connect', (request, socket, head) => {
    if (!note(request)) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    if (request.url !== `${HOST}:443`) return socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    const target = connect(ports.secure, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      target.write(head);
      target.pipe(socket);
      socket.pipe(target);
    });
    for (const end of [socket, target]) end.on('error', () => [socket, target].forEach((one) => void one.destroy()));
    closing.push(() => [socket, target].forEach((one) => void one.destroy()));
  });
  return server;
}

before(async () => {
  bytes = readFileSync(writeSmallModel());
  const own = selfSigned(HOST);
  cert = join(temporaryFolder(), 'ca.pem');
  writeFileSync(cert, own.cert);
  const secure = await listen(createSecureServer(own, serveModel));
  proxy = `127.0.0.1:${await listen(proxyServer({ secure }))}`;
  model = { plain: `http://${HOST}/model.gguf`, secure: `https://${HOST}/model.gguf` };
});
after(() => closing.forEach((close) => void close()));

/** The command line with an environment. @param {string[]} args @param {Record<string, string>} environment */
async function cli(args, environment) {
  asked.length = 0;
  const { HTTPS_PROXY, https_proxy, HTTP_PROXY, http_proxy, NO_PROXY, no_proxy, ...rest } = process.env;
  const env = { ...rest, NODE_EXTRA_CA_CERTS: cert, ...environment };
  return run(process.execPath, [CLI, ...args], { env, timeout: 60_000 }).then(
    ({ stdout }) => ({ stdout, stderr: '' }),
    ({ stdout, stderr }) => ({ stdout, stderr }),
  );
}

describe('the proxy of the environment', () => {
  test('brings a file over https through a tunnel, and leaves the model between its server and us', async () => {
    const { stdout, stderr } = await cli(['info', `https://${HOST}/moved.gguf`, '--json'], {
      HTTPS_PROXY: `http://${USER}@${proxy}`,
    });
    assert.equal(stderr, '');
    assert.equal(JSON.parse(stdout).file.bytes, bytes.length);
    assert.ok(asked.length > 0);
    for (const { method, url, headers } of asked) {
      assert.deepEqual([method, url], ['CONNECT', `${HOST}:443`]);
      assert.equal(headers.range, undefined);
    }
  });

  test('brings a whole model, in parts, over http as well', async () => {
    const folder = temporaryFolder();
    const { stdout, stderr } = await cli(['models', 'import', model.plain, '--store', folder, '--json'], {
      http_proxy: `${USER}@${proxy}`,
    });
    assert.equal(stderr, '');
    assert.equal(JSON.parse(stdout).state, 'complete');
    assert.deepEqual([asked[0].method, asked[0].url], ['GET', model.plain]);
  });

  test('is asked for what the hub lists, and says so where it does not answer', async () => {
    const { stderr } = await cli(['info', 'owner/name'], {
      HF_ENDPOINT: `https://${HOST}`,
      HTTPS_PROXY: `http://${USER}@${proxy}`,
    });
    assert.match(stderr, /HUB_NOT_FOUND/);
    assert.ok(asked.some(({ method }) => method === 'CONNECT'));
    const dead = await cli(['info', model.secure], { HTTPS_PROXY: 'http://127.0.0.1:9' });
    assert.match(dead.stderr, /the proxy at 127\.0\.0\.1:9 cannot be reached: no server answers at this address/);
  });

  test('that wants to know who asks, or leads nowhere, is said by what it answered', async () => {
    const unknown = await cli(['info', model.secure], { HTTPS_PROXY: `http://${proxy}` });
    assert.match(unknown.stderr, /the proxy at .* wants to know who asks/);
    const plain = await cli(['info', model.plain], { HTTP_PROXY: `http://${proxy}` });
    assert.match(plain.stderr, /the proxy at .* wants to know who asks/);
    const nowhere = await cli(['info', 'https://elsewhere.example/x.gguf'], { HTTPS_PROXY: `http://${USER}@${proxy}` });
    assert.match(nowhere.stderr, /the proxy at .* answered 502/);
    assert.doesNotMatch(nowhere.stderr, /reader|p@ss|p%40ss/);
  });

  test('that is none is refused by the name of the variable, and its password not shown', async () => {
    const { stderr } = await cli(['info', model.secure], { HTTPS_PROXY: `socks5://${USER}@${proxy}` });
    assert.match(stderr, /HTTPS_PROXY/);
    assert.match(stderr, /socks5:/);
    assert.doesNotMatch(stderr, /reader|p%40ss/);
  });

  test('is passed over for the servers of NO_PROXY', async () => {
    const own = createServer((_request, response) => response.end('here'));
    const port = await listen(own);
    const through = async (/** @type {string} */ list) => {
      const fetch = proxyFetch({ http_proxy: 'http://127.0.0.1:9', no_proxy: list });
      const response = await fetch?.(`http://localhost:${port}/`, {}).catch(() => null);
      return response === null || response === undefined ? null : response.text();
    };
    for (const list of [
      'localhost',
      '*',
      'example.com, localhost',
      '.localhost',
      '*.localhost other',
      `localhost:${port}`,
      'LOCALHOST',
    ])
      assert.equal(await through(list), 'here', list);
    for (const list of ['', 'host', 'localhost:1', 'notlocalhost', 'example.com'])
      assert.equal(await through(list), null, list);
  });
});

test('an environment without a proxy has no fetch of its own', () => {
  assert.equal(proxyFetch({}), null);
  assert.equal(proxyFetch({ HTTP_PROXY: ' ', NO_PROXY: '*' }), null);
});

test('it answers as fetch() does: unpacked, its address, its signal', async () => {
  const fetch = proxyFetch({ http_proxy: `http://${USER}@${proxy}` }) ?? assert.fail();
  const response = await fetch(`http://${HOST}/packed`, { headers: { 'x-key': 'mine' } });
  assert.deepEqual([await response.text(), response.url, response.status], ['unpacked', `http://${HOST}/packed`, 200]);
  assert.equal(asked.at(-1)?.headers['x-key'], 'mine');
  await assert.rejects(fetch(model.plain, { signal: AbortSignal.abort() }), { name: 'AbortError' });
});
