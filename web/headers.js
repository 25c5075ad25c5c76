// What every response says about itself, whether it comes from the server or from the service worker. The same policy
// stands in index.html, for a host that sends no headers of its own.

// Models come from wherever their owner keeps them; nothing else comes from outside. Over plain http the page asks of the
// local network only, which a policy cannot name; from a page that came over https the browser refuses that by itself.
const MODELS = 'https: http:';

export const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  `connect-src 'self' ${MODELS}`,
  "style-src 'self'",
  "img-src 'self' data:",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** The first three isolate the page, which gives it shared memory and so threads. */
export const HEADERS = Object.freeze({
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Security-Policy': `${POLICY}; frame-ancestors 'none'`,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
});
