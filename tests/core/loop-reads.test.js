// Under a memory budget, blocks that are used in several loops are read in the order of their use: what is read ahead is
// what the pass takes next, and nothing is read for nothing.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CORE_OPTIONS, openCoreHeader } from '../core-model.js';
import { FAMILY_MODELS } from '../golden/families.js';
import { goldenBytes } from '../golden/models.js';
import { present } from '../present.js';
import { untyped } from '../untyped.js';

/** A streamed model without its weights, whose passes note what they take. @param {string} name */
async function openStreamed(name) {
  const bytes = goldenBytes(name);
  const { runtime, header } = await openCoreHeader(bytes);
  const { info } = header.describe({ ...CORE_OPTIONS, exact: true, memoryBudget: 2 ** 40 });
  const model = header.createModel(
    untyped({ ...CORE_OPTIONS, exact: true, memoryBudget: present(info.budget).leastBytes }),
  );
  for (const { position, length } of model.packedPlaces(0, info.packedBytes)) {
    const zeros = runtime.allocate(length);
    runtime.bytes(zeros, length).fill(0);
    model.passBy(position, zeros, length);
    runtime.free(zeros);
  }
  header.close();
  /** @type {number[]} */
  const taken = [];
  model.weights = untyped({
    take: async (/** @type {number} */ segment) => {
      taken.push(segment);
      return taken.length % model.ring.slots;
    },
    release() {},
    readRows: async () => {},
    scheduler: { nextTask: async () => {} },
  });
  return { model, taken, close: () => [model.close(), runtime.close()] };
}

for (const name of Object.keys(FAMILY_MODELS).filter((name) => FAMILY_MODELS[name].shape.loops)) {
  test(name, async () => {
    const { loops } = FAMILY_MODELS[name].shape;
    const { model, taken, close } = await openStreamed(name);
    const segments = model.ring.segments();
    const { streamedBlocks, bytesPerTokenStreamed } = present(model.info.budget);
    assert.ok(streamedBlocks > 1);
    for (let loop = 1; loop < present(loops); loop++) {
      const again = segments.slice(loop * streamedBlocks, (loop + 1) * streamedBlocks);
      assert.deepEqual(again, segments.slice(0, streamedBlocks));
    }
    const read = segments.flat().reduce((sum, { length }) => sum + length, 0);
    assert.equal(bytesPerTokenStreamed, read);
    const session = model.createSession();
    await session.evaluate([1, 2, 3]);
    await session.evaluate([4]);
    session.close();
    const once = Array.from(segments.keys());
    assert.deepEqual(taken, [...once, ...once]);
    close();
  });
}
