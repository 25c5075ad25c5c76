// The library's worker on a platform that refuses something.
import './refusals.js';
import '/nibble/worker.js';
