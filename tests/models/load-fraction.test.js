// `fraction` of onProgress: over all phases of every kind of load it goes up from 0 to 1 and never back.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { createEngine, describeModel, openModelStore } from '../../js/index.node.js';
import { openFolder } from '../../js/store/folder.node.js';
import { temporaryFolder, writeSmallModel } from '../small-model.js';
import { serveFile } from './rig.js';

/** @typedef {import('../../js/index.node.js').Progress} Progress */

const CHUNK = 10_000;
const path = writeSmallModel();
const bytes = readFileSync(path);

/** @type {Awaited<ReturnType<typeof serveFile>>} */
let server;

before(async () => {
  server = await serveFile(bytes);
});

after(() => server?.close());

const newStore = () => ({ folder: temporaryFolder(), chunkBytes: CHUNK });

/**
 * What is told while something loads.
 * @param {(onProgress: (progress: Progress) => void) => Promise<unknown>} load
 */
async function toldOf(load) {
  /** @type {Progress[]} */
  const told = [];
  await load((progress) => told.push(progress));
  return told;
}

/** @param {object} options */
const loading = (options) =>
  toldOf(async (onProgress) => (await createEngine({ threads: 1, model: path, ...options, onProgress })).unload());

/** Whether it rises from `first` at least to the end. @param {Progress[]} told @param {string[]} phases that have to be among it */
function assertRises(told, phases) {
  const fractions = told.map(({ fraction }) => fraction);
  assert.deepEqual(
    fractions,
    fractions.slice().sort((a, b) => a - b),
    'it goes back',
  );
  assert.ok(fractions.every((fraction) => fraction >= 0 && fraction <= 1));
  assert.equal(fractions.at(-1), 1);
  const found = new Set(told.map(({ phase }) => phase));
  for (const phase of phases)
    assert.ok(found.has(/** @type {Progress['phase']} */ (phase)), `${phase} of ${[...found]}`);
}

describe('the fraction of a load', () => {
  test('rises from a file, an address and a stream, with a store and without', async () => {
    const stream = () => ({ stream: new Blob([bytes]).stream(), name: 'm.gguf' });
    for (const store of [null, newStore()]) {
      assertRises(await loading({ store }), ['prepare', 'load']);
      assertRises(await loading({ model: server.url, store }), ['prepare', 'download']);
      assertRises(await loading({ model: stream(), store }), ['prepare', 'load']);
    }
  });

  test('rises from a store, where a chunk of it comes again, and where weights stream', async () => {
    const store = newStore();
    await loading({ model: server.url, store });
    assertRises(await loading({ model: server.url, store }), ['prepare', 'read']);
    const models = await openModelStore({ store });
    const [{ id }] = await models.list();
    const backend = await openFolder(store.folder);
    await backend.writeChunk(id, 2, [new Uint8Array(CHUNK)]);
    await backend.close();
    assertRises(await toldOf((onProgress) => models.verify(id, { onProgress })), ['read']);
    await models.close();
    assertRises(await loading({ model: server.url, store }), ['prepare', 'read', 'repair']);
    const large = writeSmallModel({ width: 128, layers: 12, ffn: 512, heads: 8 });
    const { model } = await describeModel(large, { threads: 1, memoryBudget: 2 ** 40 });
    const streams = { model: large, store: newStore(), memoryBudget: model?.budget?.leastBytes };
    const told = await loading(streams);
    assertRises(told, ['load', 'read']);
    assert.ok(told.some(({ phase, fraction }) => phase === 'load' && fraction < 1 && fraction > 0.8));
    assertRises(await loading(streams), ['read']);
  });

  test('goes on where an interrupted load stopped', async () => {
    const store = newStore();
    const controller = new AbortController();
    const reason = new Error('enough');
    server.limit = 45_000;
    const onProgress = (/** @type {Progress} */ { loaded }) => loaded >= 40_000 && controller.abort(reason);
    const interrupted = createEngine({ model: server.url, store, signal: controller.signal, onProgress });
    await assert.rejects(interrupted, reason);
    server.limit = Infinity;
    const told = await loading({ model: server.url, store });
    assertRises(told, ['read', 'download']);
    const [read, fetched] = ['read', 'download'].map((phase) => told.filter((progress) => progress.phase === phase));
    assert.ok(Number(read.at(-1)?.fraction) < 0.9, 'what was stored is not the whole');
    assert.ok(fetched[0].fraction > 0.1, 'and counts');
  });

  test('rises in an import and in a load of the vocabulary alone', async () => {
    const models = await openModelStore({ store: newStore() });
    assertRises(await toldOf((onProgress) => models.import(server.url, { onProgress })), ['download']);
    await models.close();
    assertRises(await loading({ vocabularyOnly: true }), ['prepare']);
  });
});
