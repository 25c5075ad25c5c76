// Answers that are written, where something that nobody expected fails: the page never stays busy.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { temporaryFolder } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('esbuild').PluginBuild} PluginBuild */

/** @param {string} relative */
const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const FAULT = new Error('something that nobody expected');

/** What the page's modules are given instead of the library and of what draws. @type {Record<string, string>} */
const STAND_INS = {
  'nibble/index.js': 'export class NibbleError extends Error {} export const [createEngine, describeModel] = [];',
  'conversation-view.js':
    'export class ConversationView { add() { throw globalThis.fault; } viewOf() {} notify() {} clearNotice() {} }',
  'full-context.js': 'export class FullContext {}',
  'dialog.js': 'export const confirm = async () => true;',
};

/** A module of the page, as it runs without one. @param {string} name */
async function moduleOf(name) {
  const standIns = {
    name: 'stand-ins',
    /** @param {PluginBuild} bundle */
    setup(bundle) {
      bundle.onResolve({ filter: /./ }, ({ path: asked }) => {
        const found = Object.keys(STAND_INS).find((each) => asked.endsWith(`/${each}`));
        return found === undefined ? null : { path: found, namespace: 'stand-in' };
      });
      bundle.onLoad({ filter: /./, namespace: 'stand-in' }, ({ path: found }) => ({
        contents: STAND_INS[found],
      }));
    },
  };
  const outfile = join(temporaryFolder(), name.replace(/js$/, 'mjs'));
  const options = { bundle: true, format: /** @type {const} */ ('esm'), outfile, plugins: [standIns] };
  await build({ entryPoints: [path(`../../web/chat/${name}`)], ...options });
  return import(pathToFileURL(outfile).href);
}

/** @param {string} id @returns {import('../../web/conversations/conversations.js').Conversation} */
const conversationOf = (id) => ({
  ...{ id, title: id, renamed: false, createdAt: 1, updatedAt: 1, start: 0 },
  messages: [
    { id: `${id}-question`, role: 'user', content: 'Hello', createdAt: 1 },
    { id: `${id}-answer`, role: 'assistant', content: '', createdAt: 1 },
  ],
});

/** @type {typeof import('../../web/chat/answers.js').Answers} */
let Answers;
/** @type {typeof import('../../web/chat/chat.js').Chat} */
let Chat;
/** @type {unknown[]} */
let reported;

before(async () => {
  globalThis.addEventListener = () => {};
  globalThis.document = untyped({ addEventListener() {}, visibilityState: 'visible', baseURI: 'http://localhost/' });
  globalThis.reportError = (error) => reported.push(error);
  globalThis.fault = FAULT;
  ({ Answers } = await moduleOf('answers.js'));
  ({ Chat } = await moduleOf('chat.js'));
});

beforeEach(() => {
  reported = [];
});

describe('an answer that ends by what nobody expected', () => {
  /** Parts of the page that work, but for those that are given. */
  function answersWith({ room = {}, conversations = {} } = {}) {
    const noEngine = async () => {
      throw Object.assign(new Error('no engine'), { code: 'TEST' });
    };
    const parts = untyped({ borrow: noEngine, report() {}, engine: null, ...room });
    return new Answers(
      parts,
      untyped({ get: () => '', sampling: () => ({}) }),
      untyped({ save: async () => {}, ...conversations }),
    );
  }

  /**
   * Starts an answer, and waits for its end.
   * @param {InstanceType<typeof Answers>} answers
   * @param {string} id
   * @returns {Promise<import('../../web/chat/answers.js').Job>}
   */
  const ended = (answers, id) =>
    new Promise((resolve) => {
      answers.onStep((job) => job.conversation.id === id && job.phase === 'ended' && resolve(job));
      const conversation = conversationOf(id);
      answers.start(conversation, conversation.messages[1]);
    });

  const fail = () => {
    throw FAULT;
  };
  const faults = {
    'the room': { room: { report: fail } },
    'the conversations': { conversations: { save: fail } },
    'who is told of steps': {},
  };
  for (const [place, parts] of Object.entries(faults)) {
    test(`in ${place} leaves nothing busy, and the next one is written`, { timeout: 120_000 }, async () => {
      const answers = answersWith(parts);
      if (place === 'who is told of steps') answers.onStep(fail);
      for (const id of ['first', 'second']) {
        const job = await ended(answers, id);
        assert.ok(job.error instanceof Error);
        assert.equal(job.message.finish, 'failed');
        assert.equal(answers.isBusy, false);
      }
      assert.equal(reported.includes(FAULT), place === 'who is told of steps');
    });
  }
});

test('a question that could not be drawn gives its conversation back to other tabs', async () => {
  const claimed = new Set();
  const answers = {
    onStep() {},
    jobOf: () => undefined,
    resumedTokensOf: () => 0,
    /** @param {string} id */
    claim: async (id) => Boolean(claimed.add(id)),
    /** @param {string} id */
    unclaim: (id) => claimed.delete(id),
  };
  const context = {
    answers,
    room: { onChange() {} },
    settings: { onChange() {} },
    conversations: { get: async () => null, failureOf: () => null },
    t: String,
  };
  const chat = new Chat(untyped(context));
  for (let time = 0; time < 2; time++) {
    await assert.rejects(chat.send('Hello'), FAULT);
    assert.equal(claimed.size, 0);
  }
});

test('what is written of an answer is stored when nobody sees the page any more', () => {
  /** @type {Record<string, () => void>} */
  const listeners = {};
  /** @type {any} */
  const { addEventListener, document } = globalThis;
  /** @param {string} type @param {() => void} listener */
  const note = (type, listener) => {
    listeners[type] = listener;
  };
  /** @type {string[]} */
  const saved = [];
  const save = async (/** @type {import('../../web/conversations/conversations.js').Conversation} */ { messages }) => {
    saved.push(messages[1].content);
  };
  const page = { addEventListener: note, visibilityState: 'visible', baseURI: document.baseURI };
  Object.assign(globalThis, { addEventListener: note, document: page });
  const parts = untyped({ borrow: () => new Promise(() => {}), report() {}, engine: null });
  const answers = new Answers(parts, untyped({ get: () => '', sampling: () => ({}) }), untyped({ save }));
  Object.assign(globalThis, { addEventListener, document });
  const conversation = conversationOf('left');
  const job = answers.start(conversation, conversation.messages[1]);
  listeners.pagehide();
  assert.deepEqual(saved, [], 'there is nothing of it yet');
  Object.assign(job, { phase: 'decode' });
  job.message.content = 'One';
  listeners.pagehide();
  Object.assign(globalThis, { document: { ...page, visibilityState: 'hidden' } });
  job.message.content = 'One two';
  listeners.visibilitychange();
  Object.assign(globalThis, { document });
  assert.deepEqual(saved, ['One', 'One two']);
});
