// What becomes of a text that has outgrown the context: it stops with a clear word, or goes on without its oldest part.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ChatPrompt, headLength, trimTokens } from '../../js/generate/full-context.js';
import { longestRun } from '../../js/generate/token-runs.js';
import { createEngine } from '../../js/index.node.js';
import { present } from '../present.js';
import { writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/protocol/calls.js').Dropped} Dropped */

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/prompt/messages.js').Message} Message */

const MODEL = fileURLToPath(new URL('../../models/nibble-tiny.gguf', import.meta.url));
const CONTEXT = 256;
const TEXT = Array.from({ length: 600 }, (_, i) => (i * 37 + 11 + (i >> 5)) % 256);
const GREEDY = { temperature: 0, ignoreEos: true };
const SYSTEM = { role: 'system', content: 'You are a friend of few words.' };

/** @type {Engine} */
let engine;
/** @type {Engine[]} */
const open = [];

before(async () => {
  engine = await createEngine({ model: MODEL, threads: 1, contextSize: CONTEXT });
  open.push(engine);
});

after(async () => {
  for (const each of open) await each.unload();
});

const codeOf = (/** @type {Promise<unknown>} */ promise) =>
  promise.then(
    () => 'no error',
    ({ code }) => code,
  );

/** A chat of questions and answers that ends with a question; the system's word first. @param {number} turns */
const chatOf = (turns, words = 4) => [
  SYSTEM,
  ...Array.from({ length: turns }, (_, turn) => [
    { role: 'user', content: `Question ${turn}: ${'what is it? '.repeat(words)}` },
    { role: 'assistant', content: `Answer ${turn}.` },
  ])
    .flat()
    .slice(0, -1),
];

describe('onFull: stop', () => {
  test('a completion ends with the reason, and the session stays usable', async () => {
    const session = await engine.createSession();
    const { finishReason, tokens } = await session.complete({ tokens: TEXT.slice(0, 250), ...GREEDY }).result;
    assert.equal(finishReason, 'context');
    assert.equal(tokens.length, CONTEXT - 250 + 1);
    assert.equal((await session.prefill(TEXT.slice(0, 240))).reusedTokens, 240);
    await session.close();
  });

  test('a prompt longer than the context is refused with what is too long', async () => {
    const session = await engine.createSession({ onFull: 'stop' });
    assert.equal(await codeOf(session.prefill(TEXT)), 'CONTEXT_FULL');
    const error = await session.complete({ tokens: TEXT }).result.catch((reason) => reason);
    assert.equal(error.code, 'CONTEXT_FULL');
    const { tokens, contextSize, shorten } = error.details;
    assert.deepEqual({ tokens, contextSize, shorten }, { tokens: 600, contextSize: CONTEXT, shorten: 'it' });
    assert.equal(await codeOf(session.complete({ messages: chatOf(30) }).result), 'CONTEXT_FULL');
    await session.close();
  });
});

describe('onFull: drop-oldest', () => {
  test('a text goes on past the context, keeps its head, and tells what it dropped', async () => {
    const session = await engine.createSession({ onFull: 'drop-oldest' });
    /** @type {Dropped[]} */
    const told = [];
    const options = {
      tokens: TEXT.slice(0, 200),
      maxTokens: 300,
      onDrop: (/** @type {Dropped} */ dropped) => told.push(dropped),
      ...GREEDY,
    };
    const result = await session.complete(options).result;
    assert.equal(result.finishReason, 'length');
    assert.equal(result.tokens.length, 300);
    assert.deepEqual(told, Array(told.length).fill({ tokens: (CONTEXT - 4) / 2, messages: 0 }));
    assert.ok(told.length >= 2, `dropped ${told.length} times`);
    assert.equal(result.droppedTokens, (told.length * (CONTEXT - 4)) / 2);
    const tokens = await session.tokens();
    assert.ok(tokens.length <= CONTEXT);
    const all = [...TEXT.slice(0, 200), ...result.tokens];
    assert.deepEqual(tokens, [...TEXT.slice(0, 4), ...all.slice(4 + result.droppedTokens, -1)]);
    await session.close();
  });

  test('as many tokens of the head stay as were asked for', async () => {
    const session = await engine.createSession({ onFull: 'drop-oldest', keepTokens: 50 });
    await session.complete({ tokens: TEXT.slice(0, 200), maxTokens: 100, ...GREEDY }).result;
    assert.deepEqual((await session.tokens()).slice(0, 50), TEXT.slice(0, 50));
    await session.close();
    assert.equal(headLength(0, CONTEXT), 4);
    assert.equal(headLength(1e6, CONTEXT), CONTEXT / 2);
  });

  test('keys that were moved down are those of their new places', async () => {
    // In a model of one layer, keys and values know nothing of what was before them: moved ones are as good as new.
    const model = writeSmallModel({ layers: 1 });
    const exact = await createEngine({ model, threads: 1, contextSize: 64, exact: true });
    open.push(exact);
    const session = await exact.createSession({ onFull: 'drop-oldest' });
    const options = { tokens: TEXT.slice(0, 60), maxTokens: 6, ...GREEDY };
    const { droppedTokens } = await session.complete(options).result;
    assert.equal(droppedTokens, 30);
    const tokens = [...(await session.tokens()), 7];
    /** @type {(number[])[]} */
    const logits = [];
    for (const reusePrefix of [true, false]) {
      const { top } = await session.evaluate(tokens, { top: 0, reusePrefix });
      logits.push(top.sort((a, b) => a.id - b.id).map(({ logit }) => logit));
    }
    const scale = Math.max(...logits[1].map(Math.abs));
    const deviation = Math.max(...logits[1].map((logit, id) => Math.abs(logit - logits[0][id])));
    assert.ok(deviation < 1e-4 * scale, `${deviation} of ${scale}`);
  });

  test('a prompt longer than the context loses its oldest part, and is not computed again as it grows', async () => {
    const session = await engine.createSession({ onFull: 'drop-oldest' });
    const first = await session.complete({ tokens: TEXT.slice(0, 300), maxTokens: 5, ...GREEDY }).result;
    assert.equal(first.droppedTokens, 126);
    assert.equal(first.promptTokens, 174);
    const grown = [...TEXT.slice(0, 300), ...first.tokens, 5, 6, 7];
    const second = await session.complete({ tokens: grown, maxTokens: 5, ...GREEDY }).result;
    assert.equal(second.droppedTokens, 126);
    assert.equal(second.reusedTokens, 174 + 4);
    const synced = await session.prefill(TEXT);
    assert.equal(synced.droppedTokens, 3 * 126);
    assert.equal(synced.reusedTokens + synced.computedTokens, 600 - 3 * 126);
    await session.close();
  });

  test('a full context goes on where a sliding window refuses to be moved', async () => {
    const windowed = await createEngine({ model: writeSmallModel({ window: 300, context: 1000 }), threads: 1 });
    open.push(windowed);
    const long = [...TEXT, ...TEXT.map((token) => (token * 3) % 256)].slice(0, 990);
    const options = { tokens: long, maxTokens: 30, onFull: 'drop-oldest', ...GREEDY };
    // With a short head the window reaches what it needs; with a long one it does not, and all is computed anew.
    for (const [keep, dropped] of [
      [4, 498],
      [450, 275],
    ]) {
      const session = await windowed.createSession();
      const { tokens, droppedTokens } = await session.complete(untyped({ ...options, keepTokens: keep })).result;
      assert.equal(tokens.length, 30);
      assert.equal(droppedTokens, dropped);
      const logits = [];
      for (const reusePrefix of [true, false]) {
        const { top } = await session.evaluate(await session.tokens(), { top: 0, reusePrefix });
        logits.push(top.sort((a, b) => a.id - b.id).map(({ logit }) => logit));
      }
      if (keep === 450) assert.deepEqual(logits[0], logits[1]);
      else assert.notDeepEqual(logits[0], logits[1]);
      await session.close();
    }
  });

  test('a cancel ends it between two tokens, before and after a drop', async () => {
    const session = await engine.createSession({ onFull: 'drop-oldest' });
    const completion = session.complete({ tokens: TEXT.slice(0, 250), onDrop: () => completion.stop(), ...GREEDY });
    const { finishReason, tokens } = await completion.result;
    assert.equal(finishReason, 'cancelled');
    assert.ok(tokens.length >= 6);
    await session.close();
  });
});

describe('memory that holds one full context, a part of it with another session', () => {
  /** @type {Engine} */
  let budgeted;
  let other;

  before(async () => {
    budgeted = await createEngine({ model: MODEL, threads: 1, contextSize: CONTEXT, memoryBudget: 100e6 });
    open.push(budgeted);
    other = await budgeted.createSession();
    await other.prefill([1]);
  });

  test('onFull: drop-oldest makes room in mid-answer, and tells what it dropped', async () => {
    const session = await budgeted.createSession({ onFull: 'drop-oldest' });
    /** @type {Dropped[]} */
    const told = [];
    const options = {
      tokens: TEXT.slice(0, 150),
      maxTokens: 200,
      onDrop: (/** @type {Dropped} */ dropped) => told.push(dropped),
      ...GREEDY,
    };
    const result = await session.complete(options).result;
    assert.equal(result.tokens.length, 200);
    assert.ok(told.length >= 2, `dropped ${told.length} times`);
    assert.deepEqual(told, Array(told.length).fill({ tokens: (192 - 4) / 2, messages: 0 }));
    const all = [...TEXT.slice(0, 150), ...result.tokens];
    assert.deepEqual(await session.tokens(), [...TEXT.slice(0, 4), ...all.slice(4 + result.droppedTokens, -1)]);
    await session.close();
  });

  test('so it does for a prompt and for prefill()', async () => {
    const session = await budgeted.createSession({ onFull: 'drop-oldest' });
    const tokens = TEXT.slice(0, 230);
    const shorter = [...TEXT.slice(0, 4), ...TEXT.slice(4 + 113, 230)];
    assert.equal((await session.prefill(tokens.slice(0, 150))).computedTokens, 150);
    const synced = await session.prefill(tokens);
    assert.equal(synced.droppedTokens, 113);
    assert.equal(synced.reusedTokens + synced.computedTokens, 230 - 113);
    assert.deepEqual(await session.tokens(), shorter);
    assert.equal(await session.truncate(0), 0);
    /** @type {Dropped[]} */
    const told = [];
    const onDrop = (/** @type {Dropped} */ dropped) => told.push(dropped);
    const result = await session.complete({ tokens, maxTokens: 1, onDrop, ...GREEDY }).result;
    assert.deepEqual([result.promptTokens, result.droppedTokens], [117, 113]);
    assert.deepEqual(told, [{ tokens: 113, messages: 0 }]);
    assert.deepEqual(await session.tokens(), shorter);
    await session.close();
  });

  test('a chat loses whole turns, and goes on from what is there as it grows', async () => {
    const session = await budgeted.createSession({ onFull: 'drop-oldest' });
    const results = [];
    for (let turns = 5; turns < 9; turns++) {
      const options = { messages: chatOf(turns, 2), maxTokens: 1, temperature: 0 };
      const { droppedMessages, promptTokens, reusedTokens } = await session.complete(options).result;
      results.push({ droppedMessages, promptTokens, computed: promptTokens - reusedTokens });
    }
    const told = JSON.stringify(results);
    const counts = results.map(({ droppedMessages }) => droppedMessages);
    assert.ok(counts[0] === 0 && present(counts.at(-1)) > 0 && counts.every((count) => count % 2 === 0), told);
    assert.equal(counts.at(-1), counts.at(-2), told);
    assert.ok(results.every(({ promptTokens }) => promptTokens <= 192) && present(results.at(-1)).computed < 60, told);
    await session.close();
  });

  test('where dropping does not help the error says what does, and the session stays usable', async () => {
    const [first, session] = [await budgeted.createSession(), await budgeted.createSession({ onFull: 'drop-oldest' })];
    // Not what the other begins with, which would be shared.
    await first.prefill(TEXT.slice(200, 392));
    const error = await session.complete({ tokens: TEXT.slice(0, 100) }).result.catch((reason) => reason);
    assert.equal(error.code, 'OUT_OF_MEMORY');
    assert.match(error.message, /Close a session or a fork, give the engine's own, .* a shorter text/);
    await first.close();
    assert.equal((await session.prefill(TEXT.slice(0, 100))).computedTokens, 100);
    await session.close();
  });

  test('a full session drops nothing of what a fork shares, says so, and does once the fork is closed', async () => {
    const session = await budgeted.createSession({ onFull: 'drop-oldest' });
    const text = TEXT.slice(0, 128);
    await session.prefill(text);
    const fork = await session.fork();
    const written = () => session.complete({ tokens: text, maxTokens: 80, ...GREEDY }).result;
    const error = await written().catch((reason) => reason);
    assert.equal(error.code, 'OUT_OF_MEMORY');
    assert.match(error.message, /a fork or another session shares them.*Close the fork/);
    assert.deepEqual((await session.tokens()).slice(0, 128), text);
    assert.deepEqual(await fork.tokens(), text);
    await fork.close();
    const { tokens, droppedTokens } = await written();
    assert.equal(tokens.length, 80);
    assert.ok(droppedTokens > 0);
    await session.close();
  });

  test('onFull: stop refuses, and keeps what is common', async () => {
    const session = await budgeted.createSession({ onFull: 'stop' });
    await session.prefill(TEXT.slice(0, 190));
    assert.equal(await codeOf(session.evaluate(TEXT.slice(0, 250))), 'OUT_OF_MEMORY');
    assert.ok((await session.tokens()).length >= 190);
    assert.equal(await codeOf(session.complete({ tokens: TEXT.slice(0, 190), ...GREEDY }).result), 'OUT_OF_MEMORY');
    assert.equal((await session.tokens()).length, 192);
    await session.close();
  });
});

describe('a chat that does not fit', () => {
  test('loses its oldest turns whole, and keeps the system prompt and the last question', async () => {
    const session = await engine.createSession({ onFull: 'drop-oldest' });
    const messages = chatOf(12);
    /** @type {Dropped[]} */
    const told = [];
    const options = {
      messages,
      maxTokens: 4,
      onDrop: (/** @type {Dropped} */ dropped) => told.push(dropped),
      temperature: 0,
    };
    const result = await session.complete(options).result;
    assert.ok(
      result.droppedMessages > 0 && result.droppedMessages % 2 === 0,
      `${result.droppedMessages} were left out`,
    );
    assert.deepEqual(told, [{ tokens: result.droppedTokens, messages: result.droppedMessages }]);
    const text = await engine.detokenize((await session.tokens()).slice(0, result.promptTokens));
    const left = [SYSTEM, ...messages.slice(1 + result.droppedMessages)];
    assert.equal(
      text,
      await engine.detokenize(await engine.tokenize(await engine.render(left), { addSpecial: false })),
    );
    await session.close();
  });

  test('goes on from what is there as it grows, and only seldom drops more', async () => {
    const session = await engine.createSession({ onFull: 'drop-oldest' });
    /** @type {number[]} */
    const counts = [];
    for (let turns = 8; turns < 20; turns++) {
      const { droppedMessages, reusedTokens, promptTokens } = await session.complete({
        messages: chatOf(turns, 2),
        maxTokens: 1,
        temperature: 0,
      }).result;
      counts.push(droppedMessages);
      // Nothing but the last question is new, whether turns were left out or not.
      if (turns > 8) assert.ok(promptTokens - reusedTokens < 60, `${promptTokens - reusedTokens} computed`);
    }
    const changes = counts.filter((count, place) => place > 0 && count !== counts[place - 1]).length;
    assert.ok(changes > 0 && changes <= counts.length / 2, counts.join());
    assert.deepEqual(
      counts,
      [...counts].sort((a, b) => a - b),
    );
    await session.close();
  });

  test('goes on after it was saved as before, with the same turns left out', async () => {
    const session = await engine.createSession({ onFull: 'drop-oldest' });
    const options = { maxTokens: 1, temperature: 0 };
    const { droppedMessages } = await session.complete({ messages: chatOf(9, 2), ...options }).result;
    assert.ok(droppedMessages > 0);
    const restored = await engine.importSession(await session.export(), { onFull: 'drop-oldest' });
    const again = await restored.complete({ messages: chatOf(9, 2), ...options }).result;
    assert.equal(again.droppedMessages, droppedMessages);
    assert.equal(again.prefill.tokens, 1);
    await Promise.all([session.close(), restored.close()]);
  });

  test('with nothing kept of the last prompt, it writes what a new session writes', async () => {
    const session = await engine.createSession({ onFull: 'drop-oldest' });
    const options = { maxTokens: 20, temperature: 0 };
    await session.complete({ messages: chatOf(9, 2), ...options }).result;
    const messages = chatOf(16, 2);
    const again = await session.complete({ messages, reusePrefix: false, ...options }).result;
    const fresh = await engine.createSession({ onFull: 'drop-oldest' });
    const expected = await fresh.complete({ messages, ...options }).result;
    assert.equal(again.reusedTokens, 0);
    assert.ok(again.droppedMessages > 0);
    assert.deepEqual(again.tokens, expected.tokens);
    await Promise.all([session.close(), fresh.close()]);
  });

  test('loses whole turns when the context fills in the middle of an answer', async () => {
    const session = await engine.createSession({ onFull: 'drop-oldest' });
    const messages = chatOf(7, 2);
    /** @type {{ tokens: number, messages: number }[]} */
    const told = [];
    const { droppedMessages } = await session.complete({
      messages,
      maxTokens: 250,
      onDrop: (dropped) => told.push(dropped),
      ...GREEDY,
    }).result;
    assert.ok(told.length > 0);
    assert.ok(told[0].messages > 0, JSON.stringify(told));
    assert.equal(
      droppedMessages,
      told.reduce((sum, { messages: count }) => sum + count, 0),
    );
    const head = await engine.tokenize(await engine.render([SYSTEM, { role: 'user', content: 'x' }]), {
      addSpecial: false,
    });
    assert.deepEqual((await session.tokens()).slice(0, 10), head.slice(0, 10));
    await session.close();
  });

  for (const [alike, first, last] of [
    ['begin alike', 'What is an apple?', 'What is 3 + 4?'],
    ['are the same', 'What is 3 + 4?', 'What is 3 + 4?'],
    ['begin as a stand-in does', '? What is an apple', '? What is 3 + 4'],
    ['begin with another letter', 'An apple is what?', 'And 3 + 4?'],
  ]) {
    test(`loses whole turns where its first and its last question ${alike}`, async () => {
      const session = await engine.createSession({ onFull: 'drop-oldest' });
      const messages = chatOf(5, 2);
      [messages[1].content, present(messages.at(-1)).content] = [first, last];
      /** @type {Dropped[]} */
      const told = [];
      const onDrop = (/** @type {Dropped} */ dropped) => told.push(dropped);
      const { promptTokens } = await session.complete({ messages, maxTokens: 150, onDrop, ...GREEDY }).result;
      const whole = await engine.countTokens({ messages });
      assert.equal(promptTokens, whole, 'at first it fits');
      assert.ok(told[0].messages > 0 && told[0].messages % 2 === 0, JSON.stringify(told));
      const left = [SYSTEM, ...messages.slice(1 + told[0].messages)];
      const expected = await engine.tokenize(await engine.render(left), { addSpecial: false });
      assert.deepEqual((await session.tokens()).slice(0, expected.length), expected);
      await session.close();
    });
  }

  test('loses whole turns whatever else of its head was to be kept', async () => {
    for (const keep of [0, 7, 60]) {
      const session = await engine.createSession({ onFull: 'drop-oldest', keepTokens: keep });
      const messages = chatOf(5, 2);
      /** @type {Dropped[]} */
      const told = [];
      const onDrop = (/** @type {Dropped} */ dropped) => told.push(dropped);
      await session.complete({ messages, maxTokens: 150, onDrop, ...GREEDY }).result;
      assert.ok(told[0]?.messages > 0, `keep ${keep}: ${JSON.stringify(told)}`);
      const left = [SYSTEM, ...messages.slice(1 + told[0].messages)];
      const expected = await engine.tokenize(await engine.render(left), { addSpecial: false });
      assert.deepEqual((await session.tokens()).slice(0, expected.length), expected);
      await session.close();
    }
  });

  test('is refused where not even the last question fits', async () => {
    const messages = [SYSTEM, ...chatOf(3).slice(1, -1), { role: 'user', content: 'long '.repeat(400) }];
    const error = await engine.complete({ messages, onFull: 'drop-oldest' }).result.catch((reason) => reason);
    assert.equal(error.code, 'CONTEXT_FULL');
    assert.ok(error.details.tokens > CONTEXT);
    assert.match(error.message, /^The last turn/);
  });

  test('a system message that is too long is named', async () => {
    const messages = [
      { role: 'system', content: 'long '.repeat(400) },
      { role: 'user', content: 'Hi' },
    ];
    const error = await engine.complete({ messages, onFull: 'drop-oldest' }).result.catch((reason) => reason);
    assert.equal(error.code, 'CONTEXT_FULL');
    assert.match(error.message, /Shorten the system message/);
  });
});

describe('the parts', () => {
  test('a growing text loses multiples of half of what is behind the head', () => {
    const limits = { contextSize: 20, keep: 4 };
    const list = Array.from({ length: 60 }, (_, i) => i);
    for (let length = 1; length <= 60; length++) {
      const { tokens, droppedTokens } = trimTokens(list.slice(0, length), limits);
      assert.equal(droppedTokens % 8, 0);
      assert.ok(tokens.length <= 20 && (length <= 20 ? droppedTokens === 0 : tokens.length > 12));
      assert.deepEqual(tokens, [...list.slice(0, 4), ...list.slice(4 + droppedTokens, length)].slice(0, length));
    }
  });

  test('the longest run is found where a plain search finds it', () => {
    let state = 3;
    const random = (/** @type {number} */ bound) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % bound;
    };
    for (let round = 0; round < 2000; round++) {
      const list = (/** @type {number} */ most) => Array.from({ length: random(most) }, () => random(2));
      const [pattern, text] = [list(8), list(30)];
      const runAt = (/** @type {number} */ start) => {
        let length = 0;
        while (length < pattern.length && start + length < text.length && pattern[length] === text[start + length])
          length++;
        return length;
      };
      const runs = text.map((_, start) => runAt(start));
      const length = Math.max(0, ...runs);
      assert.deepEqual(longestRun(pattern, text), { start: length === 0 ? 0 : runs.indexOf(length), length });
    }
  });

  test('a chat whose template writes shorter ones otherwise is cut anywhere, and never wrongly joined', () => {
    // The number of messages stands in front, so no part of one prompt is part of another.
    const read = (/** @type {Message[]} */ messages) => ({
      tokens: [messages.length, ...messages.flatMap(({ content }) => [content, content])],
    });
    const messages = [1, 2, 3, 4, 5].map((content, place) => ({ role: place % 2 ? 'assistant' : 'user', content }));
    assert.equal(new ChatPrompt(untyped(messages), untyped(read)).nextCut(0, 2), null);
    const plain = new ChatPrompt(
      untyped(messages),
      untyped((/** @type {{ content: unknown }[]} */ list) => ({
        tokens: [9, ...list.flatMap(({ content }) => [content, content])],
      })),
    );
    assert.deepEqual(plain.nextCut(0, 3), { cut: 2, keep: 1, tokens: 4 });
    assert.deepEqual(plain.nextCut(2, 1), { cut: 4, keep: 1, tokens: 4 });
    assert.deepEqual(plain.nextCut(0, 99), { cut: 4, keep: 1, tokens: 8 });
    assert.equal(plain.nextCut(4, 1), null);
  });
});
