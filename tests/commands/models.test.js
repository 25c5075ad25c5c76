// The command line's models that a folder keeps, and its chats whose context is full, as processes.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openModelStore } from '../../js/index.node.js';
import { ChildProcess } from '../child-process.js';
import { portOf } from '../port.js';
import { present } from '../present.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';

const CLI = fileURLToPath(new URL('../../js/cli.js', import.meta.url));

/** @param {string[]} args */
function nibble(args, input = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { input, encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('models are imported into a folder, listed, verified, found damaged, and deleted', () => {
  const folder = temporaryFolder();
  /** @param {...string} args */
  const models = (...args) => nibble(['models', ...args, '--store', folder]);
  assert.equal(models('list').stdout, 'No models.\n');
  const imported = models('import', writeSmallModel());
  assert.equal(imported.status, 0, imported.stderr);
  const id = imported.stdout.split(/: [\d.]+ \w+ stored/)[0];
  const [listed, ...others] = JSON.parse(models('list', '--json').stdout);
  assert.deepEqual([listed.id, listed.state, others], [id, 'complete', []]);
  assert.match(models('list').stdout, /random small/);
  assert.match(models('verify', id).stdout, /all as they were stored\n$/);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const chunk = present(names.find((name) => name.endsWith('.chunk')));
  const bytes = readFileSync(join(folder, chunk));
  bytes[100] ^= 1;
  writeFileSync(join(folder, chunk), bytes);
  const damaged = models('verify', id);
  assert.deepEqual([damaged.status, damaged.stdout], [1, '']);
  assert.match(damaged.stderr, /^nibble: STORE_DAMAGED: [^\n]+\.\n$/);
  const absent = models('delete', 'nope');
  assert.equal(absent.status, 1);
  assert.match(absent.stderr, /^nibble: STORE_MISSING: The model "nope" is not in this folder/);
  assert.equal(models('delete', id).status, 0);
  assert.equal(models('list').stdout, 'No models.\n');
  assert.match(models('verify', id).stderr, /^nibble: STORE_MISSING: [^\n]+\.\n/);
});

test('a wait for another process is told without a terminal too, and by whom', async () => {
  const bytes = readFileSync(writeSmallModel());
  // The half of it, and then nothing.
  const server = createServer((_, response) => {
    response.writeHead(200, { 'Content-Length': bytes.length });
    response.write(bytes.subarray(0, bytes.length / 2));
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const url = `http://localhost:${portOf(server)}/m.gguf`;
  const folder = temporaryFolder();
  const models = await openModelStore({ store: { folder } });
  const controller = new AbortController();
  let waiter;
  try {
    await new Promise((resolve, reject) => {
      models.import(url, { signal: controller.signal, onProgress: resolve }).catch(reject);
    });
    waiter = new ChildProcess(process.execPath, [CLI, 'models', 'import', url, '--store', folder]);
    while (waiter.runs && !waiter.output.includes('\n') && !waiter.output.includes('gives up')) await sleep(20);
    assert.match(
      waiter.output,
      /^waiting for .*process \d+.*, which is using this model, since .* UTC; Ctrl-C gives up$/,
    );
  } finally {
    await waiter?.end();
    await models.close();
    server.closeAllConnections();
    server.close();
  }
});

test('models that are asked for wrongly are exit code 2', () => {
  const cases = [
    [[], /there are list, import, check, update, verify, delete/],
    [['burn', 'x'], /^nibble: USAGE: burn cannot be done here/],
    [['import'], /needs a GGUF file, its URL or a repository of Hugging Face/],
    [['list', 'x'], /One at a time/],
  ];
  for (const [args, message] of untyped(cases)) {
    const { status, stdout, stderr } = nibble(['models', ...args, '--store', 'x']);
    assert.deepEqual([status, stdout], [2, ''], stderr);
    assert.match(stderr, message);
  }
  assert.match(nibble(['models', 'list']).stderr, /--store is needed/);
  const missing = join(temporaryFolder(), 'none');
  assert.match(nibble(['models', 'list', '--store', missing]).stderr, /STORE_MISSING: The folder .* does not exist/);
  assert.equal(existsSync(missing), false);
});

test('a chat whose context is full drops its oldest messages where it is told to, and says so', () => {
  const args = ['chat', '-m', writeSmallModel(), '-c', '64', '-n', '8', '--ignore-eos'];
  const input = 'one\ntwo\nthree\nfour\nfive\n';
  const stops = nibble(args, input);
  assert.match(stops.stderr, /CONTEXT_FULL: .*begin anew with \/reset, or start with a larger --context\./);
  const goesOn = nibble([...args, '--on-full', 'drop-oldest'], input);
  assert.equal(goesOn.status, 0, goesOn.stderr);
  assert.doesNotMatch(goesOn.stderr, /CONTEXT_FULL/);
  assert.equal(present(goesOn.stderr.match(/The context is full/g)).length, 1, 'it is said once');
  assert.match(goesOn.stderr, /the oldest \d+ messages were left out/);
  assert.equal(nibble([...args, '--on-full', 'burn']).status, 2);
});

test('in JSON each question of a chat has its line, also one that fails, and the exit code tells that', () => {
  const args = ['chat', '-m', writeSmallModel(), '-c', '64', '-n', '4', '--json'];
  const { status, stdout, stderr } = nibble(args, `one\n${'word '.repeat(200)}\n/nope\ntwo\n`);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ role, error }) => role ?? error.code),
    ['assistant', 'CONTEXT_FULL', 'USAGE', 'assistant'],
  );
  assert.equal(status, 1);
  assert.doesNotMatch(stderr, /CONTEXT_FULL|\/nope/);
});

test('a stored model is meant by its id or its name, wherever a model is asked for', () => {
  const store = temporaryFolder();
  const imported = nibble(['models', 'import', writeSmallModel(), '--store', store, '--json']);
  const { id, name } = JSON.parse(imported.stdout);
  for (const model of [id, name, name.toUpperCase(), 'small.gguf']) {
    for (const args of [['run', '-p', 'x', '-n', '1'], ['info'], ['tokenize', '--text', 'x']]) {
      const { status, stderr } = nibble([...args, '--model', model, '--store', store]);
      assert.equal(status, 0, `${args[0]} ${model}: ${stderr}`);
    }
    assert.equal(nibble(['models', 'verify', model, '--store', store]).status, 0);
  }
  const absent = nibble(['run', '-p', 'x', '-m', 'nope', '--store', store]);
  assert.match(absent.stderr, /STORE_MISSING: There is no file "nope", and no model of that name in .*"random small"/);
  assert.match(nibble(['run', '-p', 'x', '-m', id]).stderr, /name its folder with --store FOLDER/);
  assert.match(nibble(['models', 'check', name, '--store', store]).stdout, /came from no address/);
  assert.equal(nibble(['models', 'delete', name, '--store', store]).status, 0);
});

test('what is typed first, and what is mistyped, leads on', () => {
  assert.match(nibble(['help', 'run']).stdout, /^nibble run: /);
  assert.match(nibble(['help', 'nope']).stderr, /There is no command "nope"/);
  assert.match(nibble(['rnu', '-p', 'x']).stderr, /Did you mean run\?/);
  assert.match(nibble(['--model', 'x', 'run']).stderr, /The command comes first: "nibble run --model/);
  assert.match(nibble(['run', 'Hello']).stderr, /Did you mean "nibble run --prompt Hello"\?/);
  assert.match(nibble(['models', 'lst', '--store', 'x']).stderr, /Did you mean list\?/);
});
