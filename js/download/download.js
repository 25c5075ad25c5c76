// A file from a server as a source (see source.js for the contract): in order, although several connections fetch parts
// of it at once where the server gives parts.
//
//   file       read already | head    | segment | segment | not asked for yet ...
//                           [==>      ][====>   ][==>     ]      rangeBytes each, less on a slow line; at most connections + 1 of them
//
// The first request is for everything behind `from`, and its answer tells what the server can do. With parts, each
// connection takes the next segment; an answer that goes on into that segment is simply read on. Without parts, or
// where the size is unknown, one connection fills one segment without end. Whatever fails is asked for again from the
// byte it stopped at, and has to be of the version of the file that the first answer was of.

import { codeOf, hasCode } from '../base/errors.js';
import { Gate } from '../base/gate.js';
import { accessTo, placeOf } from './access.js';
import { Patience, systemNetwork } from './backoff.js';
import { BufferPool } from './buffer-pool.js';
import { brokenOff, cancelled, changed, failed, failureOf } from './errors.js';
import { nameOf } from './http-headers.js';
import { RemoteFile } from './remote-file.js';

// What has arrived and is not read yet is lost where a tab is closed. So each connection asks for what comes on it in this
// time, but not for less than so much; and a single one that has no end waits with so much.
const AHEAD = { milliseconds: 1500, bytes: 1 << 20, endlessBytes: 4 << 20 };

const DEFAULTS = {
  connections: 4,
  rangeBytes: 8 << 20,
  stallMilliseconds: 20_000,
  retries: 6,
  retryMilliseconds: 500,
  from: /** @type {NonNullable<DownloadOptions['from']> | null} */ (null),
  end: /** @type {number | null} */ (null),
};
// A server that never answered is rather a wrong address than a bad moment.
const FIRST_RETRIES = 2;
// Schemes that lead to no file, or that nobody fetches any more.
const NEVER_FETCHED = new Set(['about:', 'ftp:', 'javascript:', 'mailto:', 'tel:', 'view-source:', 'ws:', 'wss:']);
// Asked too often: fewer connections may be all that is needed.
/** @type {Set<number | undefined>} */
const BUSY = new Set([429, 503]);

/** @typedef {Pick<import('./backoff.js').Waiting, 'failures' | 'milliseconds'>} Wait before a connection tries again */
/** @typedef {import('./range-fetch.js').Answer} Answer */
/** @typedef {{ answer: Answer | null, open: boolean }} Connection */

/**
 * @typedef {object} DownloadOptions
 * @property {AbortSignal} [signal] ends the download at any point with CANCELLED
 * @property {{ position: number, etag?: string | null, lastModified?: string | null, size?: number | null }} [from] where
 *   an earlier download stopped, and what it had learnt of the file
 * @property {number | null} [end] read no further than this byte of the file
 * @property {number} [connections] at most so many requests at a time; 4
 * @property {number} [rangeBytes] how much is asked for at once, at most: less on a slow line; at most connections + 1
 *   times as much waits to be read
 * @property {number} [stallMilliseconds] a connection that is silent for as long is given up
 * @property {number} [retries] failures in a row, without a byte between them, after which a connection still goes on
 * @property {number} [retryMilliseconds] the first wait, doubled by every failure in a row
 * @property {import('./backoff.js').Network} [network]
 * @property {import('./access.js').Access} [access] who asks, and by what
 * @property {(state: { state: 'receiving' } | import('./backoff.js').Waiting) => void} [onState]
 *   a connection waits before it tries again, and receives again
 * @property {(wait: Wait | null) => void} [onWait] nothing comes for whoever reads:
 *   the connection that the next bytes are to come from waits so long before it tries again; null: bytes come again
 */

/**
 * @typedef {import('../sources/source.js').Source & import('./http-headers.js').Validators & { url: string, position: number,
 *   ranged: boolean, restarted: boolean }} Download `url`: where redirects led to; `position`: of the first byte that
 *   read() gives; `size`: of the whole file; `restarted`: the file changed since `from`, and position is 0
 */

