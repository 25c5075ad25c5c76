// Locks that are held from one call to another.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NibbleError } from '../../js/base/errors.js';
import { holdLock, processLock } from '../../js/store/locks.js';

/** @param {string} expected */
const code = (expected) => (/** @type {unknown} */ error) => error instanceof NibbleError && error.code === expected;

/** What takes locks of one name. @param {import('../../js/store/locks.js').Lock} lock */
const holder =
  (lock) =>
  (/** @type {import('../../js/store/locks.js').LockOptions} */ options = {}) =>
    holdLock((use) => lock('a', options, use));

test('a lock is held until it is released', async () => {
  const lock = processLock();
  const hold = holder(lock);
  const held = await hold();
  await assert.rejects(hold({ wait: false }), code('STORE_BUSY'));
  await assert.rejects(hold({ shared: true, wait: false }), code('STORE_BUSY'));
  await held.release();
  await (await hold({ wait: false })).release();
});

test('several that share it hold it together, and one that does not waits for all of them', async () => {
  const hold = holder(processLock());
  const [one, other] = await Promise.all([hold({ shared: true }), hold({ shared: true })]);
  let isHeld = false;
  const alone = hold().then((held) => {
    isHeld = true;
    return held;
  });
  await one.release();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(isHeld, false);
  await other.release();
  await (await alone).release();
});

test('waiting for it ends with the signal, and leaves nothing behind', async () => {
  const hold = holder(processLock());
  const held = await hold();
  const controller = new AbortController();
  const waiting = hold({ signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, code('CANCELLED'));
  await held.release();
  await (await hold({ wait: false })).release();
});

test('what goes wrong as it is given back is told by the release', async () => {
  const failing = holdLock(async (use) => {
    await use();
    throw new NibbleError('STORE_UNAVAILABLE', 'The lock could not be given back.');
  });
  await assert.rejects((await failing).release(), code('STORE_UNAVAILABLE'));
});
