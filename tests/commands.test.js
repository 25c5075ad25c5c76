// The parts of the command line that need no process of their own.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { help, parse, UsageError } from '../js/commands/arguments.js';
import { testsOf } from '../js/commands/bench.js';
import { statistics } from '../js/commands/bench-report.js';
import { createEstimate } from '../js/commands/perplexity.js';
import { bytes, columns, duration, parameters, sizeLabel } from '../js/commands/units.js';

describe('option parsing', () => {
  const command = {
    name: 'test',
    summary: 'a test',
    usage: '[OPTIONS]',
    options: {
      count: { kind: 'integer', short: 'c', value: 'N', least: 1, default: 3, help: 'how many of a thing' },
      ratio: { kind: 'number', value: 'X', help: 'how much' },
      list: { kind: 'integers', short: 'l', value: 'LIST', help: 'numbers' },
      word: { kind: 'text', value: 'W', choices: ['a', 'b'], help: 'a or b' },
      stop: { kind: 'text', value: 'T', multiple: true, help: 'texts' },
      flag: { kind: 'flag', help: 'yes' },
      help: { kind: 'flag', short: 'h', help: 'help' },
    },
  };

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
      ...{ count: 5, ratio: -0.5, list: [1, 2, 3], word: undefined, stop: ['x', 'y'], flag: true, help: undefined },
    });
    assert.equal(parse(command, []).values.count, 3);
  });

  test('what does not fit is named', () => {
    const cases = [
      [['-c', '0'], /--count is "0"; expected a whole number from 1 up/],
      [['-c', '1.5'], /--count/],
      [['-c', ''], /--count/],
      [['--ratio', 'x'], /--ratio is "x"; expected a number/],
      [['-l', '1,,2'], /--list/],
      [['--word', 'c'], /one of a, b/],
      [['--nope'], /--nope/],
      [['stray'], /stray/],
    ];
    for (const [args, message] of cases) {
      assert.throws(
        () => parse(command, args),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    }
  });

  test('the help names every option', () => {
    const text = help(command);
    for (const name of Object.keys(command.options)) assert.ok(text.includes(`--${name}`), name);
  });
});

describe('figures', () => {
  test('numbers for people', () => {
    assert.deepEqual([bytes(0), bytes(1536), bytes(3 * 2 ** 30)], ['0 B', '1.50 KiB', '3.00 GiB']);
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
