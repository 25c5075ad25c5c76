// How a page learns that a worker of its is gone where no event tells: the browser has ended it, or it has closed itself.
// A worker holds a lock as long as it lives, and the page waits for that lock. Where pages have no Web Locks (plain http)
// it is the connection to an empty database: who asks to delete a database waits until its connections have ended. Where
// both are refused (an opaque origin) nothing tells, which the worker says by a lifeline without a name.

const PREFIX = 'nibble-worker-';

const freshName = () => PREFIX + Array.from(crypto.getRandomValues(new Uint32Array(4))).join('-');

/** In the worker: from now on its end can be seen. @param {(message: object) => void} post tells the page of it */
export function holdLifeline(post) {
  const name = freshName();
  const locks = globalThis.navigator?.locks;
  if (!locks) return holdDatabase(name, post);
  const hold = () => {
    post({ lifeline: { lock: name } });
    return new Promise(() => {});
  };
  locks.request(name, hold).catch(() => post({ lifeline: {} }));
}

/**
 * In the page: watches a worker.
 * @param {{ lock?: string, database?: string }} lifeline as the worker told it
 * @param {AbortSignal} signal of who does not want to know any more
 * @param {() => void} onEnd
 */
export function watchLifeline({ lock, database }, signal, onEnd) {
  if (lock !== undefined) {
    globalThis.navigator.locks.request(lock, { signal }, onEnd).catch(() => {});
    return;
  }
  if (database === undefined) return;
  const request = indexedDB.deleteDatabase(database);
  request.onsuccess = () => signal.aborted || onEnd();
}

function holdDatabase(name, post) {
  const request = openDatabase(name);
  if (request === null) {
    post({ lifeline: {} });
    return;
  }
  request.onsuccess = () => {
    // A connection that is asked to close, and does not, stays open. One that nobody refers to and that listens to nothing
    // is closed by the garbage collector.
    request.result.addEventListener('versionchange', () => {});
    post({ lifeline: { database: name } });
  };
  request.onerror = (event) => {
    event.preventDefault();
    post({ lifeline: {} });
  };
  discardOthers(name).catch(() => {});
}

/** Null where a page may store nothing, as in a sandboxed frame. */
function openDatabase(name) {
  try {
    return globalThis.indexedDB?.open(name) ?? null;
  } catch {
    return null;
  }
}

/** What pages left that were ended by force. Those of living workers go when these end. */
async function discardOthers(own) {
  for (const { name } of (await indexedDB.databases?.()) ?? []) {
    if (name.startsWith(PREFIX) && name !== own) indexedDB.deleteDatabase(name);
  }
}
