// A worker that dies in Node: the caller is told at once, by its call and by engine.closed, and the next engine starts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createEngine, openModelStore } from '../../js/index.node.js';
import { ChildProcess } from '../child-process.js';
import { code } from '../errors.js';
import { present } from '../present.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';

/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

const model = writeSmallModel();
const bytes = new Uint8Array(readFileSync(model));
const channel = new BroadcastChannel('nibble-test-death');
const workerUrl = new URL('./dying-worker.node.js', import.meta.url);

after(() => channel.close());

const DEATHS = { throw: 'WORKER_FAILED', exit: 'WORKER_FAILED', trap: 'ENGINE_CRASHED' };

for (const [way, expected] of Object.entries(DEATHS)) {
  describe(`a worker that ends by ${way}`, () => {
    test('in an answer: this call, all later ones and closed tell it', async () => {
      const engine = await createEngine({ model, threads: 1, workerUrl });
      const completion = engine.complete({ prompt: 'ab', ignoreEos: true });
      await assert.rejects(async () => {
        for await (const _ of completion) channel.postMessage(way);
      }, code(expected));
      await assert.rejects(engine.memory(), code(expected));
      await assert.rejects(engine.complete({ prompt: 'ab' }).result, code(expected));
      assert.equal(present(await engine.closed).code, expected);
      await engine.unload();
    });

    test('while a folder is written: nothing stays locked', async () => {
      const store = { folder: temporaryFolder() };
      /** @param {{ phase: string }} options */
      const onProgress = ({ phase }) => phase === 'load' && channel.postMessage(way);
      let given = 0;
      const slow = new ReadableStream({
        async pull(controller) {
          await sleep(5);
          controller.enqueue(bytes.slice(given, given + 4096));
          given += 4096;
        },
      });
      const options = { threads: 1, workerUrl, onProgress, store };
      await assert.rejects(
        createEngine({ ...options, model: { stream: slow, name: 'a', size: bytes.length } }),
        code(expected),
      );
      const models = await openModelStore({ store });
      for (const { id } of await models.list()) await models.delete(id);
      await models.close();
      assert.equal(await models.closed, undefined);
    });
  });
}

test('a thread that traps while the engine waits for it is told by this call, all later ones and closed', async () => {
  const engine = await createEngine({ model, threads: 2, workerUrl });
  const completion = engine.complete({ prompt: 'ab', ignoreEos: true });
  /** @param {NibbleError | undefined} error */
  const ends = (error) => ['ENGINE_CRASHED', 'WORKER_FAILED'].includes(present(error).code);
  await assert.rejects(async () => {
    for await (const _ of completion) channel.postMessage('thread');
  }, ends);
  await assert.rejects(engine.memory(), ends);
  assert.ok(ends(await engine.closed));
  await engine.unload();
});

test('a program may be started with options of the whole process, and from a text', async () => {
  const program = `
    const { createEngine } = await import(${JSON.stringify(new URL('../../js/index.node.js', import.meta.url).href)});
    await (await createEngine({ model: ${JSON.stringify(model)}, threads: 2 })).unload();`;
  const file = join(temporaryFolder(), 'program.mjs');
  writeFileSync(file, program);
  const text = ['--input-type=module', '--eval', program];
  for (const args of [[file], ['--max-old-space-size=500', file], text, ['--max-old-space-size=500', ...text]]) {
    const child = new ChildProcess(process.execPath, args);
    assert.equal(await child.ended, 0, child.output);
    await child.end();
  }
});

test('unload() resolves closed with undefined', async () => {
  const engine = await createEngine({ model, threads: 1 });
  await engine.unload();
  assert.equal(await engine.closed, undefined);
});

test('a worker that runs out of memory is told as one that ended', async () => {
  const program = `
    import { createEngine } from ${JSON.stringify(new URL('../../js/index.node.js', import.meta.url).href)};
    import { writeSync } from 'node:fs';
    const channel = new BroadcastChannel('nibble-test-death');
    const options = { model: ${JSON.stringify(model)}, threads: 1, workerUrl: ${JSON.stringify(workerUrl.href)} };
    const engine = await createEngine(options);
    const { result } = engine.complete({ prompt: 'ab', ignoreEos: true });
    channel.postMessage('memory');
    const told = await result.then(() => 'done', ({ code }) => code);
    const { code, message } = await engine.closed;
    writeSync(3, JSON.stringify({ told, code, message }) + '\\n');
    process.exit(0);`;
  const file = join(temporaryFolder(), 'program.mjs');
  writeFileSync(file, program);
  const args = ['--max-old-space-size=64', file];
  const child = new ChildProcess(process.execPath, args, { pipe: true });
  try {
    const { told, code: why, message } = JSON.parse(await child.firstLine());
    assert.deepEqual([told, why], ['WORKER_FAILED', 'WORKER_FAILED']);
    assert.match(message, /memory/i);
  } finally {
    await child.end();
  }
});

describe('a program starts an engine, however it was started itself', () => {
  const program = `
    import { createEngine } from ${JSON.stringify(new URL('../../js/index.node.js', import.meta.url).href)};
    const engine = await createEngine({ model: ${JSON.stringify(model)}, threads: 2 });
    console.log((await engine.complete({ prompt: 'ab', maxTokens: 1 }).result).finishReason);
    await engine.unload();`;
  const file = join(temporaryFolder(), 'any.mjs');
  before(() => writeFileSync(file, program));

  const WAYS = {
    'with an option of V8': ['--max-old-space-size=200', file],
    'with an option of Node': ['--no-warnings', file],
    'as a text': ['--input-type=module', '-e', program],
    'as a text, its kind apart': ['--input-type', 'module', '--eval', program],
    'as a text with options': ['--no-warnings', '--max-old-space-size=200', '--input-type=module', '-e', program],
  };
  for (const [way, args] of Object.entries(WAYS))
    test(way, async () => {
      const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
      assert.equal(stdout.trim(), 'length');
    });
});
