// The store of saved sessions, on a store in memory that may be spoilt: what was saved before stays whole, and nothing is
// left half, whatever ends a save.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { saveId } from '../../js/saves/record.js';
import { removeSavesOf, SessionStore } from '../../js/saves/store.js';
import { openMemory } from '../../js/store/memory.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

/** @typedef {import('../../js/store/backends.js').Backend} Backend */

/** @typedef {import('../../js/saves/record.js').Summary} Summary */
/** @typedef {import('../../js/store/record.js').Record} Record */

/** @param {Promise<Summary> | Promise<Summary[]>} promise */
const errorOf = (promise) =>
  promise.then(
    () => assert.fail('there was no error'),
    (error) => error,
  );

const LIMITS = { maxSaves: 20, maxSavedBytes: 2 ** 30 };
const control = () => ({ tokens: 5, signal: new AbortController().signal });

/** Bytes as a save gives them. @param {number} bytes */
function saveOf(bytes, seed = 1) {
  let position = 0;
  /** @param {number} most */
  const read = (most) => {
    const piece = Uint8Array.from({ length: Math.min(most, bytes - position) }, (_, i) => (position + i) * seed);
    position += piece.length;
    return piece;
  };
  return { bytes, read };
}

/** Calls what the backend has under a name by then. @param {Backend} backend @param {string} name */
const callOf =
  (backend, name) =>
  (/** @type {unknown[]} */ ...values) =>
    untyped(backend)[name](...values);

/** A model in memory, and stores of its sessions; `backend` may be spoilt. */
async function rig() {
  const backend = await openMemory();
  await backend.put({ id: 'file:m' });
  const shared = Object.assign(Object.create(backend), { kind: 'folder', close: async () => {} });
  for (const name of ['list', 'get', 'put', 'remove', 'writeChunk', 'readChunk']) shared[name] = callOf(backend, name);
  shared.lock = backend.lock;
  const platform = { openFolder: async () => shared };
  const make = (model = 'file:m') =>
    new SessionStore(untyped({ store: untyped({ folder: 'x' }), platform, model, limits: LIMITS }));
  return { backend, shared, make };
}

const full = async () => {
  throw Object.assign(new Error('The storage is full.'), { code: 'STORE_FULL' });
};

test('a full storage leaves the earlier save as it was, and nothing half', async () => {
  const { backend, shared, make } = await rig();
  const store = make();
  await store.save('chat', untyped(saveOf(20 << 20)), control());
  const before = [await backend.list(), await backend.estimate()];
  let writes = 0;
  shared.writeChunk = (/** @type {Parameters<Backend['writeChunk']>} */ ...values) =>
    ++writes === 3 ? full() : backend.writeChunk(...values);
  const error = await errorOf(store.save('chat', untyped(saveOf(20 << 20, 3)), control()));
  assert.equal(error.code, 'STORE_FULL');
  assert.equal(writes, 3);
  assert.deepEqual([await backend.list(), await backend.estimate()], before);
  writes = 0;
  assert.equal((await errorOf(store.save('new', untyped(saveOf(20 << 20)), control()))).code, 'STORE_FULL');
  assert.deepEqual([await backend.list(), await backend.estimate()], before);
});

test('what a save left that was cut off is swept away by the next', async () => {
  const { backend, shared, make } = await rig();
  const store = make();
  await store.save('chat', untyped(saveOf(100)), control());
  const [before] = [await backend.list()];
  // As when the tab is closed: nothing after the second chunk is done any more.
  for (const key of ['chat', 'never whole']) {
    let writes = 0;
    shared.writeChunk = (/** @type {Parameters<Backend['writeChunk']>} */ ...values) =>
      ++writes === 2 ? full() : backend.writeChunk(...values);
    shared.remove = async (/** @type {string} */ id) => (writes < 2 ? backend.remove(id) : full());
    await errorOf(store.save(key, untyped(saveOf(20 << 20)), control()));
  }
  assert.notDeepEqual(await backend.list(), before);
  Object.assign(shared, {
    writeChunk: (/** @type {Parameters<Backend['writeChunk']>} */ ...values) => backend.writeChunk(...values),
  });
  shared.remove = (/** @type {string} */ id) => backend.remove(id);
  assert.deepEqual(
    (await make().list()).map(({ key, bytes }) => [key, bytes]),
    [['chat', 100]],
  );
  await make().save('other', untyped(saveOf(50)), control());
  const kept = (await backend.list()).filter(({ key }) => key !== 'other');
  assert.deepEqual(kept.sort(), before.sort());
  assert.equal((await backend.estimate()).usage, 150);
});

