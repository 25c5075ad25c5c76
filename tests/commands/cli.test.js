// The command line as a user meets it: as processes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { csvTable, markdownTable } from '../../js/commands/bench-report.js';
import { createLineInput } from '../../js/commands/line-input.js';
import { createEngine } from '../../js/index.node.js';
import { present } from '../present.js';
import { scriptedModel } from '../scripted-model.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */

const CLI = fileURLToPath(new URL('../../js/cli.js', import.meta.url));
const COMMANDS = ['run', 'chat', 'info', 'models', 'tokenize', 'eval', 'perplexity', 'bench'];

/** @type {string} */
let model;
/** @type {string} */
let folder;

before(() => {
  model = writeSmallModel();
  folder = temporaryFolder();
});

/**
 * Runs the command; `watch(child, stdout so far)` is called for each piece of output. With `input` null the standard
 * input stays open after `first`, and gets what `pipe` gives; `onTaken(child)` is called when `first` is taken, which
 * where it is more than a pipe holds is while it is read.
 * @param {any} args
 * @param {any} [options]
 */
function nibble(args, { input = '', first = '', watch, pipe, onTaken } = {}) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [CLI, ...args], { timeout: 120_000, killSignal: 'SIGKILL' });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (piece) => {
      stdout += piece;
      watch?.(child, stdout);
    });
    child.stderr.on('data', (piece) => {
      stderr += piece;
    });
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
    child.stdin.on('error', () => {});
    pipe?.pipe(child.stdin);
    if (first !== '') child.stdin.write(first, () => onTaken?.(child));
    if (input !== null) child.stdin.end(input);
  });
}

