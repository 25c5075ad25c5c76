import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { filesBelow, ROOT, run, Stamp } from '../../wasm/shell.js';

const folder = mkdtempSync(join(tmpdir(), 'nibble-build-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/**
 * A folder for PATH with the named commands of this machine in it, and none besides.
 * @param {string} name
 * @param {string[]} commands
 */
function binaries(name, commands) {
  const bin = join(folder, name);
  mkdirSync(bin);
  for (const command of commands) {
    symlinkSync(run('sh', ['-c', `command -v ${command}`], { capture: true }).trim(), join(bin, command));
  }
  return bin;
}

describe('get-emscripten.sh', () => {
  const script = fileURLToPath(new URL('../../wasm/get-emscripten.sh', import.meta.url));
  const bin = binaries('bin', ['sh', 'dirname', 'sort', 'head']);
  /** @param {NodeJS.ProcessEnv} env */
  const find = (env) => spawnSync('/bin/sh', [script], { env, encoding: 'utf8' });

  /** A stand-in for emcc that tells a version. @param {string} path @param {string} version */
  function emcc(path, version) {
    mkdirSync(join(folder, path), { recursive: true });
    writeFileSync(join(folder, path, 'emcc'), `#!/bin/sh\necho ${version}\n`, { mode: 0o755 });
    return join(folder, path);
  }

  for (const version of ['3.1.69', '3.1.100', '4.0.10']) {
    test(`takes ${version} from PATH`, () => {
      const place = emcc(`path-${version}`, version);
      const { status, stdout } = find({ PATH: `${place}:${bin}` });
      assert.deepEqual([status, stdout], [0, `${place}\n`]);
    });
  }

  test('takes one from EMSDK when the one on PATH is too old', () => {
    const old = emcc('old', '3.1.6');
    const place = emcc('sdk/upstream/emscripten', '3.1.69');
    const { status, stdout } = find({ PATH: `${old}:${bin}`, EMSDK: join(folder, 'sdk') });
    assert.deepEqual([status, stdout], [0, `${place}\n`]);
  });

  test('says in one sentence what to do where it can fetch none', () => {
    const { status, stdout, stderr } = find({ PATH: `${emcc('too-old', '3.1.68')}:${bin}` });
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /^get-emscripten: Emscripten 3\.1\.69 was not found.*install.*PATH.*EMSDK\.\n$/);
  });

  test('names no host that packages come from: apt says where', () => {
    const text = readFileSync(script, 'utf8');
    const hosts = [...text.matchAll(/https?:\/\/([\w.-]+)/g)].map(([, host]) => host);
    // Where a person reads how to install it by hand.
    assert.deepEqual(hosts, ['emscripten.org']);
    assert.doesNotMatch(text, /debian\.org|registry|mirrors?\./);
  });

  test('says so where apt knows no place that has packages', () => {
    const checkout = join(folder, 'checkout');
    mkdirSync(join(checkout, 'wasm'), { recursive: true });
    const copy = join(checkout, 'wasm/get-emscripten.sh');
    // A keyring and a compiler, as on a machine where apt has no sources.
    const ready = readFileSync(script, 'utf8')
      .replace(/^keyring=.*$/m, `keyring=${copy}`)
      .replace(/^llvm=.*$/m, `llvm=${join(folder, 'llvm')}`);
    writeFileSync(copy, ready, { mode: 0o755 });
    const place = binaries('debian', ['sh', 'dirname', 'sort', 'head', 'mkdir', 'rm', 'id', 'flock', 'tail', 'node']);
    mkdirSync(join(folder, 'llvm'));
    const tools = ['llvm/clang', 'llvm/wasm-ld', 'llvm/llvm-ar', 'debian/python3', 'debian/apt-get', 'debian/dpkg-deb'];
    for (const tool of [...tools, 'debian/sudo']) writeFileSync(join(folder, tool), '#!/bin/sh\n', { mode: 0o755 });
    const { status, stderr } = spawnSync('/bin/sh', [copy], { env: { PATH: place }, encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /^get-emscripten: apt knows no place .*sources\.list.*PATH.*EMSDK\.\n$/);
  });
});

describe('a stamp', () => {
  const source = join(folder, 'source.c');
  const output = join(folder, 'output.wasm');
  const path = relative(ROOT, join(folder, 'stamp'));
  const stamp = () => new Stamp(path, [source], [relative(ROOT, output)]);

  test('counts only when it was written, while its sources stay and its outputs exist', () => {
    writeFileSync(source, 'one');
    writeFileSync(output, '');
    assert.equal(stamp().fresh(), false);
    stamp().write();
    assert.equal(stamp().fresh(), true);
    writeFileSync(source, 'two');
    assert.equal(stamp().fresh(), false);
    writeFileSync(source, 'one');
    assert.equal(stamp().fresh(), true);
    rmSync(output);
    assert.equal(stamp().fresh(), false);
    writeFileSync(output, '');
    stamp().clear();
    assert.equal(stamp().fresh(), false);
  });
});

test('files below a folder are listed in order, hidden ones and installed packages left out', () => {
  const tree = join(folder, 'tree');
  for (const name of ['b', 'node_modules/x', '.hidden']) mkdirSync(join(tree, name), { recursive: true });
  for (const name of ['b/2.c', 'a.c', 'a.h', 'node_modules/x/x.c', '.hidden/y.c']) writeFileSync(join(tree, name), '');
  const found = filesBelow([relative(ROOT, tree)], (path) => path.endsWith('.c'));
  assert.deepEqual(
    found.map((path) => relative(tree, path)),
    ['a.c', 'b/2.c'],
  );
});

describe('the scripts that measure and generate', () => {
  const PROGRAMS = filesBelow(['tests'], (path) => path.endsWith('.js')).filter((path) => {
    const text = readFileSync(path, 'utf8');
    return text.startsWith('#!') && /\b(parseArgs|readOptions)\(/.test(text);
  });

  test('are found', () => assert.ok(PROGRAMS.length > 8));

  for (const path of PROGRAMS)
    test(`${relative(ROOT, path)} says in a sentence that it does not know an option, and how it is used`, async () => {
      const { status, stderr } = spawnSync(process.execPath, [path, '--nonsense'], {
        encoding: 'utf8',
        timeout: 60_000,
      });
      assert.notEqual(status, 0);
      assert.match(stderr, /--nonsense/);
      assert.match(stderr, /node tests\/|--help" tells/);
      assert.doesNotMatch(stderr, /^\s+at /m);
    });
});
