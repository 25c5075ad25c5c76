// How a page learns that a worker of its is gone where no event tells: the browser has ended it, or it has closed itself.
// A worker holds a lock as long as it lives, and the page waits for that lock. Where pages have no Web Locks (plain http)
// it is the connection to an empty database: who asks to delete a database waits until its connections have ended. Where
// both are refused (an opaque origin) nothing tells, which the worker says by a lifeline without a name.
//
// Where the site's data is cleared while a page is open, the page has other locks from then on than workers that it starts:
// the one that such a worker holds is free to the page. So it asks the worker, who takes a database instead.

const PREFIX = 'nibble-worker-';
const ASK = Object.freeze({ lifeline: 'database' });
// A worker that has said that it holds a lock, and is there, answers at once or behind the call that it was given first.
const ANSWER_MILLISECONDS = 20_000;

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
  globalThis.addEventListener('message', (event) => {
    if (event.data?.lifeline !== ASK.lifeline) return;
    event.stopImmediatePropagation();
    holdDatabase(name, post);
  });
}

/** In the page: watches a worker. */
export class Lifeline {
  #post;
  #onEnd;
  #ended = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patience;

  /** @param {(message: object) => void} post to the worker @param {() => void} onEnd */
  constructor(post, onEnd) {
    this.#post = post;
    this.#onEnd = onEnd;
  }

  /** @param {{ lock?: string, database?: string }} lifeline as the worker told it */
  async watch({ lock, database }) {
    clearTimeout(this.#patience);
    if (lock !== undefined) await this.#watchLock(lock).catch(() => {});
    else if (database !== undefined) this.#watchDatabase(database);
  }

  /** Nobody wants to know any more. */
  close() {
    clearTimeout(this.#patience);
    this.#ended.abort();
  }

  /** @param {string} name */
  async #watchLock(name) {
    const { locks } = globalThis.navigator;
    const { signal } = this.#ended;
    const isHeld = await locks.request(name, { ifAvailable: true }, (lock) => lock === null);
    if (signal.aborted) return;
    if (isHeld) await locks.request(name, { signal }, this.#onEnd);
    else {
      this.#patience = setTimeout(this.#onEnd, ANSWER_MILLISECONDS);
      this.#post(ASK);
    }
  }

  /** @param {string} name */
  #watchDatabase(name) {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => this.#ended.signal.aborted || this.#onEnd();
  }
}

/** @param {string} name @param {(message: object) => void} post */
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

/** Null where a page may store nothing, as in a sandboxed frame. @param {string} name */
function openDatabase(name) {
  try {
    return globalThis.indexedDB?.open(name) ?? null;
  } catch {
    return null;
  }
}

/** What pages left that were ended by force. Those of living workers go when these end. @param {string} own */
async function discardOthers(own) {
  for (const { name } of (await indexedDB.databases?.()) ?? []) {
    if (name?.startsWith(PREFIX) && name !== own) indexedDB.deleteDatabase(name);
  }
}
