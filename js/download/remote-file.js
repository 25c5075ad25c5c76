// A file on a server, of which parts are asked for: which address to ask, whether the server gives parts, and whether
// what it gives is still of the same version of the file.
import { changed, failed, notAModel, refused } from './errors.js';
import { isEncoded, sameVersion, strongEtag, validatorsOf } from './http-headers.js';
import { fetchPart } from './range-fetch.js';

// What a signed address may answer with once it has expired.
const EXPIRED = new Set([400, 401, 403, 404, 410]);
const MOST_RENEWALS = 3;
// Behind one address there may be several servers, each with an ETag of its own for the same bytes: one of them has told
// the first ETag, and answers again sooner or later.
const MOST_OTHERS = 5;

/** @typedef {import('./range-fetch.js').Answer} Answer */

/**
 * What is known of the file; `position`: how much of it came before.
 * @typedef {Partial<import('./http-headers.js').Validators> & { position?: number }} Known
 */

export class RemoteFile {
  #url;
  #request;
  #parts;
  #conditional;

  /** @param {string} url @param {Pick<import('./range-fetch.js').PartRequest, 'signal' | 'network' | 'stallMilliseconds' | 'told'>} request */
  constructor(url, request) {
    this.#url = url;
    this.#request = request;
    this.#parts = /^https?:/i.test(url);
    this.#conditional = isOwnOrigin(url);
    /** Where redirects led to the last time. */
    this.target = url;
    /** Whether the server gave a part where one was asked for. */
    this.ranged = false;
    /** @type {import('./http-headers.js').Validators} */
    this.validators = { etag: null, lastModified: null, size: null };
  }

  /**
   * Makes the first request, for everything from `from` to `end`.
   * @param {{ position: number } & Partial<import('./http-headers.js').Validators> | null} from
   * @param {number | null} end
   * @param {boolean} lastTry after others that got no answer
   * @returns {Promise<{ answer: import('./range-fetch.js').Answer | null, position: number, restarted: boolean }>} the
   *   answer is null where nothing lies behind `from`; restarted: `from` is of another version, and position is 0
   */
  async open(from, end, lastTry) {
    // A browser that asks for a part takes no compressed answer, and an older one asks for a permission beforehand.
    if (lastTry && from === null && globalThis.location !== undefined) this.#parts = false;
    let known = from !== null && from.position > 0 ? from : null;
    let restarted = false;
    for (let others = 0; ; ) {
      const position = known?.position ?? 0;
      const answer = await this.#ask(this.#url, position, end, known);
      if (this.#parts && isWider(answer, position, end ?? known?.size ?? null)) {
        answer.cancel();
        this.#parts = false;
        continue;
      }
      if (known !== null && isOther(answer, known)) {
        answer.cancel();
        if (mayBeSame(answer, known) && others++ < MOST_OTHERS) continue;
        known = null;
        restarted = true;
      } else if (answer.status === 416 && known !== null) {
        answer.cancel();
        this.target = answer.url;
        this.validators = { etag: known.etag ?? null, lastModified: known.lastModified ?? null, size: position };
        return { answer: null, position, restarted };
      } else if (this.#parts && (answer.status === 416 || (answer.status === 206 && !isPart(answer, position)))) {
        // An empty file has no parts, and some servers give other parts than they were asked for.
        answer.cancel();
        this.#parts = false;
      } else {
        this.#check(answer, false);
        this.ranged = this.#parts && answer.status === 206;
        this.#learn(answer, answer.size);
        await answer.skipTo(position);
        return { answer, position, restarted };
      }
    }
  }