test('two that save and restore one key at once leave it whole', async () => {
  const { backend, make } = await rig();
  const stores = [make(), make(), make()];
  /** @param {SessionStore} store */
  const read = async (store) => {
    /** @type {(Uint8Array<ArrayBuffer>)[]} */
    const parts = [];
    const openRestore = () => ({
      write: (/** @type {Uint8Array} */ bytes) => parts.push(bytes.slice()),
      finish: () => parts,
      close: () => {},
    });
    return (await store.restore('chat', untyped({ openRestore, ...control() }))).session;
  };
  for (let round = 0; round < 5; round++) {
    const saves = stores.map((store, place) => store.save('chat', untyped(saveOf(1000 + place, place + 1)), control()));
    const found = await Promise.all(stores.map(read));
    await Promise.all(saves);
    for (const parts of untyped(found.filter((each) => each !== null))) {
      const seed = parts[0].length - 999;
      assert.deepEqual(parts[0], saveOf(999 + seed, seed).read(9999));
    }
  }
  assert.equal((await backend.list()).length, 2);
  assert.ok(present((await backend.estimate()).usage) <= 1002);
});

test('chunks without a record are dropped, but not those of a save under way', async () => {
  const { backend, shared, make } = await rig();
  const id = saveId('file:m', 'chat');
  const openRestore = () => ({ write: () => {}, finish: () => 'whole', close: () => {} });
  const restore = () => make().restore('chat', untyped({ openRestore, ...control() }));
  for (const half of [0, 1]) {
    await backend.writeChunk(`${id}#${half}`, 0, [new Uint8Array(10)]);
    assert.equal(present((await restore()).problem).code, 'SAVE_DAMAGED');
    assert.equal((await backend.estimate()).usage, 0);
  }

  // In the middle of a save, whose record is seen only when it is whole.
  let restored;
  let whole = false;
  shared.get = async (/** @type {string} */ asked) => (asked === id && !whole ? null : backend.get(asked));
  shared.put = async (/** @type {Record} */ record) => {
    await backend.put(record);
    whole = record.half !== null;
  };
  shared.writeChunk = async (/** @type {Parameters<Backend['writeChunk']>} */ ...values) => {
    await backend.writeChunk(...values);
    restored ??= restore();
  };
  await make().save('chat', untyped(saveOf(9 << 20)), control());
  assert.deepEqual(await restored, { session: 'whole', problem: null });
  assert.equal((await backend.estimate()).usage, 9 << 20);
  await make().delete('chat');

  // A save that comes between what was found and its removal.
  for (const name of ['get', 'put', 'writeChunk']) shared[name] = callOf(backend, name);
  await backend.writeChunk(`${id}#1`, 0, [new Uint8Array(10)]);
  let saving;
  shared.readChunk = async (/** @type {Parameters<Backend['readChunk']>} */ ...values) => {
    saving ??= make().save('chat', untyped(saveOf(100)), control());
    await backend.readChunk(...values);
  };
  assert.equal(present((await restore()).problem).code, 'SAVE_DAMAGED');
  await saving;
  assert.deepEqual(await restore(), { session: 'whole', problem: null });
  assert.equal((await backend.estimate()).usage, 100);
});

test('a list that a close comes in the way of says that the engine was unloaded', async () => {
  const { shared, make } = await rig();
  const store = make();
  await store.save('chat', untyped(saveOf(10)), control());
  /** @type {(reason: unknown) => void} */
  let fail = () => {};
  shared.list = () =>
    new Promise((_, reject) => {
      fail = reject;
    });
  const waiting = errorOf(store.list());
  while (fail === undefined) await new Promise((resolve) => setImmediate(resolve));
  await store.close();
  fail(new Error('The store is closed.'));
  assert.equal((await waiting).code, 'UNLOADED');
  assert.equal((await errorOf(store.list())).code, 'UNLOADED');
});

