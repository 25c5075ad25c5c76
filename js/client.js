// The caller's side of protocol.js: sends calls, matches replies by id, and fails all that waits when the worker dies.
import { NibbleError } from './errors.js';
import { checkSignal } from './options.js';
import { call, cancel, readReply } from './protocol.js';

/**
 * @typedef {object} WorkerPort
 * @property {(message: object, transfer?: Transferable[]) => void} post
 * @property {(handlers: { onMessage: (data: any) => void, onFailure: (reason: string) => void }) => void} listen
 * @property {() => Promise<void>} terminate
 * @property {(busy: boolean) => void} [keepAlive] whether the process has to stay for it
 */

export class Client {
  #port;
  #waiting = new Map();
  #lastId = 0;
  #failure = null;

  /** @param {WorkerPort} port a worker that was just started */
  constructor(port) {
    this.#port = port;
    port.keepAlive?.(false);
    port.listen({
      onMessage: (data) => this.#receive(data),
      onFailure: (reason) => {
        const message = `The engine's worker ended unexpectedly: ${reason}. Create a new engine.`;
        this.close(new NibbleError('WORKER_FAILED', message, { details: { reason } }));
      },
    });
  }

  /**
   * An onEvent that throws, or returns a promise that is rejected, cancels the call and is its error.
   * @param {string} method one of METHODS
   * @param {any} params cloneable
   * @param {{ signal?: AbortSignal, onEvent?: (event: any) => void, transfer?: Transferable[] }} [options]
   * @returns {Promise<any>} the result; after the signal whatever the method makes of it
   */
  call(method, params, { signal, onEvent, transfer } = {}) {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    try {
      checkSignal(signal);
    } catch (error) {
      return Promise.reject(error);
    }
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
        const message = `The ${method} call has something in it that cannot be sent to a worker: ${cause.message}.`;
        reject(new NibbleError('INVALID_ARGUMENT', message, { cause }));
        return;
      }
      const settle = (action) => (value) => {
        signal?.removeEventListener('abort', stop);
        action(value);
      };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject), onEvent });
      this.#port.keepAlive?.(true);
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  /** Ends the worker; calls that wait and calls to come are rejected with `reason`. May be called twice. */
  async close(reason) {
    if (this.#failure !== null) return;
    this.#failure = reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
    await this.#port.terminate();
  }

  #receive(data) {
    let reply;
    try {
      reply = readReply(data);
    } catch (error) {
      this.close(error);
      return;
    }
    const waiting = this.#waiting.get(reply.id);
    if (waiting === undefined) return;
    if (reply.kind === 'event') {
      this.#report(reply, waiting.onEvent);
      return;
    }
    this.#settled(reply.id);
    if (reply.kind === 'error') waiting.reject(reply.error);
    else waiting.resolve(reply.result);
  }

  #report({ id, event }, onEvent) {
    const fail = (error) => {
      const waiting = this.#waiting.get(id);
      if (waiting === undefined) return;
      this.#port.post(cancel(++this.#lastId, id));
      this.#settled(id);
      waiting.reject(error);
    };
    try {
      const answer = onEvent?.(event);
      if (typeof answer?.then === 'function') answer.then(undefined, fail);
    } catch (error) {
      fail(error);
    }
  }

  #settled(id) {
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#port.keepAlive?.(false);
  }
}
