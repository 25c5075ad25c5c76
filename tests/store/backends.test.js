// The backends of the store: the same promises for all of them, and what each promises besides.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { openBackend } from '../../js/store/backends.js';
import { openFolder } from '../../js/store/folder.node.js';
import { folderLeases } from '../../js/store/locks.node.js';
import { openMemory } from '../../js/store/memory.js';
import { unreadableRecord } from '../../js/store/record.js';
import { temporaryFolder } from '../small-model.js';
import { untyped } from '../untyped.js';
import { equal, PROMISES, pattern, readAll, refuses, sameBytes } from './contract.js';

const ROOT = temporaryFolder();
let folders = 0;
/** A new folder. */
const newFolder = () => {
  const path = join(ROOT, String(folders++));
  mkdirSync(path);
  return path;
};

test('there are promises to keep', () => assert.ok(PROMISES.length > 15));

describe('memory', () => {
  for (const { name, run } of PROMISES.filter(({ reopens }) => !reopens)) test(name, () => run(openMemory));
});

describe('a folder', () => {
  for (const { name, run } of PROMISES) {
    test(name, () => {
      const path = join(newFolder(), 'made', 'where absent');
      return run(() => openBackend({ folder: path }, { openFolder }));
    });
  }

  /** A store with one model of two chunks, and the path of the model's files. */
  async function filled() {
    const path = newFolder();
    const backend = await openFolder(path);
    await backend.writeChunk('a', 0, [pattern(1000)]);
    await backend.writeChunk('a', 1, [pattern(1000, 2)]);
    await backend.put({ id: 'a' });
    const [name] = readdirSync(join(path, 'models'));
    return { path, backend, model: join(path, 'models', name) };
  }

  const PROC = existsSync('/proc/self') ? false : 'there is no file system here that makes no folders';
  test('is refused where the system makes no folders', { skip: PROC, timeout: 120_000 }, async () => {
    await refuses(openFolder('/proc/nibble-test/store'), 'STORE_UNAVAILABLE');
    // "There is no such file" would be a riddle.
    const said = /in "\/proc\/nibble-test": the system lets nothing be made in "\/proc"\./;
    await assert.rejects(openFolder('/proc/nibble-test'), said);
  });

  test('no id makes a file outside of the folder', async () => {
    const { path, backend, model } = await filled();
    for (const id of ['../b', '../../b', join(path, 'b')]) {
      await backend.put({ id });
      await backend.writeChunk(id, 0, [pattern(1)]);
    }
    assert.deepEqual(readdirSync(path).sort(), ['locks', 'models']);
    for (const name of readdirSync(join(path, 'models'))) assert.match(name, /^[0-9a-f]{64}$/);
    assert.deepEqual(readdirSync(model).sort(), ['0.chunk', '1.chunk', 'record.json']);
  });

  test('a garbage record, and one in the wrong place, count as absent, and can be seen and deleted', async () => {
    const { path, backend, model } = await filled();
    for (const text of ['', '{"id":', 'null', '[]', '"a"', '{"id":7}', '{"id":"b"}', '\u0000'.repeat(50)]) {
      writeFileSync(join(model, 'record.json'), text);
      assert.deepEqual(await backend.list(), [unreadableRecord(basename(model))], text);
      assert.equal(await backend.get('a'), null, text);
    }
    const [{ id }] = await backend.list();
    assert.deepEqual(await backend.get(id), { id, name: `unreadable ${basename(model).slice(0, 8)}` });
    rmSync(join(model, 'record.json'));
    mkdirSync(join(model, 'record.json'));
    writeFileSync(join(path, 'models', 'stray'), 'stray');
    mkdirSync(join(path, 'models', 'empty'));
    assert.deepEqual(
      (await backend.list()).map((record) => record.id),
      [id],
    );
    assert.equal(await backend.get('a'), null);
    await backend.remove(id);
    assert.deepEqual(await backend.list(), []);
    assert.equal(existsSync(model), false);
    await backend.put({ id: 'a' });
    assert.deepEqual(await backend.list(), [{ id: 'a' }]);
    // What can be read by now is not deleted by what it was called before.
    await backend.remove(id);
    assert.deepEqual(await backend.list(), [{ id: 'a' }]);
    assert.equal(await backend.get(id), null);
  });

  test('a truncated chunk is named as missing, and the others are read', async () => {
    const { backend, model } = await filled();
    truncateSync(join(model, '0.chunk'), 999);
    await refuses(readAll(backend, 'a', 0, 1000), 'STORE_CHUNK_MISSING', 'reading');
    rmSync(join(model, '0.chunk'));
    mkdirSync(join(model, '0.chunk'));
    await refuses(readAll(backend, 'a', 0, 1000), 'STORE_CHUNK_MISSING', 'reading a folder');
    sameBytes(await readAll(backend, 'a', 1, 1000), pattern(1000, 2), 'the other chunk');
  });

  test('what an ended process left unfinished goes with the chunks', async () => {
    const { backend, model } = await filled();
    writeFileSync(join(model, '2.chunk.0123.partial'), 'half');
    await backend.removeChunks('a', 1);
    assert.deepEqual(readdirSync(model).sort(), ['0.chunk', 'record.json']);
  });

  test('a path that cannot be a folder is refused with the reason', async () => {
    const file = join(newFolder(), 'file');
    writeFileSync(file, '');
    const itself = await refuses(openFolder(file), 'INVALID_ARGUMENT', 'opening');
    assert.match(itself.message, /is not a folder/);
    const error = await refuses(openFolder(join(file, 'below')), 'STORE_UNAVAILABLE', 'opening');
    assert.match(error.message, /not a folder/);
  });

  test('a full disk is told as such, and what was stored stays', async (context) => {
    const { backend, model } = await filled();
    const file = await open(join(model, '0.chunk'));
    const { write } = Object.getPrototypeOf(file);
    await file.close();
    // The first part still fits.
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
      syscall: 'write',
    });
    const mock = context.mock.method(
      Object.getPrototypeOf(file),
      'write',
      /** @this {import('node:fs/promises').FileHandle} @param {Uint8Array} bytes @param {unknown[]} rest */
      function (bytes, ...rest) {
        return bytes.length > 500 ? Promise.reject(full) : write.call(this, bytes, ...rest);
      },
    );
    await refuses(backend.writeChunk('a', 0, [pattern(500), pattern(501)]), 'STORE_FULL', 'writing a chunk');
    await refuses(backend.put({ id: 'a', text: 'x'.repeat(500) }), 'STORE_FULL', 'writing a record');
    assert.ok(mock.mock.callCount() >= 3);
    mock.mock.restore();
    sameBytes(await readAll(backend, 'a', 0, 1000), pattern(1000), 'the chunk from before');
    equal(await backend.list(), [{ id: 'a' }], 'the list');
    assert.deepEqual(readdirSync(model).sort(), ['0.chunk', '1.chunk', 'record.json']);
    await backend.writeChunk('a', 0, [pattern(2000, 3)]);
    sameBytes(await readAll(backend, 'a', 0, 2000), pattern(2000, 3), 'the chunk written later');
  });
});

