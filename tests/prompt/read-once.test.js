// A long chat is not rendered, nor made into tokens, more often than an answer needs.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ModelText } from '../../js/prompt/model-text.js';
import { openFile } from '../../js/sources/file.node.js';
import { EngineHost } from '../../js/worker/engine-host.js';
import { startCore } from '../core-model.js';
import { scriptedModel } from '../scripted-model.js';
import { temporaryFolder } from '../small-model.js';
import { untyped } from '../untyped.js';

const CONTROL = {
  signal: new AbortController().signal,
  onEvent() {},
  goOn() {},
  /** @template T @param {() => T | Promise<T>} use */
  behindOthers: async (use) => use(),
  async untilAlone() {},
};

const host = new EngineHost({
  startRuntime: async () => ({ runtime: await startCore(), variant: 'simd128', threads: 1 }),
  openPath: openFile,
  threads: 1,
  maxThreads: 1,
});
/** How often a chat was rendered, and made into tokens. */
const read = { rendered: 0, tokenized: 0 };
const { render, readChat } = ModelText.prototype;

before(async () => {
  ModelText.prototype.render = function (...args) {
    read.rendered++;
    return render.apply(this, args);
  };
  ModelText.prototype.readChat = function (...args) {
    read.tokenized++;
    return readChat.apply(this, args);
  };
  const path = join(temporaryFolder(), 'scripted.gguf');
  writeFileSync(path, scriptedModel({ script: () => ({ 97: 20 }) }));
  await host.load({ source: { path }, store: null, wasm: {}, options: {} }, CONTROL);
});

after(async () => {
  Object.assign(ModelText.prototype, { render, readChat });
  await host.unload();
});

const MESSAGES = [{ role: 'user', content: 'What is it?' }];
const ANSWERED = [...MESSAGES, { role: 'assistant', content: 'aaa' }];

/** @param {import('../../js/prompt/messages.js').Message[]} messages @param {object} [options] */
async function readsOf(messages, options = {}) {
  Object.assign(read, { rendered: 0, tokenized: 0 });
  const given = { messages, maxTokens: 3, temperature: 0, ...options };
  const result = await host.sessions.complete(untyped({ session: null, ...given }), CONTROL);
  assert.equal(result.tokens.length, 3);
  return { ...read };
}

test('an answer reads its chat once', async () => {
  for (const onFull of ['stop', 'drop-oldest']) {
    assert.deepEqual(await readsOf(MESSAGES, { onFull }), { rendered: 0, tokenized: 1 }, onFull);
    const next = [...ANSWERED, { role: 'user', content: 'And then?' }];
    assert.deepEqual(await readsOf(next, { onFull }), { rendered: 0, tokenized: 1 }, `${onFull}, a second one`);
    const begun = await readsOf(ANSWERED, { onFull, continueLast: true });
    assert.deepEqual(begun, { rendered: 0, tokenized: 1 }, `${onFull}, one that goes on`);
  }
});

test('a chat that does not fit is read whole once, and further only as shorter ones', async () => {
  const long = Array.from({ length: 40 }, (_, turn) => ({
    role: turn % 2 === 0 ? 'user' : 'assistant',
    content: 'x'.repeat(40),
  })).slice(0, 39);
  /** @type {number[]} */
  const lengths = [];
  const counted = ModelText.prototype.readChat;
  ModelText.prototype.readChat = function (messages, ...args) {
    lengths.push(messages.length);
    return counted.call(this, messages, ...args);
  };
  try {
    const { tokenized } = await readsOf(long, { onFull: 'drop-oldest' });
    const whole = lengths.filter((length) => length === long.length).length;
    // The whole chat, and two with another first question, by which the end of its head is found.
    assert.equal(whole, 3);
    assert.ok(tokenized <= 3 + 2 * Math.ceil(Math.log2(long.length)), `${tokenized}`);
  } finally {
    ModelText.prototype.readChat = counted;
  }
});
