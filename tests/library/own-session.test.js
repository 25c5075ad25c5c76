// The session that an engine has from the beginning, and completions that are awaited as well as iterated.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { createEngine, defaultModel } from '../../js/index.node.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';

const TEXT = Array.from({ length: 150 }, (_, place) => (place * 37 + 11) % 256);
const GREEDY = { temperature: 0, ignoreEos: true, maxTokens: 6 };
const ENTRY = new URL('../../js/index.node.js', import.meta.url).href;

/** @type {import('../../js/index.node.js').Engine} */
let engine;

before(async () => {
  const store = { folder: temporaryFolder() };
  engine = await createEngine({ model: writeSmallModel({ context: 2048 }), store, threads: 1 });
});

after(() => engine?.unload());

/** @param {AsyncIterable<{ text: string }>} completion */
async function textOf(completion) {
  let text = '';
  for await (const piece of completion) text += piece.text;
  return text;
}

describe('engine.session', () => {
  test('is what complete(), evaluate() and score() of the engine work on', async () => {
    const { session } = engine;
    assert.equal(engine.session, session);
    const { tokens } = await engine.complete({ tokens: TEXT, ...GREEDY });
    // Of the last token nobody has asked what comes next.
    assert.deepEqual(await session.tokens(), [...TEXT, ...tokens.slice(0, -1)]);
    await engine.evaluate(TEXT.slice(0, 40));
    assert.deepEqual(await session.tokens(), TEXT.slice(0, 40));
    assert.deepEqual(await session.prefill(TEXT), { reusedTokens: 40, computedTokens: 110, droppedTokens: 0 });
    const { reusedTokens } = await engine.complete({ tokens: [...TEXT, 1], ...GREEDY });
    assert.equal(reusedTokens, TEXT.length);
    assert.equal(await session.truncate(20), 20);
    assert.deepEqual(await engine.score(TEXT.slice(0, 30)), await session.score(TEXT.slice(0, 30)));
  });

  test('is forked and saved as any other, and what comes of that is another session', async () => {
    await engine.session.prefill(TEXT);
    const fork = await engine.session.fork();
    await engine.session.save('own');
    const restored = await engine.restoreSession('own');
    const imported = await engine.importSession(await engine.session.export());
    for (const each of [fork, restored, imported]) {
      assert.notEqual(each, engine.session);
      await each?.truncate(10);
      assert.deepEqual(await each?.tokens(), TEXT.slice(0, 10));
      await each?.close();
    }
    await engine.deleteSavedSession('own');
    assert.equal(await engine.restoreSession('own'), null);
    assert.deepEqual(await engine.session.tokens(), TEXT);
  });

  test('is emptied by close(), which gives its memory back and stops what runs on it, and goes on', async () => {
    await engine.session.close();
    const before = (await engine.memory()).kvCache;
    const other = await engine.createSession();
    const going = other.complete({ prompt: 'Once', ...GREEDY });
    const stopped = engine.complete({ prompt: 'Once', ignoreEos: true, onFull: 'drop-oldest' });
    const waiting = assert.rejects(engine.evaluate(TEXT), { code: 'CANCELLED' });
    await engine.session.close();
    assert.equal((await stopped).finishReason, 'cancelled');
    assert.equal((await going).finishReason, 'length');
    await waiting;
    await other.close();
    assert.deepEqual(await engine.session.tokens(), []);
    assert.equal((await engine.memory()).kvCache, before);
    assert.equal((await engine.complete({ tokens: TEXT, ...GREEDY })).completionTokens, GREEDY.maxTokens);
  });

  test('ends with the engine', async () => {
    const gone = await createEngine({ model: writeSmallModel(), threads: 1 });
    const running = gone.complete({ prompt: 'Once', ignoreEos: true, onFull: 'drop-oldest' });
    const waiting = assert.rejects(gone.evaluate(TEXT), { code: 'CANCELLED' });
    await gone.unload();
    assert.equal((await running).finishReason, 'cancelled');
    await waiting;
    await assert.rejects(gone.session.tokens(), { code: 'UNLOADED' });
    await gone.session.close();
  });
});

