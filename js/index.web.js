// The library's entry in a browser.
export * from './public.js';
