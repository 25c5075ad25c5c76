// What is passed as options and is no object: refused by every public call, in the same words, and never thrown where a
// promise is expected.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Engine } from '../../js/client/engine.js';
import { ModelStore } from '../../js/client/model-store.js';
import { Session } from '../../js/client/session.js';
import { createEngine, defaultModel, estimateSpeed, openModelStore } from '../../js/index.node.js';
import { publicCalls, TOKENS, WITHOUT_OPTIONS } from '../public-calls.js';
import { untyped } from '../untyped.js';

const NO_OPTIONS = [
  [null, 'null'],
  [5, '5'],
  ['text', '"text"'],
  [['list'], '["list"]'],
  [() => 'code', "() => 'code'"],
];

/** @type {{ engine: Engine, session: Session, models: ModelStore }} */
const own = untyped({ engine: null, session: null, models: null });
const calls = publicCalls({ engine: () => own.engine, session: () => own.session, models: () => own.models });

/** @param {typeof Engine | typeof Session | typeof ModelStore} kind */
const methodsOf = ({ prototype }) => Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor');

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
  for (const [group, named] of Object.entries(calls)) {
    for (const [name, call] of Object.entries(named)) {
      test(`is refused by ${name}() of the ${group}, with what was found and expected`, async () => {
        for (const [options, found] of NO_OPTIONS) {
          await assert.rejects(untyped(call(options)), {
            name: 'NibbleError',
            code: 'INVALID_ARGUMENT',
            message: `The options are ${found}; expected an object with options.`,
          });
        }
      });
    }
  }

  test('is looked for by every call that takes options', () => {
    for (const [group, kind] of /** @type {const} */ ([
      ['engine', Engine],
      ['session', Session],
      ['models', ModelStore],
    ])) {
      const known = [...Object.keys(calls[group]), ...WITHOUT_OPTIONS[group]];
      assert.deepEqual(methodsOf(kind).sort(), known.sort());
    }
  });

  test('leaves the engine, the session and the store as they were', async () => {
    assert.equal((await own.session.prefill(TOKENS)).computedTokens, TOKENS.length);
    assert.equal((await own.engine.evaluate(TOKENS)).tokens.length, TOKENS.length);
    assert.deepEqual(await own.models.list(), []);
  });
});

test('callbacks that are none, and figures that are missing, are refused too', async () => {
  await assert.rejects(own.models.verify('id', { onProgress: untyped(5) }), {
    code: 'INVALID_ARGUMENT',
    message: /onProgress/,
  });
  for (const model of [null, undefined]) {
    assert.throws(() => estimateSpeed(untyped({ decodeBytesPerSecond: 1 }), untyped(model)), {
      code: 'INVALID_ARGUMENT',
    });
  }
});
