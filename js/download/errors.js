// The ways a download fails. `details.retriable` tells whether the same request may succeed a moment later;
// `details.connection`, where no server has refused anything, that there was none ('none') or that it broke off ('lost').
import { NibbleError, withRemedy } from '../base/errors.js';
import { isLasting, reasonOf } from '../base/system-errors.js';
import { retryAfter } from './http-headers.js';

const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
/** @type {Record<number, string | undefined>} */
const MEANINGS = {
  404: 'there is no such file. Check the address',
  410: 'the file is gone. Look for another address',
  416: 'the file has no such part',
  429: 'it was asked too often. Try again later',
  503: 'it is overloaded. Try again later',
};

/**
 * The details of these errors, as far as they say what to do next.
 * @typedef {{ retriable?: boolean, retryAfterMilliseconds?: number, status?: number, connection?: 'none' | 'lost' }} Failure
 */

/** @param {unknown} error @returns {Failure} of any other error there is none */
export const failureOf = (error) => /** @type {{ details?: Failure } | null | undefined} */ (error)?.details ?? {};

/** @param {string} url */
const shown = (url) => (url.length > 200 ? `${url.slice(0, 200)}…` : url);
/** @param {string} url @param {string} what */
const sentence = (url, what) => `The download of ${shown(url)} failed: ${what}.`;

/**
 * @param {string} url
 * @param {string} what the rest of a sentence, without its end
 * @param {{ cause?: unknown, details?: Failure, retriable?: boolean }} [more]
 */
export const failed = (url, what, { cause, details, retriable = false } = {}) =>
  new NibbleError('DOWNLOAD_FAILED', sentence(url, what), { cause, details: { ...details, retriable } });

/**
 * The server answered, but not with the file.
 * @param {string} url
 * @param {{ status: number, headers: Headers }} answer
 * @param {Pick<import('./access.js').Told, 'headers' | 'isOwn'>} [told] to it
 */
export function refused(url, { status, headers }, told = { headers: [], isOwn: false }) {
  const isKnown = told.headers.length > 0;
  if (headers.get('x-error-code') === 'GatedRepo') return gated(url.split('/resolve/')[0], isKnown);
  if (status === 401 || status === 403) return forbidden(url, status, told);
  const wait = retryAfter(headers);
  const details = { status, ...(wait !== null && { retryAfterMilliseconds: wait }) };
  const meaning = MEANINGS[status] ? `: ${MEANINGS[status]}` : '';
  return failed(url, `the server answered ${status}${meaning}`, { details, retriable: PASSING.has(status) });
}

const BY_HAND = 'or download the file by hand and open it from the disk.';

/** It wants to know who asks, or does not let in who does. @param {string} url @param {401 | 403} status @param {Pick<import('./access.js').Told, 'headers' | 'isOwn'>} told */
function forbidden(url, status, { headers, isOwn }) {
  const details = { status, retriable: false, isKnown: headers.length > 0 };
  const names = headers.map(([name]) => name).join(', ');
  const who = isOwn ? `the headers it was given (${names})` : 'the access token it was given';
  const known =
    status === 401
      ? `it does not take ${who}, which may be wrong or expired`
      : `it does not permit this with ${who}; a right to read may be missing`;
  const unknown =
    status === 401
      ? 'it wants to know who asks'
      : 'it does not permit this. It may want to know who asks, or the link may have expired';
  const problem = sentence(url, `the server answered ${status}: ${headers.length > 0 ? known : unknown}`);
  if (headers.length > 0)
    return withRemedy(
      'DOWNLOAD_FAILED',
      problem,
      { name: 'give-headers', sentence: `Pass others, ${BY_HAND}` },
      { details },
    );
  const way = `Pass what it takes as the option headers, such as { Authorization: 'Bearer …' }, ${BY_HAND}`;
  return withRemedy('DOWNLOAD_FAILED', problem, { name: 'give-headers', sentence: way }, { details });
}

/** A repository of Hugging Face's hub whose owner lets in only who has accepted its licence. @param {string} page of it @param {boolean} [isKnown] whether the hub was told who asks */
export function gated(page, isKnown = false) {
  const problem = `The files at ${shown(page)} are gated: they are given to those who have accepted the licence there${isKnown ? ', which is not known of the owner of the access token' : ''}. Accept it on that page in a browser.`;
  const sentence = 'Then pass an access token as hub.token, or download the file by hand and open it from the disk.';
  const details = { page, retriable: false };
  return withRemedy('HUB_GATED', problem, { name: 'give-token', sentence }, { details });
}

/** @param {string} url @param {unknown} cause @param {boolean} online */
export const unreachable = (url, cause, online) =>
  online
    ? failed(url, `${reasonOf(cause)}. ${adviceFor(url)}`, {
        cause,
        details: { connection: 'none' },
        retriable: !isLasting(cause),
      })
    : new NibbleError('DOWNLOAD_OFFLINE', sentence(url, 'there is no network. It goes on when there is one again'), {
        cause,
        details: { retriable: true },
      });

/** @param {string} url @param {unknown} cause */
export const brokenOff = (url, cause) =>
  failed(url, `the connection broke off (${reasonOf(cause)}). Try again`, {
    cause,
    details: { connection: 'lost' },
    retriable: true,
  });

/** @param {string} url @param {number} milliseconds */
export const stalled = (url, milliseconds) =>
  new NibbleError(
    'DOWNLOAD_STALLED',
    sentence(url, `nothing came from the server for ${milliseconds / 1000} seconds. Try again`),
    { details: { retriable: true } },
  );

/** In the middle of a download it is rather a network's login page, which goes away. @param {string} url @param {boolean} [retriable] */
export const notAModel = (url, retriable = false) =>
  new NibbleError(
    'DOWNLOAD_NOT_A_MODEL',
    sentence(url, 'the server sent a web page, not a model file. The address of the file itself is needed'),
    { details: { retriable } },
  );

/** @param {string} url */
export const changed = (url) =>
  new NibbleError(
    'DOWNLOAD_CHANGED',
    sentence(url, 'the file on the server changed in the meantime. Download it from the start'),
    { details: { retriable: false } },
  );

export const cancelled = () => new NibbleError('CANCELLED', 'The download was cancelled.');

/** A browser does not tell whether there was no answer, or one that it keeps from this page. @param {string} url */
function adviceFor(url) {
  const advice = 'Check the address and the connection';
  const { location } = globalThis;
  if (location === undefined || new URL(url, location.href).origin === location.origin) return advice;
  return `${advice}. If both are right, the server does not let other sites read its files (CORS): download the file by hand and open it from the disk`;
}
