// One request for a part of a file, and its answer read piece by piece. Whatever goes wrong is one of
// errors.js; a connection that is silent for too long is given up.
import { NibbleError } from '../base/errors.js';
import { accessFetch, accessTo } from './access.js';
import { BufferPool, readerOf } from './buffer-pool.js';
import { brokenOff, stalled, unreachable } from './errors.js';
import { contentLength, contentRange } from './http-headers.js';

// A worker that computed for long finds its timers due before the bytes that came meanwhile.
const GRACE_MILLISECONDS = 50;

/**
 * @typedef {object} PartRequest
 * @property {number | null} start first byte; null: the whole file, without a Range header
 * @property {number | null} end first byte behind; null: to the end of the file
 * @property {string | null} ifRange the strong ETag that the part has to be of
 * @property {number} stallMilliseconds
 * @property {AbortSignal} signal
 * @property {import('./backoff.js').Network} network
 * @property {import('./access.js').Told} [told] to the server; nothing unless given
 * @property {BufferPool} [buffers] what the body is read into; whoever has read a piece gives it back
 */

/**
 * @param {string} url
 * @param {PartRequest} request
 * @returns {Promise<Answer>} whatever its status
 */
export async function fetchPart(url, request) {
  const answer = new Answer(url, request);
  await answer.open();
  return answer;
}

/**
 * Whether the length that is told may be that of a packed body: of another origin a browser shows Content-Length, but mostly
 * not Content-Encoding. A part is never packed.
 * @param {Response} response
 */
const isLengthHidden = ({ status, type, headers }) =>
  status === 200 && type === 'cors' && globalThis.location !== undefined && !headers.has('content-encoding');

export class Answer {
  #controller = new AbortController();
  #asked;
  #request;
  #unlink;
  #buffers;
  /** @type {import('./buffer-pool.js').BodyReader | null} */
  #body = null;
  /** @type {Uint8Array | null} */
  #rest = null;
  /** Whether the body was read to its end. */
  ended = false;

  status = 0;
  headers = new Headers();
  /** @type {ReturnType<typeof contentRange>} */
  range = null;
  /** Where in the file the next byte belongs. */
  position = 0;
  /** The first byte of the file behind what was announced; null where nothing was. @type {number | null} */
  end = null;
  /** Bytes of the whole file; null where nobody tells. @type {number | null} */
  size = null;

  /** @param {string} url @param {PartRequest} request */
  constructor(url, request) {
    /** Where redirects led to. */
    this.url = url;
    this.#asked = url;
    this.#request = request;
    const { signal, buffers = new BufferPool() } = request;
    this.#buffers = buffers;
    const stop = () => this.#controller.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    this.#unlink = () => signal.removeEventListener('abort', stop);
  }

  async open() {
    const { start, end, ifRange, network, told = accessTo(this.#asked) } = this.#request;
    /** @type {Record<string, string>} */
    const headers = {};
    if (start !== null) headers.range = `bytes=${start}-${end === null ? '' : end - 1}`;
    if (start !== null && ifRange !== null) headers['if-range'] = ifRange;
    let response;
    try {
      // A browser's cache would make requests for the same address wait for each other.
      const init = /** @type {const} */ ({ headers, cache: 'no-store', signal: this.#controller.signal });
      response = await this.#patiently(() => accessFetch(this.#asked, init, told));
    } catch (error) {
      this.cancel();
      throw error instanceof NibbleError ? error : unreachable(this.#asked, error, network.online());
    }
    this.status = response.status;
    this.headers = response.headers;
    this.url = response.url || this.#asked;
    this.range = contentRange(response.headers);
    this.position = response.status === 206 ? (this.range?.start ?? start ?? 0) : 0;
    const length = isLengthHidden(response) ? null : contentLength(response.headers);
    this.end = this.range?.end ?? (length === null ? null : this.position + length);
    this.size = this.range !== null ? this.range.total : response.status === 200 || end === null ? this.end : null;
    if (response.body) this.#body = readerOf(response.body);
  }

  /** The next bytes, `most` at most; null at the end of the body. @returns {Promise<Uint8Array | null>} */
  async read(most = Infinity) {
    const piece = this.#rest ?? (await this.#receive(most));
    if (piece === null) return null;
    this.#rest = piece.length > most ? piece.subarray(most) : null;
    const given = piece.subarray(0, most);
    this.position += given.length;
    return given;
  }

  /** @param {number} most @returns {Promise<Uint8Array | null>} */
  async #receive(most) {
    try {
      const { done, value } = await this.#patiently(
        async () => (await this.#next(most)) ?? { done: true, value: undefined },
      );
      if (!done) return value ?? null;
      this.#buffers.give(value);
    } catch (error) {
      this.cancel();
      throw error instanceof NibbleError ? error : brokenOff(this.#asked, error);
    }
    this.ended = true;
    this.cancel();
    return null;
  }

  // A view that was not filled whole would be given away in two pieces of one buffer, so none is longer than what is read.
  /** @param {number} most */
  #next(most) {
    const body = this.#body;
    return body?.fills ? body.reader.read(this.#buffers.take(most)) : body?.reader.read();
  }

  /** Drops the bytes before `position`. @param {number} position */
  async skipTo(position) {
    while (this.position < position) {
      const piece = await this.read(position - this.position);
      if (piece === null) throw brokenOff(this.#asked, 'fewer bytes came than the last time');
      this.#buffers.give(piece);
    }
  }

  /** Whether all came that was announced, or that was asked for. */
  get isThrough() {
    return this.position === this.end || (this.status === 206 && this.position === this.#request.end);
  }

  /** Takes note of the end of the body, so that the connection can be used again. What comes behind it is dropped. */
  async finish() {
    await this.#receive(Infinity).catch(() => null);
    this.ended = true;
    this.cancel();
  }

  /** Lets go of the connection. May be called twice. */
  cancel() {
    this.#unlink();
    this.#controller.abort();
  }

  /** Ends when the action does, or once this is cancelled: not every read ends with its connection. @template T @param {() => Promise<T>} action @returns {Promise<T>} */
  async #patiently(action) {
    const { stallMilliseconds } = this.#request;
    const { signal } = this.#controller;
    let silent = false;
    const giveUp = () => {
      silent = true;
      this.#controller.abort();
    };
    let timer = setTimeout(() => {
      timer = setTimeout(giveUp, GRACE_MILLISECONDS);
    }, stallMilliseconds);
    let onCancel = () => {};
    /** @type {Promise<never>} */
    const cancelled = new Promise((_, reject) => {
      onCancel = () => reject(signal.reason);
      signal.addEventListener('abort', onCancel, { once: true });
    });
    try {
      return await Promise.race([action(), cancelled]);
    } catch (error) {
      throw silent ? stalled(this.#asked, stallMilliseconds) : error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onCancel);
    }
  }
}