/**
 * Begins a download; resolves when the server has answered.
 * @param {string} address
 * @param {DownloadOptions} [options]
 * @returns {Promise<Download>}
 * @throws {NibbleError} DOWNLOAD_FAILED (`details.status` where the server answered), DOWNLOAD_NOT_A_MODEL,
 *   DOWNLOAD_STALLED, DOWNLOAD_OFFLINE, CANCELLED; read() also DOWNLOAD_CHANGED
 */
export async function openDownload(address, options = {}) {
  if (!mayBeFetched(address)) {
    throw failed(address, 'this is no address that a file can be fetched from');
  }
  const url = placeOf(address, options.access);
  const transfer = new Transfer(url, options);
  const { position, restarted } = await transfer.open();
  const { file } = transfer;
  return {
    kind: 'download',
    name: fileName(url, file.target),
    ...file.validators,
    url: file.target,
    position,
    ranged: file.ranged,
    restarted,
    read: () => transfer.read(),
    close: async () => transfer.close(),
  };
}

/**
 * The bytes from start to end of a file that was downloaded before, in pieces; each is valid until the next is asked for.
 * @param {string} url
 * @param {number} start
 * @param {number} end the first byte behind
 * @param {Omit<DownloadOptions, 'from' | 'end'> & Partial<import('./http-headers.js').Validators>} [options]
 * @returns {AsyncGenerator<Uint8Array, void>}
 * @throws {NibbleError} as openDownload(); DOWNLOAD_CHANGED where the file is another by now
 */
export async function* fetchRange(url, start, end, { etag, lastModified, size, ...options } = {}) {
  const from = { position: start, etag, lastModified, size };
  const source = await openDownload(url, { ...options, from, end });
  try {
    if (source.restarted) throw changed(url);
    let position = start;
    for (let piece = await source.read(); piece !== null; piece = await source.read()) {
      position += piece.length;
      yield piece;
    }
    if (position < end) throw failed(url, `the file ends ${end - position} bytes too early`);
  } finally {
    await source.close();
  }
}

/** Whether fetch() may know the way: a browser's extensions and apps have schemes of their own, which it alone can tell. @param {string} text */
function mayBeFetched(text) {
  try {
    const { protocol } = new URL(text);
    if (protocol === 'file:') return globalThis.location?.protocol === 'file:';
    return !NEVER_FETCHED.has(protocol);
  } catch {
    return false;
  }
}

/** Where an address redirects to is often named by a hash, and sometimes it is the only one with a name. @param {string} asked @param {string} final */
function fileName(asked, final) {
  const [first, last] = [nameOf(asked), nameOf(final)];
  return !/\.gguf$/i.test(first) && /\.gguf$/i.test(last) ? last : first;
}

/** A part of the file on its way: `position` is its next byte to arrive, `pieces` what has arrived and is not read. */
class Segment {
  /** @type {Uint8Array[]} */
  pieces = [];
  waiting = 0;
  taken = false;
  complete = false;
  // Before its connection tries again.
  /** @type {Wait | null} */
  wait = null;

  /** @param {number} start @param {number} end */
  constructor(start, end) {
    this.position = start;
    this.end = end;
  }

  /** @param {Uint8Array} piece */
  push(piece) {
    this.pieces.push(piece);
    this.waiting += piece.length;
    this.position += piece.length;
    this.complete = this.position === this.end;
  }

  /** The first piece; null where there is none. */
  shift() {
    const piece = this.pieces.shift() ?? null;
    this.waiting -= piece?.length ?? 0;
    return piece;
  }
}

class Transfer {
  #url;
  #options;
  #ending = new AbortController();
  #unlink;
  #gate = new Gate();
  /** @type {Segment[]} */
  #segments = [];
  #next = 0;
  #end = Infinity;
  /** @type {unknown} null: none */
  #error = null;
  #connections = 0;
  #limit = 1;
  // How much a connection asks for next.
  #ahead = AHEAD.bytes;
  #buffers = new BufferPool();
  // The piece that was read last.
  /** @type {Uint8Array | null} */
  #given = null;
  // The wait that was told last.
  /** @type {Wait | null} */
  #told = null;

