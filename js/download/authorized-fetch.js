// fetch() that tells an access token to one server, and to nobody that this one redirects to.

const REDIRECTS = [301, 302, 303, 307, 308];
const MOST_REDIRECTS = 20;

/** @typedef {{ origin: string, value: string }} Authorization `value`: of the header */

/** @param {{ url: string, token: string | null }} hub @returns {Authorization | undefined} */
export const authorizationOf = ({ url, token }) =>
  token === null ? undefined : { origin: new URL(url).origin, value: `Bearer ${token}` };

/** A platform whose downloads tell that. @template {{ download?: object }} P @param {P} platform @param {Authorization} [authorization] @returns {P} */
export const authorized = (platform, authorization) =>
  authorization === undefined ? platform : { ...platform, download: { ...platform.download, authorization } };

/**
 * @param {string} url
 * @param {RequestInit} init without a body
 * @param {Authorization} [authorization]
 * @returns {Promise<Response>}
 */
export async function authorizedFetch(url, init, authorization) {
  /** @param {string} address */
  const isFor = (address) => new URL(address).origin === authorization?.origin;
  if (authorization === undefined || !isFor(url)) return fetch(url, init);
  const told = { ...init, headers: { ...init.headers, authorization: authorization.value } };
  if (globalThis.location !== undefined) return fetch(url, forgets() ? told : init);
  for (let at = url, redirects = 0; ; redirects++) {
    const response = await fetch(at, { ...(isFor(at) ? told : init), redirect: 'manual' });
    const next = REDIRECTS.includes(response.status) ? response.headers.get('location') : null;
    if (next === null) return response;
    await response.body?.cancel();
    if (redirects === MOST_REDIRECTS) throw new TypeError('there are too many redirects');
    at = new URL(next, at).href;
    // As everywhere, it is not told again on a way back.
    if (!isFor(at)) return fetch(at, init);
  }
}

/**
 * A browser follows redirects by itself, and leaves the token out behind them only since Chrome 119, Firefox 111 and
 * Safari 16: those that have this function do. Others are not given the token.
 */
const forgets = () => typeof (/** @type {any} */ (Promise).withResolvers) === 'function';
