// The library on a real engine in Node, with a small random model.
import assert from 'node:assert/strict';
import { openAsBlob, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createEngine, describeModel } from '../../js/index.node.js';
import { code } from '../errors.js';
import { holdPrompts } from '../held-prompt.js';
import { present } from '../present.js';
import { SMALL_SHAPE, temporaryFolder, writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/base/public-types.js').Engine} Engine */
/** @typedef {import('../../js/client/completion.js').Completion} Completion */
/** @typedef {import('../../js/base/errors.js').NibbleError} NibbleError */

const GREEDY = { temperature: 0, ignoreEos: true };

/** @type {string} */
let path;
/** @type {Engine} */
let engine;

before(async () => {
  path = writeSmallModel();
  engine = await createEngine({ model: path, threads: 2 });
});

after(() => engine?.unload());

/** @param {Completion} completion */
async function collect(completion) {
  const pieces = [];
  for await (const piece of completion) pieces.push(piece);
  return { pieces, result: await completion.result };
}

describe('loading', () => {
  test('an engine tells what it is', () => {
    const { info } = engine;
    assert.equal(info.name, 'random small');
    assert.equal(info.architecture, 'llama');
    assert.equal(info.vocabularySize, SMALL_SHAPE.vocabulary);
    assert.equal(info.layers, SMALL_SHAPE.layers);
    assert.equal(info.contextSize, SMALL_SHAPE.context);
    assert.equal(info.threads, 2);
    assert.equal(info.quantization.label, 'Q4_0');
    assert.ok(['relaxed', 'simd128'].includes(info.wasm));
    assert.ok(Object.hasOwn(info.kernelRates, info.kernelSet), `${info.kernelSet} has a rate`);
    assert.ok(present(info.loadMilliseconds) > 0);
  });

  test('a path, bytes, a Blob and a stream give the same model', async () => {
    const bytes = readFileSync(path);
    const stream = () => new Blob([bytes]).stream();
    const expected = (await engine.complete({ tokens: [1, 2, 3], maxTokens: 8, ...GREEDY }).result).tokens;
    for (const model of [
      new URL(`file://${path}`),
      bytes,
      new Blob([bytes]),
      URL.createObjectURL(new Blob([bytes])),
      new URL(URL.createObjectURL(await openAsBlob(path))),
      stream(),
      { stream: stream(), size: bytes.length },
    ]) {
      const other = await createEngine({ model, threads: 1 });
      try {
        assert.deepEqual(
          (await other.complete({ tokens: [1, 2, 3], maxTokens: 8, ...GREEDY }).result).tokens,
          expected,
        );
      } finally {
        await other.unload();
      }
    }
  });

  test('progress goes from the beginning to the whole file', async () => {
    /** @type {import('../../js/base/public-types.js').Progress[]} */
    const events = [];
    const other = await createEngine({ model: path, threads: 1, onProgress: (event) => events.push(event) });
    await other.unload();
    const size = readFileSync(path).length;
    assert.equal(events[0].phase, 'prepare');
    assert.equal(events.at(-1)?.phase, 'load');
    assert.equal(events.at(-1)?.loaded, size);
    assert.ok(events.every(({ total }) => total === size));
  });

  test('the address of a Blob that is gone says so', async () => {
    const address = URL.createObjectURL(new Blob(['GGUF']));
    URL.revokeObjectURL(address);
    /** @param {NibbleError} error */
    const expected = (error) => code('INVALID_ARGUMENT')(error) && /not revoked/.test(error.message);
    await assert.rejects(createEngine({ model: address }), expected);
  });

  test('a signal cancels the loading, before and during it', async () => {
    await assert.rejects(createEngine({ model: path, signal: AbortSignal.abort() }), code('CANCELLED'));
    const controller = new AbortController();
    const endless = new ReadableStream({ pull: () => new Promise(() => {}) });
    const loading = createEngine({ model: endless, signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(loading, code('CANCELLED'));
  });

  test('an error of the caller in onProgress ends the loading with that error', async () => {
    const own = new Error('the page is gone');
    const failing = () => {
      throw own;
    };
    /** @param {NibbleError} error */
    const is = (error) => error === own;
    await assert.rejects(createEngine({ model: path, onProgress: failing }), is);
    await assert.rejects(createEngine({ model: path, onProgress: async () => failing() }), is);
    let cancelled = false;
    const silent = new ReadableStream({
      // Enough for the header, which is read in pieces of 1 MiB.
      start(controller) {
        controller.enqueue(new Uint8Array(readFileSync(path)));
        controller.enqueue(new Uint8Array(1 << 20));
      },
      pull: () => new Promise(() => {}),
      cancel() {
        cancelled = true;
      },
    });
    await assert.rejects(createEngine({ model: silent, onProgress: failing }), is);
    assert.ok(cancelled, 'the stream is let go');
    await assert.rejects(createEngine({ model: path, onProgress: untyped(5) }), code('INVALID_ARGUMENT'));
  });

  test('a file cut short is refused wherever it is cut', async () => {
    const short = join(temporaryFolder(), 'short.gguf');
    const whole = readFileSync(path);
    for (const size of [0, 3, 100, 5000, whole.length - 1]) {
      writeFileSync(short, whole);
      truncateSync(short, size);
      await assert.rejects(createEngine({ model: short }), code('GGUF_TRUNCATED'), `${size} bytes`);
      const stream = new Blob([whole.subarray(0, size)]).stream();
      await assert.rejects(createEngine({ model: stream }), code('GGUF_TRUNCATED'), `${size} bytes of a stream`);
    }
  });

  test('what cannot be loaded has a code', async () => {
    await assert.rejects(createEngine({ model: join(temporaryFolder(), 'absent.gguf') }), code('SOURCE_UNREADABLE'));
    await assert.rejects(createEngine({ model: new Blob(['<html>no model']) }), code('GGUF_BAD_MAGIC'));
    await assert.rejects(createEngine(untyped({})), code('INVALID_ARGUMENT'));
    await assert.rejects(createEngine(untyped(null)), code('INVALID_ARGUMENT'));
    const unknownStore = createEngine({ model: path, store: untyped('cloud') });
    await assert.rejects(unknownStore, { message: /^The option store is "cloud"; expected / });
    await assert.rejects(createEngine({ model: path, signal: untyped(4) }), code('INVALID_ARGUMENT'));
    await assert.rejects(createEngine({ model: path, threads: 0 }), code('INVALID_ARGUMENT'));
    await assert.rejects(createEngine({ model: path, kernelSet: 'no such set' }), code('INVALID_ARGUMENT'));
    await assert.rejects(createEngine({ model: path, wasmBinary: new Uint8Array(8) }), code('WASM_UNAVAILABLE'));
    await assert.rejects(createEngine({ model: path, workerUrl: './no-such-worker.js' }), code('WORKER_FAILED'));
  });

  test('after unload() calls are refused, and it may be called twice', async () => {
    const other = await createEngine({ model: path, threads: 1 });
    const running = other.complete({ tokens: [1], ...GREEDY });
    await Promise.all([other.unload(), other.unload()]);
    assert.equal((await running.result).finishReason, 'cancelled');
    await assert.rejects(other.tokenize('a'), code('UNLOADED'));
    await assert.rejects(other.complete({ prompt: 'a' }).result, code('UNLOADED'));
  });

  test('two engines live side by side, and the end of one leaves the other alone', async () => {
    const other = await createEngine({ model: path, threads: 2, contextSize: 64 });
    const options = { tokens: [5, 6], maxTokens: 10, reusePrefix: false, ...GREEDY };
    const [one, two] = await Promise.all([engine.complete(options).result, other.complete(options).result]);
    await other.unload();
    assert.deepEqual(two.tokens, one.tokens);
    assert.deepEqual((await engine.complete(options).result).tokens, one.tokens);
  });
});

describe('completions', () => {
  test('the streamed pieces make up the result', async () => {
    const { pieces, result } = await collect(
      engine.complete({ prompt: 'hello there', maxTokens: 20, seed: 4, ignoreEos: true }),
    );
    assert.equal(result.finishReason, 'length');
    assert.equal(result.completionTokens, 20);
    assert.equal(pieces.map(({ text }) => text).join(''), result.text);
    assert.deepEqual(
      pieces.map(({ token }) => token).filter((token) => token !== null),
      result.tokens,
    );
    // A character that the answer was cut within is no text of it.
    const whole = await engine.detokenize(result.tokens);
    assert.ok(whole.startsWith(result.text) && /^\ufffd*$/.test(whole.slice(result.text.length)), whole);
    assert.equal(result.promptTokens, (await engine.tokenize('hello there')).length);
    assert.equal(result.prefill.tokens + result.reusedTokens, result.promptTokens);
    assert.equal(result.decode.tokens, 19);
    assert.equal(result.seed, 4);
  });

  test('the same seed gives the same tokens, another seed others, and a random seed is told', async () => {
    /** @param {object} options */
    const write = (options) =>
      engine.complete({ prompt: 'abc', maxTokens: 24, temperature: 1.5, ignoreEos: true, ...options }).result;
    const [one, two, other, random] = [
      await write({ seed: 1 }),
      await write({ seed: 1 }),
      await write({ seed: 2 }),
      await write({}),
    ];
    assert.deepEqual(two.tokens, one.tokens);
    assert.notDeepEqual(other.tokens, one.tokens);
    assert.deepEqual((await write({ seed: random.seed })).tokens, random.tokens);
  });

  test('reusing the common prefix changes nothing but the work', async () => {
    const prompt = await engine.tokenize('some words that are the same');
    const options = { maxTokens: 10, ...GREEDY };
    await engine.complete({ tokens: prompt, ...options }).result;
    const longer = [...prompt, 70, 71];
    const reused = await engine.complete({ tokens: longer, ...options }).result;
    const fresh = await engine.complete({ tokens: longer, ...options, reusePrefix: false }).result;
    assert.ok(reused.reusedTokens >= prompt.length);
    assert.equal(fresh.reusedTokens, 0);
    assert.deepEqual(reused.tokens, fresh.tokens);
    const again = await engine.complete({ tokens: longer, ...options }).result;
    assert.equal(again.reusedTokens, longer.length - 1);
    assert.deepEqual(again.tokens, fresh.tokens);
  });

  test('one and two threads, and every kernel set, give the same tokens', async () => {
    const options = { tokens: [10, 11, 12], maxTokens: 30, ...GREEDY };
    const expected = (await engine.complete(options).result).tokens;
    const sets = Object.keys(engine.info.kernelRates);
    assert.ok(sets.length >= 2);
    const streams = sets.flatMap((kernelSet) => [1, 2].map((tileStreams) => ({ kernelSet, tileStreams })));
    for (const settings of untyped([{ threads: 1 }, { threads: 3 }, ...streams])) {
      const other = await createEngine({ model: path, ...settings });
      const { tokens } = await other.complete(options).result;
      if (settings.kernelSet) assert.equal(other.info.kernelSet, settings.kernelSet);
      if (settings.tileStreams === 1) assert.equal(other.info.tileStreams, 1);
      if (settings.tileStreams > 1) assert.equal(other.info.tileStreams > 1, settings.kernelSet !== 'reference');
      await other.unload();
      assert.deepEqual(tokens, expected, JSON.stringify(settings));
    }
  });

  test('threads that were not asked for are measured, and give the same tokens', async () => {
    const options = { tokens: [10, 11, 12], maxTokens: 30, ...GREEDY };
    const expected = (await engine.complete(options).result).tokens;
    assert.deepEqual(engine.info.threadRates, {}, 'two threads were asked for');
    const other = await createEngine({ model: path });
    const { threads, threadRates } = other.info;
    const { tokens } = await other.complete(options).result;
    await other.unload();
    const most = Math.min(8, availableParallelism());
    const counts = Object.keys(threadRates).map(Number);
    assert.deepEqual(counts, most === 1 ? [] : [...[1, 2, 4].filter((count) => count < most), most]);
    assert.ok(most === 1 ? threads === 1 : counts.includes(threads), `${threads} threads`);
    assert.ok(Object.values(threadRates).every((rate) => rate > 0));
    assert.deepEqual(tokens, expected);
  });

  test('a stop string ends the text and is not part of it', async () => {
    const options = { prompt: 'abc', maxTokens: 40, ...GREEDY };
    const { text } = await engine.complete(options).result;
    const stop = text.slice(5, 8);
    const { pieces, result } = await collect(engine.complete({ ...options, stop: ['never there', stop] }));
    assert.equal(result.finishReason, 'stop');
    assert.equal(result.stopString, stop);
    assert.equal(result.text, text.slice(0, text.indexOf(stop)));
    assert.equal(pieces.map((piece) => piece.text).join(''), result.text);
  });

  test('a token that ends the text ends it, and is not part of it', async () => {
    const end = present(engine.info.specialTokens.eos);
    const options = { prompt: 'abc', temperature: 0, maxTokens: 5, logitBias: { [end]: 1000 } };
    const result = await engine.complete(options).result;
    assert.deepEqual([result.finishReason, result.text, result.tokens], ['stop', '', []]);
    assert.equal((await engine.complete({ ...options, ignoreEos: true }).result).finishReason, 'length');
  });

  test('biases forbid and force tokens', async () => {
    const options = { tokens: [1, 2], maxTokens: 6, ...GREEDY };
    const [first] = (await engine.complete(options).result).tokens;
    const without = await engine.complete({ ...options, logitBias: { [first]: -Infinity } }).result;
    assert.ok(!without.tokens.includes(first));
    const forced = await engine.complete({ ...options, logitBias: new Map([[77, 1000]]) }).result;
    assert.deepEqual(forced.tokens, Array(6).fill(77));
    const penalised = await engine.complete({
      ...options,
      logitBias: { 77: 500, 78: 499 },
      presencePenalty: 100,
      maxTokens: 2,
    }).result;
    assert.deepEqual(penalised.tokens, [77, 78]);
  });

  test('a full context ends the text; a prompt that does not fit is an error, and the engine goes on', async () => {
    const { contextSize } = engine.info;
    const tokens = Array(contextSize - 3).fill(65);
    const result = await engine.complete({ tokens, ...GREEDY }).result;
    assert.equal(result.finishReason, 'context');
    assert.equal(result.completionTokens, 4);
    await assert.rejects(engine.complete({ tokens: Array(contextSize + 1).fill(65) }).result, code('CONTEXT_FULL'));
    assert.equal((await engine.complete({ tokens: [1], maxTokens: 1, ...GREEDY }).result).finishReason, 'length');
  });

  test('a signal, stop() and leaving the loop end a completion with what it has', async () => {
    // A completion that is not stopped has no end.
    const { workerUrl, within } = holdPrompts();
    const patient = await createEngine({ model: writeSmallModel({ context: 16384 }), contextSize: 0, workerUrl });
    try {
      const options = untyped({ prompt: 'abc', ...GREEDY, onFull: 'drop-oldest' });
      const controller = new AbortController();
      const aborted = patient.complete({ ...options, signal: controller.signal });
      let seen = 0;
      for await (const _ of aborted) if (++seen === 3) controller.abort();
      assert.equal((await aborted.result).finishReason, 'cancelled');

      const left = patient.complete(options);
      for await (const _ of left) break;
      assert.equal((await left.result).finishReason, 'cancelled');

      const early = await patient.complete({ ...options, signal: AbortSignal.abort() }).result;
      assert.deepEqual([early.finishReason, early.completionTokens], ['cancelled', 0]);

      const onPrefill = within(() => prefilling.stop());
      const prefilling = patient.complete({ tokens: Array(16000).fill(66), maxTokens: 1, onPrefill });
      const { finishReason, prefill } = await prefilling.result;
      assert.equal(finishReason, 'cancelled');
      assert.ok(prefill.tokens < 16000, 'the prompt is not read to its end');

      // Far too long for the context, and long to read: whoever stops it meanwhile is not told that it does not fit.
      const text = 'a word and another, '.repeat(40_000);
      for (const start of [{ prompt: text }, { messages: [{ role: 'user', content: text }], onFull: 'drop-oldest' }]) {
        const reading = patient.complete(untyped(start));
        setTimeout(() => reading.stop(), 20);
        assert.equal((await reading.result).finishReason, 'cancelled');
        await assert.rejects(patient.complete(untyped(start)).result, { code: 'CONTEXT_FULL' });
      }
    } finally {
      await patient.unload();
    }
  });

  test('calls queue up; one that waits can be cancelled', async () => {
    const first = engine.complete({ prompt: 'abc', maxTokens: 30, ...GREEDY });
    const second = engine.complete({ prompt: 'abd', maxTokens: 3, ...GREEDY });
    const third = engine.complete({ prompt: 'abe', maxTokens: 3, ...GREEDY });
    third.stop();
    /** @type {string[]} */
    const order = [];
    await Promise.all(
      [first, second, third].map(async (each, index) => {
        const { finishReason } = await each.result;
        order.push(`${index} ${finishReason}`);
      }),
    );
    assert.deepEqual(order, ['0 length', '1 length', '2 cancelled']);
  });

  test('an error reaches whoever iterates and whoever waits for the result', async () => {
    const completion = engine.complete({ tokens: [100000] });
    await assert.rejects(collect(completion), code('INVALID_ARGUMENT'));
    await assert.rejects(completion.result, code('INVALID_ARGUMENT'));
    await assert.rejects(untyped(engine.complete({ prompt: 'a', signal: untyped(4) })), code('INVALID_ARGUMENT'));
    await assert.rejects(engine.score([1, 2], { signal: untyped({}) }), code('INVALID_ARGUMENT'));
    await assert.rejects(collect(engine.complete({ prompt: 'a', topP: 2 })), code('INVALID_ARGUMENT'));
    await assert.rejects(engine.complete({ prompt: '' }).result, code('INVALID_ARGUMENT'));
  });

  test('a misspelt option is named, with the one that was meant', async () => {
    /** @param {string} unknown @param {string} nearest */
    const named = (unknown, nearest) => (/** @type {NibbleError} */ error) =>
      code('INVALID_ARGUMENT')(error) && error.message.includes(unknown) && error.message.includes(nearest);
    await assert.rejects(createEngine(untyped({ model: path, contextsize: 5 })), named('contextsize', 'contextSize'));
    await assert.rejects(describeModel(path, untyped({ thread: 5 })), named('thread', 'threads'));
    await assert.rejects(
      untyped(engine.complete(untyped({ prompt: 'a', temprature: 1 }))),
      named('temprature', 'temperature'),
    );
    await assert.rejects(engine.evaluate([1], untyped({ topK: 5 })), named('topK', 'top'));
    await assert.rejects(engine.score([1, 2], untyped({ form: 1 })), named('form', 'from'));
    await assert.rejects(engine.benchmark(untyped({ warmup: 1 })), named('warmup', 'warmUp'));
    const { signal } = new AbortController();
    assert.equal((await engine.evaluate([1], { signal, top: 1, reusePrefix: undefined })).top.length, 1);
  });

  test('messages are answered by the chat template', async () => {
    const messages = [{ role: 'user', content: 'hi' }];
    const text = await engine.render(messages);
    assert.ok(text.includes('hi'));
    const result = await engine.complete({ messages, maxTokens: 3, ...GREEDY }).result;
    const raw = await engine.complete({ prompt: text, maxTokens: 3, ...GREEDY }).result;
    assert.equal(result.promptTokens, raw.promptTokens);
    assert.equal(result.text, raw.text);
  });
});

describe('tokens and probabilities', () => {
  test('text goes to tokens and back', async () => {
    for (const text of ['hello there', 'Grüße 🙂 \n\ttabs', '']) {
      assert.equal(await engine.detokenize(await engine.tokenize(text)), text);
    }
    assert.deepEqual(await engine.detokenize([256, 72], { each: true }), ['<|begin|>', 'H']);
  });

  test('probabilities of the whole vocabulary add up, and agree with the likeliest and with score()', async () => {
    const tokens = [10, 20, 30, 40];
    const all = await engine.evaluate(tokens, { top: 0 });
    assert.deepEqual(all.tokens, tokens);
    assert.equal(all.top.length, SMALL_SHAPE.vocabulary);
    assert.ok(Math.abs(all.top.reduce((sum, { p }) => sum + p, 0) - 1) < 1e-6);
    const few = await engine.evaluate(tokens, { top: 3 });
    assert.deepEqual(few.top, all.top.slice(0, 3));
    const next = all.top[7];
    const scores = await engine.score([...tokens, next.id]);
    assert.equal(scores.length, tokens.length);
    assert.ok(Math.abs(scores[3] - Math.log(next.p)) < 1e-4, `${scores[3]} and ${Math.log(next.p)}`);
    const last = await engine.score([...tokens, next.id], { from: 4 });
    assert.deepEqual(last, scores.slice(3));
    assert.equal((await engine.score([1])).length, 0);
  });

  test('a benchmark times every repetition and leaves the engine usable', async () => {
    const { nanoseconds } = await engine.benchmark({ promptTokens: 20, generatedTokens: 4, repetitions: 3, depth: 10 });
    assert.equal(nanoseconds.length, 3);
    assert.ok(nanoseconds.every((time) => time > 0));
    await assert.rejects(engine.benchmark({ promptTokens: 5000 }), code('CONTEXT_FULL'));
    await assert.rejects(engine.benchmark({ promptTokens: 0, generatedTokens: 0 }), code('INVALID_ARGUMENT'));
    assert.equal((await engine.evaluate([1])).top.length, 20);
  });
});

test('an engine of the vocabulary alone tokenizes, tells what it takes, and says why it does not write', async () => {
  const vocabulary = await createEngine({ model: path, vocabularyOnly: true });
  try {
    assert.deepEqual(await vocabulary.tokenize('hello'), await engine.tokenize('hello'));
    await assert.rejects(vocabulary.complete({ prompt: 'a' }).result, code('MODEL_INCOMPLETE'));
    await assert.rejects(vocabulary.evaluate([1]), code('MODEL_INCOMPLETE'));
    const { weights, kvCache, code: codeBytes, other, unused, wasm } = await vocabulary.memory();
    assert.deepEqual([weights, kvCache], [0, 0]);
    assert.equal(codeBytes + other + unused, wasm);
    assert.ok(codeBytes > 0 && wasm > 0);
  } finally {
    await vocabulary.unload();
  }
});
