// A caller's own fetch(), which cannot cross to a worker. It is called where it was given; the worker asks through a port, and
// gets the body piece by piece, each when it asks for it.
//
//   to the caller     { id, url, init }     a request; id is a number that the worker chooses
//                     { id, next: true }    the next piece of its body, please
//                     { id, stop: true }    nobody wants the rest: its signal is given
//   to the worker     { id, head }          the answer without its body: { status, headers, url, type, hasBody }
//                     { id, piece }         a piece; null at the end
//                     { id, error }         as NibbleError.toJSON() makes it; nothing comes behind it
import { NibbleError, withoutEnd } from '../base/errors.js';
import { isLasting, reasonOf } from '../base/system-errors.js';
import { failed } from './errors.js';

/** @typedef {(url: string, init: RequestInit) => Promise<Response>} Fetch */

/**
 * What a caller's fetch() answers, checked as far as it is used.
 * @param {Fetch} fetch
 * @returns {Fetch} rejects with DOWNLOAD_FAILED
 */
export const checkedFetch = (fetch) => async (url, init) => {
  /** @type {any} */
  let response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    throw failed(url, `the fetch that was given failed: ${withoutEnd(reasonOf(cause))}`, {
      cause,
      retriable: !isLasting(cause),
    });
  }
  const wrong = faultOf(response);
  if (wrong === null) return response;
  throw failed(url, `the fetch that was given answered with ${wrong}; expected a Response`);
};

/** @param {any} response @returns {string | null} */
function faultOf(response) {
  if (response === undefined || response === null) return 'nothing';
  if (typeof response !== 'object') return `a ${typeof response}`;
  const { status, headers, body } = response;
  if (!Number.isInteger(status) || typeof headers?.get !== 'function') return 'something without a status or headers';
  if (response.bodyUsed === true) return 'a Response that was read already';
  const isStream = body === null || body === undefined || typeof body.getReader === 'function';
  return isStream ? null : 'a body that is no ReadableStream';
}

/**
 * Serves a fetch() to a worker.
 * @param {Fetch} fetch as checkedFetch() gives it
 * @returns {{ port: MessagePort, close: () => void }} `port`: for the worker
 */
export function serveFetch(fetch) {
  const { port1, port2 } = new MessageChannel();
  /** @type {Map<number, Served>} */
  const requests = new Map();
  const reply = (/** @type {object} */ message) => port1.postMessage(message);
  port1.onmessage = ({ data: { id, url, init, next, stop } }) => {
    if (url !== undefined) {
      const served = new Served(url, (message) => reply({ id, ...message }));
      requests.set(id, served);
      served.ask(fetch, init);
    } else if (next) requests.get(id)?.next();
    else if (stop) {
      requests.get(id)?.stop();
      requests.delete(id);
    }
  };
  const close = () => {
    for (const served of requests.values()) served.stop();
    requests.clear();
    port1.close();
  };
  return { port: port2, close };
}

/** A request, where fetch() is called. */
class Served {
  #url;
  #reply;
  #controller = new AbortController();
  /** @type {ReadableStreamDefaultReader<unknown> | undefined} */
  #reader;

  /** @param {string} url @param {(message: object) => void} reply */
  constructor(url, reply) {
    this.#url = url;
    this.#reply = reply;
  }

  /** @param {Fetch} fetch @param {RequestInit} init */
  ask(fetch, init) {
    return this.#answering(async () => {
      const response = await fetch(this.#url, { ...init, signal: this.#controller.signal });
      this.#reader = response.body?.getReader();
      // Whoever has stopped meanwhile wants none of it.
      if (this.#controller.signal.aborted) return this.stop();
      const { status, url = '', type = 'default' } = response;
      const head = { status, headers: [...response.headers], url: String(url), type, hasBody: !!this.#reader };
      this.#reply({ head });
    });
  }

  next() {
    return this.#answering(async () => {
      const { done = true, value } = (await this.#reader?.read()) ?? {};
      if (!done && !(value instanceof Uint8Array))
        throw failed(this.#url, 'the fetch that was given has a body of something else than bytes');
      this.#reply({ piece: done ? null : value });
    });
  }

  stop() {
    this.#controller.abort();
    this.#reader?.cancel().catch(() => {});
  }

  /** @param {() => Promise<void>} answer */
  async #answering(answer) {
    try {
      await answer();
    } catch (error) {
      const told = error instanceof NibbleError ? error : new NibbleError('UNKNOWN', reasonOf(error));
      this.#reply({ error: told.toJSON() });
    }
  }
}

/**
 * In the worker: a fetch() that is called at the other end of a port.
 * @param {MessagePort} port
 * @returns {Fetch} what it answers has as much of a Response as a download reads
 */
export function fetchThrough(port) {
  /** @type {Map<number, { resolve: (message: any) => void, reject: (error: unknown) => void }>} */
  const waiting = new Map();
  let lastId = 0;
  port.onmessage = ({ data: { id, error, ...answer } }) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) asked?.resolve(answer);
    else asked?.reject(NibbleError.fromJSON(error));
  };
  /** @param {number} id @param {object} message @returns {Promise<any>} */
  const ask = (id, message) =>
    new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      port.postMessage({ id, ...message });
    });
  return async (url, { signal, ...init }) => {
    const id = ++lastId;
    // Given at the end of each request, also of one that is through.
    const stop = () => {
      port.postMessage({ id, stop: true });
      waiting.get(id)?.reject(signal?.reason);
      waiting.delete(id);
    };
    signal?.throwIfAborted();
    signal?.addEventListener('abort', stop, { once: true });
    const { head } = await ask(id, { url, init });
    const pull = async (/** @type {ReadableStreamDefaultController<Uint8Array>} */ controller) => {
      const { piece } = await ask(id, { next: true });
      if (piece !== null) return controller.enqueue(piece);
      controller.close();
    };
    const { status, headers, type, hasBody, url: from } = head;
    const body = hasBody ? new ReadableStream({ pull, cancel: stop }) : null;
    const ok = status >= 200 && status < 300;
    return /** @type {Response} */ ({ status, ok, headers: new Headers(headers), url: from, type, body });
  };
}
