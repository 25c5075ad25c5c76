// What `npm pack` puts into the package: what its users need, and nothing else.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'acorn';
import { workerFile } from '../../js/client/worker-file.node.js';
import { ROOT } from '../../wasm/shell.js';
import { linksIn, readDocuments } from '../documents.js';
import { packPackage, unpackInto } from '../package.js';
import { temporaryFolder } from '../small-model.js';

// In bytes, with the included model of half a megabyte, and with comments, which hold the types.
const MOST_PACKED = 1_200_000;
const MOST_UNPACKED = 2_500_000;

// What README.md links to for readers of the source, and says that the package leaves out; its picture.
const SOURCE_ONLY = ['CONTRIBUTING.md', 'tests/bench/README.md', 'tests/screenshot.png', 'web/README.md'];

const folder = temporaryFolder();
const place = join(folder, 'node_modules/nibble-llm');
const facts = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** @type {ReturnType<typeof packPackage>} */
let pack;

before(() => {
  pack = packPackage(folder);
  unpackInto(folder, pack.tarball);
});

const WANTED = [
  /^(LICENSE|README\.md|CHANGELOG\.md|package\.json)$/,
  /^js\/([\w-]+\/)*([\w.-]+\.js|[A-Z]+\.md)$/,
  /^build\/types\/([\w-]+\/)*[\w.-]+\.d\.ts$/,
  /^build\/wasm\/node\/release\.json$/,
  /^build\/node\/(nibble\.mjs|worker\.js(\.LEGAL\.txt)?)$/,
  /^build\/web\/((index|worker)\.js|worker\.js\.LEGAL\.txt|nibble-(relaxed|simd128)\.wasm)$/,
  /^models\/(nibble-tiny\.gguf|README\.md|NIBBLE-TINY\.md)$/,
];

test('every file in it is one that a user needs', () => {
  const others = pack.files.filter((path) => !WANTED.some((wanted) => wanted.test(path)));
  assert.deepEqual(others, []);
  // What the bundles were made from is in the bundles.
  const sources = pack.files.filter((path) =>
    /\.web\.js$|\.test\.js$|^tests\/|^js\/(bundle|declarations)\.js/.test(path),
  );
  assert.deepEqual(sources, []);
});

test('the documents of the library are in it, and no document in it links to what is not', () => {
  const isOfLibrary = /** @param {string} path */ (path) => /^js\/[A-Z]+\.md$/.test(path);
  const documents = readDocuments();
  const written = documents.map(({ path }) => path).filter(isOfLibrary);
  assert.ok(written.length > 6, `${written.length} documents`);
  assert.deepEqual(
    written.filter((path) => !pack.files.includes(path)),
    [],
  );
  const packed = documents.filter(({ path }) => pack.files.includes(path));
  const dead = packed.flatMap((document) =>
    linksIn(document)
      .filter((target) => !pack.files.includes(target))
      .map((target) => `${document.path}: ${target}`),
  );
  assert.deepEqual([...new Set(dead)].sort(), SOURCE_ONLY.map((path) => `README.md: ${path}`).sort());
});

test('everything that package.json names is in it', () => {
  /** @type {string[]} */
  const named = [];
  /** @param {any} value */
  const collect = (value) => {
    if (typeof value === 'string') named.push(value);
    else for (const each of Object.values(value)) collect(each);
  };
  collect([facts.main, facts.types, facts.bin, facts.exports]);
  const absent = named.filter((path) => !path.includes('*') && !existsSync(join(place, path)));
  assert.ok(named.length > 8);
  assert.deepEqual(absent, []);
});

/**
 * Whether there is what a module names: a file, a part of Node, or one of its own names.
 * @param {string} path
 * @param {string} name
 */
function isThere(path, name) {
  if (name.startsWith('.')) return existsSync(join(place, dirname(path), name));
  if (name.startsWith('#')) return Object.hasOwn(facts.imports, name);
  return name.startsWith('node:');
}

test('what its modules import is in it, and it depends on no other package', () => {
  assert.equal(facts.dependencies, undefined);
  const absent = [];
  for (const path of pack.files.filter((name) => /^js\/.*\.js$/.test(name))) {
    const text = readFileSync(join(place, path), 'utf8').replace(/^\s*(\*|\/\/|\/\*).*$/gm, '');
    for (const [, name] of text.matchAll(/(?:from |import |import\(|new URL\()'([^']+)'/g)) {
      if (!isThere(path, name)) absent.push(`${path}: ${name}`);
    }
  }
  const worker = readFileSync(join(place, 'build/node/worker.js'), 'utf8');
  const { body } = parse(worker, { ecmaVersion: 'latest', sourceType: 'module' });
  const imported = body.flatMap((node) => (node.type === 'ImportDeclaration' ? [String(node.source.value)] : []));
  assert.ok(imported.length > 4);
  absent.push(...imported.filter((name) => !isBuiltin(name)));
  assert.deepEqual(absent, []);
});

test('nothing in it tells of the machine that it was made on', () => {
  const places = [ROOT, tmpdir(), homedir()].map((path) => path.replace(/\/+$/, '')).filter((path) => path.length > 1);
  const told = pack.files.filter((path) => {
    const text = readFileSync(join(place, path), 'latin1');
    return places.some((known) => text.includes(`${known}/`)) || /\/(work|home|Users)\/\w/.test(text);
  });
  assert.deepEqual(told, []);
});

test(`it weighs less than ${MOST_PACKED} bytes, and unpacked ${MOST_UNPACKED}`, (context) => {
  context.diagnostic(`${pack.bytes} bytes packed, ${pack.unpackedBytes} unpacked, ${pack.files.length} files`);
  assert.ok(pack.bytes < MOST_PACKED, `${pack.bytes} bytes`);
  assert.ok(pack.unpackedBytes < MOST_UNPACKED, `${pack.unpackedBytes} bytes`);
});

test('the command runs from where it was unpacked, and says what it is', () => {
  const { status, stdout } = spawnSync(process.execPath, [join(place, facts.bin.nibble), '--version'], {
    encoding: 'utf8',
  });
  assert.deepEqual([status, stdout.trim().split(' ').at(-1)], [0, facts.version]);
});

test('its worker, which all tests run where nothing has changed since the build, answers from where it was unpacked', () => {
  const asked = ['run', '-m', join(place, 'models/nibble-tiny.gguf'), '-p', 'Hello', '-n', '4', '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(place, facts.bin.nibble), ...asked], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  assert.match(JSON.parse(stdout).text, /\p{L}/u);
  assert.equal(fileURLToPath(workerFile()), join(ROOT, 'build/node/worker.js'), 'npm run build');
});
