// The caller's side of messages.js: sends calls, matches replies by id, and fails all that waits when the worker dies.
import { reasonOf, toldOf } from '../base/cancel.js';
import { NibbleError, withoutEnd } from '../base/errors.js';
import { checkSignal } from '../base/options.js';
import { call, cancel, readReply } from './messages.js';
import { START_SECONDS, startPatience } from './time-limit.js';

/**
 * @typedef {object} WorkerPort
 * @property {(message: object, transfer?: Transferable[]) => void} post
 * @property {(handlers: { onMessage: (data: any) => void, onFailure: (reason: string) => void, onStarted: () => void }) => void} listen
 *   onStarted: the worker's script has begun, and from now on its end is seen
 * @property {() => Promise<void>} terminate
 * @property {(busy: boolean) => void} [keepAlive] whether the process has to stay for it
 */

// How long a worker whose engine has crashed may take to end its threads.
const LEAVE_MILLISECONDS = 1000;
const NOT_STARTED =
  `The engine's worker has not started within ${START_SECONDS} seconds: its file does not arrive or is another one, or ` +
  'the worker was ended before it began. Look whether its file is there, then create a new engine.';

/**
 * @template {import('./calls.js').Method} Name
 * @typedef {{ signal?: AbortSignal, onEvent?: (event: import('./calls.js').Calls[Name]['event']) => unknown, transfer?: Transferable[] }} CallOptions
 */

/**
 * @typedef {object} Waiting
 * @property {(result: any) => void} resolve
 * @property {(error: unknown) => void} reject
 * @property {((event: any) => unknown) | undefined} onEvent
 */

export class Client {
  #port;
  /** @type {Map<number, Waiting>} */
  #waiting = new Map();
  #lastId = 0;
  /** @type {NibbleError | null} */
  #failure = null;
  /** @type {(reason: NibbleError) => void} */
  #tellEnded = () => {};
  #onLeft = () => {};
  #started;
  #checkRelease;

  /**
   * @param {WorkerPort} port a worker that was just started
   * @param {((found: string | null) => NibbleError | null) | null} [checkRelease] what is wrong with the release that the
   *   worker tells before all else, null where it tells none; absent: any will do
   */
  constructor(port, checkRelease = null) {
    this.#port = port;
    this.#checkRelease = checkRelease;
    /**
     * Resolves with why it ended, once the worker is gone. Calls are rejected with the same as soon as that is known.
     * @type {Promise<NibbleError>}
     */
    this.ended = new Promise((resolve) => {
      this.#tellEnded = resolve;
    });
    port.keepAlive?.(false);
    /** @param {string} reason @param {string} message */
    const fail = (reason, message) => this.close(new NibbleError('WORKER_FAILED', message, { details: { reason } }));
    // No event tells of a worker that was ended before its script began, or whose file never comes.
    this.#started = startPatience(START_SECONDS, () => fail('it has not started', NOT_STARTED));
    port.listen({
      onMessage: (data) => this.#receive(data),
      onFailure: (told) => {
        const reason = withoutEnd(told);
        fail(reason, `The engine's worker ended unexpectedly: ${reason}. Create a new engine.`);
      },
      onStarted: () => this.#started(),
    });
  }

