// What a response says about itself, whether it comes from the server or from the service worker. The same policy
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

/**
 * What the service worker gives the page. The first three isolate it, which gives it shared memory and so threads. Who may
 * frame it is for its host to say: a page that was framed once would else be refused from its second load on.
 */
export const PAGE_HEADERS = Object.freeze({
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
});

/** What the server gives, as a host that says who may frame it: nobody. */
export const HEADERS = Object.freeze({
  ...PAGE_HEADERS,
  'Content-Security-Policy': `${POLICY}; frame-ancestors 'none'`,
});