test('a cancelled save and a record that claims nonsense are no harm', async () => {
  const { backend, make } = await rig();
  const store = make();
  const signal = AbortSignal.abort();
  assert.equal((await errorOf(store.save('chat', untyped(saveOf(10)), { tokens: 1, signal }))).code, 'CANCELLED');
  assert.equal((await backend.list()).length, 1);
  const id = saveId('file:m', 'chat');
  const openRestore = () => assert.fail('nothing is there to be read');
  for (const record of [
    { id },
    { id, format: 1, model: 'file:m', key: 'chat', half: 0, bytes: 2 ** 50, chunkBytes: 2 ** 50 },
  ]) {
    await backend.put(record);
    const { session, problem } = await store.restore('chat', { openRestore, ...control() });
    assert.equal(session, null);
    assert.equal(present(problem).code, 'SAVE_MISMATCH');
    assert.equal(await backend.get(id), null);
  }
});

for (const [what, lasts] of /** @type {const} */ ([
  ['', false],
  [', though it cannot be put back', true],
]))
  test(`a record that arrives and is said not to have leaves the earlier save${what}`, async () => {
    const { backend, shared, make } = await rig();
    const store = make();
    await store.save('chat', untyped(saveOf(100)), control());
    let fails = 0;
    // As a folder that cannot be flushed behind a rename.
    shared.put = async (/** @type {Record} */ record) => {
      await backend.put(record);
      if (record.half === 1 || (lasts && fails > 0)) {
        fails++;
        throw Object.assign(new Error('no space left on device'), { code: 'STORE_FULL' });
      }
    };
    assert.equal((await errorOf(store.save('chat', untyped(saveOf(200, 3)), control()))).code, 'STORE_FULL');
    assert.ok(fails > 0);
    shared.put = (/** @type {Record} */ record) => backend.put(record);
    /** @type {number[]} */
    const read = [];
    const openRestore = () => ({
      write: (/** @type {Uint8Array} */ bytes) => read.push(...bytes),
      finish: () => 'whole',
      close: () => {},
    });
    const { session, problem } = await store.restore('chat', untyped({ openRestore, ...control() }));
    assert.deepEqual({ session, problem }, { session: 'whole', problem: null });
    assert.deepEqual(read, [...Array(100).keys()]);
    // What is left of the other half goes with the next save.
    await store.save('another', untyped(saveOf(10)), control());
    assert.equal((await backend.estimate()).usage, 110);
  });

test('saves of models whose ids differ in what halves are called by stand beside each other', async () => {
  const { backend, make } = await rig();
  const models = ['m', 'm#0', 'm#1', 'm#', 'm##0', 'm#0#1'];
  for (const model of models) await backend.put({ id: model });
  const sizes = models.map((_, index) => 100 + index);
  // A save writes the half that the last one did not.
  for (let round = 0; round < 2; round++)
    for (const [index, model] of models.entries())
      await make(model).save('k', untyped(saveOf(sizes[index])), control());
  /** @param {string} model */
  const bytesOf = async (model) => (await make(model).list()).map(({ bytes }) => bytes);
  assert.deepEqual(
    await Promise.all(models.map(bytesOf)),
    sizes.map((bytes) => [bytes]),
  );
  assert.equal(
    (await backend.estimate()).usage,
    sizes.reduce((sum, bytes) => sum + bytes),
  );
  await removeSavesOf(backend, 'm');
  assert.deepEqual(await Promise.all(models.map(bytesOf)), [[], ...sizes.slice(1).map((bytes) => [bytes])]);
});

test('what was saved of a model goes with it, also where a record is there by its id alone', async () => {
  const { backend, make } = await rig();
  const keys = ['chat', 'a:b', '3:x', ''];
  for (const key of keys) await make().save(key, untyped(saveOf(100)), control());
  for (const key of keys.slice(1)) await backend.put({ id: saveId('file:m', key) });
  const others = [saveId('m', 'x:file'), saveId('file:m2', 'chat'), 'file:m'];
  for (const id of others) await backend.put({ id });
  await removeSavesOf(backend, 'file:m');
  assert.deepEqual((await backend.list()).map(({ id }) => id).sort(), [...others].sort());
  assert.equal((await backend.estimate()).usage, 0);
});