  /**
   * An onEvent that throws, or returns a promise that is rejected, cancels the call and is its error.
   * @template {import('./calls.js').Method} Name
   * @param {Name} method
   * @param {import('./calls.js').Calls[Name]['params']} params cloneable
   * @param {CallOptions<Name>} [options]
   * @returns {Promise<import('./calls.js').Calls[Name]['result']>} the result. Once the signal is given, it is rejected with
   *   the signal's reason, unless the work was done by then; a completion has a result then too, and is begun in any case
   */
  call(method, params, { signal, onEvent, transfer } = {}) {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    try {
      checkSignal(signal);
    } catch (error) {
      return Promise.reject(error);
    }
    if (signal?.aborted && method !== 'complete') return Promise.reject(reasonOf(signal));
    const id = ++this.#lastId;
    const stop = () => {
      if (this.#waiting.has(id)) this.#port.post(cancel(++this.#lastId, id));
    };
    return new Promise((resolve, reject) => {
      // What is cancelled beforehand is told so before it can begin.
      if (signal?.aborted) this.#port.post(cancel(++this.#lastId, id));
      try {
        this.#port.post(call(id, method, params), transfer);
      } catch (cause) {
        const message = `The ${method} call has something in it that cannot be sent to a worker: ${withoutEnd(/** @type {any} */ (cause).message)}.`;
        reject(new NibbleError('INVALID_ARGUMENT', message, { cause }));
        return;
      }
      /** @param {(value: any) => void} action @returns {(value: unknown) => void} */
      const settle = (action) => (value) => {
        signal?.removeEventListener('abort', stop);
        action(value);
      };
      this.#waiting.set(id, {
        resolve: settle(resolve),
        reject: settle((error) => reject(toldOf(error, signal))),
        onEvent,
      });
      this.#port.keepAlive?.(true);
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  /**
   * Has the worker stop what runs, keep what it can and give back what it holds; then ends it, by force where that takes
   * longer than it may. May be called twice, and beside close().
   * @param {'unload' | 'storeClose'} method
   * @param {NibbleError} reason as for close()
   * @param {number} milliseconds that it may take
   */
  async end(method, reason, milliseconds) {
    if (this.#failure === null) await within(milliseconds, this.call(method, {}));
    await this.close(reason);
  }

  /** Ends the worker; calls that wait and calls to come are rejected with `reason`. May be called twice. @param {NibbleError} reason */
  async close(reason) {
    if (this.#failure === null) this.#terminate(reason);
    await this.ended;
  }

  /** @param {NibbleError} reason @param {(() => Promise<void>) | null} [first] what is waited for before the worker is ended */
  async #terminate(reason, first = null) {
    this.#failure = reason;
    this.#started();
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
    if (first !== null) await first();
    await this.#port.terminate();
    this.#tellEnded(reason);
  }

  /**
   * The worker is there, but not what it had in its heap: it can still end its threads. Nobody waits for a call any more,
   * so the answer is one that nobody asked for.
   * @param {NibbleError} reason
   */
  #crashed(reason) {
    const leave = () => {
      this.#port.post(call(++this.#lastId, 'unload', {}));
      /** @type {Promise<void>} */
      const answered = new Promise((resolve) => {
        this.#onLeft = resolve;
      });
      return within(LEAVE_MILLISECONDS, answered);
    };
    this.#terminate(reason, leave);
  }

  /** @param {any} data */
  #receive(data) {
    this.#started();
    if (!this.#isOfRelease(data)) return;
    let reply;
    try {
      reply = readReply(data);
    } catch (error) {
      this.close(/** @type {NibbleError} */ (error));
      return;
    }
    const waiting = this.#waiting.get(reply.id);
    if (this.#failure !== null && reply.id === this.#lastId) this.#onLeft();
    if (waiting === undefined) return;
    if (reply.kind === 'event') {
      this.#report(reply, waiting.onEvent);
      return;
    }
    if (reply.kind === 'error' && reply.error.code === 'ENGINE_CRASHED') {
      this.#crashed(reply.error);
      return;
    }
    this.#settled(reply.id);
    if (reply.kind === 'error') waiting.reject(reply.error);
    else waiting.resolve(reply.result);
  }

  /** Whether a message is to be read on: the first tells the worker's release, and is for nobody else. @param {any} data */
  #isOfRelease(data) {
    const isTold = data?.release !== undefined;
    const check = this.#checkRelease;
    this.#checkRelease = null;
    const problem = check?.(isTold ? data.release : null) ?? null;
    if (problem !== null && this.#failure === null) this.close(problem);
    return problem === null && !isTold;
  }

  /** @param {{ id: number, event: unknown }} reply @param {Waiting['onEvent']} onEvent */
  #report({ id, event }, onEvent) {
    /** @param {unknown} error */
    const fail = (error) => {
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) return;
      this.#port.post(cancel(++this.#lastId, id));
      this.#settled(id);
      waiting.reject(error);
    };
    try {
      const answer = /** @type {any} */ (onEvent?.(event));
      if (typeof answer?.then === 'function') answer.then(undefined, fail);
    } catch (error) {
      fail(error);
    }
  }

  /** @param {number} id */
  #settled(id) {
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#port.keepAlive?.(false);
  }
}

/** Waits until a promise has settled, or so long. @param {number} milliseconds @param {Promise<unknown>} promise */
async function within(milliseconds, promise) {
  let timer;
  const patience = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([promise.catch(() => {}), patience]);
  clearTimeout(timer);
}
