// The library's worker, in a hurry.
importScripts('hasty.js', '/nibble/worker.js');
