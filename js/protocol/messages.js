// The whole wire format between the library and its worker. Replies are matched to calls by id.
//
//   to the worker    { id, method, params }                     a call; id is a positive integer
//                    { id, method: 'cancel', params: { target } }   stops the call with id `target`, or keeps it from
//                                                          beginning where it comes before the call; has no reply
//   from the worker  { id, event }                              any number of them while the call runs
//                                                          ({ opened } of a load: calls run from now on, while it ends)
//                    { id, result } or { id, error }            its end; error as NibbleError.toJSON() makes it
//                    { release }                             once, before all else: the release that it is of, or null
//                    { lifeline }                            once, as it begins; in browsers see lifeline.web.js
//                    { folder }                              in Node: that of a store in which it takes locks from now on
import { NibbleError, withoutEnd } from '../base/errors.js';

/**
 * The calls that are made on one of an engine's sessions: `params.session` is its number; without it, the engine's own.
 * @type {readonly (keyof import('./calls.js').SessionCalls)[]}
 */
export const SESSION_METHODS = Object.freeze([
  'complete',
  'evaluate',
  'score',
  'sessionCreate',
  'sessionFork',
  'sessionPrefill',
  'sessionTruncate',
  'sessionTokens',
  'sessionClose',
  'sessionSave',
  'sessionRestore',
  'sessionList',
  'sessionDelete',
  'sessionExport',
  'sessionImport',
]);
/** The calls a worker answers. @type {readonly import('./calls.js').Method[]} */
export const METHODS = Object.freeze([
  ...SESSION_METHODS,
  'load',
  'describe',
  'tokenize',
  'countTokens',
  'fitMessages',
  'detokenize',
  'render',
  'benchmark',
  'probe',
  'memory',
  'unload',
  'storeOpen',
  'storeList',
  'storeHas',
  'storeImport',
  'storeIdOf',
  'storeCheck',
  'storeUpdate',
  'storeVerify',
  'storeDelete',
  'storeRename',
  'storeEstimate',
  'storeReadRate',
  'storeClose',
  'readerOpen',
  'readerRead',
]);
export const CANCEL = 'cancel';

/** @param {unknown} id @returns {id is number} */
const isId = (id) => typeof id === 'number' && Number.isSafeInteger(id) && id > 0;

/** @param {number} id @param {string} method @param {unknown} params */
export const call = (id, method, params) => ({ id, method, params });
/** @param {number} id @param {number} target */
export const cancel = (id, target) => ({ id, method: CANCEL, params: { target } });
/** @param {number} id @param {unknown} result */
export const resultReply = (id, result) => ({ id, result });
/** @param {number} id @param {unknown} event */
export const eventReply = (id, event) => ({ id, event });

/** Whatever was thrown, as a reply; what is no NibbleError is a fault of ours and says so. @param {number} id @param {any} error */
export function errorReply(id, error) {
  const known =
    error instanceof NibbleError
      ? error
      : new NibbleError('INTERNAL', `Something unexpected went wrong: ${withoutEnd(error?.message ?? error)}.`, {
          cause: error,
        });
  return { id, error: known.toJSON() };
}

/**
 * A message that reached the worker.
 * @param {any} data
 * @returns {{ id: number, method: 'cancel', params: { target: number } } | { id: number, method: import('./calls.js').Method, params: any }}
 * @throws {NibbleError} PROTOCOL_ERROR
 */
export function readCall(data) {
  const known = data !== null && typeof data === 'object' && isId(data.id) && typeof data.method === 'string';
  if (!known) throw new NibbleError('PROTOCOL_ERROR', 'The worker was sent something that is not a call.');
  if (data.method === CANCEL) {
    if (isId(data.params?.target)) return data;
    throw new NibbleError('PROTOCOL_ERROR', 'The worker was told to cancel something that is not a call.');
  }
  if (METHODS.includes(data.method)) return data;
  throw new NibbleError('PROTOCOL_ERROR', `The worker has no method "${data.method.slice(0, 40)}".`);
}

/**
 * A message that came from the worker.
 * @param {any} data
 * @returns {{ id: number } & ({ kind: 'result', result: any } | { kind: 'error', error: NibbleError } | { kind: 'event', event: any })}
 * @throws {NibbleError} PROTOCOL_ERROR
 */
export function readReply(data) {
  const known = data !== null && typeof data === 'object' && isId(data.id);
  if (known && 'error' in data) return { kind: 'error', id: data.id, error: NibbleError.fromJSON(data.error) };
  if (known && 'event' in data) return { kind: 'event', id: data.id, event: data.event };
  if (known && 'result' in data) return { kind: 'result', id: data.id, result: data.result };
  throw new NibbleError('PROTOCOL_ERROR', 'The worker sent something that is not a reply.');
}
