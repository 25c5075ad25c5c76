// The download of a model's file.
import { NibbleError } from './errors.js';
import { contentLength, nameOf, shown } from './source.js';

/**
 * @param {string} url
 * @param {{ signal?: AbortSignal, from?: import('./source.js').From }} [options]
 * @returns {Promise<import('./source.js').Source>}
 */
export async function openDownload(url, { signal, from } = {}) {
  const failed = (what, cause) =>
    new NibbleError('DOWNLOAD_FAILED', `The download of ${shown(url)} failed: ${what}`, { cause });
  let response;
  try {
    const validator = from?.etag && !from.etag.startsWith('W/') ? from.etag : from?.lastModified;
    const headers = from?.position > 0 && validator ? { range: `bytes=${from.position}-`, 'if-range': validator } : {};
    response = await fetch(url, { signal, headers });
  } catch (cause) {
    throw failed(`${cause.cause?.message ?? cause.message}. Check the address and the connection.`, cause);
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw failed(`the server answered ${response.status} ${response.statusText}`.trimEnd().concat('.'));
  }
  if (/^text\/html\b/i.test(response.headers.get('content-type') ?? '')) {
    await response.body?.cancel();
    throw failed('the server sent a web page, not a model file. The address of the file itself is needed.');
  }
  const reader = response.body?.getReader();
  const position = response.status === 206 ? from.position : 0;
  const length = contentLength(response.headers);
  return {
    kind: 'download',
    name: nameOf(response.url || url),
    size: length === null ? null : position + length,
    url: response.url || url,
    position,
    restarted: position === 0 && (from?.position ?? 0) > 0,
    etag: response.headers.get('etag'),
    lastModified: response.headers.get('last-modified'),
    async read() {
      if (reader === undefined) return null;
      try {
        const { done, value } = await reader.read();
        return done ? null : value;
      } catch (cause) {
        throw failed(`the connection broke off (${cause.message}). Try again.`, cause);
      }
    },
    close: async () => {
      await reader?.cancel().catch(() => {});
    },
  };
}

/** Bytes start to end of a file. @returns {Promise<Uint8Array>} */
export async function fetchRange(url, start, end, { etag, signal } = {}) {
  const headers = { range: `bytes=${start}-${end - 1}` };
  const response = await fetch(url, { signal, headers });
  if (response.status !== 206 || (etag && response.headers.get('etag') !== etag)) {
    await response.body?.cancel();
    throw new NibbleError('DOWNLOAD_CHANGED', `The file at ${shown(url)} is not what it was.`);
  }
  return new Uint8Array(await response.arrayBuffer());
}
