// The library's worker, with a way to die.
importScripts('trap.js', '/nibble/worker.js');
