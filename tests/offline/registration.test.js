// The page's part of an update: the version under it changes before anything runs, or not by itself.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Offline } from '../../web/offline/registration.js';
import { untyped } from '../untyped.js';

const given = new Map();
/** @type {number} */
let reloads;
/** @type {any[]} */
let asked;

/** A service worker that notes what it is asked, and answers when the test says so. */
function createWorker() {
  /** @type {any} */
  const worker = new EventTarget();
  worker.state = 'installed';
  worker.postMessage = (/** @type {{ type: string }} */ { type }, /** @type {[port: any]} */ [port]) =>
    asked.push({ type, answer: (/** @type {any} */ data) => port.postMessage(data) });
  return worker;
}

/** @param {string} name @param {any} value */
function provide(name, value) {
  given.set(name, Object.getOwnPropertyDescriptor(globalThis, name));
  Object.defineProperty(globalThis, name, { value, configurable: true });
}

/**
 * A page that was here before, with a newer version waiting; the browser tells so when `registered` is settled.
 * @param {Promise<void>} registered
 */
function arrive(registered) {
  const kept = new Map();
  const waiting = createWorker();
  /** @type {any} */
  const registration = Object.assign(new EventTarget(), { active: createWorker(), waiting, installing: null });
  registration.active.state = 'activated';
  provide('navigator', { serviceWorker: { register: () => registered.then(() => registration) } });
  provide('sessionStorage', {
    getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
    setItem: (/** @type {string} */ key, /** @type {string} */ text) => kept.set(key, text),
  });
  provide('location', { reload: () => reloads++ });
  provide('crossOriginIsolated', true);
  return waiting;
}

/** @param {string} type */
const untilAsked = async (type) => {
  for (;;) {
    const found = asked.find((message) => message.type === type);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
};

beforeEach(() => {
  reloads = 0;
  asked = [];
});

afterEach(() => {
  for (const [name, descriptor] of given) {
    if (descriptor) Object.defineProperty(globalThis, name, descriptor);
    else delete untyped(globalThis)[name];
  }
  given.clear();
});

test('a version that is being changed to holds the page up, however long that takes', {
  timeout: 120_000,
}, async () => {
  /** @type {any} */
  const waiting = arrive(Promise.resolve());
  const offline = new Offline({ patience: 1 });
  let began = false;
  offline.settled.then(() => {
    began = true;
  });
  const { answer } = await untilAsked('take-over');
  // The patience is over by then.
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(began, false);
  answer({ done: true });
  waiting.state = 'activated';
  waiting.dispatchEvent(new Event('statechange'));
  while (reloads === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(began, false, 'what is on its way out begins nothing');
});

test('a version that is found once the page has begun is only offered', { timeout: 120_000 }, async () => {
  /** @type {(value: void | PromiseLike<void>) => void} */
  let tell;
  arrive(
    new Promise((resolve) => {
      tell = resolve;
    }),
  );
  const offered = new Promise((resolve) => {
    const offline = new Offline({ patience: 1, onUpdate: untyped(resolve) });
    offline.settled.then(tell);
  });
  await offered;
  assert.deepEqual([asked.filter(({ type }) => type === 'take-over').length, reloads], [0, 0]);
  (await untilAsked('state')).answer({ complete: true });
});