describe('a completion', () => {
  test('gives when awaited what `result` gives, iterated or not', async () => {
    const whole = await engine.complete({ tokens: TEXT, ...GREEDY });
    const both = engine.complete({ tokens: TEXT, ...GREEDY });
    assert.equal(await textOf(both), whole.text);
    assert.equal(await both, await both.result);
    assert.deepEqual((await both).tokens, whole.tokens);
    const session = await engine.createSession();
    const [first, second] = await Promise.all([
      engine.complete({ tokens: TEXT, ...GREEDY }),
      session.complete({ tokens: TEXT, ...GREEDY }).then(({ tokens }) => tokens),
    ]);
    assert.deepEqual([first.tokens, second], [whole.tokens, whole.tokens]);
    await session.close();
  });

  test('has a promise’s methods, and an async function that returns it gives its result', async () => {
    /** @type {string[]} */
    const ended = [];
    const caught = await engine.complete({ tokens: [] }).catch((error) => error.code);
    const { tokens } = await engine.complete({ tokens: TEXT, ...GREEDY }).finally(() => ended.push('ended'));
    const returned = await (async () => engine.complete({ tokens: TEXT, ...GREEDY }))();
    assert.deepEqual([caught, tokens.length, ended, returned.tokens], ['INVALID_ARGUMENT', 6, ['ended'], tokens]);
  });

  test('tells when it began, and by which token the model ended it', async () => {
    const tiny = await createEngine({ model: defaultModel, threads: 1 });
    try {
      const messages = [{ role: 'user', content: 'Hello' }];
      const ended = await tiny.complete({ messages, temperature: 0, maxTokens: 200 });
      assert.deepEqual([ended.finishReason, ended.stopString], ['stop', null]);
      assert.equal(typeof ended.stopToken, 'number');
      assert.ok(!ended.tokens.includes(/** @type {number} */ (ended.stopToken)), 'it is not part of the answer');
      assert.ok(Number(ended.firstTokenMilliseconds) >= ended.prefill.milliseconds);
      const cut = await tiny.complete({ messages, temperature: 0, maxTokens: 2 });
      assert.deepEqual([cut.finishReason, cut.stopToken], ['length', null]);
      const none = await tiny.complete({ messages, maxTokens: 0 });
      assert.deepEqual([none.finishReason, none.firstTokenMilliseconds], ['length', null]);
      const stop = ended.text.slice(2, 5);
      const stopped = await tiny.complete({ messages, temperature: 0, stop });
      assert.deepEqual([stopped.finishReason, stopped.stopString, stopped.stopToken], ['stop', stop, null]);
    } finally {
      await tiny.unload();
    }
  });

  // Each is run in a process that ends with an error where a rejection is nobody's.
  const USES = {
    'is only iterated': 'await (async () => { for await (const _ of engine.complete(wrong)); })().catch(note);',
    'is only awaited': 'await engine.complete(wrong).then(() => {}, note);',
    'is iterated and awaited':
      'const both = engine.complete(wrong); await (async () => { for await (const _ of both); })().catch(note); await both.catch(note);',
    'is neither': 'engine.complete(wrong); await engine.memory(); note({ code: "INVALID_ARGUMENT" });',
    'is left and stopped':
      'const left = engine.complete({ prompt: "a" }); for await (const _ of left) break; left.stop(); note({ code: "INVALID_ARGUMENT" });',
    'outlives its engine':
      'const late = engine.complete({ prompt: "a", ignoreEos: true, onFull: "drop-oldest" }); await engine.unload(); await late; engine.complete({ prompt: "a" }); note({ code: "INVALID_ARGUMENT" });',
  };
  for (const [how, use] of Object.entries(USES)) {
    test(`that ${how} leaves no rejection to nobody`, () => {
      const program = `import { createEngine, defaultModel } from ${JSON.stringify(ENTRY)};
        const engine = await createEngine({ model: defaultModel, threads: 1 });
        for (const wrong of [{ prompt: 'a', topP: 2 }, { tokens: [1e6] }, 5]) {
          const codes = [];
          const note = ({ code }) => codes.push(code);
          ${use}
          if (codes.length === 0 || codes.some((code) => code !== 'INVALID_ARGUMENT')) throw new Error(codes.join());
          ${how === 'outlives its engine' ? 'break;' : ''}
        }
        await engine.unload();`;
      const args = ['--unhandled-rejections=strict', '--input-type=module', '--eval', program];
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
      assert.equal(status, 0, stderr);
    });
  }
});
