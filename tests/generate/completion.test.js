// What complete() tells while it reads the prompt, and how it writes on from an answer that was cut off.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createEngine } from '../../js/index.node.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */

const MODEL = fileURLToPath(new URL('../../models/nibble-tiny.gguf', import.meta.url));
const QUESTION = [{ role: 'user', content: 'Who are you?' }];

/** @type {Engine} */
let engine;

before(async () => {
  engine = await createEngine({ model: MODEL, threads: 1 });
});

after(() => engine.unload());

describe('onPrefill', () => {
  test('counts the prompt from its beginning to its end, without what is reused', async () => {
    /** @type {import('../../js/base/public-types.js').Prefill[]} */
    const told = [];
    const messages = [{ role: 'user', content: 'word '.repeat(100) }];
    const options = {
      messages,
      temperature: 0,
      maxTokens: 2,
      onPrefill: (/** @type {import('../../js/base/public-types.js').Prefill} */ progress) => told.push(progress),
    };
    const { promptTokens } = await engine.complete(options).result;
    assert.ok(told.length >= 3, `told ${told.length} times`);
    assert.equal(told[0].tokens, 0);
    assert.equal(told.at(-1)?.tokens, told[0].total);
    for (const { total, reusedTokens } of told) assert.equal(total + reusedTokens, promptTokens);
    const counts = told.map(({ tokens }) => tokens);
    assert.deepEqual(
      counts,
      [...counts].sort((a, b) => a - b),
    );
    assert.ok(present(told.at(-1)).tokensPerSecond > 0);

    told.length = 0;
    const again = await engine.complete(options).result;
    assert.equal(told.at(-1)?.reusedTokens, again.reusedTokens);
    assert.ok(present(told.at(-1)).total < 10, 'the prompt was there already');
  });

  test('is not among the tokens that are iterated', async () => {
    for await (const piece of engine.complete({ messages: QUESTION, maxTokens: 3, onPrefill: () => {} })) {
      assert.deepEqual(Object.keys(piece), ['text', 'token']);
    }
  });

  test('ends the completion with what it throws', async () => {
    const failure = new Error('enough');
    const onPrefill = () => {
      throw failure;
    };
    await assert.rejects(engine.complete({ messages: QUESTION, onPrefill }).result, failure);
    await assert.rejects(untyped(engine.complete({ messages: QUESTION, onPrefill: untyped(1) })), {
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('leaving the pieces before the first is asked for', () => {
  /** @type {Record<string, (pieces: AsyncGenerator) => Promise<unknown>>} */
  const ways = {
    'return()': (pieces) => pieces.return(undefined),
    'throw()': (pieces) => pieces.throw(new Error('enough')).catch(() => {}),
  };
  for (const [how, leave] of Object.entries(ways))
    test(`by ${how} stops the completion`, async () => {
      const completion = engine.complete({ prompt: 'Once', maxTokens: 400, ignoreEos: true });
      await leave(completion[Symbol.asyncIterator]());
      const { finishReason } = await completion;
      assert.equal(finishReason, 'cancelled');
    });
});

describe('continueLast', () => {
  test('an answer that was cut off goes on to the very end it would have had', async () => {
    const greedy = { temperature: 0 };
    const whole = await engine.complete({ messages: QUESTION, ...greedy }).result;
    const cut = await engine.complete({ messages: QUESTION, ...greedy, maxTokens: 6 }).result;
    assert.equal(cut.finishReason, 'length');
    const messages = [...QUESTION, { role: 'assistant', content: cut.text }];
    const rest = await engine.complete({ messages, continueLast: true, ...greedy }).result;
    assert.equal(cut.text + rest.text, whole.text);
  });

  test('is refused where there is no answer to go on with', async () => {
    const options = [
      { messages: QUESTION },
      { messages: [{ role: 'assistant', content: 'Alone' }] },
      { messages: [...QUESTION, { role: 'assistant', content: [] }] },
      { prompt: 'Text' },
    ];
    for (const given of options) {
      await assert.rejects(untyped(engine.complete({ ...given, continueLast: true })), { code: 'INVALID_ARGUMENT' });
    }
  });
});
