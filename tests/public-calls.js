// Every public call that takes options, as something that takes them and gives a promise: for tests of what all of them have
// in common. A call that is new has to be put here, or among those without options; options.test.js looks.
import {
  createEngine,
  defaultModel,
  describeModel,
  listRepository,
  openModelStore,
  probeSpeed,
} from '../js/index.node.js';

export const TOKENS = [1, 2, 3];
const MESSAGES = [{ role: 'user', content: 'Hi' }];

/** @typedef {(options: any) => PromiseLike<unknown>} PublicCall tests give them wrong options too */

/** @satisfies {Record<string, PublicCall>} */
const LIBRARY = {
  createEngine,
  openModelStore,
  probeSpeed,
  describeModel: (options) => describeModel(defaultModel, options),
  listRepository: (options) => listRepository('owner/name', options),
};

/**
 * @param {{ engine: () => import('../js/index.node.js').Engine, session: () => import('../js/index.node.js').Session,
 *   models: () => import('../js/index.node.js').ModelStore, id?: string }} own `id`: of a model in the store
 * @returns {Record<'library' | 'engine' | 'session' | 'models', Record<string, PublicCall>>}
 */
export const publicCalls = ({ engine, session, models, id = 'id' }) => ({
  library: LIBRARY,
  engine: {
    complete: (options) => engine().complete(options),
    evaluate: (options) => engine().evaluate(TOKENS, options),
    score: (options) => engine().score(TOKENS, options),
    createSession: (options) => engine().createSession(options),
    restoreSession: (options) => engine().restoreSession('key', options),
    importSession: (options) => engine().importSession(new Blob([]), options),
    tokenize: (options) => engine().tokenize('text', options),
    countTokens: (options) => engine().countTokens(options),
    fitMessages: (options) => engine().fitMessages(MESSAGES, options),
    render: (options) => engine().render(MESSAGES, options),
    detokenize: (options) => engine().detokenize(TOKENS, options),
    benchmark: (options) => engine().benchmark(options),
  },
  session: {
    complete: (options) => session().complete(options),
    evaluate: (options) => session().evaluate(TOKENS, options),
    score: (options) => session().score(TOKENS, options),
    prefill: (options) => session().prefill(TOKENS, options),
    fork: (options) => session().fork(options),
    save: (options) => session().save('key', options),
    export: (options) => session().export(options),
  },
  models: {
    import: (options) => models().import(defaultModel, options),
    verify: (options) => models().verify(id, options),
    check: (options) => models().check(id, options),
    update: (options) => models().update(id, options),
    readRate: (options) => models().readRate(id, options),
  },
});

/** What takes no options. @type {Record<'engine' | 'session' | 'models', string[]>} */
export const WITHOUT_OPTIONS = {
  engine: ['session', 'isUnloading', 'savedSessions', 'deleteSavedSession', 'memory', 'unload'],
  session: ['truncate', 'tokens', 'close'],
  models: ['list', 'has', 'idOf', 'delete', 'rename', 'estimate', 'persist', 'persisted', 'close'],
};
