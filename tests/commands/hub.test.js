// The command line with addresses of Hugging Face's hub, as processes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serveHub } from '../hub-server.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';

/** @typedef {import('../hub-server.js').Hub} Hub */

const CLI = fileURLToPath(new URL('../../js/cli.js', import.meta.url));
const bytes = readFileSync(writeSmallModel());
const TOKEN = 'hf_secret';
// Names of files that are no type in an address: a space, signs, other letters, a dash at the front, and a long one.
const ODD_NAMES = ['My Model.Q4_0', 'Model+Chat.Q4_0', 'Model(v2).Q4_0', 'Modèle.Q4_0', '-Model.Q4_0', 'm'.repeat(210)];

/** @type {Hub} */
let hub;
before(async () => {
  const files = { 'small-Q4_K_M.gguf': bytes, 'small-Q8_0.gguf': bytes, 'small-F16-00001-of-00002.gguf': 1e6 };
  const odd = ODD_NAMES.map((name, index) => [`owner/odd${index}`, { files: { [`${name}.gguf`]: bytes } }]);
  const moved = { 'owner/old': { movedTo: 'owner/small' } };
  const repositories = { 'owner/small': { files }, 'owner/gated': { files, gated: /** @type {const} */ ('auto') } };
  hub = await serveHub({ ...repositories, ...moved, ...Object.fromEntries(odd) }, { token: TOKEN });
});
after(() => hub?.close());

/** The server is in this process, so this one must not wait for the other without listening. */
/**
 * @param {string[]} args
 * @param {{ token?: string, input?: string, endpoint?: string }} [options]
 * @returns {Promise<{ status: number | null, stdout: string, stderr: string }>}
 */
function nibble(args, { token, input = '', endpoint = hub.url } = {}) {
  const env = { ...process.env, HF_ENDPOINT: endpoint, HF_TOKEN: token ?? '' };
  const child = spawn(process.execPath, [CLI, ...args], { env, timeout: 120_000 });
  const told = { stdout: '', stderr: '' };
  for (const name of /** @type {const} */ (['stdout', 'stderr']))
    child[name].on('data', (/** @type {Buffer} */ data) => (told[name] += data));
  child.stdin.end(input);
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, ...told })));
}

test('a file is named by its repository and the type of its weights', async () => {
  const { status, stdout, stderr } = await nibble(['run', '-m', 'owner/small:Q8_0', '-p', 'a', '-n', '2', '--json']);
  assert.deepEqual([status, stderr], [0, '']);
  assert.equal(JSON.parse(stdout).completionTokens, 2);
});

test('of a repository alone the file for this machine is taken, which is told; what is stored is taken without asking', async () => {
  const store = ['--store', temporaryFolder()];
  const chat = () => nibble(['chat', 'hf.co/owner/small', '-n', '2', ...store], { input: 'a\n' });
  const first = await chat();
  assert.equal(first.status, 0, first.stderr);
  assert.match(
    first.stderr,
    /owner\/small: takes small-Q4_K_M.gguf, .*, of 2 files \("nibble info hf.co\/owner\/small"/,
  );
  const asked = hub.requests.length;
  const second = await chat();
  assert.deepEqual([second.status, second.stderr.includes('takes'), hub.requests.length], [0, false, asked]);
});

test('the file for this machine may have any name', async () => {
  const store = ['--store', temporaryFolder()];
  for (const [index, name] of ODD_NAMES.entries()) {
    const args = ['models', 'import', `owner/odd${index}`, ...store, '--json'];
    const { status, stdout, stderr } = await nibble(args);
    assert.equal(status, 0, `${name}: ${stderr}`);
    assert.equal(JSON.parse(stdout).state, 'complete');
  }
});

test('what is stored of a repository is taken by the older name that it was asked for by', async () => {
  const args = ['run', '-m', 'owner/old', '-p', 'a', '-n', '1', '--store', temporaryFolder()];
  const first = await nibble(args);
  assert.equal(first.status, 0, first.stderr);
  const asked = hub.requests.length;
  const second = await nibble(args);
  assert.deepEqual([second.status, hub.requests.length], [0, asked], second.stderr);
});

test('what is wrong in the environment is in the way of the hub alone', async () => {
  const local = ['run', '-m', writeSmallModel(), '-p', 'a', '-n', '1', '--store', temporaryFolder()];
  for (const odd of [
    { endpoint: 'nowhere' },
    { endpoint: 'http://mirror.example', token: TOKEN },
    { token: 'two words' },
  ]) {
    const { status, stderr } = await nibble(local, odd);
    assert.equal(status, 0, stderr);
    assert.equal((await nibble(['run', '-p', 'a', '-n', '1'], odd)).status, 0);
    const refused = await nibble(['run', '-m', 'owner/small', '-p', 'a', '-n', '1'], odd);
    assert.deepEqual(
      [refused.status, /^nibble: INVALID_ARGUMENT: The environment's HF_/.test(refused.stderr)],
      [2, true],
      refused.stderr,
    );
  }
});

test('the files of a repository are listed', async () => {
  const { status, stdout } = await nibble(['info', 'owner/small']);
  assert.equal(status, 0);
  assert.match(stdout, /^\* +Q4_K_M .* small-Q4_K_M\.gguf$/m);
  assert.match(stdout, /^ +F16 .* small-F16-00001-of-00002\.gguf +some of its parts are missing$/m);
  const listed = JSON.parse((await nibble(['info', 'owner/small', '--json'])).stdout);
  assert.equal(listed.recommended.type, 'Q4_K_M');
  assert.match((await nibble(['info', 'owner/small:Q8_0'])).stdout, /small-Q8_0\.gguf/);
});

test('a repository is imported', async () => {
  const store = ['--store', temporaryFolder()];
  const { status, stdout, stderr } = await nibble(['models', 'import', 'owner/small', ...store]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /small-Q4_K_M\.gguf: .* stored/);
});

test('what is gated comes with HF_TOKEN, and without it is said how', async () => {
  const args = ['run', '-m', 'owner/gated:Q8_0', '-p', 'a', '-n', '1', '--json'];
  const refused = await nibble(args);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /HUB_GATED.*licence.*HF_TOKEN/);
  const known = await nibble(args, { token: TOKEN });
  assert.equal(known.status, 0, known.stderr);
  const wrong = await nibble(args, { token: 'hf_wrong' });
  assert.match(wrong.stderr, /HUB_TOKEN_REFUSED/);
  assert.ok(!wrong.stderr.includes('hf_wrong'));
  const odd = await nibble(args, { token: 'two words' });
  assert.match(odd.stderr, /HF_TOKEN is no access token; expected an access token/);
  assert.ok(!odd.stderr.includes('two words'));
});

test('what is neither a file nor a repository is said so', async () => {
  const { status, stderr } = await nibble(['run', '-m', 'owner/nothing', '-p', 'a']);
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^nibble: HUB_NOT_FOUND: There is no repository "owner\/nothing".*, nor a file "owner\/nothing" here\./,
  );
  const two = await nibble(['chat', 'a', 'b']);
  assert.deepEqual([two.status, /One model at a time/.test(two.stderr)], [2, true]);
});
