// What a shift makes of the keys it keeps, in every family: the values that the same tokens have where they have come
// to, computed there. That holds only where a key does not depend on the tokens before it, so of each model one layer
// at a time has attention: in the others nothing of it reaches the residual stream.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logitsAfter, openCoreModel } from '../core-model.js';
import { ggufBytes } from '../gguf-writer.js';
import { present } from '../present.js';
import { FAMILY_MODELS } from './families.js';
import { goldenFile } from './models.js';

/** @typedef {import('../model-shapes.js').Shape} Shape */

const LENGTH = 90;
const KEEP = 5;
const DROP = 37;
const TOLERANCE = 1e-3;

// Those that say why they do not.
/** @type {Record<string, RegExp>} */
const REFUSALS = {
  gpt2: /reads positions with the tokens.*cannot be moved.*Begin anew/,
};

/**
 * A golden model in which block `only` alone has attention, and no block is computed twice.
 * @param {string} name
 * @param {number} only
 */
function withOneAttention(name, only) {
  const file = goldenFile(name, { twin: true });
  /** @param {string} tensor */
  const silent = (tensor) => {
    const block = tensor.match(/^blk\.(\d+)\.attn_output\.weight$/);
    return block !== null && Number(block[1]) !== only;
  };
  const loops = `${FAMILY_MODELS[name].shape.family}.num_loops`;
  return ggufBytes({
    metadata: file.metadata.filter(([key]) => key !== loops),
    tensors: file.tensors,
    produce: ({ name: tensor, bytes }) => [silent(tensor) ? new Uint8Array(bytes.length) : bytes],
  });
}

/** The blocks that may turn keys in different ways. @param {Shape} shape */
function blocksOf({ family, layers, loops = 1, window, scaling }) {
  const blocks = layers / loops;
  if (blocks > 8) return window ? [0, blocks - 1] : [blocks - 1];
  const differ = window || family === 'smollm3' || scaling;
  return differ ? Array.from({ length: blocks }, (_, i) => i) : [0, blocks - 1];
}

/** @param {Float32Array<ArrayBuffer> | null} a @param {Float32Array<ArrayBuffer>} b */
const distance = (a, b) => Math.max(...present(a).map((value, i) => Math.abs(value - b[i])));

for (const [name, { shape }] of Object.entries(FAMILY_MODELS)) {
  test(name, async () => {
    const tokens = Array.from({ length: LENGTH }, (_, i) => (i * 89 + 7) % shape.vocabulary);
    const rest = [...tokens.slice(0, KEEP), ...tokens.slice(KEEP + DROP)];
    for (const block of blocksOf(shape)) {
      // A context beyond the original one has the long factors of LongRoPE.
      const options = { exact: true, contextSize: 300, batchSize: 128 };
      const { model, close } = await openCoreModel(withOneAttention(name, block), options);
      const session = model.createSession();
      await session.evaluate(tokens);
      const refused = REFUSALS[present(shape.family)];
      if (refused) {
        assert.throws(() => session.shift(KEEP, DROP), refused);
        assert.equal(session.length, LENGTH);
      } else {
        session.shift(KEEP, DROP);
        assert.deepEqual(session.tokens, rest);
        await session.evaluate([3]);
        const there = await logitsAfter(model, [...rest, 3]);
        const size = Math.max(...there.map(Math.abs));
        const found = distance(session.logits(), there) / size;
        assert.ok(found < TOLERANCE, `block ${block}: ${found} of the largest logit`);
        // Attention over these tokens counts for something.
        const others = await logitsAfter(model, [...tokens.toReversed(), 3]);
        assert.ok(distance(others, there) / size > 10 * TOLERANCE, `block ${block} sees nothing`);
      }
      session.close();
      close();
    }
  });
}

test('keys whose norm behind the rotation has a weight of 0 cannot be moved', async () => {
  const name = 'hunyuan-dense-alpha';
  const file = goldenFile(name, { twin: true });
  /** @param {{ name: string, bytes: Uint8Array }} options */
  const produce = ({ name: tensor, bytes }) => {
    const copy = Float32Array.from(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
    if (tensor === 'blk.1.attn_k_norm.weight') copy[3] = 0;
    return [new Uint8Array(copy.buffer)];
  };
  const { model, close } = await openCoreModel(ggufBytes({ ...file, produce }), { exact: true, contextSize: 64 });
  const session = model.createSession();
  await session.evaluate([1, 2, 3, 4]);
  assert.throws(() => session.shift(1, 1), /normalised behind their rotation.*cannot be moved.*Begin anew/);
  assert.equal(session.length, 4);
  session.close();
  close();
});
