// What systems and their networks report, in words. Their own are made for programmers, and differ from place to place.

import { withoutEnd } from './errors.js';

/** By `code` of the error, as Node has it. @type {Record<string, string>} */
const REASONS = {
  EACCES: 'the system does not permit it',
  EAI_AGAIN: 'the name of the server could not be looked up',
  EBUSY: 'something else is using it',
  ECONNABORTED: 'the other side ended the connection',
  ECONNREFUSED: 'no server answers at this address',
  ECONNRESET: 'the other side ended the connection',
  EDQUOT: 'the quota of the disk is used up',
  EEXIST: 'there is something of that name already',
  EFBIG: 'the file would be larger than is allowed here',
  EHOSTUNREACH: 'there is no way to the server',
  EINVAL: 'the system cannot do this here',
  EIO: 'the device does not answer as it should',
  EISDIR: 'it is a folder, not a file',
  ELOOP: 'its links lead in a circle',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'its name is too long',
  ENETUNREACH: 'there is no way to the server',
  ENFILE: 'too many files are open',
  ENOENT: 'there is no such file',
  ENOSPC: 'no space is left on the device',
  ENOTDIR: 'a part of its path is not a folder',
  ENOTEMPTY: 'the folder is not empty',
  ENOTFOUND: 'there is no server of that name',
  ENXIO: 'there is no such device',
  EPERM: 'the system does not permit it',
  EPIPE: 'the other side ended the connection',
  EROFS: 'the disk can only be read',
  ESTALE: 'the disk on the network has lost the file',
  ETIMEDOUT: 'the server does not answer',
  ETXTBSY: 'something else is using it',
  UND_ERR_BODY_TIMEOUT: 'the server stopped sending',
  UND_ERR_CONNECT_TIMEOUT: 'the server does not answer',
  UND_ERR_HEADERS_TIMEOUT: 'the server does not answer',
  UND_ERR_SOCKET: 'the other side ended the connection',
};

// What stays as it is however often it is tried.
/** @type {Record<string, string>} */
const LASTING = {
  CERT_HAS_EXPIRED: "the server's certificate has expired",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet; the clock of one of both may be wrong",
  CERT_REVOKED: "the server's certificate was revoked",
  CERT_SIGNATURE_FAILURE: "the server's certificate is not to be trusted",
  CERT_UNTRUSTED: "the server's certificate is not to be trusted",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the server's certificate is signed by itself alone",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is made out to another name",
  SELF_SIGNED_CERT_IN_CHAIN: "the server's certificate is signed by an authority that is not known here",
  UNABLE_TO_GET_ISSUER_CERT: "the server's certificate is signed by an authority that is not known here",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the server's certificate is signed by an authority that is not known here",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the server's certificate is signed by an authority that is not known here",
};

const NO_TLS = 'the server there speaks no https; try the address with http';
const NO_HTTP = 'the server there speaks no http; try the address with https';
const BAD_TLS = 'no secure connection to the server could be made';

/**
 * The first error in a chain of causes that has a code which says something.
 * @param {any} error
 * @returns {{ code: string, message: string } | null}
 */
function coded(error) {
  for (let cause = error, depth = 0; cause instanceof Object && depth < 8; depth++) {
    if (typeof cause.code === 'string' && wordsOf(cause) !== null) return cause;
    // Where several addresses of a server were tried, each has its own.
    cause = cause.cause ?? cause.errors?.[0];
  }
  return null;
}

/** @param {{ code: string, message: string }} error @returns {string | null} */
function wordsOf({ code, message }) {
  if (Object.hasOwn(REASONS, code)) return REASONS[code];
  if (Object.hasOwn(LASTING, code)) return LASTING[code];
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return NO_TLS;
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return /wrong version number|packet length too long|http request/i.test(message) ? NO_TLS : BAD_TLS;
  }
  return code.startsWith('HPE_') ? NO_HTTP : null;
}

/**
 * Why something failed, as a part of a sentence, without its end.
 * @param {any} error of the system, or with one among its causes
 * @returns {string}
 */
export function reasonOf(error) {
  const cause = coded(error);
  const words = cause && wordsOf(cause);
  if (words !== null) return words;
  const code = error?.code;
  if (/^E[A-Z]+$/.test(code ?? '')) return `the system reports ${code}`;
  return withoutEnd(error?.cause?.message || error?.message || error?.name || error);
}

/** Whether to try again is of no use: a certificate stays what it is. @param {any} error */
export function isLasting(error) {
  const cause = coded(error);
  return (
    cause !== null &&
    (Object.hasOwn(LASTING, cause.code) || [NO_TLS, NO_HTTP, BAD_TLS].some((words) => words === wordsOf(cause)))
  );
}