  /**
   * Asks for a later part.
   * @param {number} start
   * @param {number | null} end
   * @returns {Promise<import('./range-fetch.js').Answer>} its next byte is the one at `start`
   */
  async part(start, end) {
    for (let renewals = 0, others = 0; ; ) {
      const { target } = this;
      const asksPart = this.#parts;
      const answer = await this.#ask(target, start, end, this.validators);
      if (EXPIRED.has(answer.status) && target !== this.#url && renewals++ < MOST_RENEWALS) {
        // The address it was redirected to has expired: the original one leads to a new one.
        answer.cancel();
        if (this.target === target) this.target = this.#url;
        continue;
      }
      if (asksPart && isWider(answer, start, end ?? this.validators.size)) {
        answer.cancel();
        this.#parts = this.ranged = false;
        continue;
      }
      if (isOther(answer, this.validators)) {
        answer.cancel();
        if (mayBeSame(answer, this.validators) && others++ < MOST_OTHERS) continue;
        throw changed(this.#url);
      }
      this.#check(answer, true);
      if (answer.status === 206 && !isPart(answer, start)) {
        answer.cancel();
        throw failed(this.#url, 'the server sent another part than it was asked for', { retriable: true });
      }
      this.target = answer.url;
      if (answer.status === 200) this.ranged = false;
      await answer.skipTo(start);
      return answer;
    }
  }

  /** @param {string} url @param {number} start @param {number | null} end @param {Known | null} known */
  async #ask(url, start, end, known) {
    const ifRange = this.#conditional ? strongEtag(known) : null;
    const request = { ...this.#request, start: this.#parts ? start : null, end: this.#parts ? end : null, ifRange };
    try {
      return await fetchPart(url, request);
    } catch (error) {
      // A redirect to another server that does not let If-Range through looks like no connection.
      if (ifRange !== null && globalThis.location !== undefined) this.#conditional = false;
      throw error;
    }
  }

  /** @param {Answer} answer @param {number | null} size */
  #learn({ url, headers }, size) {
    this.target = url;
    this.validators = validatorsOf(headers, size);
    // Positions in a body that the browser unpacks are no positions in what the server has parts of.
    if (isEncoded(headers)) this.#parts = false;
  }

  /** Throws where this is not the file. In the middle of a download a page is rather a network's login, and passes. @param {Answer} answer @param {boolean} later */
  #check(answer, later) {
    const { status, headers } = answer;
    const page = /^text\/html\b/i.test(headers.get('content-type') ?? '');
    if ((status === 200 || status === 206) && !page) return;
    answer.cancel();
    throw status === 200 || status === 206
      ? notAModel(this.#url, later)
      : refused(this.#url, answer, this.#request.told);
  }
}

/** Whether an answer tells that the file is not the known one any more. @param {Answer} answer @param {Known} known */
function isOther({ status, headers, range, size }, known) {
  if (status === 416) return !endsAt(known.position ?? known.size, range, known);
  if ((status !== 200 && status !== 206) || /^text\/html\b/i.test(headers.get('content-type') ?? '')) return false;
  return !sameVersion(known, validatorsOf(headers, size));
}

/** Whether it tells another ETag of a file that has the same size. @param {Answer} answer @param {Known} known */
const mayBeSame = ({ headers, size }, known) =>
  strongEtag(known) !== null && headers.get('etag') !== null && (known.size ?? null) !== null && size === known.size;

/** Whether a part was refused because the file ends where it begins. @param {number | null | undefined} position @param {Answer['range']} range @param {Known} known */
const endsAt = (position, range, known) => position === (range === null ? known.size : range.total);

/** Whether this is the part from `start` on, and not a piece of something compressed. @param {Answer} answer @param {number} start */
const isPart = ({ headers, range }, start) => !isEncoded(headers) && (range === null || range.start === start);

/** Whether more is announced than was asked for, where nobody tells which part it is: then it is all of the file. @param {Answer} answer @param {number} start @param {number | null} end */
const isWider = ({ status, range, position, end: announced }, start, end) =>
  status === 206 && range === null && announced !== null && end !== null && announced - position > end - start;

/** Across origins If-Range needs a permission beforehand that few servers give. Outside of browsers all is one. @param {string} url */
function isOwnOrigin(url) {
  const { location } = globalThis;
  return location === undefined || new URL(url).origin === location.origin;
}
