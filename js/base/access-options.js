// How a model's files are asked for. Types alone: there is no code here.

/**
 * Called in place of the platform's `fetch()`.
 * @callback FetchCallback
 * @param {string} url The address.
 * @param {RequestInit} init The method, the headers, the signal and what else `fetch()` takes.
 * @returns {Promise<Response>} The response, whose body is read piece by piece.
 */

/**
 * How a model's files are asked for.
 * @typedef {object} AccessOptions
 * @property {Record<string, string> | Headers | [name: string, value: string][]} [headers] Headers of every request for the
 *   model, such as `{ Authorization: 'Bearer …' }`. They are for the server of the address alone, and never go where that
 *   redirects to, unless it is a place of its own. A browser follows redirects by itself and leaves out only `Authorization`:
 *   there, a redirect of a request with other headers is an error. Across origins a browser asks beforehand whether the server
 *   takes them (`Access-Control-Allow-Headers`). `Range`, and what else a download sets itself, is refused with
 *   `INVALID_ARGUMENT`. Default: none.
 * @property {'omit' | 'same-origin' | 'include'} [credentials] In a browser, whether cookies go along, as in `fetch()`. Default:
 *   `'same-origin'`.
 * @property {FetchCallback} [fetch] Called in place of the platform's, in the thread of
 *   the caller: with the headers of each request (`Range` among them), a signal, and `redirect: 'manual'` where headers of the
 *   caller go along. The body is read piece by piece, not faster than the model takes it. What it throws is tried again as a
 *   broken connection is, and then told in `DOWNLOAD_FAILED`. Default: the platform's.
 */

export {};
