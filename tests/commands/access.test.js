// The command line and servers that ask who one is: headers, tokens, ids of one's own.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serveAccess } from '../access-servers.js';
import { serveHub } from '../hub-server.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';

const CLI = fileURLToPath(new URL('../../js/cli.js', import.meta.url));
const HEADER = ['--header', 'Authorization: Bearer key'];

/** @type {Awaited<ReturnType<typeof serveAccess>>} */
let server;
const file = { bytes: new Uint8Array(readFileSync(writeSmallModel())), etag: '"one"' };

before(async () => {
  server = await serveAccess(() => file);
});
after(() => server?.close());
beforeEach(() => {
  server.asked.length = 0;
});

/**
 * @param {string[]} args
 * @param {Record<string, string>} [environment]
 * @returns {Promise<{ status: number | null, stdout: string, stderr: string }>}
 */
function nibble(args, environment = {}) {
  const env = { ...process.env, HF_TOKEN: '', HF_ENDPOINT: '', ...environment };
  const child = spawn(process.execPath, [CLI, ...args], { env, timeout: 120_000 });
  const told = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (told.stdout += data));
  child.stderr.on('data', (data) => (told.stderr += data));
  child.stdin.end();
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, ...told })));
}

test('a header opens what asks for it, in each command that loads, and goes to no other server', async () => {
  const model = `${server.url}/away.gguf`;
  const run = await nibble(['run', '-m', model, '-p', 'a', '-n', '2', '--json', ...HEADER]);
  assert.deepEqual([run.status, run.stderr], [0, '']);
  const info = await nibble(['info', model, '--json', ...HEADER]);
  assert.equal(JSON.parse(info.stdout).file.bytes, file.bytes.length);
  const tokens = await nibble(['tokenize', '-m', model, '--text', 'a', '--json', ...HEADER]);
  assert.equal(tokens.status, 0, tokens.stderr);
  for (const one of server.asked) assert.equal(one.authorization, one.server === 'own' ? 'Bearer key' : null);
});

test('models are imported, checked and updated with one, from a file of them too', async () => {
  const store = ['--store', temporaryFolder()];
  const lines = join(temporaryFolder(), 'headers.txt');
  writeFileSync(lines, '\nAuthorization: Bearer key\r\n');
  const address = `${server.url}/gated.gguf?ticket=1`.replace('?ticket=1', '');
  const refused = await nibble(['models', 'import', address, ...store]);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /wants to know who asks\. Pass what it takes as --header 'NAME: VALUE'/);
  const imported = await nibble([
    'models',
    'import',
    address,
    ...store,
    '--id',
    'mine',
    '--header',
    `@${lines}`,
    '--json',
  ]);
  assert.equal(JSON.parse(imported.stdout).id, 'mine');
  const check = await nibble(['models', 'check', 'mine', ...store, ...HEADER]);
  assert.match(check.stdout, /^mine: the file at its address is the one that is stored/);
  const wrong = await nibble(['models', 'check', 'mine', ...store, '--header', 'Authorization: Bearer secret']);
  assert.match(wrong.stderr, /the headers it was given \(authorization\).* Pass others as --header/);
  assert.doesNotMatch(wrong.stderr, /secret/);
  const update = await nibble(['models', 'update', 'mine', ...store, ...HEADER]);
  assert.equal(update.status, 0, update.stderr);
  const hash = await nibble([
    'models',
    'import',
    address,
    ...store,
    '--id',
    'two',
    '--sha256',
    '0'.repeat(64),
    ...HEADER,
  ]);
  assert.match(hash.stderr, /HASH_MISMATCH/);
});

test('what is no header is used wrongly, and not shown', async () => {
  const model = ['info', `${server.url}/gated.gguf`];
  for (const [given, sentence] of [
    ['secret', /--header is no NAME: VALUE/],
    ['Range: secret', /--header Range is a header that each request sets itself/],
    ['X-Key: secret…', /--header X-Key is no value of a header/],
    ['@/nowhere/at/all', /could not be read: there is no such file/],
  ]) {
    const { status, stderr } = await nibble([...model, '--header', String(given)]);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /** @type {RegExp} */ (sentence));
    assert.doesNotMatch(stderr, /secret/);
  }
  const { status, stderr } = await nibble(['models', 'list', '--store', temporaryFolder(), '--id', 'x']);
  assert.deepEqual([status, /for an import/.test(stderr)], [2, true]);
  assert.deepEqual(server.asked, []);
});

test('the access token of the environment is said to be used where it is, and never shown', async () => {
  const files = { 'small-Q4_0.gguf': file.bytes };
  const hub = await serveHub(
    { 'owner/gated': { files, gated: /** @type {const} */ ('auto') } },
    { token: 'hf_secret' },
  );
  const environment = { HF_ENDPOINT: hub.url, HF_TOKEN: 'hf_secret' };
  const store = ['--store', temporaryFolder()];
  try {
    const said = `The access token of HF_TOKEN is sent to ${new URL(hub.url).origin}, and nowhere else.`;
    const commands = [
      ['models', 'import', 'owner/gated:Q4_0', ...store, '--id', 'mine'],
      ['info', 'owner/gated:Q4_0'],
      ['run', '-m', 'hf.co/owner/gated:Q4_0', '-p', 'a', '-n', '1'],
      ['models', 'check', 'mine', ...store],
    ];
    for (const args of commands) {
      const { status, stdout, stderr } = await nibble(args, environment);
      assert.equal(status, 0, stderr);
      assert.ok(stderr.includes(said), `${args.join(' ')}: ${stderr}`);
      assert.doesNotMatch(stdout + stderr, /hf_secret/);
    }
    const other = await nibble(['info', writeSmallModel()], environment);
    assert.equal(other.stderr, '');
  } finally {
    await hub.close();
  }
});
