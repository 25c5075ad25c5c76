// Sessions where memory runs out in the middle of an answer: the library in this thread, on a wasm memory that may grow
// to little more than the model.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { instantiate } from '../../js/core/instantiate.js';
import { Runtime } from '../../js/core/runtime.js';
import { createLibrary } from '../../js/index.js';
import { openFile } from '../../js/sources/file.node.js';
import { writeSmallModel } from '../small-model.js';
import { startThreadWorker } from '../thread-worker.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/client/session.js').Session} Session */

const WASM = new URL('../../build/wasm/', import.meta.url);
const PAGE_BYTES = 65536;
// 8 KiB of keys and values to a token, so that a text soon outgrows this.
const SHAPE = { context: 8192, layers: 4, heads: 8, kvHeads: 8, headSize: 64 };
const MOST_BYTES = 24 << 20;
const TEXT = Array.from({ length: 100 }, (_, i) => (i * 37 + 11) % 256);
const GREEDY = { temperature: 0, ignoreEos: true };

/** @type {Engine} */
let engine;

async function startRuntime() {
  const { default: createModule } = await import(new URL('node/nibble.mjs', WASM).href);
  const wasm = await WebAssembly.compile(readFileSync(new URL('nibble-simd128.wasm', WASM)));
  const memory = new WebAssembly.Memory({ initial: 256, maximum: MOST_BYTES / PAGE_BYTES, shared: true });
  const exports = await instantiate(createModule, wasm, { wasmMemory: memory, pthreadPoolSize: 0 });
  return { runtime: new Runtime(exports, memory), variant: 'simd128', threads: 1 };
}

const startWorker = () => startThreadWorker({ startRuntime, openPath: openFile, threads: 1, maxThreads: 1 });

before(async () => {
  const platform = {
    startWorker,
    /** @param {string} path */
    locate: (path) => ({ path }),
    wasm: () => ({}),
    defaultStore: () => null,
    memory: () => MOST_BYTES,
    isPath: () => true,
  };
  engine = await createLibrary(untyped(platform)).createEngine({ model: writeSmallModel(SHAPE), contextSize: 8192 });
});

after(() => engine.unload());

/** Writes until memory runs out. @param {Session} session @returns {Promise<number[]>} the tokens that came before */
async function writeUntilFull(session) {
  /** @type {(number | null)[]} */
  const tokens = [];
  const writing = async () => {
    for await (const { token } of session.complete({ tokens: TEXT, ...GREEDY })) tokens.push(token);
  };
  await assert.rejects(writing(), { code: 'OUT_OF_MEMORY' });
  return untyped(tokens);
}

test('where memory runs out in mid-answer the session keeps what it has, and goes on when there is room', async () => {
  const session = await engine.createSession();
  const tokens = await writeUntilFull(session);
  assert.ok(tokens.length > 100 && tokens.length < 8000, `${tokens.length} tokens were written`);
  // All but the last token found room.
  assert.deepEqual(await session.tokens(), [...TEXT, ...tokens.slice(0, -1)]);
  await assert.rejects(session.prefill([...TEXT, ...tokens]), { code: 'OUT_OF_MEMORY' });
  assert.equal(await session.truncate(TEXT.length + 20), TEXT.length + 20);
  const again = await session.complete({ tokens: TEXT, maxTokens: 50, ...GREEDY }).result;
  assert.ok(again.reusedTokens >= TEXT.length - 1);
  assert.deepEqual(again.tokens, tokens.slice(0, 50));
  await session.close();
});

test('another session has the room that a closed one had', async () => {
  const lengths = [];
  for (let round = 0; round < 3; round++) {
    const session = await engine.createSession();
    lengths.push((await writeUntilFull(session)).length);
    const other = await engine.createSession().catch(({ code }) => code);
    if (other !== 'OUT_OF_MEMORY') {
      await assert.rejects(other.prefill(Array(200).fill(1)), { code: 'OUT_OF_MEMORY' });
      await session.close();
      assert.equal((await other.prefill(Array(200).fill(1))).computedTokens, 200);
      await other.close();
    }
    await session.close();
  }
  assert.equal(lengths[1], lengths[2]);
});

test('a fork, a save and a move that find no memory leave their session as it was', async () => {
  const session = await engine.createSession();
  const tokens = await writeUntilFull(session);
  const content = await session.tokens();
  /** @type {Promise<Blob | import('../../js/client/session.js').Session>[]} */
  const moves = [session.fork(), session.export(), engine.createSession()];
  const outcomes = moves.map((call) =>
    call.then(
      (made) => ('close' in made ? made.close() : undefined),
      ({ code }) => assert.equal(code, 'OUT_OF_MEMORY'),
    ),
  );
  await Promise.all(outcomes);
  assert.deepEqual(await session.tokens(), content);
  assert.equal(await session.truncate(110), 110);
  const [{ id }] = (await session.evaluate([...TEXT, ...tokens.slice(0, 10)], { top: 1 })).top;
  assert.equal(id, tokens[10]);
  await session.close();
});
