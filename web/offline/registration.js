// Registers the service worker and tells what comes of it. Where the page's host does not isolate it, the service worker
// does, from the next load on; so the page loads once more, and never twice for the same reason.

/** @typedef {'installing' | 'offline-ready' | 'unavailable' | 'lost'} OfflineState `lost`: it was kept and is no more */

const SCRIPT = 'sw.js';
// In the tab's session storage: why the page has reloaded itself.
const RELOADED = 'nibble.reloaded';
const ISOLATION = 'isolation';
const UPDATE = 'update';
const ANSWER_MILLISECONDS = 3000;
const INSTALL_MILLISECONDS = 300_000;
// A page that is being reloaded begins nothing any more.
const NEVER = new Promise(() => {});

export class Offline {
  /** @type {OfflineState} */
  #state = 'installing';
  #onState;
  #onUpdate;
  #untilPause;
  /** @type {ServiceWorkerRegistration | null} */
  #registration = null;
  /** Set as soon as the page is in use, from when on only its user reloads it. */
  #started = false;
  /** Ends when a version that waited has begun, or has not. @type {Promise<unknown>} */
  #changing = Promise.resolve();
  #leaving = false;
  /** @type {Promise<void> | null} */
  #checking = null;

  /**
   * @param {object} [options]
   * @param {(state: OfflineState) => void} [options.onState]
   * @param {() => void} [options.onUpdate] a newer version is there and waits; it begins with the next start, or by
   *   applyUpdate()
   * @param {() => Promise<void>} [options.untilPause] resolves when a reload interrupts nobody who is writing
   * @param {number} [options.patience] milliseconds that a first visit waits for its isolation before it goes on without
   */
  constructor({ onState = () => {}, onUpdate = () => {}, untilPause = async () => {}, patience = 8000 } = {}) {
    this.#untilPause = untilPause;
    this.#onState = onState;
    this.#onUpdate = onUpdate;
    /**
     * Resolves when the page may begin: it will not be reloaded from here any more. Never rejects.
     * @type {Promise<void>}
     */
    this.settled = this.#settle(patience);
  }

  /** @returns {OfflineState} */
  get state() {
    return this.#state;
  }

  /**
   * Begins with the version that waits, by a reload.
   * @returns {Promise<boolean>} false: there is none, or another tab still runs the present one
   */
  async applyUpdate() {
    if (!(await this.#takeOver())) return false;
    location.reload();
    return true;
  }

  /** Looks whether what was kept still is: a browser drops it when its user clears the page's data. Never rejects. */
  check() {
    const wasKept = this.#state === 'offline-ready' || this.#state === 'lost';
    if (wasKept) {
      this.#checking ??= this.#check().finally(() => {
        this.#checking = null;
      });
    }
    return this.#checking ?? Promise.resolve();
  }

