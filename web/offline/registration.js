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
  #state = 'installing';
  #onState;
  #onUpdate;
  #untilPause;
  #registration = null;
  /** Set as soon as the page is in use, from when on only its user reloads it. */
  #started = false;
  /** Ends when a version that waited has begun, or has not. */
  #changing = Promise.resolve();
  #leaving = false;
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
    if (wasKept) this.#checking ??= this.#check().finally(() => (this.#checking = null));
    return this.#checking ?? Promise.resolve();
  }

  async #check() {
    const registration = await navigator.serviceWorker.getRegistration().catch(() => undefined);
    if (!registration?.active) return this.#tell('lost');
    // The service worker, which may be about to give way to a newer one, is left alone where nothing is missing.
    const kept = await caches.match(new URL('complete', registration.scope)).catch(() => undefined);
    const isComplete = kept !== undefined || (await ask(registration.active, 'state', INSTALL_MILLISECONDS))?.complete;
    this.#tell(isComplete ? 'offline-ready' : 'lost');
  }

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
    registration.addEventListener('updatefound', () => this.#watch(registration.installing));
    const { active, waiting, installing } = registration;
    if (!active) return this.#watch(installing ?? waiting);
    this.#watch(installing);
    if (!waiting) forget(UPDATE);
    else if (!(await this.#startAnew())) this.#onUpdate();
    return this.#useActive();
  }

  /** A version that waits since the last visit begins now, before anything of the present one is in use. */
  async #startAnew() {
    if (remembers(UPDATE) || this.#started) return false;
    const taken = this.#takeOver();
    this.#changing = taken.catch(() => {});
    return (await taken) && this.#reload(UPDATE);
  }

  /** Follows a service worker until it is of use, or never will be. */
  #watch(worker) {
    return new Promise((resolve) => {
      const look = async () => {
        const first = worker === this.#registration.active || !this.#registration.active;
        if (worker.state === 'installed' && !first) this.#onUpdate();
        if (worker.state === 'activated') await this.#useActive();
        if (worker.state === 'redundant' && first) this.#tell('unavailable');
        if (['activated', 'redundant'].includes(worker.state) || !first) resolve();
      };
      worker?.addEventListener('statechange', look);
      if (worker) look();
      else resolve();
    });
  }

  /** With a service worker at work, a page without isolation gains it by loading once more. */
  async #useActive() {
    const gains = globalThis.crossOriginIsolated === false && window.top === window;
    if (this.#leaving || (gains && !this.#started && this.#reload(ISOLATION))) await NEVER;
    this.#tellWhetherComplete();
  }

  /** What is missing is fetched before the answer comes, which may take its time. */
  async #tellWhetherComplete() {
    const answer = await ask(this.#registration.active, 'state', INSTALL_MILLISECONDS);
    this.#tell(answer?.complete ? 'offline-ready' : 'unavailable');
  }

  #reload(reason) {
    this.#leaving = this.#leaving || reloadFor(reason, this.#untilPause);
    return this.#leaving;
  }

  async #takeOver() {
    const waiting = this.#registration?.waiting;
    if (!waiting) return false;
    const changed = new Promise((resolve) => {
      waiting.addEventListener('statechange', () => waiting.state === 'activated' && resolve(true));
    });
    const answer = await ask(waiting, 'take-over');
    return answer?.done === true && (await Promise.race([changed, elapse(ANSWER_MILLISECONDS, false)]));
  }

  #tell(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#onState(state);
  }
}

/** The answer of a service worker, undefined where none comes. */
function ask(worker, type, patience = ANSWER_MILLISECONDS) {
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise((resolve) => {
    const timer = setTimeout(resolve, patience);
    port1.onmessage = ({ data }) => {
      clearTimeout(timer);
      resolve(data);
    };
  });
  worker.postMessage({ type }, [port2]);
  return answer.finally(() => port1.close());
}

function elapse(milliseconds, value = undefined) {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds, value);
  });
}

/** Reloads the page, as soon as that interrupts nobody, unless it has done so for this reason. @returns {boolean} whether it does */
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

const remembers = (reason) => reasons().includes(reason);

function remember(reason) {
  try {
    sessionStorage.setItem(RELOADED, [...reasons(), reason].join(' '));
    return remembers(reason);
  } catch {
    return false;
  }
}

function forget(reason) {
  if (!remembers(reason)) return;
  sessionStorage.setItem(
    RELOADED,
    reasons()
      .filter((other) => other !== reason)
      .join(' '),
  );
}
