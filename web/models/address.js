// An address that a reader gives for a model, other than one of Hugging Face's hub: whether the page can load from it, and why not.

// Whom plain http reaches without crossing the internet, where anybody on the way could change the file.
const LOCAL = [
  /^localhost$|\.localhost$|\.local$|\.lan$|\.home\.arpa$/,
  /^(127|10)\.\d+\.\d+\.\d+$|^192\.168\.\d+\.\d+$|^172\.(1[6-9]|2\d|3[01])\.\d+\.\d+$|^169\.254\.\d+\.\d+$/,
  /^\[(::1|f[cd][0-9a-f]*:.*|fe[89ab][0-9a-f]:.*)\]$/,
  // A name without a dot is one of the local network's.
  /^[a-z][a-z0-9-]*$/,
];
// Browsers take these for as safe as https.
const OWN_MACHINE = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** @param {RegExp[]} patterns @param {string} name */
const isAny = (patterns, name) => patterns.some((pattern) => pattern.test(name));

/** URL.parse(), which browsers have only lately. @param {string} address */
function parse(address) {
  try {
    return new URL(address);
  } catch {
    return null;
  }
}

/**
 * @param {string} text what the reader has typed
 * @param {{ isSecure: boolean }} page whether it came over https, from where a browser loads nothing over plain http
 * @returns {{ url: URL, fault?: undefined } | { fault: import('../ui/i18n.js').StringKey }} `fault`: the key of a sentence
 */
export function readAddress(text, { isSecure }) {
  const address = text.trim();
  if (address === '') return { fault: 'models.url.empty' };
  const url = parse(address);
  if (url !== null && url.username + url.password !== '') return { fault: 'models.url.password' };
  if (url === null || !['https:', 'http:'].includes(url.protocol)) return { fault: 'models.url.bad' };
  if (url.protocol === 'http:') {
    if (!isAny(LOCAL, url.hostname)) return { fault: 'models.url.bad' };
    if (isSecure && !OWN_MACHINE.test(url.hostname)) return { fault: 'models.url.mixed' };
  }
  // The library knows those of models there.
  if (url.hostname === 'huggingface.co' && !url.pathname.includes('/resolve/')) return { fault: 'models.url.page' };
  return { url };
}
