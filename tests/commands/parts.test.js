// The parts of the command line that need no process of their own.
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { contextFull, NibbleError, notStored, storeNeeded } from '../../js/base/errors.js';
import { help, parse, UsageError } from '../../js/commands/arguments.js';
import { testsOf } from '../../js/commands/bench.js';
import { statistics } from '../../js/commands/bench-report.js';
import { Conversation } from '../../js/commands/chat.js';
import { findStored } from '../../js/commands/model.js';
import { linesOf, withPastes } from '../../js/commands/paste.js';
import { checkContext, createEstimate, tooShort } from '../../js/commands/perplexity.js';
import run from '../../js/commands/run.js';
import { sentence } from '../../js/commands/sentences.js';
import { createTerminal } from '../../js/commands/terminal.js';
import { binaryBytes, bytes, columns, duration, parameters, sizeLabel } from '../../js/commands/units.js';
import { checkKernelSet, KERNEL_SETS } from '../../js/core/simd.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/prompt/messages.js').Message} Message */
/** @typedef {import('../../js/commands/terminal.js').Terminal} Terminal */

describe('option parsing', () => {
  /** @type {import('../../js/commands/arguments.js').Declared} */
  const command = untyped({
    name: 'test',
    summary: 'a test',
    usage: '[OPTIONS]',
    options: {
      count: { kind: 'integer', short: 'c', value: 'N', least: 1, default: 3, help: 'how many of a thing' },
      ratio: { kind: 'number', value: 'X', help: 'how much' },
      list: { kind: 'integers', short: 'l', value: 'LIST', help: 'numbers' },
      word: { kind: 'text', value: 'W', choices: ['a', 'b'], help: 'a or b' },
      stop: { kind: 'text', value: 'T', multiple: true, help: 'texts' },
      bias: { kind: 'bias', value: 'ID=BIAS', multiple: true, help: 'biases' },
      flag: { kind: 'flag', help: 'yes' },
      help: { kind: 'flag', short: 'h', help: 'help' },
    },
  });

  test('values are read by their kind, long and short', () => {
    const { values } = parse(command, [
      '-c',
      '5',
      '--ratio=-0.5',
      '-l',
      '1,2,3',
      '--stop',
      'x',
      '--stop',
      'y',
      '--flag',
    ]);
    assert.deepEqual(values, {
      bias: undefined,
      ...{ count: 5, ratio: -0.5, list: [1, 2, 3], word: undefined, stop: ['x', 'y'], flag: true, help: undefined },
    });
    assert.equal(parse(command, []).values.count, 3);
    assert.deepEqual(parse(command, ['-l', ' 1 , 2']).values.list, [1, 2]);
    assert.deepEqual(parse(command, ['--bias', '3=-1.5', '--bias=4=-inf']).values.bias, [
      [3, -1.5],
      [4, -Infinity],
    ]);
  });

  test('a negative number behind an option is its value', () => {
    assert.equal(parse(command, ['--ratio', '-0.5', '--flag']).values.ratio, -0.5);
    assert.equal(parse(command, ['--ratio', '-.5']).values.ratio, -0.5);
    assert.throws(() => parse(command, ['-c', '-5']), /--count is "-5"; expected a whole number from 1 up/);
    assert.throws(() => parse(command, ['--flag', '-5']), UsageError);
  });

  test('what does not fit is named', () => {
    const cases = [
      [['-c', '0'], /--count is "0"; expected a whole number from 1 up/],
      [['-c', '1.5'], /--count/],
      [['-c', ''], /--count/],
      [['--ratio', 'x'], /--ratio is "x"; expected a number/],
      [['-l', '1,,2'], /--list is "1,,2"; expected whole numbers/],
      [['-l', ''], /--list is ""/],
      [['-l', '0x10'], /--list is "0x10"/],
      [['-l', '1e2'], /--list is "1e2"/],
      [['-c', '0x10'], /--count/],
      [['-c', '1', '--count', '2'], /--count was given more than once/],
      [['--bias', '3'], /--bias is "3"; expected a token id and a number/],
      [['--bias', '3=inf'], /--bias/],
      [['--word', 'c'], /one of a, b/],
      [['--nope'], /--nope/],
      [['stray'], /stray/],
    ];
    for (const [args, message] of untyped(cases)) {
      assert.throws(
        () => parse(command, untyped(args)),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    }
  });

  test('the help names every option', () => {
    const text = help(untyped(command));
    for (const name of Object.keys(command.options)) assert.ok(text.includes(`--${name}`), name);
  });
});

describe('sentences', () => {
  test('options and ways out are those of the command line', () => {
    const known = { 'top-p': {}, context: {} };
    const wrong = new NibbleError('INVALID_ARGUMENT', 'The option topP is 2.', {
      details: { option: 'topP', found: '2', expected: 'less' },
    });
    assert.equal(sentence(wrong, known), '--top-p is 2; expected less.');
    assert.equal(sentence(wrong, {}), 'The option topP is 2.');
    const full = contextFull('The text has 9 tokens.', { tokens: 9, contextSize: 8, shorten: 'it' });
    assert.equal(full.message, 'The text has 9 tokens. Shorten it, or create the engine with a larger contextSize.');
    const timed = contextFull('It takes 9 tokens.', { tokens: 9, contextSize: 8, shorten: null });
    assert.equal(timed.message, 'It takes 9 tokens. Create the engine with a larger contextSize.');
    assert.equal(sentence(timed, known), 'It takes 9 tokens. Run it with a larger --context.');
    assert.match(sentence(storeNeeded('None is named.'), known), /^None is named\. Say where with --store FOLDER\.$/);
    const missing = NibbleError.fromJSON(notStored('a', 'url:a').toJSON());
    assert.equal(sentence(missing, known), 'There is no stored model "a". "nibble models list" tells which there are.');
    assert.equal(sentence(full, known), 'The text has 9 tokens. Shorten it, or run it with a larger --context.');
    assert.match(
      sentence(full, known, { inChat: true }),
      / Shorten it, begin anew with \/reset, or start with a larger/,
    );
    assert.equal(sentence(new Error('as it is')), 'as it is');
  });

  test('contexts that score nothing are refused, and a short text says what would do', () => {
    for (const wrong of [{ context: 2 }, { context: 5 }, { context: 1, all: true }]) {
      assert.throws(() => checkContext(wrong), UsageError, JSON.stringify(wrong));
    }
    for (const right of [{}, { context: 4 }, { context: 2, all: true }, { context: 3, all: true }]) checkContext(right);
    assert.match(tooShort(15, 512, false), /has 15 tokens; two chunks of 512, 1024 tokens, .* or -c 6\.$/);
    assert.match(tooShort(15, 512, true), /or -c 7\.$/);
    assert.match(tooShort(1, 512, false), /has 1 token; .* a longer text; with -c 4, 8 tokens are enough\.$/);
  });

  test('kernel sets that this platform lacks are refused with those that it has', () => {
    for (const set of KERNEL_SETS) checkKernelSet(set, true);
    checkKernelSet(null, false);
    assert.throws(
      () => checkKernelSet('foo', true),
      /expected one of relaxed-i16, relaxed-i32, relaxed-u8, simd128, reference\./,
    );
    assert.throws(
      () => checkKernelSet('relaxed-i16', false),
      /one of simd128, reference .*--experimental-wasm-relaxed-simd/,
    );
  });
});

describe('a person in a chat', () => {
  const CTRL_C = '\x03';
  const CTRL_D = '\x04';

  /** An engine whose answers are given piece by piece, and end with end() or stop(). */
  function fakeEngine() {
    /** @type {any[]} */
    const asked = [];
    /** @type {any} */
    const engine = {
      asked,
      info: { warnings: [] },
      /** @param {{ messages: Message[] }} options */
      complete({ messages }) {
        asked.push(present(messages.at(-1)).content);
        const stream = new PassThrough({ objectMode: true });
        let finishReason = 'stop';
        engine.say = (/** @type {string} */ text) => stream.write({ text });
        engine.end = () => stream.end();
        return {
          [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
          result: new Promise((resolve) => stream.on('end', () => resolve({ text: 'x', finishReason, warnings: [] }))),
          stop() {
            finishReason = 'cancelled';
            engine.stopped = true;
            stream.end();
          },
        };
      },
    };
    return engine;
  }

  async function chatting() {
    const streams = untyped({ stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() });
    Object.assign(streams.stdin, { isTTY: true, setRawMode: () => {} });
    let shown = '';
    streams.stdout.on('data', (/** @type {Buffer} */ piece) => {
      shown += piece;
    });
    const noted = () => String(streams.stderr.read() ?? '');
    const engine = fakeEngine();
    const done = new Conversation(untyped(engine), { sampling: {} }, createTerminal(streams)).run();
    const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
    /** @param {string} text */
    const type = async (text) => {
      streams.stdin.write(text);
      await settle();
    };
    await settle();
    /** What was shown since the last look. */
    const look = () => {
      const text = shown;
      shown = '';
      return text;
    };
    return { engine, done, type, look, noted, settle };
  }

  test('Ctrl-C while typing clears the line', async () => {
    const { engine, done, type, look } = await chatting();
    await type('hel');
    look();
    await type(CTRL_C);
    assert.match(look(), /^\n.*> /s);
    await type('new\r');
    assert.deepEqual(engine.asked, ['new']);
    await type(CTRL_D);
    await done;
  });

  test('a first Ctrl-C on an empty line tells how to leave, beside the answers, and the second leaves', async () => {
    const { engine, done, type, look, noted } = untyped(await chatting());
    await type(CTRL_C);
    assert.match(noted(), /Ctrl-C again/);
    assert.doesNotMatch(look(), /Ctrl-C/);
    await type('one\r');
    await type(CTRL_C);
    assert.ok(engine.stopped);
    await type(CTRL_C);
    assert.match(noted(), /Ctrl-C again/, 'an answer lies between');
    await type(CTRL_C);
    await done;
  });

  test('what is typed during an answer shows at the next prompt and not within the answer', async () => {
    const { engine, done, type, look, settle } = untyped(await chatting());
    await type('one\r');
    look();
    engine.say('an ');
    await settle();
    await type('two\rthr');
    engine.say('answer');
    await settle();
    assert.equal(look(), 'an answer');
    engine.end();
    await settle();
    assert.equal(look(), '\n> two\n');
    assert.deepEqual(engine.asked, ['one', 'two']);
    engine.end();
    await settle();
    assert.match(look(), /> thr/);
    await type('ee\r');
    assert.equal(engine.asked[2], 'three');
    await type(CTRL_C);
    assert.ok(engine.stopped);
    await type(CTRL_D);
    await done;
  });

  test('Ctrl-D during an answer stops it and leaves, with what was typed ahead', async () => {
    const { engine, done, type } = untyped(await chatting());
    await type('one\r');
    await type('two\r');
    await type(CTRL_D);
    await done;
    assert.ok(engine.stopped);
    assert.deepEqual(engine.asked, ['one']);
  });
});

describe('a paste into a chat', () => {
  const ENTER = '\r';
  const [BEGIN, END] = ['\x1b[200~', '\x1b[201~'];

  /**
   * What readline would be given of pieces that come one after the other.
   * @param {string[] | Buffer<ArrayBuffer>[]} pieces
   */
  async function seen(pieces, mayBurst = true) {
    const stdin = new PassThrough();
    const { input, close } = withPastes(untyped(stdin), () => mayBurst);
    let text = '';
    input.on('data', (piece) => {
      text += piece;
    });
    for (const piece of pieces) {
      stdin.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    stdin.end();
    await new Promise((resolve) => input.on('end', resolve));
    close();
    return text;
  }

  test('of several lines is one question, whole, however its bytes come', async () => {
    const lines = 'def f():\r\n\treturn "é"\nend';
    const whole = `${BEGIN}${lines}${END}${ENTER}`;
    const cuts = [[whole], [...whole], [Buffer.from(whole).subarray(0, 29), Buffer.from(whole).subarray(29)]];
    for (const pieces of cuts) {
      const text = await seen(pieces);
      assert.equal(text.at(-1), ENTER);
      assert.equal(present(text.match(/[\r\n]/g)).length, 1, JSON.stringify(text));
      assert.equal(linesOf(text.slice(0, -1)), 'def f():\n\treturn "é"\nend');
    }
  });

  test('brings no keys along: what it holds of control characters is shown', async () => {
    const text = await seen([`${BEGIN}a\x03\x04\x1b[2Jb\x7f${END}`]);
    assert.equal(text, 'a\u2403\u2404\u241b[2Jb\u2421');
  });

  test('without brackets it is several lines at once; lines one by one, commands and keys stay as they are', async () => {
    const burst = await seen(['line a\nline b\nli', 'ne c\n']);
    assert.deepEqual([linesOf(burst.slice(0, -1)), burst.at(-1)], ['line a\nline b\nline c', ENTER]);
    for (const pieces of [['one\r', 'two\r'], ['/reset\nHello\n'], ['\x1b', 'x'], ['\x1b[A\x1b[B'], ['a\r']]) {
      assert.equal(await seen(pieces), pieces.join(''));
    }
    assert.equal(await seen(['two\rthr'], false), 'two\rthr');
  });
});

describe('what models and files say', () => {
  const EVIL = 'a\x1b]52;c;ZXZpbA==\x07b\x9b2J\x7f\u0085\r\nc\td\re';

  /**
   * What a command that says it writes, on a terminal and into a pipe.
   * @param {boolean} isTTY
   * @param {(terminal: Terminal) => void} say
   */
  function written(isTTY, say) {
    const streams = untyped({ stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() });
    let text = '';
    for (const stream of [streams.stdout, streams.stderr]) {
      stream.isTTY = isTTY;
      stream.on('data', (/** @type {Buffer} */ piece) => {
        text += piece;
      });
    }
    say(createTerminal(streams));
    return text;
  }

  test('is no command for a terminal, whoever tells it: answers, notes, errors, progress, JSON', () => {
    for (const way of /** @type {const} */ (['write', 'note', 'complain', 'progress', 'json'])) {
      const text = written(true, (terminal) => terminal[way](EVIL));
      assert.doesNotMatch(text.replace(/^\r/, ''), /(?![\n\t])\p{Cc}/u, way);
      assert.match(text, /52;c;ZXZpbA==/, 'what was hidden is shown');
    }
    assert.match(
      written(true, (terminal) => terminal.write('ünï\t日本\n👍')),
      /^ünï\t日本\n👍$/,
    );
  });

  test('goes into a pipe as it is, and as JSON is the same', () => {
    assert.equal(
      written(false, (terminal) => terminal.write(EVIL)),
      EVIL,
    );
    for (const isTTY of [true, false]) {
      assert.equal(JSON.parse(written(isTTY, (terminal) => terminal.json({ EVIL }))).EVIL, EVIL);
      const line = written(isTTY, (terminal) => terminal.json({ EVIL }, { oneLine: true }));
      assert.deepEqual([JSON.parse(line).EVIL, line.indexOf('\n')], [EVIL, line.length - 1]);
    }
  });

  test('stays on its row of a table', () => {
    assert.equal(
      columns([
        ['a\nb', 'c'],
        ['\x1b[1m', 'd'],
      ]).split('\n').length,
      2,
    );
  });
});

describe('what is mistyped', () => {
  const { options, bare } = run;
  /** @param {string[]} args */
  const told = (args) => {
    try {
      parse({ name: 'run', options, bare }, args);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
    return 'nothing';
  };

  test('is told with what was probably meant', () => {
    assert.match(told(['Hello there']), /Did you mean "nibble run --prompt "Hello there""\?$/);
    assert.match(
      told(['-p', 'x', '--temprature', '1']),
      /^There is no option --temprature\. Did you mean --temperature\?$/,
    );
    assert.equal(told(['-p', 'x', '--quite-another=1']), 'There is no option --quite-another.');
    assert.match(told(['-p', 'x', '-Z']), /^There is no option -Z\.$/);
  });

  test('stored models are meant by id, name or file, and never guessed', () => {
    const models = untyped([
      { id: 'url:https://a.test/one.gguf', name: 'One', source: { url: 'https://a.test/one.gguf?x=1' } },
      { id: 'file:b.gguf:1:2:ab', name: 'Two', source: { file: 'b.gguf' } },
      { id: 'bytes:1', name: 'two', source: { file: 'model' } },
    ]);
    assert.equal(findStored(models, 'one'), models[0]);
    assert.equal(findStored(models, 'one.gguf'), models[0]);
    assert.equal(findStored(models, 'b.gguf'), models[1]);
    assert.equal(findStored(models, 'bytes:1'), models[2]);
    assert.equal(findStored(models, 'On'), null);
    const [spaced, odd, plain] = ['a%20b.gguf', '100%.gguf', 'a b.gguf'].map((name, index) => ({
      ...{ id: `url:${index}`, name: 'three', source: { url: `https://a.test/${name}` } },
    }));
    for (const name of ['a b.gguf', 'A%20b.gguf']) assert.equal(findStored(untyped([...models, spaced]), name), spaced);
    assert.equal(findStored(untyped([spaced, odd]), '100%.gguf'), odd);
    assert.equal(findStored(untyped([spaced, plain]), 'a b.gguf'), plain, 'what is written the same comes first');
    assert.throws(() => findStored(models, 'two'), { code: 'STORE_AMBIGUOUS', message: /file:b\.gguf.*bytes:1/ });
  });
});

describe('figures', () => {
  test('numbers for people', () => {
    assert.deepEqual([bytes(0), bytes(1536), bytes(3e9)], ['0 B', '1.54 kB', '3.00 GB']);
    assert.deepEqual([binaryBytes(0), binaryBytes(1536), binaryBytes(3 * 2 ** 30)], ['0 B', '1.50 KiB', '3.00 GiB']);
    assert.deepEqual([parameters(512), parameters(1.236e9)], ['512', '1.24 B']);
    assert.deepEqual([sizeLabel(134.5e6), sizeLabel(1.236e9), sizeLabel(1e9)], ['135M', '1.2B', '1B']);
    assert.deepEqual([duration(1.25), duration(75), duration(7300)], ['1.3s', '1m15s', '2h1m']);
    assert.equal(
      columns(
        [
          ['a', '1'],
          ['bcd', '22'],
        ],
        [1],
      ),
      'a     1\nbcd  22',
    );
  });

  test('mean and sample deviation', () => {
    assert.deepEqual(statistics([2, 4, 4, 4, 5, 5, 7, 9]), { mean: 5, deviation: Math.sqrt(32 / 7) });
    assert.deepEqual(statistics([3]), { mean: 3, deviation: 0 });
  });

  test('perplexity and its error', () => {
    const estimate = createEstimate();
    estimate.add([Math.log(0.5), Math.log(0.25)]);
    estimate.add([Math.log(0.125)]);
    const { perplexity, error, scoredTokens } = estimate.result();
    assert.ok(Math.abs(perplexity - 4) < 1e-12);
    // Variance of (1, 2, 3) ln 2 is 2/3 (ln 2)^2; over two degrees of freedom.
    assert.ok(Math.abs(error - 4 * Math.log(2) * Math.sqrt(1 / 3)) < 1e-12);
    assert.equal(scoredTokens, 3);
  });

  test('benchmarks: every depth with every length', () => {
    const tests = testsOf({ 'n-prompt': [0, 8], 'n-gen': [4], 'n-depth': [0, 16] });
    assert.deepEqual(tests, [
      { prompt: 8, gen: 0, depth: 0 },
      { prompt: 0, gen: 4, depth: 0 },
      { prompt: 8, gen: 0, depth: 16 },
      { prompt: 0, gen: 4, depth: 16 },
    ]);
  });
});
