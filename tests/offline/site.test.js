// build/site/: the page as a folder that any static host can serve.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { SITE } from '../../js/bundle.js';
import { assess } from '../../js/hub/files.js';
import { filesBelow, ROOT } from '../../wasm/shell.js';
import { readAddress } from '../../web/models/address.js';
import { serve } from '../../web/serve.js';
import en from '../../web/strings/models.en.js';
import zh from '../../web/strings/models.zh.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

const site = join(ROOT, SITE);
/** @param {string} path */
const read = (path) => readFileSync(join(site, path));
const files = filesBelow([SITE]).map((path) => relative(site, path).split(sep).join('/'));
// The library's reference, which few visitors of the page read.
/** @param {string} path */
const isReference = (path) => path.startsWith('docs/');
/** @param {Uint8Array<ArrayBuffer>} bytes */
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const catalogue = JSON.parse(readFileSync(join(ROOT, 'models/catalog.json'), 'utf8'));

describe('the site', () => {
  test('the worker names no file of its own, which a bundler might have moved', () => {
    assert.ok(!/new Worker\(new URL|import\.meta/.test(read('nibble/worker.js').toString()));
    const library = read('nibble/index.js').toString();
    for (const name of ['worker.js', 'nibble-relaxed.wasm', 'nibble-simd128.wasm']) {
      assert.ok(library.includes(`new URL("./${name}",import.meta.url)`), `where bundlers look for ${name}`);
    }
  });

  test('holds the page, the library, the included model and what an installed page needs', () => {
    const wanted = [
      ...['index.html', 'app.js', 'app.css', 'sw.js', 'manifest.webmanifest', 'models/catalog.json'],
      ...['nibble/index.js', 'nibble/worker.js', 'nibble/nibble-relaxed.wasm', 'nibble/nibble-simd128.wasm'],
      ...['models/nibble-tiny.gguf', 'icons/icon.svg', 'icons/icon-192.png', 'icons/icon-512.png'],
    ];
    assert.deepEqual(
      wanted.filter((path) => !files.includes(path)),
      [],
    );
    assert.ok(!files.includes('serve.js'), 'the server is no part of the page');
  });

  test('names only files that it holds', () => {
    const html = read('index.html').toString();
    const named = [...html.matchAll(/(?:href|src)="([^"#]+)"/g)].map(([, path]) => path);
    for (const path of ['app.js', 'app.css', 'manifest.webmanifest', 'icons/icon.svg', 'icons/apple-touch-icon.png']) {
      assert.ok(named.includes(path), path);
    }
    assert.deepEqual(
      named.filter((path) => !files.includes(path)),
      [],
    );
  });

  test('is listed in its service worker file by file, each by its content', () => {
    const worker = read('sw.js').toString();
    const listed = [...worker.matchAll(/path:"([^"]+)",sha256:"([0-9a-f]{64})"/g)];
    const found = Object.fromEntries(listed.map(([, path, hash]) => [path, hash]));
    /** @param {string[]} paths */
    const hashed = (paths) => paths.map((path) => [path, sha256(read(path))]);
    const page = files.filter((path) => path !== 'sw.js' && !isReference(path));
    assert.deepEqual(found, Object.fromEntries(hashed([...page, 'docs/files.json'])));
    const reference = JSON.parse(read('docs/files.json').toString()).map(
      (/** @type {{ path: string, sha256: string }} */ file) => [file.path, file.sha256],
    );
    assert.deepEqual(reference, hashed(files.filter((path) => isReference(path) && path !== 'docs/files.json')));
  });

  /** @param {string[]} paths */
  const weigh = (paths) => paths.reduce((sum, path) => sum + read(path).length, 0);

  test('weighs less than 1,259 kB beside its model and the reference', () => {
    const bytes = weigh(files.filter((path) => !path.endsWith('.gguf') && !isReference(path)));
    assert.ok(bytes < 1_259_000, `${bytes} bytes`);
  });

  test('has a reference of the library that weighs less than 1,400 kB', () => {
    const bytes = weigh(files.filter(isReference));
    assert.ok(bytes > 100_000 && bytes < 1_400_000, `${bytes} bytes`);
  });

  for (const name of ['nibble-relaxed.wasm', 'nibble-simd128.wasm']) {
    test(`${name} weighs less than 260 kB, and less than 100 kB as a server sends it`, () => {
      const wasm = read(`nibble/${name}`);
      const sent = gzipSync(wasm, { level: 9 }).length;
      assert.ok(wasm.length < 260_000, `${wasm.length} bytes, 260,000 are too many`);
      assert.ok(sent < 100_000, `${sent} bytes compressed, 100,000 are too many`);
    });
  }
});

test('the manifest names icons of the sizes that it says', () => {
  const manifest = JSON.parse(read('manifest.webmanifest').toString());
  for (const key of ['name', 'short_name', 'start_url', 'scope', 'display', 'theme_color', 'background_color']) {
    assert.equal(typeof manifest[key], 'string', key);
  }
  const bitmaps = manifest.icons.filter((/** @type {{ type: string }} */ { type }) => type === 'image/png');
  for (const { src, sizes } of bitmaps) {
    const png = read(src);
    // The header chunk of a PNG begins with width and height.
    assert.equal(`${png.readUInt32BE(16)}x${png.readUInt32BE(20)}`, sizes, src);
  }
  assert.deepEqual(bitmaps.map((/** @type {{ sizes: string }} */ { sizes }) => sizes).toSorted(), [
    '192x192',
    '512x512',
    '512x512',
  ]);
  assert.ok(bitmaps.some((/** @type {{ purpose: string }} */ { purpose }) => purpose === 'maskable'));
});

describe('as it is served', () => {
  /** @type {{ url: string, others: string[], close: () => Promise<void> }} */
  let server;
  before(async () => {
    server = await serve({ port: 0 });
  });
  after(() => server?.close());

  test('every file comes with its type and the headers of isolation', async () => {
    for (const path of files) {
      const response = await fetch(server.url + path);
      const bytes = new Uint8Array(await response.arrayBuffer());
      assert.equal(response.status, 200, path);
      assert.equal(sha256(bytes), sha256(read(path)), path);
      assert.notEqual(response.headers.get('content-type'), null, path);
      assert.equal(response.headers.get('cross-origin-embedder-policy'), 'require-corp', path);
    }
  });

  test('models may come from elsewhere, and nothing else', async () => {
    const policy = present((await fetch(server.url)).headers.get('content-security-policy'));
    const rules = Object.fromEntries(policy.split('; ').map((rule) => [rule.split(' ')[0], rule.split(' ').slice(1)]));
    assert.deepEqual(rules['connect-src'], ["'self'", 'https:', 'http:']);
    assert.deepEqual(rules['script-src'], ["'self'", "'wasm-unsafe-eval'"]);
    assert.deepEqual(rules['default-src'], ["'none'"]);
    const elsewhere = Object.entries(rules).filter(([name, sources]) => {
      return name !== 'connect-src' && sources.some((source) => /^https?:|\*/.test(source));
    });
    assert.deepEqual(elsewhere, []);
  });
});

describe('the catalogue', () => {
  const KINDS = {
    name: 'string',
    url: 'string',
    bytes: 'number',
    memory: 'number',
    licence: 'string',
    parameters: 'number',
    context: 'number',
  };
  for (const entry of catalogue) {
    test(`tells all there is to know of ${entry.name}`, () => {
      for (const [key, kind] of Object.entries(KINDS)) assert.equal(typeof entry[key], kind, key);
      assert.ok(entry.bytes > 0 && entry.parameters > 0 && entry.context > 0);
      assert.ok(entry.sha256 === null || /^[0-9a-f]{64}$/.test(entry.sha256));
      assert.ok(
        entry.languages.length > 0 && entry.languages.every((/** @type {string} */ code) => /^[a-z]{2}$/.test(code)),
      );
      assert.deepEqual(Object.keys(entry.notes), ['en', 'zh']);
      assert.match(entry.url, /^(https:\/\/[\w.-]+\/.+|models\/.+)\.gguf$/);
      assert.match(entry.url, /-(q8_0|q4_0|q4_k_m|q1_0)\.gguf$|nibble-tiny/i, 'a type of weights that the engine runs');
      // What the page says of other files of this size and type.
      assert.equal(entry.memory, assess({ path: entry.url, bytes: entry.bytes }, { memory: 4e9 }).memoryBytes);
    });
  }

  test('has no address twice, and begins with the included model as it is', () => {
    assert.equal(new Set(catalogue.map((/** @type {{ url: string }} */ { url }) => url)).size, catalogue.length);
    const model = readFileSync(join(ROOT, catalogue[0].url));
    assert.deepEqual([catalogue[0].bytes, catalogue[0].sha256], [model.length, sha256(model)]);
  });
});

test('a model may come over https, over http from the local network, and so only to a page that came over http', () => {
  /** @param {string} address @param {boolean} isSecure */
  const faultOf = (address, isSecure) => readAddress(address, { isSecure }).fault ?? null;
  const own = ['http://localhost:8000/a.gguf', 'http://127.0.0.1/a.gguf', 'http://[::1]:80/a.gguf'];
  const near = ['http://192.168.1.9/a.gguf', 'http://10.0.0.2/a.gguf', 'http://172.20.0.1/a.gguf'];
  near.push('http://169.254.1.1/a.gguf', 'http://nas/a.gguf', 'http://nas.local:81/a.gguf', 'http://[fd00::1]/a.gguf');
  const far = [
    'http://example.org/a.gguf',
    'http://8.8.8.8/a.gguf',
    'http://172.32.0.1/a.gguf',
    'http://[2001:db8::1]/',
  ];
  far.push(
    'http://192.168.1.9.example.org/a.gguf',
    'ftp://localhost/a.gguf',
    'file:///a.gguf',
    'javascript:1',
    'a.gguf',
  );
  for (const isSecure of [true, false]) {
    for (const address of ['https://example.org/a.gguf', ...own])
      assert.equal(faultOf(address, isSecure), null, address);
    for (const address of near) assert.equal(faultOf(address, isSecure), isSecure ? 'models.url.mixed' : null, address);
    for (const address of far) assert.equal(faultOf(address, isSecure), 'models.url.bad', address);
    assert.equal(faultOf(' ', isSecure), 'models.url.empty');
    assert.equal(faultOf('https://huggingface.co/datasets/some/data', isSecure), 'models.url.page');
  }
});

test('the models panel says everything in both languages', () => {
  assert.deepEqual(Object.keys(zh), Object.keys(en));
  // A form for one thing may say it in words, and not every language has one.
  /** @param {string | { other: string }} text */
  const places = (text) => (typeof text === 'string' ? text : text.other).match(/\{\w+\}/g)?.toSorted() ?? [];
  for (const [key, text] of Object.entries(en)) assert.deepEqual(places(untyped(zh)[key]), places(text), key);
});
