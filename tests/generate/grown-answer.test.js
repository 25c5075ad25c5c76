// What has outgrown the context: an answer that dropped its oldest part can be continued, and a text that score() refuses
// changes nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEngine } from '../../js/index.node.js';
import { writeSmallModel } from '../small-model.js';

const codeOf = (/** @type {Promise<unknown>} */ promise) =>
  promise.then(
    () => 'no error',
    ({ code }) => code,
  );

test('an answer that outgrew the context is continued where it was cut off', async () => {
  const words = await createEngine({ model: writeSmallModel(), threads: 1, contextSize: 128, onFull: 'drop-oldest' });
  const other = await words.createSession();
  const question = { role: 'user', content: 'What is it?' };
  const options = { temperature: 1, seed: 3, ignoreEos: true };
  const whole = await words.complete({ messages: [question], ...options, maxTokens: 220 }).result;
  const first = await other.complete({ messages: [question], ...options, maxTokens: 200 }).result;
  assert.ok(first.droppedTokens > 0);
  const held = await other.tokens();
  const answer = { role: 'assistant', content: first.text };
  const given = { messages: [question, answer], continueLast: true, ...options, maxTokens: 20 };
  const more = await other.complete(given).result;
  // It goes on from the tokens that it wrote, and computes the last one alone.
  assert.deepEqual([more.reusedTokens, more.promptTokens], [held.length, held.length + 1]);
  assert.equal(more.tokens.length, 20);
  assert.deepEqual(whole.tokens.slice(0, 200), first.tokens);
  const again = await other.complete({
    ...given,
    messages: [question, { ...answer, content: first.text + more.text }],
  }).result;
  assert.deepEqual([again.reusedTokens, again.tokens.length], [again.promptTokens - 1, 20]);
  // Elsewhere its text is what there is to go on from.
  const elsewhere = await words.createSession();
  const anew = await elsewhere.complete(given).result;
  assert.ok(anew.droppedTokens > 0 && anew.promptTokens <= 128 && anew.tokens.length === 20);
  const stopped = await words.createSession({ onFull: 'stop' });
  assert.equal(await codeOf(stopped.complete(given).result), 'CONTEXT_FULL');
  const longQuestion = { role: 'user', content: 'word '.repeat(400) };
  assert.equal(await codeOf(elsewhere.complete({ ...given, messages: [longQuestion, answer] }).result), 'CONTEXT_FULL');
  await words.unload();
});

test('what score() refuses leaves its session as it was', async () => {
  const words = await createEngine({ model: writeSmallModel(), threads: 1, contextSize: 128 });
  const held = Array.from({ length: 50 }, (_, index) => index + 3);
  const long = Array.from({ length: 200 }, (_, index) => (index < 20 ? index + 3 : 7));
  await words.session.prefill(held);
  for (const reusePrefix of [true, false])
    assert.equal(await codeOf(words.session.score(long, { reusePrefix })), 'CONTEXT_FULL');
  assert.deepEqual(await words.session.tokens(), held);
  await words.unload();
});