  /** @param {string} url @param {DownloadOptions} options */
  constructor(url, { signal: caller, network = systemNetwork(), ...given }) {
    const known = Object.entries(given).filter(([, value]) => value !== undefined);
    const told = /** @type {typeof DEFAULTS & Pick<DownloadOptions, 'access' | 'onState' | 'onWait'>} */ ({
      ...DEFAULTS,
      ...Object.fromEntries(known),
    });
    const { signal } = this.#ending;
    this.#options = { ...told, network, signal, buffers: this.#buffers };
    this.#url = url;
    this.file = new RemoteFile(url, { ...this.#options, told: accessTo(url, told.access) });
    const stop = () => this.#fail(cancelled());
    this.#unlink = () => caller?.removeEventListener('abort', stop);
    caller?.addEventListener('abort', stop, { once: true });
    if (caller?.aborted) stop();
  }

  /** Makes the first request, and goes on with its answer. */
  async open() {
    const { from, end, connections, retries } = this.#options;
    const patience = this.#patience((wait) => this.#tell(wait), Math.min(FIRST_RETRIES, retries));
    for (let unanswered = false; ; ) {
      try {
        if (this.#error !== null) throw this.#error;
        const opened = await this.file.open(from, end, unanswered && patience.exhausted);
        this.#next = opened.position;
        this.#end = Math.min(this.file.validators.size ?? Infinity, end ?? Infinity);
        this.#limit = this.#bounded() ? connections : 1;
        if (opened.answer !== null) this.#connect(opened.answer);
        return opened;
      } catch (error) {
        unanswered = codeOf(error) === 'DOWNLOAD_FAILED' && failureOf(error).status === undefined;
        await patience.after(error).catch(() => this.#fail(error));
        if (this.#error !== null) throw this.#error;
      }
    }
  }

  /** The next bytes in the order of the file, null behind the last. */
  async read() {
    for (;;) {
      const head = this.#segments[0];
      // What has arrived is of use even where nothing more will come, but not of a file that is another by now.
      const spoilt = hasCode(this.#error, ['CANCELLED', 'DOWNLOAD_CHANGED']);
      const piece = spoilt ? null : (head?.shift() ?? null);
      if (piece !== null) {
        this.#gate.open();
        this.#buffers.give(this.#given);
        this.#given = piece;
        this.#tell(null);
        return piece;
      }
      if (this.#error !== null) throw this.#error;
      if (head?.complete) {
        this.#segments.shift();
        this.#gate.open();
      } else if (head === undefined && this.#next >= this.#end) {
        this.close();
        return null;
      } else {
        if (head?.wait) this.#tell(head.wait);
        await this.#gate.wait();
      }
    }
  }

  /** Tells a wait that holds up whoever reads once, and its end. @param {Wait | null} wait */
  #tell(wait) {
    if (wait === this.#told) return;
    this.#told = wait;
    this.#options.onWait?.(wait);
  }

  /** @param {(wait: Wait) => void} onWait @param {number} [retries] */
  #patience(onWait, retries = this.#options.retries) {
    /** @param {import('./backoff.js').Waiting} state */
    const onState = (state) => {
      onWait(state);
      this.#options.onState?.(state);
    };
    return new Patience({ ...this.#options, retries, onState });
  }

  /** Ends all connections. */
  close() {
    const done = this.#segments.length === 0 && this.#next >= this.#end;
    if (done) this.#letGo();
    else this.#fail(cancelled());
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#error ??= error;
    this.#letGo();
  }

  #letGo() {
    this.#ending.abort();
    this.#buffers.close();
    this.#unlink();
    this.#gate.open();
  }

  #bounded() {
    return this.file.ranged && this.#end < Infinity;
  }

  /** One connection, from its first segment to the last one it gets. @param {Answer | null} first */
  async #connect(first = null) {
    /** @type {Connection} */
    const connection = { answer: first, open: true };
    this.#connections++;
    try {
      for (let segment = await this.#take(connection); segment !== null; segment = await this.#take(connection)) {
        const [from, since] = [segment.position, performance.now()];
        await this.#receive(segment, connection);
        const rate = (segment.position - from) / Math.max(1, performance.now() - since);
        this.#ahead = Math.max(AHEAD.bytes, Math.round(rate * AHEAD.milliseconds));
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      connection.answer?.cancel();
      this.#leave(connection);
    }
  }

  /** Counted at once where the decision falls, or two connections might leave the rest to each other. @param {Connection} connection */
  #leave(connection) {
    if (connection.open) this.#connections--;
    connection.open = false;
    this.#gate.open();
    return null;
  }

  /** The next segment that nobody fetches; null where this connection has nothing more to do. @param {Connection} connection @returns {Promise<Segment | null>} */
  async #take(connection) {
    for (;;) {
      if (!connection.open || this.#error !== null) return null;
      if (this.#connections > this.#limit) return this.#leave(connection);
      let segment = this.#segments.find(({ taken }) => !taken);
      if (segment === undefined && this.#next >= this.#end) return this.#leave(connection);
      if (segment === undefined && this.#segments.length <= this.#limit) segment = this.#append();
      if (segment !== undefined) {
        segment.taken = true;
        if (this.#connections < this.#limit && this.#next < this.#end) this.#connect();
        return segment;
      }
      await this.#gate.wait();
    }
  }

  #append() {
    const bytes = Math.min(this.#options.rangeBytes, this.#ahead);
    const end = this.#bounded() ? Math.min(this.#next + bytes, this.#end) : this.#end;
    const segment = new Segment(this.#next, end);
    this.#next = end;
    this.#segments.push(segment);
    return segment;
  }

  /** Fills a segment, or gives it back for another connection to fill. @param {Segment} segment @param {Connection} connection */
  async #receive(segment, connection) {
    const patience = this.#patience((wait) => {
      segment.wait = wait;
      this.#gate.open();
    });
    while (!segment.complete) {
      const start = segment.position;
      try {
        const { answer } = connection;
        const goesOn = answer !== null && answer.position === start && !answer.ended;
        await this.#fill(segment, goesOn ? answer : await this.#ask(segment, connection));
      } catch (error) {
        connection.answer?.cancel();
        connection.answer = null;
        if (segment.position > start) patience.renew();
        if (this.#mayYield(error, patience)) {
          segment.taken = false;
          this.#leave(connection);
          this.#limit = this.#connections;
          return;
        }
        await patience.after(error);
        segment.wait = null;
        this.#options.onState?.({ state: 'receiving' });
      }
    }
  }

  /** The last connection never gives up its segment. @param {unknown} error @param {Patience} patience */
  #mayYield(error, patience) {
    const { retriable, status } = failureOf(error);
    return this.#connections > 1 && retriable === true && (BUSY.has(status) || patience.exhausted);
  }

  /** @param {Segment} segment @param {Connection} connection */
  async #ask(segment, connection) {
    connection.answer?.cancel();
    connection.answer = null;
    // A connection that is alone reads on into the next segments.
    const end = this.#limit > 1 ? segment.end : this.#options.end;
    const answer = await this.file.part(segment.position, end);
    connection.answer = answer;
    // A server that stopped giving parts sends all there is to whoever asks.
    if (!this.file.ranged) this.#limit = 1;
    return answer;
  }

  /** @param {Segment} segment @param {Answer} answer */
  async #fill(segment, answer) {
    const start = segment.position;
    const most = Math.min(this.#options.rangeBytes, segment.end < Infinity ? Infinity : AHEAD.endlessBytes);
    while (!segment.complete) {
      while (segment.waiting >= most && this.#error === null) await this.#gate.wait();
      const piece = await answer.read(segment.end - segment.position);
      if (piece === null) {
        this.#conclude(segment, answer, start);
        return;
      }
      segment.push(piece);
      this.#gate.open();
    }
    if (answer.isThrough) await answer.finish();
  }

  /** A body has ended before its segment: the file may end here, or the server gives less at once than it is asked for. @param {Segment} segment @param {Answer} answer @param {number} start */
  #conclude(segment, answer, start) {
    const short = answer.position < (answer.end ?? 0) || (segment.end < Infinity && segment.position === start);
    if (short) throw brokenOff(this.#url, 'fewer bytes came than were announced');
    if (segment.end < Infinity) return;
    this.#end = this.#next = segment.end = segment.position;
    segment.complete = true;
    this.#gate.open();
  }
}