  async #check() {
    const registration = await navigator.serviceWorker.getRegistration().catch(() => undefined);
    if (!registration?.active) return this.#tell('lost');
    // The service worker, which may be about to give way to a newer one, is left alone where nothing is missing.
    const kept = await caches.match(new URL('complete', registration.scope)).catch(() => undefined);
    this.#tell(kept !== undefined || (await isComplete(registration.active)) ? 'offline-ready' : 'lost');
  }

  /** @param {number} patience milliseconds */
  async #settle(patience) {
    const prepared = this.#register().catch(() => this.#tell('unavailable'));
    await Promise.race([prepared, elapse(patience)]);
    // Nothing may run while the version under it changes.
    await this.#changing;
    if (this.#leaving) await NEVER;
    this.#started = true;
  }

  /** Ends when no reload is to come. */
  async #register() {
    if (globalThis.crossOriginIsolated) forget(ISOLATION);
    // Browsers leave this out where a page may not have one; one that refuses may also give nothing.
    const registration = await navigator.serviceWorker?.register(SCRIPT, { updateViaCache: 'none' });
    if (!registration) return this.#tell('unavailable');
    this.#registration = registration;
    registration.addEventListener('updatefound', () => this.#watch(registration, registration.installing));
    const { active, waiting, installing } = registration;
    if (!active) return this.#watch(registration, installing ?? waiting);
    this.#watch(registration, installing);
    if (!waiting) forget(UPDATE);
    else if (!(await this.#startAnew())) this.#onUpdate();
    return this.#useActive(registration);
  }

  /** A version that waits since the last visit begins now, before anything of the present one is in use. */
  async #startAnew() {
    if (remembers(UPDATE) || this.#started) return false;
    const taken = this.#takeOver();
    this.#changing = taken.catch(() => {});
    return (await taken) && this.#reload(UPDATE);
  }

  /**
   * Follows a service worker until it is of use, or never will be.
   * @param {ServiceWorkerRegistration} registration
   * @param {ServiceWorker | null} worker null: there is none to follow
   * @returns {Promise<void>}
   */
  async #watch(registration, worker) {
    if (worker === null) return;
    await new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
      const look = async () => {
        const first = worker === registration.active || !registration.active;
        if (worker.state === 'installed' && !first) this.#onUpdate();
        if (worker.state === 'activated') await this.#useActive(registration);
        if (worker.state === 'redundant' && first) this.#tell('unavailable');
        if (['activated', 'redundant'].includes(worker.state) || !first) resolve();
      };
      worker.addEventListener('statechange', look);
      look();
    });
  }

  /** With a service worker at work, a page without isolation gains it by loading once more. @param {ServiceWorkerRegistration} registration */
  async #useActive(registration) {
    const gains = globalThis.crossOriginIsolated === false && window.top === window;
    if (this.#leaving || (gains && !this.#started && this.#reload(ISOLATION))) await NEVER;
    this.#tellWhetherComplete(registration);
  }

  /** What is missing is fetched before the answer comes, which may take its time. @param {ServiceWorkerRegistration} registration */
  async #tellWhetherComplete({ active }) {
    this.#tell(active !== null && (await isComplete(active)) ? 'offline-ready' : 'unavailable');
  }

  /** @param {string} reason */
  #reload(reason) {
    this.#leaving = this.#leaving || reloadFor(reason, this.#untilPause);
    return this.#leaving;
  }

  async #takeOver() {
    const waiting = this.#registration?.waiting;
    if (!waiting) return false;
    /** @type {Promise<boolean>} */
    const changed = new Promise((resolve) => {
      waiting.addEventListener('statechange', () => waiting.state === 'activated' && resolve(true));
    });
    const isDone = has(await ask(waiting, 'take-over'), 'done');
    return isDone && (await Promise.race([changed, elapse(ANSWER_MILLISECONDS).then(() => false)]));
  }

  /** @param {OfflineState} state */
  #tell(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#onState(state);
  }
}

/** Whether a service worker, which may be of another version, says that it has everything. @param {ServiceWorker} worker */
const isComplete = async (worker) => has(await ask(worker, 'state', INSTALL_MILLISECONDS), 'complete');

/** Whether an answer says yes to something. @param {unknown} answer @param {string} name */
const has = (answer, name) =>
  typeof answer === 'object' &&
  answer !== null &&
  Object.entries(answer).some(([key, value]) => key === name && value === true);

/** The answer of a service worker, undefined where none comes. @param {ServiceWorker} worker @param {'state' | 'take-over'} type @returns {Promise<unknown>} */
function ask(worker, type, patience = ANSWER_MILLISECONDS) {
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
    const timer = setTimeout(resolve, patience);
    port1.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data);
    };
  });
  worker.postMessage({ type }, [port2]);
  return answer.finally(() => port1.close());
}

/** @param {number} milliseconds @returns {Promise<void>} */
function elapse(milliseconds) {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

/** Reloads the page, as soon as that interrupts nobody, unless it has done so for this reason. @param {string} reason @param {() => Promise<void>} untilPause @returns {boolean} whether it does */
function reloadFor(reason, untilPause) {
  // Where nothing can be remembered, nothing would end a loop.
  if (remembers(reason) || !remember(reason)) return false;
  untilPause().then(() => location.reload());
  return true;
}

function reasons() {
  try {
    return (sessionStorage.getItem(RELOADED) ?? '').split(' ').filter(Boolean);
  } catch {
    return [];
  }
}

/** @param {string} reason */
const remembers = (reason) => reasons().includes(reason);

/** @param {string} reason */
function remember(reason) {
  try {
    sessionStorage.setItem(RELOADED, [...reasons(), reason].join(' '));
    return remembers(reason);
  } catch {
    return false;
  }
}

/** @param {string} reason */
function forget(reason) {
  if (!remembers(reason)) return;
  sessionStorage.setItem(
    RELOADED,
    reasons()
      .filter((other) => other !== reason)
      .join(' '),
  );
}
