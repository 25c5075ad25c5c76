// The library, which the built page has beside it at nibble/, as the checker of types sees it.
export * from '../../js/index.web.js';
