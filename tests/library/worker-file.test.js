// Which worker runs in Node: never one that was built of older sources; and what it leaves to those behind it.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { workerFile } from '../../js/client/worker-file.node.js';
import { call } from '../../js/protocol/messages.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';

test('the built one, unless it is missing or one of its sources is newer; in a package there is no other', () => {
  const folder = temporaryFolder();
  /** @param {string} path @param {number} seconds */
  const put = (path, seconds) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), '');
    utimesSync(join(folder, path), seconds, seconds);
  };
  const found = () => fileURLToPath(workerFile(pathToFileURL(`${folder}/`))).slice(folder.length + 1);
  const [built, source] = ['build/node/worker.js', 'js/worker.node.js'].map((path) => join(...path.split('/')));

  put('js/worker.node.js', 100);
  put('js/base/errors.js', 200);
  assert.equal(found(), source);
  put('build/node/worker.js', 300);
  assert.equal(found(), built);
  put('js/base/errors.js', 301);
  assert.equal(found(), source);
  put('build/node/worker.js', 301);
  assert.equal(found(), built);
  put('js/base/new.js', 302);
  assert.equal(found(), source);
  rmSync(join(folder, 'js/worker.node.js'));
  assert.equal(found(), built);
});

test('it gives its compiled core to whoever started it, for the next engine to be found compiled', async () => {
  const worker = new Worker(workerFile());
  try {
    const told = new Promise((resolve, reject) => {
      worker.on('error', reject);
      worker.on('message', (message) => message.compiled && resolve(message.compiled));
    });
    worker.postMessage(call(1, 'describe', { source: { path: writeSmallModel() }, wasm: {}, options: {} }));
    const compiled = await told;
    assert.ok(compiled instanceof WebAssembly.Module);
    assert.ok(WebAssembly.Module.exports(compiled).length > 0);
  } finally {
    await worker.terminate();
  }
});
