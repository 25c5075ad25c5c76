// What the headers of a download tell. Across origins a browser hides most of them (Content-Range and ETag too, unless
// the server exposes them), so everything here may be null.

/**
 * What tells one version of a file from another.
 * @typedef {object} Validators
 * @property {string | null} etag The ETag. `null`: the server tells none.
 * @property {string | null} lastModified The date of the last change, as the server writes it. `null`: it tells none.
 * @property {number | null} size Bytes of the whole file. `null`: it does not tell.
 */

/** Whether the body is compressed: positions in it are then no positions in the file. @param {Headers} headers */
export const isEncoded = (headers) => (headers.get('content-encoding') ?? 'identity') !== 'identity';

/** The number of bytes that will arrive; null where it is not told, or told for a compressed body. @param {Headers} headers */
export function contentLength(headers) {
  const length = headers.get('content-length');
  return /^\d{1,15}$/.test(length ?? '') && !isEncoded(headers) ? Number(length) : null;
}

/**
 * Content-Range, such as "bytes 0-99/1000", "bytes 0-99/*", or with a status of 416 "bytes * /1000" without the space.
 * @param {Headers} headers
 * @returns {{ start: number | null, end: number | null, total: number | null } | null} `end` is the first byte behind
 */
export function contentRange(headers) {
  const match = /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(?:(\d{1,15})|\*)$/i.exec(headers.get('content-range') ?? '');
  if (match === null) return null;
  const [start, last, total] = match.slice(1).map((digits) => (digits === undefined ? null : Number(digits)));
  return { start, end: last === null ? null : last + 1, total };
}

/** @param {Headers} headers @param {number | null} size @returns {Validators} */
export const validatorsOf = (headers, size) => ({
  etag: headers.get('etag'),
  lastModified: headers.get('last-modified'),
  size,
});

/** @param {string} etag */
const isWeak = (etag) => etag.startsWith('W/');

/** An ETag that If-Range may carry; null where it is weak or absent. @param {Partial<Validators> | null | undefined} validators */
export const strongEtag = (validators) => (validators?.etag && !isWeak(validators.etag) ? validators.etag : null);

/** @template T @param {T} a @param {T} b */
const differ = (a, b) => (a ?? null) !== null && (b ?? null) !== null && a !== b;

/**
 * Whether both may belong to the same version. Equal strong ETags are enough but for the size; weak ones, which promise
 * no equal bytes, and absent ones leave the decision to size and date. What one side does not know decides nothing.
 * @param {Partial<Validators>} a
 * @param {Partial<Validators>} b
 */
export function sameVersion(a, b) {
  if (differ(a.size, b.size)) return false;
  const [first, second] = [a.etag ?? null, b.etag ?? null];
  if (first !== null && second !== null) {
    if (first.replace(/^W\//, '') !== second.replace(/^W\//, '')) return false;
    if (!isWeak(first) && !isWeak(second)) return true;
  }
  return !differ(a.lastModified, b.lastModified);
}

/** Retry-After in milliseconds, told as seconds or as a date; null without one. @param {Headers} headers */
export function retryAfter(headers, now = Date.now()) {
  const value = headers.get('retry-after')?.trim() ?? '';
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}

/** The last part of a URL's path. @param {string} url */
export function nameOf(url) {
  const path = url.split(/[?#]/, 1)[0];
  const name = path.slice(path.lastIndexOf('/') + 1);
  try {
    return decodeURIComponent(name) || 'model';
  } catch {
    return name || 'model';
  }
}
