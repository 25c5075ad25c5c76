// What is passed as options and is no object: refused by every public call, in the same words, and never thrown where a
// promise is expected.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Engine } from '../../js/client/engine.js';
import { ModelStore } from '../../js/client/model-store.js';
import { Session } from '../../js/client/session.js';
import {
  createEngine,
  defaultModel,
  describeModel,
  estimateSpeed,
  openModelStore,
  probeSpeed,
} from '../../js/index.node.js';

const TOKENS = [1, 2, 3];
const MESSAGES = [{ role: 'user', content: 'Hi' }];
const NO_OPTIONS = [
  [null, 'null'],
  [5, '5'],
  ['text', '"text"'],
  [['list'], '["list"]'],
  [() => 'code', "() => 'code'"],
];

const own = { engine: null, session: null, models: null };

const LIBRARY = {
  createEngine,
  openModelStore,
  probeSpeed,
  describeModel: (options) => describeModel(defaultModel, options),
};
const ENGINE = {
  complete: (options) => own.engine.complete(options).result,
  evaluate: (options) => own.engine.evaluate(TOKENS, options),
  score: (options) => own.engine.score(TOKENS, options),
  createSession: (options) => own.engine.createSession(options),
  restoreSession: (options) => own.engine.restoreSession('key', options),
  importSession: (options) => own.engine.importSession(new Blob([]), options),
  tokenize: (options) => own.engine.tokenize('text', options),
  countTokens: (options) => own.engine.countTokens(options),
  fitMessages: (options) => own.engine.fitMessages(MESSAGES, options),
  render: (options) => own.engine.render(MESSAGES, options),
  detokenize: (options) => own.engine.detokenize(TOKENS, options),
  benchmark: (options) => own.engine.benchmark(options),
};
const SESSION = {
  complete: (options) => own.session.complete(options).result,
  evaluate: (options) => own.session.evaluate(TOKENS, options),
  score: (options) => own.session.score(TOKENS, options),
  prefill: (options) => own.session.prefill(TOKENS, options),
  fork: (options) => own.session.fork(options),
  save: (options) => own.session.save('key', options),
  export: (options) => own.session.export(options),
};
const MODELS = {
  import: (options) => own.models.import(defaultModel, options),
  verify: (options) => own.models.verify('id', options),
  check: (options) => own.models.check('id', options),
  update: (options) => own.models.update('id', options),
  readRate: (options) => own.models.readRate('id', options),
};
// What takes no options; a new method has to be put here or above.
const WITHOUT = {
  engine: ['isUnloading', 'savedSessions', 'deleteSavedSession', 'memory', 'unload'],
  session: ['truncate', 'tokens', 'close'],
  models: ['list', 'has', 'idOf', 'delete', 'rename', 'estimate', 'persist', 'persisted', 'close'],
};

/** @param {...(typeof Engine | typeof Session | typeof ModelStore)} classes */
const methodsOf = (...classes) =>
  classes.flatMap(({ prototype }) => Object.getOwnPropertyNames(prototype)).filter((name) => name !== 'constructor');

before(async () => {
  own.engine = await createEngine({ model: defaultModel, threads: 1 });
  own.session = await own.engine.createSession();
  own.models = await openModelStore({ store: 'memory' });
});

after(async () => {
  await own.engine?.unload();
  await own.models?.close();
});

describe('what is passed as options and is no object', () => {
  const groups = { library: LIBRARY, engine: ENGINE, session: SESSION, models: MODELS };
  for (const [group, calls] of Object.entries(groups)) {
    for (const [name, call] of Object.entries(calls)) {
      test(`is refused by ${name}() of the ${group}, with what was found and expected`, async () => {
        for (const [options, found] of NO_OPTIONS) {
          // A completion is no promise: complete() alone throws, as it does for every wrong option.
          const promise = name === 'complete' ? (async () => call(options))() : call(options);
          await assert.rejects(promise, {
            name: 'NibbleError',
            code: 'INVALID_ARGUMENT',
            message: `The options are ${found}; expected an object with options.`,
          });
        }
      });
    }
  }

  test('is looked for by every call that takes options', () => {
    const all = (calls, without) => [...Object.keys(calls), ...without].sort();
    const session = Object.getPrototypeOf(Session);
    assert.deepEqual(methodsOf(Engine, session).sort(), all(ENGINE, WITHOUT.engine));
    assert.deepEqual(methodsOf(Session, session).sort(), all(SESSION, WITHOUT.session));
    assert.deepEqual(methodsOf(ModelStore).sort(), all(MODELS, WITHOUT.models));
  });

  test('leaves the engine, the session and the store as they were', async () => {
    assert.equal((await own.session.prefill(TOKENS)).computedTokens, TOKENS.length);
    assert.equal((await own.engine.evaluate(TOKENS)).tokens.length, TOKENS.length);
    assert.deepEqual(await own.models.list(), []);
  });
});

test('callbacks that are none, and figures that are missing, are refused too', async () => {
  await assert.rejects(own.models.verify('id', { onProgress: 5 }), { code: 'INVALID_ARGUMENT', message: /onProgress/ });
  for (const model of [null, undefined]) {
    assert.throws(() => estimateSpeed({ decodeBytesPerSecond: 1 }, model), { code: 'INVALID_ARGUMENT' });
  }
});
