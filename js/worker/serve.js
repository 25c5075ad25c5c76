// The worker's side of protocol/messages.js: takes calls from a port, runs them, replies. Calls that compute run one after the
// other in the order they came; the rest is answered between two tokens, and so is what concerns a store or a reader.
import { checkCancelled } from '../base/cancel.js';
import { NibbleError } from '../base/errors.js';
import { isCrash } from '../core/instantiate.js';
import { CANCEL, errorReply, eventReply, readCall, resultReply, SESSION_METHODS } from '../protocol/messages.js';
import { EngineHost } from './engine-host.js';
import { ReaderHost } from './reader-host.js';
import { StoreHost } from './store-host.js';

/** Workers that the wasm's threads take beside the calling one; a pass of an `early` engine has one more (src/driver.h). @param {number} threads */
export const workersFor = (threads, early = false) => threads - 1 + (early ? 1 : 0);

/** @type {Set<string>} */
const AT_ONCE = new Set(['tokenize', 'countTokens', 'fitMessages', 'detokenize', 'render', 'memory', 'sessionList']);
/** @type {Set<string>} */
const ENDS = new Set(['unload', 'storeClose']);

/**
 * @param {{ post: (message: object) => void, listen: (onMessage: (data: any) => void) => void }} port
 * @param {import('./engine-host.js').Platform} platform
 */
export function serve(port, platform) {
  const host = new EngineHost(platform);
  const storeHost = new StoreHost(platform);
  const readerHost = new ReaderHost(platform);
  // Whether it concerns a store or a reader, and so needs no turn.
  /** @param {string} method */
  const ofStore = (method) => method.startsWith('store') || method.startsWith('reader');
  /** @param {Method} method @returns {any} */
  const hostOf = (method) => {
    if (ofStore(method)) return method.startsWith('store') ? storeHost : readerHost;
    return SESSION_METHODS.some((name) => name === method) ? host.sessions : host;
  };
  // Its controller, whether its caller has given it up, its session's number and its end, by the call's id.
  /** @type {Map<number, { controller: AbortController, isCancelled: boolean, session: number | undefined, done: Promise<void>, settle: () => void }>} */
  const running = new Map();
  /** @type {Set<number>} */
  const cancelledBefore = new Set();
  /** @type {Promise<any>} */
  let last = Promise.resolve();
  let lastId = 0;
  /** @type {NibbleError | null} */
  let crash = null;

  /** Runs something behind the calls that came before. @template T @param {() => T | Promise<T>} use @returns {Promise<T>} */
  const behindOthers = (use) => {
    const done = last.then(use);
    last = done.catch(() => {});
    return done;
  };

  /** @param {number} id */
  function ended(id) {
    running.get(id)?.settle();
    running.delete(id);
  }

  /** Waits until all other calls have ended. @param {number} id */
  async function untilAlone(id) {
    while (running.size > (running.has(id) ? 1 : 0)) {
      await Promise.all(Array.from(running, ([other, { done }]) => (other === id ? null : done)));
    }
  }

  /** `goOn` lets the next call begin before this one has ended. @param {{ id: number, method: Method, params: any }} call @param {AbortController} controller @param {() => void} goOn */
  async function run({ id, method, params }, controller, goOn) {
    /** @param {unknown} event */
    const onEvent = (event) => port.post(eventReply(id, event));
    const control = { signal: controller.signal, onEvent, goOn, behindOthers, untilAlone: () => untilAlone(id) };
    try {
      const isLeaving = crash !== null && ENDS.has(method);
      if (crash !== null && !isLeaving) throw crash;
      // A completion tells itself what came of it.
      if (running.get(id)?.isCancelled && method !== 'complete') checkCancelled(controller.signal);
      const result = await (isLeaving ? host.abandon() : hostOf(method)[method](params ?? {}, control));
      ended(id);
      port.post(resultReply(id, result));
    } catch (error) {
      ended(id);
      if (isCrash(error)) crash = crashed(error);
      port.post(errorReply(id, crash ?? error));
    }
  }

  port.listen((data) => {
    let message;
    try {
      message = readCall(data);
    } catch (error) {
      if (Number.isSafeInteger(data?.id) && data.id > 0) port.post(errorReply(data.id, error));
      return;
    }
    if (message.method === CANCEL) {
      const { target } = message.params;
      if (target > lastId) cancelledBefore.add(target);
      const call = running.get(target);
      if (call === undefined) return;
      call.isCancelled = true;
      call.controller.abort();
      return;
    }
    const controller = new AbortController();
    lastId = Math.max(lastId, message.id);
    const isCancelled = cancelledBefore.delete(message.id);
    if (isCancelled) controller.abort();
    const session = message.params?.session;
    for (const other of running.values()) if (ends(message.method, session, other)) other.controller.abort();
    let settle = () => {};
    /** @type {Promise<void>} */
    const done = new Promise((resolve) => {
      settle = resolve;
    });
    running.set(message.id, { controller, isCancelled, session, done, settle });
    // What waits for wasm that has crashed may wait for ever.
    const atOnce = AT_ONCE.has(message.method) || ofStore(message.method) || crash !== null;
    if (atOnce) run(message, controller, () => {});
    else
      behindOthers(
        () => new Promise((/** @type {(value?: any) => void} */ goOn) => run(message, controller, goOn).then(goOn)),
      );
  });
}

/** @typedef {import('../protocol/calls.js').Method} Method */

/** Whether a call stops another one that has not ended. @param {Method} method @param {unknown} session @param {{ session: unknown }} other */
const ends = (method, session, other) =>
  ENDS.has(method) || (method === 'sessionClose' && session !== undefined && session === other.session);

/** A trap of the wasm code leaves its memory in an unknown state: nothing more can be done with it, but to leave it. @param {any} cause */
function crashed(cause) {
  const reason = cause.message ?? 'one of its threads has trapped';
  const message = `The WebAssembly engine crashed (${reason}). Unload this engine and create a new one.`;
  return new NibbleError('ENGINE_CRASHED', message, { cause, details: { reason } });
}
