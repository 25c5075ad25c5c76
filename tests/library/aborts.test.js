// The one rule for signals, over every public call that takes one: what is aborted beforehand or meanwhile is rejected with the
// signal's reason, or with CANCELLED where it has none of its own; a completion gives what it has; what is done is done.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createEngine,
  describeModel,
  listRepository,
  NibbleError,
  openModelStore,
  probeSpeed,
} from '../../js/index.node.js';
import { holdPrompts } from '../held-prompt.js';
import { portOf } from '../port.js';
import { present } from '../present.js';
import { publicCalls } from '../public-calls.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { untyped } from '../untyped.js';

const path = writeSmallModel({ context: 4096 });
const file = readFileSync(path);
const store = { folder: temporaryFolder() };
const LISTED = [{ type: 'file', path: 'm-Q4_0.gguf', size: file.length, oid: 'a' }];

/** A server of the model, and a hub, which can fall silent. */
async function serve() {
  const state = { isSilent: false, asked: 0 };
  const server = createServer(({ url = '', method }, response) => {
    state.asked++;
    if (state.isSilent) return;
    const isModel = url.startsWith('/m.gguf');
    const facts = JSON.stringify(url.includes('/tree/') ? LISTED : { id: 'owner/name', gated: false });
    const body = isModel ? file : Buffer.from(facts);
    response.writeHead(200, { 'content-length': body.length, etag: '"one"', 'accept-ranges': 'none' });
    response.end(method === 'HEAD' ? undefined : body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { state, url: `http://127.0.0.1:${portOf(server)}`, close };
}

/**
 * What the calls are made on.
 * @type {{ server: Awaited<ReturnType<typeof serve>>, models: import('../../js/client/model-store.js').ModelStore, id: string,
 *   engine: import('../../js/client/engine.js').Engine, session: import('../../js/client/session.js').Session, image: Blob }}
 */
const own = untyped({});

before(async () => {
  own.server = await serve();
  own.models = await openModelStore({ store });
  own.id = (await own.models.import(`${own.server.url}/m.gguf`)).id;
  own.engine = await createEngine({ model: { stored: own.id }, store, threads: 1 });
  own.session = await own.engine.createSession();
  await own.session.prefill([1, 2, 3]);
  await own.session.save('key');
  own.image = await own.session.export();
});

after(async () => {
  await own.engine?.unload();
  await own.models?.close();
  own.server?.close();
});

/** What a call gives that has to be closed. @param {Promise<import('../../js/client/engine.js').Engine | import('../../js/client/session.js').Session | null>} opening */
const closing = (opening) =>
  opening.then(async (opened) => {
    await (opened && 'unload' in opened ? opened.unload() : present(opened).close());
    return 'opened';
  });

// How each call comes to be under way when it is aborted: `asks`, its server is silent; `queues`, another call runs;
// `computes`: at once, for so long; `reads`: at once, and it may be done before the signal comes.
/** @type {Record<string, Record<string, Record<string, (control: { signal: AbortSignal }) => PromiseLike<unknown>>>>} */
const CALLS = {
  library: {
    createEngine: {
      asks: (control) => closing(createEngine({ model: `${own.server.url}/m.gguf`, ...control })),
    },
    describeModel: { asks: (control) => describeModel(`${own.server.url}/m.gguf`, control) },
    listRepository: {
      asks: (control) => listRepository('owner/name', { hub: { url: own.server.url }, ...control }),
    },
    probeSpeed: { computes: (control) => probeSpeed({ threads: 1, ...control }) },
  },
  engine: {
    complete: {
      queues: (control) => own.engine.complete({ prompt: 'a', maxTokens: 3, ignoreEos: true, ...control }),
    },
    evaluate: { queues: (control) => own.engine.evaluate([1, 2], { top: 1, ...control }) },
    score: { queues: (control) => own.engine.score([1], control) },
    restoreSession: { queues: (control) => closing(own.engine.restoreSession('key', control)) },
    importSession: { queues: (control) => closing(own.engine.importSession(own.image, control)) },
    benchmark: {
      queues: (control) => own.engine.benchmark({ promptTokens: 8, generatedTokens: 1, repetitions: 1, ...control }),
    },
  },
  session: {
    complete: {
      queues: (control) => own.session.complete({ prompt: 'a', maxTokens: 3, ignoreEos: true, ...control }),
    },
    evaluate: { queues: (control) => own.session.evaluate([1, 2], { top: 1, ...control }) },
    score: { queues: (control) => own.session.score([1], control) },
    prefill: { queues: (control) => own.session.prefill([], control) },
    save: { queues: (control) => own.session.save('again', control) },
    export: { queues: (control) => own.session.export(control) },
  },
  models: {
    import: { asks: (control) => own.models.import(`${own.server.url}/m.gguf`, control) },
    check: { asks: (control) => own.models.check(own.id, control) },
    update: { asks: (control) => own.models.update(own.id, control) },
    verify: { reads: (control) => own.models.verify(own.id, control) },
    readRate: { reads: (control) => own.models.readRate(own.id, control) },
  },
};

/** @typedef {{ group: string, name: string, title: string, way: string, call: (control: { signal: AbortSignal }) => PromiseLike<unknown> }} Call */

/** @type {Call[]} */
const calls = Object.entries(CALLS).flatMap(([group, named]) =>
  Object.entries(named).map(([name, ways]) => {
    const [[way, call]] = Object.entries(ways);
    return { group, name, title: `${name}() of the ${group}`, way, call };
  }),
);

const REASONS = [
  ['an error of the caller', new RangeError('mine')],
  ['a text', 'the user left'],
  ['a time that is up', new DOMException('too late', 'TimeoutError')],
  ['no reason', undefined],
];

/**
 * Whether an outcome is that of a call that was aborted for this reason.
 * @param {string} name
 * @param {Awaited<ReturnType<typeof outcomeOf>>} outcome
 * @param {unknown} reason
 */
function assertAborted(name, outcome, reason) {
  if (name === 'complete') {
    assert.ok('result' in outcome, 'a completion has a result');
    return assert.equal(untyped(outcome.result)?.finishReason, 'cancelled');
  }
  assert.ok('error' in outcome, `there is a result: ${JSON.stringify(outcome)}`);
  const { error } = outcome;
  if (reason !== undefined) return assert.equal(error, reason);
  assert.ok(error instanceof NibbleError, String(error));
  assert.deepEqual([error.code, untyped(error.cause)?.name], ['CANCELLED', 'AbortError']);
}

/** @param {PromiseLike<unknown>} call @returns {PromiseLike<{ result: unknown } | { error: unknown }>} */
const outcomeOf = (call) =>
  call.then(
    (result) => ({ result }),
    (error) => ({ error }),
  );

/** Begins a call as its way says, and aborts it once it is under way. @param {Call} called @param {unknown} reason */
async function abortMeanwhile({ way, call }, reason) {
  const controller = new AbortController();
  const { state } = own.server;
  const before = state.asked;
  state.isSilent = way === 'asks';
  const busy = way === 'queues' ? await own.engine.createSession() : null;
  const running = busy?.complete({ prompt: 'b', ignoreEos: true, onFull: 'drop-oldest' });
  if (running) for await (const _ of { [Symbol.asyncIterator]: () => keptGoing(running) }) break;
  try {
    const outcome = outcomeOf(call({ signal: controller.signal }));
    while (way === 'asks' && state.asked === before) await sleep(5);
    if (way === 'computes') await sleep(100);
    controller.abort(reason);
    await sleep(20);
    running?.stop();
    return await outcome;
  } finally {
    state.isSilent = false;
    running?.stop();
    await running;
    await busy?.close();
  }
}

/** Iterates without ending what is iterated. @param {import('../../js/client/completion.js').Completion} completion */
function keptGoing(completion) {
  const iterator = completion[Symbol.asyncIterator]();
  return { next: () => iterator.next() };
}

describe('a signal', () => {
  test('is taken by the calls of the table here, and by no others', async () => {
    const every = publicCalls({ engine: () => own.engine, session: () => own.session, models: () => own.models });
    /** @type {Record<string, string[]>} */
    const taking = {};
    for (const [group, named] of Object.entries(every)) {
      const found = [];
      for (const [name, call] of Object.entries(named)) {
        const given = { ...(name === 'complete' && { prompt: 'a' }), ...(name === 'createEngine' && { model: path }) };
        /** The option that it refuses. @param {unknown} signal */
        const refusedFor = async (signal) => {
          const outcome = await outcomeOf(call({ ...given, signal }));
          assert.ok('error' in outcome && outcome.error instanceof NibbleError, `${name}() takes it for a signal`);
          assert.equal(outcome.error.code, 'INVALID_ARGUMENT', name);
          return outcome.error.details?.option;
        };
        if ((await refusedFor(5)) !== 'signal') continue;
        found.push(name);
        const deaf = { aborted: false, addEventListener() {} };
        assert.equal(await refusedFor(deaf), 'signal', `${name}() takes what nobody can leave for a signal`);
      }
      taking[group] = found.sort();
    }
    const listed = Object.entries(CALLS).map(([group, named]) => [group, Object.keys(named).sort()]);
    assert.deepEqual(taking, Object.fromEntries(listed));
  });

  for (const call of calls) {
    test(`that was given before is the end of ${call.title}`, async () => {
      for (const [, reason] of REASONS) {
        const outcome = await outcomeOf(call.call({ signal: AbortSignal.abort(reason) }));
        assertAborted(call.name, outcome, reason);
      }
    });

    test(`that is given meanwhile ends ${call.title}`, async () => {
      for (const [, reason] of REASONS) {
        const outcome = await abortMeanwhile(call, reason);
        if (call.way !== 'reads' || 'error' in outcome) assertAborted(call.name, outcome, reason);
      }
    });

    test(`that is given when ${call.title} has ended changes nothing`, async () => {
      const controller = new AbortController();
      const result = await call.call({ signal: controller.signal });
      controller.abort(new Error('nobody is to see it'));
      await sleep(5);
      assert.notEqual(result, undefined);
    });
  }

  test('leaves the engine and the store as they were', async () => {
    const saved = present(await own.engine.restoreSession('key'));
    assert.deepEqual(await saved.tokens(), [1, 2, 3]);
    await saved.close();
    await own.session.prefill([4, 5]);
    assert.deepEqual(await own.session.tokens(), [4, 5]);
    const { finishReason } = await own.engine.complete({ prompt: 'a', maxTokens: 2, ignoreEos: true });
    assert.equal(finishReason, 'length');
    assert.deepEqual((await own.models.verify(own.id)).damaged, []);
    assert.deepEqual(
      (await own.models.list()).map(({ state }) => state),
      ['complete'],
    );
  });
});

describe('a signal in the middle of a prompt', () => {
  test('rejects prefill() with its reason; a completion gives what it has, and its iteration ends', async () => {
    const { workerUrl, within } = holdPrompts();
    const engine = await createEngine({ model: path, threads: 1, workerUrl });
    try {
      const tokens = Array.from({ length: 2000 }, (_, place) => place % 250);
      const [first, second] = [new AbortController(), new AbortController()];
      const reason = new Error('mine');
      const onProgress = within(() => first.abort(reason));
      await assert.rejects(engine.session.prefill(tokens, { signal: first.signal, onProgress }), reason);
      const onPrefill = within(() => second.abort(reason));
      const signal = second.signal;
      const completion = engine.complete({ tokens: tokens.slice().reverse(), signal, onPrefill });
      for await (const _ of completion) assert.fail('nothing is written');
      const { finishReason, prefill, firstTokenMilliseconds } = await completion;
      assert.deepEqual([finishReason, firstTokenMilliseconds], ['cancelled', null]);
      assert.ok(prefill.tokens < tokens.length);
    } finally {
      await engine.unload();
    }
  });
});

describe('a signal of a load that goes on behind createEngine()', () => {
  test('rejects `ready` with its reason; calls that wait, which nobody has aborted, with CANCELLED', async () => {
    const controller = new AbortController();
    const reason = new Error('mine');
    const stream = new ReadableStream({ start: (sink) => sink.enqueue(file.subarray(0, file.length - 100)) });
    const model = { stream, size: file.length, name: 'm.gguf' };
    const engine = await createEngine({ model, threads: 1, earlyStart: true, signal: controller.signal });
    const cancelled = { code: 'CANCELLED' };
    const waiting = assert.rejects(async () => engine.complete({ prompt: 'a' }), cancelled);
    await sleep(20);
    controller.abort(reason);
    await assert.rejects(engine.ready, reason);
    await waiting;
    await assert.rejects(engine.memory(), cancelled);
    assert.equal(present(await engine.closed).code, 'CANCELLED');
  });
});
