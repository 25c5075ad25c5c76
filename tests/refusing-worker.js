// The library's worker on a platform that refuses something.
importScripts('refusals.js', '/nibble/worker.js');