/** @param {string[]} args @param {object} [options] */
async function json(args, options) {
  const { status, stdout, stderr } = await nibble([...args, '--json'], options);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

describe('every command', () => {
  for (const command of COMMANDS) {
    test(`${command} --help tells its options`, async () => {
      const { status, stdout } = await nibble([command, '--help']);
      assert.equal(status, 0);
      assert.match(stdout, new RegExp(`^nibble ${command}: `));
      assert.match(stdout, /--json/);
      assert.ok(stdout.split('\n').every((/** @type {string} */ line) => line.length <= 100));
    });
  }

  test('without a command, or with a wrong one: exit code 2', async () => {
    assert.equal((await nibble([])).status, 2);
    const wrong = await nibble(['rum']);
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /^nibble: USAGE: There is no command "rum"; there are run, chat/);
    assert.equal((await nibble(['toString'])).status, 2);
    assert.equal((await nibble(['--help'])).status, 0);
    assert.match((await nibble(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  });

  test('wrong use: exit code 2, a sentence, JSON where asked for', async () => {
    const plain = await nibble(['run', '-m', model]);
    assert.deepEqual([plain.status, plain.stdout], [2, '']);
    assert.match(plain.stderr, /^nibble: USAGE: --prompt is needed\.\nTry "nibble run --help"\.\n$/);
    const asJson = await nibble(['eval', '--tokens', '1,x', '--json']);
    assert.equal(asJson.status, 2);
    assert.equal(JSON.parse(asJson.stderr).error.code, 'USAGE');
  });

  test('a wrong value of an option: exit code 2, and the sentence calls it by its name here', async () => {
    const run = ['run', '-p', 'x', '-m', model];
    const cases = [
      [[...run, '-t', '999'], /: --threads is 999; expected a whole number from 1 to 64\./],
      [[...run, '--temperature', '1e30'], /: --temperature is 1e\+30; expected/],
      [[...run, '--top-p', '2'], /: --top-p is 2; expected a number from 0 to 1\./],
      [[...run, '-b', '100000'], /: --batch is 100000; expected/],
      [[...run, '--stop', ''], /: --stop is ""; expected a text that is not empty\./],
      [[...run, '--kernels', 'foo'], /: --kernels is "foo"; expected one of .*simd128, reference/],
      [[...run, '-c', '99999'], /context size is 99999; .* trained for/],
      [[...run, '-n', '-5'], /: --max-tokens is "-5"; expected a whole number from 0 up\./],
      [[...run, '-p', 'y'], /: --prompt was given more than once/],
      [['run', '-p', 'x', '-m', ''], /: --model is empty; expected the path or the URL/],
      [['tokenize', '-m', model, '--text', 'a', '--file', 'b'], /Only one of --text and --file/],
    ];
    for (const [args, message] of untyped(cases)) {
      const { status, stdout, stderr } = await nibble(args);
      assert.deepEqual([status, stdout], [2, ''], stderr);
      assert.match(stderr, message);
    }
  });

  test('a file of text that cannot be read is told in words', async () => {
    for (const [file, reason] of [
      [join(folder, 'absent.txt'), 'there is no such file'],
      [folder, 'it is a folder, not a file'],
    ]) {
      const { status, stderr } = await nibble(['tokenize', '-m', model, '--file', file]);
      assert.deepEqual(
        [status, stderr],
        [1, `nibble: FILE_UNREADABLE: The file "${file}" could not be read: ${reason}.\n`],
      );
    }
  });

  const full = existsSync('/dev/full') ? false : 'this platform has no /dev/full';
  test('output that cannot be written: exit code 1, a sentence', { skip: full }, async () => {
    for (const args of [
      ['--help'],
      ['tokenize', '-m', model, '--text', 'x'],
      ['run', '-p', 'x', '-n', '4', '-m', model],
    ]) {
      const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'] });
      let stderr = '';
      present(child.stderr).on('data', (piece) => {
        stderr += piece;
      });
      const status = await new Promise((resolve) => child.on('close', resolve));
      assert.equal(status, 1, stderr);
      assert.match(stderr, /^nibble: OUTPUT_FAILED: [^\n]+no space[^\n]+\n$/);
    }
  });

  test('an error: exit code 1, a sentence, JSON where asked for', async () => {
    const path = join(folder, 'picture.gguf');
    writeFileSync(path, 'JFIF, not a model');
    for (const args of [
      ['run', '-p', 'x'],
      ['chat'],
      ['info'],
      ['tokenize', '--text', 'x'],
      ['eval', '--tokens', '1'],
      ['bench'],
    ]) {
      const { status, stdout, stderr } = await nibble([...args, '-m', path]);
      assert.deepEqual([status, stdout], [1, ''], args[0]);
      assert.match(stderr, /^nibble: GGUF_BAD_MAGIC: [^\n]+\n$/, args[0]);
    }
    const absent = await nibble(['info', join(folder, 'absent.gguf'), '--json']);
    assert.equal(absent.status, 1);
    assert.equal(JSON.parse(absent.stderr).error.code, 'SOURCE_UNREADABLE');
  });
});

describe('run', () => {
  const raw = ['run', '--raw', '-p', 'hello', '-n', '12', '--ignore-eos', '--seed', '5'];

  test('prints the text and a new line; JSON has the same text', async () => {
    const plain = await nibble([...raw, '-m', model]);
    assert.deepEqual([plain.status, plain.stderr], [0, '']);
    const result = await json([...raw, '-m', model]);
    assert.equal(plain.stdout, result.text.endsWith('\n') ? result.text : `${result.text}\n`);
    assert.deepEqual([result.completionTokens, result.finishReason, result.seed], [12, 'length', 5]);
  });

  test('prints nothing where nothing is written, and takes biases', async () => {
    assert.deepEqual(await nibble(['run', '--raw', '-p', 'a', '-n', '0', '-m', model]), {
      ...{ status: 0, signal: null, stdout: '', stderr: '' },
    });
    const biased = await json([...raw, '-m', model, '--logit-bias', '77=1000', '--logit-bias', '78=-inf']);
    assert.deepEqual(biased.tokens, Array(12).fill(77));
  });

  test('says that no token is left where all are forbidden', async () => {
    const biases = Array.from({ length: 300 }, (_, id) => ['--logit-bias', `${id}=-inf`]).flat();
    const { status, stdout, stderr } = await nibble([...raw, '-m', model, ...biases]);
    assert.deepEqual([status, stdout], [1, '']);
    assert.match(stderr, /No token may come next: logitBias/);
  });

  test('reads the prompt from standard input, and tells timings where asked for', async () => {
    const [piped, direct] = [
      await nibble(['run', '--raw', '-p', '-', '-n', '4', '--temperature', '0', '-v', '-m', model], { input: 'hello' }),
      await nibble(['run', '--raw', '-p', 'hello', '-n', '4', '--temperature', '0', '-m', model]),
    ];
    assert.equal(piped.stdout, direct.stdout);
    assert.match(piped.stderr, /tok\/s/);
  });

  test('a reader that goes away is no error', async () => {
    const args = ['run', '--raw', '-p', 'a', '--ignore-eos', '-m', writeSmallModel({ context: 16384 }), '-c', '0'];
    const { status, stderr } = await nibble(args, {
      watch: (/** @type {ChildProcess} */ child) => present(child.stdout).destroy(),
    });
    assert.deepEqual([status, stderr], [0, '']);
  });

  test('Ctrl-C ends it with exit code 130', async () => {
    const args = ['run', '--raw', '-p', 'a', '--ignore-eos', '-m', writeSmallModel({ context: 65536 }), '-c', '0'];
    let sent = false;
    const watch = (/** @type {ChildProcess} */ child) => {
      if (!sent) child.kill('SIGINT');
      sent = true;
    };
    assert.equal((await nibble(args, { watch })).status, 130);
  });

  for (const args of [
    ['run', '-p', '-'],
    ['tokenize', '--text', '-'],
  ]) {
    test(`Ctrl-C ends ${args[0]} while it reads`, async () => {
      const options = {
        input: null,
        first: 'a'.repeat(4 << 20),
        onTaken: (/** @type {ChildProcess} */ child) => child.kill('SIGINT'),
      };
      const { status, stdout, stderr } = await nibble([...args, '-m', model], options);
      assert.deepEqual([status, stdout, stderr], [130, '', '']);
    });
  }
});

describe('chat', () => {
  test('answers each line, takes commands, and ends with the input', async () => {
    const input = 'hello\n/help\n/system Be brief\n/nope\n\nagain\n';
    const { status, stdout, stderr } = await nibble(['chat', '-m', model, '-n', '5', '-v', '--seed', '1'], { input });
    assert.equal(status, 1, 'one of the lines had no answer');
    assert.ok(stdout.length > 2);
    assert.match(stderr, /\/reset/);
    assert.match(stderr, /There is no command \/nope/);
    assert.equal(stderr.match(/; seed 1$/gm).length, 2, 'two answers');
  });

  test('JSON is a line for each answer', async () => {
    const { stdout } = await nibble(['chat', '-m', model, '-n', '3', '--json'], { input: 'a\nb\n' });
    const answers = stdout
      .trim()
      .split('\n')
      .map((/** @type {string} */ line) => JSON.parse(line));
    assert.deepEqual(
      answers.map((/** @type {{ role: string }} */ { role }) => role),
      ['assistant', 'assistant'],
    );
  });

  test('input that goes on without end is an error, and more lines than are answered wait', async () => {
    const endless = () =>
      Readable.from(
        (function* () {
          for (;;) yield Buffer.alloc(1 << 20);
        })(),
      );
    for (const args of [
      ['chat', '-m', model],
      ['run', '-m', model, '-p', '-'],
    ]) {
      const { status, stderr } = await nibble(args, { input: null, pipe: endless() });
      assert.equal(status, 1);
      assert.match(stderr, /^nibble: INPUT_TOO_LONG: [^\n]+\n$/m);
    }
    let pulled = 0;
    const many = function* () {
      while (pulled < 500) yield `${++pulled}\n`.repeat(100);
    };
    const streams = { stdin: Readable.from(many()), stdout: new PassThrough() };
    const lines = createLineInput(untyped({ ...streams, person: false, onInterrupt() {}, onEnd() {} }));
    assert.equal(await lines.next(), '1');
    for (let turn = 0; turn < 1000; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(pulled < 100, `${pulled} pieces were read`);
    let count = 1;
    while ((await lines.next()) !== null) count++;
    assert.equal(count, 50_000);
  });

  test('Ctrl-C leaves questions that nobody types, with exit code 130, and says nothing among the answers', async () => {
    const args = ['chat', '-m', writeSmallModel({ context: 65536 }), '-c', '0', '--ignore-eos', '-v'];
    const once = (/** @type {(child: ChildProcess) => unknown} */ act) => {
      let done = false;
      return (/** @type {ChildProcess} */ child) => {
        if (!done) act(child);
        done = true;
      };
    };
    const watch = once((child) => child.kill('SIGINT'));
    const plain = await nibble(args, { input: 'one\n'.repeat(20), watch });
    assert.equal(plain.status, 130, plain.stderr);
    assert.equal(plain.stderr.match(/ended by cancelled/g).length, 1);
    // Behind an answer, where the next question has not come.
    const later = once((child) => setTimeout(() => child.kill('SIGINT'), 100));
    const options = { input: null, first: 'one\n', watch: later };
    const { status, stdout, stderr } = await nibble([...args, '-n', '3', '--json'], options);
    assert.equal(status, 130, stderr);
    assert.equal(JSON.parse(stdout).role, 'assistant');
    assert.doesNotMatch(stderr, /Ctrl-C/);
  });

  test('a mark of the byte order before the first question is not part of it', async () => {
    for (const command of [['chat'], ['run', '-p', '-']]) {
      const args = [...command, '-m', model, '-n', '1', '--json'];
      const counts = await Promise.all(
        ['Hi', '\ufeffHi'].map(async (input) => JSON.parse((await nibble(args, { input })).stdout).promptTokens),
      );
      assert.equal(counts[0], counts[1], command[0]);
    }
  });
});

describe('info, tokenize, eval, perplexity, bench', () => {
  const sum = (/** @type {{ packedBytes: number }[]} */ list) => list.reduce((sum, one) => sum + one.packedBytes, 0);
  test('info tells model and memory', async () => {
    const page = (await nibble(['info', model, '-c', '64', '--tensors'])).stdout;
    for (const text of ['random small', 'Q4_0', '64 tokens of context', 'token_embd.weight', 'general.architecture']) {
      assert.ok(page.includes(text), text);
    }
    assert.match(page, /^weights +Q4_0: 20 tensors, /m);
    assert.match(page, /^TYPE +TENSORS +WEIGHTS +IN THE FILE +AS +IN MEMORY +BITS A WEIGHT$/m);
    assert.match(page, /^Q4_0 +15 .* Q4_0 +[\d.]+ kB +4\.\d\d$/m);
    assert.match(page, /^F32 +5 .* F32 +[\d.]+ kB +32\.00$/m);
    assert.match(page, /^token_embd\.weight .* Q4_0 +[\d.]+ kB$/m);
    const compact = await nibble(['info', model, '-c', '64', '--kv-type', 'int8']);
    assert.match(page, /KV cache .*\(f16\)/);
    assert.match(compact.stdout, /KV cache .*\(int8\)/);
    assert.equal((await nibble(['info', model, '--kv-type', 'int4'])).status, 2);
    const large = await nibble(['info', model, '-c', '99999']);
    assert.equal(large.status, 2); // as of every command that is asked for too much context
    assert.match(large.stderr, /^nibble: INVALID_ARGUMENT: The context size is 99999; /);
    assert.match(large.stdout, /^layers .*^memory +\w+: The context size is 99999; /ms);
    const poor = await nibble(['info', model, '--budget', '1K']);
    assert.equal(poor.status, 1);
    assert.match(poor.stdout, /^layers .*^memory +BUDGET_TOO_SMALL/ms);
    assert.match(poor.stderr, /^nibble: BUDGET_TOO_SMALL: /);
    const pointless = await nibble(['info', model, '--read-rate', '1G']);
    assert.deepEqual([pointless.status, pointless.stdout], [2, '']);
    assert.match(pointless.stderr, /--budget/);
    const noFolder = await nibble(['run', '-m', model, '-p', 'hello', '-n', '1', '--store', model]);
    assert.deepEqual([noFolder.status, noFolder.stdout], [2, '']);
    assert.match(noFolder.stderr, /is not a folder/);
    const description = await json(['info', model]);
    assert.equal(description.model.layers, 2);
    assert.equal(description.tensors.length, 20);
    const { packedBytes } = description.model;
    assert.equal(sum(description.tensors), packedBytes);
    assert.equal(sum(description.quantization.types), packedBytes);
  });

  test('tokenize lists tokens with their texts', async () => {
    assert.deepEqual(await json(['tokenize', '-m', model, '--text', 'Hi', '--no-special']), {
      tokens: [72, 105],
      texts: ['H', 'i'],
    });
    assert.equal((await nibble(['tokenize', '-m', model, '--text', 'Hi'])).stdout, ' 72  "H"\n105  "i"\n');
  });

  test('eval tells the likeliest tokens, of a list or a file', async () => {
    const file = join(folder, 'tokens.txt');
    writeFileSync(file, '[10, 20\n30]');
    const [listed, filed] = [
      await json(['eval', '-m', model, '--tokens', '10,20,30', '--top', '0']),
      await json(['eval', '-m', model, '--tokens-file', file, '--top', '2']),
    ];
    assert.equal(listed.top.length, 300);
    assert.deepEqual(filed, { tokens: [10, 20, 30], top: listed.top.slice(0, 2) });
    assert.deepEqual(Object.keys(filed.top[0]), ['id', 'token', 'p', 'logit']);
    const exact = await json(['eval', '-m', model, '--tokens', '10,20,30', '--top', '1', '--exact']);
    assert.notEqual(exact.top[0].logit, listed.top[0].logit);
    assert.ok(Math.abs(exact.top[0].logit - listed.top[0].logit) < 0.5);
    const wrong = await nibble(['eval', '-m', model, '--tokens', '10,9999']);
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /INVALID_ARGUMENT: 9999 is not a token/);
  });

  test('perplexity is that of the second half of each chunk, and a short text is refused', async () => {
    const file = join(folder, 'text.txt');
    writeFileSync(file, 'the quick brown fox jumps over the lazy dog. '.repeat(20));
    const result = await json(['perplexity', '-m', model, '--file', file, '-c', '64', '--chunks', '3']);
    assert.deepEqual([result.chunks, result.context, result.scoredTokens], [3, 64, 3 * 31]);
    assert.ok(result.error > 0);
    const engine = await createEngine({ model });
    const tokens = await engine.tokenize('the quick brown fox jumps over the lazy dog. '.repeat(20));
    let sum = 0;
    for (let chunk = 0; chunk < 3; chunk++) {
      for (let last = 33; last < 64; last++) {
        const { top } = await engine.evaluate(tokens.slice(chunk * 64, chunk * 64 + last), {
          top: 0,
          reusePrefix: true,
        });
        sum -= Math.log(present(top.find(({ id }) => id === tokens[chunk * 64 + last])).p);
      }
    }
    await engine.unload();
    assert.ok(
      Math.abs(Math.log(result.perplexity) - sum / 93) < 1e-3,
      `${Math.log(result.perplexity)} and ${sum / 93}`,
    );
    const all = await json(['perplexity', '-m', model, '--file', file, '-c', '64', '--chunks', '3', '--all']);
    assert.equal(all.scoredTokens, 3 * 63);
    assert.match(
      (await nibble(['perplexity', '-m', model, '--file', file, '-c', '64'])).stdout,
      /PPL = [\d.]+ \+\/- [\d.]+/,
    );
    writeFileSync(file, 'short');
    const short = await nibble(['perplexity', '-m', model, '--file', file]);
    assert.equal(short.status, 1);
    assert.match(short.stderr, /TEXT_TOO_SHORT: The text has \d+ tokens?; two chunks of \d+, /);
    for (const [context, message] of untyped([
      ['2', /scores nothing; expected 4 or more/],
      ['3', /even number from 4 up, since each chunk's second half/],
    ])) {
      const refused = await nibble(['perplexity', '-m', model, '--file', file, '-c', context]);
      assert.equal(refused.status, 2);
      assert.match(refused.stderr, message);
    }
    assert.match((await nibble(['perplexity', '--help'])).stdout, /even number from 4 up/);
  });

  test('a model that computes NaN ends perplexity and an answer with an error', async () => {
    const broken = join(folder, 'nan.gguf');
    const file = join(folder, 'nan.txt');
    writeFileSync(broken, scriptedModel({ script: () => ({ 110: 20 }), nanAfter: 110 }));
    writeFileSync(file, 'nz'.repeat(60));
    for (const args of [
      ['perplexity', '-m', broken, '--file', file, '-c', '32'],
      ['run', '-m', broken, '-p', 'x'],
    ]) {
      const { status, stdout, stderr } = await nibble(args);
      assert.equal(status, 1);
      assert.match(stderr, /MODEL_COMPUTES_NAN: The model computes no numbers here/);
      assert.doesNotMatch(stdout, /NaN/);
    }
  });

  test('bench reports under the field names of llama-bench', async () => {
    const args = ['bench', '-m', model, '-p', '16', '-n', '4', '-d', '0,8', '-r', '2', '-t', '1'];
    const rows = await json(args);
    assert.deepEqual(
      rows.map((/** @type {Record<string, unknown>} */ row) => [row.n_prompt, row.n_gen, row.n_depth]),
      [
        [16, 0, 0],
        [0, 4, 0],
        [16, 0, 8],
        [0, 4, 8],
      ],
    );
    const [row] = rows;
    const twice = await nibble(['bench', '-m', model, '-o', 'csv', '--json']);
    assert.deepEqual([twice.status, JSON.parse(twice.stderr).error.code], [2, 'USAGE']);
    for (const name of [
      'build_commit',
      'cpu_info',
      'model_filename',
      'model_type',
      'model_size',
      'model_n_params',
      'n_batch',
      'n_ubatch',
      'type_k',
      'type_v',
      'test_time',
      'avg_ns',
      'stddev_ns',
      'avg_ts',
      'stddev_ts',
      'load_ms',
      'peak_memory',
      'kernel_set',
      'wasm',
      'node',
      'v8',
    ]) {
      assert.ok(row[name] !== undefined && row[name] !== '', name);
    }
    assert.deepEqual([row.samples_ns.length, row.samples_ts.length, row.n_threads], [2, 2, 1]);
    assert.ok(Math.abs(row.samples_ts[0] - (16 * 1e9) / row.samples_ns[0]) < 1e-6);
    const csv = csvTable(rows).trim().split('\n');
    assert.equal(csv.length, 5);
    assert.ok(csv[1].startsWith('"'));
    assert.match(markdownTable(rows), /\| +pp16 @ d8 \|/);
    assert.doesNotMatch(markdownTable(rows), /measured/, 'the threads were given');
    const chosen = rows.map((/** @type {object} */ each) => ({ ...each, thread_rates: { 1: 2e9, 2: 3.5e9 } }));
    assert.match(markdownTable(chosen), /\nthreads 1, measured: 1: 2\.00 GB\/s, 2: 3\.50 GB\/s\n/);
    assert.match((await nibble(['bench', '-m', model, '-p', '8', '-n', '0', '-r', '1'])).stdout, /\| model .*t\/s/);
    assert.equal((await nibble(['bench', '-m', model, '-p', '0', '-n', '0'])).status, 2);
  });
});