describe('locks in a folder', () => {
  const LIBRARY = JSON.stringify(new URL('../../js/store/locks.node.js', import.meta.url).href);

  /** Another process that holds a lock until it is ended. @param {string} folder @param {object} options */
  async function holder(folder, options) {
    const hold = `const { folderLeases } = await import(${LIBRARY});
      const [folder, options] = JSON.parse(process.argv[1]);
      await folderLeases(folder).lock('a', options, () => new Promise(() => { console.log('held'); setTimeout(() => {}, 60000); }));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', hold, JSON.stringify([folder, options])], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const ended = once(child, 'exit');
    return () => {
      child.kill('SIGKILL');
      return ended;
    };
  }

  test('hold between processes, and end with the process that is killed', async () => {
    const folder = newFolder();
    const lock = folderLeases(folder).lock;
    const kill = await holder(folder, {});
    try {
      await refuses(
        lock('a', { wait: false }, () => {}),
        'STORE_BUSY',
        'a writer',
      );
      await refuses(
        lock('a', { wait: false, shared: true }, () => {}),
        'STORE_BUSY',
        'a reader',
      );
      const waiting = lock('a', {}, () => 'mine');
      await kill();
      assert.equal(await waiting, 'mine');
    } finally {
      await kill();
    }
  });

  test('are shared by the readers of several processes', async () => {
    const folder = newFolder();
    const lock = folderLeases(folder).lock;
    const kill = await holder(folder, { shared: true });
    try {
      assert.equal(await lock('a', { wait: false, shared: true }, () => 'read'), 'read');
      await refuses(
        lock('a', { wait: false }, () => {}),
        'STORE_BUSY',
        'a writer',
      );
    } finally {
      await kill();
    }
    assert.equal(await lock('a', { wait: false }, () => 'written'), 'written');
  });

  test('no two of many hold it at once', async () => {
    const folder = newFolder();
    let holders = 0;
    let turns = 0;
    const turn = async () => {
      assert.equal(++holders, 1);
      await new Promise((resolve) => setTimeout(resolve, 2));
      holders--;
      turns++;
    };
    await Promise.all(Array.from({ length: 8 }, () => folderLeases(folder).lock('a', {}, turn)));
    assert.equal(turns, 8);
  });
});

test('a store that does not exist is refused', async () => {
  for (const kind of ['disk', null, undefined, 7, { folder: '' }, { folder: 7 }]) {
    await refuses(openBackend(untyped(kind)), 'INVALID_ARGUMENT', `opening ${JSON.stringify(kind)}`);
  }
  await refuses(openBackend({ folder: 'models' }), 'STORE_UNAVAILABLE', 'a folder without a platform that has any');
  await refuses(openBackend('indexeddb'), 'STORE_UNAVAILABLE', 'IndexedDB in Node');
  await refuses(openBackend('opfs'), 'STORE_UNAVAILABLE', 'OPFS in Node');
});
