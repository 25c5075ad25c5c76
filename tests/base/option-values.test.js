// The values of options: each that is wrong is named, and what is right crosses the worker border.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readCompletionOptions, readEngineOptions, readSessionOptions, readStoredAs } from '../../js/base/options.js';
import { code } from '../errors.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

// JSON has no words for it, and it has no toString().
const CIRCLE = Object.create(null);
CIRCLE.itself = CIRCLE;

describe('options', () => {
  test('an option out of its range is named, with what was expected', () => {
    const cases = [
      [readEngineOptions, { threads: 0 }, /threads is 0; expected a whole number from 1 to 64/],
      [readEngineOptions, { threads: 1.5 }, /threads/],
      [readEngineOptions, { kernelSet: '' }, /kernelSet is ""/],
      [readEngineOptions, 5, /an object/],
      [readEngineOptions, { threads: CIRCLE }, /threads is an object; expected a whole number/],
      [readEngineOptions, { threads: [CIRCLE] }, /threads is an array; expected/],
      [readEngineOptions, { threads: Object.create(null) }, /threads is {}; expected/],
      [readStoredAs, { id: CIRCLE }, /id is an object; expected a text/],
      [readEngineOptions, { whatever: 1 }, /no option whatever here; expected threads, /],
      [readEngineOptions, { thread: 1 }, /no option thread here; did you mean threads\?/],
      [readEngineOptions, { early: true }, /^The option early is called earlyStart\.$/],
      [readSessionOptions, { keep: 4 }, /^The option keep is called keepTokens\.$/],
      [readCompletionOptions, { prompt: 'a', keep: 4 }, /^The option keep is called keepTokens\.$/],
      [readCompletionOptions, { prompt: 'a', early: true }, /no option early here/],
      [readCompletionOptions, { prompt: 'a', temperature: -1 }, /temperature is -1/],
      [readCompletionOptions, { prompt: 'a', temperature: Number.NaN }, /temperature is NaN/],
      [readCompletionOptions, { prompt: 'a', seed: 2 ** 53 }, /seed/],
      [readCompletionOptions, { prompt: 'a', stop: ['x', ''] }, /stop/],
      [readCompletionOptions, { prompt: 'a', logitBias: { x: 1 } }, /logitBias/],
      [readCompletionOptions, { prompt: 'a', logitBias: { 5: Infinity } }, /logitBias/],
      [readCompletionOptions, { prompt: 'a', logitBias: { [2 ** 32 + 5]: 1 } }, /logitBias is \["4294967301",1\]/],
      [readCompletionOptions, { prompt: 'a', logitBias: new Map([[2 ** 31, 1]]) }, /logitBias is \[2147483648,1\]/],
      [readCompletionOptions, { prompt: 'a', logitBias: { '': 1 } }, /logitBias/],
      [readCompletionOptions, { prompt: 'a', logitBias: [[null, 1]] }, /logitBias/],
      [readCompletionOptions, { prompt: 'a', logitBias: { 5: null } }, /logitBias/],
      [readCompletionOptions, { prompt: 'a', logitBias: [7] }, /logitBias/],
      ...[true, 5, 10n, '', 'x', new Date(0), () => 1, new Uint8Array(3)].map((logitBias) => {
        return [readCompletionOptions, { prompt: 'a', logitBias }, /logitBias is .*; expected token ids with biases/];
      }),
      [readCompletionOptions, { prompt: 7 }, /prompt is 7; expected a text/],
      [readCompletionOptions, { tokens: [1, -2] }, /tokens is -2/],
      [readCompletionOptions, { messages: [] }, /messages/],
      [readCompletionOptions, { messages: [{ role: 'user' }] }, /messages/],
      [readCompletionOptions, { prompt: 'a', tokens: [1] }, /prompt and tokens were given/],
      [readCompletionOptions, undefined, /none of them was given/],
    ];
    for (const [read, options, message] of untyped(cases)) {
      assert.throws(
        () => read(options),
        (/** @type {NibbleError} */ error) => code('INVALID_ARGUMENT')(error) && present(message).test(error.message),
      );
    }
  });

  test('what is JSON is copied as JSON has it, and bigints as they are', () => {
    const most = 2n ** 63n - 1n;
    const tool = { most, when: new Date(0), list: [undefined, () => 1, NaN, [most]], gone: undefined, not: () => 1 };
    const { tools } = readCompletionOptions({ prompt: 'a', tools: [tool] });
    assert.deepEqual(tools, [{ most, when: '1970-01-01T00:00:00.000Z', list: [null, null, null, [most]] }]);
    /** @type {any} */
    const endless = { name: 'x' };
    endless.self = endless;
    for (const [wrong, reason] of untyped([
      [[endless], /of what JSON can hold/],
      [[most], /tools is \["9223372036854775807"\]; expected a list/],
      [() => 1, /expected a list/],
    ])) {
      assert.throws(
        () => readCompletionOptions({ prompt: 'a', tools: wrong }),
        (/** @type {NibbleError} */ error) => code('INVALID_ARGUMENT')(error) && reason.test(error.message),
      );
    }
  });

  test('what is read can be read again, as it is on the other side of the worker', () => {
    const options = { prompt: 'a', stop: 'x', logitBias: { 3: -Infinity }, seed: 5, topK: 0 };
    const once = readCompletionOptions(options);
    assert.deepEqual(readCompletionOptions(once), once);
    assert.deepEqual(once.logitBias, [[3, -Infinity]]);
    assert.deepEqual(readEngineOptions(readEngineOptions({ threads: 2 })), readEngineOptions({ threads: 2 }));
  });
});
